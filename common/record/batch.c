/* batch.c: the columns of a batch. They point into the message's body once every node and buffer has been checked
 * against the fields, or into builders. */
#include "record/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "record/compression.h"
#include "record/decode.h"
#include "record/layout.h"

/* What reader_next() hands out. */
struct held_batch {
	struct batch batch; /* first, so that one pointer serves for both */
	size_t column_count;
	uint8_t *body;              /* NULL: none */
	struct builder **builders;  /* of the columns; NULL: none */
};

void batch_free(struct batch *batch) {
	struct held_batch *held = (struct held_batch *)batch;
	if (held == NULL)
		return;
	for (size_t i = 0; i < held->column_count; i++) {
		column_clear(&held->batch.columns[i]);
		if (held->builders != NULL)
			builder_destroy(held->builders[i]);
	}
	free(held->builders);
	free(held->batch.columns);
	free(held->body);
	free(held);
}

struct batch *batch_of_builders(struct builder **builders, size_t count, int64_t rows) {
	struct held_batch *held = allocate(1, sizeof *held);
	*held = (struct held_batch){ { rows, allocate(count, sizeof(struct column)) }, .column_count = count,
		.builders = builders };
	for (size_t i = 0; i < count; i++)
		builder_view(builders[i], &held->batch.columns[i]);
	return &held->batch;
}

/* A walk through the nodes and buffers of a batch, in the order of the fields, depth first. */
struct walk {
	struct reader *reader;
	const struct message *message;
	size_t node, buffer, variadic; /* the next ones */
	const char *where, *column;    /* for texts */
	struct failure *failure;
};

static int damaged(const struct walk *walk, const char *what) {
	return fail(walk->failure, EX_DATAERR, "%s: damaged column %s: %s", walk->where, walk->column, what);
}

/* The next buffer and its length. */
static int take_any_buffer(struct walk *walk, const uint8_t **bytes, int64_t *length) {
	struct buffer buffer;
	if (walk->buffer == walk->message->buffers.count)
		return damaged(walk, "a buffer is missing");
	if (!message_buffer(walk->message, walk->buffer++, &buffer))
		return damaged(walk, "a buffer lies outside the batch");
	*bytes = buffer_or_empty(message_bytes(walk->message, buffer));
	*length = buffer.length;
	return 0;
}

/* The next buffer, which must have `need` bytes. */
static int take_buffer(struct walk *walk, uint64_t need, const uint8_t **bytes) {
	int64_t length = 0;
	if (take_any_buffer(walk, bytes, &length) < 0)
		return -1;
	return (uint64_t)length < need ? damaged(walk, "a buffer is too short") : 0;
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

/* The next buffer, of offsets, which are not negative and do not fall; *last becomes the last one. A column without
 * rows may have no offsets. */
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
	struct layout layout = stored_layout(field);
	return layout.kind == LAYOUT_NULL || (layout.kind == LAYOUT_STRUCT && field->child_count == 0)
		|| ((layout.kind == LAYOUT_FIXED || layout.kind == LAYOUT_FIXED_LIST) && layout.width == 0);
}

/* Takes rows without bytes from those that the stream may still have. */
static int take_free_rows(struct walk *walk, int64_t rows) {
	walk->reader->free_rows += (uint64_t)rows;
	if (walk->reader->free_rows > FREE_ROWS + ROWS_PER_BYTE * (uint64_t)walk->reader->arrived)
		return damaged(walk, "too many values that take no bytes (nulls of the type null, structs without fields)");
	return 0;
}

/* The next buffer, of values of `width` bytes, one a row. */
static int take_values(struct walk *walk, struct column *column, size_t width) {
	uint64_t need;
	if (__builtin_mul_overflow((uint64_t)column->length, (uint64_t)width, &need))
		return damaged(walk, "a length is out of range");
	return take_buffer(walk, need, &column->values);
}

/* The indices of a dictionary-encoded column, each within the dictionary. */
static int take_indices(struct walk *walk, struct column *column, size_t width) {
	if (take_values(walk, column, width) < 0)
		return -1;
	column->dictionary = decoder_find(walk->reader->decoder, column->field);
	for (int64_t row = 0; row < column->length; row++) {
		int64_t index = dictionary_index(column, row);
		bool is_null = column->validity != NULL && !bit_is_set(column->validity, row);
		if (!is_null && (index < 0 || index >= column->dictionary->length))
			return damaged(walk, "an index lies outside the dictionary");
	}
	return 0;
}

/* Whether a view's bytes lie within its blocks. */
static bool view_is_inside(const uint8_t *view, const int64_t *lengths, int64_t blocks) {
	int32_t part[4]; /* length, prefix, block, offset */
	memcpy(part, view, sizeof part);
	return part[0] >= 0 && (part[0] <= VIEW_INLINE || (part[2] >= 0 && part[2] < blocks && part[3] >= 0
		&& (int64_t)part[3] + part[0] <= lengths[part[2]]));
}

/* Views and the blocks that they point into. */
static int take_views(struct walk *walk, struct column *column) {
	const struct flat_vector *counts = &walk->message->variadic_counts;
	if (take_values(walk, column, VIEW_SIZE) < 0)
		return -1;
	int64_t blocks = walk->variadic < counts->count
		? flat_int64_at(counts->reader->bytes + counts->at + 8 * walk->variadic++) : -1;
	if (blocks < 0 || (uint64_t)blocks > walk->message->buffers.count - walk->buffer)
		return damaged(walk, "a buffer of views is missing");
	column->blocks = allocate((size_t)blocks, sizeof *column->blocks);
	int64_t *lengths = allocate((size_t)blocks, sizeof *lengths);
	int result = 0;
	for (int64_t i = 0; i < blocks && result == 0; i++)
		result = take_any_buffer(walk, &column->blocks[i], &lengths[i]);
	for (int64_t row = 0; row < column->length && result == 0; row++)
		if (!column_is_null(column, row) && !view_is_inside(column->values + VIEW_SIZE * row, lengths, blocks))
			result = damaged(walk, "a view points outside its blocks");
	free(lengths);
	return result;
}

/* The buffers of a column after its validity; *child_length becomes how many rows its children need at least. */
static int take_buffers(struct walk *walk, const struct layout *layout, struct column *column, int64_t *child_length) {
	*child_length = column->length;
	switch (layout->kind) {
	case LAYOUT_BITS:
		return take_buffer(walk, ((uint64_t)column->length + 7) / 8, &column->values);
	case LAYOUT_FIXED:
		return column->field->dictionary.index_width > 0 ? take_indices(walk, column, layout->width)
			: take_values(walk, column, layout->width);
	case LAYOUT_VIEW:
		return take_views(walk, column);
	case LAYOUT_BYTES:
		return take_offsets(walk, column, layout->offset_width, child_length) < 0 ? -1
			: take_buffer(walk, (uint64_t)*child_length, &column->values);
	case LAYOUT_LIST:
		return take_offsets(walk, column, layout->offset_width, child_length);
	case LAYOUT_FIXED_LIST:
		return __builtin_mul_overflow(column->length, (int64_t)layout->width, child_length)
			? damaged(walk, "a length is out of range") : 0;
	default: /* LAYOUT_NULL, LAYOUT_STRUCT */
		return 0;
	}
}

/* Loads the next column, which must have exactly `length` rows if `exact`, or else at least as many. */
static int load_column(struct walk *walk, const struct field *field, int64_t length, bool exact,
	struct column *column) {
	struct layout layout = stored_layout(field);
	struct node node = { 0 };
	int64_t child_length;
	bool is_encoded = field->dictionary.index_width > 0; /* what its field says of children is about the dictionary */
	size_t children = is_encoded ? 0 : field->child_count;
	*column = (struct column){ .field = field,
		.children = is_encoded ? NULL : allocate(children, sizeof *column->children) };
	for (size_t i = 0; i < children; i++)
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
	if (take_buffers(walk, &layout, column, &child_length) < 0)
		return -1;
	for (size_t i = 0; i < children; i++)
		if (load_column(walk, &field->children[i], child_length, false, &column->children[i]) < 0)
			return -1;
	return 0;
}

static int load_columns(struct walk *walk, const struct field *fields, size_t count, struct held_batch *held) {
	for (; held->column_count < count; held->column_count++) {
		walk->column = fields[held->column_count].name;
		if (load_column(walk, &fields[held->column_count], walk->message->rows, true,
				&held->batch.columns[held->column_count]) < 0) {
			held->column_count++;
			return -1;
		}
	}
	if (count == 0 && take_free_rows(walk, walk->message->rows) < 0)
		return -1;
	if (walk->node != walk->message->nodes.count || walk->buffer != walk->message->buffers.count)
		return fail(walk->failure, EX_DATAERR, "%s: damaged metadata: more nodes or buffers than columns", walk->where);
	return 0;
}

struct batch *batch_load(struct reader *reader, struct message *message, const struct field *fields, size_t count,
	const char *where, struct failure *failure) {
	struct walk walk = { .reader = reader, .message = message, .where = where, .column = "(none)", .failure = failure };
	if (message_decompress(message, where, failure) < 0)
		return NULL;
	struct held_batch *held = allocate(1, sizeof *held);
	*held = (struct held_batch){ .batch = { message->rows, allocate(count, sizeof(struct column)) },
		.body = message->body.data };
	int result = load_columns(&walk, fields, count, held);
	message->body = (struct bytes){ 0 }; /* the batch's now */
	if (result == 0)
		return &held->batch;
	batch_free(&held->batch);
	return NULL;
}
