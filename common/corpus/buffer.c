/* Room doubles. */
#include "corpus/buffer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

void buffer_append(struct buffer *buffer, const char *bytes, size_t length) {
	if (length >= buffer->capacity - buffer->length) { /* so that there is memory from the first call on */
		buffer->capacity = 2 * buffer->capacity + length + 64;
		buffer->bytes = grow(buffer->bytes, buffer->capacity, 1);
	}
	if (length > 0)
		memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
}

void buffer_name(struct buffer *buffer, const char *path, int64_t line) {
	char number[32];
	const char *slash = path == NULL ? NULL : strrchr(path, '/');
	const char *file = path == NULL ? "-" : slash == NULL ? path : slash + 1;
	int digits = snprintf(number, sizeof number, ":%" PRId64, line);
	buffer->length = 0;
	buffer_append(buffer, file, strlen(file));
	buffer_append(buffer, number, (size_t)digits);
}
