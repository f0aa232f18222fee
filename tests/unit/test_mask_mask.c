/* test_mask_mask: masking of one record: which tokens may be selected, what replaces them, and what the result depends
 * on. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mask/mask.h"
#include "math/random.h"

enum { COUNT = 12, SIZE = 100, MASK = 4, UNKNOWN = 1, ENTITY = 50 };

static const int32_t special_ids[] = { 0, UNKNOWN, 2, 3, MASK, ENTITY, 5000 };
static const struct mask_vocabulary vocabulary = { .mask_id = MASK, .size = SIZE, .special_ids = special_ids,
	.special_count = sizeof special_ids / sizeof *special_ids };

/* One record: [CLS], a word of two tokens, [UNK], a word that the special token ENTITY stands in, words, [SEP]. */
static const int32_t tokens[COUNT] = { 2, 10, 11, UNKNOWN, 12, ENTITY, 13, 14, 15, 16, 17, 3 };
static const int32_t word_ids[COUNT] = { -1, 0, 0, 1, 2, 2, 2, 3, 4, 4, 5, -1 };

struct masked { int32_t input_ids[COUNT], labels[COUNT]; };

/* What becomes of the record: by words, or by tokens. `keep_special` and `special_mask` as mask.h has them. */
static struct masked run(const struct masking *masking, bool words, bool keep_special, const int32_t *special_mask,
	int64_t ordinal) {
	struct failure failure;
	struct masked masked;
	struct mask *mask = mask_create(masking, &vocabulary, &failure);
	assert_non_null(mask);
	memcpy(masked.input_ids, tokens, sizeof tokens);
	const struct mask_record record = { .ordinal = ordinal, .count = COUNT, .input_ids = masked.input_ids,
		.labels = masked.labels, .word_ids = words ? word_ids : NULL, .special_tokens_mask = special_mask };
	if (words)
		mask_words(mask, &record, keep_special);
	else
		mask_tokens(mask, &record);
	mask_destroy(mask);
	return masked;
}

/* Which positions have a label, as a text of '1' and '.'. */
static const char *labelled(const struct masked *masked) {
	static char text[COUNT + 1];
	for (size_t i = 0; i < COUNT; i++) {
		text[i] = masked->labels[i] == -100 ? '.' : '1';
		assert_true(masked->labels[i] == -100 || masked->labels[i] == tokens[i]);
	}
	return text;
}

static void chooses_what_may_be_chosen(void **state) {
	(void)state;
	const struct masking all = { .probability = 1, .mask_rate = 1 };
	static const int32_t mask[COUNT] = { 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7 };
	struct masked masked = run(&all, false, false, NULL, 0);
	assert_string_equal(labelled(&masked), ".11.1.11111.");
	masked = run(&all, false, false, mask, 0);
	assert_string_equal(labelled(&masked), ".1.11111111.");
	masked = run(&all, true, false, NULL, 0);
	assert_string_equal(labelled(&masked), ".1111111111.");
	masked = run(&all, true, false, mask, 0); /* words do not ask for it */
	assert_string_equal(labelled(&masked), ".1111111111.");
	masked = run(&all, true, true, NULL, 0);
	assert_string_equal(labelled(&masked), ".11.1.11111.");
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(masked.input_ids[i], masked.labels[i] == -100 ? tokens[i] : MASK);
	masked = run(&all, true, true, mask, 0);
	assert_string_equal(labelled(&masked), ".1.11111111.");
}

/* The words that are no special tokens keep their numbers, and so their chances. */
static void special_tokens_leave_other_words_alone(void **state) {
	(void)state;
	for (int64_t ordinal = 0; ordinal < 200; ordinal++) {
		const struct masking some = { .probability = 0.5, .mask_rate = 0.5, .random_rate = 0.5, .seed = 3 };
		struct masked with = run(&some, true, true, NULL, ordinal), without = run(&some, true, false, NULL, ordinal);
		assert_int_equal(with.labels[3], -100);
		for (size_t i = 0; i < 3; i++) {
			assert_int_equal(with.labels[i], without.labels[i]);
			assert_int_equal(with.input_ids[i], without.input_ids[i]);
		}
	}
}

/* The definition in mask.h, computed here position by position. */
static void draws_by_seed_record_and_unit(void **state) {
	(void)state;
	const struct masking some = { .probability = 0.5, .mask_rate = 0.4, .random_rate = 0.4, .seed = 9 };
	for (int64_t ordinal = 0; ordinal < 100; ordinal++) {
		struct masked masked = run(&some, false, false, NULL, ordinal);
		for (uint32_t i = 7; i < 11; i++) {
			uint32_t chance[4], replacement[4], token[4];
			random_words(9, RANDOM_MASK, (uint64_t)ordinal, i / 4, chance);
			random_words(9, RANDOM_REPLACE, (uint64_t)ordinal, i / 4, replacement);
			random_words(9, RANDOM_TOKEN, (uint64_t)ordinal, i / 4, token);
			bool chosen = chance[i % 4] < 0.5 * 0x1p32, masks = replacement[i % 4] < (uint32_t)(0.4 * 0x1p32);
			bool random = !masks && replacement[i % 4] < (uint32_t)(0.8 * 0x1p32);
			int32_t expected = !chosen ? tokens[i] : masks ? MASK
				: random ? (int32_t)random_below(token[i % 4], SIZE) : tokens[i];
			assert_int_equal(masked.labels[i], chosen ? tokens[i] : -100);
			assert_int_equal(masked.input_ids[i], expected);
		}
	}
}

static void chooses_at_least_one(void **state) {
	(void)state;
	const struct masking one = { .mask_rate = 1, .at_least_one = true };
	static const int32_t none[COUNT] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	for (int64_t ordinal = 0; ordinal < 100; ordinal++) {
		struct masked masked = run(&one, false, false, NULL, ordinal);
		assert_int_equal(strcspn(labelled(&masked), "1") + 1 + strspn(strchr(labelled(&masked), '1') + 1, "."), COUNT);
	}
	struct masked masked = run(&one, false, false, none, 0);
	assert_string_equal(labelled(&masked), "............");
}

static void takes_a_record_without_tokens(void **state) {
	(void)state;
	struct failure failure;
	const struct masking all = { .probability = 1, .mask_rate = 1, .at_least_one = true };
	struct mask *mask = mask_create(&all, &vocabulary, &failure);
	const struct mask_record record = { .ordinal = 0 };
	mask_tokens(mask, &record);
	mask_words(mask, &record, true);
	mask_destroy(mask);
}

static void refuses_options(void **state) {
	(void)state;
	struct failure failure;
	const struct masking rates = { .mask_rate = 0.7, .random_rate = 0.4 }, exclude = { .exclude = "/dev/null" };
	assert_null(mask_create(&rates, &vocabulary, &failure));
	assert_int_equal(failure.status, EX_USAGE);
	assert_int_equal(mask_check_options(&exclude, false, &failure), -1);
	assert_int_equal(failure.status, EX_USAGE);
	assert_non_null(strstr(failure.text, "--model"));
}

static void excludes_the_tokens_of_a_file(void **state) {
	(void)state;
	static const struct token_text texts[] = { { "[PAD]", 5 }, { "[UNK]", 5 }, { "[CLS]", 5 }, { "[SEP]", 5 },
		{ "[MASK]", 6 }, { "good", 4 }, { "film", 4 } };
	char path[] = "/tmp/exclude-XXXXXX";
	struct failure failure;
	struct vocabulary *seven = vocabulary_create(texts, 7);
	struct mask_vocabulary known = { .mask_id = MASK, .size = 7, .special_ids = special_ids, .special_count = 5,
		.tokens = seven };
	const struct masking all = { .probability = 1, .mask_rate = 1, .exclude = path };
	FILE *file = fdopen(mkstemp(path), "w");
	fputs("[UNK]\r\ngood", file);
	fclose(file);
	struct mask *mask = mask_create(&all, &known, &failure);
	assert_non_null(mask);
	int32_t input_ids[] = { 5, 6 }, labels[2];
	mask_tokens(mask, &(struct mask_record){ .count = 2, .input_ids = input_ids, .labels = labels });
	assert_int_equal(labels[0], -100);
	assert_int_equal(labels[1], 6);
	mask_destroy(mask);
	file = fopen(path, "a");
	fputs("\nbad\n", file);
	fclose(file);
	assert_null(mask_create(&all, &known, &failure));
	assert_int_equal(failure.status, EX_DATAERR);
	assert_non_null(strstr(failure.text, "line 3: the vocabulary has no token bad"));
	remove(path);
	assert_null(mask_create(&all, &known, &failure));
	assert_int_equal(failure.status, EX_NOINPUT);
	vocabulary_free(seven);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_what_may_be_chosen),
		cmocka_unit_test(special_tokens_leave_other_words_alone),
		cmocka_unit_test(draws_by_seed_record_and_unit),
		cmocka_unit_test(chooses_at_least_one),
		cmocka_unit_test(takes_a_record_without_tokens),
		cmocka_unit_test(refuses_options),
		cmocka_unit_test(excludes_the_tokens_of_a_file),
	};
	return cmocka_run_group_tests_name("mask/mask", tests, NULL, NULL);
}
