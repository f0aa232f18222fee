/* layout: which buffers a type's columns are made of, for this room's own use.
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
	LAYOUT_STRUCT      /* validity; children */
};

struct layout {
	enum layout_kind kind;
	size_t width;
	size_t offset_width; /* 4 or 8, of LAYOUT_BYTES and LAYOUT_LIST */
};

struct layout type_layout(const struct type *type);
size_t layout_buffers(enum layout_kind kind);

/* Something to point to for a buffer without bytes. */
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

static inline bool bit_is_set(const uint8_t *bits, int64_t index) {
	return bits[index >> 3] >> (index & 7) & 1;
}

#endif
