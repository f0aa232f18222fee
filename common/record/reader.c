/* One message at a time: 8 bytes, the metadata, the body, each into memory that grows as bytes arrive. A batch's body
 * is kept as it came, and its columns point into it once every node and buffer has been held against the schema. */
#include "base/crc.h"
#include "base/memory.h"
#include "record/layout.h"
#include "record/message.h"
#include "record/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


struct reader {
	int descriptor;
	off_t start;           /* of the stream in a file; -1 where the input has no places, as a pipe */
	char *name;
	struct schema schema;
	struct stream_info info;
	struct bytes metadata; /* of the current message */
	int64_t records, batches;
	uint32_t digest;
	bool totals_seen, ended;
};

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

volatile sig_atomic_t reader_interrupted;

/* ---- bytes --------------------------------------------------------------------------------------------- */

static int cut_short(const struct reader *reader, struct failure *failure) {
	return fail(failure, EX_DATAERR, "%s: cut short after record %" PRId64 ": no end-of-stream marker "
		"(the stage that writes it failed, or the file is not whole)", reader->name, reader->records);
}

/* Up to `size` bytes, fewer only at the end. -1: 74. */
static ptrdiff_t read_bytes(const struct reader *reader, void *to, size_t size, struct failure *failure) {
	size_t done = 0;
	while (done < size) {
		ssize_t got = read(reader->descriptor, (char *)to + done, size - done);
		if (got == 0)
			break;
		if (got > 0)
			done += (size_t)got;
		else if (errno != EINTR || reader_interrupted)
			return fail(failure, EX_IOERR, "%s: cannot read: %s", reader->name, strerror(errno));
	}
	return (ptrdiff_t)done;
}

/* Exactly `size` bytes to *memory, which has `room`: memory is doubled as bytes arrive, for `size` is only what the
 * stream says. -1: 65 when it ends before, or 74. */
static int read_growing(const struct reader *reader, uint8_t **memory, size_t *capacity, size_t size,
	struct failure *failure) {
	const size_t first_step = 1 << 20;
	for (size_t done = 0; done < size;) {
		if (*capacity == done || *memory == NULL) {
			*capacity = done * 2 > first_step ? done * 2 : first_step;
			*capacity = *capacity > size ? size : *capacity;
			*memory = grow(*memory, *capacity, 1);
		}
		size_t step = (*capacity < size ? *capacity : size) - done;
		ptrdiff_t got = read_bytes(reader, *memory + done, step, failure);
		if (got < 0)
			return -1;
		if ((size_t)got < step)
			return cut_short(reader, failure);
		done += step;
	}
	return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

/* What else the first bytes may be, with a way to make a stream of it; NULL: no idea. */
static const char *other_format(const uint8_t *start, size_t size) {
	static const struct { const char *magic, *text; } formats[] = {
		{ "ARROW1", "an Arrow file, not a stream (pyarrow: ipc.new_stream(out, table.schema).write_table(table))" },
		{ "FEA1", "a Feather file (read it with pyarrow.feather and write it with ipc.new_stream())" },
		{ "PAR1", "a Parquet file (read it with pyarrow.parquet and write it with ipc.new_stream())" },
		{ "\x1f\x8b", "compressed with gzip (gzip -dc before this stage)" },
		{ "{", "JSON? (rec-load makes a stream of JSON lines)" }
	};
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		size_t length = strlen(formats[i].magic);
		if (size >= length && memcmp(start, formats[i].magic, length) == 0)
			return formats[i].text;
	}
	return NULL;
}

/* Reads the 8 bytes in front of a message and its metadata. Returns the metadata's length, 0 for the end-of-stream
 * marker, -1: 65 or 74. */
static int64_t read_metadata(struct reader *reader, bool first, struct failure *failure) {
	uint8_t start[CONTINUATION_SIZE];
	uint32_t marker = 0, size = 0;
	ptrdiff_t got = read_bytes(reader, start, sizeof start, failure);
	if (got < 0)
		return -1;
	if (first && got == 0)
		return fail(failure, EX_DATAERR, "%s: no stream: the input is empty (the stage before it failed?)",
			reader->name);
	if (first && other_format(start, (size_t)got) != NULL)
		return fail(failure, EX_DATAERR, "%s: %s", reader->name, other_format(start, (size_t)got));
	if ((size_t)got < sizeof start)
		return cut_short(reader, failure);
	memcpy(&marker, start, 4);
	memcpy(&size, start + 4, 4);
	if (marker != 0xffffffff && first)
		return fail(failure, EX_DATAERR, "%s: no Arrow IPC stream, or one from before Arrow 0.15 "
			"(write it with a newer one)", reader->name);
	if (marker != 0xffffffff)
		return fail(failure, EX_DATAERR, "%s: damaged after record %" PRId64 ": no message begins there", reader->name,
			reader->records);
	if (size == 0x7fffffff)
		return fail(failure, EX_DATAERR, "%s: the stage that writes it failed after record %" PRId64
			" (its message tells why)", reader->name, reader->records);
	if (size > METADATA_LIMIT)
		return fail(failure, EX_DATAERR, "%s: damaged after record %" PRId64 ": metadata of %" PRIu32
			" bytes (at most %d)", reader->name, reader->records, size, METADATA_LIMIT);
	if (read_growing(reader, &reader->metadata.data, &reader->metadata.capacity, size, failure) < 0)
		return -1;
	return size;
}

static int read_schema(struct reader *reader, struct failure *failure) {
	struct message message;
	char *cloze;
	int64_t size = read_metadata(reader, true, failure);
	if (size < 0)
		return -1;
	if (size == 0)
		return fail(failure, EX_DATAERR, "%s: no schema before the end-of-stream marker", reader->name);
	if (message_decode(reader->metadata.data, (size_t)size, &message, reader->name, failure) < 0)
		return -1;
	message_clear(&message);
	if (message.kind != MESSAGE_SCHEMA || message.body_length != 0)
		return fail(failure, EX_DATAERR, "%s: does not begin with a schema", reader->name);
	if (message_decode_schema(&message, &reader->schema, &cloze, reader->name, failure) < 0)
		return -1;
	if (cloze != NULL) {
		struct failure reason;
		int result = stream_info_parse(cloze, &reader->info, &reason);
		free(cloze);
		if (result < 0)
			return fail(failure, reason.status, "%s: %s", reader->name, reason.text);
	}
	return 0;
}

struct reader *reader_open(int descriptor, const char *name, struct failure *failure) {
	struct reader *reader = allocate(1, sizeof *reader);
	*reader = (struct reader){ .descriptor = descriptor, .start = lseek(descriptor, 0, SEEK_CUR), .name = copy_text(name) };
	stream_info_init(&reader->info);
	fcntl(descriptor, F_SETPIPE_SZ, 1 << 20); /* a batch at a time; anything but a pipe refuses, to no harm */
	if (read_schema(reader, failure) == 0)
		return reader;
	reader_close(reader);
	return NULL;
}

void reader_close(struct reader *reader) {
	if (reader == NULL)
		return;
	free(reader->name);
	schema_clear(&reader->schema);
	stream_info_clear(&reader->info);
	free(reader->metadata.data);
	free(reader);
}

const char *reader_name(const struct reader *reader) {
	return reader->name;
}

const struct schema *reader_schema(const struct reader *reader) {
	return &reader->schema;
}

const struct stream_info *reader_info(const struct reader *reader) {
	return &reader->info;
}

int64_t reader_records(const struct reader *reader) {
	return reader->records;
}

/* ---- columns of a batch -------------------------------------------------------------------------------- */

/* A walk through the nodes and buffers of a batch, in the order of the schema, depth first. */
struct walk {
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
	if (layout.kind != LAYOUT_NULL) {
		const uint8_t *validity;
		if (take_buffer(walk, node.null_count > 0 ? (uint64_t)(node.length + 7) / 8 : 0, &validity) < 0)
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
	/* What takes no bytes is not bounded by those that arrived. */
	if (layout.kind != LAYOUT_LIST && need == 0 && node.length > INT32_MAX)
		return damaged(walk, "a length is out of range");
	for (size_t i = 0; i < field->child_count; i++)
		if (load_column(walk, &field->children[i], child_length, false, &column->children[i]) < 0)
			return -1;
	return 0;
}

/* The batch with its columns. Takes over the body. NULL: 65. */
static struct batch *load_batch(const struct reader *reader, const struct message *message, uint8_t *body,
	const char *where, struct failure *failure) {
	struct held_batch *held = allocate(1, sizeof *held);
	*held = (struct held_batch){ .batch = { message->rows, allocate(reader->schema.count, sizeof(struct column)) },
		.body = body };
	struct walk walk = { .message = message, .body = body, .where = where, .failure = failure };
	while (held->column_count < reader->schema.count) {
		const struct field *field = &reader->schema.fields[held->column_count];
		walk.column = field->name;
		if (load_column(&walk, field, message->rows, true, &held->batch.columns[held->column_count++]) < 0) {
			batch_free(&held->batch);
			return NULL;
		}
	}
	if (walk.node == message->nodes.count && walk.buffer == message->buffers.count)
		return &held->batch;
	batch_free(&held->batch);
	fail(failure, EX_DATAERR, "%s: damaged metadata: more nodes or buffers than columns", where);
	return NULL;
}

/* ---- checks -------------------------------------------------------------------------------------------- */

static bool text_differs(const json_t *json, const char *key, const char *expected) {
	const char *text = json_string_value(json_object_get(json, key));
	return json_object_get(json, key) != NULL && (text == NULL || strcmp(text, expected) != 0);
}

static bool number_differs(const json_t *json, const char *key, int64_t expected) {
	const json_t *number = json_object_get(json, key);
	return number != NULL && (!json_is_integer(number) || json_integer_value(number) != expected);
}

/* Holds a batch against the metadata that cloze gave it, as far as that is there, and counts it in. */
static int check_batch(struct reader *reader, const struct message *message, uint32_t crc, const char *where,
	struct failure *failure) {
	char crc_text[16], digest[16];
	if (reader->totals_seen)
		return fail(failure, EX_DATAERR, "%s: a batch follows the totals", where);
	snprintf(crc_text, sizeof crc_text, "%08" PRIx32, crc);
	if (message->rows > 0)
		reader->digest = crc32_join(reader->digest, crc, (size_t)message->body_length);
	snprintf(digest, sizeof digest, "crc32:%08" PRIx32, reader->digest);
	int64_t records = reader->records + message->rows, sequence = reader->batches++;
	if (message->cloze == NULL)
		return 0;

	json_t *json = json_loads(message->cloze, 0, NULL);
	const char *wrong = !json_is_object(json) ? "its metadata `cloze` is no JSON object"
		: number_differs(json, "sequence", sequence) ? "a batch is missing or out of order"
		: text_differs(json, "crc32", crc_text) ? "the CRC-32 of the next batch is not the one it carries"
		: number_differs(json, "records", records) ? "the totals tell of another number of records"
		: text_differs(json, "digest", digest) ? "the digest of the whole stream is not the one it carries" : NULL;
	reader->totals_seen = json_object_get(json, "records") != NULL;
	json_decref(json);
	return wrong == NULL ? 0
		: fail(failure, EX_DATAERR, "%s: %s (the stream was changed or damaged on its way)", where, wrong);
}

static int check_end(struct reader *reader, struct failure *failure) {
	char byte;
	reader->ended = true;
	ptrdiff_t got = read_bytes(reader, &byte, 1, failure);
	if (got > 0)
		return fail(failure, EX_DATAERR, "%s: data after the end-of-stream marker, record %" PRId64
			" (a stream cannot be appended to another with cat)", reader->name, reader->records);
	return (int)got;
}

/* The message whose metadata has been read: its body and its columns. */
static int read_batch(struct reader *reader, const struct message *message, const char *where, struct batch **batch,
	struct failure *failure) {
	uint8_t *body = NULL;
	size_t capacity = 0, size = (size_t)message->body_length;
	if (message->kind != MESSAGE_RECORD_BATCH)
		return fail(failure, EX_DATAERR, message->kind == MESSAGE_DICTIONARY
			? "%s: a dictionary (decode dictionary columns: pyarrow column.dictionary_decode())"
			: "%s: damaged metadata: a message that is no record batch", where);
	if (read_growing(reader, &body, &capacity, size, failure) < 0
			|| check_batch(reader, message, crc32_extend(0, body, size), where, failure) < 0) {
		free(body);
		return -1;
	}
	*batch = load_batch(reader, message, body, where, failure);
	return *batch == NULL ? -1 : 0;
}

int reader_next(struct reader *reader, struct batch **batch, struct failure *failure) {
	*batch = NULL;
	while (!reader->ended) {
		struct message message;
		char where[512];
		int64_t size = read_metadata(reader, false, failure);
		if (size < 0)
			return -1;
		if (size == 0)
			return check_end(reader, failure);
		snprintf(where, sizeof where, "%s: after record %" PRId64, reader->name, reader->records);
		if (message_decode(reader->metadata.data, (size_t)size, &message, where, failure) < 0)
			return -1;
		int result = read_batch(reader, &message, where, batch, failure);
		message_clear(&message);
		if (result < 0)
			return -1;
		reader->records += (*batch)->rows;
		if ((*batch)->rows > 0)
			return 1;
		batch_free(*batch);
		*batch = NULL;
	}
	return 0;
}

/* ---- looking ahead ------------------------------------------------------------------------------------- */

/* Rows of the message at `place`, and where the next one begins. Returns 1, 0 at the end-of-stream marker, -1 for
 * anything that reader_next() will complain about. */
static int peek_message(const struct reader *reader, off_t *place, struct bytes *metadata, int64_t *rows) {
	uint32_t start[2];
	struct message message;
	struct failure ignored;
	if (pread(reader->descriptor, start, sizeof start, *place) != sizeof start || start[0] != 0xffffffff
			|| start[1] > METADATA_LIMIT)
		return -1;
	if (start[1] == 0)
		return 0;
	metadata->size = 0;
	if (pread(reader->descriptor, bytes_extend(metadata, start[1]), start[1], *place + 8) != (ssize_t)start[1]
			|| message_decode(metadata->data, start[1], &message, reader->name, &ignored) < 0)
		return -1;
	message_clear(&message);
	*rows = message.rows;
	*place += 8 + (off_t)start[1];
	return __builtin_add_overflow(*place, message.body_length, place) ? -1 : 1;
}

static bool is_regular_file(const struct reader *reader) {
	struct stat status;
	return reader->start >= 0 && fstat(reader->descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

int64_t reader_total(struct reader *reader) {
	struct bytes metadata = { 0 };
	off_t place = lseek(reader->descriptor, 0, SEEK_CUR);
	int64_t total = reader->records, rows = 0;
	int more = 1;
	if (reader->ended)
		return total;
	if (!is_regular_file(reader))
		return reader->info.records;
	while ((more = peek_message(reader, &place, &metadata, &rows)) > 0)
		total += rows;
	free(metadata.data);
	return more < 0 ? -1 : total;
}

/* The batches of one epoch after the other, as the records come. */
struct epoch_count { int64_t size, batches, records, epoch; };

static void count_record(struct epoch_count *count, int64_t epoch) {
	if (count->batches == 0 || epoch != count->epoch || count->records == count->size) {
		count->batches++;
		count->records = 0;
	}
	count->records++;
	count->epoch = epoch;
}

/* Reads the whole stream. Returns the batches, -1 for a stream that reader_next() refuses. */
static int64_t count_batches(struct reader *reader, int64_t size) {
	struct epoch_count count = { .size = size };
	struct failure failure;
	struct batch *batch;
	int column = schema_find(reader_schema(reader), "epoch"), more;
	if (column >= 0 && reader_find_int(reader, "epoch", &failure) < 0)
		return -1;
	while ((more = reader_next(reader, &batch, &failure)) > 0) {
		for (int64_t row = 0; row < batch->rows; row++)
			count_record(&count, column < 0 ? 1 : column_integer(&batch->columns[column], row, 1));
		batch_free(batch);
	}
	return more < 0 ? -1 : count.batches;
}

static int64_t round_up_quotient(int64_t dividend, int64_t divisor) {
	return dividend / divisor + (dividend % divisor != 0);
}

int64_t reader_batches(struct reader *reader, int64_t size) {
	const struct stream_info *info = &reader->info;
	struct failure ignored;
	int64_t batches = -1;
	if (schema_find(&reader->schema, "epoch") < 0) {
		int64_t total = reader_total(reader);
		return total < 0 ? -1 : round_up_quotient(total, size);
	}
	if (!is_regular_file(reader))
		return info->epochs < 0 || __builtin_mul_overflow(info->epochs, round_up_quotient(info->records_per_epoch, size),
			&batches) ? -1 : batches;
	off_t place = lseek(reader->descriptor, 0, SEEK_CUR);
	struct reader *again = lseek(reader->descriptor, reader->start, SEEK_SET) < 0 ? NULL
		: reader_open(reader->descriptor, reader->name, &ignored);
	if (again != NULL)
		batches = count_batches(again, size);
	reader_close(again);
	return lseek(reader->descriptor, place, SEEK_SET) < 0 ? -1 : batches;
}

/* ---- finding columns ----------------------------------------------------------------------------------- */

/* Which streams have a column, and what makes them. */
static const char *column_source(const char *name) {
	static const struct { const char *name, *source; } sources[] = {
		{ "text", "a stream of text has it, as imdb-read writes" },
		{ "label", "a stream of text has it, as imdb-read writes" },
		{ "name", "a stream of text has it, as imdb-read writes" },
		{ "input_ids", "a stream of tokens, chunks or masked records has it, as wordpiece writes" },
		{ "word_ids", "a stream of tokens or chunks has it, as wordpiece and group-texts write" },
		{ "labels", "a stream of masked records has it, as wwm-mask and random-mask write" },
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

static bool is_int_list(const struct field *field) {
	return (field->type.id == TYPE_LIST || field->type.id == TYPE_LARGE_LIST || field->type.id == TYPE_FIXED_SIZE_LIST)
		&& is_int(&field->children[0]);
}

static int find(const struct reader *reader, const char *name, bool (*fits)(const struct field *), const char *kind,
	struct failure *failure) {
	int index = schema_find(&reader->schema, name);
	if (index < 0)
		return fail(failure, EX_DATAERR, "%s: no column %s (%s)", reader->name, name, column_source(name));
	const struct field *field = &reader->schema.fields[index];
	if (fits(field))
		return index;
	char *type = type_text(field);
	fail(failure, EX_DATAERR, "%s: column %s is %s, not %s (%s)", reader->name, name, type, kind, column_source(name));
	free(type);
	return -1;
}

int reader_find_int_list(const struct reader *reader, const char *name, struct failure *failure) {
	return find(reader, name, is_int_list, "a list of integers", failure);
}

int reader_find_int(const struct reader *reader, const char *name, struct failure *failure) {
	return find(reader, name, is_int, "an integer", failure);
}

int reader_find_text(const struct reader *reader, const char *name, struct failure *failure) {
	return find(reader, name, is_text, "a string", failure);
}
