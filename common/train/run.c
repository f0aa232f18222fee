/* run: the loop of a training run. Functions of the loop return 1 to go on, 0 at the end or on a request to stop
 * (run->stop tells), and -1 on a failure. */
#include "train/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "train/run_ranks.h"

/* Whether the caller wants the run to stop. */
static bool asked_to_stop(struct run *run) {
	const struct run_caller *caller = &run->job->caller;
	enum run_request request = caller->request != NULL ? caller->request(caller->context) : RUN_GO_ON;
	run->stop |= request == RUN_STOP;
	run->save |= request == RUN_SAVE;
	return run->stop;
}

int run_check_stop(struct run *run, struct failure *failure) {
	return asked_to_stop(run) ? fail(failure, EX_TEMPFAIL, "stopped by request") : 0;
}

/* ---- metrics ------------------------------------------------------------------------------------------- */

/* Takes over the line. */
static int print_line(struct run *run, json_t *line, struct failure *failure) {
	const struct run_caller *caller = &run->job->caller;
	int result = caller->print != NULL ? caller->print(caller->context, line, failure) : 0;
	json_decref(line);
	return result < 0 ? -1 : 1;
}

static json_t *begin_line(const struct run *run) {
	return json_pack("{s:I, s:i}", "step", (json_int_t)run->state.step, "epoch", (int)run->state.epoch);
}

/* The rate of each group by its name, from the head down. */
static json_t *list_rates(const struct run *run) {
	const struct parameters *parameters = run->saved.parameters;
	json_t *rates = json_object();
	for (size_t g = parameters->group_count; g-- > 0;)
		json_object_set_new(rates, parameters->groups[g].name, json_real(run->rates[g]));
	return rates;
}

static int log_step(struct run *run, double rate, double norm, struct failure *failure) {
	struct run_state *state = &run->state;
	double now = clock_seconds(), steps = (double)state->interval_steps;
	const char *const *names = run->job->task->part_names;
	json_t *line = begin_line(run);
	json_object_set_new(line, "loss", json_real(state->interval.value / steps));
	for (size_t i = 0; names != NULL && i < LOSS_PARTS && names[i] != NULL; i++)
		json_object_set_new(line, names[i], json_real(state->interval.parts[i] / steps));
	json_object_set_new(line, "learning_rate", json_real(rate));
	if (group_plan_differs(&run->settings->groups))
		json_object_set_new(line, "learning_rates", list_rates(run));
	json_object_set_new(line, "grad_norm", json_real(norm));
	json_array_append_new(state->log_history, json_copy(line));
	double rate_of_tokens = (double)run->interval_tokens / fmax(now - run->interval_start, 1e-9);
	json_object_set_new(line, "tokens_per_second", json_real(round(rate_of_tokens * 10) / 10));
	state->interval = (struct loss){ 0 };
	state->interval_steps = 0;
	run->interval_start = now;
	run->interval_tokens = 0;
	return print_line(run, line, failure);
}

/* ---- evaluation ---------------------------------------------------------------------------------------- */

static int evaluate_all(struct run *run, struct example_reader *records, struct failure *failure) {
	const struct task *task = run->job->task;
	struct example_batch batch;
	int got;
	do {
		got = example_reader_next(records, (size_t)run->settings->eval_batch_size, &batch, failure);
		if (got > 0)
			task->evaluate(task->context, &batch.examples);
	} while (!asked_to_stop(run) && got > 0);
	return run->stop ? 0 : got < 0 ? -1 : 1;
}

int run_evaluate(struct run *run, json_t *line, double *loss, struct failure *failure) {
	const struct task *task = run->job->task;
	int descriptor;
	struct example_reader *records = run_open_eval(run, &descriptor, failure);
	if (records == NULL)
		return -1;
	int result = evaluate_all(run, records, failure);
	example_reader_close(records);
	close(descriptor);
	*loss = task->end_evaluation(task->context, line);
	if (result > 0 && !isfinite(*loss))
		return fail(failure, EX_DATAERR, "step %" PRId64 ": the evaluation loss is not finite (lower --lr)",
			run->state.step);
	return result;
}

static void note_evaluation(struct run_state *state, double loss) {
	state->evaluation_due = false;
	state->last_step = state->step;
	state->last_loss = loss;
	state->evaluations_since_best++;
	if (state->best_step == 0 || loss < state->best_loss) {
		state->best_step = state->step;
		state->best_loss = loss;
		state->evaluations_since_best = 0;
	}
}

static int evaluate(struct run *run, struct failure *failure) {
	double before = clock_seconds(), loss;
	json_t *line = begin_line(run);
	int result = run_evaluate(run, line, &loss, failure);
	run->interval_start += clock_seconds() - before;
	if (result <= 0) {
		json_decref(line);
		return result;
	}
	note_evaluation(&run->state, loss);
	run->saved_step = -1; /* a checkpoint of this step would not have the evaluation */
	json_array_append(run->state.log_history, line);
	return print_line(run, line, failure);
}

/* Whether the step just taken is one to evaluate after. */
static bool is_evaluation_due(const struct run *run, const struct example_batch *batch) {
	const struct run_settings *settings = run->settings;
	int64_t step = run->state.step;
	return settings->eval != NULL && ((settings->eval_steps > 0 && step % settings->eval_steps == 0)
		|| (settings->eval_epochs > 0 && batch->epoch_ends && batch->epoch % settings->eval_epochs == 0)
		|| (settings->save_steps > 0 && step % settings->save_steps == 0));
}

/* ---- checkpoints --------------------------------------------------------------------------------------- */

/* Removes the checkpoint that the run was resumed from, if a stop alone had left it, since there is what follows it. */
static void remove_passing(struct run *run) {
	if (run->passing_step > 0 && run->passing_step != run->state.best_saved)
		checkpoint_remove(run->folder, run->passing_step);
	run->passing_step = 0;
}

static int save(struct run *run, struct failure *failure) {
	if (run->passing_step == run->state.step)
		run->passing_step = 0; /* it is wanted for itself now */
	if (run->saved_step == run->state.step)
		return 1;
	double before = clock_seconds();
	if (checkpoint_save(run->folder, &run->saved, run->settings->save_total_limit, failure) < 0) {
		run->unsavable = true;
		return -1;
	}
	run->saved_step = run->state.step;
	remove_passing(run);
	run->interval_start += clock_seconds() - before;
	return 1;
}

static int save_where_due(struct run *run, struct failure *failure) {
	const struct run_settings *settings = run->settings;
	int64_t step = run->state.step;
	bool best = settings->load_best_model_at_end && run->state.best_step == step;
	if (!best && !run->save && (settings->save_steps == 0 || step % settings->save_steps != 0))
		return 1;
	run->save = false;
	return save(run, failure);
}

/* The run stands after its last whole step while it waits for the records of the next. */
int run_woken(void *context, struct failure *failure) {
	struct run *run = context;
	if (run_check_stop(run, failure) < 0)
		return -1;
	if (!run->save || run->state.step == 0)
		return 0;
	run->save = false;
	return save(run, failure) < 0 ? -1 : 0;
}

/* ---- steps --------------------------------------------------------------------------------------------- */

static bool is_zero(const float *values, size_t count) {
	while (count > 0 && values[count - 1] == 0)
		count--;
	return count == 0;
}

/* A whole tensor without a gradient is one that the loss does not reach. */
static void warn_of_zero_gradients(const struct run *run) {
	const struct blocks *gradients = optimizer_gradients(run->saved.optimizer);
	for (size_t i = 0; i < gradients->parameters->count; i++) {
		const struct parameter *parameter = &gradients->parameters->table[i];
		if (gradients->of[i] != NULL && is_zero(gradients->of[i], parameter->elements))
			warn(run->job->caller.warnings, "step 1: the gradient of %s is 0 throughout (nothing in the batch reaches it)",
				parameter->name);
	}
}

static int fail_not_finite(const struct run *run, double loss, struct failure *failure) {
	size_t element;
	const struct parameter *bad = blocks_not_finite(optimizer_gradients(run->saved.optimizer), &element);
	return fail(failure, EX_DATAERR, "step %" PRId64 ": the %s is not finite, first in the gradient of %s (lower --lr, "
		"or check the model's weights)", run->state.step + 1, isfinite(loss) ? "gradient" : "loss",
		bad != NULL ? bad->name : "all tensors together");
}

static struct loss compute_micro_batch(struct run *run, const struct examples *step, const struct micro_batch *part) {
	const struct task *task = run->job->task;
	return task->compute_gradients(task->context, step, part, sums_next(run->sums));
}

/* The last micro-batch of this process, which has none where part->count is 0, and the sum over the ranks: what is complete
 * travels while the rest is computed. */
static int compute_last(struct run *run, const struct examples *step, struct micro_batch *part, struct loss *loss,
	struct failure *failure) {
	struct loss share = { 0 };
	int result = run_ranks_begin_sum(run, step, &part->listener, failure);
	if (result <= 0)
		return result;
	if (part->count > 0)
		share = compute_micro_batch(run, step, part);
	run_ranks_complete(run);
	if (part->count > 0)
		sums_add(run->sums, &share);
	*loss = sums_end(run->sums);
	return run_ranks_end_sum(run, loss, failure) < 0 ? -1 : 1;
}

int run_compute_gradients(struct run *run, const struct examples *step, struct loss *loss, struct failure *failure) {
	const struct run_settings *settings = run->settings;
	size_t end, most = (size_t)settings->batch_size;
	struct micro_batch part = { .count = most };
	run_ranks_share(run, step, &part.first, &end);
	part.pass = (uint64_t)(run->state.step * settings->gradient_accumulation_steps) + part.first / most;
	sums_begin(run->sums);
	for (; part.first + most < end && !asked_to_stop(run); part.first += most, part.pass++) {
		struct loss share = compute_micro_batch(run, step, &part);
		sums_add(run->sums, &share);
	}
	part.count = end - part.first;
	return asked_to_stop(run) ? 0 : compute_last(run, step, &part, loss, failure);
}

static void count_step(struct run *run, const struct example_batch *batch, const struct loss *loss) {
	struct run_state *state = &run->state;
	state->step++;
	state->epoch = batch->epoch;
	state->records = batch->first_record + (int64_t)batch->examples.B;
	state->digest = example_reader_digest(run->records);
	loss_add(&state->interval, loss);
	state->interval_steps++;
	state->evaluation_due = is_evaluation_due(run, batch);
	run->interval_tokens += batch->tokens;
}

void run_plan_groups(struct run *run, int32_t epoch, double rate) {
	const struct parameters *parameters = run->saved.parameters;
	const struct group_plan *plan = &run->settings->groups;
	for (size_t g = 0; g < parameters->group_count; g++) {
		bool trains = group_trains(plan, parameters, g, run->state.step, epoch);
		if (trains)
			optimizer_thaw(run->saved.optimizer, g);
		bool frozen = !trains || optimizer_gradients(run->saved.optimizer)->groups[g] == NULL;
		run->rates[g] = frozen ? 0 : rate * group_rate(plan, parameters, g);
	}
}

/* A batch norm cannot learn from a single record. */
static int check_records(const struct run *run, const struct examples *step, struct failure *failure) {
	if (!run->job->task->couples_records || step->B % (size_t)run->settings->batch_size != 1)
		return 0;
	return fail(failure, EX_DATAERR, "step %" PRId64 ": a batch of 1 record, but a batch norm must have 2 at least "
		"(give another --batch-size, or leave a record out)", run->state.step + 1);
}

double run_update(struct run *run, const struct loss *loss) {
	const struct task *task = run->job->task;
	double norm = isfinite(loss->value) ? optimizer_step(run->saved.optimizer, run->rates) : NAN;
	if (isfinite(norm) && task->end_step != NULL)
		task->end_step(task->context);
	return norm;
}

/* The gradients of a step by all processes of the run. */
static int compute_step(struct run *run, const struct example_batch *batch, double rate, struct loss *loss,
	struct failure *failure) {
	if (run_ranks_announce(run, batch, rate, failure) < 0)
		return -1;
	run_plan_groups(run, batch->epoch, rate);
	return run_compute_gradients(run, &batch->examples, loss, failure);
}

static int take_step(struct run *run, const struct example_batch *batch, struct failure *failure) {
	const struct run_settings *settings = run->settings;
	const struct task *task = run->job->task;
	struct run_state *state = &run->state;
	struct loss loss = { 0 };
	double rate = settings->lr * schedule_factor(&run->schedule, state->step);
	size_t targets = task->count_targets(task->context, &batch->examples);
	if (check_records(run, &batch->examples, failure) < 0)
		return -1;
	int result = compute_step(run, batch, rate, &loss, failure);
	if (result <= 0)
		return run->stop ? 0 : result;
	if (state->step == 0 && targets > 0)
		warn_of_zero_gradients(run);
	double norm = run_update(run, &loss);
	if (!isfinite(norm))
		return fail_not_finite(run, loss.value, failure);
	count_step(run, batch, &loss);
	run->targets += (int64_t)targets;
	bool logged = state->step % settings->logging_steps == 0 || batch->epoch_ends || state->step == settings->max_steps;
	return logged ? log_step(run, rate, norm, failure) : 1;
}

/* What follows a step, and comes first where a run is resumed that was stopped before it. */
static int follow_up(struct run *run, struct failure *failure) {
	int result = run->state.evaluation_due ? evaluate(run, failure) : 1;
	return result > 0 ? save_where_due(run, failure) : result;
}

/* Compares where the input ends with the number of steps that the schedule was made for. `got` is 0 at the end. */
static int check_length(const struct run *run, int got, struct failure *failure) {
	int64_t step = run->state.step, max_steps = run->settings->max_steps;
	bool ended_early = got == 0 && step < run->steps, goes_on = got > 0 && run->steps >= 0 && step >= run->steps;
	const char *name = input_name(run->job->input);
	if (run->needs_steps && step > 0 && (ended_early || goes_on))
		return fail(failure, EX_DATAERR, "%s: %s after step %" PRId64 ", but its metadata promised %" PRId64 " steps, which "
			"the schedule was made for (correct the metadata, or give --max-steps)", name, goes_on ? "goes on" : "ended",
			step, run->steps);
	if (got == 0 && max_steps > 0)
		warn(run->job->caller.warnings, "%s: ended after step %" PRId64 ", before --max-steps %" PRId64 "%s", name, step,
			max_steps, run->needs_steps && run->steps < 0 ? ", which the schedule was made for" : "");
	return got;
}

static int next_batch(struct run *run, struct example_batch *batch, struct failure *failure) {
	const struct run_settings *settings = run->settings;
	if (run->state.step == settings->max_steps)
		return 0;
	int got = example_reader_next(run->records, (size_t)(settings->batch_size * settings->gradient_accumulation_steps),
		batch, failure);
	return asked_to_stop(run) ? 0 : got < 0 ? -1 : check_length(run, got, failure);
}

static bool is_out_of_patience(const struct run *run) {
	const struct run_state *state = &run->state;
	int64_t patience = run->settings->early_stopping_patience;
	if (patience == 0 || state->evaluations_since_best < patience)
		return false;
	warn(run->job->caller.warnings, "stopped after step %" PRId64 ": no evaluation since step %" PRId64 " was better",
		state->step, state->best_step);
	return true;
}

static int train(struct run *run, struct failure *failure) {
	const struct run_caller *caller = &run->job->caller;
	struct example_batch batch;
	run->interval_start = clock_seconds();
	int result = run->state.step > 0 ? follow_up(run, failure) : 1;
	while (result > 0 && !is_out_of_patience(run) && (result = next_batch(run, &batch, failure)) > 0) {
		result = take_step(run, &batch, failure);
		if (result > 0)
			result = follow_up(run, failure);
		if (caller->progress != NULL)
			caller->progress(caller->context, run->state.step, run->state.total);
	}
	return result < 0 ? -1 : run->stop ? 0 : 1;
}

/* ---- the end ------------------------------------------------------------------------------------------- */

/* A run without a record or a target makes no model, and no checkpoint. */
static int check_trained(struct run *run, struct failure *failure) {
	const struct task *task = run->job->task;
	run->unsavable = run->state.step == 0 || (run->targets == 0 && run->first_step == 0);
	if (run->state.step == 0)
		return fail(failure, EX_DATAERR, "no records to train on (the stream is empty)");
	if (run->unsavable)
		return fail(failure, EX_DATAERR, "no %s in %" PRId64 " records (%s)", task->targets, run->state.records,
			task->targets_hint);
	return 1;
}

/* Loads the weights of the best evaluation, if they are wanted and can still be read. */
static void take_best(struct run *run) {
	const struct run_state *state = &run->state;
	struct failure failure;
	if (!run->settings->load_best_model_at_end || state->best_step == state->step || state->best_step == 0)
		return;
	run->unsavable = true;
	if (checkpoint_load_weights(run->folder, state->best_step, run->saved.parameters, &failure) < 0)
		warn(run->job->caller.warnings, "the model is that of the last step, not of the best evaluation: %s", failure.text);
}

static int finish(struct run *run, struct failure *failure) {
	struct run_state *state = &run->state;
	int result = check_trained(run, failure);
	if (result > 0 && run->settings->eval != NULL && state->last_step != state->step)
		result = evaluate(run, failure);
	if (result <= 0)
		return result;
	take_best(run);
	state->complete = true;
	if (run_folder_finish(run->folder, &run->saved, failure) < 0) {
		state->complete = false;
		return -1;
	}
	remove_passing(run);
	return 1;
}

/* Saves the last step of a run that stops or fails. If the run failed (`result` is -1), a failure to save is a
 * warning. */
static int save_and_leave(struct run *run, int result, struct failure *failure) {
	struct failure why;
	if (run->state.step == run->first_step && run->state.step == run->saved_step)
		return result;
	run->state.stopped = true;
	if (run->unsavable)
		return result;
	if (save(run, &why) > 0)
		warn(run->job->caller.warnings, "stopped after step %" PRId64 " (--resume goes on from there)", run->state.step);
	else if (result < 0)
		warn(run->job->caller.warnings, "%s", why.text);
	else
		*failure = why;
	return run->saved_step == run->state.step ? result : -1;
}

/* The run of the only process, or of the first of several. */
static int lead(struct run *run, struct failure *failure) {
	int result = run_begin(run, failure);
	if (result > 0 && run_ranks_begin(run, failure) < 0)
		result = -1;
	if (result < 0 && run->stop)
		return 0;
	if (result <= 0)
		return result < 0 ? -1 : 1;
	result = train(run, failure);
	if (result > 0)
		result = finish(run, failure);
	return result <= 0 ? save_and_leave(run, result, failure) : result;
}

int run_train(const struct run_job *job, struct failure *failure) {
	struct run run = { .job = job, .settings = job->settings, .descriptor = -1, .steps = -1 };
	int end = RUN_COMPLETE, result = run_ranks_open(&run, failure);
	run_state_init(&run.state);
	if (result == 0 && ranks_number(run.ranks) > 0) {
		result = run_follow(&run, failure);
	} else if (result == 0) {
		result = lead(&run, failure);
		end = result == 0 ? RUN_STOPPED : RUN_COMPLETE;
	}
	run_ranks_close(&run);
	run_release(&run);
	return result < 0 ? -1 : end;
}
