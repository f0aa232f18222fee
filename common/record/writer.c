/* writer.c: gathers rows in one builder for each column; a batch is the builders' buffers, one after the other.
 *
 * Foreign readers take a cut between two messages for the end of the stream. So the 0xFFFFFFFF that begins a message
 * is written together with the message before it: a stream that ends early always ends within a message. Some readers
 * do not miss the last bytes of a message either, when these are padding. A write that a full disk or a signal cuts
 * short ends at a multiple of the page size; messages are lengthened, by spaces in their JSON, so that none of their
 * last TAIL bytes lies there, and what every reader needs comes last in the metadata. */
#include "record/stream.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/files.h"
#include "base/memory.h"
#include "record/layout.h"
#include "record/message.h"

enum { BATCH_ROWS = 1000, BATCH_BYTES = 1 << 20, BUFFER_ALIGNMENT = 64 };
enum { PAGE = 4096, TAIL = 2 * BUFFER_ALIGNMENT };

struct writer {
	int descriptor;
	char *name;
	struct schema schema;
	struct builder **builders;
	int64_t records, batches;
	int64_t rows;  /* in the builders */
	int64_t most;  /* rows of a batch; one where the records are typed, so that each goes on at once */
	uint32_t crc;  /* of the messages so far, the digits of their checksums taken as 0 */
	size_t end;    /* of the last message, counted from the start of the stream */
	bool broken;   /* a write failed: no message can be begun any more */
	struct bytes header, body, nodes, buffers; /* of the message in the making */
};

static const uint8_t continuation[4] = { 0xff, 0xff, 0xff, 0xff };

static int write_bytes(struct writer *writer, const void *bytes, size_t size, struct failure *failure) {
	writer->broken = write_all(writer->descriptor, bytes, size, writer->name, failure) < 0;
	return writer->broken ? -1 : 0;
}

/* Whether a write of the message in `header` and `body` could be cut within its last bytes. */
static bool could_lose_tail(const struct writer *writer) {
	return (writer->end + writer->header.size + writer->body.size) % PAGE < TAIL;
}

/* Counts in the message in `header` and `body`, whose checksum's digits are still 0. */
static void count_message(struct writer *writer) {
	writer->end += writer->header.size + writer->body.size;
	writer->crc = crc32_extend(writer->crc, writer->header.data, writer->header.size);
	writer->crc = crc32_extend(writer->crc, writer->body.data, writer->body.size);
}

static void writer_free(struct writer *writer) {
	for (size_t i = 0; i < writer->schema.count; i++)
		builder_destroy(writer->builders[i]);
	free(writer->builders);
	schema_clear(&writer->schema);
	free(writer->header.data);
	free(writer->body.data);
	free(writer->nodes.data);
	free(writer->buffers.data);
	free(writer->name);
	free(writer);
}

static int depth(const struct field *field) {
	int deepest = 0;
	for (size_t i = 0; i < field->child_count; i++) {
		int below = 1 + depth(&field->children[i]);
		deepest = below > deepest ? below : deepest;
	}
	return deepest;
}

/* Refuses a schema that no reader would take. */
static int check_limits(const struct writer *writer, struct failure *failure) {
	if (writer->header.size > METADATA_LIMIT)
		return fail(failure, EX_DATAERR, "%s: columns and metadata of %zu bytes (at most %d)", writer->name,
			writer->header.size, METADATA_LIMIT);
	for (size_t i = 0; i < writer->schema.count; i++)
		if (depth(&writer->schema.fields[i]) > FIELD_DEPTH_LIMIT)
			return fail(failure, EX_DATAERR, "%s: column %s is nested deeper than %d (flatten it)", writer->name,
				writer->schema.fields[i].name, FIELD_DEPTH_LIMIT);
	return 0;
}

static int write_schema(struct writer *writer, const struct stream_info *info, struct failure *failure) {
	char *cloze = stream_info_format(info);
	message_encode_schema(&writer->header, &writer->schema, cloze);
	if (could_lose_tail(writer)) {
		char *longer = format_text("%s%*s", cloze, TAIL, "");
		writer->header.size = 0;
		message_encode_schema(&writer->header, &writer->schema, longer);
		free(longer);
	}
	free(cloze);
	if (check_limits(writer, failure) < 0)
		return -1;
	count_message(writer);
	bytes_append(&writer->header, continuation, sizeof continuation);
	return write_bytes(writer, writer->header.data, writer->header.size, failure);
}

struct writer *writer_open(int descriptor, const char *name, const struct schema *schema,
	const struct stream_info *info, struct failure *failure) {
	struct writer *writer = allocate(1, sizeof *writer);
	*writer = (struct writer){ .descriptor = descriptor, .name = copy_text(name),
		.builders = allocate(schema->count, sizeof *writer->builders), .most = info->interactive ? 1 : BATCH_ROWS };
	schema_copy(&writer->schema, schema);
	for (size_t i = 0; i < schema->count; i++)
		writer->builders[i] = builder_create(&writer->schema.fields[i]);
	if (write_schema(writer, info, failure) == 0)
		return writer;
	writer_free(writer);
	return NULL;
}

struct builder *writer_column(struct writer *writer, size_t column) {
	return writer->builders[column];
}

int64_t writer_records(const struct writer *writer) {
	return writer->records + writer->rows;
}

static void add_buffer(struct writer *writer, const uint8_t *bytes, size_t size) {
	struct buffer buffer = { (int64_t)writer->body.size, (int64_t)size };
	bytes_append(&writer->buffers, &buffer, sizeof buffer);
	bytes_append(&writer->body, bytes, size);
	bytes_align(&writer->body, BUFFER_ALIGNMENT);
}

/* The number of null rows of a builder's column, whose validity bits beyond the last row are 0. */
static int64_t count_nulls(const struct column *column) {
	size_t bytes = ((size_t)column->length + 7) / 8;
	int64_t valid = 0;
	if (column->field->type.id == TYPE_NULL)
		return column->length;
	if (column->validity == NULL)
		return 0;
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t eight = 0;
		memcpy(&eight, column->validity + i, bytes - i < 8 ? bytes - i : 8);
		valid += __builtin_popcountll(eight);
	}
	return column->length - valid;
}

static void add_column(struct writer *writer, const struct column *column) {
	struct layout layout = type_layout(&column->field->type);
	size_t rows = (size_t)column->length, bits = (rows + 7) / 8;
	bytes_append(&writer->nodes, &(struct node){ column->length, count_nulls(column) }, sizeof(struct node));
	if (layout.kind != LAYOUT_NULL)
		add_buffer(writer, column->validity, column->validity != NULL ? bits : 0);
	if (layout.kind == LAYOUT_BITS)
		add_buffer(writer, column->values, bits);
	if (layout.kind == LAYOUT_FIXED)
		add_buffer(writer, column->values, rows * layout.width);
	if (layout.kind == LAYOUT_BYTES || layout.kind == LAYOUT_LIST)
		add_buffer(writer, column->offsets, (rows + 1) * layout.offset_width);
	if (layout.kind == LAYOUT_BYTES)
		add_buffer(writer, column->values, (size_t)load_offset(column->offsets, layout.offset_width, column->length));
	for (size_t i = 0; i < column->field->child_count; i++)
		add_column(writer, &column->children[i]);
}

/* Makes `header` of the nodes, the buffers and the length of the body. */
static void encode_batch(struct writer *writer, const char *cloze) {
	writer->header.size = 0;
	message_encode_batch(&writer->header, writer->rows, (const struct node *)(const void *)writer->nodes.data,
		writer->nodes.size / sizeof(struct node), (const struct buffer *)(const void *)writer->buffers.data,
		writer->buffers.size / sizeof(struct buffer), (int64_t)writer->body.size, cloze);
}

/* Puts the checksum into the batch in `header` and `body` and writes it, but for its first bytes, which came with the
 * message before it, and with the first bytes of the next one. */
static int write_encoded(struct writer *writer, struct failure *failure) {
	char digits[16];
	count_message(writer);
	snprintf(digits, sizeof digits, "%08" PRIx32, writer->crc);
	memcpy(checksum_digits(writer->header.data, writer->header.size), digits, 8);
	bytes_append(&writer->body, continuation, sizeof continuation);
	if (writer->body.size < PAGE) {
		bytes_append(&writer->header, writer->body.data, writer->body.size);
		writer->body.size = 0;
	}
	if (write_bytes(writer, writer->header.data + sizeof continuation, writer->header.size - sizeof continuation,
			failure) < 0)
		return -1;
	return write_bytes(writer, writer->body.data, writer->body.size, failure);
}

/* Writes the rows in the builders, none of them for the totals, as one message. */
static int write_batch(struct writer *writer, bool totals, struct failure *failure) {
	char cloze[128 + TAIL];
	writer->body.size = writer->nodes.size = writer->buffers.size = 0;
	for (size_t i = 0; i < writer->schema.count; i++) {
		struct column column;
		assert(builder_length(writer->builders[i]) == writer->rows); /* a stage forgot a column */
		builder_view(writer->builders[i], &column);
		add_column(writer, &column);
		column_clear(&column);
		builder_reset(writer->builders[i]);
	}
	if (totals)
		snprintf(cloze, sizeof cloze, "{\"sequence\": %" PRId64 ", \"records\": %" PRId64 ", " CHECKSUM_UNSET "}",
			writer->batches, writer->records);
	else
		snprintf(cloze, sizeof cloze, "{\"sequence\": %" PRId64 ", " CHECKSUM_UNSET "}", writer->batches);
	encode_batch(writer, cloze);
	if (could_lose_tail(writer)) {
		snprintf(cloze + strlen(cloze), TAIL + 1, "%*s", TAIL, "");
		encode_batch(writer, cloze);
	}
	writer->records += writer->rows;
	writer->batches++;
	writer->rows = 0;
	return write_encoded(writer, failure);
}

int writer_end_row(struct writer *writer, struct failure *failure) {
	size_t size = 0;
	writer->rows++;
	for (size_t i = 0; i < writer->schema.count; i++)
		size += builder_size(writer->builders[i]);
	if (size > INT32_MAX)
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 " is larger than 2 GiB (make smaller records)",
			writer->name, writer_records(writer));
	return writer->rows == writer->most || size >= BATCH_BYTES ? write_batch(writer, false, failure) : 0;
}

int writer_flush(struct writer *writer, struct failure *failure) {
	return writer->rows > 0 ? write_batch(writer, false, failure) : 0;
}

int writer_close(struct writer *writer, struct failure *failure) {
	static const uint8_t end[4] = { 0 }; /* after the continuation that the totals brought */
	int result = writer->rows > 0 ? write_batch(writer, false, failure) : 0;
	if (result == 0)
		result = write_batch(writer, true, failure);
	if (result == 0)
		result = write_bytes(writer, end, sizeof end, failure);
	writer_free(writer);
	return result;
}

void writer_poison(void *context) {
	static const uint8_t length[4] = { 0xff, 0xff, 0xff, 0x7f }; /* of metadata that does not follow */
	struct writer *writer = context;
	struct failure ignored;
	if (!writer->broken)
		write_bytes(writer, length, sizeof length, &ignored);
}
