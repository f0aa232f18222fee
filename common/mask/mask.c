/* mask: units are numbered into the labels, which then replace them from left to right. */
#include "mask/mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "math/random.h"

enum { EXCLUDE_LIMIT = 1 << 26 }; /* bytes of a file of tokens to exclude */

struct mask {
	struct masking masking;
	int32_t mask_id;
	uint32_t vocab_size;
	bool *special;  /* [vocab_size] */
	bool *excluded; /* [vocab_size]; NULL: none */
	uint64_t chosen_below, masked_below, random_below; /* bounds for random 32-bit numbers */
};

/* ---- the rules ----------------------------------------------------------------------------------------- */

/* Marks the token of one line. */
static int exclude_line(const struct vocabulary *vocabulary, const char *line, size_t length, bool *excluded) {
	if (length > 0 && line[length - 1] == '\r')
		length--;
	int32_t id = vocabulary_id(vocabulary, line, length);
	if (id < 0)
		return -1;
	excluded[id] = true;
	return 0;
}

/* The tokens of the file, one a line, as a table by id. free() releases it. */
static bool *read_excluded(const char *path, const struct vocabulary *vocabulary, struct failure *failure) {
	size_t size, number = 1;
	char *text = read_file(path, EXCLUDE_LIMIT, &size, failure);
	if (text == NULL)
		return NULL;
	bool *excluded = allocate(vocabulary_size(vocabulary), sizeof *excluded);
	const char *end = text + size;
	for (const char *line = text, *next; line < end; line = next + 1, number++) {
		next = memchr(line, '\n', (size_t)(end - line));
		next = next != NULL ? next : end;
		if (exclude_line(vocabulary, line, (size_t)(next - line), excluded) == 0)
			continue;
		fail(failure, EX_DATAERR, "%s: line %zu: the vocabulary has no token %.*s (write one token a line, as in"
			" vocab.txt)", path, number, (int)(next - line < 100 ? next - line : 100), line);
		free(excluded);
		excluded = NULL;
		break;
	}
	free(text);
	return excluded;
}

int mask_check_options(const struct masking *masking, bool with_vocabulary, struct failure *failure) {
	if (masking->mask_rate + masking->random_rate > 1)
		return fail(failure, EX_USAGE, "--mask-rate, --random-rate: %g and %g sum to more than 1 (reduce either)",
			masking->mask_rate, masking->random_rate);
	if (masking->exclude != NULL && !with_vocabulary)
		return fail(failure, EX_USAGE, "--exclude: there is no vocabulary to look the tokens up in (name the model's"
			" folder with --model)");
	return 0;
}

/* The bound below which a random 32-bit number is with that probability. */
static uint64_t bound(double probability) {
	return (uint64_t)(probability * 0x1p32);
}

struct mask *mask_create(const struct masking *masking, const struct mask_vocabulary *vocabulary,
	struct failure *failure) {
	bool *excluded = NULL;
	if (mask_check_options(masking, vocabulary->tokens != NULL, failure) < 0)
		return NULL;
	if (masking->exclude != NULL && (excluded = read_excluded(masking->exclude, vocabulary->tokens, failure)) == NULL)
		return NULL;
	struct mask *mask = allocate(1, sizeof *mask);
	*mask = (struct mask){ .masking = *masking, .mask_id = vocabulary->mask_id, .vocab_size = (uint32_t)vocabulary->size,
		.special = allocate((size_t)vocabulary->size, sizeof *mask->special), .excluded = excluded,
		.chosen_below = bound(masking->probability), .masked_below = bound(masking->mask_rate),
		.random_below = bound(masking->mask_rate + masking->random_rate) };
	for (size_t i = 0; i < vocabulary->special_count; i++)
		if (vocabulary->special_ids[i] >= 0 && vocabulary->special_ids[i] < vocabulary->size)
			mask->special[vocabulary->special_ids[i]] = true;
	return mask;
}

void mask_destroy(struct mask *mask) {
	if (mask == NULL)
		return;
	free(mask->special);
	free(mask->excluded);
	free(mask);
}

/* ---- choosing ------------------------------------------------------------------------------------------ */

/* The numbers drawn for one purpose in one record, four at a time. */
struct draws { enum random_purpose purpose; int64_t block; uint32_t words[4]; }; /* block -1: none yet */

static uint32_t draw(struct draws *draws, const struct mask *mask, const struct mask_record *record, size_t n) {
	if (draws->block != (int64_t)(n / 4)) {
		draws->block = (int64_t)(n / 4);
		random_words((uint64_t)mask->masking.seed, draws->purpose, (uint64_t)record->ordinal, (uint32_t)(n / 4),
			draws->words);
	}
	return draws->words[n % 4];
}

struct choices { struct draws chances, replacements, tokens; };

/* A unit: its number, and its positions, `first` up to `end`. */
struct unit { size_t number, first, end; };

/* Makes the unit what is to be predicted. */
static void mask_unit(const struct mask *mask, const struct mask_record *record, struct choices *choices,
	const struct unit *unit) {
	uint32_t drawn = mask->masking.mask_rate < 1 ? draw(&choices->replacements, mask, record, unit->number) : 0;
	bool masked = drawn < mask->masked_below, random = !masked && drawn < mask->random_below;
	for (size_t i = unit->first; i < unit->end; i++) {
		int32_t *id = &record->input_ids[i];
		record->labels[i] = *id;
		if (masked)
			*id = mask->mask_id;
		else if (random)
			*id = (int32_t)random_below(draw(&choices->tokens, mask, record, i), mask->vocab_size);
	}
}

static bool holds_excluded(const struct mask *mask, const struct mask_record *record, const struct unit *unit) {
	for (size_t i = unit->first; mask->excluded != NULL && i < unit->end; i++)
		if (mask->excluded[record->input_ids[i]])
			return true;
	return false;
}

/* Takes the unit that begins at `first` off the labels, where -100 replaces it. False: it must not be chosen. */
static bool take_unit(const struct mask_record *record, size_t first, struct unit *unit) {
	int32_t *labels = record->labels, number = labels[first];
	size_t end = first;
	do
		labels[end++] = -100;
	while (end < record->count && labels[end] == number);
	*unit = (struct unit){ .number = (size_t)number, .first = first, .end = end };
	return number >= 0;
}

/* Masks a record whose labels hold the number of each position's unit: the positions of a unit next to each other, the
 * numbers ascending, -1 for a position that is never chosen. */
static void mask_units(const struct mask *mask, const struct mask_record *record) {
	struct choices choices = { { RANDOM_MASK, -1, { 0 } }, { RANDOM_REPLACE, -1, { 0 } }, { RANDOM_TOKEN, -1, { 0 } } };
	struct unit unit, nearest = { 0 };
	uint64_t nearest_chance = UINT64_MAX; /* above every chance: there is no unit yet */
	bool any = false;
	for (size_t first = 0; first < record->count; first = unit.end) {
		if (!take_unit(record, first, &unit) || holds_excluded(mask, record, &unit))
			continue;
		uint32_t chance = draw(&choices.chances, mask, record, unit.number);
		if (chance < mask->chosen_below) {
			mask_unit(mask, record, &choices, &unit);
			any = true;
		} else if (chance < nearest_chance) {
			nearest = unit;
			nearest_chance = chance;
		}
	}
	if (mask->masking.at_least_one && !any && nearest_chance != UINT64_MAX)
		mask_unit(mask, record, &choices, &nearest);
}

/* ---- units --------------------------------------------------------------------------------------------- */

static bool is_special(const struct mask *mask, const struct mask_record *record, size_t position) {
	if (record->special_tokens_mask != NULL)
		return record->special_tokens_mask[position] != 0;
	return mask->special[record->input_ids[position]];
}

void mask_tokens(const struct mask *mask, const struct mask_record *record) {
	for (size_t i = 0; i < record->count; i++)
		record->labels[i] = is_special(mask, record, i) ? -1 : (int32_t)i;
	mask_units(mask, record);
}

static inline void number_words(const struct mask *mask, const struct mask_record *record, bool keep_special) {
	const int32_t *word_ids = record->word_ids;
	bool special = false;
	int32_t words = 0;
	for (size_t i = 0; i < record->count; i++) {
		bool after_special = special;
		special = keep_special && is_special(mask, record, i);
		if (word_ids[i] >= 0 && (i == 0 || after_special || special || word_ids[i] != word_ids[i - 1]))
			words++;
		record->labels[i] = word_ids[i] >= 0 && !special ? words - 1 : -1;
	}
}

void mask_words(const struct mask *mask, const struct mask_record *record, bool keep_special) {
	if (keep_special)
		number_words(mask, record, true);
	else
		number_words(mask, record, false); /* compiled for this constant, the loop takes half the time */
	mask_units(mask, record);
}
