/* Tests of model/logits.h against sorting, and against the softmax as it is defined. */
#include <math.h>
#include <stdlib.h>

#include "test.h"

#include "math/random.h"
#include "model/logits.h"

enum { V = 500 };

/* Few different values, so that many are equal. */
static void fill(float *logits) {
	for (size_t v = 0; v < V; v++) {
		uint32_t words[4];
		random_words(1, RANDOM_MASK, 0, (uint32_t)v, words);
		logits[v] = (float)random_below(words[0], 90) / 8 - 5;
	}
}

static const float *sorted_by;

static int compare_ids(const void *left, const void *right) {
	int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
	if (sorted_by[a] > sorted_by[b] || sorted_by[a] < sorted_by[b])
		return sorted_by[a] > sorted_by[b] ? -1 : 1;
	return (a > b) - (a < b);
}

static void test_best_are_those_of_a_sort(void **state) {
	float logits[V];
	int32_t sorted[V], best[V];
	(void)state;
	fill(logits);
	for (int32_t v = 0; v < V; v++)
		sorted[v] = v;
	sorted_by = logits;
	qsort(sorted, V, sizeof *sorted, compare_ids);
	for (size_t K = 1; K <= V; K = K * 3 + 1) {
		logits_best(logits, NULL, V, K, best);
		assert_memory_equal(best, sorted, K * sizeof *best);
	}
	for (size_t i = 0; i < V; i++)
		assert_int_equal(logits_rank(logits, V, sorted[i]), i);
}

static void test_candidates_are_the_only_ones(void **state) {
	float logits[V];
	const int32_t candidates[] = { 3, 77, 78, 200, 499 };
	int32_t sorted[] = { 3, 77, 78, 200, 499 }, best[5];
	(void)state;
	fill(logits);
	sorted_by = logits;
	qsort(sorted, 5, sizeof *sorted, compare_ids);
	for (size_t K = 1; K <= 5; K++) {
		logits_best(logits, candidates, 5, K, best);
		assert_memory_equal(best, sorted, K * sizeof *best);
	}
}

static void test_probabilities_add_up(void **state) {
	float logits[V];
	double total = 0, sum = 0;
	(void)state;
	fill(logits);
	for (size_t v = 0; v < V; v++)
		sum += exp((double)logits[v]);
	const struct softmax_sum of = logits_sum(logits, V);
	for (size_t v = 0; v < V; v++) {
		double p = logits_probability(of, logits[v]);
		assert_true(fabs(p - exp((double)logits[v]) / sum) < 1e-15);
		total += p;
	}
	assert_true(fabs(total - 1) < 1e-12);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_best_are_those_of_a_sort),
		cmocka_unit_test(test_candidates_are_the_only_ones),
		cmocka_unit_test(test_probabilities_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
