/* source_delimited: documents from CSV, tab-separated values and the like. */
#include "corpus/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "corpus/delimited.h"

enum { NO_FIELD = -1, LONG_RECORD = 100 }; /* lines in a record that look like a quote which is none */

struct delimited_source {
	struct source source;
	const char *path;
	const struct reading *reading;
	struct delimited records;
	size_t fields;      /* of every record; 0: the first is still to be read */
	int text, label, name_field;
	bool record_waits;  /* the first record, where it is no header */
	bool told;          /* of a record of many lines */
	struct bytes name;
};

static struct delimited_source *delimited_source(struct source *source) {
	return (struct delimited_source *)source;
}

static void close_delimited(struct source *source) {
	delimited_clear(&delimited_source(source)->records);
	free(delimited_source(source)->name.data);
	free(source);
}

/* ---- columns ------------------------------------------------------------------------------------------------- */

static int find_field(const struct delimited *header, const char *name) {
	for (size_t i = 0; i < header->fields && name != NULL; i++) {
		size_t length;
		const char *field = delimited_field(header, i, &length);
		if (strlen(name) == length && memcmp(field, name, length) == 0)
			return (int)i;
	}
	return NO_FIELD;
}

static int find_column(const struct delimited *header, const char *wanted, const char *const *usual) {
	int found = find_field(header, wanted);
	for (size_t i = 0; wanted == NULL && usual[i] != NULL && found == NO_FIELD; i++)
		found = find_field(header, usual[i]);
	return found;
}

/* Returns -1 with the names that are there. */
static int refuse_header(const struct delimited *header, const char *wanted, const char *option,
	struct failure *failure) {
	char names[200] = "";
	for (size_t i = 0, written = 0; i < header->fields && written < sizeof names; i++) {
		size_t length;
		const char *field = delimited_field(header, i, &length);
		written += (size_t)snprintf(names + written, sizeof names - written, "%s%.*s", i > 0 ? ", " : "",
			(int)(length < sizeof names ? length : sizeof names), field);
	}
	return fail(failure, EX_DATAERR, "%s: no column %s (the header has %s; --%s names it%s)", header->name, wanted,
		names, option, header->fields == 1 ? "; --delimiter tells what is between columns" : "");
}

static int find_named(struct delimited_source *source, struct failure *failure) {
	const struct delimited *header = &source->records;
	const struct reading *reading = source->reading;
	source->text = find_column(header, reading->text, usual_text_columns);
	if (source->text == NO_FIELD)
		return refuse_header(header, reading->text != NULL ? reading->text : "text or review", "text-column", failure);
	source->name_field = find_field(header, "name");
	if (without_labels(reading))
		return 0;
	source->label = find_column(header, reading->label, usual_label_columns);
	return source->label != NO_FIELD || reading->label == NULL ? 0
		: refuse_header(header, reading->label, "label-column", failure);
}

/* The column of a number from 1. -1: there is none. */
static int find_number(const struct delimited *record, const char *number, const char *option, int *field,
	struct failure *failure) {
	char *end;
	long column = strtol(number, &end, 10);
	if (end == number || *end != '\0' || column < 1 || column > (long)record->fields)
		return fail(failure, EX_DATAERR, "%s: no column %s (without a header the columns are 1 to %zu; --%s tells "
			"which)", record->name, number, record->fields, option);
	*field = (int)column - 1;
	return 0;
}

static int find_numbered(struct delimited_source *source, struct failure *failure) {
	const struct delimited *record = &source->records;
	const struct reading *reading = source->reading;
	if (reading->text == NULL && record->fields > 1)
		return fail(failure, EX_USAGE, "--text-column is missing (without a header: the number of the text's column, "
			"1 to %zu)", record->fields);
	if (find_number(record, reading->text != NULL ? reading->text : "1", "text-column", &source->text, failure) < 0)
		return -1;
	return reading->label == NULL || without_labels(reading) ? 0
		: find_number(record, reading->label, "label-column", &source->label, failure);
}

/* Reads the first record, which tells the columns by their names or by their number. */
static int read_first(struct delimited_source *source, struct failure *failure) {
	struct delimited *first = &source->records;
	int result = delimited_next(first, failure);
	if (result == 0)
		return fail(failure, EX_DATAERR, "%s: empty%s", first->name,
			source->reading->no_header ? "" : " (the first line has to name the columns)");
	if (result < 0)
		return -1;
	source->fields = first->fields;
	source->label = source->name_field = NO_FIELD;
	source->record_waits = source->reading->no_header;
	return source->reading->no_header ? find_numbered(source, failure) : find_named(source, failure);
}

/* ---- documents ----------------------------------------------------------------------------------------------- */

static int next_record(struct delimited_source *source, struct failure *failure) {
	struct delimited *record = &source->records;
	if (source->fields == 0 && read_first(source, failure) < 0)
		return -1;
	int result = source->record_waits ? 1 : delimited_next(record, failure);
	source->record_waits = false;
	if (result != 1)
		return result;
	if (record->next_line - record->line > LONG_RECORD && !source->told) {
		source->told = true;
		warn(&source->reading->warnings, "%s: line %" PRId64 ": a record of %" PRId64 " lines, which a quote holds "
			"together (if quotes mean nothing in this file: --quote none)", record->name, record->line,
			record->next_line - record->line);
	}
	if (record->fields != source->fields)
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": %zu fields, where the %s has %zu (quote a field "
			"that has a delimiter in it)", record->name, record->line, record->fields,
			source->reading->no_header ? "first line" : "header", source->fields);
	return 1;
}

static int read_label(const struct delimited_source *source, struct document *document, struct failure *failure) {
	const struct delimited *record = &source->records;
	size_t length;
	if (source->label == NO_FIELD)
		return 0;
	const char *label = delimited_field(record, (size_t)source->label, &length);
	if (label_parse(&source->reading->words, label, length, &document->label))
		return 0;
	return label_refuse(&source->reading->words, (struct label_place){ record->name, "line", record->line }, label,
		length, failure);
}

static int next_document(struct source *base, struct document *document, struct failure *failure) {
	struct delimited_source *source = delimited_source(base);
	const struct delimited *record = &source->records;
	int result = next_record(source, failure);
	if (result != 1)
		return result;
	*document = (struct document){ .label = -1 };
	document->text = delimited_field(record, (size_t)source->text, &document->text_length);
	if (read_label(source, document, failure) < 0)
		return -1;
	if (source->name_field != NO_FIELD) {
		document->name = delimited_field(record, (size_t)source->name_field, &document->name_length);
	} else {
		document_name_by_line(document, &source->name, source->path, record->line);
	}
	return 1;
}

struct source *source_delimited(char delimiter, struct inflate_reader *input, const char *path,
	const struct reading *reading) {
	struct delimited_source *source = allocate(1, sizeof *source);
	*source = (struct delimited_source){ { next_document, close_delimited }, .path = path, .reading = reading,
		.records = { .input = input, .name = input_name(path), .delimiter = delimiter,
			.no_quotes = reading->no_quotes } };
	return &source->source;
}
