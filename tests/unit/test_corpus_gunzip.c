/* Members of gzip files in pieces of every size: header fields, stored blocks, what follows, damage. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "corpus/gunzip.h"

enum { TEXT_SIZE = 40000, ROOM = 80000 };

static unsigned char text[TEXT_SIZE], result[ROOM];

static int make_text(void **state) {
	(void)state;
	uint32_t number = 1;
	for (size_t i = 0; i < TEXT_SIZE; i++) {
		number = number * 1664525 + 1013904223;
		text[i] = (unsigned char)"etaoin shr"[number >> 24 & 7];
	}
	return 0;
}

/* A member that holds the first bytes of the text, with every header field there is or with none. Returns its length. */
static size_t make_member(unsigned char *file, size_t count, int level, bool fields) {
	z_stream zlib = { 0 };
	gz_header header = { .text = 1, .time = 1, .os = 3, .extra = (unsigned char *)"extra", .extra_len = 5,
		.name = (unsigned char *)"name.tar", .comment = (unsigned char *)"a comment", .hcrc = 1 };
	assert_int_equal(deflateInit2(&zlib, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	if (fields)
		assert_int_equal(deflateSetHeader(&zlib, &header), Z_OK);
	zlib.next_in = text;
	zlib.avail_in = (uInt)count;
	zlib.next_out = file;
	zlib.avail_out = ROOM;
	assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
	deflateEnd(&zlib);
	return ROOM - zlib.avail_out;
}

/* Inflates a member from a file of `length` bytes, in_step bytes at a time into out_step bytes at a time, into `result`.
 * `taken` is how much of the file it took, `made` how much it gave. */
static enum gunzip_result run(struct gunzip *gunzip, const unsigned char *file, size_t length, size_t in_step,
	size_t out_step, size_t *taken, size_t *made) {
	enum gunzip_result state = GUNZIP_GOES_ON;
	*taken = *made = 0;
	gunzip_begin(gunzip);
	for (bool moves = true; moves && state == GUNZIP_GOES_ON;) {
		size_t in = in_step < length - *taken ? in_step : length - *taken;
		size_t out = out_step < ROOM - *made ? out_step : ROOM - *made;
		gunzip->in = file + *taken;
		gunzip->in_left = in;
		gunzip->out = result + *made;
		gunzip->out_left = out;
		state = gunzip_run(gunzip);
		*taken += in - gunzip->in_left;
		*made += out - gunzip->out_left;
		moves = gunzip->in_left < in || gunzip->out_left < out;
	}
	return state;
}

static void test_every_step(void **state) {
	(void)state;
	static const size_t counts[] = { 0, 1, 3000, TEXT_SIZE };
	unsigned char file[ROOM + 16];
	struct gunzip gunzip = { 0 };
	size_t taken, made;
	for (size_t which = 0; which < 16; which++) {
		size_t count = counts[which / 4], length = make_member(file, count, which % 2 ? 6 : 0, which / 2 % 2);
		memset(file + length, 0x1f, 16);
		for (size_t step = 1; step < 100; step += step < 50 ? 1 : 7) {
			assert_int_equal(run(&gunzip, file, length + 16, step, 1 + step * 37 % 300, &taken, &made),
				GUNZIP_MEMBER_ENDS);
			assert_int_equal(taken, length);
			assert_int_equal(made, count);
			assert_memory_equal(result, text, count);
		}
	}
	gunzip_end(&gunzip);
}

/* All of the input may be taken before all of the output has come. */
static void test_output_after_the_last_input(void **state) {
	(void)state;
	unsigned char file[ROOM];
	struct gunzip gunzip = { 0 };
	size_t length = make_member(file, TEXT_SIZE, 6, false), taken, made;
	for (size_t step = 1; step < 20; step++) {
		assert_int_equal(run(&gunzip, file, length, ROOM, step, &taken, &made), GUNZIP_MEMBER_ENDS);
		assert_int_equal(made, TEXT_SIZE);
	}
	gunzip_end(&gunzip);
}

static void test_cuts(void **state) {
	(void)state;
	unsigned char file[ROOM];
	struct gunzip gunzip = { 0 };
	size_t length = make_member(file, 500, 6, true), taken, made;
	for (size_t cut = 0; cut < length; cut++)
		assert_int_equal(run(&gunzip, file, cut, 50, 100, &taken, &made), GUNZIP_GOES_ON);
	gunzip_end(&gunzip);
}

/* What zlib refuses is refused: in the header, which has a CRC of its own, in the data, in the sums after it. */
static void test_damage(void **state) {
	(void)state;
	unsigned char file[ROOM], other[ROOM];
	struct gunzip gunzip = { 0 };
	size_t length = make_member(file, 500, 6, true), taken, made, refused = 0;
	for (size_t bit = 0; bit < 8 * length; bit++) {
		z_stream zlib = { .next_in = file, .avail_in = (uInt)length, .next_out = other, .avail_out = ROOM };
		file[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(inflateInit2(&zlib, 15 + 16), Z_OK);
		bool whole = inflate(&zlib, Z_FINISH) == Z_STREAM_END;
		inflateEnd(&zlib);
		enum gunzip_result found = run(&gunzip, file, length, 77, 1000, &taken, &made);
		assert_int_equal(found == GUNZIP_MEMBER_ENDS, whole);
		if (found == GUNZIP_DAMAGED)
			assert_non_null(gunzip.damage);
		refused += found == GUNZIP_DAMAGED;
		file[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_true(refused > 4 * length);
	gunzip_end(&gunzip);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_step),
		cmocka_unit_test(test_output_after_the_last_input),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_damage),
	};
	return cmocka_run_group_tests_name("corpus/gunzip", tests, make_text, NULL);
}
