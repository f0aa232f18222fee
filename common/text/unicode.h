/* unicode: the properties of code points, as the reference's libraries have them.
 *
 * The table is generated (make-unicode-table.py) from the behaviour of Hugging Face `tokenizers`, which mixes several
 * versions of the Unicode Character Database. */
#ifndef CLOZE_TEXT_UNICODE_H
#define CLOZE_TEXT_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum {
	UNICODE_RANK = 0x3f,         /* place in canonical ordering (Unicode section 3.11); 0: not moved */
	UNICODE_REMOVED = 0x40,      /* taken out by clean_text */
	UNICODE_SPACE = 0x80,
	UNICODE_CJK = 0x100,         /* a word of its own, by tokenize_chinese_chars */
	UNICODE_MARK = 0x200,        /* nonspacing: taken out by strip_accents */
	UNICODE_PUNCTUATION = 0x400,
	UNICODE_WORD = 0x800,        /* \w of a regular expression */
	UNICODE_DECOMPOSES = 0x1000, /* canonically */
	UNICODE_LOWERS = 0x2000
};

/* `from` becomes the `count` code points that start at `at` in the table beside. */
struct unicode_mapping { uint32_t from; uint16_t at, count; };

extern const uint16_t unicode_block_of[], unicode_block[];
extern const struct unicode_mapping unicode_decomposition[], unicode_lowercase[];
extern const uint32_t unicode_decomposition_to[], unicode_lowercase_to[];
extern const size_t unicode_decomposition_count, unicode_lowercase_count;

#define UNICODE_LONGEST 4 /* code points that one becomes */

/* The flags of a code point up to U+10FFFF. */
static inline unsigned unicode_flags(uint32_t point) {
	return unicode_block[(uint32_t)unicode_block_of[point >> 7] << 7 | (point & 127)];
}

/* The canonical decomposition, in full, and the lower case; each returns how many code points it wrote. */
size_t unicode_decompose(uint32_t point, uint32_t to[static UNICODE_LONGEST]);
size_t unicode_lower(uint32_t point, uint32_t to[static UNICODE_LONGEST]);

#endif
