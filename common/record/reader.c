/* reader.c: reads one message at a time: 8 bytes, the metadata, the body, each into memory that grows as bytes
 * arrive. */
#include "record/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/memory.h"
#include "record/decode.h"

/* ---- bytes --------------------------------------------------------------------------------------------- */

static int cut_short(const struct reader *reader, struct failure *failure) {
	return fail(failure, EX_DATAERR, "%s: cut short after record %" PRId64 ": no end-of-stream marker "
		"(the stage that wrote it failed, or the file is incomplete)", reader->name, reader->records);
}

/* Waits until there is input, or its end, and calls `woken` meanwhile. -1: what `woken` says. */
static int wait_for_input(const struct reader *reader, struct failure *failure) {
	struct pollfd polled[] = { { reader->descriptor, POLLIN, 0 }, { reader->wake.descriptor, POLLIN, 0 } };
	while (reader->wake.descriptor >= 0 && poll(polled, 2, -1) != 0) {
		if (polled[1].revents != 0 && reader->wake.woken(reader->wake.context, failure) < 0)
			return -1;
		if (polled[0].revents != 0)
			break;
	}
	return 0;
}

/* Reads `size` bytes, or fewer at the end of the input. Returns how many. -1: 74. */
static ptrdiff_t read_bytes(const struct reader *reader, void *to, size_t size, struct failure *failure) {
	size_t done = 0;
	while (done < size) {
		if (wait_for_input(reader, failure) < 0)
			return -1;
		ssize_t got = read(reader->descriptor, (char *)to + done, size - done);
		if (got == 0)
			break;
		if (got > 0)
			done += (size_t)got;
		else if (errno != EINTR)
			return fail(failure, EX_IOERR, "%s: cannot read: %s", reader->name, strerror(errno));
	}
	return (ptrdiff_t)done;
}

/* Reads exactly `size` bytes to *memory, of *capacity bytes. The memory is doubled as bytes arrive, for `size` is
 * only what the stream claims. -1: 65 when the input ends before, or 74. */
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

/* Whether all bytes may be those of a text. */
static bool is_text(const uint8_t *bytes, size_t size) {
	for (size_t i = 0; i < size; i++)
		if ((bytes[i] < ' ' && bytes[i] != '\t' && bytes[i] != '\n' && bytes[i] != '\r') || bytes[i] >= 0xf8)
			return false;
	return true;
}

/* The format that the first bytes are of, where it is another than Arrow's, and how to make a stream of it; NULL:
 * unknown. */
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
	return is_text(start, size)
		? "no Arrow IPC stream, but text? (imdb-read --format lines makes a stream of lines of text)" : NULL;
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

/* Counts the bytes of a message in: its metadata, in which the digits of a checksum are 0 by now, and its body. */
static void count_bytes(struct reader *reader, size_t size, uint32_t body_crc, size_t body_size) {
	const uint32_t start[2] = { 0xffffffff, (uint32_t)size };
	reader->crc = crc32_extend(crc32_extend(reader->crc, start, sizeof start), reader->metadata.data, size);
	reader->crc = crc32_join(reader->crc, body_crc, body_size);
	reader->arrived += size + body_size;
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
	if (message.kind != MESSAGE_SCHEMA || message.body_length != 0)
		return fail(failure, EX_DATAERR, "%s: does not begin with a schema", reader->name);
	if (message_decode_schema(&message, &reader->stored, &cloze, reader->name, failure) < 0)
		return -1;
	schema_copy_plain(&reader->schema, &reader->stored);
	reader->decoder = decoder_create(&reader->stored);
	count_bytes(reader, (size_t)size, 0, 0);
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
	*reader = (struct reader){ .descriptor = descriptor, .start = lseek(descriptor, 0, SEEK_CUR),
		.name = copy_text(name), .wake.descriptor = -1 };
	stream_info_init(&reader->info);
	fcntl(descriptor, F_SETPIPE_SZ, 1 << 20); /* a batch's size; fails, without harm, where the input is no pipe */
	if (read_schema(reader, failure) == 0)
		return reader;
	reader_close(reader);
	return NULL;
}

void reader_close(struct reader *reader) {
	if (reader == NULL)
		return;
	free(reader->name);
	batch_free(reader->encoded);
	decoder_destroy(reader->decoder);
	schema_clear(&reader->stored);
	schema_clear(&reader->schema);
	stream_info_clear(&reader->info);
	free(reader->metadata.data);
	free(reader);
}

void reader_set_wake(struct reader *reader, struct reader_wake wake) {
	reader->wake = wake;
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

/* ---- checks -------------------------------------------------------------------------------------------- */

static bool number_differs(const json_t *json, const char *key, int64_t expected) {
	const json_t *number = json_object_get(json, key);
	return number != NULL && (!json_is_integer(number) || json_integer_value(number) != expected);
}

/* The key `crc32` of cloze 0.1: the CRC-32 of the body alone. */
static bool body_differs(const json_t *json, uint32_t body_crc) {
	char expected[16];
	const json_t *text = json_object_get(json, "crc32");
	snprintf(expected, sizeof expected, "%08" PRIx32, body_crc);
	return text != NULL && (!json_is_string(text) || strcmp(json_string_value(text), expected) != 0);
}

static const char *check_json(struct reader *reader, const struct message *message, const json_t *json,
	uint32_t body_crc) {
	int64_t records = reader->records + message->rows;
	reader->totals_seen = json_object_get(json, "records") != NULL;
	return !json_is_object(json) ? "its metadata `cloze` is no JSON object"
		: number_differs(json, "sequence", reader->messages) ? "a batch is missing or out of order"
		: body_differs(json, body_crc) ? "the CRC-32 of the next batch is not the one it carries"
		: number_differs(json, "records", records) ? "the totals tell of another number of records" : NULL;
}

/* The kind of checksum that a batch carries; all batches of a stream carry the same one. */
static enum checks checks_of(const json_t *json, const char *digits) {
	return digits != NULL ? CHECKED_ALL
		: json_object_get(json, "crc32") != NULL || json_object_get(json, "digest") != NULL ? CHECKED_BODY : UNCHECKED;
}

/* Compares a batch with what its own metadata says, as far as that is there. */
static int check_batch(struct reader *reader, const struct message *message, size_t metadata_size, uint32_t body_crc,
	const char *where, struct failure *failure) {
	char expected[16], carried[16] = "", *digits = NULL;
	if (reader->totals_seen)
		return fail(failure, EX_DATAERR, "%s: a batch follows the totals", where);
	if (message->cloze != NULL && (digits = checksum_digits(message->cloze, message->cloze_length)) != NULL) {
		memcpy(carried, digits, 8);
		memset(digits, '0', 8);
	}
	count_bytes(reader, metadata_size, body_crc, (size_t)message->body_length);
	snprintf(expected, sizeof expected, "%08" PRIx32, reader->crc);
	json_t *json = message->cloze != NULL ? json_loadb(message->cloze, message->cloze_length, 0, NULL) : NULL;
	enum checks checks = checks_of(json, digits);
	const char *wrong = message->cloze != NULL ? check_json(reader, message, json, body_crc) : NULL;
	if (wrong == NULL && digits != NULL && strcmp(carried, expected) != 0)
		wrong = "the CRC-32 of all that came so far is not the one that the next batch carries";
	if (wrong == NULL && reader->messages > 0 && checks != reader->checks)
		wrong = "the checksum of the next batch is missing";
	json_decref(json);
	reader->checks = checks;
	reader->messages++;
	return wrong == NULL ? 0
		: fail(failure, EX_DATAERR, "%s: %s (the stream was changed or damaged on its way)", where, wrong);
}

static int check_end(struct reader *reader, struct failure *failure) {
	char byte;
	reader->ended = true;
	if (reader->checks == CHECKED_ALL && !reader->totals_seen)
		return fail(failure, EX_DATAERR, "%s: after record %" PRId64 ": the totals are missing (the stream was changed "
			"or damaged on its way)", reader->name, reader->records);
	ptrdiff_t got = read_bytes(reader, &byte, 1, failure);
	if (got > 0)
		return fail(failure, EX_DATAERR, "%s: data after the end-of-stream marker, record %" PRId64
			" (a stream cannot be appended to another with cat)", reader->name, reader->records);
	return (int)got;
}

/* ---- batches ------------------------------------------------------------------------------------------- */

/* How many bytes may be decoded from those that arrived. */
static size_t decoded_limit(const struct reader *reader) {
	return DECODED_FREE + DECODED_RATIO * reader->arrived;
}

/* Reads the body that follows the metadata, of `size` bytes, and checks the message. */
static int read_body(struct reader *reader, struct message *message, size_t size, const char *where,
	struct failure *failure) {
	size_t body_size = (size_t)message->body_length;
	if (read_growing(reader, &message->body.data, &message->body.capacity, body_size, failure) < 0)
		return -1;
	message->body.size = body_size;
	uint32_t crc = crc32_extend(0, message->body.data, body_size);
	if (message->kind == MESSAGE_RECORD_BATCH)
		return check_batch(reader, message, size, crc, where, failure);
	count_bytes(reader, size, crc, body_size);
	return 0;
}

static int take_dictionary(struct reader *reader, struct message *message, const char *where, struct failure *failure) {
	const struct field *values = decoder_values(reader->decoder, message->dictionary_id);
	if (values == NULL)
		return 0; /* of no column */
	struct batch *batch = batch_load(reader, message, values, 1, where, failure);
	int result = batch == NULL ? -1
		: decoder_add(reader->decoder, message, batch->columns, decoded_limit(reader), where, failure);
	batch_free(batch);
	return result;
}

/* Takes the columns of a message whose body is there. *batch becomes a batch with rows, if it is one that can be handed
 * out as it is. */
static int take_message(struct reader *reader, struct message *message, const char *where, struct batch **batch,
	struct failure *failure) {
	if (message->kind == MESSAGE_DICTIONARY)
		return take_dictionary(reader, message, where, failure);
	if (message->kind != MESSAGE_RECORD_BATCH)
		return fail(failure, EX_DATAERR, "%s: damaged metadata: a message that is no record batch", where);
	struct batch *loaded = batch_load(reader, message, reader->stored.fields, reader->stored.count, where, failure);
	if (loaded == NULL)
		return -1;
	if (loaded->rows == 0)
		batch_free(loaded);
	else if (reader->decoder == NULL)
		*batch = loaded;
	else
		reader->encoded = loaded;
	return 0;
}

/* Reads the next message, or the end. */
static int read_message(struct reader *reader, struct batch **batch, struct failure *failure) {
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
	int result = read_body(reader, &message, (size_t)size, where, failure) < 0 ? -1
		: take_message(reader, &message, where, batch, failure);
	message_clear(&message);
	return result;
}

/* The next slice of the batch that is decoded. */
static int next_slice(struct reader *reader, struct batch **batch, struct failure *failure) {
	char where[512];
	snprintf(where, sizeof where, "%s: after record %" PRId64, reader->name, reader->records);
	*batch = decode_slice(&reader->schema, reader->encoded, &reader->encoded_row, decoded_limit(reader), where,
		failure);
	if (*batch == NULL)
		return -1;
	if (reader->encoded_row == reader->encoded->rows) {
		batch_free(reader->encoded);
		reader->encoded = NULL;
		reader->encoded_row = 0;
	}
	return 0;
}

bool reader_ready(const struct reader *reader) {
	struct pollfd polled = { reader->descriptor, POLLIN, 0 };
	int arrived = 0;
	if (reader->ended || poll(&polled, 1, 0) != 1)
		return reader->ended;
	/* A file that does not tell how much there is has it all. */
	return (polled.revents & ~POLLIN) != 0 || ioctl(reader->descriptor, FIONREAD, &arrived) < 0
		|| arrived <= 0 || arrived > (int)sizeof(uint32_t);
}

int reader_next(struct reader *reader, struct batch **batch, struct failure *failure) {
	*batch = NULL;
	while (*batch == NULL && !reader->ended)
		if ((reader->encoded != NULL ? next_slice : read_message)(reader, batch, failure) < 0)
			return -1;
	if (*batch == NULL)
		return 0;
	reader->records += (*batch)->rows;
	return 1;
}
