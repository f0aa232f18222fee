/* Records are gathered end to end first, for the width of the rectangle is known only with the last of them. One
 * record is always looked at ahead, to tell where an epoch ends. */
#include "record/masked.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/memory.h"

enum { NO_LABEL = -100 };

/* The columns of lists, in the order of the digest. */
enum { INPUT_IDS, LABELS, ATTENTION_MASK, TOKEN_TYPE_IDS, LISTS };
static const char *const list_names[LISTS] = { "input_ids", "labels", "attention_mask", "token_type_ids" };

struct masked_reader {
	struct reader *reader;
	int64_t vocab_size, type_vocab_size, max_length, record; /* record: ordinal of the next */
	int32_t pad_id;
	int columns[LISTS], epoch_column; /* -1: not there */
	struct batch *batch;
	int64_t row; /* of the batch: the next record */
	struct int32_list lists[LISTS]; /* one record's; empty where there is no column */
	struct int32_list all[LISTS], lengths; /* those of the batch in the making, end to end */
	uint32_t digest;
	struct masked_batch out;
};

/* Fills in columns[list]. False: the column is needed and missing, or there and no list of integers. */
static bool find_list(struct masked_reader *masked, int list, struct failure *failure) {
	bool required = list == INPUT_IDS || list == LABELS;
	bool ignored = list == TOKEN_TYPE_IDS && masked->type_vocab_size == 0;
	masked->columns[list] = -1;
	if (ignored || (!required && schema_find(reader_schema(masked->reader), list_names[list]) < 0))
		return true;
	masked->columns[list] = reader_find_int_list(masked->reader, list_names[list], failure);
	return masked->columns[list] >= 0;
}

struct masked_reader *masked_reader_open(struct reader *reader, int64_t vocab_size, int64_t type_vocab_size,
	int64_t max_length, int32_t pad_id, struct failure *failure) {
	struct masked_reader *masked = allocate(1, sizeof *masked);
	*masked = (struct masked_reader){ .reader = reader, .vocab_size = vocab_size, .type_vocab_size = type_vocab_size,
		.max_length = max_length, .pad_id = pad_id, .epoch_column = schema_find(reader_schema(reader), "epoch") };
	bool found = true;
	for (int i = 0; i < LISTS && found; i++)
		found = find_list(masked, i, failure);
	if (found && (masked->epoch_column < 0 || reader_find_int(reader, "epoch", failure) >= 0))
		return masked;
	masked_reader_close(masked);
	return NULL;
}

void masked_reader_close(struct masked_reader *masked) {
	if (masked == NULL)
		return;
	for (int i = 0; i < LISTS; i++) {
		free(masked->lists[i].values);
		free(masked->all[i].values);
	}
	free(masked->lengths.values);
	free(masked->out.input_ids);
	free(masked->out.attention_mask);
	free(masked->out.token_type_ids);
	free(masked->out.positions);
	free(masked->out.labels);
	free(masked->out.record_positions);
	batch_free(masked->batch);
	reader_close(masked->reader);
	free(masked);
}

/* Makes sure that the next record is at hand. Returns 1, 0 at the end, -1 as reader_next(). */
static int look_ahead(struct masked_reader *masked, struct failure *failure) {
	if (masked->batch != NULL && masked->row < masked->batch->rows)
		return 1;
	batch_free(masked->batch);
	masked->row = 0;
	return reader_next(masked->reader, &masked->batch, failure);
}

/* Of the record at hand. */
static int32_t next_epoch(const struct masked_reader *masked) {
	return masked->epoch_column < 0 ? 1
		: (int32_t)column_integer(&masked->batch->columns[masked->epoch_column], masked->row, 1);
}

static int get_list(struct masked_reader *masked, int list, struct failure *failure) {
	const struct column *column = &masked->batch->columns[masked->columns[list]];
	struct failure reason;
	if (column_int32_list(column, masked->row, INT32_MIN, &masked->lists[list], &reason) == 0)
		return 0;
	return fail(failure, reason.status, "%s: record %" PRId64 ": %s", reader_name(masked->reader), masked->record + 1,
		reason.text);
}

/* A value out of range, with the record counted from 1 and the position from 0. */
static int bad_value(const struct masked_reader *masked, int list, size_t position, struct failure *failure) {
	const char *name = reader_name(masked->reader), *column = list_names[list];
	int64_t record = masked->record + 1;
	int32_t value = masked->lists[list].values[position];
	if (value == INT32_MIN)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %s[%zu] is null", name, record, column, position);
	if (list == TOKEN_TYPE_IDS)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %s[%zu] is %" PRId32 ", but the model's types are 0 to %"
			PRId64 " (its config.json has type_vocab_size)", name, record, column, position, value,
			masked->type_vocab_size - 1);
	return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %s[%zu] is %" PRId32 ", outside the vocabulary of %" PRId64
		"%s", name, record, column, position, value, masked->vocab_size,
		value < 0 ? " (-100 marks a position without a label)" : " (is this the model whose vocabulary was used?)");
}

static int check_lengths(const struct masked_reader *masked, struct failure *failure) {
	const char *name = reader_name(masked->reader);
	int64_t record = masked->record + 1;
	size_t count = masked->lists[INPUT_IDS].count;
	if (count == 0)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 " has no tokens (drop it)", name, record);
	if (count > (uint64_t)masked->max_length)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 " has %zu tokens, but the model's max_position_embeddings "
			"is %" PRId64 " (a smaller --chunk-size in group-texts)", name, record, count, masked->max_length);
	for (int i = LABELS; i < LISTS; i++)
		if (masked->columns[i] >= 0 && masked->lists[i].count != count)
			return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %zu input_ids, but %zu %s%s", name, record, count,
				masked->lists[i].count, i == LABELS ? "" : "values of ", list_names[i]);
	return 0;
}

static bool outside(int32_t value, int64_t size) {
	return value < 0 || value >= size;
}

static int check_values(const struct masked_reader *masked, struct failure *failure) {
	const int32_t *ids = masked->lists[INPUT_IDS].values, *labels = masked->lists[LABELS].values;
	bool attended = masked->columns[ATTENTION_MASK] < 0, typed = masked->columns[TOKEN_TYPE_IDS] >= 0;
	for (size_t i = 0; i < masked->lists[INPUT_IDS].count; i++) {
		if (outside(ids[i], masked->vocab_size))
			return bad_value(masked, INPUT_IDS, i, failure);
		if (labels[i] != NO_LABEL && outside(labels[i], masked->vocab_size))
			return bad_value(masked, LABELS, i, failure);
		if (typed && outside(masked->lists[TOKEN_TYPE_IDS].values[i], masked->type_vocab_size))
			return bad_value(masked, TOKEN_TYPE_IDS, i, failure);
		attended = attended || masked->lists[ATTENTION_MASK].values[i] != 0;
	}
	if (!attended)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": attention_mask is 0 throughout (drop it)",
			reader_name(masked->reader), masked->record + 1);
	return 0;
}

static void append_list(struct int32_list *all, const struct int32_list *list) {
	if (list->count == 0)
		return;
	if (all->capacity - all->count < list->count)
		all->values = grow(all->values, all->capacity = (all->count + list->count) * 2, sizeof *all->values);
	memcpy(all->values + all->count, list->values, list->count * sizeof *list->values);
	all->count += list->count;
}

static void digest_list(struct masked_reader *masked, const struct int32_list *list) {
	masked->digest = crc32_extend(masked->digest, list->values, list->count * sizeof *list->values);
}

/* Adds the record at hand to those gathered. */
static int gather(struct masked_reader *masked, struct failure *failure) {
	for (int i = 0; i < LISTS; i++)
		if (masked->columns[i] >= 0 && get_list(masked, i, failure) < 0)
			return -1;
	if (check_lengths(masked, failure) < 0 || check_values(masked, failure) < 0)
		return -1;
	int32_t length = (int32_t)masked->lists[INPUT_IDS].count, epoch = next_epoch(masked);
	digest_list(masked, &(struct int32_list){ (int32_t[]){ length, epoch }, 2, 2 });
	for (int i = 0; i < LISTS; i++) {
		digest_list(masked, &masked->lists[i]);
		append_list(&masked->all[i], &masked->lists[i]);
	}
	append_list(&masked->lengths, &(struct int32_list){ &length, 1, 1 });
	masked->record++;
	masked->row++;
	return 0;
}

/* Room in `out` for the records gathered. */
static void make_room(struct masked_reader *masked) {
	struct masked_batch *out = &masked->out;
	size_t all = masked->all[INPUT_IDS].count, rectangle = out->B * out->T;
	out->input_ids = grow(out->input_ids, rectangle, sizeof *out->input_ids);
	out->attention_mask = grow(out->attention_mask, rectangle, sizeof *out->attention_mask);
	if (masked->columns[TOKEN_TYPE_IDS] >= 0)
		out->token_type_ids = grow(out->token_type_ids, rectangle, sizeof *out->token_type_ids);
	out->positions = grow(out->positions, all, sizeof *out->positions);
	out->labels = grow(out->labels, all, sizeof *out->labels);
	out->record_positions = grow(out->record_positions, out->B + 1, sizeof *out->record_positions);
}

/* Position `at` of the rectangle from position `from` of those gathered. */
static void place(struct masked_reader *masked, size_t at, size_t from) {
	struct masked_batch *out = &masked->out;
	bool attended = masked->columns[ATTENTION_MASK] < 0 || masked->all[ATTENTION_MASK].values[from] != 0;
	int32_t label = masked->all[LABELS].values[from];
	out->input_ids[at] = masked->all[INPUT_IDS].values[from];
	out->attention_mask[at] = attended;
	out->tokens += attended;
	if (out->token_type_ids != NULL)
		out->token_type_ids[at] = masked->all[TOKEN_TYPE_IDS].values[from];
	if (label == NO_LABEL)
		return;
	out->positions[out->M] = (int32_t)at;
	out->labels[out->M++] = label;
}

static void pad(struct masked_reader *masked, size_t at) {
	struct masked_batch *out = &masked->out;
	out->input_ids[at] = masked->pad_id;
	out->attention_mask[at] = 0;
	if (out->token_type_ids != NULL)
		out->token_type_ids[at] = 0;
}

/* The records gathered, as a rectangle. */
static void arrange(struct masked_reader *masked) {
	struct masked_batch *out = &masked->out;
	size_t from = 0;
	out->B = masked->lengths.count;
	out->T = out->M = out->tokens = 0;
	for (size_t b = 0; b < out->B; b++)
		if ((size_t)masked->lengths.values[b] > out->T)
			out->T = (size_t)masked->lengths.values[b];
	make_room(masked);
	for (size_t b = 0; b < out->B; b++) {
		size_t length = (size_t)masked->lengths.values[b];
		out->record_positions[b] = (int32_t)out->M;
		for (size_t t = 0; t < length; t++)
			place(masked, b * out->T + t, from++);
		for (size_t t = length; t < out->T; t++)
			pad(masked, b * out->T + t);
	}
	out->record_positions[out->B] = (int32_t)out->M;
}

uint32_t masked_reader_digest(const struct masked_reader *masked) {
	return masked->digest;
}

int masked_reader_next(struct masked_reader *masked, size_t batch_size, struct masked_batch *batch,
	struct failure *failure) {
	int more = look_ahead(masked, failure);
	if (more <= 0)
		return more;
	for (int i = 0; i < LISTS; i++)
		masked->all[i].count = 0;
	masked->lengths.count = 0;
	masked->out.first_record = masked->record;
	masked->out.epoch = next_epoch(masked);
	masked->out.epoch_ends = false;
	while (!masked->out.epoch_ends && masked->lengths.count < batch_size) {
		if (gather(masked, failure) < 0 || (more = look_ahead(masked, failure)) < 0)
			return -1;
		masked->out.epoch_ends = more == 0 || next_epoch(masked) != masked->out.epoch;
	}
	arrange(masked);
	*batch = masked->out;
	return 1;
}
