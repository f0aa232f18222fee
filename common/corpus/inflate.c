/* inflate: two threads and a ring of blocks between them. One thread reads and inflates, a block at a time, the other
 * is the caller's. Inflating is fastest into a large buffer, so a block is filled before it is handed on, unless it
 * is to be prompt. */
#include "corpus/inflate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/thread.h"
#include "corpus/gunzip.h"

enum { BLOCK_SIZE = INFLATE_FIRST, BLOCKS = 8 };

struct block {
	size_t count; /* 0 only at the end */
	unsigned char bytes[BLOCK_SIZE];
};

struct inflate_reader {
	int descriptor;
	const char *name;
	bool prompt;

	/* The inflating thread's. */
	enum { FORMAT_UNKNOWN, FORMAT_PLAIN, FORMAT_GZIP } format;
	bool input_ended;
	bool in_member;
	struct gunzip gunzip; /* `in`: what was read and not yet inflated */
	unsigned char input[BLOCK_SIZE];

	/* The caller's. */
	size_t next; /* the first byte of the oldest block that the caller has not skipped */

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

/* Reads once. Returns the number of bytes, or 0 at the end of the input and after inflate_close() has closed the
 * pipe, so that no read waits for an input that stays silent. */
static ptrdiff_t read_some(struct inflate_reader *reader, unsigned char *buffer, size_t capacity,
	struct failure *failure) {
	struct pollfd sources[] = { { .fd = reader->descriptor, .events = POLLIN }, { .fd = reader->wake[0] } };
	ssize_t got;
	do
		got = poll(sources, 2, -1) < 0 ? -1 : sources[1].revents ? 0 : read(reader->descriptor, buffer, capacity);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail(failure, EX_IOERR, "%s: %s", reader->name, strerror(errno));
	reader->input_ended = got == 0;
	return got;
}

/* Reads on until at least `wanted` bytes wait to be inflated, or the input has ended. */
static int want_input(struct inflate_reader *reader, size_t wanted, struct failure *failure) {
	struct gunzip *gunzip = &reader->gunzip;
	while (gunzip->in_left < wanted && !reader->input_ended) {
		if (gunzip->in_left > 0)
			memmove(reader->input, gunzip->in, gunzip->in_left);
		gunzip->in = reader->input;
		ptrdiff_t got = read_some(reader, reader->input + gunzip->in_left, BLOCK_SIZE - gunzip->in_left, failure);
		if (got < 0)
			return -1;
		gunzip->in_left += (size_t)got;
	}
	return 0;
}

static bool gzip_begins(const struct gunzip *gunzip) {
	return gunzip->in_left >= 2 && gunzip->in[0] == 0x1f && gunzip->in[1] == 0x8b;
}

static void begin_member(struct inflate_reader *reader) {
	gunzip_begin(&reader->gunzip);
	reader->in_member = true;
}

static int find_format(struct inflate_reader *reader, struct failure *failure) {
	const struct gunzip *gunzip = &reader->gunzip;
	if (want_input(reader, 1, failure) < 0)
		return -1;
	if (gunzip->in_left == 1 && gunzip->in[0] == 0x1f && want_input(reader, 2, failure) < 0)
		return -1;
	reader->format = FORMAT_PLAIN;
	if (gzip_begins(gunzip)) {
		reader->format = FORMAT_GZIP;
		begin_member(reader);
	}
	return 0;
}

/* After a member: another one, or the end. Zeros that pad the file to a block are no data. */
static int next_member(struct inflate_reader *reader, struct failure *failure) {
	struct gunzip *gunzip = &reader->gunzip;
	reader->in_member = false;
	for (;;) {
		if (want_input(reader, 2, failure) < 0)
			return -1;
		if (gzip_begins(gunzip)) {
			begin_member(reader);
			return 0;
		}
		if (gunzip->in_left == 0)
			return 0;
		if (gunzip->in[0] != 0)
			return fail(failure, EX_DATAERR, "%s: more bytes after the gzip data (damaged, or not one file)",
				reader->name);
		gunzip->in++;
		gunzip->in_left--;
	}
}

/* Fills the block, or what the end leaves of it. */
static int inflate_block(struct inflate_reader *reader, struct block *block, struct failure *failure) {
	struct gunzip *gunzip = &reader->gunzip;
	gunzip->out = block->bytes;
	gunzip->out_left = BLOCK_SIZE;
	while (gunzip->out_left > 0 && reader->in_member) {
		if (want_input(reader, 1, failure) < 0)
			return -1;
		size_t in_before = gunzip->in_left, out_before = gunzip->out_left;
		enum gunzip_result result = gunzip_run(gunzip);
		if (result == GUNZIP_GOES_ON && in_before == 0 && gunzip->out_left == out_before)
			return fail(failure, EX_DATAERR, "%s: cut short within the gzip data (copy or download it again)",
				reader->name);
		if (result == GUNZIP_DAMAGED)
			return fail(failure, EX_DATAERR, "%s: damaged gzip data: %s (copy or download it again)", reader->name,
				gunzip->damage);
		if (result == GUNZIP_MEMBER_ENDS && next_member(reader, failure) < 0)
			return -1;
	}
	block->count = BLOCK_SIZE - gunzip->out_left;
	return 0;
}

/* The same for a plain file, or what a single read gives where the reader is a prompt one. */
static int read_block(struct inflate_reader *reader, struct block *block, struct failure *failure) {
	block->count = reader->gunzip.in_left; /* of the format's two bytes and those that came with them */
	if (block->count > 0)
		memcpy(block->bytes, reader->gunzip.in, block->count);
	reader->gunzip.in_left = 0;
	while (block->count < (reader->prompt ? 1 : BLOCK_SIZE) && !reader->input_ended) {
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
		reader->ended = result < 0 || block->count == 0;
		reader->filled += result == 0;
		pthread_cond_signal(&reader->changed);
		while (reader->filled - reader->taken == BLOCKS && !reader->stopping)
			pthread_cond_wait(&reader->changed, &reader->mutex);
		going = !reader->ended && !reader->stopping;
		pthread_mutex_unlock(&reader->mutex);
	}
	return NULL;
}

static struct inflate_reader *open_reader(int descriptor, const char *name, bool prompt, struct failure *failure) {
	struct inflate_reader *reader = allocate(1, sizeof *reader);
	reader->descriptor = descriptor;
	reader->name = name;
	reader->prompt = prompt;
	pthread_mutex_init(&reader->mutex, NULL);
	pthread_cond_init(&reader->changed, NULL);
	if (pipe2(reader->wake, O_CLOEXEC) < 0) {
		fail(failure, EX_OSERR, "%s: cannot create a pipe to the reading thread: %s", name, strerror(errno));
		free(reader);
		return NULL;
	}
	int error = thread_create(&reader->thread, NULL, read_ahead, reader);
	if (error != 0) {
		fail(failure, EX_OSERR, "%s: cannot create a reading thread: %s", name, strerror(error));
		close(reader->wake[0]);
		close(reader->wake[1]);
		free(reader);
		return NULL;
	}
	return reader;
}

struct inflate_reader *inflate_open(int descriptor, const char *name, struct failure *failure) {
	return open_reader(descriptor, name, false, failure);
}

struct inflate_reader *inflate_open_prompt(int descriptor, const char *name, struct failure *failure) {
	return open_reader(descriptor, name, true, failure);
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
		memcpy((char *)buffer + done, bytes, part); /* NOLINT(clang-analyzer-core.CallAndMessage): got > 0 */
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
	gunzip_end(&reader->gunzip);
	free(reader);
}
