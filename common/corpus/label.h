/* label: one rule for what a label may be, whatever format it comes from.
 *
 * A label is an integer. It is written as one; as a float that is whole (1.0); as a boolean (true is 1); or as a
 * word: by default neg, negative (0), pos, positive (1), or one of a list, whose order gives the numbers. unsup,
 * unsupervised, an empty text and null are -1, no label. Where there is a list, numbers beyond it are refused, since
 * they would have no name. */
#ifndef CLOZE_CORPUS_LABEL_H
#define CLOZE_CORPUS_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"

/* The names of the labels 0, 1, ...: none where a stream or a user names none. Zero-initialize; label_words_clear()
 * frees it. */
struct label_words { char **words; size_t count; };

/* "ham,spam"; NULL: none. -1: 64 for an empty word, or one that is there twice; the text names --labels. */
int label_words_parse(struct label_words *words, const char *list, struct failure *failure);
/* From an array of strings, as a stream's metadata has them; NULL: none. -1: 65. */
int label_words_copy(struct label_words *words, const json_t *array, struct failure *failure);
/* The same array, which the caller owns; NULL where there are none. */
json_t *label_words_json(const struct label_words *words);
void label_words_clear(struct label_words *words);

/* The label that a text stands for, or a float. False: none. */
bool label_parse(const struct label_words *words, const char *text, size_t length, int64_t *label);
bool label_from_double(const struct label_words *words, double number, int64_t *label);
bool label_from_integer(const struct label_words *words, int64_t number, int64_t *label);

/* Refuses a label by its value, with what it could be: 65, "NAME: UNIT NUMBER: the label VALUE is neither ...". */
struct label_place { const char *name, *unit; int64_t number; };
int label_refuse(const struct label_words *words, struct label_place place, const char *text, size_t length,
	struct failure *failure);

#endif
