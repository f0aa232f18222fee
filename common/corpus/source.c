/* source: documents from plain text; the other formats have files of their own. */
#include "corpus/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "corpus/lines.h"

const char *const usual_text_columns[] = { "text", "review", NULL };
const char *const usual_label_columns[] = { "label", "sentiment", NULL };

bool without_labels(const struct reading *reading) {
	return reading->label != NULL && strcmp(reading->label, "none") == 0;
}

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
	struct bytes paragraph, name;
};

static struct line_source *line_source(struct source *source) {
	return (struct line_source *)source;
}

static void close_lines(struct source *source) {
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
			return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": a paragraph of more than %d bytes (at most that "
				"are taken)", source->lines.name, first, DOCUMENT_LIMIT);
	}
	*document = (struct document){ .text = bytes_text(&source->paragraph), .text_length = source->paragraph.size,
		.label = -1 };
	set_place(source, first, document);
	return result < 0 ? -1 : first > 0;
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

struct source *source_open(enum format format, struct inflate_reader *input, const char *path,
	const struct reading *reading) {
	if (format == FORMAT_JSONL)
		return source_json(input, path, reading);
	if (format == FORMAT_CSV || format == FORMAT_TSV)
		return source_delimited(reading->delimiter != '\0' ? reading->delimiter : format == FORMAT_CSV ? ',' : '\t',
			input, path, reading);
	struct line_source *source = allocate(1, sizeof *source);
	*source = (struct line_source){ { format == FORMAT_PARAGRAPHS ? next_paragraph : next_line, close_lines },
		.path = path, .lines = { .input = input, .name = input_name(path) } };
	return &source->source;
}
