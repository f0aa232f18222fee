/* masked_task: masked-language-model training as a task of a run. */
#include "train/masked_task.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "train/batches.h"
#include "train/evaluate.h"

struct masked_task {
	struct task task;
	struct parameters *parameters;
	struct network *network;
	struct evaluation evaluation;
	int64_t accumulation_steps;
	bool mean_of_means;
	int32_t *positions;          /* of the micro-batch being computed */
};

static void create_network(struct masked_task *masked, const struct run_settings *settings, struct pool *pool) {
	const struct config *config = &masked->parameters->config;
	double dropout = settings->dropout;
	masked->network = network_create(masked->parameters, pool);
	network_set_dropout(masked->network, dropout >= 0 ? (float)dropout : config->hidden_dropout,
		dropout >= 0 ? (float)dropout : config->attention_dropout, (uint64_t)settings->seed);
	network_set_precision(masked->network, (enum precision)settings->dtype);
}

static struct parameters *load(void *context, const struct run_settings *settings, struct pool *pool,
	const struct warnings *warnings, struct failure *failure) {
	struct masked_task *masked = context;
	masked->accumulation_steps = settings->gradient_accumulation_steps;
	masked->mean_of_means = settings->reference_accumulation;
	masked->parameters = parameters_load(settings->model, (uint64_t)settings->seed, warnings, failure);
	if (masked->parameters != NULL)
		create_network(masked, settings, pool);
	return masked->parameters;
}

static struct masked_reader *open_records(void *context, struct reader *reader, const struct tokenizer *tokenizer,
	struct failure *failure) {
	const struct masked_task *masked = context;
	return batches_open(reader, &masked->parameters->config, tokenizer, failure);
}

static size_t count_targets(void *context, const struct masked_batch *batch) {
	(void)context;
	return batch->M;
}

static void compute_gradients(void *context, const struct masked_batch *batch, const struct micro_batch *part,
	float *gradients, struct step_loss *loss) {
	struct masked_task *masked = context;
	masked->positions = grow(masked->positions, batch->M + 1, sizeof *masked->positions);
	struct network_input input = batch_slice(batch, part->first, part->count, masked->positions);
	double tokens = (double)(masked->mean_of_means ? input.M * (size_t)masked->accumulation_steps : batch->M);
	double sum = network_gradients(masked->network, &input, part->pass, tokens, part->first > 0, gradients);
	loss->loss += input.M > 0 ? sum / tokens : 0;
}

static void evaluate(void *context, const struct masked_batch *batch) {
	struct masked_task *masked = context;
	struct network_input input = batch_input(batch);
	evaluation_add(&masked->evaluation, masked->network, &input);
}

static double end_evaluation(void *context, json_t *line) {
	struct masked_task *masked = context;
	double loss = evaluation_loss(&masked->evaluation), perplexity = exp(loss);
	json_object_set_new(line, "eval_loss", isfinite(loss) ? json_real(loss) : json_null());
	json_object_set_new(line, "eval_perplexity", isfinite(perplexity) ? json_real(perplexity) : json_null());
	evaluation_clear(&masked->evaluation);
	return loss;
}

static void release(void *context) {
	struct masked_task *masked = context;
	evaluation_clear(&masked->evaluation);
	network_free(masked->network);
	parameters_free(masked->parameters);
	free(masked->positions);
	free(masked);
}

const struct task *masked_task_create(void) {
	struct masked_task *masked = allocate(1, sizeof *masked);
	masked->task = (struct task){ .context = masked, .targets = "masked tokens",
		.targets_hint = "mask the records with wwm-mask or random-mask", .load = load, .open_records = open_records,
		.count_targets = count_targets, .compute_gradients = compute_gradients, .evaluate = evaluate,
		.end_evaluation = end_evaluation, .release = release };
	return &masked->task;
}
