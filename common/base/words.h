/* words: lists of words, each ended by NULL. */
#ifndef CLOZE_BASE_WORDS_H
#define CLOZE_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool is_listed(const char *word, const char *const *words) {
	while (*words != NULL && strcmp(*words, word) != 0)
		words++;
	return *words != NULL;
}

#endif
