/* delimited: a state machine that takes runs of bytes rather than bytes, over blocks as they come. */
#include "corpus/delimited.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "corpus/lines.h"
#include "corpus/source.h"

enum state { FIELD_BEGINS, PLAIN, QUOTED, QUOTE_IN_QUOTED, RECORD_ENDS };

static void end_field(struct delimited *delimited) {
	if (delimited->fields == delimited->capacity)
		delimited->ends = grow(delimited->ends, delimited->capacity = delimited->capacity * 2 + 16,
			sizeof *delimited->ends);
	delimited->ends[delimited->fields++] = delimited->bytes.size;
}

/* What a byte outside quotes does, when it is no part of the field. */
static enum state end_at(struct delimited *delimited, char byte) {
	end_field(delimited);
	if (byte == delimited->delimiter)
		return FIELD_BEGINS;
	delimited->next_line++;
	delimited->after_return = byte == '\r';
	return RECORD_ENDS;
}

static bool ends_field(const struct delimited *delimited, char byte) {
	return byte == delimited->delimiter || byte == '\n' || byte == '\r';
}

/* Takes at least one of the bytes in that state, and returns the state after it; *taken tells how many. */
static enum state take(struct delimited *delimited, enum state state, const char *bytes, size_t length,
	size_t *taken) {
	const char *quote;
	size_t run = 0;
	*taken = 1;
	switch (state) {
	case FIELD_BEGINS:
		if (bytes[0] == '"' && !delimited->no_quotes)
			return QUOTED;
		/* fall through */
	case PLAIN:
		while (run < length && !ends_field(delimited, bytes[run]))
			run++;
		bytes_append(&delimited->bytes, bytes, run);
		*taken = run < length ? run + 1 : run;
		return run < length ? end_at(delimited, bytes[run]) : PLAIN;
	case QUOTED:
		quote = memchr(bytes, '"', length);
		run = quote != NULL ? (size_t)(quote - bytes) : length;
		bytes_append(&delimited->bytes, bytes, run);
		delimited->next_line += count_newlines(bytes, run);
		*taken = quote != NULL ? run + 1 : run;
		return quote != NULL ? QUOTE_IN_QUOTED : QUOTED;
	default: /* QUOTE_IN_QUOTED */
		if (bytes[0] != '"')
			return end_at(delimited, bytes[0]);
		bytes_append(&delimited->bytes, bytes, 1);
		return QUOTED;
	}
}

/* Begins a record, and goes past what ended the one before and past empty lines. Returns 1, 0 at the end, -1. */
static int begin_record(struct delimited *delimited, struct failure *failure) {
	const char *bytes;
	ptrdiff_t got;
	if (delimited->next_line == 0) {
		delimited->next_line = 1;
		if (skip_byte_order_mark(delimited->input, failure) < 0)
			return -1;
	}
	while ((got = inflate_peek(delimited->input, &bytes, failure)) > 0 && (bytes[0] == '\n' || bytes[0] == '\r')) {
		if (!(bytes[0] == '\n' && delimited->after_return))
			delimited->next_line++;
		delimited->after_return = bytes[0] == '\r';
		inflate_skip(delimited->input, 1);
	}
	delimited->after_return = false;
	delimited->fields = delimited->bytes.size = 0;
	delimited->line = delimited->next_line;
	return got < 0 ? -1 : got > 0;
}

int delimited_next(struct delimited *delimited, struct failure *failure) {
	int begun = begin_record(delimited, failure);
	if (begun <= 0)
		return begun;
	enum state state = FIELD_BEGINS;
	while (state != RECORD_ENDS) {
		const char *bytes;
		ptrdiff_t got = inflate_peek(delimited->input, &bytes, failure);
		if (got < 0)
			return -1;
		if (got == 0 && state == QUOTED)
			return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": a quote that is never closed (cut short, or not "
				"quoted as RFC 4180 has it: --quote none takes quotes as they are)", delimited->name, delimited->line);
		if (got == 0) {
			end_field(delimited);
			break;
		}
		if (state == QUOTE_IN_QUOTED && bytes[0] != '"' && !ends_field(delimited, bytes[0]))
			return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": a quote within a quoted field (double it, as "
				"RFC 4180 has it)", delimited->name, delimited->next_line);
		size_t taken;
		state = take(delimited, state, bytes, (size_t)got, &taken);
		inflate_skip(delimited->input, taken);
		if (delimited->bytes.size > DOCUMENT_LIMIT || delimited->fields > DOCUMENT_LIMIT / sizeof *delimited->ends)
			return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": a record of more than %d bytes (at most that are "
				"taken)", delimited->name, delimited->line, DOCUMENT_LIMIT);
	}
	return 1;
}

const char *delimited_field(const struct delimited *delimited, size_t field, size_t *length) {
	size_t first = field == 0 ? 0 : delimited->ends[field - 1];
	*length = delimited->ends[field] - first;
	return bytes_text(&delimited->bytes) + first;
}

void delimited_clear(struct delimited *delimited) {
	free(delimited->bytes.data);
	free(delimited->ends);
}
