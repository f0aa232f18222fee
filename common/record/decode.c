/* decode.c: appends encoded rows to builders of the plain types; builder_append_rows() follows indices and views. The
 * size of the rows is computed before they are appended, so that it can be refused. */
#include "record/decode.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "record/layout.h"
#include "record/reader.h"

/* ---- schemas ------------------------------------------------------------------------------------------- */

static void make_plain(struct field *field) {
	field->dictionary = (struct dictionary_encoding){ 0 };
	if (field->type.id == TYPE_UTF8_VIEW)
		field->type.id = TYPE_UTF8;
	if (field->type.id == TYPE_BINARY_VIEW)
		field->type.id = TYPE_BINARY;
	for (size_t i = 0; i < field->child_count; i++)
		make_plain(&field->children[i]);
}

void schema_copy_plain(struct schema *to, const struct schema *from) {
	schema_copy(to, from);
	for (size_t i = 0; i < to->count; i++)
		make_plain(&to->fields[i]);
}

/* ---- dictionaries -------------------------------------------------------------------------------------- */

/* The dictionary of one field. Where several fields share an id, each has a copy. */
struct dictionary {
	const struct field *field;
	struct field values;      /* the same, not encoded: of what comes in the message; its children are the field's */
	struct schema plain;      /* of one field, of the builder */
	struct builder *builder;
	struct column column;     /* what the builder shows */
};

struct decoder { struct dictionary *dictionaries; size_t count; };

/* Whether there is an encoded field; adds those with dictionaries. */
static bool collect(struct decoder *decoder, const struct field *fields, size_t count) {
	bool found = false;
	for (size_t i = 0; i < count; i++) {
		found |= fields[i].type.id == TYPE_UTF8_VIEW || fields[i].type.id == TYPE_BINARY_VIEW;
		found |= collect(decoder, fields[i].children, fields[i].child_count);
		if (fields[i].dictionary.index_width == 0)
			continue;
		found = true;
		decoder->dictionaries = grow(decoder->dictionaries, decoder->count + 1, sizeof *decoder->dictionaries);
		decoder->dictionaries[decoder->count++] = (struct dictionary){ .field = &fields[i], .values = fields[i] };
	}
	return found;
}

struct decoder *decoder_create(const struct schema *schema) {
	struct decoder *decoder = allocate(1, sizeof *decoder);
	*decoder = (struct decoder){ 0 };
	if (!collect(decoder, schema->fields, schema->count)) {
		decoder_destroy(decoder);
		return NULL;
	}
	for (size_t i = 0; i < decoder->count; i++) {
		struct dictionary *dictionary = &decoder->dictionaries[i];
		dictionary->values.dictionary = (struct dictionary_encoding){ 0 };
		schema_copy_plain(&dictionary->plain, &(struct schema){ .count = 1, .fields = &dictionary->values });
		dictionary->builder = builder_create(&dictionary->plain.fields[0]);
		builder_view(dictionary->builder, &dictionary->column);
	}
	return decoder;
}

void decoder_destroy(struct decoder *decoder) {
	if (decoder == NULL)
		return;
	for (size_t i = 0; i < decoder->count; i++) {
		column_clear(&decoder->dictionaries[i].column);
		builder_destroy(decoder->dictionaries[i].builder);
		schema_clear(&decoder->dictionaries[i].plain);
	}
	free(decoder->dictionaries);
	free(decoder);
}

const struct column *decoder_find(const struct decoder *decoder, const struct field *field) {
	size_t i = 0;
	while (decoder->dictionaries[i].field != field)
		i++;
	return &decoder->dictionaries[i].column;
}

const struct field *decoder_values(const struct decoder *decoder, int64_t id) {
	for (size_t i = 0; decoder != NULL && i < decoder->count; i++)
		if (decoder->dictionaries[i].field->dictionary.id == id)
			return &decoder->dictionaries[i].values;
	return NULL;
}

/* ---- sizes --------------------------------------------------------------------------------------------- */

/* About the bytes that rows take when they are plain. */
static uint64_t plain_size(const struct column *column, int64_t first, int64_t count) {
	struct layout layout = stored_layout(column->field);
	uint64_t size = (uint64_t)count * (layout.offset_width + 1);
	switch (column->dictionary != NULL ? LAYOUT_VIEW : layout.kind) {
	case LAYOUT_FIXED:
		return size + (uint64_t)count * layout.width;
	case LAYOUT_VIEW:
		for (int64_t row = first; row < first + count; row++)
			if (!column_is_null(column, row))
				size += column->dictionary != NULL ? plain_size(column->dictionary, dictionary_index(column, row), 1)
					: 4 + view_length(column, row);
		return size;
	case LAYOUT_BYTES:
		return size + (uint64_t)(load_offset(column->offsets, layout.offset_width, first + count)
			- load_offset(column->offsets, layout.offset_width, first));
	case LAYOUT_LIST: {
		int64_t from = load_offset(column->offsets, layout.offset_width, first);
		int64_t to = load_offset(column->offsets, layout.offset_width, first + count);
		return size + plain_size(&column->children[0], from, to - from);
	}
	case LAYOUT_FIXED_LIST:
		return size + plain_size(&column->children[0], first * (int64_t)layout.width, count * (int64_t)layout.width);
	default: /* LAYOUT_NULL, LAYOUT_BITS, LAYOUT_STRUCT */
		for (size_t i = 0; i < column->field->child_count; i++)
			size += plain_size(&column->children[i], first, count);
		return size;
	}
}

/* Whether rows of one field can be appended to a builder of the other. */
static bool same_layout(const struct field *a, const struct field *b) {
	bool same = a->type.id == b->type.id && a->type.bit_width == b->type.bit_width && a->type.size == b->type.size
		&& a->child_count == b->child_count && a->dictionary.index_width == b->dictionary.index_width
		&& a->dictionary.id == b->dictionary.id;
	for (size_t i = 0; same && i < a->child_count; i++)
		same = same_layout(&a->children[i], &b->children[i]);
	return same;
}

/* Bytes that all dictionaries hold. */
static size_t decoder_size(const struct decoder *decoder) {
	size_t size = 0;
	for (size_t i = 0; i < decoder->count; i++)
		size += builder_size(decoder->dictionaries[i].builder);
	return size;
}

int decoder_add(struct decoder *decoder, const struct message *message, const struct column *values, size_t limit,
	const char *where, struct failure *failure) {
	uint64_t size = plain_size(values, 0, values->length);
	for (size_t i = 0; i < decoder->count; i++) {
		struct dictionary *dictionary = &decoder->dictionaries[i];
		if (dictionary->field->dictionary.id != message->dictionary_id)
			continue;
		if (!same_layout(&dictionary->values, values->field))
			return fail(failure, EX_DATAERR, "%s: damaged column %s: its dictionary has values of another type", where,
				dictionary->field->name);
		if (!message->is_delta)
			builder_reset(dictionary->builder);
		size_t total = decoder_size(decoder);
		if (size > INT32_MAX || total > INT32_MAX - size || total + size > limit)
			return fail(failure, EX_DATAERR, "%s: column %s: dictionaries of %" PRIu64 " bytes (write plain columns)",
				where, dictionary->field->name, total + size);
		builder_append_rows(dictionary->builder, values, 0, values->length);
		column_clear(&dictionary->column);
		builder_view(dictionary->builder, &dictionary->column);
	}
	return 0;
}

/* ---- batches ------------------------------------------------------------------------------------------- */

struct batch *decode_slice(const struct schema *plain, const struct batch *batch, int64_t *row, size_t limit,
	const char *where, struct failure *failure) {
	int64_t first = *row;
	for (uint64_t total = 0; *row < batch->rows && *row - first < SLICE_ROWS && total < SLICE_BYTES; ++*row) {
		uint64_t size = 0;
		for (size_t i = 0; i < plain->count; i++)
			size += plain_size(&batch->columns[i], *row, 1);
		if (size > limit || size > INT32_MAX) {
			fail(failure, EX_DATAERR, "%s: a record of %" PRIu64 " bytes when decoded (write plain columns)", where,
				size);
			return NULL;
		}
		total += size;
	}
	struct builder **builders = allocate(plain->count, sizeof *builders);
	for (size_t i = 0; i < plain->count; i++) {
		builders[i] = builder_create(&plain->fields[i]);
		builder_append_rows(builders[i], &batch->columns[i], first, *row - first);
	}
	return batch_of_builders(builders, plain->count, *row - first);
}
