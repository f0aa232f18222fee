/* test_record_stream: streams in memory are written and read back, and then cut, damaged and rearranged in every way
 * that a reader must detect. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "record/columns.h"
#include "record/message.h"
#include "record/stream.h"

/* The bytes of a stream and where its messages are, the end-of-stream marker last. */
struct stream {
	uint8_t *bytes;
	size_t size;
	size_t starts[64], count;
};

static void take_bytes(int descriptor, struct stream *stream) {
	off_t size = lseek(descriptor, 0, SEEK_END);
	*stream = (struct stream){ .bytes = malloc((size_t)size), .size = (size_t)size };
	assert_int_equal(pread(descriptor, stream->bytes, stream->size, 0), size);
	close(descriptor);
}

static void find_messages(struct stream *stream) {
	for (size_t at = 0; at + 8 <= stream->size;) {
		struct message message;
		struct failure failure;
		uint32_t size;
		memcpy(&size, stream->bytes + at + 4, 4);
		stream->starts[stream->count++] = at;
		if (size == 0)
			return;
		assert_int_equal(message_decode(stream->bytes + at + 8, size, &message, "stream", &failure), 0);
		at += 8 + size + (size_t)message.body_length;
	}
}

static void append_row(struct writer *writer, int row) {
	int32_t list[4] = { row, -1, row + 2, 5 };
	char text[16];
	int length = snprintf(text, sizeof text, "row %d", row);
	builder_append_bytes(writer_column(writer, 0), text, (size_t)length);
	if (row % 5 == 4)
		builder_append_null(writer_column(writer, 1));
	else
		builder_append_nullable_int32_list(writer_column(writer, 1), list, (size_t)row % 4, -1);
	builder_append_integer(writer_column(writer, 2), row);
}

static void make_schema(struct schema *schema) {
	*schema = (struct schema){ 0 };
	schema_add_utf8(schema, "text");
	schema_add_int32_list(schema, "list");
	schema_add_int(schema, "row", 64);
}

/* A stream of so many rows that says in its metadata that it has `said`. */
static struct stream make_stream(int rows, int64_t said) {
	int descriptor = memfd_create("stream", 0);
	struct schema schema;
	struct stream_info info;
	struct failure failure;
	struct stream stream;
	make_schema(&schema);
	stream_info_init(&info);
	info.records = said;
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, &failure);
	for (int row = 0; row < rows; row++) {
		append_row(writer, row);
		assert_int_equal(writer_end_row(writer, &failure), 0);
		assert_int_equal(writer_records(writer), row + 1);
	}
	assert_int_equal(writer_close(writer, &failure), 0);
	schema_clear(&schema);
	take_bytes(descriptor, &stream);
	find_messages(&stream);
	return stream;
}

static int open_bytes(const void *bytes, size_t size) {
	int descriptor = memfd_create("input", 0);
	assert_int_equal(write(descriptor, bytes, size), size);
	lseek(descriptor, 0, SEEK_SET);
	return descriptor;
}

/* Reads all, following every offset by copying the rows. Returns the number of records, or -1. */
static int64_t read_all(const void *bytes, size_t size, struct failure *failure) {
	int descriptor = open_bytes(bytes, size);
	struct reader *reader = reader_open(descriptor, "input", failure);
	struct batch *batch;
	int more = -1;
	int64_t records = 0;
	while (reader != NULL && (more = reader_next(reader, &batch, failure)) > 0) {
		for (size_t i = 0; i < reader_schema(reader)->count; i++) {
			struct builder *builder = builder_create(&reader_schema(reader)->fields[i]);
			builder_append_rows(builder, &batch->columns[i], 0, batch->rows);
			builder_destroy(builder);
		}
		records += batch->rows;
		batch_free(batch);
	}
	reader_close(reader);
	close(descriptor);
	return more < 0 ? -1 : records;
}

static void assert_refused(const void *bytes, size_t size, const char *reason) {
	struct failure failure = { 0 };
	assert_int_equal(read_all(bytes, size, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	if (strstr(failure.text, reason) == NULL)
		assert_string_equal(failure.text, reason);
}

static void comes_back(void **state) {
	(void)state;
	struct stream stream = make_stream(2500, -1);
	struct failure failure;
	struct batch *batch;
	int descriptor = open_bytes(stream.bytes, stream.size);
	struct reader *reader = reader_open(descriptor, "input", &failure);
	struct int32_list list = { 0 };
	char text[16];
	int64_t row = 0, batches = 0;
	assert_int_equal(reader_total(reader), 2500);
	assert_int_equal(schema_find(reader_schema(reader), "list"), 1);
	assert_int_equal(reader_find_text(reader, "text", &failure), 0);
	assert_int_equal(reader_find_int_list(reader, "list", &failure), 1);
	assert_int_equal(reader_find_int(reader, "row", &failure), 2);
	assert_int_equal(reader_find_int(reader, "text", &failure), -1);
	assert_non_null(strstr(failure.text, "utf8"));
	assert_int_equal(reader_find_int_list(reader, "input_ids", &failure), -1);
	assert_non_null(strstr(failure.text, "wordpiece"));
	while (reader_next(reader, &batch, &failure) > 0) {
		assert_int_equal(batch->rows, batches++ < 2 ? 1000 : 500);
		for (int64_t i = 0; i < batch->rows; i++, row++) {
			size_t length;
			const char *bytes = column_bytes(&batch->columns[0], i, &length);
			assert_int_equal(length, snprintf(text, sizeof text, "row %d", (int)row));
			assert_memory_equal(bytes, text, length);
			assert_int_equal(column_is_null(&batch->columns[1], i), row % 5 == 4);
			assert_int_equal(column_int32_list(&batch->columns[1], i, -1, &list, &failure), 0);
			assert_int_equal(list.count, row % 5 == 4 ? 0 : row % 4);
			assert_memory_equal(list.values, ((int32_t[]){ (int)row, -1, (int)row + 2, 5 }), 4 * list.count);
			assert_int_equal(column_integer(&batch->columns[2], i, -1), row);
		}
		batch_free(batch);
		assert_int_equal(reader_records(reader), row);
		assert_int_equal(reader_total(reader), 2500);
	}
	assert_int_equal(row, 2500);
	assert_int_equal(reader_next(reader, &batch, &failure), 0);
	reader_close(reader);
	close(descriptor);
	free(list.values);
	free(stream.bytes);
}

static void may_be_empty(void **state) {
	(void)state;
	struct stream stream = make_stream(0, 0);
	struct failure failure;
	assert_int_equal(read_all(stream.bytes, stream.size, &failure), 0);
	free(stream.bytes);
}

static void notices_a_cut_at_every_byte(void **state) {
	(void)state;
	struct stream stream = make_stream(7, -1);
	assert_refused(stream.bytes, 0, "empty");
	for (size_t size = 1; size < stream.size; size++)
		assert_refused(stream.bytes, size, "cut short");
	free(stream.bytes);
}

/* A small stream of a record type: the columns that cloze writes, `rows` records. */
static struct stream make_typed(enum record_type type, int rows) {
	static const char *const lists[] = { [RECORD_TOKENS] = "word_ids", [RECORD_CHUNKS] = "word_ids",
		[RECORD_MASKED] = "labels" };
	int descriptor = memfd_create("stream", 0);
	struct schema schema = { 0 };
	struct stream_info info;
	struct failure failure;
	struct stream stream;
	stream_info_init(&info);
	info.type = type;
	info.records = rows;
	if (type == RECORD_TEXT)
		schema_add_utf8(&schema, "text");
	else
		schema_add_int32_list(&schema, "input_ids");
	if (type != RECORD_TEXT)
		schema_add_int32_list(&schema, lists[type]);
	schema_add_int(&schema, "label", 64);
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, &failure);
	for (int row = 0; row < rows; row++) {
		for (size_t i = 0; i + 1 < schema.count; i++)
			if (type == RECORD_TEXT)
				builder_append_bytes(writer_column(writer, i), "a film", (size_t)row + 3);
			else
				builder_append_nullable_int32_list(writer_column(writer, i), (const int32_t[]){ 2, 7, -1, 9 }, (size_t)row + 1,
					i > 0 ? -1 : -2);
		builder_append_integer(writer_column(writer, schema.count - 1), row);
		assert_int_equal(writer_end_row(writer, &failure), 0);
	}
	assert_int_equal(writer_close(writer, &failure), 0);
	schema_clear(&schema);
	take_bytes(descriptor, &stream);
	return stream;
}

/* Every flipped bit is refused. Only where there are no records may it pass, when what it hides is the checksum. */
static void notices_every_damaged_bit(void **state) {
	(void)state;
	for (int i = 0; i < 2 * RECORD_MASKED; i++) {
		int rows = i % 2 * 3;
		struct stream stream = make_typed((enum record_type)(RECORD_TEXT + i / 2), rows);
		struct failure failure;
		assert_int_equal(read_all(stream.bytes, stream.size, &failure), rows);
		for (size_t bit = 0; bit < 8 * stream.size; bit++) {
			stream.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			int64_t records = read_all(stream.bytes, stream.size, &failure);
			if (records >= 0 && (rows > 0 || records != 0))
				fail_msg("type %d: flipped bit %zu gives %d records", RECORD_TEXT + i / 2, bit, (int)records);
			stream.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		free(stream.bytes);
	}
}

/* Streams from elsewhere have no CRC-32: whatever the damage says is followed, or refused, never believed. Every type
 * that passes through is in these files. */
static void survives_damage_without_a_checksum(void **state) {
	(void)state;
	static const char *const names[] = { "read/types", "read/pyarrow", "read/polars", "read/datasets", "read/views",
		"read/dictionaries", "read/dictionary-deltas", "read/polars-default", "compressed/lz4", "compressed/zstd" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct failure failure = { 0 };
		size_t size, refused = 0;
		char *path = format_text("tests/fixtures/arrow/%s.arrows", names[i]);
		uint8_t *bytes = (uint8_t *)read_file(path, 1 << 20, &size, &failure);
		assert_non_null(bytes);
		bool can_read = read_all(bytes, size, &failure) > 0;
		assert_true(can_read || failure.status == EX_UNAVAILABLE); /* built without a library that decompresses */
		for (size_t at = 0; can_read && at < size; at++) {
			static const uint8_t masks[] = { 0x01, 0x04, 0x80, 0xff };
			for (size_t j = 0; j < sizeof masks; j++) {
				bytes[at] ^= masks[j];
				refused += read_all(bytes, size, &failure) < 0;
				bytes[at] ^= masks[j];
			}
			assert_int_equal(read_all(bytes, at, &failure), -1);
		}
		assert_true(!can_read || refused > 100);
		free(bytes);
		free(path);
	}
}

/* The messages numbered in `order`, ended by -1. */
static void rearrange(const struct stream *stream, const int *order, struct bytes *out) {
	out->size = 0;
	for (; *order >= 0; order++) {
		size_t start = stream->starts[*order];
		size_t end = (size_t)*order + 1 < stream->count ? stream->starts[*order + 1] : stream->size;
		bytes_append(out, stream->bytes + start, end - start);
	}
}

static void notices_rearranged_batches(void **state) {
	(void)state;
	/* Messages: schema, three batches, totals, the marker. */
	struct stream stream = make_stream(2500, -1), told = make_stream(2500, 2500), lie = make_stream(2500, 2501);
	struct bytes out = { 0 };
	struct failure failure;
	assert_int_equal(stream.count, 6);
	static const struct { int order[10]; const char *reason; } cases[] = {
		{ { 0, 1, 3, 4, 5, -1 }, "missing or out of order" }, { { 0, 2, 1, 3, 4, 5, -1 }, "missing or out of order" },
		{ { 0, 1, 2, 4, 5, -1 }, "missing or out of order" }, { { 0, 1, 1, 2, 3, 4, 5, -1 }, "missing or out of order" },
		{ { 0, 1, 2, 3, 4, 4, 5, -1 }, "follows the totals" }, { { 0, 0, 1, -1 }, "no record batch" },
		{ { 1, 2, 3, -1 }, "schema" }, { { 5, -1 }, "no schema" }, { { 0, 1, 2, 3, -1 }, "cut short after record 2500" },
		{ { 0, 1, 2, 3, 4, 5, 5, -1 }, "after the end-of-stream" }, { { 0, 1, 2, 3, 5, -1 }, "the totals are missing" },
		{ { 0, 1, 2, 3, 4, 5, 0, 1, 5, -1 }, "after the end-of-stream" }
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		rearrange(&stream, cases[i].order, &out);
		assert_refused(out.data, out.size, cases[i].reason);
	}
	/* The schema's number is a promise that a stage from elsewhere may pass on and not keep. */
	assert_int_equal(read_all(told.bytes, told.size, &failure), 2500);
	assert_int_equal(read_all(lie.bytes, lie.size, &failure), 2500);
	free(out.data);
	free(stream.bytes);
	free(told.bytes);
	free(lie.bytes);
}

/* Totals that tell of other batches. */
static void notices_wrong_totals(void **state) {
	(void)state;
	struct stream stream = make_stream(7, -1);
	static const char *const keys[] = { "\"checksum\": \"crc32:", "\"records\": " };
	static const char *const reasons[] = { "the CRC-32", "another number of records" };
	for (int i = 0; i < 2; i++) {
		size_t totals = stream.starts[2];
		uint8_t *key = memmem(stream.bytes + totals, stream.size - totals, keys[i], strlen(keys[i]));
		uint8_t *digit = key + strlen(keys[i]), kept = *digit;
		*digit = kept == '1' ? '2' : '1';
		assert_refused(stream.bytes, stream.size, reasons[i]);
		*digit = kept;
	}
	free(stream.bytes);
}

static int decode_one_field(const struct field *field) {
	struct schema schema = { .count = 1, .fields = (struct field *)(uintptr_t)field }, decoded = { 0 };
	struct bytes out = { 0 };
	struct message message;
	struct failure failure;
	char *cloze;
	message_encode_schema(&out, &schema, "{}");
	assert_int_equal(message_decode(out.data + 8, out.size - 8, &message, "input", &failure), 0);
	int result = message_decode_schema(&message, &decoded, &cloze, "input", &failure);
	if (result == 0)
		free(cloze);
	schema_clear(&decoded);
	free(out.data);
	return result;
}

/* Schemas whose columns would be followed to children that are not there. */
static void refuses_wrong_children(void **state) {
	(void)state;
	char name[] = "column";
	struct field number = { .name = name, .type = { .id = TYPE_INT, .bit_width = 32, .is_signed = true } };
	struct field two[] = { number, number };
	struct field pair = { .name = name, .type = { .id = TYPE_STRUCT }, .child_count = 2, .children = two };
	struct field single = { .name = name, .type = { .id = TYPE_STRUCT }, .child_count = 1, .children = two };
	static const enum type_id lists[] = { TYPE_LIST, TYPE_LARGE_LIST, TYPE_FIXED_SIZE_LIST };
	assert_int_equal(decode_one_field(&number), 0);
	assert_int_equal(decode_one_field(&pair), 0);
	for (size_t i = 0; i < 3; i++)
		for (size_t children = 0; children < 3; children++) {
			struct field list = { .name = name, .type = { .id = lists[i] }, .child_count = children, .children = two };
			assert_int_equal(decode_one_field(&list), children == 1 ? 0 : -1);
		}
	struct field map = { .name = name, .type = { .id = TYPE_MAP }, .child_count = 1, .children = &pair };
	assert_int_equal(decode_one_field(&map), 0);
	map.children = &single;
	assert_int_equal(decode_one_field(&map), -1);
	map.children = &number;
	assert_int_equal(decode_one_field(&map), -1);
	number.child_count = 1;
	number.children = two;
	assert_int_equal(decode_one_field(&number), -1);

	struct field levels[FIELD_DEPTH_LIMIT + 2];
	for (int i = 0; i < FIELD_DEPTH_LIMIT + 2; i++)
		levels[i] = (struct field){ .name = name, .type = { .id = TYPE_STRUCT }, .child_count = i > 0,
			.children = &levels[i > 0 ? i - 1 : 0] };
	assert_int_equal(decode_one_field(&levels[FIELD_DEPTH_LIMIT]), 0);
	assert_int_equal(decode_one_field(&levels[FIELD_DEPTH_LIMIT + 1]), -1);
}

/* Rows that take no bytes are bounded by the bytes that came, not by what the stream claims. */
static void believes_no_number_of_rows(void **state) {
	(void)state;
	char name[] = "none";
	struct field null = { .name = name, .nullable = true, .type = { .id = TYPE_NULL } };
	struct schema schema = { .count = 1, .fields = &null };
	for (int64_t rows = 1000; rows <= INT32_MAX; rows *= 1000) {
		struct bytes out = { 0 };
		struct failure failure = { 0 };
		message_encode_schema(&out, &schema, NULL);
		for (int i = 0; i < 3; i++) {
			struct bytes batch = { 0 };
			message_encode_batch(&batch, rows, &(struct node){ rows, rows }, 1, NULL, 0, 0, "{}");
			bytes_append(&out, batch.data, batch.size);
			free(batch.data);
		}
		bytes_append(&out, (const uint8_t[]){ 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 }, 8);
		if (rows == 1000)
			assert_int_equal(read_all(out.data, out.size, &failure), 3000);
		else
			assert_refused(out.data, out.size, "too many values that take no bytes");
		free(out.data);
	}
}

static struct stream make_named(const char *name, int rows) {
	int descriptor = memfd_create("stream", 0);
	struct schema schema = { 0 };
	struct stream_info info;
	struct failure failure;
	struct stream stream;
	stream_info_init(&info);
	schema_add_int(&schema, name, 64);
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, &failure);
	for (int row = 0; row < rows; row++) {
		builder_append_integer(writer_column(writer, 0), row);
		assert_int_equal(writer_end_row(writer, &failure), 0);
	}
	assert_int_equal(writer_close(writer, &failure), 0);
	schema_clear(&schema);
	take_bytes(descriptor, &stream);
	find_messages(&stream);
	return stream;
}

/* A write may be cut at the end of a page: none of a message's last bytes lies there. */
static void ends_no_message_at_the_end_of_a_page(void **state) {
	(void)state;
	char name[65] = "";
	struct failure failure;
	for (size_t length = 0; length < 64; length += 8) { /* a name of each length, so that messages end at every multiple of 8 */
		memset(name, 'x', length);
		for (int rows = 0; rows < 600; rows += 5) {
			struct stream stream = make_named(name, rows);
			for (size_t i = 1; i < stream.count; i++)
				assert_true(stream.starts[i] % 4096 >= 128);
			assert_int_equal(read_all(stream.bytes, stream.size, &failure), rows);
			free(stream.bytes);
		}
	}
}

static void poisons_what_is_not_whole(void **state) {
	(void)state;
	int descriptor = memfd_create("stream", 0);
	struct schema schema;
	struct stream_info info;
	struct failure failure;
	struct stream stream;
	make_schema(&schema);
	stream_info_init(&info);
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, &failure);
	for (int row = 0; row < 1500; row++) {
		append_row(writer, row);
		writer_end_row(writer, &failure);
	}
	writer_poison(writer);
	take_bytes(descriptor, &stream);
	assert_refused(stream.bytes, stream.size, "failed after record 1000");
	assert_int_equal(writer_close(writer, &failure), -1); /* the descriptor is closed; frees the writer */
	assert_int_equal(failure.status, EX_IOERR);
	schema_clear(&schema);
	free(stream.bytes);
}

/* A body said to have 2^62 bytes, metadata said to have 2^24: no memory is taken for what does not arrive. */
static void believes_no_length(void **state) {
	(void)state;
	struct stream stream = make_stream(7, -1);
	struct message message;
	struct failure failure;
	uint8_t *metadata = stream.bytes + stream.starts[1] + 8;
	size_t body_size = stream.starts[2] - stream.starts[1];
	message_decode(metadata, body_size, &message, "stream", &failure);
	for (uint8_t *at = metadata; at < metadata + 64; at += 8) /* the Message table is at the start, its fields aligned */
		if (flat_int64_at(at) == message.body_length)
			memcpy(at, &(int64_t){ (int64_t)1 << 62 }, 8);
	assert_int_equal(message_decode(metadata, body_size, &message, "stream", &failure), 0);
	assert_true(message.body_length == (int64_t)1 << 62);
	assert_refused(stream.bytes, stream.size, "cut short after record 0");
	memcpy(stream.bytes + stream.starts[1] + 4, &(uint32_t){ METADATA_LIMIT }, 4);
	assert_refused(stream.bytes, stream.size, "cut short after record 0");
	memcpy(stream.bytes + stream.starts[1] + 4, &(uint32_t){ METADATA_LIMIT + 8 }, 4);
	assert_refused(stream.bytes, stream.size, "metadata of 16777224 bytes");
	free(stream.bytes);
}

static void tells_no_total_of_a_pipe(void **state) {
	(void)state;
	struct stream stream = make_stream(7, -1), told = make_stream(7, 7);
	struct stream *streams[] = { &stream, &told };
	for (int i = 0; i < 2; i++) {
		int ends[2];
		struct failure failure;
		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], streams[i]->bytes, streams[i]->size), streams[i]->size);
		close(ends[1]);
		struct reader *reader = reader_open(ends[0], "pipe", &failure);
		assert_int_equal(reader_total(reader), i == 0 ? -1 : 7);
		reader_close(reader);
		close(ends[0]);
		free(streams[i]->bytes);
	}
}

/* Epochs of the given numbers of records, ended by 0, in a stream whose metadata says so when `said`. */
static struct stream make_epochs(const int *counts, bool said) {
	int descriptor = memfd_create("stream", 0);
	struct schema schema = { 0 };
	struct stream_info info;
	struct failure failure;
	struct stream stream;
	int epochs = 0;
	while (counts[epochs] > 0)
		epochs++;
	schema_add_int(&schema, "epoch", 32);
	stream_info_init(&info);
	if (said)
		stream_info_set_epochs(&info, epochs, counts[0], &failure);
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, &failure);
	for (int epoch = 0; epoch < epochs; epoch++)
		for (int i = 0; i < counts[epoch]; i++) {
			builder_append_integer(writer_column(writer, 0), epoch + 1);
			assert_int_equal(writer_end_row(writer, &failure), 0);
		}
	assert_int_equal(writer_close(writer, &failure), 0);
	schema_clear(&schema);
	take_bytes(descriptor, &stream);
	return stream;
}

static int64_t batches_of(int descriptor, int64_t size) {
	struct failure failure;
	struct batch *batch;
	struct reader *reader = reader_open(descriptor, "input", &failure);
	int64_t batches = reader_batches(reader, size), records = 0;
	while (reader_next(reader, &batch, &failure) > 0) {
		records += batch->rows;
		batch_free(batch);
	}
	assert_true(batches < 0 || records >= batches); /* the stream is still read from its beginning */
	reader_close(reader);
	close(descriptor);
	return batches;
}

/* No batch crosses an epoch: 1000 records, 3 epochs and batches of 64 make 3 * 16, not 47. */
static void counts_batches_by_epoch(void **state) {
	(void)state;
	static const struct { int counts[4]; int64_t size, batches; } cases[] = { { { 1000, 1000, 1000 }, 64, 48 },
		{ { 5, 5, 5 }, 100, 3 }, { { 64, 64 }, 64, 2 }, { { 65, 65 }, 64, 4 }, { { 3, 7 }, 3, 4 }, { { 9 }, 2, 5 } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct stream stream = make_epochs(cases[i].counts, true);
		int ends[2];
		assert_int_equal(batches_of(open_bytes(stream.bytes, stream.size), cases[i].size), cases[i].batches);
		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], stream.bytes, stream.size), stream.size);
		close(ends[1]);
		bool even = cases[i].counts[1] == 0 || cases[i].counts[1] == cases[i].counts[0];
		assert_int_equal(batches_of(ends[0], cases[i].size), even ? cases[i].batches : 2);
		free(stream.bytes);
	}
	struct stream told = make_stream(10, 10), untold = make_epochs((const int[]){ 3, 3, 0 }, false);
	int ends[2];
	assert_int_equal(batches_of(open_bytes(told.bytes, told.size), 4), 3); /* no column: one epoch */
	assert_int_equal(batches_of(open_bytes(untold.bytes, untold.size), 2), 4);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], untold.bytes, untold.size), untold.size);
	close(ends[1]);
	assert_int_equal(batches_of(ends[0], 2), -1);
	assert_int_equal(batches_of(open_bytes(untold.bytes, untold.size - 1), 2), -1); /* a damaged file */
	free(told.bytes);
	free(untold.bytes);
}

/* A large record ends its batch. */
static void cuts_batches_by_bytes(void **state) {
	(void)state;
	int descriptor = memfd_create("stream", 0);
	struct schema schema = { 0 };
	struct stream_info info;
	struct failure failure;
	struct stream stream;
	char *text = allocate(700000, 1);
	schema_add_utf8(&schema, "text");
	stream_info_init(&info);
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, &failure);
	for (int row = 0; row < 5; row++) {
		builder_append_bytes(writer_column(writer, 0), text, 700000);
		assert_int_equal(writer_end_row(writer, &failure), 0);
	}
	assert_int_equal(writer_close(writer, &failure), 0);
	take_bytes(descriptor, &stream);
	find_messages(&stream);
	assert_int_equal(stream.count, 1 + 3 + 1 + 1);
	assert_int_equal(read_all(stream.bytes, stream.size, &failure), 5);
	schema_clear(&schema);
	free(stream.bytes);
	free(text);
}

static void carries_unknown_columns(void **state) {
	(void)state;
	struct stream stream = make_stream(1500, -1), result;
	int input = open_bytes(stream.bytes, stream.size), output = memfd_create("stream", 0);
	struct failure failure;
	struct schema schema = { 0 };
	struct batch *batch;
	struct reader *reader = reader_open(input, "input", &failure);
	struct carried *carried = carried_create(reader_schema(reader), (const char *[]){ "list", "not there", NULL });
	schema_add_int(&schema, "own", 32);
	carried_add_fields(carried, &schema);
	assert_int_equal(schema.count, 3);
	assert_int_equal(schema_find(&schema, "text"), 1);
	assert_int_equal(schema_find(&schema, "row"), 2);
	struct writer *writer = writer_open(output, "output", &schema, reader_info(reader), &failure);
	while (reader_next(reader, &batch, &failure) > 0) {
		for (int64_t row = 0; row < batch->rows; row++) {
			builder_append_integer(writer_column(writer, 0), row);
			carried_append(carried, batch, row, writer);
			writer_end_row(writer, &failure);
		}
		batch_free(batch);
	}
	assert_int_equal(writer_close(writer, &failure), 0);
	carried_destroy(carried);
	reader_close(reader);
	schema_clear(&schema);
	close(input);
	take_bytes(output, &result);
	assert_int_equal(read_all(result.bytes, result.size, &failure), 1500);
	free(stream.bytes);
	free(result.bytes);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(may_be_empty),
		cmocka_unit_test(notices_a_cut_at_every_byte),
		cmocka_unit_test(notices_every_damaged_bit),
		cmocka_unit_test(survives_damage_without_a_checksum),
		cmocka_unit_test(notices_rearranged_batches),
		cmocka_unit_test(notices_wrong_totals),
		cmocka_unit_test(refuses_wrong_children),
		cmocka_unit_test(poisons_what_is_not_whole),
		cmocka_unit_test(believes_no_length),
		cmocka_unit_test(believes_no_number_of_rows),
		cmocka_unit_test(ends_no_message_at_the_end_of_a_page),
		cmocka_unit_test(tells_no_total_of_a_pipe),
		cmocka_unit_test(counts_batches_by_epoch),
		cmocka_unit_test(cuts_batches_by_bytes),
		cmocka_unit_test(carries_unknown_columns),
	};
	return cmocka_run_group_tests_name("record/stream", tests, NULL, NULL);
}
