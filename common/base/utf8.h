/* utf8: decodes code points from UTF-8 and encodes them.
 *
 * Source: The Unicode Standard, section 3.9, table 3-7; invalid bytes are cut into maximal subparts, as Python's
 * errors="replace" does. */
#ifndef CLOZE_BASE_UTF8_H
#define CLOZE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_INVALID UINT32_MAX
#define UTF8_LONGEST 4 /* bytes of a code point */

/* Decodes the code point that the bytes begin with (`length` is at least 1) and returns how many bytes it takes. For
 * invalid bytes *point is UTF8_INVALID, and the result is how many of them one U+FFFD stands for. */
size_t utf8_decode(const char *bytes, size_t length, uint32_t *point);

/* Encodes a scalar value; returns how many bytes it takes. */
size_t utf8_encode(uint32_t point, char bytes[static UTF8_LONGEST]);

/* Whether the byte continues a code point that an earlier byte began. */
static inline bool utf8_continues(char byte) {
	return ((unsigned char)byte & 0xc0) == 0x80;
}

#endif
