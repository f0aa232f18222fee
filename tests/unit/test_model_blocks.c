/* test_model_blocks: which tensors have numbers in a block, and at which offsets. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "networks.h"

static struct parameters *p;

static int make_model(void **state) {
	(void)state;
	struct config config = tiny_config(MODEL_BERT);
	p = parameters_create(&config, &masked_lm_head.layout);
	return 0;
}

static int free_model(void **state) {
	(void)state;
	parameters_free(p);
	return 0;
}

static size_t place(const struct parameter *parameter) {
	return (size_t)(parameter - p->table);
}

/* Tensors lie on cache lines of their own and in order, but for those that adjoin their neighbour where both are
 * there. */
static void check_layout(const struct blocks *blocks, size_t group) {
	const float *end = blocks->groups[group];
	for (size_t i = p->groups[group].first; i < p->groups[group].end; i++) {
		if (blocks->of[i] == NULL)
			continue;
		bool after = i > p->groups[group].first && blocks->of[i - 1] != NULL;
		if (after && parameter_adjoins_next(&p->table[i - 1]))
			assert_ptr_equal(blocks->of[i], end);
		else
			assert_true(blocks->of[i] >= end && blocks->of[i] < end + 16 && (uintptr_t)blocks->of[i] % 64 == 0);
		end = blocks->of[i] + p->table[i].elements;
	}
	const float *block_end = blocks->groups[group] + blocks->sizes[group];
	assert_true(end <= block_end && end + 16 > block_end);
}

static void every_tensor(void **state) {
	(void)state;
	struct blocks *blocks = blocks_create(p);
	assert_int_equal(blocks_lowest_group(blocks), p->group_count);
	assert_null(blocks_of(blocks, &p->table[0]));
	assert_null(blocks_of(blocks, NULL));
	blocks_add_all(blocks);
	assert_int_equal(blocks_lowest_group(blocks), 0);
	for (size_t g = 0; g < p->group_count; g++)
		check_layout(blocks, g);
	for (size_t i = 0; i < p->count; i++) {
		assert_non_null(blocks->of[i]);
		assert_ptr_equal(blocks_of(blocks, &p->table[i]), blocks->of[i]);
		for (size_t j = 0; j < p->table[i].elements; j++)
			assert_true(blocks->of[i][j] == 0);
	}
	assert_null(blocks_of(blocks, NULL));
	blocks_free(blocks);
}

/* All subsets of a layer's query, key and value, weights and biases. */
static void query_key_and_value(void **state) {
	(void)state;
	const struct parameter *weight = parameters_find(p, ROLE_QUERY_WEIGHT, 1);
	const struct parameter *bias = parameters_find(p, ROLE_QUERY_BIAS, 1);
	bool *trains = allocate(p->count, sizeof *trains);
	for (unsigned subset = 0; subset < 64; subset++) {
		struct blocks *blocks = blocks_create(p);
		for (size_t part = 0; part < 3; part++) {
			trains[place(weight) + part] = subset >> part & 1;
			trains[place(bias) + part] = subset >> (3 + part) & 1;
		}
		blocks_add_group(blocks, layer_group(1), trains);
		for (size_t i = 0; i < p->count; i++)
			assert_int_equal(blocks->of[i] != NULL, trains[i]);
		if (subset != 0)
			check_layout(blocks, layer_group(1));
		assert_int_equal(blocks_lowest_group(blocks), subset != 0 ? layer_group(1) : p->group_count);
		blocks_free(blocks);
	}
	free(trains);

	/* what the two rules come to */
	struct blocks *blocks = blocks_create(p);
	blocks_add_all(blocks);
	size_t C = p->config.hidden_size;
	assert_ptr_equal(blocks_of(blocks, weight + 1), blocks_of(blocks, weight) + C * C);
	assert_ptr_equal(blocks_of(blocks, weight + 2), blocks_of(blocks, weight) + 2 * C * C);
	assert_ptr_equal(blocks_of(blocks, bias + 2), blocks_of(blocks, bias) + 2 * C);
	blocks_free(blocks);
}

/* A group that is there keeps its memory and its numbers, whatever it is added with. */
static void added_twice(void **state) {
	(void)state;
	bool *trains = allocate(p->count, sizeof *trains);
	size_t first = p->groups[layer_group(0)].first;
	trains[first + 3] = true;
	struct blocks *blocks = blocks_create(p);
	blocks_add_group(blocks, layer_group(0), trains);
	float *numbers = blocks->of[first + 3];
	size_t size = blocks->sizes[layer_group(0)];
	numbers[1] = 7;
	trains[first] = true;
	blocks_add_group(blocks, layer_group(0), trains);
	assert_ptr_equal(blocks->of[first + 3], numbers);
	assert_true(numbers[1] > 6);
	assert_null(blocks->of[first]);
	assert_int_equal(blocks->sizes[layer_group(0)], size);
	blocks_add_all(blocks); /* the others */
	assert_ptr_equal(blocks->of[first + 3], numbers);
	assert_null(blocks->of[first]);
	assert_non_null(blocks->of[0]);
	assert_non_null(blocks->of[p->count - 1]);
	blocks_free(blocks);
	free(trains);
}

/* Nothing of a group that has no tensor to train. */
static void empty_group(void **state) {
	(void)state;
	bool *trains = allocate(p->count, sizeof *trains);
	struct blocks *blocks = blocks_create(p);
	trains[p->count - 1] = true;
	for (size_t g = 0; g < p->group_count; g++)
		blocks_add_group(blocks, g, trains);
	assert_int_equal(blocks_lowest_group(blocks), head_group(p));
	for (size_t g = 0; g < p->group_count; g++) {
		assert_int_equal(blocks->groups[g] != NULL, g == head_group(p));
		assert_int_equal(blocks->sizes[g] > 0, g == head_group(p));
	}
	blocks_free(blocks);
	free(trains);
}

/* Of several pieces, on one thread and more; a group without memory has nothing to be set. */
static void zeroed(void **state) {
	(void)state;
	struct config config = tiny_config(MODEL_BERT);
	config.vocab_size = 40000;
	struct parameters *wide = parameters_create(&config, &masked_lm_head.layout);
	for (int threads = 1; threads <= 3; threads += 2) {
		struct pool *pool = pool_create(threads, &(struct failure){ 0 });
		struct blocks *blocks = blocks_create(wide);
		bool *trains = allocate(wide->count, sizeof *trains);
		blocks_zero(blocks, pool);
		memset(trains, 1, wide->count * sizeof *trains);
		blocks_add_group(blocks, EMBEDDINGS_GROUP, trains);
		blocks_add_group(blocks, head_group(wide), trains);
		for (size_t g = 0; g < wide->group_count; g++)
			for (size_t i = 0; i < blocks->sizes[g]; i++)
				blocks->groups[g][i] = 1;
		blocks_zero(blocks, pool);
		for (size_t g = 0; g < wide->group_count; g++)
			for (size_t i = 0; i < blocks->sizes[g]; i++)
				assert_true(blocks->groups[g][i] == 0);
		free(trains);
		blocks_free(blocks);
		pool_destroy(pool);
	}
	parameters_free(wide);
}

/* The first by the table, not by memory; and no number that is not there. */
static void not_finite(void **state) {
	(void)state;
	size_t element;
	bool *trains = allocate(p->count, sizeof *trains);
	struct blocks *blocks = blocks_create(p);
	assert_null(blocks_not_finite(blocks, &element));
	memset(trains, 1, p->count * sizeof *trains);
	blocks_add_group(blocks, head_group(p), trains);
	blocks_add_group(blocks, layer_group(0), trains);
	assert_null(blocks_not_finite(blocks, &element));
	const struct parameter *last = &p->table[p->count - 1], *value = parameters_find(p, ROLE_VALUE_WEIGHT, 0);
	static const float values[] = { INFINITY, -INFINITY, NAN };
	for (size_t i = 0; i < 3; i++) {
		blocks_of(blocks, last)[last->elements - 1] = values[i];
		assert_ptr_equal(blocks_not_finite(blocks, &element), last);
		assert_int_equal(element, last->elements - 1);
		blocks_of(blocks, value)[4] = values[i];
		assert_ptr_equal(blocks_not_finite(blocks, &element), value);
		assert_int_equal(element, 4);
		blocks_of(blocks, last)[last->elements - 1] = blocks_of(blocks, value)[4] = 3e38f;
		assert_null(blocks_not_finite(blocks, &element));
	}
	blocks_free(blocks);
	free(trains);
}

/* Running statistics of a head are saved with a model, and have no gradient. */
static size_t list_statistics(const struct config *config, struct head_tensor tensors[MAX_HEAD_TENSORS]) {
	tensors[0] = (struct head_tensor){ .name = "score.weight", .rows = 2, .columns = config->hidden_size };
	tensors[1] = (struct head_tensor){ .name = "score.running_mean", .rows = 2, .is_statistic = true };
	tensors[2] = (struct head_tensor){ .name = "score.bias", .rows = 2 };
	return 3;
}

static void statistics_have_none(void **state) {
	(void)state;
	static const struct head_layout layout = { .task = "score", .tensors = list_statistics };
	struct config config = tiny_config(MODEL_DISTILBERT);
	struct parameters *parameters = parameters_create(&config, &layout);
	struct blocks *blocks = blocks_create(parameters);
	blocks_add_all(blocks);
	for (size_t i = 0; i < parameters->count; i++)
		assert_int_equal(blocks->of[i] == NULL, parameters->table[i].is_statistic);
	assert_null(blocks_of(blocks, parameters_find(parameters, ROLE_HEAD, 1)));
	assert_non_null(blocks_of(blocks, parameters_find(parameters, ROLE_HEAD, 2)));
	blocks_free(blocks);
	parameters_free(parameters);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tensor),
		cmocka_unit_test(query_key_and_value),
		cmocka_unit_test(added_twice),
		cmocka_unit_test(empty_group),
		cmocka_unit_test(zeroed),
		cmocka_unit_test(not_finite),
		cmocka_unit_test(statistics_have_none),
	};
	return cmocka_run_group_tests(tests, make_model, free_model);
}
