/* test_train_run: a run as a library, without a process and without a network. The tests prescribe the losses and
 * evaluations of the task, and check what the run does: steps, metrics, evaluations, checkpoints, endings, resuming. */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "test.h"
#include "warned.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/staged.h"
#include "record/stream.h"
#include "train/checkpoint.h"
#include "train/run.h"

/* ---- records ------------------------------------------------------------------------------------------- */

/* Writes a stream of masked records of three tokens, `per_epoch` in each epoch; epochs 0: no column. The metadata
 * claims `claimed` records in each; -1: nothing. */
static void write_claiming(const char *path, int per_epoch, int epochs, int32_t label, int64_t claimed) {
	struct failure failure;
	struct schema schema = { 0 };
	struct stream_info info;
	int descriptor = create_file(path, &failure);
	stream_info_init(&info);
	if (claimed >= 0 && epochs > 0)
		assert_int_equal(stream_info_set_epochs(&info, epochs, claimed, &failure), 0);
	else if (claimed >= 0)
		stream_info_set_records(&info, claimed);
	schema_add_int32_list(&schema, "input_ids");
	schema_add_int32_list(&schema, "labels");
	if (epochs > 0)
		schema_add_int(&schema, "epoch", 32);
	struct writer *writer = writer_open(descriptor, path, &schema, &info, &failure);
	for (int i = 0; i < per_epoch * (epochs > 0 ? epochs : 1); i++) {
		builder_append_int32_list(writer_column(writer, 0), (int32_t[]){ 1, i % 40, 2 }, 3);
		builder_append_int32_list(writer_column(writer, 1), (int32_t[]){ -100, label, -100 }, 3);
		if (epochs > 0)
			builder_append_integer(writer_column(writer, 2), i / per_epoch + 1);
		assert_int_equal(writer_end_row(writer, &failure), 0);
	}
	assert_int_equal(writer_close(writer, &failure), 0);
	assert_int_equal(close_file(descriptor, path, &failure), 0);
	schema_clear(&schema);
}

static void write_records(const char *path, int per_epoch, int epochs, int32_t label) {
	write_claiming(path, per_epoch, epochs, label, -1);
}

/* Copies a small file into a pipe, the descriptor 0 of the run's standard input. */
static void pipe_in(const char *path) {
	struct failure failure;
	size_t length;
	int ends[2];
	char *bytes = read_file(path, 60000, &length, &failure);
	assert_non_null(bytes);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write_all(ends[1], bytes, length, "pipe", &failure), 0);
	close(ends[1]);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	free(bytes);
}

/* ---- the task ------------------------------------------------------------------------------------------ */

enum { LOSSES = 64 };

struct stub {
	struct task task;
	struct parameters *parameters;
	double eval_losses[LOSSES]; /* of each evaluation in turn; 0: 1 */
	size_t evaluations, evaluated, micro_batches;
	size_t gradients;           /* numbers that train */
	uint64_t bad_pass;          /* whose loss is not finite */
	const double *shares;       /* of each pass: what it adds to every gradient and to the loss; NULL: its records' share */
};

static struct parameters *load(void *context, const struct run_settings *settings, struct pool *pool,
	const struct warnings *warnings, struct failure *failure) {
	struct stub *stub = context;
	(void)settings, (void)pool, (void)warnings, (void)failure;
	struct config config = { .model_type = MODEL_DISTILBERT, .vocab_size = 40, .max_position_embeddings = 8,
		.hidden_size = 4, .num_hidden_layers = 1, .num_attention_heads = 1, .intermediate_size = 4,
		.layer_norm_eps = 1e-12f, .tie_word_embeddings = true,
		.json = json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f}", "model_type", "distilbert", "vocab_size", 40,
			"max_position_embeddings", 8, "dim", 4, "n_layers", 1, "n_heads", 1, "hidden_dim", 4, "dropout", 0.0,
			"attention_dropout", 0.0) };
	return stub->parameters = parameters_create(&config, &masked_lm_head.layout);
}

static struct example_reader *open_records(void *context, struct reader *reader, const struct tokenizer *tokenizer,
	bool evaluation, struct failure *failure) {
	const struct stub *stub = context;
	(void)tokenizer;
	(void)evaluation;
	return example_reader_open(reader, &stub->parameters->config, LABELS_OF_TOKENS, 0, failure);
}

static size_t count_targets(void *context, const struct examples *examples) {
	(void)context;
	return examples_labels(examples);
}

/* Gradients of 1 for every number, a loss of 1 for a step, of which a tenth is a part. */
static struct loss compute_gradients(void *context, const struct examples *step, const struct micro_batch *part,
	const struct blocks *gradients) {
	struct stub *stub = context;
	double share = stub->shares != NULL ? stub->shares[part->pass] : (double)part->count / (double)step->B;
	for (size_t g = 0; g < stub->parameters->group_count; g++)
		for (size_t i = 0; i < gradients->sizes[g]; i++)
			gradients->groups[g][i] += (float)share;
	stub->micro_batches++;
	stub->gradients = parameters_total(stub->parameters);
	return (struct loss){ part->pass == stub->bad_pass ? NAN : share, { share / 10 } };
}

static void evaluate(void *context, const struct examples *examples) {
	struct stub *stub = context;
	stub->evaluated += examples->B;
}

static double end_evaluation(void *context, json_t *line) {
	struct stub *stub = context;
	double loss = stub->eval_losses[stub->evaluations];
	if (stub->evaluated > 0)
		stub->evaluations++;
	stub->evaluated = 0;
	loss = fpclassify(loss) == FP_ZERO ? 1 : loss;
	json_object_set_new(line, "eval_loss", isfinite(loss) ? json_real(loss) : json_null());
	json_object_set_new(line, "eval_accuracy", json_real(0.5));
	return loss;
}

static void release(void *context) {
	struct stub *stub = context;
	parameters_free(stub->parameters);
	stub->parameters = NULL;
}

/* ---- the caller ---------------------------------------------------------------------------------------- */

static const struct run_settings plain = { .model = "nowhere", .out = "out", .lr = 0.001,
	.schedule = { .num_cycles = 1, .power = 1 }, .groups = { .layer_lr_decay = 1 },
	.optimizer = { 0.9, 0.999, 1e-8, 0.01, 1, false, NULL }, .dropout = -1,
	.batch_size = 4, .gradient_accumulation_steps = 1, .max_steps = -1, .logging_steps = 1, .eval_steps = -1,
	.eval_epochs = -1, .eval_batch_size = 8, .seed = 42 };

/* A run, with its lines of metrics and its warnings as text. Zero-initialize, set up(), run(), clear(). */
struct fixture {
	struct run_settings settings;
	struct stub stub;
	struct warned warned;
	char *lines;              /* the steps of the lines, "1 2 2e ", e for an evaluation's */
	char *rates;              /* of each line by group, "0.001 0.0005 0, " */
	json_t *last;
	int requests;             /* made so far */
	int stop_at, save_at;     /* the request that is answered so; 0: none */
	int lines_left;           /* that can be printed; -1: all */
	struct failure failure;
};

static void set_up(struct fixture *fixture) {
	*fixture = (struct fixture){ .settings = plain, .lines = copy_text(""), .rates = copy_text(""), .lines_left = -1,
		.stub = { .bad_pass = UINT64_MAX } };
}

static void clear(struct fixture *fixture) {
	free(fixture->lines);
	free(fixture->rates);
	free(fixture->warned.text);
	json_decref(fixture->last);
}

static void keep_rates(struct fixture *fixture, const json_t *line) {
	const char *name;
	json_t *rate;
	json_object_foreach(json_object_get(line, "learning_rates"), name, rate) {
		char *longer = format_text("%s%g%s", fixture->rates, json_number_value(rate),
			strcmp(name, "embeddings") == 0 ? ", " : " ");
		free(fixture->rates);
		fixture->rates = longer;
	}
}

static int take_line(void *context, const json_t *line, struct failure *failure) {
	struct fixture *fixture = context;
	if (fixture->lines_left == 0)
		return fail(failure, EX_IOERR, "standard output: gone");
	fixture->lines_left--;
	bool evaluation = json_object_get(line, "eval_loss") != NULL;
	char *longer = format_text("%s%d%s ", fixture->lines, (int)json_integer_value(json_object_get(line, "step")),
		evaluation ? "e" : "");
	free(fixture->lines);
	fixture->lines = longer;
	keep_rates(fixture, line);
	json_decref(fixture->last);
	fixture->last = json_copy((json_t *)line);
	return 0;
}

static enum run_request answer(void *context) {
	struct fixture *fixture = context;
	fixture->requests++;
	return fixture->requests == fixture->stop_at ? RUN_STOP : fixture->requests == fixture->save_at ? RUN_SAVE : RUN_GO_ON;
}

static int run_on(struct fixture *fixture, const char *input) {
	struct stub *stub = &fixture->stub;
	const struct warnings warnings = warnings_to(&fixture->warned);
	const struct option_entry options[] = {
		OPTION_NUMBER("lr", &fixture->settings.lr, 0, 1, "R", "rate"),
		OPTION_INTEGER("max-steps", &fixture->settings.max_steps, 1, 100, "N", "steps"),
		OPTION_INTEGER("save-steps", &fixture->settings.save_steps, 0, 100, "N", "steps", .changeable = true),
		OPTION_END
	};
	stub->task = (struct task){ .context = stub, .targets = "labels", .targets_hint = "label them",
		.part_names = (const char *const[LOSS_PARTS]){ "loss_tenth" }, .load = load,
		.open_records = open_records, .count_targets = count_targets,
		.compute_gradients = compute_gradients, .evaluate = evaluate, .end_evaluation = end_evaluation,
		.release = release };
	struct lineage_entry stage = { "test", "0", json_array(), 42 };
	struct run_job job = { .settings = &fixture->settings, .options = options, .stage = &stage, .input = input,
		.task = &stub->task, .pool = pool_create(1, &fixture->failure), .caller = { .context = fixture,
		.print = take_line, .request = answer, .warnings = &warnings } };
	int result = run_train(&job, &fixture->failure);
	pool_destroy(job.pool);
	json_decref(stage.arguments);
	return result;
}

/* A run from its set_up() on; `change` is a list of assignments to members of `f`. */
#define EXPECT(result, input, steps, ...) do { \
		struct fixture f; \
		set_up(&f); \
		__VA_ARGS__; \
		int got = run_on(&f, input); \
		if (got != (result)) \
			fail_msg("run_train() returned %d: %s", got, f.failure.text); \
		assert_string_equal(f.lines, steps); \
		clear(&f); \
	} while (0)

static void expect_words(const char *text, const char *words) {
	if (text == NULL || strstr(text, words) == NULL)
		fail_msg("got: %s, expected: %s", text == NULL ? "nothing" : text, words);
}

static bool exists(const char *path) {
	return access(path, F_OK) == 0;
}

/* ---- the tests ----------------------------------------------------------------------------------------- */

static void takes_every_record_once(void **state) {
	(void)state;
	write_records("in", 10, 0, 5);
	EXPECT(RUN_COMPLETE, "in", "1 2 3 ", f.settings.force = false);
	assert_true(exists("out/model.safetensors") && exists("out/trainer_state.json"));
	EXPECT(RUN_COMPLETE, "in", "2 3 ", f.settings.force = true, f.settings.logging_steps = 2);
	EXPECT(RUN_COMPLETE, "in", "1 2 ", f.settings.force = true, f.settings.max_steps = 2);
}

/* 100 records, 3 epochs, batches of 32: 12 steps, whether they can be counted or are only promised. */
static void ends_steps_with_epochs(void **state) {
	(void)state;
	for (int piped = 0; piped < 2; piped++) {
		struct fixture fixture;
		set_up(&fixture);
		write_claiming("in", 100, 3, 5, piped ? 100 : -1);
		fixture.settings.batch_size = 32;
		fixture.settings.force = true;
		fixture.settings.logging_steps = 100;
		fixture.settings.lr_scheduler_type = SCHEDULE_LINEAR;
		if (piped)
			pipe_in("in");
		assert_int_equal(run_on(&fixture, piped ? NULL : "in"), RUN_COMPLETE);
		assert_string_equal(fixture.lines, "4 8 12 "); /* the last line of each epoch */
		assert_true(fabs(json_real_value(json_object_get(fixture.last, "learning_rate")) - 0.001 / 12) < 1e-12);
		clear(&fixture);
	}
}

/* A schedule that was made for what the metadata promised, and the input had less or more. */
static void refuses_a_promise_not_kept(void **state) {
	(void)state;
	static const struct { int64_t claimed; int epochs; const char *steps, *words; } cases[] = {
		{ 20, 0, "1 2 3 ", "standard input: ended after step 3, but its metadata promised 5 steps" },
		{ 8, 0, "1 2 ", "standard input: goes on after step 2, but its metadata promised 2 steps" },
		{ INT64_MAX, 0, "1 2 3 ", "ended after step 3" },
		{ 13, 2, "1 2 3 4 5 6 ", "ended after step 6, but its metadata promised 8 steps" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fixture fixture;
		empty_scratch(state);
		set_up(&fixture);
		write_claiming("in", 10, cases[i].epochs, 5, cases[i].claimed);
		pipe_in("in");
		assert_int_equal(run_on(&fixture, NULL), -1);
		assert_int_equal(fixture.failure.status, EX_DATAERR);
		expect_words(fixture.failure.text, cases[i].words);
		assert_string_equal(fixture.lines, cases[i].steps);
		char *checkpoint = format_text("out/checkpoint-%c", cases[i].steps[strlen(cases[i].steps) - 2]);
		assert_true(exists(checkpoint) && !exists("out/model.safetensors"));
		free(checkpoint);
		clear(&fixture);
	}
	/* A schedule that does not depend on the number. */
	write_claiming("in", 10, 0, 5, 20);
	pipe_in("in");
	EXPECT(RUN_COMPLETE, NULL, "1 2 3 ", f.settings.force = true, f.settings.lr_scheduler_type = SCHEDULE_CONSTANT);
}

static void tells_that_the_input_ended(void **state) {
	(void)state;
	struct fixture fixture;
	write_records("in", 10, 0, 5);
	for (int piped = 0; piped < 2; piped++) {
		set_up(&fixture);
		fixture.settings.max_steps = 90;
		fixture.settings.force = true;
		if (piped)
			pipe_in("in");
		assert_int_equal(run_on(&fixture, piped ? NULL : "in"), RUN_COMPLETE);
		expect_words(fixture.warned.text, "ended after step 3, before --max-steps 90");
		assert_int_equal(strstr(fixture.warned.text, "which the schedule was made for") != NULL, piped);
		clear(&fixture);
	}
}

/* What the groups' rates were, line by line, with a plan. */
static void expect_rates(struct group_plan plan, const char *rates) {
	struct fixture fixture;
	set_up(&fixture);
	fixture.settings.groups = plan;
	fixture.settings.lr_scheduler_type = SCHEDULE_CONSTANT;
	assert_int_equal(run_on(&fixture, "in"), RUN_COMPLETE);
	assert_string_equal(fixture.rates, rates);
	clear(&fixture);
	remove_tree("out");
}

/* The head, then the layer, then the embeddings, each at half the rate of the one above. */
static void thaws_one_group_after_the_other(void **state) {
	(void)state;
	write_records("in", 8, 3, 5);
	expect_rates((struct group_plan){ 2, NULL, 0, false }, "0.001 0.0005 0.00025, 0.001 0.0005 0.00025, "
		"0.001 0.0005 0.00025, 0.001 0.0005 0.00025, 0.001 0.0005 0.00025, 0.001 0.0005 0.00025, ");
	expect_rates((struct group_plan){ 2, "1", 0, false }, "0.001 0 0, 0.001 0.0005 0, 0.001 0.0005 0.00025, "
		"0.001 0.0005 0.00025, 0.001 0.0005 0.00025, 0.001 0.0005 0.00025, ");
	expect_rates((struct group_plan){ 1, "epoch", 0, false }, "0.001 0 0, 0.001 0 0, 0.001 0.001 0, 0.001 0.001 0, "
		"0.001 0.001 0.001, 0.001 0.001 0.001, ");
	expect_rates((struct group_plan){ 1, NULL, 0, false }, "");
}

static void refuses_other_words_to_thaw_by(void **state) {
	(void)state;
	static const char *const words[] = { "0", "-3", "epochs", "", "7 ", "9999999999999999999" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		struct group_plan plan = { 1, words[i], 0, false };
		struct failure failure = { 0 };
		assert_int_equal(group_plan_check(&plan, &failure), -1);
		assert_int_equal(failure.status, EX_USAGE);
	}
}

static void prints_the_parts_of_the_loss(void **state) {
	(void)state;
	struct fixture fixture;
	set_up(&fixture);
	write_records("in", 10, 0, 5);
	fixture.settings.batch_size = 1;
	fixture.settings.gradient_accumulation_steps = 3;
	fixture.settings.logging_steps = 3;
	assert_int_equal(run_on(&fixture, "in"), RUN_COMPLETE);
	assert_string_equal(fixture.lines, "3 4 ");
	assert_int_equal(fixture.stub.micro_batches, 10);
	assert_true(fabs(json_real_value(json_object_get(fixture.last, "loss")) - 1) < 1e-12);
	assert_true(fabs(json_real_value(json_object_get(fixture.last, "loss_tenth")) - 0.1) < 1e-12);
	clear(&fixture);
}

/* Numbers whose sum depends on the order: ((a + b) + (c + d)) + e, in float and in double. From left to right the first
 * four gradients would come to 1. */
static void adds_micro_batches_along_a_tree(void **state) {
	(void)state;
	static const double shares[] = { 1e17, 1, -1e17, 1, 0.25 };
	struct fixture fixture;
	set_up(&fixture);
	write_records("in", 5, 0, 5);
	fixture.settings.batch_size = 1;
	fixture.settings.gradient_accumulation_steps = 5;
	fixture.settings.optimizer.max_grad_norm = 0;
	fixture.stub.shares = shares;
	assert_int_equal(run_on(&fixture, "in"), RUN_COMPLETE);
	assert_string_equal(fixture.lines, "1 ");
	assert_true(fabs(json_real_value(json_object_get(fixture.last, "loss")) - 0.25) < 1e-12);
	assert_true(fabs(json_real_value(json_object_get(fixture.last, "loss_tenth")) - 0.025) < 1e-12);
	double norm = json_real_value(json_object_get(fixture.last, "grad_norm"));
	size_t count = fixture.stub.gradients;
	assert_true(count > 0 && fabs(norm - 0.25 * sqrt((double)count)) < 1e-6);
	clear(&fixture);
}

static void evaluates_when_asked(void **state) {
	(void)state;
	write_records("in", 10, 2, 5);
	write_records("eval", 10, 0, 5);
	EXPECT(RUN_COMPLETE, "in", "1 2 3 3e 4 5 6 6e ", f.settings.eval = "eval");
	EXPECT(RUN_COMPLETE, "in", "1 2 2e 3 4 4e 5 6 6e ", f.settings.eval = "eval", f.settings.eval_steps = 2,
		f.settings.force = true);
	EXPECT(RUN_COMPLETE, "in", "1 1e 2 2e 3 3e ", f.settings.eval = "eval", f.settings.eval_steps = 1,
		f.settings.force = true, f.settings.early_stopping_patience = 2);
}

/* The two ways in which a run ends by a failure of its own, each of which has saved the last whole step. */
static void saves_before_it_fails(void **state) {
	(void)state;
	struct fixture fixture;
	write_records("in", 40, 0, 5);
	set_up(&fixture);
	fixture.lines_left = 3;
	assert_int_equal(run_on(&fixture, "in"), -1);
	expect_words(fixture.failure.text, "standard output: gone");
	expect_words(fixture.warned.text, "stopped after step 4");
	assert_true(exists("out/checkpoint-4"));
	clear(&fixture);
	EXPECT(RUN_COMPLETE, "in", "5 6 7 8 9 10 ", f.settings.resume = true);
	assert_false(exists("out/checkpoint-4"));

	set_up(&fixture);
	fixture.settings.force = true;
	fixture.stub.bad_pass = 6;
	assert_int_equal(run_on(&fixture, "in"), -1);
	assert_int_equal(fixture.failure.status, EX_DATAERR);
	expect_words(fixture.failure.text, "step 7: the loss is not finite");
	assert_true(exists("out/checkpoint-6") && !exists("out/model.safetensors"));
	clear(&fixture);
}

static void saves_before_an_evaluation_fails(void **state) {
	(void)state;
	struct fixture fixture;
	write_records("in", 40, 0, 5);
	write_records("eval", 4, 0, 5);
	set_up(&fixture);
	fixture.settings.eval = "eval";
	fixture.settings.eval_steps = 4;
	fixture.stub.eval_losses[0] = NAN;
	assert_int_equal(run_on(&fixture, "in"), -1);
	expect_words(fixture.failure.text, "step 4: the evaluation loss is not finite");
	assert_true(exists("out/checkpoint-4"));
	clear(&fixture);
	EXPECT(RUN_COMPLETE, "in", "4e 5 6 7 8 8e 9 10 10e ", f.settings.eval = "eval", f.settings.eval_steps = 4,
		f.settings.resume = true);
}

/* Whichever of its questions is answered by a stop, the run goes on to the same lines and ends the same. */
static void stops_wherever_it_is_asked(void **state) {
	(void)state;
	write_records("in", 16, 0, 5);
	write_records("eval", 16, 0, 5);
	for (int at = 1; at < 100; at++) {
		struct fixture first, second;
		empty_scratch(state);
		write_records("in", 16, 0, 5);
		write_records("eval", 16, 0, 5);
		set_up(&first);
		set_up(&second);
		first.settings.eval = second.settings.eval = "eval";
		first.settings.eval_steps = second.settings.eval_steps = 2;
		first.stop_at = at;
		second.settings.resume = true;
		int end = run_on(&first, "in");
		if (end == RUN_COMPLETE) {
			assert_true(at > 15);
			at = 100;
		} else {
			assert_int_equal(end, RUN_STOPPED);
			assert_false(exists("out/model.safetensors"));
			assert_int_equal(run_on(&second, "in"), RUN_COMPLETE);
		}
		char *lines = format_text("%s%s", first.lines, second.lines);
		assert_string_equal(lines, "1 2 2e 3 4 4e ");
		free(lines);
		assert_true(exists("out/model.safetensors") && !exists("out/checkpoint-1") && !exists("out/checkpoint-3"));
		clear(&first);
		clear(&second);
	}
}

/* The line of the last step cannot be printed. What the failure saved is removed, unless it was to be saved anyway. */
static void fails_at_the_last_step(void **state) {
	for (int save_steps = 0; save_steps <= 2; save_steps += 2) {
		empty_scratch(state);
		write_records("in", 16, 0, 5);
		EXPECT(-1, "in", "1 2 3 ", f.lines_left = 3, f.settings.save_steps = save_steps);
		assert_true(exists("out/checkpoint-4") && !exists("out/model.safetensors"));
		EXPECT(RUN_COMPLETE, "in", "", f.settings.resume = true, f.settings.save_steps = save_steps);
		assert_true(exists("out/model.safetensors"));
		assert_int_equal(exists("out/checkpoint-4"), save_steps > 0);
	}
}

static void saves_on_request(void **state) {
	(void)state;
	write_records("in", 16, 0, 5);
	EXPECT(RUN_COMPLETE, "in", "1 2 3 4 ", f.save_at = 3);
	assert_true(exists("out/checkpoint-1") || exists("out/checkpoint-2"));
	EXPECT(RUN_COMPLETE, "in", "", f.settings.resume = true);
}

static void refuses_contradictions(void **state) {
	(void)state;
	struct fixture fixture;
	struct failure failure;
	static const struct { const char *words; size_t member; } cases[] = {
		{ "--early-stopping-patience", offsetof(struct run_settings, early_stopping_patience) },
		{ "--eval-steps", offsetof(struct run_settings, eval_steps) },
		{ "--eval-epochs", offsetof(struct run_settings, eval_epochs) },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		set_up(&fixture);
		*(int64_t *)(void *)((char *)&fixture.settings + cases[i].member) = 1;
		assert_int_equal(run_settings_check(&fixture.settings, NULL, &failure), -1);
		assert_int_equal(failure.status, EX_USAGE);
		expect_words(failure.text, cases[i].words);
		clear(&fixture);
	}
}

static void refuses_what_has_no_targets(void **state) {
	(void)state;
	struct fixture fixture;
	write_records("in", 10, 0, -100);
	write_records("good", 10, 0, 5);
	set_up(&fixture);
	assert_int_equal(run_on(&fixture, "in"), -1);
	expect_words(fixture.failure.text, "no labels in 10 records (label them)");
	assert_false(exists("out"));
	clear(&fixture);
	set_up(&fixture);
	fixture.settings.eval = "in";
	assert_int_equal(run_on(&fixture, "good"), -1);
	expect_words(fixture.failure.text, "--eval in: no labels (label them)");
	clear(&fixture);
	set_up(&fixture);
	mkfifo("pipe", 0700);
	fixture.settings.eval = "pipe";
	assert_int_equal(run_on(&fixture, "good"), -1);
	assert_int_equal(fixture.failure.status, EX_USAGE);
	expect_words(fixture.failure.text, "--eval pipe: not a regular file");
	assert_false(exists("out"));
	clear(&fixture);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(takes_every_record_once, empty_scratch),
		cmocka_unit_test_setup(ends_steps_with_epochs, empty_scratch),
		cmocka_unit_test_setup(refuses_a_promise_not_kept, empty_scratch),
		cmocka_unit_test_setup(tells_that_the_input_ended, empty_scratch),
		cmocka_unit_test_setup(thaws_one_group_after_the_other, empty_scratch),
		cmocka_unit_test(refuses_other_words_to_thaw_by),
		cmocka_unit_test_setup(prints_the_parts_of_the_loss, empty_scratch),
		cmocka_unit_test_setup(adds_micro_batches_along_a_tree, empty_scratch),
		cmocka_unit_test_setup(evaluates_when_asked, empty_scratch),
		cmocka_unit_test_setup(saves_before_it_fails, empty_scratch),
		cmocka_unit_test_setup(saves_before_an_evaluation_fails, empty_scratch),
		cmocka_unit_test_setup(stops_wherever_it_is_asked, empty_scratch),
		cmocka_unit_test_setup(fails_at_the_last_step, empty_scratch),
		cmocka_unit_test_setup(saves_on_request, empty_scratch),
		cmocka_unit_test(refuses_contradictions),
		cmocka_unit_test_setup(refuses_what_has_no_targets, empty_scratch),
	};
	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
