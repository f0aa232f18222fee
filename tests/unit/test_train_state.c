/* test_train_state: trainer_state.json is read back bit for bit, and a changed file is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "test.h"

#include "train/state.h"

static void make_state(struct run_state *state) {
	run_state_init(state);
	state->step = 7;
	state->total = 30;
	state->epoch = 2;
	state->records = 56;
	state->digest = 0xfedcba98;
	state->complete = state->stopped = state->evaluation_due = true;
	state->interval.value = 0.1 + 0.2;
	state->interval.parts[LOSS_PARTS - 1] = 1.0 / 7;
	state->interval_steps = 3;
	state->best_loss = 1.0 / 3;
	state->best_step = 5;
	state->best_saved = 5;
	state->last_loss = 2;
	state->last_step = 6;
	state->evaluations_since_best = 1;
	json_object_set_new(state->options, "lr", json_real(5e-5));
	json_array_append_new(state->log_history, json_pack("{s:i, s:f}", "step", 6, "loss", 1e-300));
	json_object_set_new(state->files, "config.json", json_integer(0xffffffff));
}

static void comes_back_exactly(void **state) {
	(void)state;
	struct run_state wrote, read;
	struct failure failure;
	make_state(&wrote);
	assert_int_equal(run_state_write(&wrote, ".", &failure), 0);
	assert_int_equal(run_state_read(".", &read, &failure), 0);
	assert_true(json_equal(wrote.options, read.options));
	assert_true(json_equal(wrote.log_history, read.log_history));
	assert_true(json_equal(wrote.files, read.files));
	assert_memory_equal(&wrote.interval, &read.interval, sizeof wrote.interval);
	assert_memory_equal(&wrote.best_loss, &read.best_loss, sizeof(double));
	assert_memory_equal(&wrote.last_loss, &read.last_loss, sizeof(double));
	assert_int_equal(read.step, 7);
	assert_int_equal(read.total, 30);
	assert_int_equal(read.epoch, 2);
	assert_int_equal(read.records, 56);
	assert_int_equal(read.digest, 0xfedcba98);
	assert_true(read.complete && read.stopped && read.evaluation_due);
	assert_int_equal(read.interval_steps, 3);
	assert_int_equal(read.best_step, 5);
	assert_int_equal(read.best_saved, 5);
	assert_int_equal(read.last_step, 6);
	assert_int_equal(read.evaluations_since_best, 1);
	run_state_clear(&wrote);
	run_state_clear(&read);
}

/* Before any evaluation there is no best one. */
static void best_may_be_missing(void **state) {
	(void)state;
	struct run_state wrote, read;
	struct failure failure;
	make_state(&wrote);
	wrote.best_step = 0;
	assert_int_equal(run_state_write(&wrote, ".", &failure), 0);
	assert_int_equal(run_state_read(".", &read, &failure), 0);
	assert_int_equal(read.best_step, 0);
	run_state_clear(&wrote);
	run_state_clear(&read);
}

static json_t *read_json(void) {
	json_t *json = json_load_file("trainer_state.json", 0, NULL);
	assert_non_null(json);
	return json;
}

static void write_text(const char *text) {
	FILE *file = fopen("trainer_state.json", "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void expect_refused(const char *words) {
	struct run_state read;
	struct failure failure = { 0 };
	assert_int_equal(run_state_read(".", &read, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_null(read.options);
	if (strstr(failure.text, words) == NULL || strstr(failure.text, "trainer_state.json: ") == NULL)
		assert_string_equal(failure.text, words);
}

/* The layout does not matter, nor who wrote the file anew; what it says does. */
static void may_be_laid_out_anew(void **state) {
	(void)state;
	struct run_state wrote, read;
	struct failure failure;
	make_state(&wrote);
	assert_int_equal(run_state_write(&wrote, ".", &failure), 0);
	json_t *json = read_json();
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17));
	write_text(text);
	assert_int_equal(run_state_read(".", &read, &failure), 0);
	free(text);
	json_decref(json);
	run_state_clear(&wrote);
	run_state_clear(&read);
}

static void refuses_what_was_changed(void **state) {
	(void)state;
	static const struct { bool own; const char *member, *value, *words; } cases[] = {
		{ false, "global_step", NULL, "global_step is missing" },
		{ false, "global_step", "7.0", "global_step is of another type" },
		{ false, "global_step", "0", "global_step is 0, which is out of range" },
		{ false, "global_step", "8", "crc32 does not match the content" },
		{ false, "max_steps", "-2", "max_steps is -2" },
		{ false, "max_steps", "31", "crc32 does not match the content" },
		{ false, "epoch", "2147483648", "epoch is 2147483648" },
		{ false, "log_history", "{}", "log_history is of another type" },
		{ false, "log_history", "[]", "crc32 does not match the content" },
		{ false, "best_metric", "\"0.3\"", "best_metric is of another type" },
		{ false, "best_global_step", "8", "best_global_step is 8" },
		{ false, "stateful_callbacks", NULL, "stateful_callbacks is missing" },
		{ false, "stateful_callbacks", "{}", "cloze is missing" },
		{ false, "stranger", "1", "crc32 does not match the content" },
		{ true, "records", "-1", "records is -1" },
		{ true, "digest", "4294967296", "digest is 4294967296" },
		{ true, "complete", "1", "complete is of another type" },
		{ true, "complete", "false", "crc32 does not match the content" },
		{ true, "interval_loss", "0.3", "crc32 does not match the content" },
		{ true, "interval_parts", "[]", "interval_parts does not have 3 numbers" },
		{ true, "interval_parts", "[0.0, 0.0, 0.0]", "crc32 does not match the content" },
		{ true, "interval_steps", "8", "interval_steps is 8" },
		{ true, "last_step", "8", "last_step is 8" },
		{ true, "best_saved", "-1", "best_saved is -1" },
		{ true, "options", "[]", "options is of another type" },
		{ true, "files", "{\"../config.json\": 1}", "files has a name that is not of a file in this folder" },
		{ true, "files", "{\"config.json\": \"x\"}", "files has a name that is not of a file in this folder" },
		{ true, "crc32", NULL, "crc32 is missing" },
	};
	struct run_state wrote;
	struct failure failure;
	make_state(&wrote);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(run_state_write(&wrote, ".", &failure), 0);
		json_t *json = read_json(), *object = json;
		if (cases[i].own)
			object = json_object_get(json_object_get(json, "stateful_callbacks"), "cloze");
		if (cases[i].value == NULL)
			assert_int_equal(json_object_del(object, cases[i].member), 0);
		else
			json_object_set_new(object, cases[i].member, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		char *text = json_dumps(json, JSON_REAL_PRECISION(17));
		write_text(text);
		expect_refused(cases[i].words);
		free(text);
		json_decref(json);
	}
	run_state_clear(&wrote);
}

static void refuses_what_is_no_object(void **state) {
	(void)state;
	static const char *const texts[] = { "", "{", "[]", "{}", "7", "{\"global_step\": 1, \"global_step\": 1}", "\xff" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		write_text(texts[i]);
		expect_refused("");
	}
	struct run_state read;
	struct failure failure;
	assert_int_equal(run_state_read("/nowhere", &read, &failure), -1);
	assert_int_equal(failure.status, EX_NOINPUT);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_exactly),
		cmocka_unit_test(best_may_be_missing),
		cmocka_unit_test(may_be_laid_out_anew),
		cmocka_unit_test(refuses_what_was_changed),
		cmocka_unit_test(refuses_what_is_no_object),
	};
	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
