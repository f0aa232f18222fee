/* added_search: the search for added tokens, as [MASK], in a text before it is cut into words. For tokenizer.c alone.
 *
 * Source: AddedVocabulary of Hugging Face `tokenizers`: the leftmost first, of those the longest. Some are searched
 * for in the text as it came, the others in what is left, once it is normalized. */
#ifndef CLOZE_TEXT_ADDED_SEARCH_H
#define CLOZE_TEXT_ADDED_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/settings.h"

/* The tokens to be searched for in one kind of text, in the order of their contents. */
struct patterns { const struct added_token **tokens; size_t count; };

/* added_search_clear() releases it. */
struct added_search {
	struct patterns in_text, in_normalized;
	bool begins[256];            /* one for the text begins with the byte */
	int only_beginning;          /* the one byte that they all begin with; -1: several, or none */
};

/* Prepares the search, and normalizes the tokens that it is to find in normalized text. */
void added_search_prepare(struct settings *settings, struct added_search *search);

void added_search_clear(struct added_search *search);

/* A stretch of text, as bytes, or, where `bytes` is NULL, as normalized code points. */
struct haystack { const char *bytes; const uint32_t *points; size_t length; };

/* The next added token at or after *at, and the stretch it takes, from *from to *to, white space that it strips
 * included; nothing before `floor` is taken. Moves *at on. NULL: there is none. */
const struct added_token *added_next(const struct added_search *search, const struct haystack *text, size_t *at,
	size_t floor, size_t *from, size_t *to);

#endif
