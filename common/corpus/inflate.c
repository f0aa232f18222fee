/* Two threads and a ring of blocks between them: one thread reads and inflates, a block at a time, the other is the
 * caller's. zlib is fastest with room for many bytes at once, so a block is filled before it is handed on. */
#include "corpus/inflate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/cli.h"

enum { BLOCK_SIZE = INFLATE_FIRST, BLOCKS = 8, GZIP_WINDOW = 15 + 16 };

struct block {
	size_t count; /* fewer than BLOCK_SIZE only at the end */
	unsigned char bytes[BLOCK_SIZE];
};

struct inflate_reader {
	int descriptor;
	const char *name;

	/* The inflating thread's. */
	enum { FORMAT_UNKNOWN, FORMAT_PLAIN, FORMAT_GZIP } format;
	bool input_ended;
	bool in_member;
	z_stream zlib; /* next_in, avail_in: what was read and not yet inflated */
	unsigned char input[BLOCK_SIZE];

	/* The caller's. */
	size_t next; /* the first byte of the oldest block that it has not had */

	/* Both threads', under the mutex: blocks [taken, filled) of the ring hold bytes. */
	pthread_t thread;
	int wake[2];         /* a pipe; closing its second end tells the thread to read no more */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	size_t taken, filled;
	bool ended;          /* no block comes after `filled` */
	bool stopping;       /* nobody wants one */
	int result;          /* at the end: 0, or -1 with its failure */
	struct failure failure;
	struct block ring[BLOCKS];
};

/* Reads once. Returns the bytes got, 0 at the end, or when inflate_close() has no more use for them: a pipe may stay
 * silent for ever. */
static ptrdiff_t read_some(struct inflate_reader *reader, unsigned char *buffer, size_t room,
	struct failure *failure) {
	struct pollfd sources[] = { { .fd = reader->descriptor, .events = POLLIN }, { .fd = reader->wake[0] } };
	ssize_t got;
	do
		got = poll(sources, 2, -1) < 0 ? -1 : sources[1].revents ? 0 : read(reader->descriptor, buffer, room);
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
		ptrdiff_t got = read_some(reader, reader->input + zlib->avail_in, BLOCK_SIZE - zlib->avail_in, failure);
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
	reader->format = FORMAT_PLAIN;
	if (gzip_begins(&reader->zlib)) {
		if (inflateInit2(&reader->zlib, GZIP_WINDOW) != Z_OK)
			return fail(failure, EX_OSERR, "%s: zlib cannot start", reader->name);
		reader->format = FORMAT_GZIP;
		reader->in_member = true;
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

/* Fills the block, or what the end leaves of it. */
static int inflate_block(struct inflate_reader *reader, struct block *block, struct failure *failure) {
	z_stream *zlib = &reader->zlib;
	zlib->next_out = block->bytes;
	zlib->avail_out = BLOCK_SIZE;
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
	block->count = BLOCK_SIZE - zlib->avail_out;
	return 0;
}

/* The same for a plain file. */
static int read_block(struct inflate_reader *reader, struct block *block, struct failure *failure) {
	block->count = reader->zlib.avail_in; /* of the format's two bytes and those that came with them */
	if (block->count > 0)
		memcpy(block->bytes, reader->zlib.next_in, block->count);
	reader->zlib.avail_in = 0;
	while (block->count < BLOCK_SIZE && !reader->input_ended) {
		ptrdiff_t got = read_some(reader, block->bytes + block->count, BLOCK_SIZE - block->count, failure);
		if (got < 0)
			return -1;
		block->count += (size_t)got;
	}
	return 0;
}

static int fill(struct inflate_reader *reader, struct block *block, struct failure *failure) {
	if (reader->format == FORMAT_UNKNOWN && find_format(reader, failure) < 0)
		return -1;
	return reader->format == FORMAT_GZIP ? inflate_block(reader, block, failure)
		: read_block(reader, block, failure);
}

static void *read_ahead(void *context) {
	struct inflate_reader *reader = context;
	for (bool going = true; going;) {
		struct block *block = &reader->ring[reader->filled % BLOCKS];
		struct failure failure;
		int result = fill(reader, block, &failure);
		pthread_mutex_lock(&reader->mutex);
		if (result < 0)
			reader->failure = failure;
		reader->result = result;
		reader->ended = result < 0 || block->count < BLOCK_SIZE;
		reader->filled += result == 0;
		pthread_cond_signal(&reader->changed);
		while (reader->filled - reader->taken == BLOCKS && !reader->stopping)
			pthread_cond_wait(&reader->changed, &reader->mutex);
		going = !reader->ended && !reader->stopping;
		pthread_mutex_unlock(&reader->mutex);
	}
	return NULL;
}

struct inflate_reader *inflate_open(int descriptor, const char *name) {
	struct inflate_reader *reader = allocate(1, sizeof *reader);
	reader->descriptor = descriptor;
	reader->name = name;
	pthread_mutex_init(&reader->mutex, NULL);
	pthread_cond_init(&reader->changed, NULL);
	if (pipe2(reader->wake, O_CLOEXEC) < 0)
		die(EX_OSERR, "%s: no pipe to the thread that reads it: %s", name, strerror(errno));
	int error = pthread_create(&reader->thread, NULL, read_ahead, reader);
	if (error != 0)
		die(EX_OSERR, "%s: no thread to read it: %s", name, strerror(error));
	return reader;
}

ptrdiff_t inflate_peek(struct inflate_reader *reader, const char **bytes, struct failure *failure) {
	for (;;) {
		pthread_mutex_lock(&reader->mutex);
		while (reader->taken == reader->filled && !reader->ended)
			pthread_cond_wait(&reader->changed, &reader->mutex);
		bool found = reader->taken < reader->filled;
		pthread_mutex_unlock(&reader->mutex);
		if (!found && reader->result < 0)
			*failure = reader->failure;
		if (!found)
			return reader->result;
		const struct block *block = &reader->ring[reader->taken % BLOCKS];
		*bytes = (const char *)block->bytes + reader->next;
		if (reader->next < block->count)
			return (ptrdiff_t)(block->count - reader->next);
		pthread_mutex_lock(&reader->mutex);
		reader->taken++;
		pthread_cond_signal(&reader->changed);
		pthread_mutex_unlock(&reader->mutex);
		reader->next = 0;
	}
}

void inflate_skip(struct inflate_reader *reader, size_t count) {
	reader->next += count;
}

ptrdiff_t inflate_read(struct inflate_reader *reader, void *buffer, size_t size, struct failure *failure) {
	size_t done = 0;
	while (done < size) {
		const char *bytes;
		ptrdiff_t got = inflate_peek(reader, &bytes, failure);
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		size_t part = (size_t)got < size - done ? (size_t)got : size - done;
		memcpy((char *)buffer + done, bytes, part);
		inflate_skip(reader, part);
		done += part;
	}
	return (ptrdiff_t)done;
}

void inflate_close(struct inflate_reader *reader) {
	if (reader == NULL)
		return;
	pthread_mutex_lock(&reader->mutex);
	reader->stopping = true;
	pthread_cond_signal(&reader->changed);
	pthread_mutex_unlock(&reader->mutex);
	close(reader->wake[1]);
	pthread_join(reader->thread, NULL);
	close(reader->wake[0]);
	pthread_cond_destroy(&reader->changed);
	pthread_mutex_destroy(&reader->mutex);
	if (reader->format == FORMAT_GZIP)
		inflateEnd(&reader->zlib);
	free(reader);
}
