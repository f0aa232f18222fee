/* message.c: decodes the metadata of messages, and refuses what no stage takes. */
#include "record/message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static int damaged(const struct flat_reader *reader, const char *name, struct failure *failure) {
	return fail(failure, EX_DATAERR, "%s: damaged metadata: %s", name,
		reader->damage != NULL ? reader->damage : "a part is missing");
}

/* The value of the custom metadata's key `cloze`, within the metadata; NULL: none. */
static const char *find_cloze(const struct flat_table *table, int field, size_t *length) {
	struct flat_vector pairs = flat_vector(table, field, 4);
	for (size_t i = 0; i < pairs.count; i++) {
		struct flat_table pair = flat_element(&pairs, i);
		size_t key_length;
		const char *key = flat_text(&pair, KEY_VALUE_KEY, &key_length);
		const char *value = flat_text(&pair, KEY_VALUE_VALUE, length);
		if (key != NULL && value != NULL && key_length == 5 && memcmp(key, "cloze", 5) == 0)
			return value;
	}
	return NULL;
}

char *checksum_digits(const void *bytes, size_t size) {
	const size_t key_length = strlen(CHECKSUM_KEY), digits = 8;
	char *key = memmem(bytes, size, CHECKSUM_KEY, key_length);
	return key == NULL || size - (size_t)(key - (const char *)bytes) < key_length + digits ? NULL : key + key_length;
}

/* A RecordBatch, which a dictionary holds as well. */
static int decode_batch(struct message *message, const struct flat_table *batch, const char *name,
	struct failure *failure) {
	struct flat_table compression = flat_table(batch, BATCH_COMPRESSION);
	message->rows = flat_integer(batch, BATCH_LENGTH, 8, 0);
	message->nodes = flat_vector(batch, BATCH_NODES, 16);
	message->buffers = flat_vector(batch, BATCH_BUFFERS, 16);
	message->variadic_counts = flat_vector(batch, BATCH_VARIADIC_COUNTS, 8);
	if (message->rows < 0 || message->rows > INT32_MAX)
		return fail(failure, EX_DATAERR, "%s: damaged metadata: a batch of %" PRId64 " rows", name, message->rows);
	int64_t codec = flat_integer(&compression, COMPRESSION_CODEC, 1, CODEC_LZ4);
	message->codec = compression.at == 0 ? CODEC_NONE : (enum codec)codec;
	if (compression.at != 0 && ((codec != CODEC_LZ4 && codec != CODEC_ZSTD)
			|| flat_integer(&compression, COMPRESSION_METHOD, 1, 0) != 0))
		return fail(failure, EX_DATAERR, "%s: compressed in a way unknown to this version (LZ4 and ZSTD are read)", name);
	return 0;
}

int message_decode(const void *metadata, size_t size, struct message *message, const char *name,
	struct failure *failure) {
	*message = (struct message){ 0 };
	flat_reader_init(&message->reader, metadata, size);
	struct flat_table root = flat_root(&message->reader);
	int64_t version = flat_integer(&root, MESSAGE_VERSION, 2, 0);
	message->kind = flat_integer(&root, MESSAGE_HEADER_TYPE, 1, 0);
	message->header = flat_table(&root, MESSAGE_HEADER);
	message->body_length = flat_integer(&root, MESSAGE_BODY_LENGTH, 8, 0);
	if (message->reader.damage != NULL || message->header.at == 0 || message->body_length < 0)
		return damaged(&message->reader, name, failure);
	if (version != VERSION_V4 && version != VERSION_V5)
		return fail(failure, EX_DATAERR, "%s: Arrow metadata of version V%" PRId64
			" (V4 and V5 are read: rewrite it with a newer Arrow)", name, version + 1);
	struct flat_table batch = message->header;
	if (message->kind == MESSAGE_DICTIONARY) {
		message->dictionary_id = flat_integer(&message->header, DICTIONARY_ID, 8, 0);
		message->is_delta = flat_integer(&message->header, DICTIONARY_IS_DELTA, 1, 0) != 0;
		batch = flat_table(&message->header, DICTIONARY_DATA);
	}
	if (message->kind != MESSAGE_SCHEMA && decode_batch(message, &batch, name, failure) < 0)
		return -1;
	message->cloze = find_cloze(&root, MESSAGE_CUSTOM_METADATA, &message->cloze_length);
	return message->reader.damage == NULL ? 0 : damaged(&message->reader, name, failure);
}

void message_clear(struct message *message) {
	free(message->body.data);
	free(message->decompressed.data);
}

bool message_buffer(const struct message *message, size_t index, struct buffer *buffer) {
	const uint8_t *pairs = message->decompressed.data != NULL ? message->decompressed.data
		: message->buffers.reader->bytes + message->buffers.at;
	int64_t body_length = (int64_t)message->body.size;
	memcpy(buffer, pairs + sizeof *buffer * index, sizeof *buffer);
	return buffer->offset >= 0 && buffer->length >= 0 && buffer->offset <= body_length
		&& buffer->length <= body_length - buffer->offset;
}

/* A copy of a string that ends with NUL; NULL where the string is missing or contains NUL. */
static char *decode_text(const struct flat_table *table, int field) {
	size_t length;
	const char *text = flat_text(table, field, &length);
	return text == NULL || memchr(text, '\0', length) != NULL ? NULL : copy_bytes(text, length);
}

/* Copies all pairs except the one whose key is `except`. */
static void decode_key_values(const struct flat_table *table, int field, const char *except,
	struct key_values *metadata) {
	struct flat_vector pairs = flat_vector(table, field, 4);
	*metadata = (struct key_values){ 0, allocate(pairs.count, sizeof *metadata->pairs) };
	for (size_t i = 0; i < pairs.count && table->reader->damage == NULL; i++) {
		struct flat_table pair = flat_element(&pairs, i);
		size_t length;
		const char *value = flat_text(&pair, KEY_VALUE_VALUE, &length);
		char *key = decode_text(&pair, KEY_VALUE_KEY);
		if (key == NULL || strcmp(key, except) == 0)
			free(key);
		else
			metadata->pairs[metadata->count++] = (struct key_value){ key, copy_bytes(value, length), length };
	}
}

/* Reads the type's parameters. False: they are out of range, so that the layout is not known. */
static bool decode_type(const struct flat_table *table, struct type *type) {
	static const int float_widths[] = { 16, 32, 64 }, interval_widths[] = { 32, 64, 128 };
	switch (type->id) {
	case TYPE_INT:
		type->bit_width = (int)flat_integer(table, 0, 4, 0);
		type->is_signed = flat_integer(table, 1, 1, 0) != 0;
		return type->bit_width == 8 || type->bit_width == 16 || type->bit_width == 32 || type->bit_width == 64;
	case TYPE_FLOAT:
		type->unit = (int)flat_integer(table, 0, 2, 0);
		if (type->unit < 0 || type->unit > 2)
			return false;
		type->bit_width = float_widths[type->unit];
		type->unit = 0;
		return true;
	case TYPE_DECIMAL:
		type->precision = (int)flat_integer(table, 0, 4, 0);
		type->scale = (int)flat_integer(table, 1, 4, 0);
		type->bit_width = (int)flat_integer(table, 2, 4, 128);
		return type->bit_width == 32 || type->bit_width == 64 || type->bit_width == 128 || type->bit_width == 256;
	case TYPE_DATE:
		type->unit = (int)flat_integer(table, 0, 2, 1);
		type->bit_width = type->unit == 0 ? 32 : 64;
		return type->unit == 0 || type->unit == 1;
	case TYPE_TIME:
		type->unit = (int)flat_integer(table, 0, 2, 1);
		type->bit_width = (int)flat_integer(table, 1, 4, 32);
		return type->unit >= 0 && type->unit <= 3 && (type->bit_width == 32 || type->bit_width == 64);
	case TYPE_TIMESTAMP:
		type->unit = (int)flat_integer(table, 0, 2, 0);
		type->timezone = decode_text(table, 1);
		type->bit_width = 64;
		return type->unit >= 0 && type->unit <= 3;
	case TYPE_DURATION:
		type->unit = (int)flat_integer(table, 0, 2, 1);
		type->bit_width = 64;
		return type->unit >= 0 && type->unit <= 3;
	case TYPE_INTERVAL:
		type->unit = (int)flat_integer(table, 0, 2, 0);
		if (type->unit < 0 || type->unit > 2)
			return false;
		type->bit_width = interval_widths[type->unit];
		return true;
	case TYPE_FIXED_SIZE_BINARY:
	case TYPE_FIXED_SIZE_LIST:
		type->size = (int32_t)flat_integer(table, 0, 4, 0);
		return type->size >= 0;
	case TYPE_MAP:
		type->keys_sorted = flat_integer(table, 0, 1, 0) != 0;
		return true;
	default:
		return true;
	}
}

/* How the column is dictionary-encoded, if it is; false: in a way that is out of range. */
static bool decode_encoding(const struct flat_table *field, struct dictionary_encoding *encoding) {
	struct flat_table table = flat_table(field, FIELD_DICTIONARY), index = flat_table(&table, ENCODING_INDEX_TYPE);
	*encoding = (struct dictionary_encoding){ 0 };
	if (table.at == 0)
		return true;
	struct type type = { .id = TYPE_INT, .bit_width = 32, .is_signed = true }; /* where it is not said */
	if (index.at != 0 && !decode_type(&index, &type))
		return false;
	*encoding = (struct dictionary_encoding){ flat_integer(&table, ENCODING_ID, 8, 0), type.bit_width, type.is_signed };
	return flat_integer(&table, ENCODING_KIND, 2, 0) == 0;
}

/* What a type that no stage takes is, and how to convert it; NULL: stages take the type. */
static const char *refusal(int64_t id) {
	switch (id) {
	case TYPE_LIST_VIEW:
	case TYPE_LARGE_LIST_VIEW:
		return "a list view (cast it to a list, as pyarrow column.cast() does)";
	case TYPE_UNION:
		return "a union (write its children as columns of their own)";
	case TYPE_RUN_END_ENCODED:
		return "run-end encoded (decode it: pyarrow.compute.run_end_decode(column))";
	default:
		return id >= TYPE_NULL && id <= TYPE_LARGE_LIST_VIEW ? NULL : "of a type unknown to this version";
	}
}

static int decode_fields(const struct flat_vector *tables, struct field **fields, size_t *count, const char *column,
	const char *name, int depth, struct failure *failure);

static bool right_children(const struct field *field) {
	switch (field->type.id) {
	case TYPE_LIST:
	case TYPE_LARGE_LIST:
	case TYPE_FIXED_SIZE_LIST:
		return field->child_count == 1;
	case TYPE_MAP:
		return field->child_count == 1 && field->children[0].type.id == TYPE_STRUCT
			&& field->children[0].child_count == 2;
	case TYPE_STRUCT:
		return true;
	default:
		return field->child_count == 0;
	}
}

/* `column` is the name of the top-level column, for messages; NULL: the field is one. */
static int decode_field(const struct flat_table *table, struct field *field, const char *column, const char *name,
	int depth, struct failure *failure) {
	int64_t id = flat_integer(table, FIELD_TYPE_TYPE, 1, 0);
	struct flat_table type = flat_table(table, FIELD_TYPE);
	struct flat_vector children = flat_vector(table, FIELD_CHILDREN, 4);
	size_t name_length;
	if (flat_text(table, FIELD_NAME, &name_length) == NULL)
		field->name = copy_text("");
	else if ((field->name = decode_text(table, FIELD_NAME)) == NULL)
		return fail(failure, EX_DATAERR, "%s: a column's name holds NUL (rename it)", name);
	field->nullable = flat_integer(table, FIELD_NULLABLE, 1, 0) != 0;
	if (column == NULL)
		column = field->name;
	if (table->reader->damage != NULL)
		return damaged(table->reader, name, failure);
	if (!decode_encoding(table, &field->dictionary))
		return fail(failure, EX_DATAERR, "%s: column %s: damaged metadata: a dictionary's indices are out of range",
			name, column);
	if (refusal(id) != NULL)
		return fail(failure, EX_DATAERR, "%s: column %s is %s", name, column, refusal(id));
	field->type.id = (enum type_id)id;
	if (!decode_type(&type, &field->type) || depth > FIELD_DEPTH_LIMIT)
		return fail(failure, EX_DATAERR, "%s: column %s: damaged metadata: %s", name, column,
			depth > FIELD_DEPTH_LIMIT ? "nested too deep" : "a type out of range");
	decode_key_values(table, FIELD_CUSTOM_METADATA, "", &field->metadata);
	if (decode_fields(&children, &field->children, &field->child_count, column, name, depth + 1, failure) < 0)
		return -1;
	if (!right_children(field))
		return fail(failure, EX_DATAERR, "%s: column %s: damaged metadata: a wrong number of children", name, column);
	return 0;
}

static int decode_fields(const struct flat_vector *tables, struct field **fields, size_t *count, const char *column,
	const char *name, int depth, struct failure *failure) {
	*fields = allocate(tables->count, sizeof **fields);
	while (*count < tables->count) {
		struct flat_table table = flat_element(tables, *count);
		if (decode_field(&table, &(*fields)[(*count)++], column, name, depth, failure) < 0)
			return -1;
	}
	return 0;
}

int message_decode_schema(struct message *message, struct schema *schema, char **cloze, const char *name,
	struct failure *failure) {
	struct flat_vector fields = flat_vector(&message->header, SCHEMA_FIELDS, 4);
	size_t length;
	*schema = (struct schema){ 0 };
	if (flat_integer(&message->header, SCHEMA_ENDIANNESS, 2, 0) != 0)
		return fail(failure, EX_DATAERR, "%s: big-endian values (convert them to little-endian where the stream is written)",
			name);
	if (decode_fields(&fields, &schema->fields, &schema->count, NULL, name, 0, failure) < 0) {
		schema_clear(schema);
		return -1;
	}
	decode_key_values(&message->header, SCHEMA_CUSTOM_METADATA, "cloze", &schema->metadata);
	const char *text = find_cloze(&message->header, SCHEMA_CUSTOM_METADATA, &length);
	if (message->reader.damage == NULL) {
		*cloze = text != NULL ? copy_bytes(text, length) : NULL;
		return 0;
	}
	schema_clear(schema);
	return damaged(&message->reader, name, failure);
}

