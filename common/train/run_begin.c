/* run_begin: all of a run that comes before its first step: the folder, the model, the records, going on. */
#include "train/run_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "record/stream.h"

/* ---- evaluation ---------------------------------------------------------------------------------------- */

struct example_reader *run_open_eval(struct run *run, int *descriptor, struct failure *failure) {
	const struct task *task = run->job->task;
	*descriptor = open_file(run->settings->eval, failure);
	if (*descriptor < 0)
		return NULL;
	struct reader *reader = reader_open(*descriptor, run->settings->eval, failure);
	struct example_reader *records = reader == NULL ? NULL
		: task->open_records(task->context, reader, run->tokenizer, true, failure);
	if (records == NULL)
		close(*descriptor);
	return records;
}

/* Reads --eval to its end before the first step, so that damage is not found only after an epoch. */
static int check_eval(struct run *run, struct failure *failure) {
	const struct task *task = run->job->task;
	const char *path = run->settings->eval;
	struct stat status;
	struct example_batch batch;
	size_t targets = 0;
	int descriptor, got;
	if (path == NULL)
		return 0;
	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return fail(failure, EX_USAGE, "--eval %s: not a regular file, which can be read again for each evaluation "
			"(write the records to a file)", path);
	struct example_reader *records = run_open_eval(run, &descriptor, failure);
	if (records == NULL)
		return -1;
	while ((got = run_check_stop(run, failure)) == 0
			&& (got = example_reader_next(records, (size_t)run->settings->eval_batch_size, &batch, failure)) > 0)
		targets += task->count_targets(task->context, &batch.examples);
	example_reader_close(records);
	close(descriptor);
	if (got == 0 && targets == 0)
		return fail(failure, EX_DATAERR, "--eval %s: no %s (%s)", path, task->targets, task->targets_hint);
	return got;
}

/* ---- the input ----------------------------------------------------------------------------------------- */

/* Reads a regular file whose records could not be counted, for the failure that tells where it is damaged. */
static int find_damage(const struct run *run, struct reader *reader, struct failure *failure) {
	struct batch *batch;
	struct stat status;
	int got;
	if (fstat(run->descriptor, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	while ((got = reader_next(reader, &batch, failure)) > 0)
		batch_free(batch);
	return got;
}

/* Sets state.total to the number of steps, by the stream's records and --max-steps; -1: not known, and not needed. */
static int count_steps(struct run *run, struct reader *reader, struct failure *failure) {
	const struct run_settings *settings = run->settings;
	int64_t steps = reader_batches(reader, settings->batch_size * settings->gradient_accumulation_steps);
	run->steps = steps;
	run->needs_steps = settings->warmup_ratio > 0
		|| schedule_needs_total((enum schedule_type)settings->lr_scheduler_type);
	if (settings->max_steps > 0 && (steps < 0 || settings->max_steps < steps))
		steps = settings->max_steps;
	run->state.total = steps;
	if (steps >= 0 || !run->needs_steps)
		return 0;
	if (find_damage(run, reader, failure) < 0)
		return -1;
	return fail(failure, EX_USAGE, "%s: does not say how many records it holds, and the schedule must know the number of "
		"steps (give --max-steps, or --lr-scheduler-type constant)", reader_name(reader));
}

static void set_schedule(struct run *run) {
	const struct run_settings *settings = run->settings;
	struct schedule *schedule = &run->schedule;
	*schedule = settings->schedule;
	schedule->type = (enum schedule_type)settings->lr_scheduler_type;
	schedule->total = run->state.total;
	if (schedule->warmup_steps == 0)
		schedule->warmup_steps = (int64_t)ceil(settings->warmup_ratio * (double)run->state.total);
	schedule->end_factor = settings->lr > 0 ? settings->lr_end / settings->lr : 0;
	schedule->min_factor = settings->lr > 0 && settings->min_lr > 0 ? settings->min_lr / settings->lr : 0;
}

/* Where the model depends on the evaluations, the lineage of their records becomes `eval` of the last stage. */
static int add_eval_lineage(const struct run_settings *settings, json_t *stages, struct failure *failure) {
	if (settings->eval == NULL || (!settings->load_best_model_at_end && settings->early_stopping_patience == 0))
		return 0;
	int descriptor = open_file(settings->eval, failure);
	struct reader *reader = descriptor < 0 ? NULL : reader_open(descriptor, settings->eval, failure);
	const json_t *lineage = reader == NULL ? NULL : reader_info(reader)->lineage;
	if (lineage != NULL)
		json_object_set_new(json_array_get(stages, json_array_size(stages) - 1), "eval", json_deep_copy(lineage));
	if (reader != NULL)
		reader_close(reader);
	if (descriptor >= 0)
		close(descriptor);
	return reader == NULL ? -1 : 0;
}

/* The model's lineage becomes what its own file said, the stages of the stream, and this one. */
static int set_lineage(const struct run *run, const struct stream_info *stream, struct failure *failure) {
	struct parameters *parameters = run->saved.parameters;
	struct stream_info info;
	stream_info_copy(&info, stream);
	stream_info_add_stage(&info, run->job->stage);
	int result = add_eval_lineage(run->settings, info.lineage, failure);
	if (parameters->lineage == NULL)
		parameters->lineage = json_array();
	json_array_extend(parameters->lineage, info.lineage);
	stream_info_clear(&info);
	return result;
}

static int open_input(struct run *run, struct failure *failure) {
	const struct task *task = run->job->task;
	const char *path = run->job->input;
	run->descriptor = path == NULL ? STDIN_FILENO : open_file(path, failure);
	if (run->descriptor < 0)
		return -1;
	struct reader *reader = reader_open(run->descriptor, input_name(path), failure);
	if (reader == NULL)
		return -1;
	int wake = run->job->caller.wake;
	reader_set_wake(reader, (struct reader_wake){ wake > 0 ? wake : -1, run_woken, run });
	if (count_steps(run, reader, failure) < 0 || set_lineage(run, reader_info(reader), failure) < 0) {
		reader_close(reader);
		return -1;
	}
	run->epochs = reader_info(reader)->epochs > 0 ? reader_info(reader)->epochs : 1;
	set_schedule(run);
	run->records = task->open_records(task->context, reader, run->tokenizer, false, failure);
	return run->records == NULL ? -1 : 0;
}

/* ---- the model ----------------------------------------------------------------------------------------- */

void run_set_model(struct run *run, struct parameters *parameters) {
	struct pool *pool = run->job->pool;
	run->saved = (struct saved_run){ .parameters = parameters, .tokenizer = run->tokenizer, .state = &run->state,
		.optimizer = optimizer_create(parameters, &run->settings->optimizer, pool) };
	run->sums = sums_create(optimizer_gradients(run->saved.optimizer), pool);
	run->rates = allocate(parameters->group_count, sizeof *run->rates);
}

static int load_model(struct run *run, struct failure *failure) {
	const struct run_settings *settings = run->settings;
	const struct task *task = run->job->task;
	if (task->couples_records && settings->batch_size == 1)
		return fail(failure, EX_USAGE, "--batch-size 1: a batch norm must have 2 records at least (give more)");
	struct parameters *parameters = task->load(task->context, settings, run->job->pool, run->job->caller.warnings,
		failure);
	if (parameters == NULL || tokenizer_find(settings->model, &run->tokenizer, failure) < 0)
		return -1;
	run_set_model(run, parameters);
	if (settings->optimizer.freeze != NULL && optimizer_frozen(run->saved.optimizer) == 0)
		return fail(failure, EX_USAGE, "--freeze %s: no tensor is called that (model-info lists them)",
			settings->optimizer.freeze);
	return 0;
}

/* ---- going on ------------------------------------------------------------------------------------------ */

static void add_fixed_option(void *object, const struct option_entry *option) {
	if (!option->unrecorded && !option->changeable)
		json_object_set_new(object, option->name, option_json(option));
}

/* The options that the numbers depend on, by name. */
static json_t *fixed_options(const struct option_entry *options) {
	json_t *object = json_object();
	options_visit(options, add_fixed_option, object);
	return object;
}

static int fail_option(const struct run *run, const char *name, const json_t *saved, struct failure *failure) {
	char *was = saved != NULL ? json_dumps(saved, JSON_ENCODE_ANY) : copy_text("not an option");
	fail(failure, EX_USAGE, "--%s: the run in %s used %s (repeat it, or choose another --out)", name, run->settings->out,
		was);
	free(was);
	return -1;
}

/* Compares the options and the number of steps with those of the run to resume. */
static int check_same_run(const struct run *run, json_t *expected, int64_t total, struct failure *failure) {
	const char *name;
	json_t *value;
	json_object_foreach(expected, name, value) {
		const json_t *saved = json_object_get(run->state.options, name);
		if (saved == NULL || !json_equal(saved, value))
			return fail_option(run, name, saved, failure);
	}
	if (run->state.total != total)
		return fail(failure, EX_DATAERR, "the input makes %" PRId64 " steps, but that of the run in %s made %" PRId64
			" (give the same input, or choose another --out)", total, run->settings->out, run->state.total);
	return 0;
}

/* Reads from the input the records that the run has taken before, and compares their digest. */
static int skip_input(struct run *run, struct failure *failure) {
	enum { RECORDS = 256 };
	struct example_batch batch;
	int64_t left = run->state.records;
	int got = 1;
	while (left > 0 && (got = run_check_stop(run, failure)) == 0 && (got = example_reader_next(run->records,
			(size_t)(left < RECORDS ? left : RECORDS), &batch, failure)) > 0)
		left -= (int64_t)batch.examples.B;
	if (got < 0)
		return -1;
	uint32_t digest = example_reader_digest(run->records);
	return left == 0 && digest == run->state.digest ? 0
		: fail(failure, EX_DATAERR, "%s: not the input that the run in %s was made from (its first %" PRId64 " records are "
			"crc32:%08" PRIx32 ", and were crc32:%08" PRIx32 "; give the same input, or choose another --out)",
			input_name(run->job->input), run->settings->out, run->state.records - left, digest, run->state.digest);
}

/* Repeats the checkpoint's evaluation, if it has one, and compares the losses: with a tolerance, since single precision
 * on another processor differs in the last digits. */
static int check_evaluation(struct run *run, struct failure *failure) {
	const struct run_state *state = &run->state;
	double loss;
	if (run->settings->eval == NULL || state->last_step != state->step)
		return 1;
	json_t *line = json_object();
	int result = run_evaluate(run, line, &loss, failure);
	json_decref(line);
	if (result <= 0)
		return result;
	warn(run->job->caller.warnings, "step %" PRId64 ": eval_loss is %.12g, saved was %.12g", state->step, loss,
		state->last_loss);
	return fabs(loss - state->last_loss) <= 1e-5 * fabs(state->last_loss) ? 1
		: fail(failure, EX_DATAERR, "%s: the checkpoint of step %" PRId64 " does not evaluate as it did (is --eval %s the "
			"same?)", run->settings->out, state->step, run->settings->eval);
}

/* Forgets the best evaluation where its checkpoint is gone or damaged, so that the next evaluation becomes the best. */
static void check_best(struct run *run) {
	struct run_state *state = &run->state;
	struct failure failure;
	if (!run->settings->load_best_model_at_end || state->best_step == 0
			|| checkpoint_check(run->folder, state->best_step, &failure) == 0)
		return;
	warn(run->job->caller.warnings, "the best evaluation so far, of step %" PRId64 ", is forgotten: %s", state->best_step,
		failure.text);
	state->best_step = state->best_saved = 0;
}

/* Reads the state of the complete run in --out, or else its newest checkpoint. Returns 0: complete; 1: a checkpoint; 2:
 * there is neither; -1. */
static int load_newest(struct run *run, struct failure *failure) {
	int complete = run_folder_complete(run->folder, &run->saved, failure);
	if (complete != 0)
		return complete < 0 ? -1 : 0;
	int found = checkpoint_load_newest(run->folder, &run->saved, run->job->caller.warnings, failure);
	return found < 0 ? -1 : found > 0 ? 1 : 2;
}

/* Brings the run to where the newest checkpoint left it. Returns as run_begin(). */
static int go_on(struct run *run, struct failure *failure) {
	json_t *expected = json_incref(run->state.options);
	int64_t total = run->state.total;
	int found = load_newest(run, failure);
	int result = found == 0 || found == 1 ? check_same_run(run, expected, total, failure) : found;
	json_decref(expected);
	if (found < 0 || result < 0 || found == 2)
		return found < 0 || result < 0 ? -1 : 1;
	run->first_step = run->saved_step = run->state.step;
	if (skip_input(run, failure) < 0)
		return -1;
	if (found == 0)
		return 0;
	run->passing_step = run->state.stopped ? run->state.step : 0;
	run->state.stopped = false;
	check_best(run);
	return check_evaluation(run, failure);
}

/* What transformers.Trainer looks for in trainer_state.json when it resumes from a checkpoint. */
static void set_reference_members(struct run *run) {
	const struct run_settings *settings = run->settings;
	run->state.train_batch_size = settings->batch_size;
	run->state.logging_steps = settings->logging_steps;
	run->state.save_steps = settings->save_steps;
	run->state.eval_steps = settings->eval_steps;
	run->state.num_train_epochs = run->epochs;
}

int run_begin(struct run *run, struct failure *failure) {
	const struct run_job *job = run->job;
	if (run_settings_check(job->settings, job->caller.warnings, failure) < 0)
		return -1;
	run->folder = run_folder_open(job->settings->out, job->settings->force, job->settings->resume, failure);
	if (run->folder == NULL || load_model(run, failure) < 0 || check_eval(run, failure) < 0
			|| open_input(run, failure) < 0)
		return -1;
	json_decref(run->state.options);
	run->state.options = fixed_options(job->options);
	int result = job->settings->resume ? go_on(run, failure) : 1;
	set_reference_members(run);
	return result;
}

void run_release(struct run *run) {
	const struct task *task = run->job->task;
	example_reader_close(run->records);
	if (run->descriptor > STDIN_FILENO)
		close(run->descriptor);
	run_folder_close(run->folder);
	run_state_clear(&run->state);
	sums_free(run->sums);
	optimizer_free(run->saved.optimizer);
	tokenizer_free(run->tokenizer);
	free(run->rates);
	task->release(task->context);
}
