/* perplexity: measures how well a model predicts the masked tokens of a stream.
 *
 * The mean is over masked tokens, so that it does not depend on the batch size; the reference's mean of batch means is
 * also printed. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "model/parameters_file.h"
#include "train/batches.h"
#include "train/evaluate.h"

static const char *model;
static int64_t batch_size = 8;
static int64_t top_k; /* 0: not given */
static int64_t resamples = EVALUATION_RESAMPLES;
static bool per_record;
static bool as_json;
static int64_t seed = 42;
static int64_t threads;
static int dtype = PRECISION_FP32;

static const struct option_entry options[] = {
	OPTION_MODEL(&model, "folder of the model to evaluate", .required = "the folder of the model"),
	OPTION_INTEGER("batch-size", &batch_size, 1, 1 << 20, "N", "records in a batch"),
	OPTION_FLAG("per-record", &per_record, "print a JSON object for each record, and one for all"),
	OPTION_INTEGER("top-k-accuracy", &top_k, 1, 1 << 28, "K", "share of tokens among the K most probable predictions"),
	OPTION_INTEGER("resamples", &resamples, 0, 1000000, "N", "samples for the 95 % interval; 0: no interval"),
	OPTION_FLAG("json", &as_json, "print a JSON object, with the reference's mean of batch means"),
	OPTION_CHOICE("dtype", &dtype, PRECISIONS, "precision of matrix products; auto: the faster"),
	OPTION_SEED(&seed),
	OPTION_THREADS(&threads),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Prints the perplexity of a masked language model on masked records.",
	"perplexity --model distilbert-base-uncased < eval.arrows",
};

/* Prints the records from `first` on. */
static void print_records(const struct evaluation *evaluation, int64_t first) {
	for (int64_t i = first; i < evaluation->records; i++) {
		const struct record_loss *record = &evaluation->record_losses[i];
		print_object(json_pack("{s:I, s:o?, s:I}", "record", (json_int_t)i + 1, "loss", record->targets == 0
			? NULL : json_real(record->loss_sum / (double)record->targets),
			"masked_tokens", (json_int_t)record->targets));
	}
}

static void evaluate(struct evaluation *evaluation, struct network *network, struct example_reader *examples,
	int64_t total) {
	struct failure failure;
	int64_t before = 0;
	char loss[32];
	while (check(evaluation_add_next(evaluation, network, examples, (size_t)batch_size, &failure), &failure) > 0) {
		if (per_record)
			print_records(evaluation, before);
		before = evaluation->records;
		snprintf(loss, sizeof loss, "loss %.4f", evaluation_loss(evaluation));
		progress(evaluation->records, total, "records", loss);
	}
	progress_end();
}

/* A number that is too large for a double is null: json_real() makes nothing of it. */
static void print_json(const struct evaluation *evaluation, const struct loss_interval *interval) {
	double loss = evaluation_loss(evaluation), batch_mean_loss = evaluation_batch_mean_loss(evaluation);
	json_t *object = json_pack("{s:o?, s:o?, s:I, s:I, s:o?, s:o?, s:I}", "loss", json_real(loss),
		"perplexity", json_real(exp(loss)), "masked_tokens", (json_int_t)evaluation->targets,
		"records", (json_int_t)evaluation->records, "batch_mean_loss", json_real(batch_mean_loss),
		"batch_mean_perplexity", json_real(exp(batch_mean_loss)), "batch_size", (json_int_t)batch_size);
	if (resamples > 0)
		json_object_update_new(object, json_pack("{s:[o?, o?], s:[o?, o?]}",
			"loss_interval", json_real(interval->low), json_real(interval->high),
			"perplexity_interval", json_real(exp(interval->low)), json_real(exp(interval->high))));
	if (top_k > 0)
		json_object_update_new(object, json_pack("{s:I, s:f}", "top_k", (json_int_t)top_k,
			"top_k_accuracy", evaluation_top_k_accuracy(evaluation)));
	print_object(object);
}

static void print_line(const struct evaluation *evaluation, const struct loss_interval *interval) {
	double loss = evaluation_loss(evaluation);
	printf("perplexity %.6g loss %.6f masked_tokens %" PRId64 " records %" PRId64, exp(loss), loss,
		evaluation->targets, evaluation->records);
	if (resamples > 0)
		printf(" perplexity_low %.6g perplexity_high %.6g", exp(interval->low), exp(interval->high));
	if (top_k > 0)
		printf(" top_k_accuracy %.6f", evaluation_top_k_accuracy(evaluation));
	putchar('\n');
}

int main(int argc, char **argv) {
	struct failure failure;
	const char *path = parse_options_with_input(argc, argv, &usage, options);

	struct reader *reader = open_input_stream(path);
	int64_t total = reader_total(reader);
	struct parameters *parameters = must(parameters_open(model, &masked_lm_head.layout, (uint64_t)seed, &print_warnings,
		&failure), &failure);
	if (top_k > (int64_t)parameters->config.vocab_size)
		die(EX_USAGE, "--top-k-accuracy: %" PRId64 " is more than the %zu tokens of the vocabulary (give less)", top_k,
			parameters->config.vocab_size);
	struct tokenizer *tokenizer;
	check(tokenizer_find(model, &tokenizer, &failure), &failure);
	struct example_reader *examples = must(batches_open(reader, &parameters->config, tokenizer, LABELS_OF_TOKENS, 0,
		&failure), &failure);

	struct pool *pool = create_pool(threads);
	struct network *network = network_create(parameters, &masked_lm_head, NULL, pool);
	network_set_precision(network, (enum precision)dtype);
	struct evaluation evaluation = { .by_record = per_record || resamples > 0, .top_k = (int32_t)top_k };
	evaluate(&evaluation, network, examples, total);
	if (evaluation.targets == 0)
		die(EX_DATAERR, "%s: no masked tokens in %" PRId64 " records (mask them with wwm-mask or random-mask)",
			input_name(path), evaluation.records);
	if (!isfinite(evaluation.loss_sum))
		die(EX_DATAERR, "%s: the loss is not finite (the model's weights are damaged)", model);

	struct loss_interval interval = { 0 };
	if (resamples > 0)
		interval = evaluation_interval(&evaluation, (size_t)resamples, (uint64_t)seed);
	if (as_json || per_record)
		print_json(&evaluation, &interval);
	else
		print_line(&evaluation, &interval);

	evaluation_clear(&evaluation);
	network_free(network);
	pool_destroy(pool);
	example_reader_close(examples);
	tokenizer_free(tokenizer);
	parameters_free(parameters);
	return finish_output();
}
