/* test_train_optimizer: AdamW and clipping are compared with torch's arithmetic in double precision; groups thaw one
 * after the other, each with its own rate. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "networks.h"
#include "train/optimizer.h"

enum { STEPS = 6, GROUPS = 4 };
static const struct optimizer_options defaults = { 0.9, 0.999, 1e-8, 0.1, 1, false, NULL };

/* A model of two layers, large enough for a tensor of several slices, and its optimizer. */
struct fixture { struct parameters *p; struct pool *pool; struct optimizer *optimizer; };

/* No group trains yet. */
static struct fixture set_up_frozen(const struct optimizer_options *options, int threads) {
	struct config config = { .model_type = MODEL_BERT, .vocab_size = 5003, .max_position_embeddings = 8,
		.type_vocab_size = 2, .hidden_size = 30, .num_hidden_layers = GROUPS - 2, .num_attention_heads = 2,
		.intermediate_size = 7, .layer_norm_eps = 1e-12f, .tie_word_embeddings = true, .json = json_object() };
	struct fixture fixture = { parameters_create(&config, &masked_lm_head.layout),
		pool_create(threads, &(struct failure){ 0 }), NULL };
	struct parameters *p = fixture.p;
	for (size_t i = 0; i < p->count; i++)
		random_normal(1, i, 0.5f, parameter_values(p, &p->table[i]), p->table[i].elements);
	assert_int_equal(p->group_count, GROUPS);
	fixture.optimizer = optimizer_create(p, options, fixture.pool);
	return fixture;
}

static struct fixture set_up(const struct optimizer_options *options, int threads) {
	struct fixture fixture = set_up_frozen(options, threads);
	for (size_t g = 0; g < GROUPS; g++)
		optimizer_thaw(fixture.optimizer, g);
	return fixture;
}

static void tear_down(struct fixture *fixture) {
	optimizer_free(fixture->optimizer);
	pool_destroy(fixture->pool);
	parameters_free(fixture->p);
}

/* Fills the gradients of what trains with numbers of that step. */
static void fill_gradients(const struct fixture *fixture, uint64_t step, float deviation) {
	struct blocks *gradients = optimizer_gradients(fixture->optimizer);
	for (size_t i = 0; i < fixture->p->count; i++)
		if (gradients->of[i] != NULL)
			random_normal(100 + step, i, deviation, gradients->of[i], fixture->p->table[i].elements);
}

/* A step with one rate for all groups. */
static double step(const struct fixture *fixture, double rate) {
	const double rates[GROUPS] = { rate, rate, rate, rate };
	return optimizer_step(fixture->optimizer, rates);
}

static float *copy_values(const struct parameters *p) {
	float *copy = allocate(p->size, sizeof *copy);
	return memcpy(copy, p->values, p->size * sizeof *copy);
}

/* Bit g is set where a number of group g differs from what it was before. */
static unsigned changed_groups(const struct parameters *p, const float *before) {
	unsigned changed = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *t = &p->table[i];
		if (memcmp(parameter_values(p, t), before + t->offset, t->elements * sizeof *before) != 0)
			changed |= 1U << t->group;
	}
	return changed;
}

/* ---- the plain optimizer ------------------------------------------------------------------------------- */

/* Of every number of the parameters' block, whether it trains or not. */
struct plain {
	const struct optimizer_options *options;
	double *w, *m, *v, clip;
	int steps[GROUPS]; /* that each group has taken */
};

static struct plain plain_create(const struct parameters *p, const struct optimizer_options *options) {
	struct plain plain = { .options = options, .w = calloc(p->size, sizeof(double)), .m = calloc(p->size, sizeof(double)),
		.v = calloc(p->size, sizeof(double)) };
	for (size_t i = 0; i < p->size; i++)
		plain.w[i] = (double)p->values[i];
	return plain;
}

static void plain_free(struct plain *plain) {
	free(plain->w);
	free(plain->m);
	free(plain->v);
}

/* Of the gradients of what trains. */
static double plain_norm(const struct fixture *fixture) {
	const struct blocks *gradients = optimizer_gradients(fixture->optimizer);
	double sum = 0;
	for (size_t i = 0; i < fixture->p->count; i++)
		for (size_t j = 0; gradients->of[i] != NULL && j < fixture->p->table[i].elements; j++)
			sum += pow((double)gradients->of[i][j], 2);
	return sqrt(sum);
}

static void plain_tensor(struct plain *plain, const struct parameter *tensor, const float *gradient, double lr) {
	const struct optimizer_options *options = plain->options;
	int t = plain->steps[tensor->group];
	for (size_t j = 0; j < tensor->elements; j++) {
		double *w = &plain->w[tensor->offset + j], *m = &plain->m[tensor->offset + j], *v = &plain->v[tensor->offset + j];
		double g = (double)gradient[j] * plain->clip;
		if (tensor->decays || options->decay_all)
			*w -= lr * options->weight_decay * *w;
		*m = options->beta1 * *m + (1 - options->beta1) * g;
		*v = options->beta2 * *v + (1 - options->beta2) * g * g;
		double denominator = sqrt(*v) / sqrt(1 - pow(options->beta2, t)) + options->epsilon;
		*w -= lr / (1 - pow(options->beta1, t)) * *m / denominator;
	}
}

/* A step of the groups whose bit is set in `training`. */
static void plain_step(struct plain *plain, const struct fixture *fixture, unsigned training, const double *rates) {
	const struct blocks *gradients = optimizer_gradients(fixture->optimizer);
	for (size_t g = 0; g < GROUPS; g++)
		plain->steps[g] += (training >> g & 1) != 0;
	for (size_t i = 0; i < fixture->p->count; i++) {
		const struct parameter *tensor = &fixture->p->table[i];
		if ((training >> tensor->group & 1) != 0)
			plain_tensor(plain, tensor, gradients->of[i], rates[tensor->group]);
	}
}

static void expect_plain(const struct parameters *p, const struct plain *plain) {
	for (size_t i = 0; i < p->size; i++)
		assert_true(fabs((double)p->values[i] - plain->w[i]) < 2e-6 * fmax(1, fabs(plain->w[i])));
}

static double clip_of(const struct optimizer_options *options, double norm) {
	return options->max_grad_norm > 0 && norm > options->max_grad_norm ? options->max_grad_norm / (norm + 1e-6) : 1;
}

/* Steps of all groups. Group g has the rate of group 0 times rate_ratio^g. */
static void compare_with_plain(const struct optimizer_options *options, float deviation, bool clips, double rate_ratio) {
	struct fixture fixture = set_up(options, 2);
	struct plain plain = plain_create(fixture.p, options);
	for (int t = 1; t <= STEPS; t++) {
		double rates[GROUPS] = { 1e-3 * t };
		for (size_t g = 1; g < GROUPS; g++)
			rates[g] = rates[g - 1] * rate_ratio;
		fill_gradients(&fixture, (uint64_t)t, deviation);
		double norm = plain_norm(&fixture);
		plain.clip = clip_of(options, norm);
		assert_true((plain.clip < 1) == clips);
		double got = optimizer_step(fixture.optimizer, rates);
		assert_true(fabs(got - norm) < 1e-9 * norm);
		plain_step(&plain, &fixture, (1U << GROUPS) - 1, rates);
		expect_plain(fixture.p, &plain);
	}
	plain_free(&plain);
	tear_down(&fixture);
}

static void spares_biases_and_norms(void **state) {
	(void)state;
	compare_with_plain(&defaults, 0.1f, true, 1);
}

static void decays_all(void **state) {
	(void)state;
	struct optimizer_options options = defaults;
	options.decay_all = true;
	compare_with_plain(&options, 0.1f, true, 1);
}

static void leaves_small_gradients(void **state) {
	(void)state;
	compare_with_plain(&defaults, 1e-4f, false, 1);
	struct optimizer_options options = defaults;
	options.max_grad_norm = 0;
	compare_with_plain(&options, 0.1f, false, 1);
}

static void gives_each_group_its_rate(void **state) {
	(void)state;
	compare_with_plain(&defaults, 0.1f, true, 2.6);
	compare_with_plain(&defaults, 0.1f, true, 0);
}

/* ---- thawing ------------------------------------------------------------------------------------------- */

/* From the head down, one more group before steps 1, 2, 4 and 5. Each counts its own steps for the bias of its moments,
 * and only those that train count for the norm. */
static void thaws_group_by_group(void **state) {
	(void)state;
	static const int thawed_before[GROUPS] = { 5, 4, 2, 1 };
	struct fixture fixture = set_up_frozen(&defaults, 2);
	struct plain plain = plain_create(fixture.p, &defaults);
	const struct optimizer_state *moments = optimizer_state(fixture.optimizer);
	unsigned training = 0;
	for (int t = 1; t <= STEPS; t++) {
		const double rates[GROUPS] = { 1e-3, 2e-3, 3e-3, 4e-3 };
		for (size_t g = 0; g < GROUPS; g++)
			if (thawed_before[g] == t) {
				optimizer_thaw(fixture.optimizer, g);
				training |= 1U << g;
			}
		fill_gradients(&fixture, (uint64_t)t, 0.1f);
		double norm = plain_norm(&fixture);
		plain.clip = clip_of(&defaults, norm);
		float *before = copy_values(fixture.p);
		assert_true(fabs(optimizer_step(fixture.optimizer, rates) - norm) < 1e-9 * norm);
		plain_step(&plain, &fixture, training, rates);
		expect_plain(fixture.p, &plain);
		assert_int_equal(changed_groups(fixture.p, before), training);
		for (size_t g = 0; g < GROUPS; g++)
			assert_int_equal(moments->steps[g], t >= thawed_before[g] ? t - thawed_before[g] + 1 : 0);
		free(before);
	}
	plain_free(&plain);
	tear_down(&fixture);
}

static void frozen_groups_have_no_memory(void **state) {
	(void)state;
	struct fixture fixture = set_up_frozen(&defaults, 1);
	const struct optimizer_state *moments = optimizer_state(fixture.optimizer);
	const struct blocks *const blocks[] = { optimizer_gradients(fixture.optimizer), moments->exp_avg, moments->exp_avg_sq };
	float *before = copy_values(fixture.p);
	assert_true(step(&fixture, 0.1) == 0); /* nothing trains */
	assert_int_equal(changed_groups(fixture.p, before), 0);
	optimizer_thaw(fixture.optimizer, 2);
	for (size_t b = 0; b < 3; b++) {
		assert_int_equal(blocks_lowest_group(blocks[b]), 2);
		for (size_t g = 0; g < GROUPS; g++) {
			assert_int_equal(blocks[b]->groups[g] != NULL, g == 2);
			assert_int_equal(blocks[b]->sizes[g] > 0, g == 2);
		}
	}
	free(before);
	tear_down(&fixture);
}

/* A second time changes nothing: neither the moments nor the count of steps. */
static void thaws_once(void **state) {
	(void)state;
	struct fixture once = set_up(&defaults, 1), twice = set_up(&defaults, 1);
	for (uint64_t t = 1; t <= 3; t++) {
		fill_gradients(&once, t, 0.1f);
		fill_gradients(&twice, t, 0.1f);
		for (size_t g = 0; g < GROUPS; g++)
			optimizer_thaw(twice.optimizer, g);
		assert_true(step(&once, 1e-2) == step(&twice, 1e-2));
	}
	assert_memory_equal(once.p->values, twice.p->values, once.p->size * sizeof(float));
	assert_int_equal(optimizer_state(twice.optimizer)->steps[1], 3);
	tear_down(&once);
	tear_down(&twice);
}

/* ---- single promises ----------------------------------------------------------------------------------- */

/* The first step is as long as the learning rate, whatever the gradient: betas rounded to single precision would make
 * it longer by 6 millionths, every time, and lead away from the reference. */
static void first_step_is_exact(void **state) {
	(void)state;
	struct optimizer_options options = defaults;
	options.max_grad_norm = 0;
	struct fixture fixture = set_up(&options, 1);
	const struct blocks *gradients = optimizer_gradients(fixture.optimizer);
	fill_gradients(&fixture, 1, 0.1f);
	memset(fixture.p->values, 0, fixture.p->size * sizeof(float));
	for (size_t g = 0; g < GROUPS; g++)
		for (size_t i = 0; i < gradients->sizes[g]; i++)
			if (gradients->groups[g][i] != 0)
				gradients->groups[g][i] = copysignf(0.5f, gradients->groups[g][i]);
	step(&fixture, 1);
	for (size_t i = 0; i < fixture.p->count; i++)
		for (size_t j = 0; j < fixture.p->table[i].elements; j++)
			if (gradients->of[i][j] != 0)
				assert_true(fabs(fabs((double)parameter_values(fixture.p, &fixture.p->table[i])[j]) - 1) < 1e-6);
	tear_down(&fixture);
}

static void padding_stays_zero(void **state) {
	(void)state;
	struct fixture fixture = set_up(&defaults, 1);
	const struct parameters *p = fixture.p;
	const struct blocks *gradients = optimizer_gradients(fixture.optimizer);
	for (size_t g = 0; g < GROUPS; g++)
		for (size_t i = 0; i < gradients->sizes[g]; i++)
			gradients->groups[g][i] = 1;
	double norm = step(&fixture, 0.1);
	assert_true(fabs(norm - plain_norm(&fixture)) < 1e-9 * norm);
	size_t end = 0;
	for (size_t i = 0; i < p->count; end = p->table[i].offset + p->table[i].elements, i++)
		for (size_t j = end; j < p->table[i].offset; j++)
			assert_true(p->values[j] == 0);
	tear_down(&fixture);
}

static void refuses_what_is_not_finite(void **state) {
	(void)state;
	struct fixture fixture = set_up(&defaults, 2);
	const struct parameters *p = fixture.p;
	float *last = optimizer_gradients(fixture.optimizer)->of[p->count - 1], *before = copy_values(p);
	fill_gradients(&fixture, 1, 0.1f);
	*last = NAN;
	assert_true(isfinite(step(&fixture, 0.1)) == 0);
	*last = INFINITY;
	assert_true(isfinite(step(&fixture, 0.1)) == 0);
	assert_memory_equal(p->values, before, p->size * sizeof *before);
	for (size_t g = 0; g < GROUPS; g++)
		assert_int_equal(optimizer_state(fixture.optimizer)->steps[g], 0);
	free(before);
	tear_down(&fixture);
}

/* What is frozen stays, has neither a gradient nor moments, and does not count for the norm. */
static void leaves_what_is_frozen(void **state) {
	(void)state;
	struct optimizer_options options = defaults;
	options.freeze = "*.@(embeddings|nothing).*";
	struct fixture fixture = set_up(&options, 2);
	const struct parameters *p = fixture.p;
	const struct blocks *gradients = optimizer_gradients(fixture.optimizer);
	const struct optimizer_state *moments = optimizer_state(fixture.optimizer);
	float *before = copy_values(p);
	fill_gradients(&fixture, 1, 0.1f);
	double norm = step(&fixture, 0.1), squares = 0;
	size_t frozen = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *tensor = &p->table[i];
		bool same = memcmp(parameter_values(p, tensor), before + tensor->offset, tensor->elements * sizeof *before) == 0;
		assert_true(same == (strstr(tensor->name, ".embeddings.") != NULL));
		assert_true(same == (gradients->of[i] == NULL));
		assert_true(same == (moments->exp_avg->of[i] == NULL) && same == (moments->exp_avg_sq->of[i] == NULL));
		frozen += same;
		for (size_t j = 0; j < tensor->elements && !same; j++)
			squares += (double)gradients->of[i][j] * (double)gradients->of[i][j];
	}
	assert_true(frozen > 0 && optimizer_frozen(fixture.optimizer) == frozen);
	assert_true(fabs(norm - sqrt(squares)) < 1e-6 * norm);
	/* a group of which nothing trains has no memory, and takes no steps */
	assert_int_equal(blocks_lowest_group(gradients), layer_group(0));
	assert_int_equal(moments->steps[EMBEDDINGS_GROUP], 0);
	assert_int_equal(moments->steps[layer_group(0)], 1);
	free(before);
	tear_down(&fixture);
}

/* Some tensors of each layer. */
static void freezes_within_groups(void **state) {
	(void)state;
	struct optimizer_options options = defaults;
	options.freeze = "*.attention.self.@(key|query).*";
	struct fixture fixture = set_up(&options, 2);
	const struct parameters *p = fixture.p;
	float *before = copy_values(p);
	size_t frozen = 0;
	fill_gradients(&fixture, 1, 0.1f);
	step(&fixture, 0.1);
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *tensor = &p->table[i];
		bool same = memcmp(parameter_values(p, tensor), before + tensor->offset, tensor->elements * sizeof *before) == 0;
		assert_true(same == (strstr(tensor->name, ".key.") != NULL || strstr(tensor->name, ".query.") != NULL));
		frozen += same;
	}
	assert_int_equal(frozen, 4 * (GROUPS - 2));
	assert_int_equal(optimizer_frozen(fixture.optimizer), frozen);
	free(before);
	tear_down(&fixture);
}

static void freezes_nothing(void **state) {
	(void)state;
	struct optimizer_options options = defaults;
	options.freeze = "embeddings"; /* the whole name has to match */
	struct fixture fixture = set_up(&options, 1);
	assert_int_equal(optimizer_frozen(fixture.optimizer), 0);
	for (size_t i = 0; i < fixture.p->count; i++)
		assert_non_null(optimizer_gradients(fixture.optimizer)->of[i]);
	tear_down(&fixture);
}

static float *values_with_threads(int threads, double *norm, size_t *bytes) {
	struct fixture fixture = set_up(&defaults, threads);
	for (uint64_t t = 1; t <= 2; t++) {
		fill_gradients(&fixture, t, 0.1f);
		*norm = step(&fixture, 1e-2);
	}
	float *values = copy_values(fixture.p);
	*bytes = fixture.p->size * sizeof *values;
	tear_down(&fixture);
	return values;
}

static void threads_change_no_bit(void **state) {
	(void)state;
	double one_norm, norm;
	size_t bytes;
	float *one = values_with_threads(1, &one_norm, &bytes);
	for (int threads = 2; threads <= 8; threads += 3) {
		float *values = values_with_threads(threads, &norm, &bytes);
		assert_true(norm == one_norm);
		assert_memory_equal(values, one, bytes);
		free(values);
	}
	free(one);
}

/* ---- rounded weights ----------------------------------------------------------------------------------- */

/* One that has rounded the weights before the step computes what one does for which they are all rounded again. */
static void rounds_what_it_updates(void **state) {
	(void)state;
	struct trained trained = make_trained(larger_config(MODEL_BERT), &masked_lm_head, NULL, 2);
	struct batch_arrays arrays = larger_batch();
	struct fixture fixture = { trained.p, trained.pool, optimizer_create(trained.p, &defaults, trained.pool) };
	double *rates = allocate(trained.p->group_count, sizeof *rates);
	for (size_t g = 0; g < trained.p->group_count; g++) {
		optimizer_thaw(fixture.optimizer, g);
		rates[g] = 0.1;
	}
	network_set_precision(trained.network, PRECISION_BF16);
	double before = network_loss(trained.network, &arrays.examples, NULL, NULL);
	fill_gradients(&fixture, 0, 1);
	optimizer_step(fixture.optimizer, rates);

	double after = network_loss(trained.network, &arrays.examples, NULL, NULL);
	assert_true(after != before);
	trained.p->version++;
	assert_true(after == network_loss(trained.network, &arrays.examples, NULL, NULL));
	optimizer_free(fixture.optimizer);
	free(rates);
	free_arrays(&arrays);
	free_trained(&trained);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spares_biases_and_norms),
		cmocka_unit_test(decays_all),
		cmocka_unit_test(leaves_small_gradients),
		cmocka_unit_test(gives_each_group_its_rate),
		cmocka_unit_test(thaws_group_by_group),
		cmocka_unit_test(frozen_groups_have_no_memory),
		cmocka_unit_test(thaws_once),
		cmocka_unit_test(first_step_is_exact),
		cmocka_unit_test(padding_stays_zero),
		cmocka_unit_test(refuses_what_is_not_finite),
		cmocka_unit_test(leaves_what_is_frozen),
		cmocka_unit_test(freezes_within_groups),
		cmocka_unit_test(freezes_nothing),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(rounds_what_it_updates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
