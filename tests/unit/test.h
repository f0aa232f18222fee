/* test: cmocka and what it must have included before it. */
#ifndef CLOZE_TESTS_UNIT_TEST_H
#define CLOZE_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef fail /* cmocka's macro; cli/failure.h has a function of that name */

#endif
