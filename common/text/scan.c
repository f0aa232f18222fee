/* Eight bytes at a time in a 64-bit word, where there are no wider registers: a byte's highest bit says whether it is in
 * a range, once adding has carried into it. */
#include "text/scan.h"

#include <string.h>

#define EACH 0x0101010101010101u

/* The highest bit of each byte that is `least` or more; bytes are below 0x80. */
static uint64_t at_least(uint64_t bytes, unsigned least) {
	return bytes + (0x80 - least) * EACH;
}

static uint64_t between(uint64_t bytes, unsigned least, unsigned most) {
	return (at_least(bytes, least) & ~at_least(bytes, most + 1)) & 0x80 * EACH;
}

/* The highest bits of the eight bytes, as the low bits of the result. */
static uint64_t gather(uint64_t bytes) {
	return (bytes >> 7 & EACH) * 0x0102040810204080u >> 56;
}

bool scan_separates(char byte) {
	unsigned char lower = (unsigned char)(byte | 0x20);
	bool known = (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9');
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || (byte >= '!' && byte <= '~' && !known);
}

void scan_blocks_portable(struct scan *scan, size_t first, const char *text, size_t count, bool lowercase) {
	for (size_t block = first; block < first + count; block++) {
		uint64_t runs = 0, others = 0, punctuation = 0;
		for (size_t i = 0; i < SCAN_BLOCK; i += 8, text += 8) {
			uint64_t bytes;
			memcpy(&bytes, text, 8);
			uint64_t ascii = ~bytes & 0x80 * EACH, low = bytes & 0x7f * EACH;
			uint64_t upper = between(low, 'A', 'Z') & ascii;
			uint64_t known = (upper | between(low, 'a', 'z') | between(low, '0', '9')) & ascii;
			uint64_t marks = between(low, '!', '~') & ascii & ~known;
			uint64_t space = (between(low, '\t', '\n') | between(low, '\r', '\r') | between(low, ' ', ' ')) & ascii;
			uint64_t run = ~(marks | space);
			runs |= gather(run) << i;
			others |= gather(run & ~known) << i;
			punctuation |= gather(marks) << i;
			bytes |= lowercase ? upper >> 2 : 0;
			memcpy(scan->text + block * SCAN_BLOCK + i, &bytes, 8);
		}
		scan->runs[block] = runs;
		scan->others[block] = others;
		scan->starts[block] = punctuation;
	}
}

/* Blocks, then what is left over, with zeros after it. */
static void scan_bytes(struct scan *scan, const char *text, size_t length, bool lowercase) {
	scan_kernel *kernel = scan_has_avx2() ? scan_blocks_avx2 : scan_blocks_portable;
	size_t blocks = length / SCAN_BLOCK, left = length % SCAN_BLOCK;
	kernel(scan, 0, text, blocks, lowercase);
	if (left > 0) {
		char *last = scan->text + blocks * SCAN_BLOCK;
		uint64_t there = ((uint64_t)1 << left) - 1;
		memset(last, 0, SCAN_BLOCK);
		memcpy(last, text + blocks * SCAN_BLOCK, left);
		kernel(scan, blocks, last, 1, lowercase);
		scan->runs[blocks] &= there;
		scan->others[blocks] &= there;
		scan->starts[blocks++] &= there;
	}
	scan->runs[blocks] = scan->others[blocks] = 0;
	for (size_t block = 0, before = 0; block < blocks; block++) {
		scan->starts[block] |= scan->runs[block] & ~(scan->runs[block] << 1 | before);
		before = scan->runs[block] >> 63;
	}
}

size_t scan_text(struct scan *scan, const char *text, size_t length, bool lowercase) {
	if (length <= SCAN_BYTES) {
		scan_bytes(scan, text, length, lowercase);
		return length;
	}
	scan_bytes(scan, text, SCAN_BYTES, lowercase);
	uint64_t starts = scan->starts[SCAN_BLOCKS - 1], last = scan->runs[SCAN_BLOCKS - 1];
	if (last >> 63 == 0 || starts == 0)
		return SCAN_BYTES;
	unsigned start = 63 - (unsigned)__builtin_clzll(starts); /* of the run that reaches the end */
	scan->starts[SCAN_BLOCKS - 1] &= ~((uint64_t)1 << start);
	return SCAN_BYTES - SCAN_BLOCK + start;
}
