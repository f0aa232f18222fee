/* settings: what a tokenizer is made of, as files give it. For tokenizer.c alone. */
#ifndef CLOZE_TEXT_SETTINGS_H
#define CLOZE_TEXT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "text/normalize.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

/* A token found in the text itself, before it is cut into words. */
struct added_token {
	char *content;
	size_t length;                /* of content, in bytes */
	struct code_points normalized_content; /* what is searched for when `normalized`, */
	char *normalized_text;                 /* and what decoding gives then */
	int32_t id;
	bool special;                 /* left out by a decoding that skips special tokens */
	bool single_word;             /* only where no word character is on either side */
	bool lstrip, rstrip;          /* takes the white space on that side with it */
	bool normalized;              /* searched for in the normalized text, not in the text as it came */
};

struct settings {
	struct vocabulary *vocabulary; /* the added tokens included */
	int32_t pieces;                /* ids below it make up words */
	size_t max_characters;         /* a longer word is unknown */
	struct normalization normalization;
	struct special_ids special_ids;
	struct added_token *added;
	size_t added_count;
	bool cleanup;                  /* decoding takes spaces before punctuation back */
	char *folder;                  /* it came from; NULL: from a vocabulary alone */
};

/* As tokenizer_load() and tokenizer_from_vocabulary(). -1: as those return NULL; the settings are then empty. */
int settings_load(const char *folder, struct settings *settings, struct failure *failure);
int settings_from_vocabulary(const char *path, bool cased, struct settings *settings, struct failure *failure);
/* As tokenizer_save(). */
int settings_save(const struct settings *settings, const char *folder, struct failure *failure);
void settings_clear(struct settings *settings);

#endif
