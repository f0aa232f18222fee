/* rec-load: JSON lines become a stream of records.
 *
 * The first records are held back to tell the columns and their types from: a field is widened until it admits every
 * value seen. Then each record's values are appended, by type. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/sandbox.h"
#include "cli/streams.h"
#include "corpus/json_lines.h"
#include "record/stream.h"
#include "train/vocabulary_info.h"

enum { SAMPLE_LINES = 100 };

static int type = -1;
static const char *model;

static const struct option_entry options[] = {
	OPTION_CHOICE("type", &type, "text|tokens|chunks|masked", "the record type, which fixes columns and their types"),
	OPTION_MODEL(&model, "put the vocabulary of this model folder into the stream's metadata"),
	OPTION_SANDBOX,
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Makes a stream of JSON lines: one object a record, its keys the columns.",
	.example = "rec-dump train.arrows | jq -c 'select(.label == 1)' | rec-load --type tokens > positive.arrows",
};

/* ---- records ------------------------------------------------------------------------------------------- */

struct input {
	struct json_reader reader;
	struct json_record sample[SAMPLE_LINES]; /* those held back */
	size_t sample_count, sample_next;
	struct json_record record;               /* one that came after them */
	int64_t replaced, first_replaced;        /* halves of surrogate pairs; the line of the first */
	const struct value **keys;               /* of an object, to be sorted */
	size_t key_capacity;
};

static void open_records(struct input *input, const char *path) {
	struct failure failure;
	int descriptor = open_last_input(path);
	/* no record of a stream has more bytes than this limit */
	*input = (struct input){ .reader = { .name = input_name(path), .limit = INT32_MAX } };
	input->reader.input = must(inflate_open_prompt(descriptor, input_name(path), &failure), &failure);
}

static int by_key(const void *left, const void *right) {
	const struct value *a = *(const struct value *const *)left, *b = *(const struct value *const *)right;
	return strcmp(a->key, b->key);
}

/* Refuses a key that an object has twice, and one that cannot be a column's name. */
static void check_keys(struct input *input, const struct json_record *record, const struct value *object) {
	const struct value *member = value_first(object);
	if (object->count > input->key_capacity)
		input->keys = grow(input->keys, input->key_capacity = 2 * object->count, sizeof *input->keys);
	for (size_t i = 0; i < object->count; i++, member = value_after(member)) {
		input->keys[i] = member;
		if (strlen(member->key) != member->key_length)
			die(EX_DATAERR, "%s: line %" PRId64 ": a key with a NUL in it (a column's name has none)",
				input->reader.name, record->line);
	}
	if (object->count > 1)
		qsort(input->keys, object->count, sizeof *input->keys, by_key);
	for (size_t i = 1; i < object->count; i++)
		if (strcmp(input->keys[i - 1]->key, input->keys[i]->key) == 0)
			die(EX_DATAERR, "%s: line %" PRId64 ": the key \"%s\" is there twice (which one counts?)",
				input->reader.name, record->line, input->keys[i]->key);
}

/* Reads a record. False at the end. */
static bool read_record(struct input *input, struct json_record *record) {
	struct failure failure;
	if (check(json_next(&input->reader, record, &failure), &failure) == 0)
		return false;
	for (size_t i = 0; i < record->count; i++)
		if (record->values[i].kind == VALUE_OBJECT)
			check_keys(input, record, &record->values[i]);
	if (record->replaced > 0 && input->replaced == 0)
		input->first_replaced = record->line;
	input->replaced += record->replaced;
	return true;
}

static void hold_sample(struct input *input) {
	while (input->sample_count < SAMPLE_LINES && read_record(input, &input->sample[input->sample_count]))
		input->sample_count++;
	if (input->sample_count == 0 && type < 0)
		die(EX_DATAERR, "%s: no line to tell the columns from (--type names them)", input->reader.name);
}

/* The next record, those held back first; NULL at the end. */
static const struct json_record *next_record(struct input *input) {
	if (input->sample_next < input->sample_count)
		return &input->sample[input->sample_next++];
	return read_record(input, &input->record) ? &input->record : NULL;
}

static void close_records(struct input *input) {
	if (input->replaced > 0)
		note("%s: %" PRId64 " halves of surrogate pairs became U+FFFD, first in line %" PRId64, input->reader.name,
			input->replaced, input->first_replaced);
	for (size_t i = 0; i < input->sample_count; i++)
		json_record_clear(&input->sample[i]);
	json_record_clear(&input->record);
	free(input->keys);
	free(input->reader.joined.data);
	inflate_close(input->reader.input);
}

/* ---- columns ------------------------------------------------------------------------------------------- */

/* The columns whose types a record type fixes, in the order of record_type. */
struct known { const char *name; bool required; enum { KNOWN_TEXT, KNOWN_INT32, KNOWN_INT64, KNOWN_LIST } kind; };
static const struct known known_columns[][6] = {
	{ { "text", true, KNOWN_TEXT }, { "label", false, KNOWN_INT64 }, { "name", false, KNOWN_TEXT },
		{ "epoch", false, KNOWN_INT32 } },
	{ { "input_ids", true, KNOWN_LIST }, { "word_ids", false, KNOWN_LIST }, { "label", false, KNOWN_INT64 },
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

static const char another_type[] = "is of another type than in the lines before";
static const char *widen(struct field *field, const struct value *value, bool in_list);

/* The child of that name, added where there is none. *hint is where it is likely to be. */
static struct field *child_field(struct field *field, const char *name, size_t hint) {
	if (hint < field->child_count && strcmp(field->children[hint].name, name) == 0)
		return &field->children[hint];
	for (size_t i = 0; i < field->child_count; i++)
		if (strcmp(field->children[i].name, name) == 0)
			return &field->children[i];
	field->children = grow(field->children, field->child_count + 1, sizeof *field->children);
	struct field *child = &field->children[field->child_count++];
	*child = (struct field){ .name = copy_text(name), .nullable = true, .type = { .id = TYPE_NULL } };
	return child;
}

/* Turns a field that has seen only null into one of that type. NULL, or why it cannot be: it has another. */
static const char *become(struct field *field, enum type_id id, int bit_width) {
	if (field->type.id == TYPE_NULL)
		field->type = (struct type){ .id = id, .bit_width = bit_width, .is_signed = id == TYPE_INT };
	return field->type.id == id ? NULL : another_type;
}

static const char *widen_object(struct field *field, const struct value *value) {
	const char *reason = become(field, TYPE_STRUCT, 0);
	const struct value *member = value_first(value);
	for (size_t i = 0; i < value->count && reason == NULL; i++, member = value_after(member))
		reason = widen(child_field(field, member->key, i), member, false);
	return reason;
}

static const char *widen_array(struct field *field, const struct value *value) {
	const char *reason = become(field, TYPE_LIST, 0);
	const struct value *item = value_first(value);
	if (reason != NULL)
		return reason;
	struct field *child = child_field(field, "item", 0);
	for (size_t i = 0; i < value->count && reason == NULL; i++, item = value_after(item))
		reason = widen(child, item, true);
	return reason;
}

/* int64; in lists int32 where all fit; uint64 where one is beyond int64. */
static const char *widen_integer(struct field *field, const struct value *value, bool in_list) {
	int64_t integer;
	uint64_t natural;
	bool fits = value_int64(value, &integer);
	int width = in_list && fits && integer >= INT32_MIN && integer <= INT32_MAX ? 32 : 64;
	if (!fits && !value_uint64(value, &natural))
		return "is an integer of more than 64 bits (make it a string)";
	const char *reason = become(field, TYPE_INT, width);
	if (reason != NULL)
		return reason;
	if (field->type.bit_width < width)
		field->type.bit_width = width;
	field->type.is_signed &= fits;
	return NULL;
}

static const char *widen_number(struct field *field, const struct value *value, bool in_list) {
	if (value_is_whole(value) && field->type.id != TYPE_FLOAT)
		return widen_integer(field, value, in_list);
	if (field->type.id == TYPE_INT)
		field->type.id = TYPE_NULL;
	return become(field, TYPE_FLOAT, 64);
}

/* Makes the field admit the value. NULL, or why no type does. */
static const char *widen(struct field *field, const struct value *value, bool in_list) {
	switch (value->kind) {
	case VALUE_NULL:
		return NULL;
	case VALUE_TRUE:
	case VALUE_FALSE:
		return become(field, TYPE_BOOL, 0);
	case VALUE_STRING:
		return become(field, TYPE_UTF8, 0);
	case VALUE_ARRAY:
		return widen_array(field, value);
	case VALUE_OBJECT:
		return widen_object(field, value);
	default:
		return widen_number(field, value, in_list);
	}
}

/* The schema of the records held back, columns in the order in which they are met. */
static void infer_schema(const struct input *input, struct schema *schema) {
	struct field root = { .type = { .id = TYPE_STRUCT } };
	for (size_t i = 0; i < input->sample_count; i++) {
		const struct value *object = input->sample[i].values, *member = value_first(object);
		for (size_t j = 0; j < object->count; j++, member = value_after(member)) {
			struct field *field = child_field(&root, member->key, j);
			const char *reason = find_known(member->key) != NULL ? NULL : widen(field, member, false);
			if (reason != NULL)
				die(EX_DATAERR, "%s: line %" PRId64 ": \"%s\" %s", input->reader.name, input->sample[i].line,
					member->key, reason);
		}
	}
	for (const struct known *known = type < 0 ? NULL : known_columns[type]; known != NULL && known->name; known++)
		if (known->required && input->sample_count == 0)
			child_field(&root, known->name, 0);
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

static bool append(struct builder *builder, const struct field *field, const struct value *value,
	bool minus_one_is_null);

static bool append_array(struct builder *builder, const struct field *field, const struct value *value,
	bool minus_one_is_null) {
	const struct value *item = value_first(value);
	for (size_t i = 0; i < value->count; i++, item = value_after(item))
		if (!append(builder_child(builder, 0), &field->children[0], item, minus_one_is_null))
			return false;
	builder_end_row(builder);
	return true;
}

/* Members one after the other, most often in the order of the columns. */
struct members { const struct value *object, *next; size_t left; };

static struct members members_of(const struct value *object) {
	return (struct members){ object, value_first(object), object->count };
}

/* The member of that name; NULL: there is none. */
static const struct value *find_member(struct members *members, const char *name) {
	const struct value *member = members->next;
	if (members->left == 0 || strcmp(member->key, name) != 0)
		return value_find(members->object, name, NULL);
	members->left--;
	members->next = value_after(member);
	return member;
}

static bool append_object(struct builder *builder, const struct field *field, const struct value *value) {
	struct members members = members_of(value);
	size_t found = 0;
	for (size_t i = 0; i < field->child_count; i++) {
		const struct value *member = find_member(&members, field->children[i].name);
		found += member != NULL;
		if (!append(builder_child(builder, i), &field->children[i], member, false))
			return false;
	}
	builder_end_row(builder);
	return found == value->count;
}

static bool append_integer(struct builder *builder, const struct type *to, const struct value *value,
	bool minus_one_is_null) {
	int64_t integer;
	uint64_t natural;
	if (value->kind != VALUE_NUMBER || !value_is_whole(value))
		return false;
	if (!to->is_signed) {
		bool fits = value_uint64(value, &natural);
		builder_append_integer(builder, (int64_t)natural);
		return fits;
	}
	if (!value_int64(value, &integer) || (to->bit_width == 32 && (integer < INT32_MIN || integer > INT32_MAX)))
		return false;
	if (minus_one_is_null && integer == -1)
		builder_append_null(builder);
	else
		builder_append_integer(builder, integer);
	return true;
}

/* A number too large for a double is refused, unless it is written Infinity. */
static bool append_number(struct builder *builder, const struct value *value) {
	double number = value->kind == VALUE_NUMBER ? value_double(value) : 0;
	builder_append_number(builder, number);
	return value->kind == VALUE_NUMBER && (!isinf(number) || strchr(value->text, 'I') != NULL);
}

static bool append_text(struct builder *builder, const struct value *value) {
	if (value->kind == VALUE_STRING)
		builder_append_bytes(builder, value->text, value->length);
	return value->kind == VALUE_STRING;
}

static bool append_bool(struct builder *builder, const struct value *value) {
	builder_append_bool(builder, value->kind == VALUE_TRUE);
	return value->kind == VALUE_TRUE || value->kind == VALUE_FALSE;
}

/* A value, NULL for one that is missing. False: it is not of the field's type. */
static bool append(struct builder *builder, const struct field *field, const struct value *value,
	bool minus_one_is_null) {
	if (value == NULL || value->kind == VALUE_NULL) {
		builder_append_null(builder);
		return true;
	}
	switch (field->type.id) {
	case TYPE_INT:
		return append_integer(builder, &field->type, value, minus_one_is_null);
	case TYPE_FLOAT:
		return append_number(builder, value);
	case TYPE_BOOL:
		return append_bool(builder, value);
	case TYPE_UTF8:
		return append_text(builder, value);
	case TYPE_LIST:
		return value->kind == VALUE_ARRAY && append_array(builder, field, value, minus_one_is_null);
	case TYPE_STRUCT:
		return value->kind == VALUE_OBJECT && append_object(builder, field, value);
	default:
		return false; /* TYPE_NULL */
	}
}

/* ---- whole records -------------------------------------------------------------------------------------- */

static void refuse_value(const struct input *input, const struct json_record *record, const struct field *field) {
	die(EX_DATAERR, "%s: line %" PRId64 ": \"%s\" is no %s (%s)", input->reader.name, record->line, field->name,
		type_text(field), find_known(field->name) != NULL ? "which --type asks for" : "which the first lines have");
}

static void append_record(const struct input *input, const struct json_record *record, const struct schema *schema,
	struct writer *writer) {
	const struct value *object = record->values, *member = value_first(object);
	struct members members = members_of(object);
	size_t found = 0;
	for (size_t i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];
		const struct known *known = find_known(field->name);
		const struct value *value = find_member(&members, field->name);
		found += value != NULL;
		if (value == NULL && known != NULL && known->required)
			die(EX_DATAERR, "%s: line %" PRId64 ": no \"%s\" (--type asks for it)", input->reader.name, record->line,
				known->name);
		if (!append(writer_column(writer, i), field, value, known != NULL && strcmp(known->name, "word_ids") == 0))
			refuse_value(input, record, field);
	}
	for (size_t i = 0; i < object->count && found < object->count; i++, member = value_after(member))
		if (schema_find(schema, member->key) < 0)
			die(EX_DATAERR, "%s: line %" PRId64 ": \"%s\" is in none of the first %d lines, which tell the columns",
				input->reader.name, record->line, member->key, SAMPLE_LINES);
}

/* A required column that none of the records held back has. */
static void check_required(const struct input *input, const struct schema *schema) {
	for (const struct known *known = type < 0 ? NULL : known_columns[type]; known != NULL && known->name; known++)
		if (known->required && schema_find(schema, known->name) < 0)
			die(EX_DATAERR, "%s: line %" PRId64 ": no \"%s\" (--type asks for it)", input->reader.name,
				input->sample[0].line, known->name);
}

/* ---- the stream ---------------------------------------------------------------------------------------- */

static void add_vocabulary(struct stream_info *info) {
	struct failure failure;
	struct tokenizer *tokenizer = must(tokenizer_load(model, &failure), &failure);
	stream_info_set_vocabulary(info, tokenizer);
	tokenizer_free(tokenizer);
}

int main(int argc, char **argv) {
	const char *path = parse_options_with_input(argc, argv, &usage, options);
	struct input input;
	struct schema schema = { 0 };
	struct stream_info info;
	struct failure failure;
	const struct json_record *record;

	sandbox_reading();
	stream_info_init(&info);
	info.type = (enum record_type)(type + 1);
	if (model != NULL)
		add_vocabulary(&info);
	open_records(&input, path);
	hold_sample(&input);
	infer_schema(&input, &schema);
	check_required(&input, &schema);

	struct writer *writer = open_output_stream(&schema, &info, -1);
	while ((record = next_record(&input)) != NULL) {
		append_record(&input, record, &schema, writer);
		check(writer_end_row(writer, &failure), &failure);
	}
	close_records(&input);
	schema_clear(&schema);
	stream_info_clear(&info);
	return close_output_stream(writer);
}
