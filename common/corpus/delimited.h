/* delimited: the records of CSV and of tab-separated values.
 *
 * Source: RFC 4180, as Python's csv module reads it with strict=True: quotes inside a field that does not begin with
 * one are part of it; CR, LF or CR LF end a record outside quotes; what follows a closing quote must be a delimiter or
 * that end. A record without a byte in it, an empty line, is passed over. */
#ifndef CLOZE_CORPUS_DELIMITED_H
#define CLOZE_CORPUS_DELIMITED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "corpus/inflate.h"

/* Set `input`, `name` (for messages), `delimiter` and `no_quotes`, and zero the rest; delimited_clear() at the end. */
struct delimited {
	struct inflate_reader *input;
	const char *name;
	char delimiter;
	bool no_quotes;          /* a quote is a character as any other, so that a line is a record */
	int64_t line, next_line; /* where the record read last, and the one after it, begin; from 1 */
	bool after_return;       /* a CR ended the last record; an LF that follows belongs to it */
	struct bytes bytes;      /* of the record, its fields one after the other */
	size_t *ends;            /* of each field in `bytes` */
	size_t fields, capacity;
};

/* Goes on to the next record, replacing the last one. Returns 1, 0 at the end, -1: 65 for a quote that is not closed
 * or is closed within a field and for a record of more than DOCUMENT_LIMIT bytes, or as inflate_peek(). */
int delimited_next(struct delimited *delimited, struct failure *failure);

/* The bytes of a field below `fields`. */
const char *delimited_field(const struct delimited *delimited, size_t field, size_t *length);

void delimited_clear(struct delimited *delimited);

#endif
