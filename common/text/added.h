/* added: the search for added tokens, as [MASK], in a text before it is cut into words. For tokenizer.c alone.
 *
 * Source: AddedVocabulary of Hugging Face `tokenizers`: the leftmost first, of those the longest. Some are searched for in
 * the text as it came, the others in what is left, once it is normalized. */
#ifndef CLOZE_TEXT_ADDED_H
#define CLOZE_TEXT_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/settings.h"

struct added_search {
	const struct settings *settings;
	bool in_text, in_normalized; /* there are tokens to be searched for there */
	bool begins[256];            /* one for the text begins with the byte */
	int only_beginning;          /* the one byte that they all begin with; -1: several, or none */
};

/* Prepares the search, and normalizes the tokens that it is to find in normalized text. */
void added_prepare(struct settings *settings, struct added_search *search);

/* A stretch of text, as bytes, or, where `bytes` is NULL, as normalized code points. */
struct haystack { const char *bytes; const uint32_t *points; size_t length; };

/* The next added token at or after *at, and the stretch it takes, from *from to *to, white space that it strips included;
 * nothing before `floor` is taken. Moves *at on. NULL: there is none. */
const struct added_token *added_next(const struct added_search *search, const struct haystack *text, size_t *at,
	size_t floor, size_t *from, size_t *to);

#endif
