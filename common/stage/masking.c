/* A window of records is shared out to the threads, and then written in order. Messages count records from 1. */
#include "stage/masking.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/pool.h"
#include "cli/cli.h"
#include "cli/streams.h"
#include "math/random.h"
#include "record/columns.h"
#include "record/stream.h"
#include "stage/vocabulary_info.h"
#include "text/tokenizer.h"

enum { LIST_LIMIT = 1 << 26 }; /* bytes of a file of tokens */
enum {
	WINDOW = 2048,           /* records */
	WINDOW_TOKENS = 1 << 18, /* of theirs, but for those of the last */
	SHARE = 32               /* records a task */
};

/* One of them: its ordinal in the stream, from 0, and its arrays, [count] each; word_ids may be NULL. */
struct record {
	int64_t ordinal;
	size_t count;
	int32_t *input_ids, *word_ids, *labels, *units;
};

/* Consecutive rows of a batch. Row i of the window has starts[i] up to starts[i + 1] of the arrays. */
struct window {
	const struct batch *batch;
	int64_t first;        /* row of the batch */
	int64_t ordinal;      /* of that row */
	size_t rows, starts[WINDOW + 1];
	size_t capacity;          /* of the arrays */
	int32_t *input_ids, *word_ids, *labels, *units;
	struct failure failures[WINDOW / SHARE]; /* of each task; status 0: none */
};

struct stage {
	const struct masking *masking;
	const struct stream_info *info;
	const char *input;
	const bool *excluded; /* by id; NULL: none */
	int id_column, word_column; /* word_column -1: the stage does without */
	number_units *number;
	struct window window;
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
	check(stream_info_check_vocabulary(info, tokenizer, input, &failure), &failure);
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

/* ---- reading ------------------------------------------------------------------------------------------- */

/* A row of a column into `values`. */
static int read_list(const struct stage *stage, const struct record *record, int column, int64_t row, int32_t *values,
	struct failure *failure) {
	struct failure reason;
	if (column_int32_values(&stage->window.batch->columns[column], row, -1, values, &reason) == 0)
		return 0;
	return fail(failure, reason.status, "%s: record %" PRId64 ": %s", stage->input, record->ordinal + 1, reason.text);
}

static int check_ids(const struct stage *stage, const struct record *record, struct failure *failure) {
	for (size_t i = 0; i < record->count; i++)
		if (record->input_ids[i] < 0 || record->input_ids[i] >= stage->info->vocab_size)
			return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": input_ids[%zu] is %" PRId32
				", outside the vocabulary of %" PRId64 " tokens", stage->input, record->ordinal + 1, i,
				record->input_ids[i], stage->info->vocab_size);
	return 0;
}

static int read_word_ids(const struct stage *stage, const struct record *record, int64_t row,
	struct failure *failure) {
	int64_t first, count;
	column_range(&stage->window.batch->columns[stage->word_column], row, &first, &count);
	if ((size_t)count != record->count)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %" PRId64 " word_ids for %zu input_ids (give one a"
			" token, null where there is none)", stage->input, record->ordinal + 1, count, record->count);
	if (read_list(stage, record, stage->word_column, row, record->word_ids, failure) < 0)
		return -1;
	for (size_t i = 0; i < record->count; i++)
		if (record->word_ids[i] < -1)
			return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": word_ids[%zu] is %" PRId32
				" (words count from 0)", stage->input, record->ordinal + 1, i, record->word_ids[i]);
	return 0;
}

/* Reads a row of the window and checks it whole. */
static int read_record(const struct stage *stage, size_t index, struct record *record, struct failure *failure) {
	const struct window *window = &stage->window;
	size_t start = window->starts[index];
	int64_t row = window->first + (int64_t)index;
	*record = (struct record){ .ordinal = window->ordinal + (int64_t)index,
		.count = window->starts[index + 1] - start, .input_ids = window->input_ids + start,
		.word_ids = stage->word_column >= 0 ? window->word_ids + start : NULL, .labels = window->labels + start,
		.units = window->units + start };
	if (read_list(stage, record, stage->id_column, row, record->input_ids, failure) < 0
			|| check_ids(stage, record, failure) < 0)
		return -1;
	return stage->word_column >= 0 ? read_word_ids(stage, record, row, failure) : 0;
}

/* ---- choosing ------------------------------------------------------------------------------------------ */

/* The words drawn for one purpose in one record, four at a time. */
struct draws { enum random_purpose purpose; int64_t block; uint32_t words[4]; }; /* block -1: none yet */

static uint32_t draw(struct draws *draws, const struct stage *stage, const struct record *record, size_t n) {
	if (draws->block != (int64_t)(n / 4)) {
		draws->block = (int64_t)(n / 4);
		random_words((uint64_t)stage->masking->seed, draws->purpose, (uint64_t)record->ordinal, (uint32_t)(n / 4),
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
static void mask_unit(const struct stage *stage, struct record *record, struct choices *choices, size_t first,
	size_t end) {
	const struct masking *masking = stage->masking;
	uint32_t word = masking->mask_rate < 1
		? draw(&choices->replacements, stage, record, (size_t)record->units[first]) : 0;
	bool masked = word < bound(masking->mask_rate);
	bool random = !masked && word < bound(masking->mask_rate + masking->random_rate);
	for (size_t i = first; i < end; i++) {
		int32_t *id = &record->input_ids[i];
		record->labels[i] = *id;
		if (masked)
			*id = stage->info->mask_id;
		else if (random)
			*id = (int32_t)random_below(draw(&choices->tokens, stage, record, i),
				(uint32_t)stage->info->vocab_size);
	}
}

static bool holds_excluded(const struct stage *stage, const struct record *record, size_t first, size_t end) {
	for (size_t i = first; stage->excluded != NULL && i < end; i++)
		if (stage->excluded[record->input_ids[i]])
			return true;
	return false;
}

static void mask_record(const struct stage *stage, struct record *record) {
	const uint64_t chosen = bound(stage->masking->probability);
	struct choices choices = { { RANDOM_MASK, -1, { 0 } }, { RANDOM_REPLACE, -1, { 0 } }, { RANDOM_TOKEN, -1, { 0 } } };
	size_t count = record->count, nearest = count, nearest_end = count;
	uint32_t nearest_chance = UINT32_MAX;
	bool any = false;
	for (size_t i = 0; i < count; i++)
		record->labels[i] = -100;
	stage->number(stage->info, record->input_ids, record->word_ids, record->units, count);
	for (size_t first = 0, end; first < count; first = end) {
		for (end = first + 1; end < count && record->units[end] == record->units[first];)
			end++;
		if (record->units[first] < 0 || holds_excluded(stage, record, first, end))
			continue;
		uint32_t chance = draw(&choices.chances, stage, record, (size_t)record->units[first]);
		if (chance < chosen) {
			mask_unit(stage, record, &choices, first, end);
			any = true;
		} else if (nearest == count || chance < nearest_chance) {
			nearest = first;
			nearest_end = end;
			nearest_chance = chance;
		}
	}
	if (stage->masking->at_least_one && !any && nearest < count)
		mask_unit(stage, record, &choices, nearest, nearest_end);
}

/* ---- the stream ---------------------------------------------------------------------------------------- */

/* Takes the rows of the batch that follow those of the window, of the batch before for its first. False: there are none
 * left. */
static bool take_window(struct stage *stage, const struct batch *batch) {
	struct window *window = &stage->window;
	int64_t first, count;
	window->ordinal += (int64_t)window->rows;
	window->first = window->batch == batch ? window->first + (int64_t)window->rows : 0;
	window->batch = batch;
	window->rows = 0;
	while (window->rows < WINDOW && window->starts[window->rows] < WINDOW_TOKENS
			&& window->first + (int64_t)window->rows < batch->rows) {
		column_range(&batch->columns[stage->id_column], window->first + (int64_t)window->rows, &first, &count);
		window->starts[window->rows + 1] = window->starts[window->rows] + (size_t)count;
		window->rows++;
	}
	return window->rows > 0;
}

static void make_room(struct window *window) {
	size_t need = window->starts[window->rows];
	if (need <= window->capacity && window->capacity > 0)
		return;
	window->capacity = need * 2 + 16;
	window->input_ids = grow(window->input_ids, window->capacity, sizeof *window->input_ids);
	window->word_ids = grow(window->word_ids, window->capacity, sizeof *window->word_ids);
	window->labels = grow(window->labels, window->capacity, sizeof *window->labels);
	window->units = grow(window->units, window->capacity, sizeof *window->units);
}

static void mask_share(void *context, size_t share, int worker) {
	struct stage *stage = context;
	struct window *window = &stage->window;
	struct failure *failure = &window->failures[share];
	(void)worker;
	failure->status = 0;
	for (size_t i = share * SHARE; i < window->rows && i < (share + 1) * SHARE; i++) {
		struct record record;
		if (read_record(stage, i, &record, failure) < 0)
			return;
		mask_record(stage, &record);
	}
}

static void write_window(const struct window *window, const struct carried *carried, struct writer *out) {
	struct failure failure;
	for (size_t i = 0; i < window->rows; i++) {
		size_t start = window->starts[i], count = window->starts[i + 1] - start;
		builder_append_int32_list(writer_column(out, 0), window->input_ids + start, count);
		builder_append_int32_list(writer_column(out, 1), window->labels + start, count);
		carried_append(carried, window->batch, window->first + (int64_t)i, out);
		check(writer_end_row(out, &failure), &failure);
	}
}

static void mask_records(struct reader *in, struct stage *stage, struct pool *pool, const struct carried *carried,
	struct writer *out) {
	struct window *window = &stage->window;
	struct batch *batch;
	struct failure failure;
	while (check(reader_next(in, &batch, &failure), &failure) == 1) {
		while (take_window(stage, batch)) {
			size_t shares = (window->rows + SHARE - 1) / SHARE;
			make_room(window);
			pool_run(pool, shares, mask_share, stage);
			for (size_t i = 0; i < shares; i++)
				if (window->failures[i].status != 0)
					die_failure(&window->failures[i]);
			write_window(window, carried, out);
		}
		window->batch = NULL;
		batch_free(batch);
	}
	free(window->input_ids);
	free(window->word_ids);
	free(window->labels);
	free(window->units);
}

int mask_stream(const char *input, const struct masking *masking, bool with_word_ids, number_units *number) {
	if (masking->mask_rate + masking->random_rate > 1)
		die(EX_USAGE, "--mask-rate, --random-rate: %g and %g sum to more than 1 (reduce either)", masking->mask_rate,
			masking->random_rate);
	if (masking->exclude != NULL && masking->model == NULL)
		die(EX_USAGE, "--exclude: no vocabulary to look the tokens up in (name the model's folder with --model)");
	struct reader *in = open_input_stream(input);
	struct failure failure;
	struct stream_info info;
	bool *excluded = NULL;
	struct stage *stage = allocate(1, sizeof *stage);
	*stage = (struct stage){ .masking = masking, .info = &info, .input = reader_name(in), .number = number,
		.id_column = check(reader_find_int_list(in, "input_ids", &failure), &failure),
		.word_column = with_word_ids ? check(reader_find_int_list(in, "word_ids", &failure), &failure) : -1 };
	stream_info_copy(&info, reader_info(in));
	if (masking->model != NULL)
		stage->excluded = excluded = read_model(masking, &info, reader_name(in));
	check_info(&info, reader_name(in));
	info.type = RECORD_MASKED;

	struct schema schema = { 0 };
	schema_add_int32_list(&schema, "input_ids");
	schema_add_int32_list(&schema, "labels");
	struct carried *carried = carried_create(reader_schema(in),
		(const char *const[]){ "input_ids", "word_ids", "labels", NULL });
	carried_add_fields(carried, &schema);
	struct writer *out = open_output_stream(&schema, &info, masking->seed);

	struct pool *pool = create_pool(masking->threads);
	mask_records(in, stage, pool, carried, out);
	pool_destroy(pool);
	free(stage);
	free(excluded);
	carried_destroy(carried);
	stream_info_clear(&info);
	schema_clear(&schema);
	reader_close(in);
	return close_output_stream(out);
}
