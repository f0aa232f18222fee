/* train-step: fine-tunes a masked language model on a stream of masked records, a batch a step, in stream order.
 *
 * The model appears at --out, whole, when the last step is done; metrics appear on standard output as they come. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/staged.h"
#include "train/batches.h"
#include "train/evaluate.h"
#include "train/optimizer.h"
#include "train/schedule.h"

static const char *model, *out, *eval_file;
static bool force;
static double lr = 5e-5;
static int lr_scheduler_type = SCHEDULE_LINEAR;
static int64_t warmup_steps;
static int64_t batch_size = 8, eval_batch_size = 8;
static int64_t max_steps = -1;
static int64_t logging_steps = 1;
static double dropout = -1;
static int64_t seed = 42;
static int64_t threads;
static struct optimizer_options adamw = {
	.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .max_grad_norm = 1
};

static const struct option_entry options[] = {
	OPTION_TEXT("model", &model, "DIR", "folder of the model to start from; required"),
	OPTION_TEXT("out", &out, "DIR", "folder to write the trained model to; required"),
	OPTION_FLAG("force", &force, "replace --out if it exists"),
	OPTION_NUMBER("lr", &lr, 0, 1000, "R", "peak learning rate"),
	OPTION_NUMBER("weight-decay", &adamw.weight_decay, 0, 1000, "W", "AdamW's decoupled weight decay"),
	OPTION_FLAG("decay-all", &adamw.decay_all, "decay biases and layer norms too"),
	OPTION_NUMBER("adam-beta1", &adamw.beta1, 0, 0.999999, "B", "decay of the mean of gradients"),
	OPTION_NUMBER("adam-beta2", &adamw.beta2, 0, 0.999999, "B", "decay of the mean of squared gradients"),
	OPTION_NUMBER("adam-epsilon", &adamw.epsilon, 1e-30, 1, "E", "what is added to the root of that mean"),
	OPTION_CHOICE("lr-scheduler-type", &lr_scheduler_type, "linear|constant|cosine", "shape of the learning rate"),
	OPTION_INTEGER("warmup-steps", &warmup_steps, 0, 1e15, "N", "steps in which the learning rate rises from 0"),
	OPTION_NUMBER("max-grad-norm", &adamw.max_grad_norm, 0, 1e30, "G", "clip gradients to this norm; 0: never"),
	OPTION_INTEGER("batch-size", &batch_size, 1, 1 << 20, "N", "records a step"),
	OPTION_INTEGER("max-steps", &max_steps, 1, 1e15, "N", "stop after so many steps"),
	OPTION_INTEGER("logging-steps", &logging_steps, 1, 1e15, "N", "steps for each line of metrics"),
	OPTION_NUMBER("dropout", &dropout, 0, 0.999, "P", "dropout everywhere, in place of the configuration's"),
	OPTION_TEXT("eval", &eval_file, "FILE", "masked records to evaluate on at the end of every epoch"),
	OPTION_INTEGER("eval-batch-size", &eval_batch_size, 1, 1 << 20, "N", "records evaluated at a time"),
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
	struct parameters *parameters;
	struct tokenizer *tokenizer;  /* NULL: the model has none */
	struct network *network;
	struct optimizer *optimizer;
	float *gradients;
	int64_t total;                /* steps; -1: not known */
	int64_t step;                 /* steps done */
};

/* What the next line of metrics sums up. */
struct interval { double loss_sum; int64_t steps; size_t tokens; double start; };

static double seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Writes a line of metrics, unbuffered, and frees it. */
static void print_metrics(char *line) {
	struct failure failure;
	check(write_all(STDOUT_FILENO, line, strlen(line), "standard output", &failure), &failure);
	free(line);
}

/* ---- evaluation ---------------------------------------------------------------------------------------- */

static struct masked_reader *open_eval(const struct training *training) {
	struct failure failure;
	struct masked_reader *masked = batches_open(open_input_stream(eval_file), &training->parameters->config,
		training->tokenizer, &failure);
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

static void evaluate(const struct training *training, int32_t epoch) {
	struct failure failure;
	struct evaluation evaluation = { 0 };
	struct masked_reader *masked = open_eval(training);
	check(evaluation_add_stream(&evaluation, training->network, masked, (size_t)eval_batch_size, &failure), &failure);
	masked_reader_close(masked);
	double loss = evaluation_loss(&evaluation);
	if (!isfinite(loss))
		die(EX_DATAERR, "step %" PRId64 ": the evaluation loss is not finite (lower --lr)", training->step);
	print_metrics(format_text("{\"step\": %" PRId64 ", \"epoch\": %" PRId32 ", \"eval_loss\": %.9g, "
		"\"eval_perplexity\": %.9g}\n", training->step, epoch, loss, exp(loss)));
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
	int64_t records = reader_total(reader);
	int64_t steps = records >= 0 ? (records + batch_size - 1) / batch_size : -1;
	if (max_steps > 0 && (steps < 0 || max_steps < steps))
		steps = max_steps;
	if (steps < 0 && schedule_needs_total((enum schedule)lr_scheduler_type)) {
		report_damage(path, reader);
		die(EX_USAGE, "%s: does not say how many records it holds, and the schedule must know the number of steps "
			"(give --max-steps, or --lr-scheduler-type constant)", reader_name(reader));
	}
	return steps;
}

/* One step: returns the loss and the norm of its gradient before clipping. */
static double take_step(struct training *training, const struct masked_batch *batch, double rate, double *norm) {
	struct network_input input = batch_input(batch);
	double loss = network_gradients(training->network, &input, (uint64_t)training->step, training->gradients);
	*norm = optimizer_step(training->optimizer, training->gradients, rate);
	training->step++;
	if (!isfinite(loss) || !isfinite(*norm))
		die(EX_DATAERR, "step %" PRId64 ": the %s is not finite (lower --lr, or check the model's weights)",
			training->step, isfinite(loss) ? "gradient" : "loss");
	return loss;
}

static void log_step(const struct training *training, struct interval *interval, int32_t epoch, double rate,
	double norm) {
	double now = seconds();
	print_metrics(format_text("{\"step\": %" PRId64 ", \"epoch\": %" PRId32 ", \"loss\": %.9g, "
		"\"learning_rate\": %.9g, \"grad_norm\": %.9g, \"tokens_per_second\": %.1f}\n", training->step, epoch,
		interval->loss_sum / (double)interval->steps, rate, norm,
		(double)interval->tokens / fmax(now - interval->start, 1e-9)));
	*interval = (struct interval){ .start = now };
}

static void train(struct training *training, struct masked_reader *masked) {
	struct failure failure;
	struct masked_batch batch;
	struct interval interval = { .start = seconds() };
	while (training->step != max_steps
		&& check(masked_reader_next(masked, (size_t)batch_size, &batch, &failure), &failure) > 0) {
		double norm, rate = lr * schedule_factor((enum schedule)lr_scheduler_type, training->step, warmup_steps,
			training->total);
		interval.loss_sum += take_step(training, &batch, rate, &norm);
		interval.steps++;
		interval.tokens += batch.tokens;
		bool pauses = batch.epoch_ends || training->step == max_steps;
		if (training->step % logging_steps == 0 || pauses)
			log_step(training, &interval, batch.epoch, rate, norm);
		if (eval_file != NULL && pauses) {
			double before = seconds();
			evaluate(training, batch.epoch);
			interval.start += seconds() - before;
		}
		progress(training->step, training->total, "steps");
	}
	progress_end();
	if (training->step == 0)
		die(EX_DATAERR, "no records to train on (the stream is empty)");
}

/* How the model came to be: what its own file said, the stream's stages, this one. */
static void set_lineage(struct parameters *parameters, const struct stream_info *stream) {
	struct stream_info info;
	stream_info_copy(&info, stream);
	stream_info_add_stage(&info, seed);
	if (parameters->lineage == NULL)
		parameters->lineage = json_array();
	json_array_extend(parameters->lineage, info.lineage);
	stream_info_clear(&info);
}

static void save(const struct training *training, struct staged *staged) {
	struct failure failure;
	check(parameters_save(training->parameters, staged_path(staged), &failure), &failure);
	if (training->tokenizer != NULL)
		check(tokenizer_save(training->tokenizer, staged_path(staged), &failure), &failure);
	check(staged_commit(staged, &failure), &failure);
}

int main(int argc, char **argv) {
	struct failure failure;
	const char *path = parse_options_with_input(argc, argv, &usage, options);
	if (model == NULL || out == NULL)
		die(EX_USAGE, "%s is missing (give the folder %s)", model == NULL ? "--model" : "--out",
			model == NULL ? "of the model to start from" : "to write the trained model to");

	struct staged *staged = staged_folder(out, force, &failure);
	if (staged == NULL)
		die_failure(&failure);
	struct training training = { .parameters = parameters_load(model, (uint64_t)seed, &failure) };
	if (training.parameters == NULL)
		die_failure(&failure);
	check(optional_tokenizer(model, &training.tokenizer, &failure), &failure);
	if (eval_file != NULL)
		check_eval(&training);
	struct reader *reader = open_input_stream(path);
	training.total = count_steps(path, reader);
	set_lineage(training.parameters, reader_info(reader));
	const struct config *config = &training.parameters->config;
	struct masked_reader *masked = batches_open(reader, config, training.tokenizer, &failure);
	if (masked == NULL)
		die_failure(&failure);

	struct pool *pool = pool_create((int)threads);
	training.network = network_create(training.parameters, pool);
	network_set_dropout(training.network, dropout >= 0 ? (float)dropout : config->hidden_dropout,
		dropout >= 0 ? (float)dropout : config->attention_dropout, (uint64_t)seed);
	training.optimizer = optimizer_create(training.parameters, &adamw, pool);
	training.gradients = allocate(training.parameters->size, sizeof *training.gradients);
	train(&training, masked);
	masked_reader_close(masked);
	save(&training, staged);

	optimizer_free(training.optimizer);
	network_free(training.network);
	pool_destroy(pool);
	free(training.gradients);
	tokenizer_free(training.tokenizer);
	parameters_free(training.parameters);
	return finish_output();
}
