/* perplexity: how well a model predicts the masked tokens of a stream.
 *
 * The mean is over masked tokens, so the batch size does not change it; the reference's mean of batch means is shown
 * beside it. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "cli/cli.h"
#include "train/batches.h"
#include "train/evaluate.h"

static const char *model;
static int64_t batch_size = 8;
static bool as_json;
static int64_t seed = 42;
static int64_t threads;

static const struct option_entry options[] = {
	OPTION_TEXT("model", &model, "DIR", "folder of the model to evaluate; required"),
	OPTION_INTEGER("batch-size", &batch_size, 1, 1 << 20, "N", "records computed at a time"),
	OPTION_FLAG("json", &as_json, "print a JSON object, with the reference's mean of batch means"),
	OPTION_SEED(&seed),
	OPTION_THREADS(&threads),
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Print the perplexity of a masked language model on masked records.",
	"perplexity --model distilbert-base-uncased < eval.arrows",
};

/* A perplexity past the largest double is null. */
static void set_number(json_t *object, const char *name, double number) {
	json_object_set_new(object, name, isfinite(number) ? json_real(number) : json_null());
}

static void print_json(const struct evaluation *evaluation) {
	json_t *object = json_object();
	double batch_mean_loss = evaluation_batch_mean_loss(evaluation);
	set_number(object, "loss", evaluation_loss(evaluation));
	set_number(object, "perplexity", exp(evaluation_loss(evaluation)));
	json_object_set_new(object, "masked_tokens", json_integer(evaluation->masked_tokens));
	json_object_set_new(object, "records", json_integer(evaluation->records));
	set_number(object, "batch_mean_loss", batch_mean_loss);
	set_number(object, "batch_mean_perplexity", exp(batch_mean_loss));
	json_object_set_new(object, "batch_size", json_integer(batch_size));
	json_dumpf(object, stdout, JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(object);
}

int main(int argc, char **argv) {
	struct failure failure;
	const char *path = parse_options_with_input(argc, argv, &usage, options);
	if (model == NULL)
		die(EX_USAGE, "--model is missing (give the folder of the model)");

	struct reader *reader = open_input_stream(path);
	struct parameters *parameters = parameters_load(model, (uint64_t)seed, &failure);
	if (parameters == NULL)
		die_failure(&failure);
	struct tokenizer *tokenizer;
	check(optional_tokenizer(model, &tokenizer, &failure), &failure);
	struct masked_reader *masked = batches_open(reader, &parameters->config, tokenizer, &failure);
	if (masked == NULL)
		die_failure(&failure);

	struct pool *pool = pool_create((int)threads);
	struct network *network = network_create(parameters, pool);
	struct evaluation evaluation = { 0 };
	check(evaluation_add_stream(&evaluation, network, masked, (size_t)batch_size, &failure), &failure);
	if (evaluation.masked_tokens == 0)
		die(EX_DATAERR, "%s: no masked tokens in %" PRId64 " records (mask them with wwm-mask or random-mask)",
			input_name(path), evaluation.records);
	if (!isfinite(evaluation.loss_sum))
		die(EX_DATAERR, "%s: the loss is not finite (the model's weights are damaged)", model);

	if (as_json)
		print_json(&evaluation);
	else
		printf("perplexity %.6g loss %.6f masked_tokens %" PRId64 " records %" PRId64 "\n",
			exp(evaluation_loss(&evaluation)), evaluation_loss(&evaluation), evaluation.masked_tokens,
			evaluation.records);

	network_free(network);
	pool_destroy(pool);
	masked_reader_close(masked);
	tokenizer_free(tokenizer);
	parameters_free(parameters);
	return finish_output();
}
