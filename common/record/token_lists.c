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

size_t token_count(const struct token_columns *columns, const struct record_row *row) {
	int64_t first, count;
	column_range(&row->batch->columns[columns->input_ids], row->row, &first, &count);
	return (size_t)count;
}

static void reserve(struct token_lists *lists, const struct token_columns *columns, size_t count) {
	if (count <= lists->capacity)
		return;
	lists->capacity = count * 2;
	if (columns->word_ids >= 0)
		lists->word_ids = grow(lists->word_ids, lists->capacity, sizeof *lists->word_ids);
	if (columns->special_tokens_mask >= 0)
		lists->special_tokens_mask = grow(lists->special_tokens_mask, lists->capacity,
			sizeof *lists->special_tokens_mask);
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

int token_lists_read(const struct token_columns *columns, const struct record_row *row, int32_t *input_ids,
	struct token_lists *lists, struct failure *failure) {
	size_t count = token_count(columns, row);
	reserve(lists, columns, count);
	if (read_ids(columns, row, count, input_ids, failure) < 0)
		return -1;
	if (columns->word_ids >= 0 && read_word_ids(columns, row, count, lists->word_ids, failure) < 0)
		return -1;
	if (columns->special_tokens_mask < 0)
		return 0;
	return read_special_mask(columns, row, count, lists->special_tokens_mask, failure);
}

void token_lists_clear(struct token_lists *lists) {
	free(lists->word_ids);
	free(lists->special_tokens_mask);
	*lists = (struct token_lists){ 0 };
}
