/* Records are gathered end to end first, for the width of the rectangle is known only with the last of them. One
 * record is always looked at ahead, to tell where an epoch ends. */
#include "record/masked.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "record/crc.h"

enum { NO_LABEL = -100 };

struct masked_reader {
	struct reader *reader;
	int64_t vocab_size, max_length, record; /* record: ordinal of the next */
	int32_t pad_id;
	int input_ids_column, labels_column, mask_column, epoch_column; /* -1: not there */
	struct batch *batch;
	int64_t row; /* of the batch: the next record */
	struct int32_list ids, labels, mask; /* one record's */
	struct int32_list all_ids, all_labels, all_mask, lengths; /* those of the batch in the making, end to end */
	uint32_t digest;
	struct masked_batch out;
};

struct masked_reader *masked_reader_open(struct reader *reader, int64_t vocab_size, int64_t max_length, int32_t pad_id,
	struct failure *failure) {
	struct masked_reader *masked = allocate(1, sizeof *masked);
	const struct schema *schema = reader_schema(reader);
	*masked = (struct masked_reader){ .reader = reader, .vocab_size = vocab_size, .max_length = max_length,
		.pad_id = pad_id, .mask_column = schema_find(schema, "attention_mask"),
		.epoch_column = schema_find(schema, "epoch") };
	if ((masked->input_ids_column = reader_find_int_list(reader, "input_ids", failure)) >= 0
			&& (masked->labels_column = reader_find_int_list(reader, "labels", failure)) >= 0
			&& (masked->mask_column < 0 || reader_find_int_list(reader, "attention_mask", failure) >= 0)
			&& (masked->epoch_column < 0 || reader_find_int(reader, "epoch", failure) >= 0))
		return masked;
	masked_reader_close(masked);
	return NULL;
}

void masked_reader_close(struct masked_reader *masked) {
	if (masked == NULL)
		return;
	struct int32_list *lists[] = { &masked->ids, &masked->labels, &masked->mask, &masked->all_ids,
		&masked->all_labels, &masked->all_mask, &masked->lengths };
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		free(lists[i]->values);
	free(masked->out.input_ids);
	free(masked->out.attention_mask);
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

static int get_list(struct masked_reader *masked, int column, struct int32_list *list, struct failure *failure) {
	struct failure reason;
	if (column_int32_list(&masked->batch->columns[column], masked->row, INT32_MIN, list, &reason) == 0)
		return 0;
	return fail(failure, reason.status, "%s: record %" PRId64 ": %s", reader_name(masked->reader), masked->record + 1,
		reason.text);
}

/* A value out of range, with the record counted from 1 and the position from 0. */
static int bad_value(const struct masked_reader *masked, const char *column, size_t position, int32_t value,
	struct failure *failure) {
	if (value == INT32_MIN)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %s[%zu] is null", reader_name(masked->reader),
			masked->record + 1, column, position);
	return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %s[%zu] is %" PRId32 ", outside the vocabulary of %" PRId64
		"%s", reader_name(masked->reader), masked->record + 1, column, position, value, masked->vocab_size,
		value < 0 ? " (-100 marks a position without a label)" : " (is this the model whose vocabulary was used?)");
}

static int check_record(const struct masked_reader *masked, struct failure *failure) {
	const char *name = reader_name(masked->reader);
	int64_t record = masked->record + 1;
	size_t count = masked->ids.count;
	bool attended = masked->mask_column < 0;
	if (count == 0)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 " has no tokens (drop it)", name, record);
	if (count > (uint64_t)masked->max_length)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 " has %zu tokens where the model takes %" PRId64
			" (a smaller --chunk-size in group-texts)", name, record, count, masked->max_length);
	if (masked->labels.count != count || (masked->mask_column >= 0 && masked->mask.count != count))
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %zu input_ids, but %zu %s", name, record, count,
			masked->labels.count != count ? masked->labels.count : masked->mask.count,
			masked->labels.count != count ? "labels" : "values of attention_mask");
	for (size_t i = 0; i < count; i++) {
		int32_t id = masked->ids.values[i], label = masked->labels.values[i];
		if (id < 0 || id >= masked->vocab_size)
			return bad_value(masked, "input_ids", i, id, failure);
		if (label != NO_LABEL && (label < 0 || label >= masked->vocab_size))
			return bad_value(masked, "labels", i, label, failure);
		attended |= masked->mask_column >= 0 && masked->mask.values[i] != 0;
	}
	if (!attended)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": attention_mask is 0 throughout (drop it)", name,
			record);
	return 0;
}

static void append_list(struct int32_list *all, const struct int32_list *list) {
	if (list->count == 0)
		return;
	if (all->room - all->count < list->count)
		all->values = grow(all->values, all->room = (all->count + list->count) * 2, sizeof *all->values);
	memcpy(all->values + all->count, list->values, list->count * sizeof *list->values);
	all->count += list->count;
}

static void digest_list(struct masked_reader *masked, const struct int32_list *list) {
	masked->digest = crc32_extend(masked->digest, list->values, list->count * sizeof *list->values);
}

/* Adds the record at hand to those gathered. */
static int gather(struct masked_reader *masked, struct failure *failure) {
	if (get_list(masked, masked->input_ids_column, &masked->ids, failure) < 0
			|| get_list(masked, masked->labels_column, &masked->labels, failure) < 0
			|| (masked->mask_column >= 0 && get_list(masked, masked->mask_column, &masked->mask, failure) < 0)
			|| check_record(masked, failure) < 0)
		return -1;
	int32_t length = (int32_t)masked->ids.count, epoch = next_epoch(masked);
	digest_list(masked, &(struct int32_list){ (int32_t[]){ length, epoch }, 2, 2 });
	digest_list(masked, &masked->ids);
	digest_list(masked, &masked->labels);
	digest_list(masked, &masked->mask);
	append_list(&masked->all_ids, &masked->ids);
	append_list(&masked->all_labels, &masked->labels);
	append_list(&masked->all_mask, &masked->mask);
	append_list(&masked->lengths, &(struct int32_list){ &length, 1, 1 });
	masked->record++;
	masked->row++;
	return 0;
}

/* The records gathered, as a rectangle. */
static void arrange(struct masked_reader *masked) {
	struct masked_batch *out = &masked->out;
	size_t start = 0;
	out->B = masked->lengths.count;
	out->T = out->M = out->tokens = 0;
	for (size_t b = 0; b < out->B; b++)
		if ((size_t)masked->lengths.values[b] > out->T)
			out->T = (size_t)masked->lengths.values[b];
	out->input_ids = grow(out->input_ids, out->B * out->T, sizeof *out->input_ids);
	out->attention_mask = grow(out->attention_mask, out->B * out->T, sizeof *out->attention_mask);
	out->positions = grow(out->positions, masked->all_ids.count, sizeof *out->positions);
	out->labels = grow(out->labels, masked->all_ids.count, sizeof *out->labels);
	out->record_positions = grow(out->record_positions, out->B + 1, sizeof *out->record_positions);
	for (size_t b = 0; b < out->B; b++) {
		size_t length = (size_t)masked->lengths.values[b];
		out->record_positions[b] = (int32_t)out->M;
		for (size_t t = 0; t < out->T; t++) {
			size_t at = b * out->T + t, from = start + t;
			bool there = t < length, attended = there && (masked->mask_column < 0 || masked->all_mask.values[from] != 0);
			out->input_ids[at] = there ? masked->all_ids.values[from] : masked->pad_id;
			out->attention_mask[at] = attended;
			out->tokens += attended;
			if (!there || masked->all_labels.values[from] == NO_LABEL)
				continue;
			out->positions[out->M] = (int32_t)at;
			out->labels[out->M++] = masked->all_labels.values[from];
		}
		start += length;
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
	masked->all_ids.count = masked->all_labels.count = masked->all_mask.count = masked->lengths.count = 0;
	masked->out.first_record = masked->record;
	masked->out.epoch = next_epoch(masked);
	masked->out.epoch_ends = false;
	while (more > 0 && masked->lengths.count < batch_size) {
		int32_t epoch = next_epoch(masked);
		if (gather(masked, failure) < 0 || (more = look_ahead(masked, failure)) < 0)
			return -1;
		masked->out.epoch_ends |= more == 0 || next_epoch(masked) != epoch;
	}
	arrange(masked);
	*batch = masked->out;
	return 1;
}
