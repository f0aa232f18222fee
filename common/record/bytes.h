/* bytes: a growable array of bytes, for this room's own use. Zero-initialize; free(data) releases it. */
#ifndef CLOZE_RECORD_BYTES_H
#define CLOZE_RECORD_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

struct bytes { uint8_t *data; size_t size, capacity; };

/* Makes room for `extra` more and counts them in; returns where they are to be written. */
static inline uint8_t *bytes_extend(struct bytes *bytes, size_t extra) {
	if (bytes->capacity - bytes->size < extra)
		bytes->data = grow(bytes->data, bytes->capacity = (bytes->size + extra) * 2 + 64, 1);
	bytes->size += extra;
	return bytes->data + bytes->size - extra;
}

static inline void bytes_append(struct bytes *bytes, const void *source, size_t count) {
	if (count > 0)
		memcpy(bytes_extend(bytes, count), source, count);
}

static inline void bytes_append_zeros(struct bytes *bytes, size_t count) {
	if (count > 0)
		memset(bytes_extend(bytes, count), 0, count);
}

/* Zeros up to a multiple of `alignment`. */
static inline void bytes_align(struct bytes *bytes, size_t alignment) {
	bytes_append_zeros(bytes, (alignment - bytes->size % alignment) % alignment);
}

#endif
