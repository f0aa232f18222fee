/* scratch_file: a file of a test's own, for cmocka's set-up and tear-down. */
#ifndef CLOZE_TESTS_UNIT_SCRATCH_FILE_H
#define CLOZE_TESTS_UNIT_SCRATCH_FILE_H

#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/cloze-test.XXXXXX";

static inline int make_file(void **state) {
	(void)state;
	int descriptor = mkstemp(path);
	return descriptor < 0 ? -1 : close(descriptor);
}

static inline int remove_file(void **state) {
	(void)state;
	return unlink(path);
}

#endif
