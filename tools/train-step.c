/* train-step: masked records in, a fine-tuned model out.
 *
 * The input is the run: whatever repeats, shuffles and masks stands before it in the pipe, and each step takes the next
 * records. What a step computes depends on the options, the step's number and those records alone, so a checkpoint
 * needs no more than the weights, the optimizer's moments and the place in the input. */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "math/matrix.h"
#include "train/batches.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/optimizer.h"
#include "train/schedule.h"

static const char *model, *out, *eval_file;
static bool force, resume, load_best_model_at_end, reference_accumulation;
static double lr = 5e-5, lr_end = 1e-7;
static int lr_scheduler_type = SCHEDULE_LINEAR;
static struct schedule schedule = { .num_cycles = 1, .power = 1 };
static double warmup_ratio;
static int64_t batch_size = 8, gradient_accumulation_steps = 1, eval_batch_size = 8;
static int64_t max_steps = -1;
static int64_t logging_steps = 1, save_steps = 500, save_total_limit;
static int64_t eval_steps = -1, eval_epochs = -1, early_stopping_patience;
static double dropout = -1;
static int dtype = PRECISION_FP32;
static int64_t seed = 42;
static int64_t threads;
static struct optimizer_options adamw = {
	.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .max_grad_norm = 1
};

static const struct option_entry options[] = {
	OPTION_TEXT("model", &model, "DIR", "folder of the model to start from", .changeable = true,
		.required = "the folder of the model to start from"),
	OPTION_TEXT("out", &out, "DIR", "folder to write the trained model to", .unrecorded = true,
		.required = "the folder to write the trained model to"),
	OPTION_FLAG("force", &force, "replace --out if it exists", .unrecorded = true),
	OPTION_FLAG("resume", &resume, "go on from the newest checkpoint in --out, if there is one",
		.unrecorded = true),
	OPTION_NUMBER("lr", &lr, 0, 1000, "R", "peak learning rate"),
	OPTION_CHOICE("lr-scheduler-type", &lr_scheduler_type, SCHEDULE_TYPES, "shape of the learning rate"),
	OPTION_INTEGER("warmup-steps", &schedule.warmup_steps, 0, 1e15, "N", "steps in which it rises from 0"),
	OPTION_NUMBER("warmup-ratio", &warmup_ratio, 0, 1, "R", "the same as a share of all steps"),
	OPTION_INTEGER("num-cycles", &schedule.num_cycles, 1, 1e6, "N", "cosine_with_restarts: falls from the peak"),
	OPTION_NUMBER("power", &schedule.power, 0, 1000, "P", "polynomial: its power"),
	OPTION_NUMBER("lr-end", &lr_end, 0, 1000, "R", "polynomial: the last learning rate"),
	OPTION_NUMBER("weight-decay", &adamw.weight_decay, 0, 1000, "W", "AdamW's decoupled weight decay"),
	OPTION_FLAG("decay-all", &adamw.decay_all, "decay biases and layer norms too"),
	OPTION_NUMBER("adam-beta1", &adamw.beta1, 0, 0.999999, "B", "decay of the mean of gradients"),
	OPTION_NUMBER("adam-beta2", &adamw.beta2, 0, 0.999999, "B", "decay of the mean of squared gradients"),
	OPTION_NUMBER("adam-epsilon", &adamw.epsilon, 1e-30, 1, "E", "what is added to the root of that mean"),
	OPTION_NUMBER("max-grad-norm", &adamw.max_grad_norm, 0, 1e30, "G", "clip gradients to this norm; 0: never"),
	OPTION_TEXT("freeze", &adamw.freeze, "GLOB", "tensors to leave as they are"),
	OPTION_NUMBER("dropout", &dropout, 0, 0.999, "P", "dropout everywhere, in place of the configuration's"),
	OPTION_INTEGER("batch-size", &batch_size, 1, 1 << 20, "N", "records computed at a time"),
	OPTION_INTEGER("gradient-accumulation-steps", &gradient_accumulation_steps, 1, 1 << 20, "N", "batches a step"),
	OPTION_FLAG("reference-accumulation", &reference_accumulation, "average the batches' means, whatever their tokens"),
	OPTION_INTEGER("max-steps", &max_steps, 1, 1e15, "N", "stop after so many steps"),
	OPTION_INTEGER("logging-steps", &logging_steps, 1, 1e15, "N", "steps for each line of metrics",
		.unrecorded = true),
	OPTION_INTEGER("save-steps", &save_steps, 0, 1e15, "N", "steps for each checkpoint; 0: none",
		.changeable = true),
	OPTION_INTEGER("save-total-limit", &save_total_limit, 0, 1e6, "N", "checkpoints to keep; 0: all",
		.unrecorded = true),
	OPTION_TEXT("eval", &eval_file, "FILE", "masked records to evaluate on", .changeable = true),
	OPTION_INTEGER("eval-steps", &eval_steps, 1, 1e15, "N", "steps for each evaluation"),
	OPTION_INTEGER("eval-epochs", &eval_epochs, 1, 1e6, "N", "epochs for each; 1 where --eval-steps is not given"),
	OPTION_INTEGER("eval-batch-size", &eval_batch_size, 1, 1 << 20, "N", "records evaluated at a time",
		.changeable = true),
	OPTION_INTEGER("early-stopping-patience", &early_stopping_patience, 0, 1e6, "N",
		"stop after so many evaluations without a better one; 0: never"),
	OPTION_FLAG("load-best-model-at-end", &load_best_model_at_end, "write the model of the best evaluation"),
	OPTION_CHOICE("dtype", &dtype, "fp32|bf16|auto", "numbers that matrix products take; auto: the faster"),
	OPTION_SEED(&seed),
	OPTION_THREADS(&threads),
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Fine-tune a masked language model on masked records.",
	"wwm-mask < train.arrows | train-step --model distilbert-base-uncased --out tuned > metrics.jsonl",
};

struct training {
	struct run run;
	struct run_state state;
	struct run_folder *folder;
	struct masked_reader *masked;
	struct network *network;
	float *gradients;
	int32_t *positions;           /* of the batch being computed */
	int64_t first_step;           /* where this program began */
	int64_t masked_tokens;        /* seen since */
	int64_t saved_step;           /* of the last checkpoint */
	double interval_start;        /* of the next line of metrics, seconds */
	size_t interval_tokens;
};

static volatile sig_atomic_t stop_signal, save_requested;

static double seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- metrics ------------------------------------------------------------------------------------------- */

/* Writes a line, unbuffered. */
static void print_metrics(const json_t *line) {
	struct failure failure;
	char *json = json_dumps(line, JSON_REAL_PRECISION(9)), *text = format_text("%s\n", json);
	check(write_all(STDOUT_FILENO, text, strlen(text), "standard output", &failure), &failure);
	free(json);
	free(text);
}

static void log_step(struct training *training, double rate, double norm) {
	struct run_state *state = &training->state;
	double now = seconds();
	json_t *line = json_pack("{s:I, s:i, s:f, s:f, s:f}", "step", (json_int_t)state->step, "epoch", (int)state->epoch,
		"loss", state->interval_loss / (double)state->interval_steps, "learning_rate", rate, "grad_norm", norm);
	json_array_append_new(state->log_history, json_copy(line));
	double rate_of_tokens = (double)training->interval_tokens / fmax(now - training->interval_start, 1e-9);
	json_object_set_new(line, "tokens_per_second", json_real(round(rate_of_tokens * 10) / 10));
	print_metrics(line);
	json_decref(line);
	state->interval_loss = 0;
	state->interval_steps = 0;
	training->interval_start = now;
	training->interval_tokens = 0;
}

/* ---- evaluation ---------------------------------------------------------------------------------------- */

static struct masked_reader *open_eval(const struct training *training) {
	struct failure failure;
	struct masked_reader *masked = batches_open(open_input_stream(eval_file), &training->run.parameters->config,
		training->run.tokenizer, &failure);
	if (masked == NULL)
		die_failure(&failure);
	return masked;
}

/* Reads --eval to its end before the first step, rather than find it damaged after an epoch. */
static void check_eval(const struct training *training) {
	struct failure failure;
	struct masked_reader *masked = open_eval(training);
	struct masked_batch batch;
	size_t masked_tokens = 0;
	while (check(masked_reader_next(masked, (size_t)eval_batch_size, &batch, &failure), &failure) > 0)
		masked_tokens += batch.M;
	if (masked_tokens == 0)
		die(EX_DATAERR, "--eval %s: no masked tokens (mask the records with wwm-mask)", eval_file);
	masked_reader_close(masked);
}

static double eval_loss(const struct training *training) {
	struct failure failure;
	struct evaluation evaluation = { 0 };
	struct masked_reader *masked = open_eval(training);
	while (check(evaluation_add_next(&evaluation, training->network, masked, (size_t)eval_batch_size, &failure),
			&failure) > 0)
		;
	masked_reader_close(masked);
	double loss = evaluation_loss(&evaluation);
	if (!isfinite(loss))
		die(EX_DATAERR, "step %" PRId64 ": the evaluation loss is not finite (lower --lr)", training->state.step);
	return loss;
}

static void evaluate(struct training *training) {
	struct run_state *state = &training->state;
	double before = seconds(), loss = eval_loss(training), perplexity = exp(loss);
	json_t *line = json_pack("{s:I, s:i, s:f}", "step", (json_int_t)state->step, "epoch", (int)state->epoch,
		"eval_loss", loss);
	json_object_set_new(line, "eval_perplexity", isfinite(perplexity) ? json_real(perplexity) : json_null());
	json_array_append(state->log_history, line);
	print_metrics(line);
	json_decref(line);
	state->last_step = state->step;
	state->last_loss = loss;
	state->evaluations_since_best++;
	if (state->best_step == 0 || loss < state->best_loss) {
		state->best_step = state->step;
		state->best_loss = loss;
		state->evaluations_since_best = 0;
	}
	training->interval_start += seconds() - before;
}

/* Whether the step just taken is one to evaluate after. */
static bool evaluation_due(const struct training *training, const struct masked_batch *batch) {
	int64_t step = training->state.step;
	return eval_file != NULL && ((eval_steps > 0 && step % eval_steps == 0)
		|| (eval_epochs > 0 && batch->epoch_ends && batch->epoch % eval_epochs == 0)
		|| (save_steps > 0 && step % save_steps == 0));
}

/* ---- checkpoints --------------------------------------------------------------------------------------- */

static void save(struct training *training) {
	struct failure failure;
	if (training->saved_step == training->state.step)
		return;
	double before = seconds();
	check(checkpoint_save(training->folder, &training->run, save_total_limit, &failure), &failure);
	training->saved_step = training->state.step;
	training->interval_start += seconds() - before;
}

static void add_fixed_option(void *object, const struct option_entry *option) {
	if (!option->unrecorded && !option->changeable)
		json_object_set_new(object, option->name, option_json(option));
}

/* The options that the numbers depend on, by name. */
static json_t *fixed_options(void) {
	json_t *object = json_object();
	options_visit(options, add_fixed_option, object);
	return object;
}

/* A run goes on as it began, or not at all. */
static void check_same_run(const struct training *training, const json_t *expected, int64_t total) {
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)expected, name, value) {
		const json_t *saved = json_object_get(training->state.options, name);
		if (saved != NULL && json_equal(saved, value))
			continue;
		char *was = saved != NULL ? json_dumps(saved, JSON_ENCODE_ANY) : copy_text("not an option");
		die(EX_USAGE, "--%s: was %s in the run that --resume is to go on with (give the same, or another --out)", name,
			was);
	}
	if (training->state.total != total)
		die(EX_DATAERR, "the input makes %" PRId64 " steps, in the run that --resume is to go on with it made %" PRId64
			" (give the same input, or another --out)", total, training->state.total);
}

/* Takes from the input what the run took before, and makes sure that it is the same. */
static void skip_input(struct training *training, const char *name) {
	enum { RECORDS = 256 };
	struct failure failure;
	struct masked_batch batch;
	int64_t left = training->state.records;
	while (left > 0 && check(masked_reader_next(training->masked, (size_t)(left < RECORDS ? left : RECORDS), &batch,
			&failure), &failure) > 0)
		left -= (int64_t)batch.B;
	uint32_t digest = masked_reader_digest(training->masked);
	if (left > 0 || digest != training->state.digest)
		die(EX_DATAERR, "%s: is not what the run in %s was made from (its first %" PRId64 " records are crc32:%08" PRIx32
			", and were crc32:%08" PRIx32 "; give the same input, or another --out)", name, out,
			training->state.records - left, digest, training->state.digest);
}

/* The evaluation is run again where the checkpoint has one. Single precision on another processor differs in the
 * last digits. */
static void check_evaluation(const struct training *training) {
	const struct run_state *state = &training->state;
	if (eval_file == NULL || state->last_step != state->step)
		return;
	double loss = eval_loss(training);
	note("step %" PRId64 ": eval_loss is %.9g, saved was %.9g", state->step, loss, state->last_loss);
	if (fabs(loss - state->last_loss) > 1e-5 * fabs(state->last_loss))
		die(EX_DATAERR, "%s: the checkpoint of step %" PRId64 " does not evaluate as it did (is --eval %s the same?)",
			out, state->step, eval_file);
}

/* ---- signals ------------------------------------------------------------------------------------------- */

/* A second signal to stop does so at once. */
static void take_signal(int number) {
	if (number == SIGUSR1) {
		save_requested = 1;
		return;
	}
	stop_signal = number;
	reader_interrupted = 1;
	signal(number, SIG_DFL);
}

static void catch_signals(void) {
	static const int signals[] = { SIGINT, SIGTERM, SIGUSR1 };
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction action = { .sa_handler = take_signal }, before;
		sigaction(signals[i], NULL, &before);
		if (before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

/* Saves where the run stands and ends by the signal that asked for it. */
static void stop(struct training *training) {
	progress_end();
	if (training->state.step > 0) {
		save(training);
		note("stopped after step %" PRId64 " (--resume goes on from there)", training->state.step);
	}
	run_folder_close(training->folder);
	signal(stop_signal, SIG_DFL);
	raise(stop_signal);
}

/* ---- training ------------------------------------------------------------------------------------------ */

/* The records of a regular file can be counted, unless it is damaged: reading it tells where. */
static void report_damage(const char *path, struct reader *reader) {
	struct failure failure;
	struct batch *batch;
	struct stat status;
	if ((path != NULL ? stat(path, &status) : fstat(STDIN_FILENO, &status)) < 0 || !S_ISREG(status.st_mode))
		return;
	while (check(reader_next(reader, &batch, &failure), &failure) > 0)
		batch_free(batch);
}

/* How many steps the run takes, by the stream's records and --max-steps; -1: not known, and not needed. */
static int64_t count_steps(const char *path, struct reader *reader) {
	int64_t records = reader_total(reader), a_step = batch_size * gradient_accumulation_steps;
	int64_t steps = records >= 0 ? (records + a_step - 1) / a_step : -1;
	if (max_steps > 0 && (steps < 0 || max_steps < steps))
		steps = max_steps;
	if (steps < 0 && (warmup_ratio > 0 || schedule_needs_total(schedule.type))) {
		report_damage(path, reader);
		die(EX_USAGE, "%s: does not say how many records it holds, and the schedule must know the number of steps "
			"(give --max-steps, or --lr-scheduler-type constant)", reader_name(reader));
	}
	return steps;
}

static bool is_zero(const float *values, size_t count) {
	while (count > 0 && values[count - 1] == 0)
		count--;
	return count == 0;
}

/* A whole tensor without a gradient is one that the loss does not reach. */
static void warn_of_zero_gradients(const struct training *training) {
	const struct parameters *parameters = training->run.parameters;
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		if (is_zero(training->gradients + parameter->offset, parameter->elements))
			note("step 1: the gradient of %s is 0 throughout (nothing in the batch reaches it)", parameter->name);
	}
}

__attribute__((noreturn))
static void die_not_finite(const struct training *training, double loss) {
	size_t element;
	const struct parameter *bad = parameters_not_finite(training->run.parameters, training->gradients, &element);
	die(EX_DATAERR, "step %" PRId64 ": the %s is not finite, first in the gradient of %s (lower --lr, or check the "
		"model's weights)", training->state.step + 1, isfinite(loss) ? "gradient" : "loss",
		bad != NULL ? bad->name : "all tensors together");
}

/* The gradients of one step's records, --batch-size at a time; returns their loss. */
static double compute_gradients(struct training *training, const struct masked_batch *batch) {
	double loss = 0;
	uint64_t pass = (uint64_t)(training->state.step * gradient_accumulation_steps);
	training->positions = grow(training->positions, batch->M + 1, sizeof *training->positions);
	for (size_t first = 0; first < batch->B; first += (size_t)batch_size) {
		size_t left = batch->B - first, count = left < (size_t)batch_size ? left : (size_t)batch_size;
		struct network_input input = batch_slice(batch, first, count, training->positions);
		double tokens = (double)(reference_accumulation ? input.M * (size_t)gradient_accumulation_steps : batch->M);
		double sum = network_gradients(training->network, &input, pass++, tokens, first > 0, training->gradients);
		loss += input.M > 0 ? sum / tokens : 0;
	}
	return loss;
}

static void take_step(struct training *training, const struct masked_batch *batch) {
	struct run_state *state = &training->state;
	double rate = lr * schedule_factor(&schedule, state->step);
	double loss = compute_gradients(training, batch);
	if (state->step == 0 && batch->M > 0)
		warn_of_zero_gradients(training);
	double norm = isfinite(loss) ? optimizer_step(training->run.optimizer, training->gradients, rate) : NAN;
	if (!isfinite(norm))
		die_not_finite(training, loss);
	state->step++;
	state->epoch = batch->epoch;
	state->records = batch->first_record + (int64_t)batch->B;
	state->digest = masked_reader_digest(training->masked);
	state->interval_loss += loss;
	state->interval_steps++;
	training->interval_tokens += batch->tokens;
	training->masked_tokens += (int64_t)batch->M;
	if (state->step % logging_steps == 0 || batch->epoch_ends || state->step == max_steps)
		log_step(training, rate, norm);
}

/* The next step's records. False at the end of the run. An input that fails leaves a checkpoint behind. */
static bool next_batch(struct training *training, struct masked_batch *batch) {
	struct failure failure;
	if (training->state.step == max_steps)
		return false;
	int got = masked_reader_next(training->masked, (size_t)(batch_size * gradient_accumulation_steps), batch, &failure);
	if (stop_signal != 0)
		stop(training);
	if (got < 0) {
		progress_end();
		if (training->state.step > 0)
			save(training);
		die_failure(&failure);
	}
	return got > 0;
}

static bool out_of_patience(const struct training *training) {
	const struct run_state *state = &training->state;
	if (early_stopping_patience == 0 || state->evaluations_since_best < early_stopping_patience)
		return false;
	note("stopped after step %" PRId64 ": no evaluation since step %" PRId64 " was better", state->step,
		state->best_step);
	return true;
}

static void train(struct training *training) {
	struct run_state *state = &training->state;
	struct masked_batch batch;
	training->interval_start = seconds();
	while (!out_of_patience(training) && next_batch(training, &batch)) {
		take_step(training, &batch);
		if (evaluation_due(training, &batch))
			evaluate(training);
		bool best = load_best_model_at_end && state->best_step == state->step;
		if (best || save_requested || (save_steps > 0 && state->step % save_steps == 0)) {
			save_requested = 0;
			save(training);
		}
		if (stop_signal != 0)
			stop(training);
		progress(state->step, state->total, "steps");
	}
	progress_end();
	if (state->step == 0)
		die(EX_DATAERR, "no records to train on (the stream is empty)");
	if (training->masked_tokens == 0 && training->first_step == 0)
		die(EX_DATAERR, "no masked tokens in %" PRId64 " records (mask them with wwm-mask or random-mask)",
			state->records);
}

static void finish(struct training *training) {
	struct failure failure;
	struct run_state *state = &training->state;
	if (eval_file != NULL && state->last_step != state->step)
		evaluate(training);
	if (load_best_model_at_end && state->best_step != state->step)
		check(checkpoint_load_weights(training->folder, state->best_step, training->run.parameters, &failure), &failure);
	state->complete = true;
	check(run_folder_finish(training->folder, &training->run, &failure), &failure);
}

/* ---- beginning ----------------------------------------------------------------------------------------- */

static void check_usage(void) {
	if (force && resume)
		die(EX_USAGE, "--force and --resume: one replaces --out, the other goes on with it (give one)");
	if (eval_file == NULL && (eval_steps > 0 || eval_epochs > 0 || early_stopping_patience > 0
			|| load_best_model_at_end))
		die(EX_USAGE, "%s needs evaluations (give --eval)", eval_steps > 0 ? "--eval-steps"
			: eval_epochs > 0 ? "--eval-epochs" : early_stopping_patience > 0 ? "--early-stopping-patience"
			: "--load-best-model-at-end");
	schedule.type = (enum schedule_type)lr_scheduler_type;
	if (schedule.type == SCHEDULE_CONSTANT && (schedule.warmup_steps > 0 || warmup_ratio > 0))
		die(EX_USAGE, "--lr-scheduler-type constant has no warm-up (give constant_with_warmup)");
	if (schedule.type == SCHEDULE_POLYNOMIAL && lr_end >= lr)
		die(EX_USAGE, "--lr-end %g is not below --lr %g, and a polynomial falls", lr_end, lr);
	if (eval_steps < 0 && eval_epochs < 0)
		eval_epochs = 1;
	if (dtype > PRECISION_BF16)
		dtype = bf16_is_fast() ? PRECISION_BF16 : PRECISION_FP32;
	else if (dtype == PRECISION_BF16 && !bf16_is_fast())
		note("--dtype bf16 is slower than fp32 here (it needs a processor with bfloat16 products, and oneDNN)");
}

/* How the model came to be: what its own file said, the stream's stages, this one. */
static void set_lineage(struct parameters *parameters, const struct stream_info *stream) {
	struct stream_info info;
	stream_info_copy(&info, stream);
	add_this_stage(&info, seed);
	if (parameters->lineage == NULL)
		parameters->lineage = json_array();
	json_array_extend(parameters->lineage, info.lineage);
	stream_info_clear(&info);
}

static void load_model(struct training *training) {
	struct failure failure;
	struct tokenizer *tokenizer;
	training->run.parameters = parameters_load(model, (uint64_t)seed, &print_warnings, &failure);
	if (training->run.parameters == NULL)
		die_failure(&failure);
	check(optional_tokenizer(model, &tokenizer, &failure), &failure);
	training->run.tokenizer = tokenizer;
}

static void set_up_network(struct training *training, struct pool *pool) {
	struct parameters *parameters = training->run.parameters;
	const struct config *config = &parameters->config;
	training->network = network_create(parameters, pool);
	network_set_dropout(training->network, dropout >= 0 ? (float)dropout : config->hidden_dropout,
		dropout >= 0 ? (float)dropout : config->attention_dropout, (uint64_t)seed);
	network_set_precision(training->network, (enum precision)dtype);
	training->run.optimizer = optimizer_create(parameters, &adamw, pool);
	if (adamw.freeze != NULL && optimizer_frozen(training->run.optimizer) == 0)
		die(EX_USAGE, "--freeze %s: no tensor is called that (model-info lists them)", adamw.freeze);
	training->gradients = allocate(parameters->size, sizeof *training->gradients);
}

/* Brings the run to where the newest checkpoint left it. Returns whether it was complete already. */
static bool go_on(struct training *training, const char *input) {
	struct failure failure;
	json_t *expected = json_incref(training->state.options);
	int64_t total = training->state.total;
	bool complete = check(run_folder_complete(training->folder, &training->state, &failure), &failure) > 0;
	if (complete || check(checkpoint_load_newest(training->folder, &training->run, &print_warnings, &failure), &failure) > 0) {
		check_same_run(training, expected, total);
		skip_input(training, input);
		training->first_step = training->saved_step = training->state.step;
		if (!complete)
			check_evaluation(training);
	}
	json_decref(expected);
	return complete;
}

int main(int argc, char **argv) {
	struct failure failure;
	struct training training = { .run = { .state = &training.state } };
	const char *path = parse_options_with_input(argc, argv, &usage, options);
	check_usage();
	training.folder = run_folder_open(out, force, resume, &failure);
	if (training.folder == NULL)
		die_failure(&failure);
	load_model(&training);
	if (eval_file != NULL)
		check_eval(&training);

	struct reader *reader = open_input_stream(path);
	run_state_init(&training.state);
	training.state.total = count_steps(path, reader);
	if (schedule.warmup_steps == 0)
		schedule.warmup_steps = (int64_t)ceil(warmup_ratio * (double)training.state.total);
	schedule.total = training.state.total;
	schedule.end_factor = lr > 0 ? lr_end / lr : 0;
	set_lineage(training.run.parameters, reader_info(reader));
	training.masked = batches_open(reader, &training.run.parameters->config, training.run.tokenizer, &failure);
	if (training.masked == NULL)
		die_failure(&failure);
	json_decref(training.state.options);
	training.state.options = fixed_options();

	struct pool *pool = create_pool(threads);
	set_up_network(&training, pool);
	if (!resume || !go_on(&training, input_name(path))) {
		catch_signals();
		train(&training);
		finish(&training);
	}

	masked_reader_close(training.masked);
	run_folder_close(training.folder);
	run_state_clear(&training.state);
	optimizer_free(training.run.optimizer);
	network_free(training.network);
	pool_destroy(pool);
	free(training.gradients);
	free(training.positions);
	tokenizer_free((struct tokenizer *)training.run.tokenizer);
	parameters_free(training.run.parameters);
	return finish_output();
}
