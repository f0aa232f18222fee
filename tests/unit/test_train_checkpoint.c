/* test_train_checkpoint: the folder of a run: a checkpoint is loaded bit for bit, damage is detected, and files that
 * must stay are kept. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "test.h"
#include "warned.h"

#include "base/crc.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "math/random.h"
#include "model/head.h"
#include "train/checkpoint.h"

static const struct optimizer_options adamw = { 0.9, 0.999, 1e-8, 0.1, 1, false, NULL };

/* A run of a small model, its numbers made from `seed`; seed 0: all zero, and no group trains yet. */
struct fixture { struct saved_run run; struct run_state state; struct pool *pool; };

/* The configuration below as config.json has it. */
static json_t *config_json(enum model_type type, size_t layers) {
	if (type == MODEL_BERT)
		return json_pack("{s:s, s:i, s:i, s:i, s:I, s:i, s:i, s:i, s:f, s:f, s:f}", "model_type", "bert",
			"vocab_size", 50, "max_position_embeddings", 8, "hidden_size", 12,
			"num_hidden_layers", (json_int_t)layers, "num_attention_heads", 2, "intermediate_size", 7, "type_vocab_size", 2,
			"layer_norm_eps", 1e-12, "hidden_dropout_prob", 0.0, "attention_probs_dropout_prob", 0.0);
	return json_pack("{s:s, s:i, s:i, s:i, s:I, s:i, s:i, s:f, s:f}", "model_type", "distilbert", "vocab_size", 50,
		"max_position_embeddings", 8, "dim", 12, "n_layers", (json_int_t)layers, "n_heads", 2, "hidden_dim", 7, "dropout",
		0.0, "attention_dropout", 0.0);
}

static void set_up(struct fixture *fixture, enum model_type type, size_t layers, uint64_t seed) {
	struct config config = { .model_type = type, .vocab_size = 50, .max_position_embeddings = 8,
		.type_vocab_size = type == MODEL_BERT ? 2 : 0, .hidden_size = 12, .num_hidden_layers = layers,
		.num_attention_heads = 2, .intermediate_size = 7, .layer_norm_eps = 1e-12f, .tie_word_embeddings = true,
		.json = config_json(type, layers) };
	struct parameters *p = parameters_create(&config, &masked_lm_head.layout);
	fixture->pool = pool_create(1, &(struct failure){ 0 });
	fixture->run = (struct saved_run){ .parameters = p, .optimizer = optimizer_create(p, &adamw, fixture->pool),
		.state = &fixture->state };
	run_state_init(&fixture->state);
	const struct optimizer_state *moments = optimizer_state(fixture->run.optimizer);
	for (size_t g = 0; g < p->group_count && seed > 0; g++)
		optimizer_thaw(fixture->run.optimizer, g);
	for (size_t i = 0; i < p->count && seed > 0; i++) {
		float *const tensors[] = { parameter_values(p, &p->table[i]), moments->exp_avg->of[i], moments->exp_avg_sq->of[i] };
		for (size_t t = 0; t < 3; t++)
			random_normal(seed + t, i, 0.5f, tensors[t], p->table[i].elements);
	}
}

static void set_steps(struct fixture *fixture, int64_t steps) {
	fixture->state.step = steps;
	for (size_t g = 0; g < fixture->run.parameters->group_count; g++)
		optimizer_state(fixture->run.optimizer)->steps[g] = steps;
}

static void tear_down(struct fixture *fixture) {
	optimizer_free(fixture->run.optimizer);
	pool_destroy(fixture->pool);
	parameters_free(fixture->run.parameters);
	run_state_clear(&fixture->state);
}

static void expect_equal(const struct fixture *a, const struct fixture *b) {
	const struct optimizer_state *left = optimizer_state(a->run.optimizer), *right = optimizer_state(b->run.optimizer);
	size_t size = a->run.parameters->size;
	assert_int_equal(size, b->run.parameters->size);
	assert_memory_equal(a->run.parameters->values, b->run.parameters->values, size * sizeof(float));
	for (size_t g = 0; g < a->run.parameters->group_count; g++) {
		size_t bytes = left->exp_avg->sizes[g] * sizeof(float);
		assert_true(bytes > 0 && bytes == right->exp_avg->sizes[g] * sizeof(float));
		assert_memory_equal(left->exp_avg->groups[g], right->exp_avg->groups[g], bytes);
		assert_memory_equal(left->exp_avg_sq->groups[g], right->exp_avg_sq->groups[g], bytes);
		assert_int_equal(right->steps[g], b->state.step);
	}
	assert_int_equal(a->state.step, b->state.step);
}

static struct run_folder *open_folder(bool replace, bool resume) {
	struct failure failure = { 0 };
	struct run_folder *folder = run_folder_open("out", replace, resume, &failure);
	if (folder == NULL)
		assert_string_equal(failure.text, "");
	return folder;
}

static void save_steps(struct run_folder *folder, struct fixture *fixture, int64_t limit, size_t count,
	const int64_t *steps) {
	struct failure failure;
	for (size_t i = 0; i < count; i++) {
		set_steps(fixture, steps[i]);
		fixture->state.records = steps[i] * 2;
		assert_int_equal(checkpoint_save(folder, &fixture->run, limit, &failure), 0);
	}
}
#define SAVE(folder, fixture, limit, ...) save_steps(folder, fixture, limit, \
	sizeof (int64_t[]){ __VA_ARGS__ } / sizeof(int64_t), (const int64_t[]){ __VA_ARGS__ })

/* The names in a folder, sorted, each followed by a space. */
static void expect_names(const char *path, const char *expected) {
	struct dirent **entries;
	char text[1000] = "";
	int count = scandir(path, &entries, NULL, alphasort);
	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	assert_string_equal(text, expected);
}

static void flip_byte(const char *path, long at) {
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	fseek(file, at, at < 0 ? SEEK_END : SEEK_SET);
	int byte = getc(file);
	fseek(file, -1, SEEK_CUR);
	putc(byte ^ 1, file);
	assert_int_equal(fclose(file), 0);
}

/* checkpoint_load_newest(), and its warnings: one for each checkpoint that it passes over. */
static int load_newest(const struct run_folder *folder, struct saved_run *run, struct failure *failure, int warnings) {
	struct warned warned = { 0 };
	const struct warnings kept = warnings_to(&warned);
	int result = checkpoint_load_newest(folder, run, &kept, failure);
	assert_int_equal(warned.lines, warnings);
	if (warnings > 0)
		assert_non_null(strstr(warned.text, "passing over out/checkpoint-"));
	free(warned.text);
	return result;
}

static void loads_what_was_saved(void **state) {
	(void)state;
	for (int type = MODEL_DISTILBERT; type <= MODEL_BERT; type++) {
		empty_scratch(state);
		struct fixture saved, loaded;
		struct failure failure;
		set_up(&saved, (enum model_type)type, 2, 1);
		set_up(&loaded, (enum model_type)type, 2, 0);
		struct run_folder *folder = open_folder(false, false);
		assert_int_equal(access("out", F_OK), -1);
		SAVE(folder, &saved, 0, 3, 12);
		expect_names(".", "out ");
		expect_names("out", "checkpoint-12 checkpoint-3 ");
		expect_names("out/checkpoint-12", "config.json model.safetensors optimizer.safetensors trainer_state.json ");
		assert_int_equal(load_newest(folder, &loaded.run, &failure, 0), 1);
		expect_equal(&saved, &loaded);
		assert_int_equal(loaded.state.records, 24);
		run_folder_close(folder);
		tear_down(&saved);
		tear_down(&loaded);
	}
}

static void ends_a_run(void **state) {
	(void)state;
	static const char *const model = "config.json model.safetensors trainer_state.json ";
	struct fixture fixture;
	struct failure failure;
	set_up(&fixture, MODEL_DISTILBERT, 1, 1);
	for (int checkpoints = 0; checkpoints < 2; checkpoints++) {
		empty_scratch(state);
		struct run_folder *folder = open_folder(false, true);
		if (checkpoints)
			SAVE(folder, &fixture, 0, 5);
		assert_int_equal(run_folder_complete(folder, &fixture.run, &failure), 0);
		fixture.state.step = fixture.state.records = 6;
		fixture.state.complete = true;
		assert_int_equal(run_folder_finish(folder, &fixture.run, &failure), 0);
		expect_names(".", "out ");
		char *names = format_text("%s%s", checkpoints ? "checkpoint-5 " : "", model);
		expect_names("out", names);
		free(names);
		fixture.state.complete = false;
		assert_int_equal(run_folder_complete(folder, &fixture.run, &failure), 1);
		assert_true(fixture.state.complete);
		run_folder_close(folder);
		folder = open_folder(false, true);
		flip_byte("out/model.safetensors", -10);
		assert_int_equal(run_folder_complete(folder, &fixture.run, &failure), -1);
		assert_int_equal(failure.status, EX_DATAERR);
		run_folder_close(folder);
		fixture.state.complete = false;
	}
	tear_down(&fixture);
}

/* Any file of the newest, at its beginning or end. */
static void passes_over_damage(void **state) {
	(void)state;
	static const char *const files[] = { "config.json", "model.safetensors", "optimizer.safetensors",
		"trainer_state.json" };
	struct fixture saved, loaded;
	struct failure failure;
	set_up(&saved, MODEL_DISTILBERT, 1, 1);
	set_up(&loaded, MODEL_DISTILBERT, 1, 0);
	for (size_t i = 0; i < 8; i++) {
		empty_scratch(state);
		struct run_folder *folder = open_folder(false, false);
		SAVE(folder, &saved, 0, 1, 2);
		char *path = format_text("out/checkpoint-2/%s", files[i / 2]);
		flip_byte(path, i % 2 == 0 ? 2 : -4);
		free(path);
		assert_int_equal(load_newest(folder, &loaded.run, &failure, 1), 1);
		assert_int_equal(loaded.state.step, 1);
		flip_byte("out/checkpoint-1/model.safetensors", -1);
		assert_int_equal(load_newest(folder, &loaded.run, &failure, 2), -1);
		assert_int_equal(failure.status, EX_DATAERR);
		assert_int_equal(checkpoint_load_weights(folder, 1, loaded.run.parameters, &failure), -1);
		run_folder_close(folder);
	}
	tear_down(&saved);
	tear_down(&loaded);
}

static void refuses_another_model(void **state) {
	(void)state;
	struct fixture saved, loaded;
	struct failure failure;
	set_up(&saved, MODEL_DISTILBERT, 1, 1);
	set_up(&loaded, MODEL_DISTILBERT, 2, 0);
	struct run_folder *folder = open_folder(false, false);
	assert_int_equal(load_newest(folder, &loaded.run, &failure, 0), 0);
	SAVE(folder, &saved, 0, 1, 2);
	assert_int_equal(load_newest(folder, &loaded.run, &failure, 0), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_non_null(strstr(failure.text, "another num_hidden_layers than the model has"));
	run_folder_close(folder);
	tear_down(&saved);
	tear_down(&loaded);
}

/* Each setting that the numbers depend on, and none that they do not. */
static void compares_configurations(void **state) {
	(void)state;
	struct fixture saved, loaded;
	struct failure failure;
	set_up(&saved, MODEL_BERT, 1, 1);
	set_up(&loaded, MODEL_BERT, 1, 0);
	struct run_folder *folder = open_folder(false, false);
	SAVE(folder, &saved, 0, 1);
	struct config *config = &loaded.run.parameters->config;
	const struct { const char *name; void *member; size_t size; } members[] = {
		{ "model_type", &config->model_type, sizeof config->model_type },
		{ "vocab_size", &config->vocab_size, sizeof config->vocab_size },
		{ "max_position_embeddings", &config->max_position_embeddings, sizeof config->max_position_embeddings },
		{ "type_vocab_size", &config->type_vocab_size, sizeof config->type_vocab_size },
		{ "hidden_size", &config->hidden_size, sizeof config->hidden_size },
		{ "num_attention_heads", &config->num_attention_heads, sizeof config->num_attention_heads },
		{ "intermediate_size", &config->intermediate_size, sizeof config->intermediate_size },
		{ "hidden_act", &config->hidden_act, sizeof config->hidden_act },
		{ "hidden_dropout", &config->hidden_dropout, sizeof config->hidden_dropout },
		{ "attention_dropout", &config->attention_dropout, sizeof config->attention_dropout },
		{ "layer_norm_eps", &config->layer_norm_eps, sizeof config->layer_norm_eps },
		{ "tie_word_embeddings", &config->tie_word_embeddings, sizeof config->tie_word_embeddings },
	};
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		char *words = format_text("out/checkpoint-1/config.json: another %s than the model has", members[i].name);
		*(unsigned char *)members[i].member ^= 1;
		assert_int_equal(load_newest(folder, &loaded.run, &failure, 0), -1);
		if (strstr(failure.text, words) == NULL)
			assert_string_equal(failure.text, words);
		*(unsigned char *)members[i].member ^= 1;
		free(words);
	}
	config->initializer_range = 7;
	assert_int_equal(load_newest(folder, &loaded.run, &failure, 0), 1);
	run_folder_close(folder);
	tear_down(&saved);
	tear_down(&loaded);
}

static void tells_what_is_gone(void **state) {
	(void)state;
	struct fixture fixture;
	struct failure failure;
	set_up(&fixture, MODEL_DISTILBERT, 1, 1);
	struct run_folder *folder = open_folder(false, false);
	SAVE(folder, &fixture, 0, 1, 2);
	assert_int_equal(checkpoint_check(folder, 1, &failure), 0);
	flip_byte("out/checkpoint-2/optimizer.safetensors", -1);
	assert_int_equal(checkpoint_check(folder, 2, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	checkpoint_remove(folder, 1);
	expect_names("out", "checkpoint-2 ");
	assert_int_equal(checkpoint_check(folder, 1, &failure), -1);
	assert_int_equal(failure.status, EX_NOINPUT);
	run_folder_close(folder);
	tear_down(&fixture);
}

static void keeps_what_it_must(void **state) {
	(void)state;
	struct fixture fixture, loaded;
	struct failure failure;
	set_up(&fixture, MODEL_DISTILBERT, 1, 1);
	set_up(&loaded, MODEL_DISTILBERT, 1, 0);
	struct run_folder *folder = open_folder(false, false);
	SAVE(folder, &fixture, 2, 9, 10, 11);
	expect_names("out", "checkpoint-10 checkpoint-11 ");
	fixture.state.best_step = 12;
	fixture.state.best_loss = 1;
	SAVE(folder, &fixture, 2, 12, 13, 14);
	expect_names("out", "checkpoint-12 checkpoint-14 ");
	SAVE(folder, &fixture, 1, 15);
	expect_names("out", "checkpoint-12 checkpoint-15 ");
	assert_int_equal(fixture.state.best_saved, 12);

	/* One that was damaged and passed over is the first to go, though its step is the last. */
	flip_byte("out/checkpoint-15/model.safetensors", -1);
	assert_int_equal(load_newest(folder, &loaded.run, &failure, 1), 1);
	assert_int_equal(loaded.state.step, 12);
	SAVE(folder, &loaded, 2, 13);
	expect_names("out", "checkpoint-12 checkpoint-13 ");
	run_folder_close(folder);
	tear_down(&fixture);
	tear_down(&loaded);
}

static void replaces_a_folder(void **state) {
	(void)state;
	struct fixture fixture;
	struct failure failure;
	set_up(&fixture, MODEL_DISTILBERT, 1, 1);
	mkdir("out", 0700);
	mkdir("out/old", 0700);
	assert_null(run_folder_open("out", false, false, &failure));
	assert_int_equal(failure.status, EX_CANTCREAT);
	assert_null(run_folder_open("out", false, true, &failure));
	assert_int_equal(failure.status, EX_CANTCREAT);
	struct run_folder *folder = open_folder(true, false);
	expect_names("out", "old ");
	run_folder_close(folder);
	expect_names(".", "out ");
	folder = open_folder(true, false);
	SAVE(folder, &fixture, 0, 1);
	expect_names("out", "checkpoint-1 ");
	expect_names(".", "out ");
	run_folder_close(folder);
	tear_down(&fixture);
}

/* The name that a folder is made under. */
static char *unfinished_name(const char *folder, const char *name) {
	return format_text("%s/%s.unfinished-%08x", folder, name, (unsigned)crc32_extend(0, name, strlen(name)));
}

static void removes_what_was_left(void **state) {
	(void)state;
	struct failure failure;
	struct fixture fixture;
	char *begun = unfinished_name(".", "out"), *other = unfinished_name(".", "other"),
		*checkpoint = unfinished_name("out", "checkpoint-2");
	mkdir(begun, 0700);
	mkdir("out.backup", 0700);
	mkdir(other, 0700);
	run_folder_close(open_folder(false, true));
	assert_int_equal(access(begun, F_OK), -1);
	assert_int_equal(access("out.backup", F_OK), 0);
	assert_int_equal(access(other, F_OK), 0);

	/* That of a run that goes on is not left behind, and nobody else enters. */
	struct run_folder *running = open_folder(false, false), *folder;
	set_up(&fixture, MODEL_DISTILBERT, 1, 1);
	assert_null(run_folder_open("out", false, true, &failure));
	assert_int_equal(failure.status, EX_CANTCREAT);
	SAVE(running, &fixture, 0, 1);
	for (int force = 0; force < 2; force++) {
		assert_null(run_folder_open("out", force == 1, force == 0, &failure));
		assert_int_equal(failure.status, EX_CANTCREAT);
	}
	run_folder_close(running);
	mkdir(checkpoint, 0700);
	mkdir("out/checkpoint-2.backup", 0700);
	folder = open_folder(false, true);
	expect_names("out", "checkpoint-1 checkpoint-2.backup ");
	run_folder_close(folder);
	tear_down(&fixture);
	free(begun);
	free(other);
	free(checkpoint);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_what_was_saved),
		cmocka_unit_test_setup(ends_a_run, empty_scratch),
		cmocka_unit_test(passes_over_damage),
		cmocka_unit_test_setup(refuses_another_model, empty_scratch),
		cmocka_unit_test_setup(compares_configurations, empty_scratch),
		cmocka_unit_test_setup(tells_what_is_gone, empty_scratch),
		cmocka_unit_test_setup(keeps_what_it_must, empty_scratch),
		cmocka_unit_test_setup(replaces_a_folder, empty_scratch),
		cmocka_unit_test_setup(removes_what_was_left, empty_scratch),
	};
	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
