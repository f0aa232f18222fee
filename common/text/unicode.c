/* Binary search in the generated mappings; Hangul syllables decompose by arithmetic (Unicode section 3.12). */
#include "text/unicode.h"

static size_t map(uint32_t point, const struct unicode_mapping *mappings, size_t count, const uint32_t *pool,
	uint32_t to[static UNICODE_LONGEST]) {
	size_t low = 0;
	while (count > 1) {
		size_t half = count / 2;
		if (mappings[low + half].from <= point)
			low += half;
		count -= half;
	}
	for (size_t i = 0; i < mappings[low].count; i++)
		to[i] = pool[mappings[low].at + i];
	return mappings[low].count;
}

size_t unicode_decompose(uint32_t point, uint32_t to[static UNICODE_LONGEST]) {
	if (point < 0xac00 || point > 0xd7a3)
		return map(point, unicode_decomposition, unicode_decomposition_count, unicode_decomposition_to, to);
	uint32_t syllable = point - 0xac00, trailing = syllable % 28;
	to[0] = 0x1100 + syllable / (21 * 28);
	to[1] = 0x1161 + syllable % (21 * 28) / 28;
	to[2] = 0x11a7 + trailing;
	return trailing ? 3 : 2;
}

size_t unicode_lower(uint32_t point, uint32_t to[static UNICODE_LONGEST]) {
	return map(point, unicode_lowercase, unicode_lowercase_count, unicode_lowercase_to, to);
}
