/* test_base_crc: CRC-32 equals that of zlib, for every length and alignment, in one piece and in several. */
#include "test.h"

#include <zlib.h>

#include "base/crc.h"

enum { SIZE = 3000 };

static unsigned char bytes[SIZE];

static int make_bytes(void **state) {
	(void)state;
	uint32_t number = 7;
	for (size_t i = 0; i < SIZE; i++) {
		number = number * 1664525 + 1013904223;
		bytes[i] = (unsigned char)(number >> 24);
	}
	return 0;
}

static void test_known(void **state) {
	(void)state;
	assert_int_equal(crc32_extend(0, NULL, 0), 0);
	assert_int_equal(crc32_extend(5, NULL, 0), 5);
	assert_int_equal(crc32_extend(0, "123456789", 9), 0xcbf43926); /* the check value that CRC catalogues list */
}

static void test_lengths(void **state) {
	(void)state;
	for (size_t first = 0; first < 20; first++)
		for (size_t size = 0; size < SIZE - 20; size += size < 700 ? 1 : 97)
			assert_int_equal(crc32_extend(0, bytes + first, size), crc32(0, bytes + first, (uInt)size));
}

static void test_parts(void **state) {
	(void)state;
	uint32_t whole = crc32_extend(0, bytes, SIZE);
	for (size_t cut = 0; cut <= SIZE; cut += 13) {
		uint32_t first = crc32_extend(0, bytes, cut);
		assert_int_equal(crc32_extend(first, bytes + cut, SIZE - cut), whole);
		assert_int_equal(crc32_join(first, crc32_extend(0, bytes + cut, SIZE - cut), SIZE - cut), whole);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_parts),
	};
	return cmocka_run_group_tests_name("record/crc", tests, make_bytes, NULL);
}
