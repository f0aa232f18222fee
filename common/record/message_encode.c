/* message_encode.c: the metadata of messages as FlatBuffers. */
#include "record/message.h"

#include <string.h>

static void encode_text(struct bytes *out, size_t table, int field, const char *text, size_t length) {
	flat_link(out, flat_slot(out, table, field), flat_add_text(out, text, length));
}

/* Adds a vector of tables, each of which is to be linked at its slot. Returns the first slot. */
static size_t encode_vector(struct bytes *out, size_t table, int field, size_t count) {
	size_t vector = flat_add_vector(out, count, 4);
	flat_link(out, flat_slot(out, table, field), vector);
	return vector + 4;
}

static void encode_key_value(struct bytes *out, size_t slot, const char *key, const char *value, size_t length) {
	size_t pair = flat_add_table(out, (const uint8_t[]){ 4, 4 }, 2);
	flat_link(out, slot, pair);
	encode_text(out, pair, KEY_VALUE_KEY, key, strlen(key));
	encode_text(out, pair, KEY_VALUE_VALUE, value, length);
}

static void encode_key_values(struct bytes *out, size_t table, int field, const struct key_values *metadata,
	const char *cloze) {
	size_t slots = encode_vector(out, table, field, metadata->count + (cloze != NULL));
	for (size_t i = 0; i < metadata->count; i++)
		encode_key_value(out, slots + 4 * i, metadata->pairs[i].key, metadata->pairs[i].value,
			metadata->pairs[i].value_length);
	if (cloze != NULL)
		encode_key_value(out, slots + 4 * metadata->count, "cloze", cloze, strlen(cloze));
}

/* Adds the table of a type whose fields are integers of `widths` bytes. */
static size_t encode_integers(struct bytes *out, const uint8_t *widths, const int64_t *values, int count) {
	size_t table = flat_add_table(out, widths, (size_t)count);
	for (int i = 0; i < count; i++)
		flat_set(out, table, i, values[i], widths[i]);
	return table;
}

static size_t encode_type(struct bytes *out, const struct type *type) {
	const uint8_t two[] = { 2, 4 }, four[] = { 4, 4, 4 }, one[] = { 1 }, four_one[] = { 4, 1 };
	switch (type->id) {
	case TYPE_INT:
		return encode_integers(out, four_one, (const int64_t[]){ type->bit_width, type->is_signed }, 2);
	case TYPE_FLOAT:
		return encode_integers(out, two, (const int64_t[]){ type->bit_width / 32 }, 1);
	case TYPE_DECIMAL:
		return encode_integers(out, four, (const int64_t[]){ type->precision, type->scale, type->bit_width }, 3);
	case TYPE_TIME:
		return encode_integers(out, two, (const int64_t[]){ type->unit, type->bit_width }, 2);
	case TYPE_TIMESTAMP: {
		size_t table = flat_add_table(out, two, type->timezone != NULL ? 2 : 1);
		flat_set(out, table, 0, type->unit, 2);
		if (type->timezone != NULL)
			encode_text(out, table, 1, type->timezone, strlen(type->timezone));
		return table;
	}
	case TYPE_DATE:
	case TYPE_DURATION:
	case TYPE_INTERVAL:
		return encode_integers(out, two, (const int64_t[]){ type->unit }, 1);
	case TYPE_FIXED_SIZE_BINARY:
	case TYPE_FIXED_SIZE_LIST:
		return encode_integers(out, four, (const int64_t[]){ type->size }, 1);
	case TYPE_MAP:
		return encode_integers(out, one, (const int64_t[]){ type->keys_sorted }, 1);
	default:
		return flat_add_table(out, NULL, 0);
	}
}

/* The name comes last, and the last field's name at the end of a schema: every reader needs it, so that a schema
 * which was cut short is noticed by those too that do not compare the length. */
static void encode_field(struct bytes *out, size_t slot, const struct field *field) {
	size_t table = flat_add_table(out, (const uint8_t[]){ 4, 1, 1, 4, 0, 4, field->metadata.count > 0 ? 4 : 0 }, 7);
	flat_link(out, slot, table);
	flat_set(out, table, FIELD_NULLABLE, field->nullable, 1);
	flat_set(out, table, FIELD_TYPE_TYPE, field->type.id, 1);
	flat_link(out, flat_slot(out, table, FIELD_TYPE), encode_type(out, &field->type));
	size_t slots = encode_vector(out, table, FIELD_CHILDREN, field->child_count);
	for (size_t i = 0; i < field->child_count; i++)
		encode_field(out, slots + 4 * i, &field->children[i]);
	if (field->metadata.count > 0)
		encode_key_values(out, table, FIELD_CUSTOM_METADATA, &field->metadata, NULL);
	encode_text(out, table, FIELD_NAME, field->name, strlen(field->name));
}

/* Adds the continuation marker, the length, the root's offset and the Message table. Returns the table's place. The
 * size of `out` must be a multiple of 8. */
static size_t begin_message(struct bytes *out, int kind, int64_t body_length, bool has_metadata) {
	bytes_append(out, &(uint32_t){ 0xffffffff }, 4);
	bytes_append_zeros(out, 4);
	size_t root = out->size;
	bytes_append_zeros(out, 4);
	size_t table = flat_add_table(out, (const uint8_t[]){ 2, 1, 4, 8, has_metadata ? 4 : 0 }, 5);
	flat_link(out, root, table);
	flat_set(out, table, MESSAGE_VERSION, VERSION_V5, 2);
	flat_set(out, table, MESSAGE_HEADER_TYPE, kind, 1);
	flat_set(out, table, MESSAGE_BODY_LENGTH, body_length, 8);
	return table;
}

static void end_message(struct bytes *out, size_t start) {
	bytes_align(out, 8);
	memcpy(out->data + start + 4, &(uint32_t){ (uint32_t)(out->size - start - CONTINUATION_SIZE) }, 4);
}

void message_encode_schema(struct bytes *out, const struct schema *schema, const char *cloze) {
	size_t start = out->size, message = begin_message(out, MESSAGE_SCHEMA, 0, false);
	size_t table = flat_add_table(out, (const uint8_t[]){ 2, 4, 4 }, 3);
	flat_link(out, flat_slot(out, message, MESSAGE_HEADER), table);
	encode_key_values(out, table, SCHEMA_CUSTOM_METADATA, &schema->metadata, cloze);
	size_t slots = encode_vector(out, table, SCHEMA_FIELDS, schema->count);
	for (size_t i = 0; i < schema->count; i++)
		encode_field(out, slots + 4 * i, &schema->fields[i]);
	end_message(out, start);
}

/* Adds a vector of structs of two int64. */
static void encode_pairs(struct bytes *out, size_t table, int field, const void *pairs, size_t count) {
	size_t vector = flat_add_vector(out, count, 16);
	flat_link(out, flat_slot(out, table, field), vector);
	if (count > 0)
		memcpy(out->data + vector + 4, pairs, 16 * count);
}

void message_encode_batch(struct bytes *out, int64_t rows, const struct node *nodes, size_t node_count,
	const struct buffer *buffers, size_t buffer_count, int64_t body_length, const char *cloze) {
	size_t start = out->size, message = begin_message(out, MESSAGE_RECORD_BATCH, body_length, true);
	encode_key_values(out, message, MESSAGE_CUSTOM_METADATA, &(struct key_values){ 0 }, cloze);
	size_t table = flat_add_table(out, (const uint8_t[]){ 8, 4, 4 }, 3);
	flat_link(out, flat_slot(out, message, MESSAGE_HEADER), table);
	flat_set(out, table, BATCH_LENGTH, rows, 8);
	encode_pairs(out, table, BATCH_NODES, nodes, node_count);
	encode_pairs(out, table, BATCH_BUFFERS, buffers, buffer_count);
	end_message(out, start);
}
