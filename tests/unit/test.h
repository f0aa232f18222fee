/* test: includes cmocka and the headers that it requires. */
#ifndef CLOZE_TESTS_UNIT_TEST_H
#define CLOZE_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* base/failure.h has a function of the name of cmocka's macro, which fail_msg() is made of. */
#undef fail
#undef fail_msg
#define fail_msg(...) (print_error("ERROR: " __VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

/* Reports that the rest of a test is skipped, and why, to whoever reads the output and to tests/run, which counts.
 * (What cmocka's skip() prints is a failure to prove.) */
static inline void report_skipped(const char *reason) {
	const char *path = getenv("CLOZE_SKIPPED");
	FILE *file = path != NULL ? fopen(path, "a") : NULL;
	print_message("# skipped: %s\n", reason);
	if (file == NULL)
		return;
	fprintf(file, "%s\n", reason);
	fclose(file);
}

#endif
