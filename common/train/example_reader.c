/* example_reader: reads batches of examples for a head from a stream of records.
 *
 * The reader is always one record ahead, so that it knows where an epoch ends. */
#include "train/example_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/memory.h"
#include "train/teacher_columns.h"

enum { NO_LABEL = -100 };

/* The columns of lists, in the order of the digest. */
enum { INPUT_IDS, LABELS, ATTENTION_MASK, TOKEN_TYPE_IDS, LISTS };
static const char *const list_names[LISTS] = { "input_ids", "labels", "attention_mask", "token_type_ids" };

struct example_reader {
	struct reader *reader;
	const struct config *config;
	enum label_kind labels;
	int64_t classes;
	int64_t record;                 /* ordinal of the next record */
	int columns[LISTS], epoch_column, label_column; /* -1: missing, or not read */
	struct teacher_columns *teacher; /* NULL: not read */
	take_row *take;                 /* NULL: nobody hears of the rows */
	void *take_context;
	struct batch *batch;
	int64_t row;                    /* the row of the next record in the batch */
	struct int32_list lists[LISTS]; /* the lists of one record; empty for a missing column */
	uint32_t digest;
	bool eager;

	/* The examples that are being gathered. */
	struct int32_list starts, input_ids, positions, token_type_ids, label_starts, labelled, label_values, class_values;
	uint8_t *attended;
	size_t attended_capacity;
	bool all_attended;
	size_t tokens;
};

static bool has_token_labels(const struct example_reader *reader) {
	return reader->labels == LABELS_OF_TOKENS || reader->labels == LABELS_AND_LOGITS
		|| reader->labels == LABELS_AND_STATES;
}

/* True where no teacher is to be read. */
static bool open_teacher(struct example_reader *reader, struct failure *failure) {
	if (reader->labels != LABELS_AND_LOGITS && reader->labels != LABELS_AND_STATES)
		return true;
	reader->teacher = teacher_columns_open(reader->reader, reader->config, reader->labels == LABELS_AND_STATES,
		failure);
	return reader->teacher != NULL;
}

/* Sets columns[list]. Returns false if a required column is missing, or if a column is not a list of integers. */
static bool find_list(struct example_reader *reader, int list, struct failure *failure) {
	bool required = list == INPUT_IDS || list == LABELS;
	bool ignored = (list == TOKEN_TYPE_IDS && reader->config->type_vocab_size == 0)
		|| (list == LABELS && !has_token_labels(reader));
	reader->columns[list] = -1;
	if (ignored || (!required && schema_find(reader_schema(reader->reader), list_names[list]) < 0))
		return true;
	reader->columns[list] = reader_find_int_list(reader->reader, list_names[list], failure);
	return reader->columns[list] >= 0;
}

static bool find_columns(struct example_reader *reader, struct failure *failure) {
	for (int i = 0; i < LISTS; i++) {
		if (!find_list(reader, i, failure))
			return false;
		if (reader->columns[i] >= 0)
			reader->digest = crc32_extend(reader->digest, list_names[i], strlen(list_names[i]) + 1);
	}
	reader->epoch_column = schema_find(reader_schema(reader->reader), "epoch");
	reader->label_column = reader->labels == LABELS_OF_RECORDS ? reader_find_int(reader->reader, "label", failure) : -1;
	return (reader->labels != LABELS_OF_RECORDS || reader->label_column >= 0)
		&& (reader->epoch_column < 0 || reader_find_int(reader->reader, "epoch", failure) >= 0);
}

struct example_reader *example_reader_open(struct reader *stream, const struct config *config, enum label_kind labels,
	int64_t classes, struct failure *failure) {
	struct example_reader *reader = allocate(1, sizeof *reader);
	*reader = (struct example_reader){ .reader = stream, .config = config, .labels = labels, .classes = classes };
	if (find_columns(reader, failure) && open_teacher(reader, failure))
		return reader;
	example_reader_close(reader);
	return NULL;
}

void example_reader_close(struct example_reader *reader) {
	if (reader == NULL)
		return;
	for (int i = 0; i < LISTS; i++)
		free(reader->lists[i].values);
	free(reader->starts.values);
	free(reader->input_ids.values);
	free(reader->positions.values);
	free(reader->token_type_ids.values);
	free(reader->label_starts.values);
	free(reader->labelled.values);
	free(reader->label_values.values);
	free(reader->class_values.values);
	free(reader->attended);
	teacher_columns_close(reader->teacher);
	batch_free(reader->batch);
	reader_close(reader->reader);
	free(reader);
}

const char *example_reader_name(const struct example_reader *reader) {
	return reader_name(reader->reader);
}

void example_reader_set_take(struct example_reader *reader, take_row *take, void *context) {
	reader->take = take;
	reader->take_context = context;
}

uint32_t example_reader_digest(const struct example_reader *reader) {
	return reader->digest;
}

void example_reader_set_eager(struct example_reader *reader) {
	reader->eager = true;
}

static bool has_row(const struct example_reader *reader) {
	return reader->batch != NULL && reader->row < reader->batch->rows;
}

bool example_reader_ready(const struct example_reader *reader) {
	return has_row(reader) || reader_ready(reader->reader);
}

/* Reads ahead, so that the next record is available. Returns 1, 0 at the end, -1 as reader_next(). */
static int look_ahead(struct example_reader *reader, struct failure *failure) {
	if (has_row(reader))
		return 1;
	batch_free(reader->batch);
	reader->row = 0;
	return reader_next(reader->reader, &reader->batch, failure);
}

/* The epoch of the next record. */
static int32_t next_epoch(const struct example_reader *reader) {
	return reader->epoch_column < 0 ? 1
		: (int32_t)column_integer(&reader->batch->columns[reader->epoch_column], reader->row, 1);
}

/* ---- checking one record ------------------------------------------------------------------------------- */

static int get_list(struct example_reader *reader, int list, struct failure *failure) {
	const struct column *column = &reader->batch->columns[reader->columns[list]];
	struct failure reason;
	if (column_int32_list(column, reader->row, INT32_MIN, &reader->lists[list], &reason) == 0)
		return 0;
	return fail(failure, reason.status, "%s: record %" PRId64 ": %s", reader_name(reader->reader), reader->record + 1,
		reason.text);
}

/* Reports a value out of range; records are counted from 1, positions from 0. */
static int bad_value(const struct example_reader *reader, int list, size_t position, struct failure *failure) {
	const char *name = reader_name(reader->reader), *column = list_names[list];
	int64_t record = reader->record + 1;
	int32_t value = reader->lists[list].values[position];
	if (value == INT32_MIN)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %s[%zu] is null", name, record, column, position);
	if (list == TOKEN_TYPE_IDS)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %s[%zu] is %" PRId32 ", but the model's types are 0 "
			"to %zu (its config.json has type_vocab_size)", name, record, column, position, value,
			reader->config->type_vocab_size - 1);
	return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %s[%zu] is %" PRId32 ", outside the vocabulary of %zu%s",
		name, record, column, position, value, reader->config->vocab_size,
		value < 0 ? " (-100 marks a position without a label)" : " (is this the model whose vocabulary was used?)");
}

static int check_lengths(const struct example_reader *reader, struct failure *failure) {
	const char *name = reader_name(reader->reader);
	int64_t record = reader->record + 1;
	size_t count = reader->lists[INPUT_IDS].count, limit = reader->config->max_position_embeddings;
	if (count == 0)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 " has no tokens (drop it)", name, record);
	if (count > limit)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 " has %zu tokens, but the model's "
			"max_position_embeddings is %zu (give a smaller %s)", name, record, count, limit,
			reader->labels == LABELS_OF_RECORDS ? "--max-length in wordpiece" : "--chunk-size in group-texts");
	for (int i = LABELS; i < LISTS; i++)
		if (reader->columns[i] >= 0 && reader->lists[i].count != count)
			return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %zu input_ids, but %zu %s%s", name, record, count,
				reader->lists[i].count, i == LABELS ? "" : "values of ", list_names[i]);
	return 0;
}

static bool is_outside(int32_t value, size_t size) {
	return value < 0 || (size_t)value >= size;
}

static int check_values(const struct example_reader *reader, struct failure *failure) {
	const struct int32_list *lists = reader->lists;
	bool labelled = reader->columns[LABELS] >= 0, typed = reader->columns[TOKEN_TYPE_IDS] >= 0;
	bool attended = reader->columns[ATTENTION_MASK] < 0;
	for (size_t i = 0; i < lists[INPUT_IDS].count; i++) {
		if (is_outside(lists[INPUT_IDS].values[i], reader->config->vocab_size))
			return bad_value(reader, INPUT_IDS, i, failure);
		if (labelled && lists[LABELS].values[i] != NO_LABEL
				&& is_outside(lists[LABELS].values[i], reader->config->vocab_size))
			return bad_value(reader, LABELS, i, failure);
		if (typed && is_outside(lists[TOKEN_TYPE_IDS].values[i], reader->config->type_vocab_size))
			return bad_value(reader, TOKEN_TYPE_IDS, i, failure);
		if (reader->columns[ATTENTION_MASK] >= 0 && lists[ATTENTION_MASK].values[i] == INT32_MIN)
			return bad_value(reader, ATTENTION_MASK, i, failure);
		attended = attended || lists[ATTENTION_MASK].values[i] != 0;
	}
	if (!attended)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": attention_mask is 0 throughout (drop it)",
			reader_name(reader->reader), reader->record + 1);
	return 0;
}

static int check_class(const struct example_reader *reader, int64_t label, struct failure *failure) {
	const char *name = reader_name(reader->reader);
	int64_t record = reader->record + 1;
	if (label == -1)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": label is -1, which means unlabelled (leave such "
			"records out with select-records --label)", name, record);
	if (label < 0 || label >= reader->classes)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": label is %" PRId64 ", but the model's labels are 0 "
			"to %" PRId64 " (name all of them with --labels)", name, record, label, reader->classes - 1);
	return 0;
}

/* ---- gathering ----------------------------------------------------------------------------------------- */

static void append(struct int32_list *list, int32_t value) {
	*int32_list_extend(list, 1) = value;
}

static void append_attended(struct example_reader *reader, bool attended) {
	size_t count = reader->input_ids.count;
	if (count == reader->attended_capacity)
		reader->attended = grow(reader->attended, reader->attended_capacity = count * 2 + 256, 1);
	reader->attended[count] = attended;
	reader->all_attended &= attended;
	reader->tokens += attended;
}

/* A token that is neither attended to nor labelled has no row, but for a record's first, which a classifier may read.
 * */
static void append_token(struct example_reader *reader, size_t position) {
	bool attended = reader->columns[ATTENTION_MASK] < 0 || reader->lists[ATTENTION_MASK].values[position] != 0;
	int32_t label = reader->columns[LABELS] >= 0 ? reader->lists[LABELS].values[position] : NO_LABEL;
	if (!attended && label == NO_LABEL && (position > 0 || reader->labels == LABELS_OF_TOKENS))
		return;
	if (label != NO_LABEL) {
		append(&reader->labelled, (int32_t)reader->input_ids.count);
		append(&reader->label_values, label);
	}
	append_attended(reader, attended);
	append(&reader->input_ids, reader->lists[INPUT_IDS].values[position]);
	append(&reader->positions, (int32_t)position);
	if (reader->columns[TOKEN_TYPE_IDS] >= 0)
		append(&reader->token_type_ids, reader->lists[TOKEN_TYPE_IDS].values[position]);
}

static void extend_digest(struct example_reader *reader, const int32_t *values, size_t count) {
	reader->digest = crc32_extend(reader->digest, values, count * sizeof *values);
}

/* The teacher's answers for the record at hand, whose tokens have been appended. */
static int append_answers(struct example_reader *reader, struct failure *failure) {
	size_t first_row = (size_t)reader->starts.values[reader->starts.count - 1];
	size_t first_label = (size_t)reader->label_starts.values[reader->label_starts.count - 1];
	const struct taught_record record = { reader->batch, reader->row, reader->record,
		reader->labelled.count - first_label, reader->input_ids.count - first_row, reader->attended + first_row };
	if (teacher_columns_append(reader->teacher, &record, failure) < 0)
		return -1;
	reader->digest = teacher_columns_digest(reader->teacher, reader->digest);
	return 0;
}

/* Adds the next record to the examples. */
static int gather(struct example_reader *reader, struct failure *failure) {
	for (int i = 0; i < LISTS; i++)
		if (reader->columns[i] >= 0 && get_list(reader, i, failure) < 0)
			return -1;
	if (check_lengths(reader, failure) < 0 || check_values(reader, failure) < 0)
		return -1;
	int64_t label = reader->label_column < 0 ? 0
		: column_integer(&reader->batch->columns[reader->label_column], reader->row, -1);
	if (reader->label_column >= 0 && check_class(reader, label, failure) < 0)
		return -1;
	extend_digest(reader, (int32_t[]){ (int32_t)reader->lists[INPUT_IDS].count, next_epoch(reader), (int32_t)label },
		reader->label_column < 0 ? 2 : 3);
	for (int i = 0; i < LISTS; i++)
		extend_digest(reader, reader->lists[i].values, reader->lists[i].count);
	for (size_t t = 0; t < reader->lists[INPUT_IDS].count; t++)
		append_token(reader, t);
	if (reader->teacher != NULL && append_answers(reader, failure) < 0)
		return -1;
	if (reader->take != NULL)
		reader->take(reader->take_context, reader->batch, reader->row);
	append(&reader->starts, (int32_t)reader->input_ids.count);
	append(&reader->label_starts, (int32_t)reader->labelled.count);
	append(&reader->class_values, (int32_t)label);
	reader->record++;
	reader->row++;
	return 0;
}

static void begin_batch(struct example_reader *reader) {
	struct int32_list *const lists[] = { &reader->starts, &reader->input_ids, &reader->positions,
		&reader->token_type_ids, &reader->label_starts, &reader->labelled, &reader->label_values,
		&reader->class_values };
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		lists[i]->count = 0;
	append(&reader->starts, 0);
	append(&reader->label_starts, 0);
	if (reader->teacher != NULL)
		teacher_columns_begin(reader->teacher);
	reader->all_attended = true;
	reader->tokens = 0;
}

static struct examples show(const struct example_reader *reader) {
	return (struct examples){
		.B = reader->starts.count - 1,
		.starts = reader->starts.values,
		.input_ids = reader->input_ids.values,
		.positions = reader->positions.values,
		.token_type_ids = reader->columns[TOKEN_TYPE_IDS] >= 0 ? reader->token_type_ids.values : NULL,
		.attended = reader->all_attended ? NULL : reader->attended,
		.label_starts = reader->columns[LABELS] >= 0 ? reader->label_starts.values : NULL,
		.labelled = reader->labelled.values,
		.labels = reader->label_values.values,
		.teacher = reader->teacher != NULL ? teacher_columns_show(reader->teacher) : (struct teacher_answers){ 0 },
		.classes = reader->label_column >= 0 ? reader->class_values.values : NULL,
	};
}

int example_reader_next(struct example_reader *reader, size_t batch_size, struct example_batch *batch,
	struct failure *failure) {
	int more = look_ahead(reader, failure);
	if (more <= 0)
		return more;
	*batch = (struct example_batch){ .epoch = next_epoch(reader), .first_record = reader->record };
	begin_batch(reader);
	while (!batch->epoch_ends && reader->starts.count - 1 < batch_size) {
		if (gather(reader, failure) < 0)
			return -1;
		if (reader->eager && !example_reader_ready(reader))
			break;
		if ((more = look_ahead(reader, failure)) < 0)
			return -1;
		batch->epoch_ends = more == 0 || next_epoch(reader) != batch->epoch;
	}
	batch->examples = show(reader);
	batch->tokens = reader->tokens;
	return 1;
}
