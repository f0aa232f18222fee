/* A struct for each format, with the struct source as its beginning. */
#include "corpus/source.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/files.h"
#include "base/memory.h"
#include "corpus/delimited.h"
#include "corpus/lines.h"

void document_name_by_line(struct document *document, struct bytes *name, const char *path, int64_t line) {
	char number[32];
	const char *slash = path == NULL ? NULL : strrchr(path, '/');
	const char *file = path == NULL ? "-" : slash == NULL ? path : slash + 1;
	int digits = snprintf(number, sizeof number, ":%" PRId64, line);
	name->size = 0;
	bytes_append(name, file, strlen(file));
	bytes_append(name, number, (size_t)digits);
	document->name = bytes_text(name);
	document->name_length = name->size;
}

/* ---- lines and paragraphs -------------------------------------------------------------------------------- */

struct line_source {
	struct source source;
	const char *path;
	struct lines lines;
	struct columns columns;  /* of JSON lines */
	json_t *object;          /* the line it is at */
	struct bytes paragraph, name;
};

static struct line_source *line_source(struct source *source) {
	return (struct line_source *)source;
}

static void close_lines(struct source *source) {
	json_decref(line_source(source)->object);
	free(line_source(source)->lines.joined.data);
	free(line_source(source)->paragraph.data);
	free(line_source(source)->name.data);
	free(source);
}

static void set_place(struct line_source *source, int64_t line, struct document *document) {
	document_name_by_line(document, &source->name, source->path, line);
}

static int next_line(struct source *base, struct document *document, struct failure *failure) {
	struct line_source *source = line_source(base);
	*document = (struct document){ .label = -1 };
	int result = lines_next(&source->lines, &document->text, &document->text_length, failure);
	set_place(source, source->lines.number, document);
	return result;
}

static bool is_blank(const char *line, size_t length) {
	for (size_t i = 0; i < length; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}

static int next_paragraph(struct source *base, struct document *document, struct failure *failure) {
	struct line_source *source = line_source(base);
	int64_t first = 0;
	const char *line;
	size_t length;
	int result;
	source->paragraph.size = 0;
	while ((result = lines_next(&source->lines, &line, &length, failure)) == 1) {
		if (is_blank(line, length) && first > 0)
			break;
		if (is_blank(line, length))
			continue;
		if (first > 0)
			bytes_append(&source->paragraph, "\n", 1);
		else
			first = source->lines.number;
		bytes_append(&source->paragraph, line, length);
		if (source->paragraph.size > DOCUMENT_LIMIT)
			return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": a paragraph of more than %d bytes (at most that are "
				"taken)", source->lines.name, first, DOCUMENT_LIMIT);
	}
	*document = (struct document){ .text = bytes_text(&source->paragraph), .text_length = source->paragraph.size,
		.label = -1 };
	set_place(source, first, document);
	return result < 0 ? -1 : first > 0;
}

/* ---- JSON lines ------------------------------------------------------------------------------------------ */

/* The value of `wanted`, or of the first there is of the usual keys. */
static const json_t *find_key(const json_t *object, const char *wanted, const char *const *usual, const char **key) {
	const json_t *value = NULL;
	*key = wanted;
	if (wanted != NULL)
		return json_object_get(object, wanted);
	for (size_t i = 0; usual[i] != NULL && value == NULL; i++)
		value = json_object_get(object, *key = usual[i]);
	return value;
}

/* Whole numbers are read as floating point, so that one of more digits than fit, elsewhere in the line, is no error. */
static bool json_label(const json_t *value, int64_t *label) {
	double number = json_real_value(value);
	if (value == NULL || json_is_null(value)) {
		*label = -1;
		return true;
	}
	if (json_is_string(value))
		return label_parse(json_string_value(value), json_string_length(value), label);
	if (!json_is_real(value) || trunc(number) != number || fabs(number) > 9007199254740992.0)
		return false;
	*label = (int64_t)number;
	return true;
}

static int parse_object(struct line_source *source, const char *line, size_t length, struct failure *failure) {
	json_error_t error;
	json_decref(source->object);
	source->object = json_loadb(line, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	if (source->object == NULL)
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": no JSON: %s (one object a line, in UTF-8)",
			source->lines.name, source->lines.number, error.text);
	if (!json_is_object(source->object))
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": no JSON object (a document is an object a line)",
			source->lines.name, source->lines.number);
	return 0;
}

static int next_object(struct source *base, struct document *document, struct failure *failure) {
	struct line_source *source = line_source(base);
	const char *line, *key;
	size_t length;
	int result;
	do
		result = lines_next(&source->lines, &line, &length, failure);
	while (result == 1 && is_blank(line, length));
	if (result != 1)
		return result;
	if (parse_object(source, line, length, failure) < 0)
		return -1;
	const json_t *text = find_key(source->object, source->columns.text, usual_text_columns, &key);
	if (!json_is_string(text))
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": %s%s%s (--text-column names the text's key)",
			source->lines.name, source->lines.number, text == NULL ? "no key " : "\"",
			text == NULL && source->columns.text == NULL ? "text or review" : key, text == NULL ? "" : "\" is no string");
	*document = (struct document){ .text = json_string_value(text), .text_length = json_string_length(text) };
	const json_t *label = find_key(source->object, source->columns.label, usual_label_columns, &key);
	if ((label == NULL && source->columns.label != NULL) || !json_label(label, &document->label))
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": %s \"%s\"%s (--label-column names the label's key)",
			source->lines.name, source->lines.number, label == NULL ? "no key" : "the label", key,
			label == NULL ? "" : " is neither a whole number nor neg, pos or unsup");
	const json_t *name = json_object_get(source->object, "name");
	set_place(source, source->lines.number, document);
	if (json_is_string(name)) {
		document->name = json_string_value(name);
		document->name_length = json_string_length(name);
	}
	return 1;
}

/* ---- CSV and tab-separated values ------------------------------------------------------------------------ */

enum { NO_FIELD = -1 };

struct delimited_source {
	struct source source;
	const char *path;
	struct columns columns;
	struct delimited records;
	size_t header_fields;       /* 0: the header is still to be read */
	int text, label, name_field;
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
	return fail(failure, EX_DATAERR, "%s: no column %s (the header has %s; --%s names it)", header->name, wanted, names,
		option);
}

static int read_header(struct delimited_source *source, struct failure *failure) {
	struct delimited *header = &source->records;
	int result = delimited_next(header, failure);
	if (result == 0)
		return fail(failure, EX_DATAERR, "%s: empty (the first line has to name the columns)", header->name);
	if (result < 0)
		return -1;
	source->header_fields = header->fields;
	source->text = find_column(header, source->columns.text, usual_text_columns);
	source->label = find_column(header, source->columns.label, usual_label_columns);
	source->name_field = find_field(header, "name");
	if (source->text == NO_FIELD)
		return refuse_header(header, source->columns.text != NULL ? source->columns.text : "text or review",
			"text-column", failure);
	if (source->label == NO_FIELD && source->columns.label != NULL)
		return refuse_header(header, source->columns.label, "label-column", failure);
	return 0;
}

static int next_record(struct source *base, struct document *document, struct failure *failure) {
	struct delimited_source *source = delimited_source(base);
	struct delimited *record = &source->records;
	if (source->header_fields == 0 && read_header(source, failure) < 0)
		return -1;
	int result = delimited_next(record, failure);
	if (result != 1)
		return result;
	if (record->fields != source->header_fields)
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": %zu fields, where the header has %zu (quote a field "
			"that has a delimiter in it)", record->name, record->line, record->fields, source->header_fields);
	*document = (struct document){ .label = -1 };
	document->text = delimited_field(record, (size_t)source->text, &document->text_length);
	if (source->label != NO_FIELD) {
		size_t length;
		const char *label = delimited_field(record, (size_t)source->label, &length);
		if (!label_parse(label, length, &document->label))
			return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": the label %.*s is neither a whole number nor neg, "
				"pos or unsup (--label-column names another column)", record->name, record->line,
				length < 80 ? (int)length : 80, label);
	}
	if (source->name_field != NO_FIELD) {
		document->name = delimited_field(record, (size_t)source->name_field, &document->name_length);
	} else {
		document_name_by_line(document, &source->name, source->path, record->line);
	}
	return 1;
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

static struct source *open_delimited(char delimiter, struct inflate_reader *input, const char *path,
	const struct columns *columns) {
	struct delimited_source *source = allocate(1, sizeof *source);
	*source = (struct delimited_source){ { next_record, close_delimited }, .path = path, .columns = *columns,
		.records = { .input = input, .name = input_name(path), .delimiter = delimiter } };
	return &source->source;
}

struct source *source_open(enum format format, struct inflate_reader *input, const char *path,
	const struct columns *columns) {
	if (format == FORMAT_CSV || format == FORMAT_TSV)
		return open_delimited(format == FORMAT_CSV ? ',' : '\t', input, path, columns);
	struct line_source *source = allocate(1, sizeof *source);
	*source = (struct line_source){ { next_line, close_lines }, .path = path, .columns = *columns,
		.lines = { .input = input, .name = input_name(path) } };
	if (format == FORMAT_PARAGRAPHS)
		source->source.next = next_paragraph;
	if (format == FORMAT_JSONL)
		source->source.next = next_object;
	return &source->source;
}
