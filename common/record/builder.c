/* builder.c: builds columns.
 *
 * A builder has the buffers of the column's physical layout. Equal rows give equal bytes, however they were appended:
 * the validity bits begin to exist with the first null, and the value of a null row is zero or has no bytes. */
#include "record/column.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/half.h"
#include "base/memory.h"
#include "record/layout.h"

struct builder {
	const struct field *field;
	struct layout layout;
	int64_t length, null_count;
	struct bytes validity; /* valid while null_count > 0; (length + 7) / 8 bytes, unused bits 0 */
	struct bytes offsets;  /* length + 1 of them, from 0 */
	struct bytes values;
	size_t child_count;
	struct builder **children;
};

struct builder *builder_create(const struct field *field) {
	struct builder *builder = allocate(1, sizeof *builder);
	*builder = (struct builder){ .field = field, .layout = type_layout(&field->type),
		.child_count = field->child_count, .children = allocate(field->child_count, sizeof *builder->children) };
	for (size_t i = 0; i < field->child_count; i++)
		builder->children[i] = builder_create(&field->children[i]);
	bytes_append_zeros(&builder->offsets, builder->layout.offset_width);
	return builder;
}

void builder_destroy(struct builder *builder) {
	if (builder == NULL)
		return;
	for (size_t i = 0; i < builder->child_count; i++)
		builder_destroy(builder->children[i]);
	free(builder->children);
	free(builder->validity.data);
	free(builder->offsets.data);
	free(builder->values.data);
	free(builder);
}

void builder_reset(struct builder *builder) {
	for (size_t i = 0; i < builder->child_count; i++)
		builder_reset(builder->children[i]);
	builder->length = builder->null_count = 0;
	builder->validity.size = builder->values.size = 0;
	builder->offsets.size = builder->layout.offset_width;
}

int64_t builder_length(const struct builder *builder) {
	return builder->length;
}

size_t builder_size(const struct builder *builder) {
	size_t size = builder->offsets.size + builder->values.size;
	if (size < (size_t)builder->length)
		size = (size_t)builder->length; /* so that no count can pass 2^31 where the size does not */
	for (size_t i = 0; i < builder->child_count; i++)
		size += builder_size(builder->children[i]);
	return size;
}

/* ---- validity ------------------------------------------------------------------------------------------ */

/* Sets bits first .. first + count - 1. The bits after them must be 0. */
static void set_bits(uint8_t *bits, int64_t first, int64_t count) {
	for (; count > 0 && first % 8 != 0; first++, count--)
		bits[first / 8] |= (uint8_t)(1 << first % 8);
	memset(bits + first / 8, 0xff, (size_t)count / 8);
	if (count % 8 != 0)
		bits[(first + count) / 8] |= (uint8_t)((1 << count % 8) - 1);
}

/* Extends an array of `length` bits by `count` bits that are 0. */
static void reserve_bits(struct bytes *bits, int64_t length, int64_t count) {
	bytes_append_zeros(bits, (size_t)(length + count + 7) / 8 - bits->size);
}

/* Records that the next `count` rows are not null. Called before `length` grows. */
static void mark_valid(struct builder *builder, int64_t count) {
	if (builder->null_count == 0)
		return;
	reserve_bits(&builder->validity, builder->length, count);
	set_bits(builder->validity.data, builder->length, count);
}

/* Records that the next `count` rows are null. Called before `length` grows. */
static void mark_null(struct builder *builder, int64_t count) {
	if (builder->null_count == 0) {
		builder->validity.size = 0;
		reserve_bits(&builder->validity, 0, builder->length);
		if (builder->length > 0)
			set_bits(builder->validity.data, 0, builder->length);
	}
	reserve_bits(&builder->validity, builder->length, count);
	builder->null_count += count;
}

/* ---- one row ------------------------------------------------------------------------------------------- */

static void append_offset(struct builder *builder, int64_t offset) {
	bytes_append(&builder->offsets, &offset, builder->layout.offset_width); /* little-endian: the low half */
}

/* Appends `count` null rows. */
static void append_nulls(struct builder *builder, int64_t count) {
	struct layout layout = builder->layout;
	if (count <= 0)
		return;
	mark_null(builder, count);
	switch (layout.kind) {
	case LAYOUT_BITS:
		reserve_bits(&builder->values, builder->length, count);
		break;
	case LAYOUT_FIXED:
		bytes_append_zeros(&builder->values, (size_t)count * layout.width);
		break;
	case LAYOUT_BYTES:
	case LAYOUT_LIST: {
		int64_t last = load_offset(builder->offsets.data, layout.offset_width, builder->length);
		for (int64_t i = 0; i < count; i++)
			append_offset(builder, last);
		break;
	}
	case LAYOUT_FIXED_LIST:
		append_nulls(builder->children[0], count * (int64_t)layout.width);
		break;
	case LAYOUT_STRUCT:
		for (size_t i = 0; i < builder->child_count; i++)
			append_nulls(builder->children[i], count);
		break;
	default: /* LAYOUT_NULL; nothing is built of views */
		break;
	}
	builder->length += count;
}

void builder_append_null(struct builder *builder) {
	append_nulls(builder, 1);
}

void builder_append_integer(struct builder *builder, int64_t value) {
	mark_valid(builder, 1);
	bytes_append(&builder->values, &value, builder->layout.width);
	builder->length++;
}

void builder_append_number(struct builder *builder, double value) {
	float narrow = (float)value;
	mark_valid(builder, 1);
	bytes_append(&builder->values, builder->layout.width == 4 ? (const void *)&narrow : &value, builder->layout.width);
	builder->length++;
}

void builder_append_bool(struct builder *builder, bool value) {
	mark_valid(builder, 1);
	reserve_bits(&builder->values, builder->length, 1);
	if (value)
		set_bits(builder->values.data, builder->length, 1);
	builder->length++;
}

void builder_append_bytes(struct builder *builder, const char *bytes, size_t length) {
	mark_valid(builder, 1);
	bytes_append(&builder->values, bytes, length);
	append_offset(builder, (int64_t)builder->values.size);
	builder->length++;
}

struct builder *builder_child(struct builder *builder, size_t child) {
	return builder->children[child];
}

void builder_end_row(struct builder *builder) {
	mark_valid(builder, 1);
	if (builder->layout.kind == LAYOUT_LIST)
		append_offset(builder, builder->children[0]->length);
	builder->length++;
}

void builder_append_int32_list(struct builder *builder, const int32_t *values, size_t count) {
	struct builder *child = builder->children[0];
	mark_valid(child, (int64_t)count);
	bytes_append(&child->values, values, count * sizeof *values);
	child->length += (int64_t)count;
	builder_end_row(builder);
}

void builder_append_float_list(struct builder *builder, const float *values, size_t count) {
	struct builder *child = builder->children[0];
	mark_valid(child, (int64_t)count);
	if (child->layout.width == sizeof *values)
		bytes_append(&child->values, values, count * sizeof *values);
	for (size_t i = 0; child->layout.width != sizeof *values && i < count; i++) {
		uint16_t half = float_to_half(values[i]);
		bytes_append(&child->values, &half, sizeof half);
	}
	child->length += (int64_t)count;
	builder_end_row(builder);
}

#define COMPARED 32 /* values that are compared at once, by vectors */

static bool includes(const int32_t values[static COMPARED], int32_t value) {
	int32_t found = 0;
	for (size_t i = 0; i < COMPARED; i++)
		found |= values[i] == value;
	return found != 0;
}

/* The index of the first of the values that is `value`; `count` where there is none. */
static size_t find_value(const int32_t *values, size_t count, int32_t value) {
	size_t i = 0;
	while (count - i >= COMPARED && !includes(values + i, value))
		i += COMPARED;
	while (i < count && values[i] != value)
		i++;
	return i;
}

void builder_append_nullable_int32_list(struct builder *builder, const int32_t *values, size_t count,
	int32_t null_value) {
	struct builder *child = builder->children[0];
	for (size_t first = 0, run; first <= count; first += run + 1) {
		run = find_value(values + first, count - first, null_value);
		mark_valid(child, (int64_t)run);
		bytes_append(&child->values, values + first, run * sizeof *values);
		child->length += (int64_t)run;
		if (first + run < count)
			append_nulls(child, 1);
	}
	builder_end_row(builder);
}

/* ---- rows of a column ---------------------------------------------------------------------------------- */

/* Appends rows that are not null to a list or a column of bytes: what their offsets enclose, then the offsets,
 * shifted. */
static void append_variable(struct builder *builder, const struct column *column, int64_t first, int64_t count) {
	size_t width = builder->layout.offset_width;
	int64_t from = load_offset(column->offsets, width, first);
	int64_t to = load_offset(column->offsets, width, first + count);
	int64_t shift = load_offset(builder->offsets.data, width, builder->length) - from;
	if (builder->layout.kind == LAYOUT_LIST)
		builder_append_rows(builder->children[0], &column->children[0], from, to - from);
	else if (to > from)
		bytes_append(&builder->values, column->values + from, (size_t)(to - from));
	for (int64_t i = 1; i <= count; i++)
		append_offset(builder, load_offset(column->offsets, width, first + i) + shift);
}

/* Appends rows first .. first + count - 1, none of which is null. */
static void append_valid(struct builder *builder, const struct column *column, int64_t first, int64_t count) {
	struct layout layout = builder->layout;
	mark_valid(builder, count);
	switch (layout.kind) {
	case LAYOUT_BITS:
		reserve_bits(&builder->values, builder->length, count);
		for (int64_t i = 0; i < count; i++)
			if (bit_is_set(column->values, first + i))
				set_bits(builder->values.data, builder->length + i, 1);
		break;
	case LAYOUT_FIXED:
		bytes_append(&builder->values, column->values + (size_t)first * layout.width, (size_t)count * layout.width);
		break;
	case LAYOUT_BYTES:
	case LAYOUT_LIST:
		append_variable(builder, column, first, count);
		break;
	case LAYOUT_FIXED_LIST:
		builder_append_rows(builder->children[0], &column->children[0], first * (int64_t)layout.width,
			count * (int64_t)layout.width);
		break;
	case LAYOUT_STRUCT:
		for (size_t i = 0; i < builder->child_count; i++)
			builder_append_rows(builder->children[i], &column->children[i], first, count);
		break;
	default: /* LAYOUT_NULL; nothing is built of views */
		break;
	}
	builder->length += count;
}

/* The same for a dictionary-encoded column or a column of views. */
static void append_encoded(struct builder *builder, const struct column *column, int64_t first, int64_t count) {
	for (int64_t row = first; row < first + count; row++) {
		if (column->dictionary != NULL) {
			builder_append_rows(builder, column->dictionary, dictionary_index(column, row), 1);
			continue;
		}
		int32_t part[4]; /* length, prefix, block, offset */
		const uint8_t *view = column->values + VIEW_SIZE * row;
		memcpy(part, view, sizeof part);
		const uint8_t *bytes = part[0] <= VIEW_INLINE ? view + 4 : column->blocks[part[2]] + part[3];
		builder_append_bytes(builder, (const char *)bytes, (size_t)part[0]);
	}
}

void builder_append_rows(struct builder *builder, const struct column *column, int64_t first, int64_t count) {
	if (builder->layout.kind == LAYOUT_NULL) {
		append_nulls(builder, count);
		return;
	}
	bool is_encoded = column->dictionary != NULL || column->blocks != NULL;
	for (int64_t end = first + count; first < end;) { /* by runs of rows that are all null or all not null */
		bool null = column_is_null(column, first);
		int64_t run = column->validity == NULL ? end - first : 1;
		while (first + run < end && column_is_null(column, first + run) == null)
			run++;
		if (null)
			append_nulls(builder, run);
		else
			(is_encoded ? append_encoded : append_valid)(builder, column, first, run);
		first += run;
	}
}

void builder_view(const struct builder *builder, struct column *column) {
	bool has_validity = builder->null_count > 0 && builder->layout.kind != LAYOUT_NULL;
	*column = (struct column){ .field = builder->field, .length = builder->length,
		.validity = has_validity ? builder->validity.data : NULL, .offsets = builder->offsets.data,
		.values = buffer_or_empty(builder->values.data),
		.children = allocate(builder->child_count, sizeof *column->children) };
	for (size_t i = 0; i < builder->child_count; i++)
		builder_view(builder->children[i], &column->children[i]);
}
