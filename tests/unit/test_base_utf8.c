/* test_base_utf8: every scalar value is encoded and decoded, and invalid bytes are split as by errors="replace" of
 * Python. */
#include "test.h"

#include <string.h>

#include "base/utf8.h"

static void every_scalar_comes_back(void **state) {
	(void)state;
	for (uint32_t point = 0; point < 0x110000; point++) {
		char bytes[UTF8_LONGEST];
		uint32_t back;
		if (point >= 0xd800 && point < 0xe000)
			continue;
		size_t length = utf8_encode(point, bytes);
		assert_int_equal(length, point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4);
		assert_int_equal(utf8_decode(bytes, length, &back), length);
		assert_int_equal(back, point);
		for (size_t cut = 1; cut < length; cut++) {
			assert_int_equal(utf8_decode(bytes, cut, &back), cut);
			assert_int_equal(back, UTF8_INVALID);
		}
	}
}

/* [(bytes, bytes.decode(errors="replace"))], U+FFFD written as '?'. */
static void invalid_bytes_are_cut_as_python_does(void **state) {
	(void)state;
	static const struct { const char *bytes, *decoded; } cases[] = {
		{ "a\x80" "b", "a?b" }, { "\xc0\xaf", "??" }, { "\xc1\xbf", "??" }, { "\xe0\x80\xaf", "???" },
		{ "\xe0\xa0", "?" },
		{ "\xe0\xa0z", "?z" }, { "\xed\xa0\x80", "???" }, { "\xed\x9f", "?" }, { "\xf0\x80\x80\x80", "????" },
		{ "\xf0\x90\x80", "?" }, { "\xf0\x90\x80x", "?x" }, { "\xf4\x90\x80\x80", "????" }, { "\xf4\x8f\xbf", "?" },
		{ "\xf5\x80\x80\x80", "????" }, { "\xff\xfe", "??" }, { "\xe2\x82\xe2\x82\xac", "?€" },
		{ "\xf1\x80\xc3\xa9", "?é" },
		{ "\xe1\x80[MASK]", "?[MASK]" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char decoded[64];
		size_t at = 0, to = 0, length = strlen(cases[i].bytes);
		while (at < length) {
			uint32_t point;
			at += utf8_decode(cases[i].bytes + at, length - at, &point);
			to += utf8_encode(point == UTF8_INVALID ? '?' : point, decoded + to);
		}
		decoded[to] = '\0';
		assert_string_equal(decoded, cases[i].decoded);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scalar_comes_back),
		cmocka_unit_test(invalid_bytes_are_cut_as_python_does),
	};
	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
