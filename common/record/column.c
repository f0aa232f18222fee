/* column.c: values by row. They are loaded by memcpy(), because the buffers of a foreign writer need not be aligned. */
#include "record/column.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "record/layout.h"

struct layout type_layout(const struct type *type) {
	switch (type->id) {
	case TYPE_NULL:
		return (struct layout){ LAYOUT_NULL, 0, 0 };
	case TYPE_BOOL:
		return (struct layout){ LAYOUT_BITS, 0, 0 };
	case TYPE_BINARY:
	case TYPE_UTF8:
		return (struct layout){ LAYOUT_BYTES, 0, 4 };
	case TYPE_UTF8_VIEW:
	case TYPE_BINARY_VIEW:
		return (struct layout){ LAYOUT_VIEW, VIEW_SIZE, 0 };
	case TYPE_LARGE_BINARY:
	case TYPE_LARGE_UTF8:
		return (struct layout){ LAYOUT_BYTES, 0, 8 };
	case TYPE_LIST:
	case TYPE_MAP:
		return (struct layout){ LAYOUT_LIST, 0, 4 };
	case TYPE_LARGE_LIST:
		return (struct layout){ LAYOUT_LIST, 0, 8 };
	case TYPE_FIXED_SIZE_LIST:
		return (struct layout){ LAYOUT_FIXED_LIST, (size_t)type->size, 0 };
	case TYPE_FIXED_SIZE_BINARY:
		return (struct layout){ LAYOUT_FIXED, (size_t)type->size, 0 };
	case TYPE_STRUCT:
		return (struct layout){ LAYOUT_STRUCT, 0, 0 };
	default:
		return (struct layout){ LAYOUT_FIXED, (size_t)type->bit_width / 8, 0 };
	}
}

struct layout stored_layout(const struct field *field) {
	return field->dictionary.index_width > 0
		? (struct layout){ LAYOUT_FIXED, (size_t)field->dictionary.index_width / 8, 0 } : type_layout(&field->type);
}

bool column_is_null(const struct column *column, int64_t row) {
	return column->field->type.id == TYPE_NULL || (column->validity != NULL && !bit_is_set(column->validity, row));
}

const char *column_bytes(const struct column *column, int64_t row, size_t *length) {
	size_t width = type_layout(&column->field->type).offset_width;
	int64_t first = load_offset(column->offsets, width, row);
	*length = column_is_null(column, row) ? 0 : (size_t)(load_offset(column->offsets, width, row + 1) - first);
	return (const char *)column->values + first;
}

int64_t load_integer(const uint8_t *values, int64_t row, int bit_width, bool is_signed) {
	uint8_t narrow = values[row * (bit_width / 8)];
	int16_t short_value;
	int32_t value;
	int64_t wide;
	switch (bit_width) {
	case 8:
		return is_signed ? (int8_t)narrow : narrow;
	case 16:
		memcpy(&short_value, values + 2 * row, 2);
		return is_signed ? short_value : (uint16_t)short_value;
	case 32:
		memcpy(&value, values + 4 * row, 4);
		return is_signed ? value : (int64_t)(uint32_t)value;
	default:
		memcpy(&wide, values + 8 * row, 8);
		return wide;
	}
}

int64_t column_integer(const struct column *column, int64_t row, int64_t missing) {
	if (column_is_null(column, row))
		return missing;
	return load_integer(column->values, row, column->field->type.bit_width, column->field->type.is_signed);
}

double column_float(const struct column *column, int64_t row) {
	uint16_t half;
	float single;
	double number;
	switch (column->field->type.bit_width) {
	case 16:
		memcpy(&half, column->values + 2 * row, sizeof half);
		return (double)half_to_float(half);
	case 32:
		memcpy(&single, column->values + 4 * row, sizeof single);
		return (double)single;
	default:
		memcpy(&number, column->values + 8 * row, sizeof number);
		return number;
	}
}

bool column_bool(const struct column *column, int64_t row) {
	return bit_is_set(column->values, row);
}

void column_range(const struct column *column, int64_t row, int64_t *first, int64_t *count) {
	struct layout layout = type_layout(&column->field->type);
	if (layout.kind == LAYOUT_FIXED_LIST) {
		*first = row * (int64_t)layout.width;
		*count = (int64_t)layout.width;
	} else {
		*first = load_offset(column->offsets, layout.offset_width, row);
		*count = load_offset(column->offsets, layout.offset_width, row + 1) - *first;
	}
	if (column_is_null(column, row))
		*count = 0;
}

/* The elements of a list of integers that are not int32. -1: one does not fit into 32 bits. */
static int narrow_integers(const struct column *column, int64_t first, int64_t count, int32_t *to,
	struct failure *failure) {
	const struct column *child = &column->children[0];
	for (int64_t i = 0; i < count; i++) {
		int64_t value = column_integer(child, first + i, 0);
		if (value < INT32_MIN || value > INT32_MAX || (!child->field->type.is_signed && value < 0))
			return fail(failure, EX_DATAERR, "%s[%" PRId64 "]: %" PRId64 " does not fit in 32 bits",
				column->field->name, i, value);
		to[i] = (int32_t)value;
	}
	return 0;
}

/* Replaces rows that are null by `missing`. Skips 8 rows at a time where none of them is null, which is usual. */
static void put_missing(const uint8_t *validity, int64_t first, int64_t count, int32_t missing, int32_t *to) {
	for (int64_t i = 0; i < count; i++) {
		if ((first + i) % 8 == 0 && validity[(first + i) / 8] == 0xff)
			i += 7;
		else if (!bit_is_set(validity, first + i))
			to[i] = missing;
	}
}

int column_int32_values(const struct column *column, int64_t row, int32_t missing, int32_t *values,
	struct failure *failure) {
	const struct column *child = &column->children[0];
	const struct type *type = &child->field->type;
	int64_t first, count;
	column_range(column, row, &first, &count);
	if (count == 0)
		return 0;
	if (type->bit_width == 32 && type->is_signed)
		memcpy(values, child->values + 4 * first, 4 * (size_t)count);
	else if (narrow_integers(column, first, count, values, failure) < 0)
		return -1;
	if (child->validity != NULL)
		put_missing(child->validity, first, count, missing, values);
	return 0;
}

int32_t *int32_list_extend(struct int32_list *list, size_t extra) {
	if (list->values == NULL || list->capacity - list->count < extra)
		list->values = grow(list->values, list->capacity = (list->count + extra) * 2 + 16, sizeof *list->values);
	list->count += extra;
	return list->values + list->count - extra;
}

int column_int32_list(const struct column *column, int64_t row, int32_t missing, struct int32_list *list,
	struct failure *failure) {
	int64_t first, count;
	column_range(column, row, &first, &count);
	list->count = 0;
	return column_int32_values(column, row, missing, int32_list_extend(list, (size_t)count), failure);
}

static bool has_null(const uint8_t *validity, int64_t first, int64_t count) {
	int64_t i = 0;
	while (validity != NULL && i < count && bit_is_set(validity, first + i))
		i++;
	return validity != NULL && i < count;
}

int column_floats(const struct column *column, int64_t row, float *values, struct failure *failure) {
	const struct column *child = &column->children[0];
	int64_t first, count;
	column_range(column, row, &first, &count);
	if (has_null(child->validity, first, count))
		return fail(failure, EX_DATAERR, "%s has a null among its numbers", column->field->name);
	if (count > 0 && child->field->type.bit_width == 32)
		memcpy(values, child->values + 4 * first, 4 * (size_t)count);
	else
		for (int64_t i = 0; i < count; i++)
			values[i] = (float)column_float(child, first + i);
	for (int64_t i = 0; i < count; i++)
		if (!isfinite(values[i]))
			return fail(failure, EX_DATAERR, "%s[%" PRId64 "] is not a finite number", column->field->name, i);
	return 0;
}

void column_clear(struct column *column) {
	for (size_t i = 0; column->children != NULL && i < column->field->child_count; i++)
		column_clear(&column->children[i]);
	free(column->children);
	free(column->blocks);
	column->children = NULL;
	column->blocks = NULL;
}
