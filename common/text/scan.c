/* The kernels turn bytes into bits, a block into a word of 64 of them; here bits become places. The portable kernel
 * takes eight bytes at a time in one word: a byte's highest bit says whether it is in a range, once adding has
 * carried into it. */
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

void scan_blocks_portable(const char *text, size_t count, bool lowercase, struct scan_block *blocks, char *copy) {
	for (size_t i = 0; i < count * SCAN_BLOCK; i += 8) {
		struct scan_block *block = &blocks[i / SCAN_BLOCK];
		unsigned place = i % SCAN_BLOCK;
		uint64_t bytes;
		memcpy(&bytes, text + i, 8);
		uint64_t ascii = ~bytes & 0x80 * EACH, low = bytes & 0x7f * EACH;
		uint64_t upper = between(low, 'A', 'Z') & ascii;
		uint64_t known = (upper | between(low, 'a', 'z') | between(low, '0', '9')) & ascii;
		uint64_t punctuation = between(low, '!', '~') & ascii & ~known;
		uint64_t space = (between(low, '\t', '\n') | between(low, '\r', '\r') | between(low, ' ', ' ')) & ascii;
		uint64_t run = ~(punctuation | space);
		if (place == 0)
			*block = (struct scan_block){ 0 };
		block->run |= gather(run) << place;
		block->punctuation |= gather(punctuation) << place;
		block->other |= gather(run & ~known) << place;
		bytes |= lowercase ? upper >> 2 : 0;
		memcpy(copy + i, &bytes, 8);
	}
}

bool scan_separates(char byte) {
	char lower = (char)(byte | 0x20);
	bool known = (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9');
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || (byte >= '!' && byte <= '~' && !known);
}

/* Writes the places of the bits, counted from `base`; returns past the last. */
static uint16_t *list_bits(uint64_t bits, size_t base, uint16_t *to) {
	for (; bits != 0; bits &= bits - 1)
		*to++ = (uint16_t)(base + (size_t)__builtin_ctzll(bits));
	return to;
}

/* Lists what is in the blocks, of which `length` bytes count: all but some of the last block's. */
static void list_tokens(struct scan *scan, const struct scan_block *blocks, size_t count, size_t length) {
	uint16_t *first = scan->first, *past = scan->past, *other = scan->other;
	uint64_t run_before = 0, punctuation_before = 0; /* of the last byte of the block before */
	for (size_t base = 0; base < count * SCAN_BLOCK; base += SCAN_BLOCK, blocks++) {
		uint64_t there = length - base < SCAN_BLOCK ? ((uint64_t)1 << (length - base)) - 1 : ~(uint64_t)0;
		uint64_t run = blocks->run & there, punctuation = blocks->punctuation;
		uint64_t after_run = run << 1 | run_before, after_punctuation = punctuation << 1 | punctuation_before;
		first = list_bits(punctuation | (run & ~after_run), base, first);
		past = list_bits(after_punctuation | (after_run & ~run), base, past);
		other = list_bits(blocks->other & there, base, other);
		run_before = run >> 63;
		punctuation_before = punctuation >> 63;
	}
	if (run_before | punctuation_before)
		*past = (uint16_t)length;
	*other = UINT16_MAX;
	scan->count = (size_t)(first - scan->first);
}

size_t scan_text(struct scan *scan, const char *text, size_t length, bool lowercase) {
	scan_kernel *kernel = scan_has_avx2() ? scan_blocks_avx2 : scan_blocks_portable;
	struct scan_block blocks[SCAN_BYTES / SCAN_BLOCK];
	size_t scanned = length < SCAN_BYTES ? length : SCAN_BYTES, count = scanned / SCAN_BLOCK, left = scanned % SCAN_BLOCK;
	kernel(text, count, lowercase, blocks, scan->text);
	if (left > 0) { /* zeros after it, where a load would be past the end of the text */
		char *last = scan->text + count * SCAN_BLOCK;
		memset(last + left, 0, SCAN_BLOCK - left);
		memcpy(last, text + count * SCAN_BLOCK, left);
		kernel(last, 1, lowercase, &blocks[count++], last);
	}
	list_tokens(scan, blocks, count, scanned);
	if (length == scanned || scan->count < 2 || scan->past[scan->count - 1] < scanned)
		return scanned;
	return scan->first[--scan->count];
}
