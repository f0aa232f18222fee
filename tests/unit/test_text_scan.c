/* test_text_scan: each version of the scan, and the positions that it finds, are compared with a loop over bytes. */
#include "test.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "text/scan.h"

static uint64_t state = 1;

static unsigned draw(unsigned below) { /* an LCG of Knuth's */
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % below;
}

/* Mostly text, in runs of one kind. */
static void fill(char *text, size_t length) {
	static const char letters[] = "abcXYZ019", others[] = "\x00\x01\x0b\x0c\x1f\x7f\x80\xc3\xa9\xff", marks[] = "!./:@[`{~",
		space[] = " \t\n\r";
	for (size_t i = 0; i < length;) {
		unsigned kind = draw(20), run = 1 + draw(draw(50) ? 8 : 200);
		for (; run > 0 && i < length; run--, i++)
			text[i] = kind < 11 ? letters[draw(9)] : kind < 16 ? space[draw(4)] : kind < 18 ? marks[draw(9)]
				: kind < 19 ? others[draw(10)] : (char)draw(256);
	}
}

static bool is_space(unsigned char byte) {
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool is_punctuation(unsigned char byte) {
	return byte < 0x80 && ispunct(byte);
}

static bool is_known(unsigned char byte) {
	return byte < 0x80 && isalnum(byte);
}

static void check_kernel(scan_kernel *kernel) {
	enum { BLOCKS = 5 };
	char text[BLOCKS * SCAN_BLOCK], copy[BLOCKS * SCAN_BLOCK];
	struct scan_block blocks[BLOCKS];
	for (int round = 0; round < 2000; round++) {
		bool lowercase = draw(2);
		fill(text, sizeof text);
		if (round < 256)
			memset(text, round, sizeof text);
		kernel(text, BLOCKS, lowercase, blocks, copy);
		for (size_t i = 0; i < sizeof text; i++) {
			unsigned char byte = (unsigned char)text[i];
			const struct scan_block *block = &blocks[i / SCAN_BLOCK];
			bool separates = is_space(byte) || is_punctuation(byte);
			assert_int_equal(block->punctuation >> i % SCAN_BLOCK & 1, is_punctuation(byte));
			assert_int_equal(block->run >> i % SCAN_BLOCK & 1, !separates);
			assert_int_equal(block->other >> i % SCAN_BLOCK & 1, !separates && !is_known(byte));
			assert_int_equal((unsigned char)copy[i], lowercase && byte < 0x80 ? tolower(byte) : byte);
			assert_int_equal(scan_separates(text[i]), separates);
		}
		kernel(text, BLOCKS, lowercase, blocks, text); /* in place */
		assert_memory_equal(text, copy, sizeof text);
	}
}

static void portable_kernel_tells_bytes_apart(void **unused) {
	(void)unused;
	check_kernel(scan_blocks_portable);
}

static void avx2_kernel_does_the_same(void **unused) {
	(void)unused;
	if (scan_has_avx2())
		check_kernel(scan_blocks_avx2);
	else
		report_skipped("no AVX2 in this processor, or in this build");
}

/* Holds one scan against the text, and returns how many bytes it makes. */
static size_t check_scan(const struct scan *scan, const char *text, size_t length, size_t scanned) {
	size_t count = 0, others = 0, at = 0;
	while (at < scanned) {
		unsigned char byte = (unsigned char)text[at];
		size_t past = at + 1;
		if (is_space(byte)) {
			at++;
			continue;
		}
		while (!is_punctuation(byte) && past < length && past < SCAN_BYTES && !scan_separates(text[past]))
			past++;
		assert_int_equal(scan->first[count], at);
		assert_int_equal(scan->past[count++], past);
		for (; at < past; at++)
			if (!is_known((unsigned char)text[at]) && !is_punctuation(byte))
				assert_int_equal(scan->other[others++], at);
	}
	assert_int_equal(scan->count, count);
	assert_true(scan->other[others] >= scanned);
	return scanned;
}

static void places_are_those_of_the_text(void **unused) {
	(void)unused;
	struct scan *scan = calloc(1, sizeof *scan);
	for (int round = 0; round < 400; round++) {
		size_t length = draw(3) ? draw(300) : draw(3 * SCAN_BYTES);
		char *text = malloc(length + !length); /* of its exact length, for AddressSanitizer */
		fill(text, length);
		for (size_t at = 0; at < length;) {
			size_t scanned = scan_text(scan, text + at, length - at, false);
			assert_true(scanned > 0 && scanned <= length - at);
			/* Less than there is and than it can take: what it could not see the end of. */
			if (scanned < length - at && scanned < SCAN_BYTES)
				for (size_t i = scanned; i < SCAN_BYTES; i++)
					assert_true(!scan_separates(text[at + i]) || i == SCAN_BYTES - 1);
			if (scanned < length - at && scanned == SCAN_BYTES)
				assert_true(scan->count < 2 || scan->past[scan->count - 1] < scanned);
			at += check_scan(scan, text + at, length - at, scanned);
		}
		free(text);
	}
	assert_int_equal(scan_text(scan, "", 0, false), 0);
	assert_int_equal(scan->count, 0);
	free(scan);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(portable_kernel_tells_bytes_apart),
		cmocka_unit_test(avx2_kernel_does_the_same),
		cmocka_unit_test(places_are_those_of_the_text),
	};
	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
