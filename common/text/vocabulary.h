/* vocabulary: the tokens of a WordPiece model and their ids.
 *
 * Source: vocab.txt as BERT ships it: a token a line, its id the line's number from 0, pieces within a word begun with
 * `##`. Or the `model.vocab` object of a Hugging Face tokenizer.json. */
#ifndef CLOZE_TEXT_VOCABULARY_H
#define CLOZE_TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

struct vocabulary;

/* A token's text in UTF-8, which need not end in a NUL. NULL: no token has the id. */
struct token_text { const char *text; size_t length; };

/* Builds one of tokens numbered from 0, less than 4 GiB in all; the texts are copied. Where no token has an id, the
 * vocabulary has an empty text, which is never found. */
struct vocabulary *vocabulary_create(const struct token_text *tokens, size_t count);

/* Builds one of the text of a vocab.txt; white space at the end of a line is no part of its token, as in the reference.
 * `name` is the file's, for messages. NULL: 65 for an empty text, a NUL or invalid UTF-8 (the line is named). */
struct vocabulary *vocabulary_parse(const char *text, size_t length, const char *name, struct failure *failure);

void vocabulary_free(struct vocabulary *vocabulary);

/* The highest id plus one. */
size_t vocabulary_size(const struct vocabulary *vocabulary);
/* An id whose token has a higher one too, which is the one that is found; -1 where no token occurs twice. */
int32_t vocabulary_repeated(const struct vocabulary *vocabulary);
/* Whether every id has a token of its own. */
bool vocabulary_whole(const struct vocabulary *vocabulary);
/* The id of a token, -1 if there is none. */
int32_t vocabulary_id(const struct vocabulary *vocabulary, const char *token, size_t length);
/* Cuts a word into pieces, from its left the longest each time, of those with an id below `below`: first a token,
 * then tokens begun with `##`. Puts their ids into `pieces`, which has room for `length`, and returns how many there
 * are; 0 where they do not cover the word. KEY_LENGTH bytes after the word (text/key.h) must be readable, whatever
 * they are. */
size_t vocabulary_cut(const struct vocabulary *vocabulary, int32_t below, const char *word, size_t length,
	int32_t *pieces);
/* The token's text, owned by the vocabulary; empty for an id that no token has, NULL for one that is out of range. */
const char *vocabulary_token(const struct vocabulary *vocabulary, int32_t id);
/* "crc32:" and the CRC-32 of the tokens, each ended by a newline, in the order of their ids. */
void vocabulary_fingerprint(const struct vocabulary *vocabulary, char fingerprint[static 16]);

/* Writes a vocab.txt to the descriptor. -1: 74 or 73. */
int vocabulary_write(const struct vocabulary *vocabulary, int descriptor, const char *name, struct failure *failure);

#endif
