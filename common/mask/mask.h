/* mask: which tokens of a record are to be predicted, and what the model sees in their place.
 *
 * A record is cut into units: its words, or its tokens. Each unit is chosen, or not, by itself. All tokens of a chosen
 * unit get a label; they become [MASK], or random tokens, or stay as they are, all in the same way. Every choice is
 * made by one random 32-bit number R, word n % 4 of the Philox block random_words(seed, purpose, record, n / 4)
 * (math/random.h):
 *
 *     RANDOM_MASK     n the unit      the unit is chosen if R / 2^32 is below `probability`
 *     RANDOM_REPLACE  n the unit      it becomes [MASK] if R / 2^32 is below `mask_rate`, random tokens if it is below
 *                                     the sum of both rates; otherwise it stays
 *     RANDOM_TOKEN    n the position  which token of the whole vocabulary the position gets
 *
 * So the masks of a record depend on the seed, its ordinal and its tokens, and on nothing else.
 *
 * Sources: Devlin et al. 2018, section 3.1; DataCollatorForLanguageModeling of Hugging Face transformers; for words,
 * whole_word_masking_data_collator of the Hugging Face course, chapter 7.3. */
#ifndef CLOZE_MASK_MASK_H
#define CLOZE_MASK_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/options.h"
#include "text/vocabulary.h"

/* What the options of a masking stage say. */
struct masking {
	double probability;            /* of a unit to be chosen */
	double mask_rate, random_rate; /* parts of the chosen units that become [MASK] and random tokens */
	bool at_least_one;             /* where no unit is chosen, choose the one with the lowest R */
	const char *exclude;           /* a file of tokens, one a line: no unit that holds one is chosen. NULL: none */
	int64_t seed;
};

/* The options of a stage beside that of the probability, for its table. */
#define MASKING_OPTIONS(masking) \
	OPTION_NUMBER("mask-rate", &(masking).mask_rate, 0, 1, "P", "part of those chosen that becomes [MASK]"), \
	OPTION_NUMBER("random-rate", &(masking).random_rate, 0, 1, "P", \
		"part of those chosen that becomes random tokens; the rest stays"), \
	OPTION_FLAG("at-least-one", &(masking).at_least_one, "choose one in each record where chance chooses none"), \
	OPTION_TEXT("exclude", &(masking).exclude, "FILE", "never choose these tokens, one a line; needs --model"), \
	OPTION_SEED(&(masking).seed)

/* What masking needs to know of the vocabulary. Everything in it is borrowed. */
struct mask_vocabulary {
	int32_t mask_id;             /* of [MASK], below `size` */
	int64_t size;                /* at most INT32_MAX */
	const int32_t *special_ids;  /* of all special tokens; those that are out of range are ignored */
	size_t special_count;
	const struct vocabulary *tokens; /* where those of `exclude` are looked up; NULL: not known */
};

/* The rules by which records are masked. Several threads may use them at once. */
struct mask;

/* Prepares the rules. NULL: 64 for rates that sum to more than 1, or for tokens to exclude without a vocabulary to look
 * them up in; 65 for a token to exclude that the vocabulary lacks; 66 or 74 for the file. */
struct mask *mask_create(const struct masking *masking, const struct mask_vocabulary *vocabulary,
	struct failure *failure);
void mask_destroy(struct mask *mask);

/* The failures of mask_create() that need no vocabulary, to be had before the input is opened. -1: 64. */
int mask_check_options(const struct masking *masking, bool with_vocabulary, struct failure *failure);

/* One record. The arrays are [count]. */
struct mask_record {
	int64_t ordinal;
	size_t count;
	int32_t *input_ids;                 /* in: the tokens, all in the vocabulary; out: those that the model sees */
	int32_t *labels;                    /* out: the token that was there where it is to be predicted, -100 elsewhere */
	const int32_t *word_ids;            /* -1: none; needed for words only */
	const int32_t *special_tokens_mask; /* not 0: special; NULL: the tokens of the vocabulary's special_ids are */
};

/* Masks single tokens. Special tokens are never chosen. A unit's number is the token's position. */
void mask_tokens(const struct mask *mask, const struct mask_record *record);

/* Masks whole words. A word is a run of neighbouring tokens with the same word id, numbered in the order of the record;
 * tokens without a word id are never chosen. Special tokens that have a word id, which stand in the text, are words
 * like others; with `keep_special` they end a word and are never chosen, while they keep their number. */
void mask_words(const struct mask *mask, const struct mask_record *record, bool keep_special);

#endif
