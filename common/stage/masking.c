/* A loop over records, each checked whole before a token of it is changed. Messages count records from 1. */
#include "stage/masking.h"

#include <stdlib.h>
#include <string.h>

#include "math/random.h"
#include "record/columns.h"
#include "record/stream.h"
#include "stage/vocabulary_info.h"
#include "text/tokenizer.h"

enum { LIST_LIMIT = 1 << 26 }; /* bytes of a file of tokens */

/* A stage at work on one record after another. */
struct stage {
	const struct masking *masking;
	const struct stream_info *info;
	const bool *excluded; /* by id; NULL: none */
	int64_t record;       /* its ordinal in the stream, from 0 */
	struct int32_list input_ids, word_ids;
	int32_t *labels, *units; /* as many as input_ids */
};

/* The tokens of the file, one a line: a table by id of those that are in it. free() releases it. */
static bool *read_excluded(const char *path, const struct vocabulary *vocabulary) {
	struct failure failure;
	size_t length, number = 0;
	char *text = read_file(path, LIST_LIMIT, &length, &failure), *line = text;
	if (text == NULL)
		die_failure(&failure);
	bool *excluded = allocate(vocabulary_size(vocabulary), sizeof *excluded);
	while (line < text + length) {
		char *end = memchr(line, '\n', (size_t)(text + length - line));
		size_t line_length = (size_t)((end != NULL ? end : text + length) - line);
		number++;
		if (line_length > 0 && line[line_length - 1] == '\r')
			line_length--;
		int32_t id = vocabulary_id(vocabulary, line, line_length);
		if (id < 0)
			die(EX_DATAERR, "%s: line %zu: the vocabulary has no token %.*s (a token a line, as in vocab.txt)", path,
				number, (int)(line_length < 100 ? line_length : 100), line);
		excluded[id] = true;
		line = end != NULL ? end + 1 : text + length;
	}
	free(text);
	return excluded;
}

/* Takes what the stream does not tell from the model's folder. Returns the tokens to exclude, by id; NULL: none. */
static bool *read_model(const struct masking *masking, struct stream_info *info, const char *input) {
	const char *model = masking->model;
	struct failure failure;
	struct tokenizer *tokenizer = tokenizer_load(model, &failure);
	if (tokenizer == NULL)
		die_failure(&failure);
	const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
	char fingerprint[16];
	vocabulary_fingerprint(vocabulary, fingerprint);
	if (info->vocab_fingerprint[0] != '\0' && strcmp(info->vocab_fingerprint, fingerprint) != 0)
		die(EX_DATAERR, "%s: tokenized with another vocabulary, %s, than that of %s, %s (name the model it was tokenized"
			" for)", input, info->vocab_fingerprint, model, fingerprint);
	stream_info_set_vocabulary(info, tokenizer);
	if (info->mask_id < 0)
		die(EX_DATAERR, "%s: its vocabulary has no [MASK]", model);
	bool *excluded = masking->exclude != NULL ? read_excluded(masking->exclude, vocabulary) : NULL;
	tokenizer_free(tokenizer);
	return excluded;
}

static void check_info(const struct stream_info *info, const char *input) {
	if (info->mask_id < 0 || info->vocab_size < 0)
		die(EX_DATAERR, "%s: the id of [MASK] and the vocabulary's size are not known (name the model's folder with"
			" --model)", input);
	if (info->vocab_size > INT32_MAX || info->mask_id >= info->vocab_size)
		die(EX_DATAERR, "%s: the id of [MASK], %d, is outside the vocabulary, of %lld tokens (name the model's folder"
			" with --model)", input, info->mask_id, (long long)info->vocab_size);
	if (info->type == RECORD_MASKED)
		die(EX_DATAERR, "%s: its records are masked already (mask the chunks that they were made of)", input);
}

static void read_list(const char *input, int64_t record, const struct column *column, int64_t row,
	struct int32_list *list) {
	struct failure failure;
	if (column_int32_list(column, row, -1, list, &failure) < 0)
		die(failure.status, "%s: record %lld: %s", input, (long long)record + 1, failure.text);
}

static void check_ids(const char *input, int64_t record, const struct int32_list *input_ids, int64_t vocab_size) {
	for (size_t i = 0; i < input_ids->count; i++)
		if (input_ids->values[i] < 0 || input_ids->values[i] >= vocab_size)
			die(EX_DATAERR, "%s: record %lld: input_ids[%zu] is %d, outside the vocabulary of %lld tokens", input,
				(long long)record + 1, i, input_ids->values[i], (long long)vocab_size);
}

static void check_word_ids(const char *input, int64_t record, const struct int32_list *word_ids, size_t count) {
	if (word_ids->count != count)
		die(EX_DATAERR, "%s: record %lld: %zu word_ids for %zu input_ids (give one a token, null where there is none)",
			input, (long long)record + 1, word_ids->count, count);
	for (size_t i = 0; i < count; i++)
		if (word_ids->values[i] < -1)
			die(EX_DATAERR, "%s: record %lld: word_ids[%zu] is %d (words count from 0)", input, (long long)record + 1,
				i, word_ids->values[i]);
}

/* ---- choosing ------------------------------------------------------------------------------------------ */

/* The words drawn for one purpose in one record, four at a time. */
struct draws { enum random_purpose purpose; int64_t block; uint32_t words[4]; }; /* block -1: none yet */

static uint32_t draw(struct draws *draws, const struct stage *stage, size_t n) {
	if (draws->block != (int64_t)(n / 4)) {
		draws->block = (int64_t)(n / 4);
		random_words((uint64_t)stage->masking->seed, draws->purpose, (uint64_t)stage->record, (uint32_t)(n / 4),
			draws->words);
	}
	return draws->words[n % 4];
}

/* A part as a bound to hold a word against: a word is below it with that probability. */
static uint64_t bound(double part) {
	return (uint64_t)(part * 0x1p32);
}

struct choices { struct draws chances, replacements, tokens; };

/* Makes positions first .. end - 1, one unit, what is to be predicted. */
static void mask_unit(struct stage *stage, struct choices *choices, size_t first, size_t end) {
	const struct masking *masking = stage->masking;
	uint32_t word = masking->mask_rate < 1 ? draw(&choices->replacements, stage, (size_t)stage->units[first]) : 0;
	bool masked = word < bound(masking->mask_rate);
	bool random = !masked && word < bound(masking->mask_rate + masking->random_rate);
	for (size_t i = first; i < end; i++) {
		int32_t *id = &stage->input_ids.values[i];
		stage->labels[i] = *id;
		if (masked)
			*id = stage->info->mask_id;
		else if (random)
			*id = (int32_t)random_below(draw(&choices->tokens, stage, i), (uint32_t)stage->info->vocab_size);
	}
}

static bool holds_excluded(const struct stage *stage, size_t first, size_t end) {
	for (size_t i = first; stage->excluded != NULL && i < end; i++)
		if (stage->excluded[stage->input_ids.values[i]])
			return true;
	return false;
}

static void mask_record(struct stage *stage) {
	const uint64_t chosen = bound(stage->masking->probability);
	struct choices choices = { { RANDOM_MASK, -1, { 0 } }, { RANDOM_REPLACE, -1, { 0 } }, { RANDOM_TOKEN, -1, { 0 } } };
	size_t count = stage->input_ids.count, nearest = count, nearest_end = count;
	uint32_t nearest_chance = UINT32_MAX;
	bool any = false;
	for (size_t first = 0, end; first < count; first = end) {
		for (end = first + 1; end < count && stage->units[end] == stage->units[first];)
			end++;
		if (stage->units[first] < 0 || holds_excluded(stage, first, end))
			continue;
		uint32_t chance = draw(&choices.chances, stage, (size_t)stage->units[first]);
		if (chance < chosen) {
			mask_unit(stage, &choices, first, end);
			any = true;
		} else if (nearest == count || chance < nearest_chance) {
			nearest = first;
			nearest_end = end;
			nearest_chance = chance;
		}
	}
	if (stage->masking->at_least_one && !any && nearest < count)
		mask_unit(stage, &choices, nearest, nearest_end);
}

/* ---- the stream ---------------------------------------------------------------------------------------- */

/* word_column -1: the stage does without. */
static void read_record(struct stage *stage, const char *name, const struct batch *batch, int64_t row, int id_column,
	int word_column) {
	read_list(name, stage->record, &batch->columns[id_column], row, &stage->input_ids);
	check_ids(name, stage->record, &stage->input_ids, stage->info->vocab_size);
	if (word_column < 0)
		return;
	read_list(name, stage->record, &batch->columns[word_column], row, &stage->word_ids);
	check_word_ids(name, stage->record, &stage->word_ids, stage->input_ids.count);
}

static void mask_records(struct reader *in, int id_column, int word_column, struct stage *stage, number_units *number,
	const struct carried *carried, struct writer *out) {
	struct batch *batch;
	struct failure failure;
	size_t room = 0;
	while (check(reader_next(in, &batch, &failure), &failure) == 1) {
		for (int64_t row = 0; row < batch->rows; row++, stage->record++) {
			read_record(stage, reader_name(in), batch, row, id_column, word_column);
			size_t count = stage->input_ids.count;
			if (count > room) {
				room = count * 2;
				stage->labels = grow(stage->labels, room, sizeof *stage->labels);
				stage->units = grow(stage->units, room, sizeof *stage->units);
			}
			for (size_t i = 0; i < count; i++)
				stage->labels[i] = -100;
			number(stage->info, stage->input_ids.values, word_column >= 0 ? stage->word_ids.values : NULL,
				stage->units, count);
			mask_record(stage);
			builder_append_int32_list(writer_column(out, 0), stage->input_ids.values, count);
			builder_append_int32_list(writer_column(out, 1), stage->labels, count);
			carried_append(carried, batch, row, out);
			check(writer_end_row(out, &failure), &failure);
		}
		batch_free(batch);
	}
	free(stage->input_ids.values);
	free(stage->word_ids.values);
	free(stage->labels);
	free(stage->units);
}

int mask_stream(const char *input, const struct masking *masking, bool with_word_ids, number_units *number) {
	if (masking->mask_rate + masking->random_rate > 1)
		die(EX_USAGE, "--mask-rate, --random-rate: %g and %g sum to more than 1 (reduce either)", masking->mask_rate,
			masking->random_rate);
	if (masking->exclude != NULL && masking->model == NULL)
		die(EX_USAGE, "--exclude: no vocabulary to look the tokens up in (name the model's folder with --model)");
	struct reader *in = open_input_stream(input);
	struct failure failure;
	int id_column = check(reader_find_int_list(in, "input_ids", &failure), &failure);
	int word_column = with_word_ids ? check(reader_find_int_list(in, "word_ids", &failure), &failure) : -1;
	struct stream_info info;
	bool *excluded = NULL;
	stream_info_copy(&info, reader_info(in));
	if (masking->model != NULL)
		excluded = read_model(masking, &info, reader_name(in));
	check_info(&info, reader_name(in));
	info.type = RECORD_MASKED;

	struct schema schema = { 0 };
	schema_add_int32_list(&schema, "input_ids");
	schema_add_int32_list(&schema, "labels");
	struct carried *carried = carried_create(reader_schema(in),
		(const char *const[]){ "input_ids", "word_ids", "labels", NULL });
	carried_add_fields(carried, &schema);
	struct writer *out = open_output_stream(&schema, &info, masking->seed);

	struct stage stage = { .masking = masking, .info = &info, .excluded = excluded };
	mask_records(in, id_column, word_column, &stage, number, carried, out);
	free(excluded);
	carried_destroy(carried);
	stream_info_clear(&info);
	schema_clear(&schema);
	reader_close(in);
	return close_output_stream(out);
}
