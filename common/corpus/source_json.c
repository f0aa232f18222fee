/* source_json: documents from JSON lines, of which only the keys of text, label and name are read. */
#include "corpus/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "corpus/json_lines.h"

struct json_source {
	struct source source;
	const char *path;
	const struct reading *reading;
	struct json_reader reader;
	struct json_record record;
	struct bytes name;
};

static struct json_source *json_source(struct source *source) {
	return (struct json_source *)source;
}

static void close_json(struct source *base) {
	struct json_source *source = json_source(base);
	json_record_clear(&source->record);
	free(source->reader.joined.data);
	free(source->name.data);
	free(source);
}

/* *value becomes the value of `wanted` or, where that is NULL, of the first there is of the usual keys; NULL: there
 * is none. *key tells which it was. -1: the key is there twice. */
static int find_key(const struct json_source *source, const char *wanted, const char *const *usual, const char **key,
	const struct value **value, struct failure *failure) {
	bool twice = false;
	*key = wanted;
	*value = wanted != NULL ? value_find(source->record.values, wanted, &twice) : NULL;
	for (size_t i = 0; wanted == NULL && usual[i] != NULL && *value == NULL; i++)
		*value = value_find(source->record.values, *key = usual[i], &twice);
	if (twice)
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": the key \"%s\" is there twice (which one counts?)",
			source->reader.name, source->record.line, *key);
	return 0;
}

static int read_text(const struct json_source *source, struct document *document, struct failure *failure) {
	const struct value *text;
	const char *key;
	if (find_key(source, source->reading->text, usual_text_columns, &key, &text, failure) < 0)
		return -1;
	if (text == NULL)
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": no key %s (--text-column names the text's key)",
			source->reader.name, source->record.line, source->reading->text != NULL ? key : "text or review");
	if (text->kind != VALUE_STRING)
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": \"%s\" is no string (--text-column names the text's "
			"key)", source->reader.name, source->record.line, key);
	document->text = text->text;
	document->text_length = text->length;
	return 0;
}

/* False: it is none. */
static bool parse_label(const struct label_words *words, const struct value *value, int64_t *label) {
	switch (value->kind) {
	case VALUE_NULL:
		*label = -1;
		return true;
	case VALUE_FALSE:
	case VALUE_TRUE:
		return label_from_integer(words, value->kind == VALUE_TRUE, label);
	case VALUE_NUMBER:
	case VALUE_STRING:
		return label_parse(words, value->text, value->length, label);
	default:
		return false;
	}
}

static int read_label(const struct json_source *source, struct document *document, struct failure *failure) {
	const struct reading *reading = source->reading;
	struct label_place place = { source->reader.name, "line", source->record.line };
	const struct value *label;
	const char *key;
	if (without_labels(reading))
		return 0;
	if (find_key(source, reading->label, usual_label_columns, &key, &label, failure) < 0)
		return -1;
	if (label == NULL && reading->label != NULL)
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": no key \"%s\" (--label-column names the label's key)",
			place.name, place.number, key);
	if (label == NULL || parse_label(&reading->words, label, &document->label))
		return 0;
	if (label->text == NULL)
		return label_refuse(&reading->words, place, label->kind == VALUE_ARRAY ? "[...]" : "{...}", 5, failure);
	return label_refuse(&reading->words, place, label->text, label->length, failure);
}

static int next_object(struct source *base, struct document *document, struct failure *failure) {
	struct json_source *source = json_source(base);
	int result = json_next(&source->reader, &source->record, failure);
	if (result <= 0)
		return result;
	*document = (struct document){ .label = -1, .replaced = source->record.replaced };
	if (read_text(source, document, failure) < 0 || read_label(source, document, failure) < 0)
		return -1;
	const struct value *name = value_find(source->record.values, "name", NULL);
	if (name != NULL && name->kind == VALUE_STRING) {
		document->name = name->text;
		document->name_length = name->length;
	} else {
		document_name_by_line(document, &source->name, source->path, source->record.line);
	}
	return 1;
}

struct source *source_json(struct inflate_reader *input, const char *path, const struct reading *reading) {
	struct json_source *source = allocate(1, sizeof *source);
	*source = (struct json_source){ { next_object, close_json }, .path = path, .reading = reading,
		.reader = { .input = input, .name = input_name(path), .limit = DOCUMENT_LIMIT } };
	return &source->source;
}
