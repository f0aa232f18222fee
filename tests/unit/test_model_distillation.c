/* test_model_distillation: what a student learns of a teacher. */
#include <math.h>
#include <stdlib.h>

#include "test.h"

#include "model/head_distillation.h"
#include "networks.h"

/* A student that is its own teacher has nothing to learn, whatever the number of logits that are kept. */
static void own_teacher(void **state) {
	(void)state;
	enum { V = 19, M = 10, K = 4 };
	static const struct distillation_options options = { .temperature = 2, .alpha_ce = 5, .alpha_cos = 1, .every_row = true };
	struct trained trained = make_trained(tiny_config(MODEL_BERT), &distillation_head, &options, 2);
	struct answers answers = make_answers(&trained.p->config, 17, K);
	struct examples examples = ragged;
	float logits[M * V];
	network_answer(trained.network, &examples, logits, answers.hidden_states);
	for (size_t m = 0; m < M; m++) {
		float *row = logits + m * V;
		for (size_t k = 0; k < K; k++) {
			answers.logits[m * K + k] = row[answers.ids[m * K + k]];
			row[answers.ids[m * K + k]] = -INFINITY;
		}
		for (size_t t = 0; t < REST_TEMPERATURES; t++)
			answers.rest[m * REST_TEMPERATURES + t] = (float)kernels()->log_sum_exp(row, V, (float)(1 << t));
	}
	examples.teacher = answers.show;
	assert_true(fabs(gradients_of(&trained, &examples, 0)) < 1e-5);
	for (size_t i = 0; i < trained.p->count; i++)
		for (size_t j = 0; j < trained.p->table[i].elements; j++)
			assert_true(fabs((double)trained.gradients->of[i][j]) < 1e-5);
	free_answers(&answers);
	free_trained(&trained);
}

/* The rest of 3 logits: exact at 1, 2, 4 and where T has no end, near between them, and below 1 no more than it is. */
static void rest_between_temperatures(void **state) {
	(void)state;
	const double z[] = { 1, -2, 0.5 };
	const double temperatures[] = { 1, 2, 4, 1e9, 1.5, 3, 8, 0.5 };
	const double tolerances[] = { 1e-6, 1e-6, 1e-6, 1e-6, 2e-3, 2e-3, 2e-3, 0.3 };
	float rest[REST_TEMPERATURES];
	for (size_t i = 0; i < sizeof temperatures / sizeof *temperatures; i++) {
		double sum = 0, T = temperatures[i];
		for (size_t j = 0; j < 3; j++)
			sum += exp(z[j] / T);
		if (i < REST_TEMPERATURES)
			rest[i] = (float)log(sum);
	}
	for (size_t i = 0; i < sizeof temperatures / sizeof *temperatures; i++) {
		double sum = 0, T = temperatures[i], got = rest_at_temperature(rest, 3, T);
		for (size_t j = 0; j < 3; j++)
			sum += exp(z[j] / T);
		assert_true(fabs(got - log(sum)) < tolerances[i]);
		assert_true(T >= 1 || got < log(sum));
	}
}

/* Parts of a batch of 600 labels have the answers of their own records: their gradients add up to the whole's. */
static void distillation_passes_add_up(void **state) {
	(void)state;
	static const struct distillation_options options = { .temperature = 2, .alpha_ce = 5, .alpha_mlm = 2, .alpha_cos = 3 };
	for (int whole_rows = 0; whole_rows < 2; whole_rows++) {
		struct config config = larger_config(MODEL_BERT);
		struct trained trained = make_trained(config, &distillation_head, &options, 2);
		struct answers answers = make_answers(&config, LARGER_B * LARGER_T, whole_rows ? LARGER_V : 7);
		struct batch_arrays arrays = larger_batch();
		arrays.examples.teacher = answers.show;
		const struct totals totals = totals_of(trained.network, &arrays.examples);
		assert_true(totals.of[0] == (double)LARGER_M && totals.of[2] < (double)examples_rows(&arrays.examples));
		check_passes(&trained, &arrays.examples, 5);
		free_answers(&answers);
		free_arrays(&arrays);
		free_trained(&trained);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_teacher),
		cmocka_unit_test(rest_between_temperatures),
		cmocka_unit_test(distillation_passes_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
