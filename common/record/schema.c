/* schema.c: deep copies, and types as text. */
#include "record/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void key_values_copy(struct key_values *to, const struct key_values *from) {
	*to = (struct key_values){ from->count, allocate(from->count, sizeof *to->pairs) };
	for (size_t i = 0; i < from->count; i++)
		to->pairs[i] = (struct key_value){ copy_text(from->pairs[i].key),
			copy_bytes(from->pairs[i].value, from->pairs[i].value_length), from->pairs[i].value_length };
}

static void key_values_clear(struct key_values *metadata) {
	for (size_t i = 0; i < metadata->count; i++) {
		free(metadata->pairs[i].key);
		free(metadata->pairs[i].value);
	}
	free(metadata->pairs);
}

static void field_copy(struct field *to, const struct field *from) {
	*to = *from;
	to->name = copy_text(from->name);
	if (from->type.timezone != NULL)
		to->type.timezone = copy_text(from->type.timezone);
	to->children = allocate(from->child_count, sizeof *to->children);
	for (size_t i = 0; i < from->child_count; i++)
		field_copy(&to->children[i], &from->children[i]);
	key_values_copy(&to->metadata, &from->metadata);
}

static void field_clear(struct field *field) {
	free(field->name);
	free(field->type.timezone);
	for (size_t i = 0; i < field->child_count; i++)
		field_clear(&field->children[i]);
	free(field->children);
	key_values_clear(&field->metadata);
}

void schema_copy(struct schema *to, const struct schema *from) {
	*to = (struct schema){ .count = from->count, .fields = allocate(from->count, sizeof *to->fields) };
	for (size_t i = 0; i < from->count; i++)
		field_copy(&to->fields[i], &from->fields[i]);
	key_values_copy(&to->metadata, &from->metadata);
}

void schema_clear(struct schema *schema) {
	for (size_t i = 0; i < schema->count; i++)
		field_clear(&schema->fields[i]);
	free(schema->fields);
	key_values_clear(&schema->metadata);
	*schema = (struct schema){ 0 };
}

void schema_add(struct schema *schema, const struct field *field) {
	schema->fields = grow(schema->fields, schema->count + 1, sizeof *schema->fields);
	field_copy(&schema->fields[schema->count++], field);
}

void schema_add_int(struct schema *schema, const char *name, int bit_width) {
	schema_add(schema, &(struct field){ .name = (char *)(uintptr_t)name, .nullable = true,
		.type = { .id = TYPE_INT, .bit_width = bit_width, .is_signed = true } });
}

void schema_add_utf8(struct schema *schema, const char *name) {
	schema_add(schema, &(struct field){ .name = (char *)(uintptr_t)name, .nullable = true,
		.type = { .id = TYPE_UTF8 } });
}

static void add_list(struct schema *schema, const char *name, struct type type) {
	char item_name[] = "item"; /* as pyarrow calls the values of a list */
	struct field item = { .name = item_name, .nullable = true, .type = type };
	schema_add(schema, &(struct field){ .name = (char *)(uintptr_t)name, .nullable = true,
		.type = { .id = TYPE_LIST }, .child_count = 1, .children = &item });
}

void schema_add_int32_list(struct schema *schema, const char *name) {
	add_list(schema, name, (struct type){ .id = TYPE_INT, .bit_width = 32, .is_signed = true });
}

void schema_add_float_list(struct schema *schema, const char *name, int bit_width) {
	add_list(schema, name, (struct type){ .id = TYPE_FLOAT, .bit_width = bit_width });
}

int schema_find(const struct schema *schema, const char *name) {
	for (size_t i = 0; i < schema->count; i++)
		if (strcmp(schema->fields[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* `name<child, child>`. */
static char *with_children(const char *name, const struct field *field, bool named) {
	char *text = format_text("%s<", name);
	for (size_t i = 0; i < field->child_count; i++) {
		char *child = type_text(&field->children[i]);
		char *longer = format_text("%s%s%s%s%s", text, i > 0 ? ", " : "", named ? field->children[i].name : "",
			named ? ": " : "", child);
		free(child);
		free(text);
		text = longer;
	}
	char *closed = format_text("%s>", text);
	free(text);
	return closed;
}

char *type_text(const struct field *field) {
	static const char *const time_units[] = { "s", "ms", "us", "ns" };
	static const char *const interval_units[] = { "year_month", "day_time", "month_day_nano" };
	static const char *const plain[] = { [TYPE_NULL] = "null", [TYPE_BINARY] = "binary", [TYPE_UTF8] = "utf8",
		[TYPE_BOOL] = "bool", [TYPE_UNION] = "union", [TYPE_LARGE_BINARY] = "large_binary",
		[TYPE_LARGE_UTF8] = "large_utf8", [TYPE_RUN_END_ENCODED] = "run_end_encoded",
		[TYPE_BINARY_VIEW] = "binary_view", [TYPE_UTF8_VIEW] = "utf8_view", [TYPE_LIST_VIEW] = "list_view",
		[TYPE_LARGE_LIST_VIEW] = "large_list_view" };
	const struct type *type = &field->type;
	switch (type->id) {
	case TYPE_INT:
		return format_text("%sint%d", type->is_signed ? "" : "u", type->bit_width);
	case TYPE_FLOAT:
		return format_text("float%d", type->bit_width);
	case TYPE_DECIMAL:
		return format_text("decimal%d(%d, %d)", type->bit_width, type->precision, type->scale);
	case TYPE_DATE:
		return format_text("date%d", type->bit_width);
	case TYPE_TIME:
		return format_text("time%d[%s]", type->bit_width, time_units[type->unit]);
	case TYPE_TIMESTAMP:
		return type->timezone == NULL ? format_text("timestamp[%s]", time_units[type->unit])
			: format_text("timestamp[%s, %s]", time_units[type->unit], type->timezone);
	case TYPE_DURATION:
		return format_text("duration[%s]", time_units[type->unit]);
	case TYPE_INTERVAL:
		return format_text("interval[%s]", interval_units[type->unit]);
	case TYPE_FIXED_SIZE_BINARY:
		return format_text("fixed_size_binary[%d]", type->size);
	case TYPE_LIST:
		return with_children("list", field, false);
	case TYPE_LARGE_LIST:
		return with_children("large_list", field, false);
	case TYPE_MAP:
		return with_children("map", field, false);
	case TYPE_STRUCT:
		return with_children("struct", field, true);
	case TYPE_FIXED_SIZE_LIST: {
		char *list = with_children("fixed_size_list", field, false), *text = format_text("%s[%d]", list, type->size);
		free(list);
		return text;
	}
	default:
		return copy_text(plain[type->id]);
	}
}
