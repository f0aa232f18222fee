/* masking: the filter that every masking stage is, from records with `input_ids` to masked records; a stage adds
 * only what its units are, words or tokens.
 *
 * Each unit is chosen by itself, and each that is chosen becomes [MASK], random tokens, or stays as it is, whole.
 * Every choice is made by a 32-bit word that is drawn for it and nothing else, word n % 4 of the Philox block
 * random_words(seed, purpose, record, n / 4):
 *
 *     RANDOM_MASK     n the unit      chosen, if below `probability` of the range
 *     RANDOM_REPLACE  n the unit      [MASK], if below `mask_rate`; random tokens, if below both rates; else kept
 *     RANDOM_TOKEN    n the position  which random token
 *
 * Written are input_ids and labels; `word_ids` and `labels` that came in are dropped (the labels of chunks are a
 * copy of their input_ids), other columns are carried. */
#ifndef CLOZE_STAGE_MASKING_H
#define CLOZE_STAGE_MASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "record/info.h"

/* What a stage's options say. */
struct masking {
	double probability;          /* of a unit to be chosen */
	double mask_rate, random_rate; /* of the units chosen */
	bool at_least_one;           /* where none is chosen, choose the one that came nearest */
	const char *exclude;         /* a file of tokens, one a line; units that hold one are never chosen. NULL: none */
	const char *model;           /* the folder with the vocabulary; NULL: as the stream tells */
	int64_t seed, threads;
};

/* The options of a stage beside that of the probability, for its table. */
#define MASKING_OPTIONS(masking) \
	OPTION_NUMBER("mask-rate", &(masking).mask_rate, 0, 1, "P", "part of those chosen that becomes [MASK]"), \
	OPTION_NUMBER("random-rate", &(masking).random_rate, 0, 1, "P", \
		"part of those chosen that becomes random tokens; the rest stays"), \
	OPTION_FLAG("at-least-one", &(masking).at_least_one, "choose one in each record where chance chooses none"), \
	OPTION_TEXT("exclude", &(masking).exclude, "FILE", "never choose these tokens, one a line; needs --model"), \
	OPTION_TEXT("model", &(masking).model, "DIR", \
		"take the vocabulary from this model folder, for a stream that does not tell"), \
	OPTION_SEED(&(masking).seed), \
	OPTION_THREADS(&(masking).threads)

/* Numbers the units of a record: units[i] is the unit of position i, the positions of a unit next to each other and
 * units in ascending order, or -1 for a position that is never chosen. word_ids[count] has -1 for null; NULL for a
 * stage that does without. */
typedef void number_units(const struct stream_info *info, const int32_t *input_ids, const int32_t *word_ids,
	int32_t *units, size_t count);

/* The whole stage, from the input (a path; NULL: standard input) to standard output. Returns main()'s status; ends
 * the program where it cannot go on. */
int mask_stream(const char *input, const struct masking *masking, bool with_word_ids, number_units *number);

#endif
