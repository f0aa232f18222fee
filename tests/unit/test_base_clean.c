/* test_base_clean: cleaned text has no control characters, no changes of direction, and only UTF-8. */
#include "test.h"

#include <string.h>

#include "base/clean.h"
#include "base/failure.h"

static void expect(const char *text, const char *expected) {
	char copy[100];
	strcpy(copy, text);
	assert_string_equal(clean(copy), expected);
}

static void test_text_stays(void **state) {
	(void)state;
	expect("", "");
	expect("caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80");
	/* code points beside those that are replaced */
	expect("\xc2\xa0\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5", "\xc2\xa0\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5");
}

static void test_controls_are_replaced(void **state) {
	(void)state;
	expect("\x1b[31mred\a\n\tb\x7f", "?[31mred???b?");
	expect("a\xc2\x9b" "31mb\xc2\x80", "a?31mb?");       /* C1: CSI */
	expect("a\x9b" "31m\xff", "a?31m?");                 /* the same as one byte, which is not UTF-8 */
	expect("x\xe2\x80\xae" "cod.exe\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c", "x?cod.exe???");
	expect("a\xe2\x80\xa8" "b\xe2\x80\xa9", "a?b?");
}

static void test_failures_are_clean(void **state) {
	(void)state;
	struct failure failure;
	assert_int_equal(fail(&failure, EX_DATAERR, "%s: bad", "a\xc2\x9b\nb"), -1);
	assert_string_equal(failure.text, "a??b: bad");
}

int main(void) {
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_text_stays), cmocka_unit_test(test_controls_are_replaced),
		cmocka_unit_test(test_failures_are_clean) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
