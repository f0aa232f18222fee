/* normalize: text as BERT cleans it, and the words it is made of.
 *
 * Sources: BertNormalizer and BertPreTokenizer of Hugging Face `tokenizers`; The Unicode Standard, sections 3.11 and
 * 3.12 (canonical decomposition and ordering). */
#ifndef CLOZE_TEXT_NORMALIZE_H
#define CLOZE_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The steps, in the order they are taken. */
struct normalization {
	bool clean_text;             /* control characters go, white space becomes a space */
	bool tokenize_chinese_chars; /* a space on each side of a CJK ideograph */
	bool strip_accents;          /* canonical decomposition, then nonspacing marks go */
	bool lowercase;              /* a code point at a time: the final sigma is not special */
};

/* bert-base-uncased's, or bert-base-cased's. */
struct normalization bert_normalization(bool cased);

/* Zero-initialize; free(points) releases it. */
struct code_points { uint32_t *points; size_t count, capacity; };

/* Puts the normalized text into `to`, replacing what it held. Returns how many invalid sequences were read as
 * U+FFFD. */
size_t normalize(const struct normalization *how, const char *text, size_t length, struct code_points *to);

/* A word as UTF-8, with room for KEY_LENGTH bytes more (text/key.h). Zero-initialize; free(bytes) releases it. */
struct word { char *bytes; size_t length, characters, capacity; };

/* The next word at or after code point *at: a run between white space, or one punctuation character. Moves *at past
 * it. False when there is none. */
bool next_word(const struct code_points *text, size_t *at, struct word *word);

#endif
