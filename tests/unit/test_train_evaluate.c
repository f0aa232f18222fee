/* Evaluations: sums by record and by batch, labels among the top k against logits sorted, and the bootstrap's interval
 * against theory. */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/evaluate.h"

enum { B = 3, T = 6, M = 7 };

/* Three records; the second has no label. */
static const int32_t input_ids[B * T] = { 2, 4, 9, 40, 41, 3, 2, 50, 51, 52, 3, 0, 2, 4, 4, 60, 4, 3 };
static const uint8_t attention_mask[B * T] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1 };
static const int32_t positions[M] = { 1, 2, 4, 13, 14, 15, 16 }, labels[M] = { 40, 41, 42, 43, 44, 60, 89 };
static const struct network_input input = { .B = B, .T = T, .input_ids = input_ids, .attention_mask = attention_mask,
	.M = M, .positions = positions, .labels = labels };

static void assert_near(double value, double expected, double tolerance) {
	if (!(fabs(value - expected) <= tolerance))
		fail_msg("%.12g, expected %.12g", value, expected);
}

static struct parameters *parameters;
static struct pool *pool;
static struct network *network;

static int make_network(void **state) {
	struct failure failure;
	(void)state;
	parameters = parameters_load("tests/fixtures/train/distilbert", 0, NULL, &failure);
	if (parameters == NULL)
		return -1;
	pool = pool_create(2, &(struct failure){ 0 });
	network = network_create(parameters, pool);
	return 0;
}

static int free_network(void **state) {
	(void)state;
	network_free(network);
	pool_destroy(pool);
	parameters_free(parameters);
	return 0;
}

static void by_record(void **state) {
	(void)state;
	struct evaluation evaluation = { .by_record = true }, plain = { 0 };
	const struct network_input last = { .B = 1, .T = T, .input_ids = input_ids + 2 * T, .M = 4,
		.positions = (int32_t[]){ 1, 2, 3, 4 }, .labels = labels + 3 };
	float losses[M];
	network_loss(network, &input, losses);
	evaluation_add(&evaluation, network, &input);
	evaluation_add(&evaluation, network, &last); /* the third record again */
	evaluation_add(&plain, network, &input);
	evaluation_add(&plain, network, &last);
	assert_int_equal(evaluation.records, 4);
	assert_int_equal(evaluation.masked_tokens, 11);
	const struct record_loss *records = evaluation.record_losses;
	assert_int_equal(records[0].masked_tokens, 3);
	assert_near(records[0].loss_sum, losses[0] + losses[1] + losses[2], 1e-5);
	assert_int_equal(records[1].masked_tokens, 0);
	assert_near(records[1].loss_sum, 0, 0);
	assert_int_equal(records[2].masked_tokens, 4);
	assert_near(records[2].loss_sum, losses[3] + losses[4] + losses[5] + losses[6], 1e-5);
	assert_near(records[3].loss_sum, records[2].loss_sum, 1e-4);
	assert_near(evaluation_loss(&evaluation), (records[0].loss_sum + 2 * records[2].loss_sum) / 11, 1e-5);
	assert_near(evaluation_loss(&plain), evaluation_loss(&evaluation), 0);
	double first = (records[0].loss_sum + records[2].loss_sum) / 7, second = records[2].loss_sum / 4;
	assert_near(evaluation_batch_mean_loss(&evaluation), (3 * first + second) / 4, 1e-5);
	evaluation_clear(&evaluation);
	assert_null(evaluation.record_losses);
}

/* The place of a label among the logits, the highest first, of equal ones the lower id first. */
static size_t place(const float *logits, size_t V, int32_t label) {
	size_t place = 0;
	for (size_t v = 0; v < V; v++)
		if (logits[v] > logits[label] || (!(logits[v] < logits[label]) && v < (size_t)label))
			place++;
	return place;
}

static void top_k(void **state) {
	(void)state;
	size_t V = parameters->config.vocab_size;
	float *logits = allocate(M * V, sizeof *logits);
	network_logits(network, &input, logits);
	int64_t before = 0;
	for (size_t k = 1; k <= V; k++) {
		struct evaluation evaluation = { .top_k = k, .vocab_size = V }, plain = { 0 };
		int64_t hits = 0;
		for (size_t m = 0; m < M; m++)
			hits += place(logits + m * V, V, labels[m]) < k;
		evaluation_add(&evaluation, network, &input);
		evaluation_add(&plain, network, &input);
		assert_int_equal(evaluation.top_k_hits, hits);
		assert_near(evaluation_top_k_accuracy(&evaluation), (double)hits / M, 1e-15);
		assert_near(evaluation_loss(&evaluation), evaluation_loss(&plain), 1e-6);
		assert_true(hits >= before);
		before = hits;
	}
	assert_int_equal(before, M);
	free(logits);
}

/* With all logits equal the K first ids are the top K. */
static void top_k_of_equals(void **state) {
	(void)state;
	size_t V = parameters->config.vocab_size, C = parameters->config.hidden_size;
	float *words = parameters->values + parameters->word_embeddings;
	float *saved = allocate(V * C, sizeof *saved);
	memcpy(saved, words, V * C * sizeof *words);
	memset(words, 0, V * C * sizeof *words);
	float *bias = parameters->values + parameters->decoder_bias, *saved_bias = allocate(V, sizeof *bias);
	memcpy(saved_bias, bias, V * sizeof *bias);
	memset(bias, 0, V * sizeof *bias);
	struct evaluation evaluation = { .top_k = 42, .vocab_size = V };
	evaluation_add(&evaluation, network, &input);
	assert_int_equal(evaluation.top_k_hits, 2); /* labels 40 and 41 */
	assert_near(evaluation_loss(&evaluation), log((double)V), 1e-5);
	memcpy(words, saved, V * C * sizeof *words);
	memcpy(bias, saved_bias, V * sizeof *bias);
	free(saved);
	free(saved_bias);
}

static void interval_of_chance(void **state) {
	(void)state;
	enum { RECORDS = 3000 };
	struct record_loss *records = allocate(RECORDS, sizeof *records);
	struct evaluation evaluation = { .records = RECORDS, .record_losses = records };
	uint64_t bits = 1;
	for (size_t i = 0; i < RECORDS; i++) { /* one to three tokens of a loss in [0, 1), one number a record */
		bits = bits * 6364136223846793005 + 1442695040888963407;
		records[i].masked_tokens = 1 + (int64_t)(i % 3);
		records[i].loss_sum = (double)records[i].masked_tokens * (double)(bits >> 40) / (1 << 24);
		evaluation.loss_sum += records[i].loss_sum;
		evaluation.masked_tokens += records[i].masked_tokens;
	}
	double loss = evaluation_loss(&evaluation), squares = 0;
	for (size_t i = 0; i < RECORDS; i++) { /* the variance of a ratio of sums, by linearization */
		double rest = records[i].loss_sum - loss * (double)records[i].masked_tokens;
		squares += rest * rest;
	}
	double error = sqrt(squares) / (double)evaluation.masked_tokens;
	struct loss_interval interval = evaluation_interval(&evaluation, 4000, 3);
	assert_near(interval.low, loss - 1.96 * error, 0.15 * error);
	assert_near(interval.high, loss + 1.96 * error, 0.15 * error);
	struct loss_interval same = evaluation_interval(&evaluation, 4000, 3);
	struct loss_interval other = evaluation_interval(&evaluation, 4000, 4);
	assert_memory_equal(&same, &interval, sizeof same);
	assert_true(memcmp(&other, &interval, sizeof other) != 0);
	free(records);
}

/* One record is its own interval; those without a masked token are never the whole of a sample. */
static void interval_of_few(void **state) {
	(void)state;
	struct record_loss records[8] = { { 3, 2 } };
	struct evaluation evaluation = { .records = 1, .record_losses = records, .loss_sum = 3, .masked_tokens = 2 };
	for (; evaluation.records <= 8; evaluation.records += 7) {
		struct loss_interval interval = evaluation_interval(&evaluation, 100, 1);
		assert_near(interval.low, 1.5, 1e-12);
		assert_near(interval.high, 1.5, 1e-12);
	}
	evaluation.records = 1;
	struct loss_interval one = evaluation_interval(&evaluation, 1, 1);
	assert_near(one.high, 1.5, 1e-12);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_record),
		cmocka_unit_test(top_k),
		cmocka_unit_test(top_k_of_equals),
		cmocka_unit_test(interval_of_chance),
		cmocka_unit_test(interval_of_few),
	};
	return cmocka_run_group_tests(tests, make_network, free_network);
}
