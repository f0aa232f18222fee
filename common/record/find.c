/* find.c: columns by name and kind. */
#include "record/stream.h"

#include <stdlib.h>
#include <string.h>

/* The streams that have a column, and the tools that write them. */
static const char *column_source(const char *name) {
	static const struct { const char *name, *source; } sources[] = {
		{ "text", "a stream of text has it, as imdb-read writes" },
		{ "label", "a stream of text has it, as imdb-read writes" },
		{ "name", "a stream of text has it, as imdb-read writes" },
		{ "input_ids", "a stream of tokens, chunks or masked records has it, as wordpiece writes" },
		{ "word_ids", "a stream of tokens or chunks has it, as wordpiece and group-texts write" },
		{ "prediction", "classify writes it" },
		{ "labels", "a stream of masked records has it, as wwm-mask and random-mask write" },
		{ "teacher_logits", "teach adds it to masked records" },
		{ "teacher_ids", "teach --top-k adds it to masked records" },
		{ "teacher_rest", "teach --top-k adds it to masked records" },
		{ "teacher_hidden_states", "teach --hidden-states adds it to masked records" },
	};
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		if (strcmp(name, sources[i].name) == 0)
			return sources[i].source;
	return "rec-dump --info shows the columns that are there";
}

static bool is_text(const struct field *field) {
	return field->type.id == TYPE_UTF8 || field->type.id == TYPE_LARGE_UTF8;
}

static bool is_int(const struct field *field) {
	return field->type.id == TYPE_INT;
}

static bool is_list(const struct field *field) {
	return field->type.id == TYPE_LIST || field->type.id == TYPE_LARGE_LIST || field->type.id == TYPE_FIXED_SIZE_LIST;
}

static bool is_int_list(const struct field *field) {
	return is_list(field) && is_int(&field->children[0]);
}

static bool is_float_list(const struct field *field) {
	return is_list(field) && field->children[0].type.id == TYPE_FLOAT;
}

static int find(const struct reader *reader, const char *name, bool (*fits)(const struct field *), const char *kind,
	struct failure *failure) {
	int index = schema_find(reader_schema(reader), name);
	if (index < 0)
		return fail(failure, EX_DATAERR, "%s: no column %s (%s)", reader_name(reader), name, column_source(name));
	const struct field *field = &reader_schema(reader)->fields[index];
	if (fits(field))
		return index;
	char *type = type_text(field);
	fail(failure, EX_DATAERR, "%s: column %s is %s, not %s (%s)", reader_name(reader), name, type, kind, column_source(name));
	free(type);
	return -1;
}

int reader_find_int_list(const struct reader *reader, const char *name, struct failure *failure) {
	return find(reader, name, is_int_list, "a list of integers", failure);
}

int reader_find_float_list(const struct reader *reader, const char *name, struct failure *failure) {
	return find(reader, name, is_float_list, "a list of floats", failure);
}

int reader_find_int(const struct reader *reader, const char *name, struct failure *failure) {
	return find(reader, name, is_int, "an integer", failure);
}

int reader_find_text(const struct reader *reader, const char *name, struct failure *failure) {
	return find(reader, name, is_text, "a string", failure);
}
