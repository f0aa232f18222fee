/* test_train_evaluate: sums by record and by batch, labels among the top k compared with sorted logits, and the
 * interval of the bootstrap compared with theory. */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/parameters_file.h"
#include "model/classifier.h"
#include "networks.h"
#include "train/evaluate.h"

enum { B = 3, M = 7 };

/* Three records of 6, 5 and 6 tokens; the second has no label. */
static const int32_t starts[B + 1] = { 0, 6, 11, 17 };
static const int32_t input_ids[] = { 2, 4, 9, 40, 41, 3, 2, 50, 51, 52, 3, 2, 4, 4, 60, 4, 3 };
static const int32_t positions[] = { 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5 };
static const int32_t label_starts[B + 1] = { 0, 3, 3, 7 };
static const int32_t labelled[M] = { 1, 2, 4, 12, 13, 14, 15 }, labels[M] = { 40, 41, 42, 43, 44, 60, 89 };
static const struct examples examples = { .B = B, .starts = starts, .input_ids = input_ids, .positions = positions,
	.label_starts = label_starts, .labelled = labelled, .labels = labels };

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
	parameters = parameters_load("tests/fixtures/train/distilbert", &masked_lm_head.layout, 0, NULL, &failure);
	if (parameters == NULL)
		return -1;
	pool = pool_create(2, &(struct failure){ 0 });
	network = network_create(parameters, &masked_lm_head, NULL, pool);
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
	const struct examples last = examples_slice(&examples, 2, 1); /* the third record again */
	float losses[M];
	network_loss(network, &examples, losses, NULL);
	evaluation_add(&evaluation, network, &examples);
	evaluation_add(&evaluation, network, &last);
	evaluation_add(&plain, network, &examples);
	evaluation_add(&plain, network, &last);
	assert_int_equal(evaluation.records, 4);
	assert_int_equal(evaluation.targets, 11);
	const struct record_loss *records = evaluation.record_losses;
	assert_int_equal(records[0].targets, 3);
	assert_near(records[0].loss_sum, losses[0] + losses[1] + losses[2], 1e-5);
	assert_int_equal(records[1].targets, 0);
	assert_near(records[1].loss_sum, 0, 0);
	assert_int_equal(records[2].targets, 4);
	assert_near(records[2].loss_sum, losses[3] + losses[4] + losses[5] + losses[6], 1e-5);
	assert_near(records[3].loss_sum, records[2].loss_sum, 1e-4);
	assert_near(evaluation_loss(&evaluation), (records[0].loss_sum + 2 * records[2].loss_sum) / 11, 1e-5);
	assert_near(evaluation_loss(&plain), evaluation_loss(&evaluation), 0);
	double first = (records[0].loss_sum + records[2].loss_sum) / 7, second = records[2].loss_sum / 4;
	assert_near(evaluation_batch_mean_loss(&evaluation), (3 * first + second) / 4, 1e-5);
	evaluation_clear(&evaluation);
	assert_null(evaluation.record_losses);
}

/* Where tokens have no labels, the loss is a mean over records: here the probe's, which has a loss for each. */
static void by_record_alone(void **state) {
	(void)state;
	static const struct probe_options options = { .first_rows = true };
	static const int32_t ids[] = { 2, 4, 9, 10, 11, 3, 2, 5, 6, 7, 3, 2, 4, 4, 8, 4, 3 };
	struct trained trained = make_trained(tiny_config(MODEL_DISTILBERT), &probe_head, &options, 1);
	struct evaluation evaluation = { .by_record = true };
	struct examples unlabelled = examples;
	float losses[B];
	unlabelled.input_ids = ids;
	unlabelled.label_starts = NULL;
	assert_int_equal(examples_targets(&unlabelled), B);
	double sum = network_loss(trained.network, &unlabelled, losses, NULL);
	evaluation_add(&evaluation, trained.network, &unlabelled);
	assert_int_equal(evaluation.targets, B);
	assert_int_equal(evaluation.records, B);
	assert_near(evaluation_loss(&evaluation), sum / (double)B, 1e-12);
	assert_near(evaluation_batch_mean_loss(&evaluation), sum / (double)B, 1e-12);
	for (size_t b = 0; b < B; b++) {
		assert_int_equal(evaluation.record_losses[b].targets, 1);
		assert_near(evaluation.record_losses[b].loss_sum, (double)losses[b], 0);
	}
	evaluation_clear(&evaluation);
	free_trained(&trained);
}

/* Where classes have weights, the loss is the mean that these weigh. */
static void weighed_records(void **state) {
	(void)state;
	const struct classifier_options options = { .class_weights = (const float[]){ 1, 4, 0.5f }, .weight_count = 3 };
	static const int32_t ids[] = { 2, 4, 9, 10, 11, 3, 2, 5, 6, 7, 3, 2, 4, 4, 8, 4, 3 }, classes[B] = { 2, 1, 1 };
	struct trained trained = make_trained(tiny_config(MODEL_DISTILBERT), &classifier_head, &options, 1);
	struct evaluation evaluation = { 0 };
	struct examples records = examples;
	records.input_ids = ids;
	records.label_starts = NULL;
	records.classes = classes;
	double sum = network_loss(trained.network, &records, NULL, NULL);
	evaluation_add(&evaluation, trained.network, &records);
	assert_near(evaluation_loss(&evaluation), sum / 8.5, 1e-12);
	assert_int_equal(evaluation.targets, B);
	evaluation_clear(&evaluation);
	free_trained(&trained);
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
	network_logits(network, &examples, logits);
	int64_t before = 0;
	for (size_t k = 1; k <= V; k++) {
		struct evaluation evaluation = { .top_k = (int32_t)k }, plain = { 0 };
		int64_t hits = 0;
		for (size_t m = 0; m < M; m++)
			hits += place(logits + m * V, V, labels[m]) < k;
		evaluation_add(&evaluation, network, &examples);
		evaluation_add(&plain, network, &examples);
		assert_int_equal(evaluation.top_k_hits, hits);
		assert_near(evaluation_top_k_accuracy(&evaluation), (double)hits / (double)M, 1e-15);
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
	float *words = parameter_values(parameters, parameters_find(parameters, ROLE_WORD_EMBEDDINGS, 0));
	float *saved = allocate(V * C, sizeof *saved);
	memcpy(saved, words, V * C * sizeof *words);
	memset(words, 0, V * C * sizeof *words);
	float *bias = parameter_values(parameters, parameters_find(parameters, ROLE_HEAD, DECODER_BIAS));
	float *saved_bias = allocate(V, sizeof *bias);
	memcpy(saved_bias, bias, V * sizeof *bias);
	memset(bias, 0, V * sizeof *bias);
	struct evaluation evaluation = { .top_k = 42 };
	evaluation_add(&evaluation, network, &examples);
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
		records[i].targets = 1 + (int64_t)(i % 3);
		records[i].loss_sum = (double)records[i].targets * (double)(bits >> 40) / (1 << 24);
		evaluation.loss_sum += records[i].loss_sum;
		evaluation.targets += records[i].targets;
		evaluation.weight += (double)records[i].targets;
	}
	double loss = evaluation_loss(&evaluation), squares = 0;
	for (size_t i = 0; i < RECORDS; i++) { /* the variance of a ratio of sums, by linearization */
		double rest = records[i].loss_sum - loss * (double)records[i].targets;
		squares += rest * rest;
	}
	double error = sqrt(squares) / (double)evaluation.targets;
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
	struct evaluation evaluation = { .records = 1, .record_losses = records, .loss_sum = 3, .weight = 2, .targets = 2 };
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
		cmocka_unit_test(by_record_alone),
		cmocka_unit_test(weighed_records),
		cmocka_unit_test(top_k),
		cmocka_unit_test(top_k_of_equals),
		cmocka_unit_test(interval_of_chance),
		cmocka_unit_test(interval_of_few),
	};
	return cmocka_run_group_tests(tests, make_network, free_network);
}
