/* scratch: a folder of a test's own, in which it works, for cmocka's set-up and tear-down. */
#ifndef CLOZE_TESTS_UNIT_SCRATCH_H
#define CLOZE_TESTS_UNIT_SCRATCH_H

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/staged.h"

static char scratch[] = "/tmp/cloze-test.XXXXXX";

static inline int make_scratch(void **state) {
	(void)state;
	return mkdtemp(scratch) == NULL || chdir(scratch) != 0;
}

static inline int remove_scratch(void **state) {
	(void)state;
	remove_tree(scratch);
	return 0;
}

static inline int empty_scratch(void **state) {
	return remove_scratch(state) || mkdir(scratch, 0700) != 0 || chdir(scratch) != 0;
}

#endif
