/* test_model_freezing: training passes with frozen tensors: the other tensors get the gradients of a full pass, bit for
 * bit, and layers below the lowest of them cost no work and no memory. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "networks.h"

/* ---- passes of the whole network ----------------------------------------------------------------------- */

struct fixture {
	struct batch_arrays arrays;
	struct examples examples; /* six records of them: hundreds of passes are made, on emulated processors too */
	struct trained trained; /* its gradients are those of the full pass */
	double loss;
};

enum { PASS = 4 };

static struct config narrow_config(enum model_type type) {
	struct config config = larger_config(type);
	config.hidden_size = 24;
	config.intermediate_size = 40;
	return config;
}

static struct fixture set_up(struct config config, const struct head_class *class, enum precision precision) {
	struct fixture fixture = { .arrays = larger_batch(), .trained = make_trained(config, class, NULL, 2) };
	fixture.examples = examples_slice(&fixture.arrays.examples, 0, 6);
	if (config.type_vocab_size == 0)
		fixture.examples.token_type_ids = NULL;
	network_set_dropout(fixture.trained.network, 0.1f, 0.1f, 1);
	network_set_precision(fixture.trained.network, precision);
	fixture.loss = gradients_of(&fixture.trained, &fixture.examples, PASS);
	return fixture;
}

static void tear_down(struct fixture *fixture) {
	free_trained(&fixture->trained);
	free_arrays(&fixture->arrays);
}

/* A pass in which `trains` [count] tells what does. */
static void check_pass(const struct fixture *fixture, const bool *trains) {
	const struct parameters *p = fixture->trained.p;
	const struct blocks *full = fixture->trained.gradients;
	struct trained part = fixture->trained;
	part.gradients = blocks_create(p);
	for (size_t g = 0; g < p->group_count; g++)
		blocks_add_group(part.gradients, g, trains);
	assert_true(gradients_of(&part, &fixture->examples, PASS) == fixture->loss);
	for (size_t i = 0; i < p->count; i++) {
		const float *gradient = blocks_of(part.gradients, &p->table[i]);
		assert_int_equal(gradient != NULL, trains[i]);
		if (trains[i] && memcmp(gradient, full->of[i], p->table[i].elements * sizeof *gradient) != 0)
			fail_msg("%s differs", p->table[i].name);
	}
	blocks_free(part.gradients);
}

/* Each group alone, each with all groups above it, and all but one. */
static void check_groups(const struct fixture *fixture) {
	const struct parameters *p = fixture->trained.p;
	bool *trains = allocate(p->count, sizeof *trains);
	for (size_t g = 0; g < p->group_count; g++)
		for (int others = 0; others < 3; others++) {
			for (size_t i = 0; i < p->count; i++) {
				size_t group = p->table[i].group;
				trains[i] = others == 2 ? group != g : others == 1 ? group >= g : group == g;
			}
			check_pass(fixture, trains);
		}
	memset(trains, 0, p->count * sizeof *trains);
	check_pass(fixture, trains); /* nothing trains */
	free(trains);
}

/* Tensors at random, in all groups and in the upper ones; and each alone. */
static void check_tensors(const struct fixture *fixture) {
	const struct parameters *p = fixture->trained.p;
	bool *trains = allocate(p->count, sizeof *trains);
	for (uint32_t draw = 0; draw < 12; draw++) {
		for (size_t i = 0; i < p->count; i++) {
			uint32_t words[4];
			random_words(1, RANDOM_MASK, draw, (uint32_t)i, words);
			trains[i] = random_unit(words[0]) < 0.5f && p->table[i].group >= draw % p->group_count;
		}
		check_pass(fixture, trains);
	}
	for (size_t i = 0; i < p->count; i++) {
		memset(trains, 0, p->count * sizeof *trains);
		trains[i] = true;
		check_pass(fixture, trains);
	}
	free(trains);
}

static void check_all(struct config config, const struct head_class *class, enum precision precision) {
	struct fixture fixture = set_up(config, class, precision);
	check_groups(&fixture);
	check_tensors(&fixture);
	tear_down(&fixture);
}

static void gradients_are_those_of_a_full_pass(void **state) {
	(void)state;
	check_all(narrow_config(MODEL_BERT), &masked_lm_head, PRECISION_FP32);
	check_all(narrow_config(MODEL_DISTILBERT), &masked_lm_head, PRECISION_FP32);
}

static void likewise_in_bf16(void **state) {
	(void)state;
	check_all(narrow_config(MODEL_BERT), &masked_lm_head, PRECISION_BF16);
}

static void likewise_of_all_rows(void **state) {
	(void)state;
	check_all(narrow_config(MODEL_DISTILBERT), &probe_head, PRECISION_FP32);
}

/* With a decoder of its own, the word embeddings train through the encoder alone. */
static void likewise_untied(void **state) {
	(void)state;
	struct config config = narrow_config(MODEL_BERT);
	config.tie_word_embeddings = false;
	check_all(config, &masked_lm_head, PRECISION_FP32);
}

/* ---- passes of the encoder alone ----------------------------------------------------------------------- */

enum { LAYERS = 4, LAST_GROUP = LAYERS }; /* groups are the embeddings, then the layers */

struct pass {
	struct parameters *p;
	struct pool *pool;
	struct compute compute;
	struct encoder *encoder;
	struct arena arena;
	struct blocks *gradients;
	struct wanted wanted;
};

static void lay_out(void *context) {
	struct pass *pass = context;
	encoder_lay_out(pass->encoder, &pass->arena);
}
/* A pass in which the groups from `lowest` on train. It runs where it stays, as its parts refer to each other. */
static struct pass make_pass(const struct examples *examples, size_t lowest) {
	struct config config = narrow_config(MODEL_BERT);
	config.num_hidden_layers = LAYERS;
	struct pass pass = { .p = random_model(config, &masked_lm_head), .pool = pool_create(2, &(struct failure){ 0 }),
		.wanted = { examples_labels(examples), examples->labelled, examples->label_starts } };
	bool *trains = allocate(pass.p->count, sizeof *trains);
	memset(trains, 1, pass.p->count * sizeof *trains);
	pass.gradients = blocks_create(pass.p);
	for (size_t g = lowest; g < pass.p->group_count; g++)
		blocks_add_group(pass.gradients, g, trains);
	free(trains);
	return pass;
}


static void run_forward(struct pass *pass, const struct examples *examples) {
	pass->compute = (struct compute){ .parameters = pass->p, .pool = pass->pool, .kernels = kernels(), .training = true,
		.hidden_dropout = 0.1f, .attention_dropout = 0.1f, .seed = 1, .pass = PASS, .gradients = pass->gradients };
	pass->encoder = encoder_create(&pass->compute);
	encoder_begin(pass->encoder, examples, &pass->wanted);
	arena_lay_out(&pass->arena, lay_out, pass);
	encoder_forward(pass->encoder);
}

static void run_backward(struct pass *pass) {
	float *dy = encoder_gradient(pass->encoder);
	assert_int_equal(dy != NULL, encoder_trains(pass->encoder));
	if (dy == NULL)
		return;
	random_normal(9, 0, 1, dy, pass->wanted.count * pass->p->config.hidden_size);
	encoder_backward(pass->encoder);
}

static void free_pass(struct pass *pass) {
	encoder_free(pass->encoder);
	arena_free(&pass->arena);
	blocks_free(pass->gradients);
	pool_destroy(pass->pool);
	parameters_free(pass->p);
}

/* Every number of the groups below `lowest` becomes none. */
static void poison_below(struct parameters *p, size_t lowest) {
	for (size_t i = 0; i < p->groups[lowest].first; i++)
		for (size_t j = 0; j < p->table[i].elements; j++)
			parameter_values(p, &p->table[i])[j] = NAN;
}

/* The backward pass ends at the lowest layer that trains: what lies below it is not even read. */
static void backward_leaves_the_bottom_alone(void **state) {
	(void)state;
	struct batch_arrays arrays = larger_batch();
	struct pass full = make_pass(&arrays.examples, 0);
	run_forward(&full, &arrays.examples);
	run_backward(&full);
	for (size_t lowest = layer_group(1); lowest <= LAST_GROUP; lowest++) {
		struct pass part = make_pass(&arrays.examples, lowest);
		run_forward(&part, &arrays.examples);
		assert_true(encoder_trains(part.encoder));
		poison_below(part.p, lowest);
		run_backward(&part);
		for (size_t g = lowest; g <= LAST_GROUP; g++)
			assert_memory_equal(part.gradients->groups[g], full.gradients->groups[g],
				full.gradients->sizes[g] * sizeof(float));
		free_pass(&part);
	}
	free_pass(&full);
	free_arrays(&arrays);
}

/* Layers below the lowest that trains share one set of arrays, and where none trains there are no gradients. */
static void memory_falls_with_what_trains(void **state) {
	(void)state;
	struct batch_arrays arrays = larger_batch();
	size_t before = SIZE_MAX;
	for (size_t lowest = layer_group(0); lowest <= LAST_GROUP + 1; lowest++) {
		struct pass pass = make_pass(&arrays.examples, lowest);
		run_forward(&pass, &arrays.examples);
		assert_int_equal(encoder_trains(pass.encoder), lowest <= LAST_GROUP);
		run_backward(&pass);
		assert_true(pass.arena.capacity < before);
		before = pass.arena.capacity;
		free_pass(&pass);
	}
	free_arrays(&arrays);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_are_those_of_a_full_pass),
		cmocka_unit_test(likewise_in_bf16),
		cmocka_unit_test(likewise_of_all_rows),
		cmocka_unit_test(likewise_untied),
		cmocka_unit_test(backward_leaves_the_bottom_alone),
		cmocka_unit_test(memory_falls_with_what_trains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
