/* Bytes wait in two buffers: as read, and inflated. zlib is fastest with room for many bytes at once, whatever
 * the caller asks for at a time. A plain file uses the second buffer alone. */
#include "corpus/inflate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/cli.h"

enum { BUFFER_SIZE = 1 << 17, GZIP_WINDOW = 15 + 16 };

struct inflate_reader {
	int descriptor;
	const char *name;
	enum { FORMAT_UNKNOWN, FORMAT_PLAIN, FORMAT_GZIP } format;
	bool input_ended;
	bool in_member;
	z_stream zlib; /* next_in, avail_in: what was read and not yet inflated */
	unsigned char input[BUFFER_SIZE];
	unsigned char output[BUFFER_SIZE];
	size_t next, count; /* of output: what the caller has not had is [next, count) */
};

struct inflate_reader *inflate_open(int descriptor, const char *name) {
	struct inflate_reader *reader = allocate(1, sizeof *reader);
	reader->descriptor = descriptor;
	reader->name = name;
	return reader;
}

/* Reads once. Returns the bytes got, 0 at the end. */
static ptrdiff_t read_some(struct inflate_reader *reader, unsigned char *buffer, size_t room,
	struct failure *failure) {
	ssize_t got;
	do
		got = read(reader->descriptor, buffer, room);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail(failure, EX_IOERR, "%s: %s", reader->name, strerror(errno));
	reader->input_ended = got == 0;
	return got;
}

/* Reads on until at least `wanted` bytes wait to be inflated, or the input has ended. */
static int want_input(struct inflate_reader *reader, size_t wanted, struct failure *failure) {
	z_stream *zlib = &reader->zlib;
	while (zlib->avail_in < wanted && !reader->input_ended) {
		if (zlib->avail_in > 0)
			memmove(reader->input, zlib->next_in, zlib->avail_in);
		zlib->next_in = reader->input;
		ptrdiff_t got = read_some(reader, reader->input + zlib->avail_in, BUFFER_SIZE - zlib->avail_in, failure);
		if (got < 0)
			return -1;
		zlib->avail_in += (uInt)got;
	}
	return 0;
}

static bool gzip_begins(const z_stream *zlib) {
	return zlib->avail_in >= 2 && zlib->next_in[0] == 0x1f && zlib->next_in[1] == 0x8b;
}

static int find_format(struct inflate_reader *reader, struct failure *failure) {
	if (want_input(reader, 2, failure) < 0)
		return -1;
	if (gzip_begins(&reader->zlib)) {
		if (inflateInit2(&reader->zlib, GZIP_WINDOW) != Z_OK)
			return fail(failure, EX_OSERR, "%s: zlib cannot start", reader->name);
		reader->format = FORMAT_GZIP;
		reader->in_member = true;
	} else {
		reader->format = FORMAT_PLAIN;
		reader->count = reader->zlib.avail_in;
		memcpy(reader->output, reader->input, reader->count);
	}
	return 0;
}

/* After a member: another one, or the end. Zeros that pad the file to a block are no data. */
static int next_member(struct inflate_reader *reader, struct failure *failure) {
	z_stream *zlib = &reader->zlib;
	for (;;) {
		if (want_input(reader, 2, failure) < 0)
			return -1;
		if (gzip_begins(zlib)) {
			reader->in_member = true;
			inflateReset(zlib);
			return 0;
		}
		if (zlib->avail_in == 0)
			return 0;
		if (zlib->next_in[0] != 0)
			return fail(failure, EX_DATAERR, "%s: more bytes after the gzip data (damaged, or not one file)",
				reader->name);
		zlib->next_in++;
		zlib->avail_in--;
	}
}

/* Fills the output buffer; leaves it empty at the end. */
static int inflate_some(struct inflate_reader *reader, struct failure *failure) {
	z_stream *zlib = &reader->zlib;
	zlib->next_out = reader->output;
	zlib->avail_out = BUFFER_SIZE;
	while (zlib->avail_out > 0 && reader->in_member) {
		if (want_input(reader, 1, failure) < 0)
			return -1;
		if (zlib->avail_in == 0)
			return fail(failure, EX_DATAERR, "%s: cut short within the gzip data (copy or download it again)",
				reader->name);
		int status = inflate(zlib, Z_NO_FLUSH);
		if (status == Z_STREAM_END) {
			reader->in_member = false;
			if (next_member(reader, failure) < 0)
				return -1;
		} else if (status == Z_MEM_ERROR) {
			return fail(failure, EX_OSERR, "%s: no memory to inflate it", reader->name);
		} else if (status != Z_OK && status != Z_BUF_ERROR) {
			return fail(failure, EX_DATAERR, "%s: damaged gzip data: %s (copy or download it again)", reader->name,
				zlib->msg != NULL ? zlib->msg : "it cannot be inflated");
		}
	}
	reader->count = BUFFER_SIZE - zlib->avail_out;
	return 0;
}

static int fill(struct inflate_reader *reader, struct failure *failure) {
	reader->next = reader->count = 0;
	if (reader->format == FORMAT_UNKNOWN && find_format(reader, failure) < 0)
		return -1;
	if (reader->format == FORMAT_GZIP)
		return inflate_some(reader, failure);
	if (reader->count > 0 || reader->input_ended)
		return 0;
	ptrdiff_t got = read_some(reader, reader->output, BUFFER_SIZE, failure);
	reader->count = got < 0 ? 0 : (size_t)got;
	return got < 0 ? -1 : 0;
}

ptrdiff_t inflate_read(struct inflate_reader *reader, void *buffer, size_t size, struct failure *failure) {
	size_t done = 0;
	while (done < size) {
		if (reader->next == reader->count) {
			if (fill(reader, failure) < 0)
				return -1;
			if (reader->count == 0)
				break;
		}
		size_t part = reader->count - reader->next;
		if (part > size - done)
			part = size - done;
		memcpy((char *)buffer + done, reader->output + reader->next, part);
		reader->next += part;
		done += part;
	}
	return (ptrdiff_t)done;
}

void inflate_close(struct inflate_reader *reader) {
	if (reader == NULL)
		return;
	if (reader->format == FORMAT_GZIP)
		inflateEnd(&reader->zlib);
	free(reader);
}
