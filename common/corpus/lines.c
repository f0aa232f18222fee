/* lines: a line is shown where it lies, in a block of the input; only one that goes on in the next block is copied. */
#include "corpus/lines.h"

#include <inttypes.h>
#include <string.h>

#include "corpus/source.h"

int skip_byte_order_mark(struct inflate_reader *input, struct failure *failure) {
	const char *bytes;
	ptrdiff_t got = inflate_peek(input, &bytes, failure);
	if (got >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		inflate_skip(input, 3);
	return got < 0 ? -1 : 0;
}

int lines_next(struct lines *lines, const char **line, size_t *length, struct failure *failure) {
	const char *bytes, *end = NULL;
	ptrdiff_t got;
	inflate_skip(lines->input, lines->shown);
	lines->shown = lines->joined.size = 0;
	if (lines->number == 0 && skip_byte_order_mark(lines->input, failure) < 0)
		return -1;
	while ((got = inflate_peek(lines->input, &bytes, failure)) > 0
		&& (end = memchr(bytes, '\n', (size_t)got)) == NULL) {
		bytes_append(&lines->joined, bytes, (size_t)got);
		inflate_skip(lines->input, (size_t)got);
		if (lines->joined.size > DOCUMENT_LIMIT)
			return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": more than %d bytes (at most that are taken)",
				lines->name, lines->number + 1, DOCUMENT_LIMIT);
	}
	if (got < 0 || (got == 0 && lines->joined.size == 0))
		return (int)got;
	lines->number++;
	if (end != NULL)
		lines->shown = (size_t)(end - bytes) + 1;
	*line = bytes;
	*length = end != NULL ? (size_t)(end - bytes) : 0;
	if (lines->joined.size > 0) {
		if (end != NULL)
			bytes_append(&lines->joined, bytes, *length);
		*line = bytes_text(&lines->joined);
		*length = lines->joined.size;
	}
	if (end != NULL && *length > 0 && (*line)[*length - 1] == '\r')
		--*length;
	return 1;
}

int64_t count_newlines(const char *bytes, size_t length) {
	int64_t newlines = 0;
	for (const char *end = bytes + length; (bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes++)
		newlines++;
	return newlines;
}
