/* layout: the buffers that columns of a type consist of, for this room's own use.
 *
 * Source: Columnar.html, "Buffer Listing for Each Layout". */
#ifndef CLOZE_RECORD_LAYOUT_H
#define CLOZE_RECORD_LAYOUT_H

#include <string.h>

#include "record/column.h"

enum layout_kind {
	LAYOUT_NULL,       /* no buffers */
	LAYOUT_BITS,       /* validity, values a bit each */
	LAYOUT_FIXED,      /* validity, values of `width` bytes */
	LAYOUT_BYTES,      /* validity, offsets, bytes */
	LAYOUT_LIST,       /* validity, offsets; one child */
	LAYOUT_FIXED_LIST, /* validity; one child, `width` elements a row */
	LAYOUT_STRUCT,     /* validity; children */
	LAYOUT_VIEW        /* validity, views of VIEW_SIZE bytes; any number of blocks that they point into */
};

/* A view: int32 length; then up to 12 bytes themselves, or the first 4 of them, int32 block and int32 offset. */
enum { VIEW_SIZE = 16, VIEW_INLINE = 12 };

struct layout {
	enum layout_kind kind;
	size_t width;
	size_t offset_width; /* 4 or 8, of LAYOUT_BYTES and LAYOUT_LIST */
};

struct layout type_layout(const struct type *type);
/* The layout of a field's rows in a stream: of a dictionary-encoded one that of its indices. */
struct layout stored_layout(const struct field *field);

/* The buffer, or a place in static memory for one without bytes. */
static inline const uint8_t *buffer_or_empty(const uint8_t *buffer) {
	static const uint8_t empty[16];
	return buffer != NULL ? buffer : empty;
}

static inline int64_t load_offset(const uint8_t *offsets, size_t width, int64_t index) {
	int32_t narrow;
	int64_t wide;
	if (width == 4) {
		memcpy(&narrow, offsets + 4 * index, 4);
		return narrow;
	}
	memcpy(&wide, offsets + 8 * index, 8);
	return wide;
}

/* The integer at a row of fixed-width values; an unsigned one of 64 bits above INT64_MAX wraps round. */
int64_t load_integer(const uint8_t *values, int64_t row, int bit_width, bool is_signed);

/* Of a dictionary-encoded column: which row of its dictionary a row that is not null is. */
static inline int64_t dictionary_index(const struct column *column, int64_t row) {
	const struct dictionary_encoding *encoding = &column->field->dictionary;
	return load_integer(column->values, row, encoding->index_width, encoding->index_signed);
}

/* Of a view: the length of a row that is not null. */
static inline size_t view_length(const struct column *column, int64_t row) {
	int32_t length;
	memcpy(&length, column->values + VIEW_SIZE * row, sizeof length);
	return (size_t)length;
}

static inline bool bit_is_set(const uint8_t *bits, int64_t index) {
	return bits[index >> 3] >> (index & 7) & 1;
}

#endif
