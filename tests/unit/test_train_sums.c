/* test_train_sums: the sums of a step have the order of the tree, whichever process computes which range, and whether they
 * are completed at once or by parts; and their memory. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "networks.h"
#include "train/sums.h"

enum { LEAVES = 16 };

static struct parameters *p;
static struct pool *pool;

static int set_up(void **state) {
	(void)state;
	struct config config = tiny_config(MODEL_DISTILBERT);
	p = parameters_create(&config, &masked_lm_head.layout);
	pool = pool_create(2, &(struct failure){ 0 });
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	pool_destroy(pool);
	parameters_free(p);
	return 0;
}

/* The gradient of micro-batch `leaf`: numbers of unlike sizes, so that another order gives another sum. */
static float gradient(size_t leaf, size_t group, size_t i) {
	float values[LEAVES];
	random_normal(group + 1, i, 1, values, LEAVES);
	return values[leaf] * powf(10, (float)(leaf % 3) * 3);
}

static struct loss loss_of(size_t leaf) {
	double value = (double)gradient(leaf, 0, 7) / 3;
	return (struct loss){ value, { value, value / 7, -value } };
}

/* The sum of leaves [first, end) as the definition has it. */
static float tree(size_t first, size_t end, size_t group, size_t i) {
	size_t half = 1;
	if (end - first == 1)
		return gradient(first, group, i);
	while (half * 2 < end - first)
		half *= 2;
	return tree(first, first + half, group, i) + tree(first + half, end, group, i);
}

static double tree_of_losses(size_t first, size_t end) {
	size_t half = 1;
	if (end - first == 1)
		return loss_of(first).parts[1];
	while (half * 2 < end - first)
		half *= 2;
	return tree_of_losses(first, first + half) + tree_of_losses(first + half, end);
}

static struct loss sum(struct sums *sums, size_t first, size_t end) {
	sums_begin(sums);
	for (size_t leaf = first; leaf < end; leaf++) {
		const struct blocks *blocks = sums_next(sums);
		struct loss loss = loss_of(leaf);
		for (size_t g = 0; g < p->group_count; g++)
			for (size_t i = 0; i < blocks->sizes[g]; i++)
				blocks->groups[g][i] += gradient(leaf, g, i);
		sums_add(sums, &loss);
	}
	return sums_end(sums);
}

static void check(const struct blocks *total, size_t first, size_t end) {
	for (size_t g = 0; g < p->group_count; g++)
		for (size_t i = 0; i < total->sizes[g]; i += 13)
			assert_float_equal(total->groups[g][i], tree(first, end, g, i), 0);
}

/* Each number of leaves, one step after the other with one `sums`. */
static void order(void **state) {
	(void)state;
	struct blocks *total = blocks_create(p);
	struct sums *sums = sums_create(total, pool);
	bool *head = allocate(p->count, sizeof *head);
	memset(head + p->groups[head_group(p)].first, 1, p->count - p->groups[head_group(p)].first);
	blocks_add_group(total, head_group(p), head);
	for (size_t leaves = 1; leaves <= LEAVES; leaves++) {
		if (leaves == 5) /* the rest thaws: what was made for the head alone grows with it */
			blocks_add_all(total);
		struct loss loss = sum(sums, 0, leaves);
		check(total, 0, leaves);
		assert_true(memcmp(&loss.parts[1], &(double){ tree_of_losses(0, leaves) }, sizeof(double)) == 0);
	}
	free(head);
	sums_free(sums);
	blocks_free(total);
}

/* Aligned ranges that are summed apart, and then along the tree, give the sum of all, also where the last is short. */
static void ranges(void **state) {
	(void)state;
	struct blocks *whole = blocks_create(p), *left = blocks_create(p), *right = blocks_create(p);
	blocks_add_all(whole), blocks_add_all(left), blocks_add_all(right);
	struct sums *of[] = { sums_create(whole, pool), sums_create(left, pool), sums_create(right, pool) };
	for (size_t end = LEAVES / 2 + 1; end <= LEAVES; end++) {
		sum(of[0], 0, end);
		sum(of[1], 0, LEAVES / 2);
		sum(of[2], LEAVES / 2, end);
		blocks_add(left, right, pool);
		for (size_t g = 0; g < p->group_count; g++)
			assert_memory_equal(left->groups[g], whole->groups[g], whole->sizes[g] * sizeof(float));
	}
	for (int i = 0; i < 3; i++)
		sums_free(of[i]);
	blocks_free(whole), blocks_free(left), blocks_free(right);
}

static void add_part(const struct blocks *blocks, const struct part *part, size_t leaf) {
	for (size_t s = 0; s < part->count; s++)
		for (size_t i = part->spans[s].first; i < part->spans[s].first + part->spans[s].count; i++)
			blocks->groups[part->group][i] += gradient(leaf, part->group, i);
}

static bool is_same(const struct blocks *left, const struct blocks *right, const struct part *part) {
	for (size_t s = 0; s < part->count; s++)
		if (memcmp(left->groups[part->group] + part->spans[s].first, right->groups[part->group] + part->spans[s].first,
				part->spans[s].count * sizeof(float)) != 0)
			return false;
	return true;
}

/* A step with the words 3, 4 and 9. */
static const struct examples words = { .B = 1, .starts = (const int32_t[]){ 0, 4 }, .input_ids = (const int32_t[]){ 4, 3, 9, 3 } };

/* Every number of a group that trains is in one part, and those of words that are not in the step in the first. */
static void parts_divide_the_gradients(void **state) {
	(void)state;
	struct blocks *counts = blocks_create(p);
	blocks_add_all(counts);
	struct parts parts = parts_create(counts, &words);
	for (size_t i = 0; i < parts.count; i++)
		for (size_t s = 0; s < parts.of[i].count; s++)
			for (size_t n = 0; n < parts.of[i].spans[s].count; n++)
				counts->groups[parts.of[i].group][parts.of[i].spans[s].first + n] += (float)(i + 1);
	const struct parameter *table = parameters_find(p, ROLE_WORD_EMBEDDINGS, 0);
	const float *rows = blocks_of(counts, table);
	for (size_t g = 0; g < p->group_count; g++)
		for (size_t i = 0; i < counts->sizes[g]; i++) {
			bool is_word = g == EMBEDDINGS_GROUP && &counts->groups[g][i] >= rows
				&& &counts->groups[g][i] < rows + table->elements;
			size_t word = is_word ? (size_t)(&counts->groups[g][i] - rows) / table->shape[1] : 3;
			float part = word != 3 && word != 4 && word != 9 ? 1 : (float)parts_complete(&parts, g);
			assert_float_equal(counts->groups[g][i], part, 0);
		}
	parts_clear(&parts);
	blocks_free(counts);
}

/* The last micro-batch completes one part after the other: what is complete is the sum while other parts are not. */
static void completes_by_parts(void **state) {
	(void)state;
	struct blocks *total = blocks_create(p), *expected = blocks_create(p);
	blocks_add_all(total), blocks_add_all(expected);
	struct sums *sums = sums_create(total, pool), *whole = sums_create(expected, pool);
	struct parts parts = parts_create(total, &words);
	for (size_t leaves = 1; leaves <= LEAVES; leaves++) {
		struct loss loss = sum(whole, 0, leaves);
		sums_begin(sums);
		for (size_t leaf = 0; leaf < leaves; leaf++) {
			const struct blocks *blocks = sums_next(sums);
			for (size_t i = 0; i < parts.count; i++) {
				add_part(blocks, &parts.of[i], leaf);
				if (leaf == leaves - 1)
					sums_complete(sums, &parts.of[i]);
				assert_true(leaf < leaves - 1 || is_same(total, expected, &parts.of[i]));
			}
			struct loss share = loss_of(leaf);
			sums_add(sums, &share);
		}
		struct loss by_parts = sums_end(sums);
		assert_memory_equal(&by_parts, &loss, sizeof loss);
		for (size_t i = 0; i < parts.count; i++)
			assert_true(is_same(total, expected, &parts.of[i]));
	}
	parts_clear(&parts);
	sums_free(sums), sums_free(whole);
	blocks_free(total), blocks_free(expected);
}

static void nothing(void **state) {
	(void)state;
	struct blocks *total = blocks_create(p);
	blocks_add_all(total);
	struct sums *sums = sums_create(total, pool);
	sum(sums, 0, 3);
	assert_true(fpclassify(sum(sums, 4, 4).value) == FP_ZERO);
	for (size_t g = 0; g < p->group_count; g++)
		for (size_t i = 0; i < total->sizes[g]; i++)
			assert_true(fpclassify(total->groups[g][i]) == FP_ZERO);
	sums_free(sums);
	blocks_free(total);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),
		cmocka_unit_test(ranges),
		cmocka_unit_test(parts_divide_the_gradients),
		cmocka_unit_test(completes_by_parts),
		cmocka_unit_test(nothing),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
