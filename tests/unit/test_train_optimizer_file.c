/* test_train_optimizer_file: the state of AdamW is loaded bit for bit, for the groups that trained, and damage is
 * reported. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"
#include "scratch_file.h"

#include "base/memory.h"
#include "math/random.h"
#include "model/head.h"
#include "model/safetensors.h"
#include "train/optimizer_file.h"

/* ---- optimizers ---------------------------------------------------------------------------------------- */

/* Groups: embeddings, two layers, head. */
enum { GROUPS = 4, ALL = (1 << GROUPS) - 1 };

struct fixture { struct parameters *p; struct pool *pool; struct optimizer *optimizer; };

/* The groups whose bit is set in `thawed` train. */
static struct fixture set_up(unsigned thawed, const char *freeze) {
	struct config config = { .model_type = MODEL_BERT, .vocab_size = 50, .max_position_embeddings = 8,
		.type_vocab_size = 2, .hidden_size = 12, .num_hidden_layers = GROUPS - 2, .num_attention_heads = 2,
		.intermediate_size = 7, .layer_norm_eps = 1e-12f, .tie_word_embeddings = true, .json = json_object() };
	const struct optimizer_options options = { 0.9, 0.999, 1e-8, 0.1, 1, false, freeze };
	struct fixture fixture = { parameters_create(&config, &masked_lm_head.layout),
		pool_create(1, &(struct failure){ 0 }), NULL };
	fixture.optimizer = optimizer_create(fixture.p, &options, fixture.pool);
	for (size_t g = 0; g < GROUPS; g++)
		if ((thawed >> g & 1) != 0)
			optimizer_thaw(fixture.optimizer, g);
	return fixture;
}

static void tear_down(struct fixture *fixture) {
	optimizer_free(fixture->optimizer);
	pool_destroy(fixture->pool);
	parameters_free(fixture->p);
}

/* Steps with gradients that are numbers of their own. */
static void take_steps(const struct fixture *fixture, uint64_t first, uint64_t count) {
	const struct blocks *gradients = optimizer_gradients(fixture->optimizer);
	const double rates[GROUPS] = { 1e-3, 2e-3, 3e-3, 4e-3 };
	for (uint64_t t = first; t < first + count; t++) {
		for (size_t i = 0; i < fixture->p->count; i++)
			if (gradients->of[i] != NULL)
				random_normal(t, i, 0.1f, gradients->of[i], fixture->p->table[i].elements);
		optimizer_step(fixture->optimizer, rates);
	}
}

static void save(const struct fixture *fixture) {
	struct failure failure;
	assert_int_equal(optimizer_save(fixture->optimizer, path, &failure), 0);
}

static void load(const struct fixture *fixture) {
	struct failure failure = { 0 };
	if (optimizer_load(fixture->optimizer, path, &failure) != 0)
		fail_msg("%s", failure.text);
}

static void assert_same_blocks(const struct blocks *a, const struct blocks *b) {
	for (size_t g = 0; g < GROUPS; g++) {
		assert_int_equal(a->groups[g] == NULL, b->groups[g] == NULL);
		assert_int_equal(a->sizes[g], b->sizes[g]);
		if (a->groups[g] != NULL)
			assert_memory_equal(a->groups[g], b->groups[g], a->sizes[g] * sizeof(float));
	}
}

/* The same is remembered, and the same is made of the next steps. */
static void assert_goes_on(const struct fixture *saved, const struct fixture *loaded) {
	const struct optimizer_state *a = optimizer_state(saved->optimizer), *b = optimizer_state(loaded->optimizer);
	assert_same_blocks(a->exp_avg, b->exp_avg);
	assert_same_blocks(a->exp_avg_sq, b->exp_avg_sq);
	for (size_t g = 0; g < GROUPS; g++) {
		assert_int_equal(a->steps[g], b->steps[g]);
		assert_int_equal(optimizer_gradients(loaded->optimizer)->sizes[g], a->exp_avg->sizes[g]);
	}
	memcpy(loaded->p->values, saved->p->values, saved->p->size * sizeof(float));
	take_steps(saved, 100, 2);
	take_steps(loaded, 100, 2);
	assert_memory_equal(loaded->p->values, saved->p->values, saved->p->size * sizeof(float));
}

/* ---- what comes back ----------------------------------------------------------------------------------- */

/* Every set of groups, the upper ones longer in training than the others. */
static void any_groups_come_back(void **state) {
	(void)state;
	for (unsigned thawed = 0; thawed <= ALL; thawed++) {
		struct fixture saved = set_up(thawed & (ALL - 3), NULL), loaded = set_up(0, NULL);
		take_steps(&saved, 1, 2);
		for (size_t g = 0; g < 2; g++)
			if ((thawed >> g & 1) != 0)
				optimizer_thaw(saved.optimizer, g);
		take_steps(&saved, 3, 3);
		save(&saved);
		load(&loaded);
		for (size_t g = 0; g < GROUPS; g++)
			assert_int_equal(optimizer_state(loaded.optimizer)->steps[g], (thawed >> g & 1) == 0 ? 0 : g < 2 ? 3 : 5);
		assert_goes_on(&saved, &loaded);
		tear_down(&saved);
		tear_down(&loaded);
	}
}

static void frozen_tensors_are_not_in_the_file(void **state) {
	(void)state;
	static const char freeze[] = "*.@(embeddings|key).*";
	struct fixture saved = set_up(ALL - 2, freeze), loaded = set_up(0, freeze);
	struct failure failure;
	take_steps(&saved, 1, 2);
	save(&saved);
	struct safetensors *file = safetensors_open_file(path, &failure);
	assert_non_null(file);
	size_t trained = 0;
	for (size_t i = 0; i < saved.p->count; i++) {
		const struct parameter *parameter = &saved.p->table[i];
		bool trains = parameter->group >= 2 && strstr(parameter->name, ".key.") == NULL;
		char *names[] = { format_text("exp_avg.%s", parameter->name), format_text("exp_avg_sq.%s", parameter->name) };
		for (size_t n = 0; n < 2; n++) {
			assert_int_equal(safetensors_find(file, names[n]) != NULL, trains);
			free(names[n]);
		}
		trained += trains;
	}
	assert_int_equal(safetensors_count(file), 2 * trained);
	assert_string_equal(json_string_value(json_object_get(safetensors_metadata(file), "cloze")),
		"{\"steps\":{\"layer.1\":2,\"head\":2}}");
	safetensors_close(file);
	load(&loaded);
	assert_goes_on(&saved, &loaded);
	tear_down(&saved);
	tear_down(&loaded);
}

/* A group that was thawed, but has taken no step, is as good as frozen. */
static void before_the_first_step(void **state) {
	(void)state;
	struct fixture saved = set_up(8, NULL), loaded = set_up(0, NULL);
	take_steps(&saved, 1, 1);
	optimizer_thaw(saved.optimizer, 2);
	save(&saved);
	load(&loaded);
	assert_int_equal(blocks_lowest_group(optimizer_gradients(loaded.optimizer)), 3);
	optimizer_thaw(loaded.optimizer, 2);
	assert_goes_on(&saved, &loaded);
	tear_down(&saved);
	tear_down(&loaded);
}

/* ---- what is refused ----------------------------------------------------------------------------------- */

/* Writes the file that optimizer_save() would, but with that text as metadata (NULL: none), without the tensor called
 * `missing`, and the one called `reshaped` as a shorter vector. */
static void write_damaged(const struct fixture *fixture, const char *text, const char *missing, const char *reshaped) {
	const struct optimizer_state *moments = optimizer_state(fixture->optimizer);
	size_t count = fixture->p->count, written = 0;
	struct tensor_source *tensors = allocate(2 * count, sizeof *tensors);
	char **names = allocate(2 * count, sizeof *names);
	for (size_t i = 0; i < 2 * count; i++) {
		const struct parameter *parameter = &fixture->p->table[i % count];
		const float *values = (i < count ? moments->exp_avg : moments->exp_avg_sq)->of[i % count];
		names[i] = format_text("%s.%s", i < count ? "exp_avg" : "exp_avg_sq", parameter->name);
		if (values == NULL || (missing != NULL && strcmp(names[i], missing) == 0))
			continue;
		tensors[written] = (struct tensor_source){ names[i], parameter->dimensions,
			{ parameter->shape[0], parameter->shape[1] }, values };
		if (reshaped != NULL && strcmp(names[i], reshaped) == 0)
			tensors[written].dimensions = 1, tensors[written].shape[0]--;
		written++;
	}
	json_t *metadata = text != NULL ? json_pack("{s:s}", "cloze", text) : json_object();
	struct failure failure;
	assert_int_equal(safetensors_write(path, tensors, written, metadata, &failure), 0);
	json_decref(metadata);
	for (size_t i = 0; i < 2 * count; i++)
		free(names[i]);
	free(names);
	free(tensors);
}

static void assert_refused(const char *named) {
	struct fixture loaded = set_up(0, NULL);
	struct failure failure = { 0 };
	assert_int_equal(optimizer_load(loaded.optimizer, path, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	if (strstr(failure.text, named) == NULL || strstr(failure.text, path) == NULL)
		fail_msg("expected %s, got %s", named, failure.text);
	tear_down(&loaded);
}

static void damaged_metadata(void **state) {
	(void)state;
	static const char steps[] = "does not say how many steps";
	static const struct { const char *text, *named; } cases[] = {
		{ NULL, steps }, { "", steps }, { "{\"steps\": {\"head\": 3}", steps }, { "[]", steps }, { "{}", steps },
		{ "{\"steps\": 3}", steps }, { "{\"steps\": {\"head\": 3, \"head\": 4}}", steps },
		{ "{\"steps\": {\"head\": 0}}", "steps of head" }, { "{\"steps\": {\"layer.1\": -2}}", "steps of layer.1" },
		{ "{\"steps\": {\"head\": 3, \"layer.0\": \"3\"}}", "steps of layer.0" },
		{ "{\"steps\": {\"head\": 3.5}}", "steps of head" },
		{ "{\"steps\": {\"embeddings\": null}}", "steps of embeddings" },
	};
	struct fixture saved = set_up(ALL, NULL), loaded = set_up(0, NULL);
	take_steps(&saved, 1, 3);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		write_damaged(&saved, cases[i].text, NULL, NULL);
		assert_refused(cases[i].named);
	}
	/* the same way, but whole */
	write_damaged(&saved, "{\"steps\": {\"head\": 3, \"embeddings\": 3, \"layer.0\": 3, \"layer.1\": 3}}", NULL, NULL);
	load(&loaded);
	assert_goes_on(&saved, &loaded);
	tear_down(&saved);
	tear_down(&loaded);
}

static void missing_and_reshaped_tensors(void **state) {
	(void)state;
	static const char *const names[] = { "exp_avg.bert.encoder.layer.1.output.dense.weight",
		"exp_avg_sq.cls.predictions.bias" };
	struct fixture saved = set_up(8 + 4, NULL);
	take_steps(&saved, 1, 3);
	for (size_t i = 0; i < 2; i++) {
		write_damaged(&saved, "{\"steps\": {\"head\": 3, \"layer.1\": 3}}", names[i], NULL);
		char *named = format_text("%s is missing", names[i]);
		assert_refused(named);
		free(named);
		write_damaged(&saved, "{\"steps\": {\"head\": 3, \"layer.1\": 3}}", NULL, names[i]);
		named = format_text("%s is of another shape", names[i]);
		assert_refused(named);
		free(named);
	}
	/* metadata that tells of a group that is not there */
	write_damaged(&saved, "{\"steps\": {\"head\": 3, \"layer.0\": 3}}", NULL, NULL);
	assert_refused("exp_avg.bert.encoder.layer.0.attention.self.query.weight is missing");
	tear_down(&saved);
}

/* What was frozen then cannot go on now. */
static void other_freeze(void **state) {
	(void)state;
	struct fixture saved = set_up(ALL, "*.key.*");
	take_steps(&saved, 1, 1);
	save(&saved);
	assert_refused("key.weight is missing");
	tear_down(&saved);
}

static void no_file(void **state) {
	(void)state;
	struct fixture fixture = set_up(ALL, NULL);
	struct failure failure;
	take_steps(&fixture, 1, 1);
	assert_int_equal(optimizer_save(fixture.optimizer, "/nonexistent/optimizer.safetensors", &failure), -1);
	assert_int_equal(failure.status, EX_CANTCREAT);
	assert_int_equal(optimizer_load(fixture.optimizer, "/nonexistent/optimizer.safetensors", &failure), -1);
	assert_int_equal(failure.status, EX_NOINPUT);
	tear_down(&fixture);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_groups_come_back),
		cmocka_unit_test(frozen_tensors_are_not_in_the_file),
		cmocka_unit_test(before_the_first_step),
		cmocka_unit_test(damaged_metadata),
		cmocka_unit_test(missing_and_reshaped_tensors),
		cmocka_unit_test(other_freeze),
		cmocka_unit_test(no_file),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
