/* Plain and gzip input: members, padding, cuts at every byte, damage. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"
#include "corpus/inflate.h"

enum { TEXT_SIZE = 300000, ROOM = 700000 };

static char text[TEXT_SIZE]; /* words that compress, and more of them than a buffer holds */

static int make_text(void **state) {
	(void)state;
	uint32_t number = 1;
	for (size_t i = 0; i < TEXT_SIZE; i++) {
		number = number * 1664525 + 1013904223;
		text[i] = "etaoin shr"[number >> 24 & 7];
	}
	return 0;
}

/* Appends a gzip member that holds the bytes; returns the new length. */
static size_t add_member(unsigned char *file, size_t length, const char *bytes, size_t count) {
	z_stream zlib = { 0 };
	assert_int_equal(deflateInit2(&zlib, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	zlib.next_in = (unsigned char *)(uintptr_t)bytes;
	zlib.avail_in = (uInt)count;
	zlib.next_out = file + length;
	zlib.avail_out = (uInt)(ROOM - length);
	assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
	length = ROOM - zlib.avail_out;
	deflateEnd(&zlib);
	return length;
}

/* Reads a file of those bytes, `step` bytes at a time, into `result`. Returns how many, or -1. */
static ptrdiff_t read_back(const void *bytes, size_t length, size_t step, char *result, struct failure *failure) {
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	rewind(file);
	struct inflate_reader *reader = inflate_open(fileno(file), "input", &(struct failure){ 0 });
	ptrdiff_t got, total = 0;
	while ((got = inflate_read(reader, result + total, step, failure)) == (ptrdiff_t)step)
		total += got;
	inflate_close(reader);
	fclose(file);
	return got < 0 ? -1 : total + got;
}

static void expect_bytes(const void *bytes, size_t length, const char *expected, size_t count) {
	const size_t steps[] = { 1000, 131072, 512, 77 };
	char *result = allocate(ROOM + 131072, 1);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct failure failure = { 0 };
		assert_int_equal(read_back(bytes, length, steps[i], result, &failure), count);
		assert_memory_equal(result, expected, count);
	}
	free(result);
}

static void expect_refused(const void *bytes, size_t length, const char *reason) {
	char *result = allocate(ROOM + 131072, 1);
	struct failure failure = { 0 };
	assert_int_equal(read_back(bytes, length, 1000, result, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_non_null(strstr(failure.text, reason));
	free(result);
}

static void test_plain(void **state) {
	(void)state;
	expect_bytes("", 0, "", 0);
	expect_bytes("\x1f", 1, "\x1f", 1);
	expect_bytes("ab", 2, "ab", 2);
	expect_bytes(text, TEXT_SIZE, text, TEXT_SIZE);
}

static void test_members(void **state) {
	(void)state;
	unsigned char *file = allocate(ROOM, 1);
	size_t length = add_member(file, 0, text, TEXT_SIZE);
	expect_bytes(file, length, text, TEXT_SIZE);
	length = add_member(file, 0, text, 5);
	length = add_member(file, length, text + 5, 0);
	length = add_member(file, length, text + 5, 200000);
	length = add_member(file, length, text + 200005, TEXT_SIZE - 200005);
	expect_bytes(file, length, text, TEXT_SIZE);
	/* zeros after the end are padding */
	expect_bytes(file, length + 513, text, TEXT_SIZE);
	free(file);
}

/* Where a block of output is full, all of the input may have been taken already. */
static void test_a_member_that_ends_with_a_block(void **state) {
	(void)state;
	unsigned char *file = allocate(ROOM, 1);
	char *same = allocate(TEXT_SIZE, 1);
	for (size_t size = INFLATE_FIRST - 300; size < INFLATE_FIRST + 300; size += 7) {
		size_t length = add_member(file, 0, same, size);
		expect_bytes(file, length, same, size);
		length = add_member(file, 0, text, size);
		expect_bytes(file, length, text, size);
	}
	free(same);
	free(file);
}

static void test_cut_at_every_byte(void **state) {
	(void)state;
	unsigned char *file = allocate(ROOM, 1);
	size_t length = add_member(file, 0, text, 1000);
	for (size_t cut = 2; cut < length; cut++)
		expect_refused(file, cut, "input: cut short");
	free(file);
}

static void test_damage(void **state) {
	(void)state;
	unsigned char *file = allocate(ROOM, 1);
	size_t length = add_member(file, 0, text, 1000);
	file[length - 8] ^= 1; /* the CRC-32 */
	expect_refused(file, length, "damaged gzip data");
	file[length - 8] ^= 1;
	file[length - 4] ^= 1; /* the size */
	expect_refused(file, length, "damaged gzip data");
	file[length - 4] ^= 1;
	memcpy(file + length, "junk", 4);
	expect_refused(file, length + 4, "more bytes after");
	expect_refused(file, length + 1, "more bytes after");
	free(file);
}

static void test_peek_and_skip(void **state) {
	(void)state;
	unsigned char *file = allocate(ROOM, 1);
	size_t length = add_member(file, 0, text, TEXT_SIZE), at = 0;
	FILE *stream = tmpfile();
	assert_non_null(stream);
	assert_int_equal(fwrite(file, 1, length, stream), length);
	rewind(stream);
	struct inflate_reader *reader = inflate_open(fileno(stream), "input", &(struct failure){ 0 });
	struct failure failure;
	const char *bytes;
	ptrdiff_t got = inflate_peek(reader, &bytes, &failure);
	assert_true(got >= INFLATE_FIRST);
	for (size_t part = 1; (got = inflate_peek(reader, &bytes, &failure)) > 0; part = part * 3 + 1) {
		part = part < (size_t)got ? part : (size_t)got;
		assert_memory_equal(bytes, text + at, part);
		inflate_skip(reader, part);
		at += part;
	}
	assert_int_equal(got, 0);
	assert_int_equal(at, TEXT_SIZE);
	assert_int_equal(inflate_peek(reader, &bytes, &failure), 0);
	inflate_close(reader);
	fclose(stream);
	free(file);
}

/* Closing does not wait for a writer that says no more, nor for room that nobody makes. */
static void test_close_before_the_end(void **state) {
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	inflate_close(inflate_open(ends[0], "input", &(struct failure){ 0 }));
	close(ends[0]);
	close(ends[1]);
	FILE *stream = fopen("/dev/zero", "r");
	assert_non_null(stream);
	struct inflate_reader *reader = inflate_open(fileno(stream), "input", &(struct failure){ 0 });
	struct failure failure;
	char byte;
	assert_int_equal(inflate_read(reader, &byte, 1, &failure), 1);
	inflate_close(reader);
	fclose(stream);
}

static void test_a_read_that_fails(void **state) {
	(void)state;
	int folder = open("/", O_RDONLY);
	struct inflate_reader *reader = inflate_open(folder, "input", &(struct failure){ 0 });
	struct failure failure;
	char byte;
	assert_int_equal(inflate_read(reader, &byte, 1, &failure), -1);
	assert_int_equal(failure.status, EX_IOERR);
	inflate_close(reader);
	close(folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_a_member_that_ends_with_a_block),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_peek_and_skip),
		cmocka_unit_test(test_close_before_the_end),
		cmocka_unit_test(test_a_read_that_fails),
	};
	return cmocka_run_group_tests_name("corpus/inflate", tests, make_text, NULL);
}
