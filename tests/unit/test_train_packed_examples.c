/* Packed examples: what comes out is what went in, array by array, and lies in the packed memory. */
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "train/packed_examples.h"

static const int32_t starts[] = { 0, 2, 5 }, ids[] = { 4, 5, 6, 7, 8 }, positions[] = { 0, 1, 0, 1, 3 };
static const int32_t types[] = { 0, 1, 0, 0, 1 }, label_starts[] = { 0, 1, 3 }, labelled[] = { 1, 2, 4 }, labels[] = { 9, 8, 7 };
static const int32_t classes[] = { 1, 0 };
static const int32_t teacher_ids[] = { 1, 2, 3, 4, 5, 6 };
static const float logits[] = { 1, 2, 3, 4, 5, 6 }, rest[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static const float states[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
static const uint8_t attended[] = { 1, 1, 1, 0, 1 };

static const struct examples whole = { .B = 2, .starts = starts, .input_ids = ids, .positions = positions,
	.token_type_ids = types, .attended = attended, .label_starts = label_starts, .labelled = labelled, .labels = labels,
	.classes = classes, .teacher = { 2, logits, teacher_ids, rest, states, 2 } };

/* The array is a copy of the other one, or both are NULL. */
static void expect_same(const void *got, const void *expected, size_t bytes) {
	assert_int_equal(got == NULL, expected == NULL);
	if (expected != NULL) {
		assert_ptr_not_equal(got, expected);
		assert_memory_equal(got, expected, bytes);
	}
}

static void check(const struct examples *examples) {
	struct packed_header header;
	void *bytes = examples_pack(examples, &header), *moved = malloc(header.bytes);
	memcpy(moved, bytes, header.bytes);
	free(bytes);
	struct examples got = examples_unpack(&header, moved);
	assert_int_equal(got.B, examples->B);
	expect_same(got.starts, examples->starts, sizeof starts);
	expect_same(got.input_ids, examples->input_ids, sizeof ids);
	expect_same(got.positions, examples->positions, sizeof positions);
	expect_same(got.token_type_ids, examples->token_type_ids, sizeof types);
	expect_same(got.attended, examples->attended, sizeof attended);
	expect_same(got.label_starts, examples->label_starts, sizeof label_starts);
	if (examples->label_starts != NULL) {
		expect_same(got.labelled, examples->labelled, sizeof labelled);
		expect_same(got.labels, examples->labels, sizeof labels);
	}
	assert_int_equal(got.teacher.K, examples->teacher.K);
	assert_int_equal(got.teacher.C, examples->teacher.C);
	expect_same(got.teacher.logits, examples->teacher.logits, sizeof logits);
	expect_same(got.teacher.ids, examples->teacher.ids, sizeof teacher_ids);
	expect_same(got.teacher.rest, examples->teacher.rest, sizeof rest);
	expect_same(got.teacher.hidden_states, examples->teacher.hidden_states, sizeof states);
	expect_same(got.classes, examples->classes, sizeof classes);
	free(moved);
}

static void every_array(void **state) {
	(void)state;
	check(&whole);
}

static void arrays_that_are_not_there(void **state) {
	(void)state;
	struct examples examples = whole;
	examples.classes = NULL;
	check(&examples);
	examples.token_type_ids = NULL;
	examples.attended = NULL;
	examples.teacher.ids = NULL;
	examples.teacher.rest = NULL;
	examples.teacher.hidden_states = NULL;
	check(&examples);
	examples = whole;
	examples.teacher = (struct teacher_answers){ 0 };
	examples.label_starts = examples.labelled = examples.labels = NULL;
	check(&examples);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_array),
		cmocka_unit_test(arrays_that_are_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
