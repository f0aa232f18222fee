/* AdamW and clipping against torch's arithmetic written out in double precision. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/memory.h"
#include "math/random.h"
#include "train/optimizer.h"

enum { STEPS = 6 };
static const struct optimizer_options defaults = { 0.9, 0.999, 1e-8, 0.1, 1, false, NULL };

/* Large enough for a tensor of several slices. */
static struct parameters *model(void) {
	struct config config = { .model_type = MODEL_BERT, .vocab_size = 5003, .max_position_embeddings = 8,
		.type_vocab_size = 2, .hidden_size = 30, .num_hidden_layers = 1, .num_attention_heads = 2,
		.intermediate_size = 7, .layer_norm_eps = 1e-12f, .tie_word_embeddings = true, .json = json_object() };
	struct parameters *p = parameters_create(&config);
	for (size_t i = 0; i < p->count; i++)
		random_normal(1, i, 0.5f, p->values + p->table[i].offset, p->table[i].elements);
	return p;
}

static float *gradients_of_step(const struct parameters *p, uint64_t step, float deviation) {
	float *gradients = allocate(p->size, sizeof *gradients);
	for (size_t i = 0; i < p->count; i++)
		random_normal(100 + step, i, deviation, gradients + p->table[i].offset, p->table[i].elements);
	return gradients;
}

static double plain_norm(const struct parameters *p, const float *gradients) {
	double sum = 0;
	for (size_t i = 0; i < p->count; i++)
		for (size_t j = 0; j < p->table[i].elements; j++)
			sum += pow((double)gradients[p->table[i].offset + j], 2);
	return sqrt(sum);
}

struct plain { double *w, *m, *v; };

static void plain_step(struct plain *plain, const struct parameters *p, const float *gradients, double lr, int t,
	double clip, const struct optimizer_options *options) {
	for (size_t i = 0; i < p->count; i++)
		for (size_t j = p->table[i].offset; j < p->table[i].offset + p->table[i].elements; j++) {
			double g = (double)gradients[j] * clip;
			if (p->table[i].decays || options->decay_all)
				plain->w[j] -= lr * options->weight_decay * plain->w[j];
			plain->m[j] = options->beta1 * plain->m[j] + (1 - options->beta1) * g;
			plain->v[j] = options->beta2 * plain->v[j] + (1 - options->beta2) * g * g;
			double denominator = sqrt(plain->v[j]) / sqrt(1 - pow(options->beta2, t)) + options->epsilon;
			plain->w[j] -= lr / (1 - pow(options->beta1, t)) * plain->m[j] / denominator;
		}
}

static void compare_with_plain(const struct optimizer_options *options, float deviation, bool clips) {
	struct parameters *p = model();
	struct pool *pool = pool_create(2, &(struct failure){ 0 });
	struct optimizer *optimizer = optimizer_create(p, options, pool);
	struct plain plain = { calloc(p->size, sizeof(double)), calloc(p->size, sizeof(double)),
		calloc(p->size, sizeof(double)) };
	for (size_t i = 0; i < p->size; i++)
		plain.w[i] = (double)p->values[i];
	for (int t = 1; t <= STEPS; t++) {
		float *gradients = gradients_of_step(p, (uint64_t)t, deviation);
		double norm = plain_norm(p, gradients), lr = 1e-3 * t;
		assert_true((options->max_grad_norm > 0 && norm > options->max_grad_norm) == clips);
		double got = optimizer_step(optimizer, gradients, lr);
		assert_true(fabs(got - norm) < 1e-9 * norm);
		plain_step(&plain, p, gradients, lr, t, clips ? options->max_grad_norm / (norm + 1e-6) : 1, options);
		for (size_t i = 0; i < p->size; i++)
			assert_true(fabs((double)p->values[i] - plain.w[i]) < 2e-6 * fmax(1, fabs(plain.w[i])));
		free(gradients);
	}
	free(plain.w);
	free(plain.m);
	free(plain.v);
	optimizer_free(optimizer);
	pool_destroy(pool);
	parameters_free(p);
}

static void spares_biases_and_norms(void **state) {
	(void)state;
	compare_with_plain(&defaults, 0.1f, true);
}

static void decays_all(void **state) {
	(void)state;
	struct optimizer_options options = defaults;
	options.decay_all = true;
	compare_with_plain(&options, 0.1f, true);
}

static void leaves_small_gradients(void **state) {
	(void)state;
	compare_with_plain(&defaults, 1e-4f, false);
	struct optimizer_options options = defaults;
	options.max_grad_norm = 0;
	compare_with_plain(&options, 0.1f, false);
}

/* The first step is as long as the learning rate, whatever the gradient: betas rounded to single precision would make it
 * longer by 6 millionths, every time, and lead away from the reference. */
static void first_step_is_exact(void **state) {
	(void)state;
	struct optimizer_options options = defaults;
	options.max_grad_norm = 0;
	struct parameters *p = model();
	struct pool *pool = pool_create(1, &(struct failure){ 0 });
	struct optimizer *optimizer = optimizer_create(p, &options, pool);
	float *gradients = gradients_of_step(p, 1, 0.1f);
	memset(p->values, 0, p->size * sizeof *p->values);
	for (size_t i = 0; i < p->size; i++)
		if (gradients[i] != 0)
			gradients[i] = copysignf(0.5f, gradients[i]);
	optimizer_step(optimizer, gradients, 1);
	for (size_t i = 0; i < p->size; i++)
		if (gradients[i] != 0)
			assert_true(fabs(fabs((double)p->values[i]) - 1) < 1e-6);
	free(gradients);
	optimizer_free(optimizer);
	pool_destroy(pool);
	parameters_free(p);
}

static void padding_stays_zero(void **state) {
	(void)state;
	struct parameters *p = model();
	struct pool *pool = pool_create(1, &(struct failure){ 0 });
	struct optimizer *optimizer = optimizer_create(p, &defaults, pool);
	float *gradients = allocate(p->size, sizeof *gradients);
	for (size_t i = 0; i < p->size; i++)
		gradients[i] = 1;
	double norm = optimizer_step(optimizer, gradients, 0.1);
	assert_true(fabs(norm - plain_norm(p, gradients)) < 1e-9 * norm);
	size_t end = 0;
	for (size_t i = 0; i < p->count; end = p->table[i].offset + p->table[i].elements, i++)
		for (size_t j = end; j < p->table[i].offset; j++)
			assert_true(p->values[j] == 0);
	free(gradients);
	optimizer_free(optimizer);
	pool_destroy(pool);
	parameters_free(p);
}

static void refuses_what_is_not_finite(void **state) {
	(void)state;
	struct parameters *p = model();
	struct pool *pool = pool_create(2, &(struct failure){ 0 });
	struct optimizer *optimizer = optimizer_create(p, &defaults, pool);
	float *gradients = gradients_of_step(p, 1, 0.1f), *before = allocate(p->size, sizeof *before);
	memcpy(before, p->values, p->size * sizeof *before);
	gradients[p->decoder_bias] = NAN;
	assert_true(isfinite(optimizer_step(optimizer, gradients, 0.1)) == 0);
	gradients[p->decoder_bias] = INFINITY;
	assert_true(isfinite(optimizer_step(optimizer, gradients, 0.1)) == 0);
	assert_memory_equal(p->values, before, p->size * sizeof *before);
	free(gradients);
	free(before);
	optimizer_free(optimizer);
	pool_destroy(pool);
	parameters_free(p);
}

/* What is frozen stays, and its gradient does not count for the norm. */
static void leaves_what_is_frozen(void **state) {
	(void)state;
	struct parameters *p = model();
	struct pool *pool = pool_create(2, &(struct failure){ 0 });
	struct optimizer_options options = defaults;
	options.freeze = "*.@(embeddings|nothing).*";
	struct optimizer *optimizer = optimizer_create(p, &options, pool);
	float *gradients = gradients_of_step(p, 1, 0.1f), *before = allocate(p->size, sizeof *before);
	memcpy(before, p->values, p->size * sizeof *before);
	double norm = optimizer_step(optimizer, gradients, 0.1), squares = 0;
	size_t frozen = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *parameter = &p->table[i];
		bool same = memcmp(p->values + parameter->offset, before + parameter->offset,
			parameter->elements * sizeof *before) == 0;
		assert_true(same == (strstr(parameter->name, ".embeddings.") != NULL));
		frozen += same;
		for (size_t j = 0; j < parameter->elements && !same; j++)
			squares += (double)gradients[parameter->offset + j] * (double)gradients[parameter->offset + j];
	}
	assert_true(frozen > 0 && optimizer_frozen(optimizer) == frozen);
	assert_true(fabs(norm - sqrt(squares)) < 1e-6 * norm);
	free(gradients);
	free(before);
	optimizer_free(optimizer);
	pool_destroy(pool);
	parameters_free(p);
}

static float *values_with_threads(int threads, double *norm) {
	struct parameters *p = model();
	struct pool *pool = pool_create(threads, &(struct failure){ 0 });
	struct optimizer *optimizer = optimizer_create(p, &defaults, pool);
	for (int t = 1; t <= 2; t++) {
		float *gradients = gradients_of_step(p, (uint64_t)t, 0.1f);
		*norm = optimizer_step(optimizer, gradients, 1e-2);
		free(gradients);
	}
	float *values = allocate(p->size, sizeof *values);
	memcpy(values, p->values, p->size * sizeof *values);
	optimizer_free(optimizer);
	pool_destroy(pool);
	parameters_free(p);
	return values;
}

static void threads_change_no_bit(void **state) {
	(void)state;
	struct parameters *p = model();
	double one_norm, norm;
	float *one = values_with_threads(1, &one_norm);
	for (int threads = 2; threads <= 8; threads += 3) {
		float *values = values_with_threads(threads, &norm);
		assert_true(norm == one_norm);
		assert_memory_equal(values, one, p->size * sizeof *one);
		free(values);
	}
	free(one);
	parameters_free(p);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spares_biases_and_norms),
		cmocka_unit_test(decays_all),
		cmocka_unit_test(leaves_small_gradients),
		cmocka_unit_test(first_step_is_exact),
		cmocka_unit_test(padding_stays_zero),
		cmocka_unit_test(refuses_what_is_not_finite),
		cmocka_unit_test(leaves_what_is_frozen),
		cmocka_unit_test(threads_change_no_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
