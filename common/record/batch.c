/* batch.c: the columns of a batch. They point into the message's body, which is kept as it came, once every node and
 * buffer has been checked against the schema. */
#include "record/reader.h"

#include <stdlib.h>

#include "base/memory.h"
#include "record/layout.h"

/* What reader_next() hands out. */
struct held_batch {
	struct batch batch; /* first, so that one pointer serves for both */
	size_t column_count;
	uint8_t *body;
};

void batch_free(struct batch *batch) {
	struct held_batch *held = (struct held_batch *)batch;
	if (held == NULL)
		return;
	for (size_t i = 0; i < held->column_count; i++)
		column_clear(&held->batch.columns[i]);
	free(held->batch.columns);
	free(held->body);
	free(held);
}

/* A walk through the nodes and buffers of a batch, in the order of the schema, depth first. */
struct walk {
	struct reader *reader;
	const struct message *message;
	const uint8_t *body;
	size_t node, buffer;    /* the next ones */
	const char *where, *column; /* for texts */
	struct failure *failure;
};

static int damaged(const struct walk *walk, const char *what) {
	return fail(walk->failure, EX_DATAERR, "%s: damaged column %s: %s", walk->where, walk->column, what);
}

/* The next buffer, which must have `need` bytes. */
static int take_buffer(struct walk *walk, uint64_t need, const uint8_t **bytes) {
	const struct flat_vector *buffers = &walk->message->buffers;
	if (walk->buffer == buffers->count)
		return damaged(walk, "a buffer is missing");
	const uint8_t *place = buffers->reader->bytes + buffers->at + 16 * walk->buffer++;
	int64_t offset = flat_int64_at(place), length = flat_int64_at(place + 8), body_length = walk->message->body_length;
	if (offset < 0 || length < 0 || offset > body_length || length > body_length - offset)
		return damaged(walk, "a buffer lies outside the batch");
	if ((uint64_t)length < need)
		return damaged(walk, "a buffer is too short");
	*bytes = buffer_or_empty(length == 0 ? NULL : walk->body + offset);
	return 0;
}

static int take_node(struct walk *walk, struct node *node) {
	const struct flat_vector *nodes = &walk->message->nodes;
	if (walk->node == nodes->count)
		return damaged(walk, "a node is missing");
	const uint8_t *place = nodes->reader->bytes + nodes->at + 16 * walk->node++;
	*node = (struct node){ flat_int64_at(place), flat_int64_at(place + 8) };
	if (node->length < 0 || node->null_count < 0 || node->null_count > node->length)
		return damaged(walk, "a length is out of range");
	return 0;
}

/* Offsets that rise from 0 or more; *last is the greatest. An empty column may have none at all. */
static int take_offsets(struct walk *walk, struct column *column, size_t width, int64_t *last) {
	uint64_t need;
	bool falls = false;
	if (__builtin_mul_overflow((uint64_t)column->length + (column->length > 0), (uint64_t)width, &need))
		return damaged(walk, "a length is out of range");
	if (take_buffer(walk, need, &column->offsets) < 0)
		return -1;
	*last = 0;
	if (column->length == 0)
		return 0;
	for (int64_t i = 0; i < column->length; i++)
		falls |= load_offset(column->offsets, width, i + 1) < load_offset(column->offsets, width, i);
	if (falls || load_offset(column->offsets, width, 0) < 0)
		return damaged(walk, "an offset is out of order");
	*last = load_offset(column->offsets, width, column->length);
	return 0;
}

/* Whether a column of any length may be made of no bytes at all. */
static bool takes_no_bytes(const struct field *field) {
	struct layout layout = type_layout(&field->type);
	return layout.kind == LAYOUT_NULL || (layout.kind == LAYOUT_STRUCT && field->child_count == 0)
		|| ((layout.kind == LAYOUT_FIXED || layout.kind == LAYOUT_FIXED_LIST) && layout.width == 0);
}

/* Takes rows without bytes from those that the stream may still have. */
static int take_free_rows(struct walk *walk, int64_t rows) {
	if (rows > walk->reader->spare_rows)
		return damaged(walk, "too many values that take no bytes (nulls of the type null, structs without fields)");
	walk->reader->spare_rows -= rows;
	return 0;
}

/* The next column, of exactly `length` rows when `exact`, or of at least as many. */
static int load_column(struct walk *walk, const struct field *field, int64_t length, bool exact,
	struct column *column) {
	struct layout layout = type_layout(&field->type);
	struct node node = { 0 };
	int64_t child_length = 0;
	uint64_t need = 0;
	*column = (struct column){ .field = field, .children = allocate(field->child_count, sizeof *column->children) };
	for (size_t i = 0; i < field->child_count; i++)
		column->children[i] = (struct column){ .field = &field->children[i] };
	if (take_node(walk, &node) < 0)
		return -1;
	if (exact ? node.length != length : node.length < length)
		return damaged(walk, exact ? "it has not as many rows as the batch" : "a child is too short");
	column->length = node.length;
	if (takes_no_bytes(field) && take_free_rows(walk, node.length) < 0)
		return -1;
	if (layout.kind != LAYOUT_NULL) {
		const uint8_t *validity;
		if (take_buffer(walk, node.null_count > 0 ? ((uint64_t)node.length + 7) / 8 : 0, &validity) < 0)
			return -1;
		column->validity = node.null_count > 0 ? validity : NULL;
	}
	switch (layout.kind) {
	case LAYOUT_NULL:
		break;
	case LAYOUT_BITS:
		return take_buffer(walk, ((uint64_t)node.length + 7) / 8, &column->values);
	case LAYOUT_FIXED:
		if (__builtin_mul_overflow((uint64_t)node.length, (uint64_t)layout.width, &need))
			return damaged(walk, "a length is out of range");
		if (take_buffer(walk, need, &column->values) < 0)
			return -1;
		break;
	case LAYOUT_BYTES:
		if (take_offsets(walk, column, layout.offset_width, &child_length) < 0)
			return -1;
		return take_buffer(walk, (uint64_t)child_length, &column->values);
	case LAYOUT_LIST:
		if (take_offsets(walk, column, layout.offset_width, &child_length) < 0)
			return -1;
		break;
	case LAYOUT_FIXED_LIST:
		if (__builtin_mul_overflow(node.length, (int64_t)layout.width, &child_length))
			return damaged(walk, "a length is out of range");
		break;
	case LAYOUT_STRUCT:
		child_length = node.length;
		break;
	}
	for (size_t i = 0; i < field->child_count; i++)
		if (load_column(walk, &field->children[i], child_length, false, &column->children[i]) < 0)
			return -1;
	return 0;
}

struct batch *batch_load(struct reader *reader, const struct message *message, uint8_t *body, const char *where,
	struct failure *failure) {
	struct held_batch *held = allocate(1, sizeof *held);
	*held = (struct held_batch){ .batch = { message->rows, allocate(reader->schema.count, sizeof(struct column)) },
		.body = body };
	struct walk walk = { .reader = reader, .message = message, .body = body, .where = where, .column = "(none)",
		.failure = failure };
	while (held->column_count < reader->schema.count) {
		const struct field *field = &reader->schema.fields[held->column_count];
		walk.column = field->name;
		if (load_column(&walk, field, message->rows, true, &held->batch.columns[held->column_count++]) < 0) {
			batch_free(&held->batch);
			return NULL;
		}
	}
	if (reader->schema.count == 0 && take_free_rows(&walk, message->rows) < 0) {
		batch_free(&held->batch);
		return NULL;
	}
	if (walk.node == message->nodes.count && walk.buffer == message->buffers.count)
		return &held->batch;
	batch_free(&held->batch);
	fail(failure, EX_DATAERR, "%s: damaged metadata: more nodes or buffers than columns", where);
	return NULL;
}

