/* test: cmocka and what it must have included before it. */
#ifndef CLOZE_TESTS_UNIT_TEST_H
#define CLOZE_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* base/failure.h has a function of the name of cmocka's macro, which fail_msg() is made of. */
#undef fail
#undef fail_msg
#define fail_msg(...) (print_error("ERROR: " __VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#endif
