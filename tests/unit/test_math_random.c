/* test_math_random: the generators give the numbers that their authors published. */
#include "test.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/random.h"

/* Random123's kat_vectors: "philox4x32 10". */
static void philox_known_answers(void **state) {
	static const struct { uint32_t counter[4], key[2], output[4]; } known[] = {
		{ { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
		{ { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff },
			{ 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
		{ { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
			{ 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
	};
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		uint32_t output[4];
		philox(known[i].key, known[i].counter, output);
		assert_memory_equal(output, known[i].output, sizeof output);
	}
}

/* Every part of what a number is drawn for changes it, the high halves of 64-bit parts too. */
static void words_depend_on_every_part(void **state) {
	static const struct { uint64_t seed; enum random_purpose purpose; uint64_t major; uint32_t minor; } parts[] = {
		{ 5, RANDOM_MASK, 7, 9 }, { 6, RANDOM_MASK, 7, 9 }, { 5 + (1ull << 32), RANDOM_MASK, 7, 9 },
		{ 5, RANDOM_DROPOUT, 7, 9 }, { 5, RANDOM_MASK, 8, 9 }, { 5, RANDOM_MASK, 7 + (1ull << 32), 9 },
		{ 5, RANDOM_MASK, 7, 10 },
	};
	enum { COUNT = sizeof parts / sizeof *parts };
	uint32_t words[COUNT][4];
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		random_words(parts[i].seed, parts[i].purpose, parts[i].major, parts[i].minor, words[i]);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(words[i], words[j], sizeof words[i]);
	}
}

static void units_and_ranges_stay_within(void **state) {
	(void)state;
	assert_true(random_unit(0) == 0.0f);
	assert_true(random_unit(0x80000000) == 0.5f);
	assert_true(random_unit(0xffffffff) < 1.0f);
	assert_int_equal(random_below(0xffffffff, 30522), 30521);
	assert_int_equal(random_below(0x7fffffff, 2), 0);
	assert_int_equal(random_below(0x80000000, 2), 1);
	assert_int_equal(random_below(0xffffffff, 1), 0);
}

/* A million normals: their moments within five standard errors, and a value that does not depend on how many are
 * asked for. */
static void normals_have_their_moments(void **state) {
	enum { COUNT = 1000003 };
	float *values = allocate(COUNT, sizeof *values);
	double sum = 0, squares = 0, fourth = 0;
	(void)state;
	random_normal(3, 1, 0.02f, values, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		double unit = values[i] / 0.02;
		sum += unit;
		squares += unit * unit;
		fourth += unit * unit * unit * unit;
	}
	const double count = COUNT;
	assert_true(fabs(sum / count) < 5 / sqrt(count));
	assert_true(fabs(squares / count - 1) < 5 * sqrt(2 / count));
	assert_true(fabs(fourth / count - 3) < 5 * sqrt(96 / count));

	float few[6], other[6];
	random_normal(3, 1, 0.02f, few, 6);
	random_normal(3, 2, 0.02f, other, 6);
	assert_memory_equal(few, values, sizeof few);
	assert_memory_not_equal(few, other, sizeof few);
	free(values);
}

/* default_rng(seed).bit_generator.random_raw(3), numpy 2.4. */
static void pcg64_gives_numpys_raw_numbers(void **state) {
	static const struct { uint64_t seed, raw[3]; } known[] = {
		{ 0, { 0xa30febcfd9c2825f, 0x4510bdf882d9d721, 0x0a7d3da94ecde8b8 } },
		{ 42, { 0xc621fbcd16d92688, 0x705a5661a791ffc1, 0xdbcd12c26eda1624 } },
		{ 4294967296, { 0xe3c5ebe285ac1625, 0x8ea09968fe31dbcc, 0xcd084ff84d8de9be } },
		{ 9007199254740992, { 0x47cf26b9053e52e9, 0xfa5a1b9cfc46787f, 0xd9ee23dbca00eb13 } },
	};
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		struct pcg64 generator;
		pcg64_seed(&generator, known[i].seed);
		for (size_t j = 0; j < 3; j++)
			assert_int_equal(pcg64_next(&generator), known[i].raw[j]);
	}
}

static uint64_t digest(uint64_t start, const int64_t *order, int64_t count) {
	for (int64_t i = 0; i < count; i++)
		start = start * 1099511628211u + (uint64_t)order[i] + 1;
	return start;
}

/* Two permutations one after the other from default_rng(seed), numpy 2.4: the first's first and last number, and the
 * digest of both. */
static void permutations_are_numpys(void **state) {
	static const struct { uint64_t seed; int64_t count, ends[2]; uint64_t digest; } known[] = {
		{ 0, 1, { 0, 0 }, 0x00000100000001b4 },
		{ 0, 2, { 0, 1 }, 0x08b0480004edc6b2 },
		{ 0, 3, { 2, 1 }, 0xd7647f87d7fca5f2 },
		{ 0, 10, { 4, 1 }, 0xc6e9341511ab6dd2 },
		{ 0, 100, { 82, 95 }, 0x6d1d6595235b1e4a },
		{ 0, 1100, { 212, 607 }, 0x137b66da1ca6ae20 },
		{ 0, 65537, { 30033, 33375 }, 0xd145dcc4025644f4 },
		{ 1, 1, { 0, 0 }, 0x00000100000001b4 },
		{ 1, 2, { 0, 1 }, 0x08b0480004edc6b2 },
		{ 1, 3, { 0, 2 }, 0x66aadf3b387b8ab6 },
		{ 1, 10, { 8, 3 }, 0x9e4f9acf81a8a282 },
		{ 1, 100, { 48, 59 }, 0x56befc91fd73694c },
		{ 1, 1100, { 675, 102 }, 0xdec852d760d32570 },
		{ 1, 65537, { 57252, 58623 }, 0xeda11e7843d83654 },
		{ 2, 1, { 0, 0 }, 0x00000100000001b4 },
		{ 2, 2, { 0, 1 }, 0x08b0490004edc864 },
		{ 2, 3, { 2, 1 }, 0xd7647f87d7fca5f2 },
		{ 2, 10, { 2, 1 }, 0xfce1f1ee3e0fcea8 },
		{ 2, 100, { 90, 65 }, 0x52214dd7b35ab526 },
		{ 2, 1100, { 1006, 193 }, 0x9413465047a2f848 },
		{ 2, 65537, { 65353, 28669 }, 0x7a23606ac9d7a4f8 },
		{ 7, 100, { 88, 11 }, 0x600ee6bde3cc3b96 },
		{ 7, 1100, { 169, 651 }, 0x4f68e827d842edc6 },
		{ 7, 65537, { 59338, 16809 }, 0x84ca53740ece9290 },
		{ 42, 100, { 59, 8 }, 0xcfc0a413ec5698ce },
		{ 42, 1100, { 381, 973 }, 0x395954b254962190 },
		{ 42, 65537, { 53304, 22113 }, 0xc09c84f59b0de9cc },
		{ 42, 200003, { 71038, 75400 }, 0x6102a098e7c78c44 },
		{ 1234, 100, { 26, 58 }, 0xc3fc16379dd69646 },
		{ 1234, 1100, { 674, 954 }, 0xc1390f24e6901148 },
		{ 1234, 65537, { 38784, 48058 }, 0xa05d2f35d30cb9b4 },
		{ 2147483648, 100, { 20, 97 }, 0x186f91917453dde2 },
		{ 2147483648, 1100, { 971, 993 }, 0xc2e0b655bf0829b2 },
		{ 2147483648, 65537, { 4367, 62433 }, 0xfd2966e9f954fc46 },
		{ 4294967295, 100, { 48, 31 }, 0xc5aa367822af93ba },
		{ 4294967295, 1100, { 1093, 2 }, 0xe60b5e1225c03f20 },
		{ 4294967295, 65537, { 51413, 64927 }, 0xe01ab62beafa3b48 },
		{ 4294967296, 100, { 65, 37 }, 0x78b04cff338af704 },
		{ 4294967296, 1100, { 647, 994 }, 0x0a00ae2e5c16bcca },
		{ 4294967296, 65537, { 19706, 5669 }, 0xb61584b79a99fb0c },
		{ 4294967297, 100, { 64, 31 }, 0x5c4dba0b7dfbdaea },
		{ 4294967297, 1100, { 999, 1055 }, 0xbd1f83a60a89f514 },
		{ 4294967297, 65537, { 55619, 22264 }, 0xdee5b5eb1a97af28 },
		{ 123456789012, 100, { 15, 25 }, 0x0694852770a8fa9a },
		{ 123456789012, 1100, { 334, 537 }, 0xcf03b2e0466d6a60 },
		{ 123456789012, 65537, { 14661, 57881 }, 0x517f36f99f66d82a },
		{ 9007199254740992, 100, { 8, 57 }, 0x4e23b2a90fdc3c2c },
		{ 9007199254740992, 1100, { 735, 745 }, 0x38eb10a39549a098 },
		{ 9007199254740992, 65537, { 12632, 21225 }, 0xcfff286543918e3c },
		{ 9007199254740992, 200003, { 57817, 152297 }, 0x32b18df4d5bf9268 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		struct pcg64 generator;
		int64_t count = known[i].count;
		int64_t *order = allocate((size_t)count, sizeof *order);
		pcg64_seed(&generator, known[i].seed);
		pcg64_permutation(&generator, order, count);
		assert_int_equal(order[0], known[i].ends[0]);
		assert_int_equal(order[count - 1], known[i].ends[1]);
		uint64_t found = digest(0, order, count);
		pcg64_permutation(&generator, order, count);
		assert_int_equal(digest(found, order, count), known[i].digest);
		free(order);
	}
}

/* default_rng(seed).choice(population, count, replace=False), numpy 2.4: its first numbers, and a sum that tells the
 * order. */
static void choices_are_numpys(void **state) {
	static const struct { int64_t population, count; uint64_t seed; int64_t first[2], weighted; } known[] = {
		{ 5, 2, 1, { 1, 2 }, 5 }, { 3, 1, 7, { 2, -1 }, 2 }, { 200, 200, 42, { 131, 98 }, 1992723 },
		{ 20000, 401, 3, { 6866, 12054 }, 803162969 }, { 20000, 300, 3, { 10269, 19873 }, 448151388 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		int64_t chosen[401], weighted = 0;
		struct pcg64 generator;
		pcg64_seed(&generator, known[i].seed);
		pcg64_choose(&generator, chosen, known[i].count, known[i].population);
		assert_int_equal(chosen[0], known[i].first[0]);
		if (known[i].count > 1)
			assert_int_equal(chosen[1], known[i].first[1]);
		for (int64_t j = 0; j < known[i].count; j++)
			weighted += (j + 1) * chosen[j];
		assert_int_equal(weighted, known[i].weighted);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(philox_known_answers),
		cmocka_unit_test(words_depend_on_every_part),
		cmocka_unit_test(units_and_ranges_stay_within),
		cmocka_unit_test(normals_have_their_moments),
		cmocka_unit_test(pcg64_gives_numpys_raw_numbers),
		cmocka_unit_test(permutations_are_numpys),
		cmocka_unit_test(choices_are_numpys),
	};
	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
