/* bytes: a growable array of bytes; its capacity doubles when it is full. Zero-initialize it; free(data) releases
 * it. */
#ifndef CLOZE_BASE_BYTES_H
#define CLOZE_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

struct bytes { uint8_t *data; size_t size, capacity; };

/* Adds `extra` bytes to the size and returns a pointer to the first of them, which the caller fills;
 * never NULL. */
static inline uint8_t *bytes_extend(struct bytes *bytes, size_t extra) {
	if (bytes->data == NULL || bytes->capacity - bytes->size < extra)
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

/* Appends zero bytes until the size is a multiple of `alignment`. */
static inline void bytes_align(struct bytes *bytes, size_t alignment) {
	bytes_append_zeros(bytes, (alignment - bytes->size % alignment) % alignment);
}

/* The bytes as text of `size` characters, without a NUL at the end; never NULL. Valid until the next change. */
static inline const char *bytes_text(const struct bytes *bytes) {
	return bytes->data != NULL ? (const char *)bytes->data : "";
}

#endif
