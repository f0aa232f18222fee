/* settings: what a tokenizer is made of, as the files of its folder give it. For this room's own use. */
#ifndef CLOZE_TEXT_SETTINGS_H
#define CLOZE_TEXT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "text/normalize.h"
#include "text/strings.h"
#include "text/tokenizer.h"
#include "text/tokenizer_files.h"
#include "text/vocabulary.h"

/* A token found in the text itself, before it is cut into words. */
struct added_token {
	const char *content;          /* owned by the settings' `contents` */
	size_t length;                /* of content, in bytes */
	struct code_points normalized_content; /* what is searched for when `normalized` */
	char *normalized_text;        /* what decoding gives when `decodes_normalized` */
	int32_t id;
	bool special;                 /* left out by a decoding that skips special tokens */
	bool single_word;             /* only where no word character is on either side */
	bool lstrip, rstrip;          /* takes the white space on that side with it */
	bool normalized;              /* searched for in the normalized text, not in the text as it came */
	bool decodes_normalized;      /* was added as normalized once, if with other flags later */
};

struct settings {
	struct vocabulary *vocabulary; /* the added tokens included */
	int32_t pieces;                /* ids below it make up words */
	size_t max_characters;         /* a longer word is unknown */
	struct normalization normalization;
	struct special_ids special_ids;
	struct added_token *added;     /* by id */
	size_t added_count;
	bool split_special;            /* special tokens in a text are words like others */
	bool cut_left;                 /* a bound on the length cuts the beginning of a text off, not its end */
	bool joins;                    /* decoding joins pieces that begin with ## to the one before, */
	bool cleanup;                  /* takes spaces before punctuation back, a token at a time, */
	bool cleanup_text;             /* and then in the whole text */
	struct tokenizer_files files;  /* what all this was read from */
	struct strings contents;       /* of the added tokens, as they were read */
	size_t added_capacity;
	int32_t next_id;               /* of an added token that is no piece */
	size_t new_tokens;             /* how many of those there are */
};

/* As tokenizer_load() and tokenizer_from_vocabulary(). -1: as those return NULL; the settings are then empty. */
int settings_load(const char *folder, struct settings *settings, struct failure *failure);
int settings_from_vocabulary(const char *path, bool cased, struct settings *settings, struct failure *failure);
void settings_clear(struct settings *settings);

#endif
