/* The first lines are held back to tell the columns and their types from: a field is widened until it admits every
 * value seen. Then each line's values are appended, by type. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/memory.h"
#include "base/files.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "record/stream.h"
#include "train/vocabulary_info.h"

enum { SAMPLE_LINES = 100 };

static int type = -1;
static const char *model;

static const struct option_entry options[] = {
	OPTION_CHOICE("type", &type, "text|tokens|chunks|masked", "the record type, which fixes columns and their types"),
	OPTION_TEXT("model", &model, "DIR", "put the vocabulary of this model folder into the stream's metadata"),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Makes a stream of JSON lines: one object a record, its keys the columns.",
	.example = "rec-dump train.arrows | jq -c 'select(.label == 1)' | rec-load --type tokens > positive.arrows",
};

/* ---- lines --------------------------------------------------------------------------------------------- */

struct lines {
	FILE *file;
	const char *name;
	char *text;
	size_t capacity;
	int64_t number; /* of the line read last, from 1 */
	json_t *sample[SAMPLE_LINES];
	int64_t sample_numbers[SAMPLE_LINES];
	size_t sample_count, sample_next;
};

/* The input's next line that is not blank; NULL at the end. */
static json_t *parse_line(struct lines *lines) {
	ssize_t length;
	while ((length = getline(&lines->text, &lines->capacity, lines->file)) >= 0) {
		json_error_t error;
		lines->number++;
		if (strspn(lines->text, " \t\r\n") == (size_t)length)
			continue;
		json_t *json = json_loadb(lines->text, (size_t)length, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
		if (json == NULL)
			die(EX_DATAERR, "%s: line %" PRId64 ": no JSON: %s (one object a line)", lines->name, lines->number,
				error.text);
		if (!json_is_object(json))
			die(EX_DATAERR, "%s: line %" PRId64 ": no JSON object (a record is an object, its keys the columns)",
				lines->name, lines->number);
		return json;
	}
	if (ferror(lines->file))
		die(EX_IOERR, "%s: cannot read", lines->name);
	return NULL;
}

static void hold_sample(struct lines *lines) {
	json_t *line;
	while (lines->sample_count < SAMPLE_LINES && (line = parse_line(lines)) != NULL) {
		lines->sample_numbers[lines->sample_count] = lines->number;
		lines->sample[lines->sample_count++] = line;
	}
	if (lines->sample_count == 0 && type < 0)
		die(EX_DATAERR, "%s: no line to tell the columns from (--type names them)", lines->name);
}

/* The next line, those held back first. */
static json_t *next_line(struct lines *lines) {
	if (lines->sample_next == lines->sample_count)
		return parse_line(lines);
	lines->number = lines->sample_numbers[lines->sample_next];
	return lines->sample[lines->sample_next++];
}

/* ---- columns ------------------------------------------------------------------------------------------- */

/* The columns whose types a record type fixes, in the order of record_type. */
struct known { const char *name; bool required; enum { KNOWN_TEXT, KNOWN_INT32, KNOWN_INT64, KNOWN_LIST } kind; };
static const struct known known_columns[][6] = {
	{ { "text", true, KNOWN_TEXT }, { "label", false, KNOWN_INT64 }, { "name", false, KNOWN_TEXT },
		{ "epoch", false, KNOWN_INT32 } },
	{ { "input_ids", true, KNOWN_LIST }, { "word_ids", true, KNOWN_LIST }, { "label", false, KNOWN_INT64 },
		{ "epoch", false, KNOWN_INT32 } },
	{ { "input_ids", true, KNOWN_LIST }, { "word_ids", true, KNOWN_LIST }, { "labels", false, KNOWN_LIST },
		{ "epoch", false, KNOWN_INT32 } },
	{ { "input_ids", true, KNOWN_LIST }, { "labels", true, KNOWN_LIST }, { "attention_mask", false, KNOWN_LIST },
		{ "token_type_ids", false, KNOWN_LIST }, { "epoch", false, KNOWN_INT32 } }
};

static const struct known *find_known(const char *name) {
	for (const struct known *known = type < 0 ? NULL : known_columns[type]; known != NULL && known->name; known++)
		if (strcmp(known->name, name) == 0)
			return known;
	return NULL;
}

static void add_known(struct schema *schema, const struct known *known) {
	if (known->kind == KNOWN_TEXT)
		schema_add_utf8(schema, known->name);
	else if (known->kind == KNOWN_LIST)
		schema_add_int32_list(schema, known->name);
	else
		schema_add_int(schema, known->name, known->kind == KNOWN_INT32 ? 32 : 64);
}

static bool widen(struct field *field, const json_t *value, bool in_list);

/* The child of that name, added where there is none. */
static struct field *child_field(struct field *field, const char *name) {
	for (size_t i = 0; i < field->child_count; i++)
		if (strcmp(field->children[i].name, name) == 0)
			return &field->children[i];
	field->children = grow(field->children, field->child_count + 1, sizeof *field->children);
	struct field *child = &field->children[field->child_count++];
	*child = (struct field){ .name = copy_text(name), .nullable = true, .type = { .id = TYPE_NULL } };
	return child;
}

/* Turns a field that has seen only null into one of that type. False: it has another. */
static bool become(struct field *field, enum type_id id, int bit_width) {
	if (field->type.id == TYPE_NULL)
		field->type = (struct type){ .id = id, .bit_width = bit_width, .is_signed = id == TYPE_INT };
	return field->type.id == id;
}

static bool widen_object(struct field *field, const json_t *value) {
	const char *key;
	json_t *member;
	if (!become(field, TYPE_STRUCT, 0))
		return false;
	json_object_foreach((json_t *)(uintptr_t)value, key, member)
		if (!widen(child_field(field, key), member, false))
			return false;
	return true;
}

static bool widen_array(struct field *field, const json_t *value) {
	if (!become(field, TYPE_LIST, 0))
		return false;
	struct field *item = child_field(field, "item");
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!widen(item, json_array_get(value, i), true))
			return false;
	return true;
}

/* Makes the field admit the value. Integers are int64, in lists int32 where they fit. False: no type admits both. */
static bool widen(struct field *field, const json_t *value, bool in_list) {
	int width = 64;
	switch (json_typeof(value)) {
	case JSON_NULL:
		return true;
	case JSON_TRUE:
	case JSON_FALSE:
		return become(field, TYPE_BOOL, 0);
	case JSON_STRING:
		return become(field, TYPE_UTF8, 0);
	case JSON_ARRAY:
		return widen_array(field, value);
	case JSON_OBJECT:
		return widen_object(field, value);
	case JSON_REAL:
		if (field->type.id == TYPE_INT)
			field->type.id = TYPE_NULL;
		return become(field, TYPE_FLOAT, 64);
	case JSON_INTEGER:
		if (field->type.id == TYPE_FLOAT)
			return true;
		if (in_list && json_integer_value(value) >= INT32_MIN && json_integer_value(value) <= INT32_MAX)
			width = 32;
		if (!become(field, TYPE_INT, width))
			return false;
		if (field->type.bit_width < width)
			field->type.bit_width = width;
		return true;
	}
	return false;
}

/* The schema of the lines held back, columns in the order in which they are met. */
static void infer_schema(const struct lines *lines, struct schema *schema) {
	struct field root = { .type = { .id = TYPE_STRUCT } };
	for (size_t i = 0; i < lines->sample_count; i++) {
		const char *key;
		json_t *value;
		json_object_foreach(lines->sample[i], key, value) {
			struct field *field = child_field(&root, key);
			if (find_known(key) == NULL && !widen(field, value, false))
				die(EX_DATAERR, "%s: line %" PRId64 ": \"%s\" is of another type than in the lines before", lines->name,
					lines->sample_numbers[i], key);
		}
	}
	for (const struct known *known = type < 0 ? NULL : known_columns[type]; known != NULL && known->name; known++)
		if (known->required && lines->sample_count == 0)
			child_field(&root, known->name);
	struct schema inferred = { .count = root.child_count, .fields = root.children };
	for (size_t i = 0; i < inferred.count; i++) {
		const struct known *known = find_known(inferred.fields[i].name);
		if (known != NULL)
			add_known(schema, known);
		else
			schema_add(schema, &inferred.fields[i]);
	}
	schema_clear(&inferred);
}

/* ---- values -------------------------------------------------------------------------------------------- */

static bool append(struct builder *builder, const struct field *field, const json_t *value, bool minus_one_is_null);

static bool append_array(struct builder *builder, const struct field *field, const json_t *value,
	bool minus_one_is_null) {
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!append(builder_child(builder, 0), &field->children[0], json_array_get(value, i), minus_one_is_null))
			return false;
	builder_end_row(builder);
	return true;
}

static bool append_object(struct builder *builder, const struct field *field, const json_t *value) {
	size_t found = 0;
	for (size_t i = 0; i < field->child_count; i++) {
		const json_t *member = json_object_get(value, field->children[i].name);
		found += member != NULL;
		if (!append(builder_child(builder, i), &field->children[i], member, false))
			return false;
	}
	builder_end_row(builder);
	return found == json_object_size(value);
}

/* A value, NULL for one that is missing. False: it is not of the field's type. */
static bool append(struct builder *builder, const struct field *field, const json_t *value, bool minus_one_is_null) {
	int64_t integer = json_integer_value(value);
	if (value == NULL || json_is_null(value) || (minus_one_is_null && json_is_integer(value) && integer == -1)) {
		builder_append_null(builder);
		return true;
	}
	switch (field->type.id) {
	case TYPE_INT:
		if (!json_is_integer(value) || (field->type.bit_width == 32 && (integer < INT32_MIN || integer > INT32_MAX)))
			return false;
		builder_append_integer(builder, integer);
		return true;
	case TYPE_FLOAT:
		if (!json_is_number(value))
			return false;
		builder_append_number(builder, json_number_value(value));
		return true;
	case TYPE_BOOL:
		if (!json_is_boolean(value))
			return false;
		builder_append_bool(builder, json_is_true(value));
		return true;
	case TYPE_UTF8:
		if (!json_is_string(value))
			return false;
		builder_append_bytes(builder, json_string_value(value), json_string_length(value));
		return true;
	case TYPE_LIST:
		return json_is_array(value) && append_array(builder, field, value, minus_one_is_null);
	case TYPE_STRUCT:
		return json_is_object(value) && append_object(builder, field, value);
	default:
		return false; /* TYPE_NULL */
	}
}

static void append_line(const struct lines *lines, const json_t *line, const struct schema *schema,
	struct writer *writer) {
	size_t found = 0;
	for (size_t i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];
		const struct known *known = find_known(field->name);
		const json_t *value = json_object_get(line, field->name);
		found += value != NULL;
		if (!append(writer_column(writer, i), field, value, known != NULL && strcmp(known->name, "word_ids") == 0)) {
			char *text = type_text(field);
			die(EX_DATAERR, "%s: line %" PRId64 ": \"%s\" is no %s (%s)", lines->name, lines->number, field->name, text,
				known != NULL ? "which --type asks for" : "which the first lines have");
		}
	}
	for (const struct known *known = type < 0 ? NULL : known_columns[type]; known != NULL && known->name; known++)
		if (known->required && json_object_get(line, known->name) == NULL)
			die(EX_DATAERR, "%s: line %" PRId64 ": no \"%s\" (--type asks for it)", lines->name, lines->number,
				known->name);
	const char *key;
	json_t *value;
	if (found < json_object_size(line))
		json_object_foreach((json_t *)(uintptr_t)line, key, value)
			if (schema_find(schema, key) < 0)
				die(EX_DATAERR, "%s: line %" PRId64 ": \"%s\" is in none of the first %d lines, which tell the columns",
					lines->name, lines->number, key, SAMPLE_LINES);
}

/* ---- the stream ---------------------------------------------------------------------------------------- */

static void add_vocabulary(struct stream_info *info) {
	struct failure failure;
	struct tokenizer *tokenizer = tokenizer_load(model, &failure);
	if (tokenizer == NULL)
		die_failure(&failure);
	stream_info_set_vocabulary(info, tokenizer);
	tokenizer_free(tokenizer);
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct lines lines = { .file = fdopen(open_input(input), "r"), .name = input_name(input) };
	struct schema schema = { 0 };
	struct stream_info info;
	struct failure failure;
	json_t *line;

	stream_info_init(&info);
	info.type = (enum record_type)(type + 1);
	if (model != NULL)
		add_vocabulary(&info);
	if (lines.file == NULL)
		die(EX_OSERR, "%s: cannot be opened as a file", lines.name);
	hold_sample(&lines);
	infer_schema(&lines, &schema);

	struct writer *writer = open_output_stream(&schema, &info, -1);
	while ((line = next_line(&lines)) != NULL) {
		append_line(&lines, line, &schema, writer);
		check(writer_end_row(writer, &failure), &failure);
		json_decref(line);
	}
	free(lines.text);
	fclose(lines.file);
	schema_clear(&schema);
	stream_info_clear(&info);
	return close_output_stream(writer);
}
