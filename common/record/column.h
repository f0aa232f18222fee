/* column: the values of one column in one batch, and the building of new ones.
 *
 * A struct column points into a batch's memory, which has Arrow's physical layout (Columnar.html): validity bits,
 * offsets, values, children. Its offsets were verified when the batch was read, so the functions here follow them
 * unchecked. A builder owns its memory. */
#ifndef CLOZE_RECORD_COLUMN_H
#define CLOZE_RECORD_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/schema.h"

struct column {
	const struct field *field;
	int64_t length;           /* rows */
	const uint8_t *validity;  /* bit i (least significant first) is 1 where row i is not null; NULL: no nulls */
	const uint8_t *offsets;   /* length + 1 of int32 or int64, for variable-size types */
	const uint8_t *values;    /* fixed-width values or the bytes of strings */
	struct column *children;  /* as many as field->child_count */

	/* Only in batches that are not yet decoded (record/decode.h), never in those that a reader returns: */
	const struct column *dictionary; /* of a dictionary-encoded column: where its indices, in `values`, point */
	const uint8_t **blocks;          /* of a view: where its long values lie */
};

bool column_is_null(const struct column *column, int64_t row);

/* The bytes of a utf8, large_utf8, binary or large_binary row; a null row has length 0. Points into the batch. */
const char *column_bytes(const struct column *column, int64_t row, size_t *length);

/* The value of an integer row (any width, signed or not; a uint64 above INT64_MAX wraps round), or `missing` where
 * it is null. */
int64_t column_integer(const struct column *column, int64_t row, int64_t missing);

/* The value of a row of a float column (binary16, 32 or 64 bits) that is not null, and of a bool column. */
double column_float(const struct column *column, int64_t row);
bool column_bool(const struct column *column, int64_t row);

/* The range of children[0] that holds the elements of a row of a list, large_list, map or fixed_size_list; it is
 * empty for a null row. */
void column_range(const struct column *column, int64_t row, int64_t *first, int64_t *count);

/* Copies a row of a list, large_list or fixed_size_list of integers of any width to `values`, which has space for as
 * many as column_range() counts. Null elements become `missing`. -1: 65, a value does not fit into 32 bits; the text
 * gives the value and its position, and the caller adds the record. */
int column_int32_values(const struct column *column, int64_t row, int32_t missing, int32_t *values,
	struct failure *failure);

/* Growable int32 values. Zero-initialize; free(values) releases it. */
struct int32_list { int32_t *values; size_t count, capacity; };

/* Adds `extra` values to the count and returns a pointer to the first of them, which the caller fills. Never NULL. */
int32_t *int32_list_extend(struct int32_list *list, size_t extra);

/* The same as column_int32_values(), into `list`, whose values are replaced. */
int column_int32_list(const struct column *column, int64_t row, int32_t missing, struct int32_list *list,
	struct failure *failure);

/* Puts a row of a list<float>, large_list or fixed_size_list of numbers of 16, 32 or 64 bits into `values`, which has
 * the capacity for the count that column_range() tells. -1: 65, an element is null or not a finite float; the caller knows the record. */
int column_floats(const struct column *column, int64_t row, float *values, struct failure *failure);

/* ---- building ------------------------------------------------------------------------------------------ */

struct builder; /* a column to whose end rows are appended */

/* A builder of a column of that field, which is borrowed for the builder's life. builder_destroy() frees it. */
struct builder *builder_create(const struct field *field);
void builder_destroy(struct builder *builder);

void builder_append_null(struct builder *builder);
void builder_append_integer(struct builder *builder, int64_t value);          /* for int columns */
void builder_append_bytes(struct builder *builder, const char *bytes, size_t length); /* utf8, binary, large too */
/* A row of a list of int32 column. */
void builder_append_int32_list(struct builder *builder, const int32_t *values, size_t count);
/* The same, values equal to `null_value` becoming null elements. */
void builder_append_nullable_int32_list(struct builder *builder, const int32_t *values, size_t count,
	int32_t null_value);
/* A row of a list of numbers of 16 or 32 bits, to which the floats are rounded. */
void builder_append_float_list(struct builder *builder, const float *values, size_t count);

void builder_append_number(struct builder *builder, double value);            /* for float32, float64 columns */
void builder_append_bool(struct builder *builder, bool value);

/* A row of a list or a struct is made by appending to its children's builders, then calling builder_end_row(). A list
 * takes all elements that its child received since the row before; a struct needs one value in each child. Fixed-size
 * lists are not built this way. builder_append_null() appends to the children of a struct by itself. */
struct builder *builder_child(struct builder *builder, size_t child);
void builder_end_row(struct builder *builder);

/* Appends rows first .. first + count - 1 of a column of the same type, which may be any type of schema.h. */
void builder_append_rows(struct builder *builder, const struct column *column, int64_t first, int64_t count);

int64_t builder_length(const struct builder *builder); /* rows */
size_t builder_size(const struct builder *builder);    /* bytes, roughly; at least one a row */

/* Makes *column point into the builder; valid until the builder changes. column_clear() releases it. */
void builder_view(const struct builder *builder, struct column *column);
/* Releases what a column owns: its arrays of children and blocks. */
void column_clear(struct column *column);
/* Forgets the rows, keeps the memory. */
void builder_reset(struct builder *builder);

#endif
