/* buffer: bytes that grow. Zero-initialize; free(bytes) releases it. */
#ifndef CLOZE_CORPUS_BUFFER_H
#define CLOZE_CORPUS_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

struct buffer { char *bytes; size_t length, capacity; };

void buffer_append(struct buffer *buffer, const char *bytes, size_t length);

/* Puts "FILE:LINE" into it, FILE being the last part of the path, "-" for NULL: what a document is called that has no
 * name. */
void buffer_name(struct buffer *buffer, const char *path, int64_t line);

#endif
