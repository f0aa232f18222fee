/* token_lists: each list is read in the same way, then checked in its own. */
#include "record/token_lists.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"

int token_columns_find(const struct reader *reader, unsigned wanted, struct token_columns *columns,
	struct failure *failure) {
	const struct stream_info *info = reader_info(reader);
	*columns = (struct token_columns){ .input = reader_name(reader), .vocab_size = info->vocab_size, .word_ids = -1,
		.special_tokens_mask = -1, .input_ids = reader_find_int_list(reader, "input_ids", failure) };
	if (columns->input_ids < 0)
		return -1;
	if ((wanted & TOKEN_WORD_IDS) && (columns->word_ids = reader_find_int_list(reader, "word_ids", failure)) < 0)
		return -1;
	if (info->type == RECORD_MASKED)
		return fail(failure, EX_DATAERR, "%s: its records are masked already (mask the chunks that they were made of)",
			columns->input);
	if (!(wanted & TOKEN_SPECIAL_MASK) || schema_find(reader_schema(reader), "special_tokens_mask") < 0)
		return 0;
	columns->special_tokens_mask = reader_find_int_list(reader, "special_tokens_mask", failure);
	return columns->special_tokens_mask < 0 ? -1 : 0;
}

/* Reads a row's list of `count` values; null elements become -1. */
static int read_list(const struct token_columns *columns, const struct record_row *row, int column, size_t count,
	int32_t *values, struct failure *failure) {
	const struct column *list = &row->batch->columns[column];
	struct failure reason;
	int64_t first, length;
	column_range(list, row->row, &first, &length);
	if ((size_t)length != count)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": %" PRId64 " %s for %zu input_ids (give one for each"
			" token)", columns->input, row->ordinal + 1, length, list->field->name, count);
	if (column_int32_values(list, row->row, -1, values, &reason) == 0)
		return 0;
	return fail(failure, reason.status, "%s: record %" PRId64 ": %s", columns->input, row->ordinal + 1, reason.text);
}

/* The first element that is below `low`, or not below `low` + `range`; `count` where there is none. */
static size_t find_outside(const int32_t *values, size_t count, int32_t low, uint32_t range) {
	size_t i = 0;
	while (i < count && (uint32_t)values[i] - (uint32_t)low < range) /* one comparison: what is below wraps round */
		i++;
	return i;
}

static int read_ids(const struct token_columns *columns, const struct record_row *row, size_t count, int32_t *input_ids,
	struct failure *failure) {
	if (read_list(columns, row, columns->input_ids, count, input_ids, failure) < 0)
		return -1;
	size_t i = find_outside(input_ids, count, 0, (uint32_t)columns->vocab_size);
	return i == count ? 0 : fail(failure, EX_DATAERR, "%s: record %" PRId64 ": input_ids[%zu] is %" PRId32 ", outside"
		" the vocabulary of %" PRId64 " tokens", columns->input, row->ordinal + 1, i, input_ids[i], columns->vocab_size);
}

static int read_word_ids(const struct token_columns *columns, const struct record_row *row, size_t count,
	int32_t *word_ids, struct failure *failure) {
	if (read_list(columns, row, columns->word_ids, count, word_ids, failure) < 0)
		return -1;
	size_t i = find_outside(word_ids, count, -1, (uint32_t)INT32_MAX + 2);
	return i == count ? 0 : fail(failure, EX_DATAERR, "%s: record %" PRId64 ": word_ids[%zu] is %" PRId32 " (words"
		" count from 0)", columns->input, row->ordinal + 1, i, word_ids[i]);
}

static int read_special_mask(const struct token_columns *columns, const struct record_row *row, size_t count,
	int32_t *mask, struct failure *failure) {
	if (read_list(columns, row, columns->special_tokens_mask, count, mask, failure) < 0)
		return -1;
	size_t i = find_outside(mask, count, 0, (uint32_t)INT32_MAX + 1);
	return i == count ? 0 : fail(failure, EX_DATAERR, "%s: record %" PRId64 ": special_tokens_mask[%zu] is null or"
		" negative (give 1 for a special token, 0 for any other)", columns->input, row->ordinal + 1, i);
}

/* ---- labelling ------------------------------------------------------------------------------------------- */

/* The lists beside input_ids that one thread reads, reused from row to row. */
struct token_lists { struct int32_list word_ids, special_tokens_mask; };

struct labelling {
	struct rewrite rewrite;
	struct token_columns columns;
	label_tokens *label;
	const void *context;
	int threads;
	struct token_lists *lists; /* [threads] */
};

/* Empties the list, and makes capacity for `count` values. */
static int32_t *begin_list(struct int32_list *list, size_t count) {
	list->count = 0;
	return int32_list_extend(list, count);
}

static int label_row(void *context, const struct record_row *row, struct list_pair *made, int worker,
	struct failure *failure) {
	const struct labelling *labelling = context;
	const struct token_columns *columns = &labelling->columns;
	struct token_lists *lists = &labelling->lists[worker];
	int64_t first, length;
	column_range(&row->batch->columns[columns->input_ids], row->row, &first, &length);
	size_t count = (size_t)length;
	list_pair_reserve(made, count);
	struct token_record record = { .ordinal = row->ordinal, .count = count, .input_ids = made->first + made->count,
		.labels = made->second + made->count };
	if (read_ids(columns, row, count, record.input_ids, failure) < 0)
		return -1;
	if (columns->word_ids >= 0) {
		int32_t *word_ids = begin_list(&lists->word_ids, count);
		if (read_word_ids(columns, row, count, word_ids, failure) < 0)
			return -1;
		record.word_ids = word_ids;
	}
	if (columns->special_tokens_mask >= 0) {
		int32_t *mask = begin_list(&lists->special_tokens_mask, count);
		if (read_special_mask(columns, row, count, mask, failure) < 0)
			return -1;
		record.special_tokens_mask = mask;
	}
	labelling->label(labelling->context, &record);
	made->count += count;
	return 0;
}

struct labelling *labelling_create(const struct token_columns *columns, int threads, label_tokens *label,
	const void *context) {
	static const char *const dropped[] = { "input_ids", "word_ids", "labels", "special_tokens_mask", NULL };
	struct labelling *labelling = allocate(1, sizeof *labelling);
	*labelling = (struct labelling){ .columns = *columns, .label = label, .context = context, .threads = threads,
		.lists = allocate((size_t)threads, sizeof *labelling->lists),
		.rewrite = { .names = { "input_ids", "labels" }, .column = columns->input_ids, .dropped = dropped,
			.make = label_row, .context = labelling } };
	return labelling;
}

const struct rewrite *labelling_rewrite(const struct labelling *labelling) {
	return &labelling->rewrite;
}

void labelling_destroy(struct labelling *labelling) {
	for (int i = 0; i < labelling->threads; i++) {
		free(labelling->lists[i].word_ids.values);
		free(labelling->lists[i].special_tokens_mask.values);
	}
	free(labelling->lists);
	free(labelling);
}
