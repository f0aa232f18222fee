/* lines: the lines of an inflated file, however long the file is. */
#ifndef CLOZE_CORPUS_LINES_H
#define CLOZE_CORPUS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "corpus/inflate.h"

/* Set `input` and `name` (for messages), and zero the rest; free(joined.data) at the end. */
struct lines {
	struct inflate_reader *input;
	const char *name;
	int64_t number;       /* of the line read last, from 1 */
	struct bytes joined;  /* a line that lay in two blocks */
	size_t shown;         /* of the input, to be skipped before the next line */
};

/* Goes past a byte order mark. Only at the beginning. -1: as inflate_peek(). */
int skip_byte_order_mark(struct inflate_reader *input, struct failure *failure);

/* The next line, without the LF or CR LF that ends it, valid until the next call; the last one need not be ended. A
 * byte order mark before the first is passed over. Returns 1, 0 at the end, -1: 65 for a line of more than
 * DOCUMENT_LIMIT bytes, or as inflate_peek(). */
int lines_next(struct lines *lines, const char **line, size_t *length, struct failure *failure);

/* How many newlines the bytes have. */
int64_t count_newlines(const char *bytes, size_t length);

/* Whether the byte is white space to JSON: a space, a tab or the end of a line. */
static inline bool is_space(char byte) {
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

#endif
