/* head_task: the task of a run that trains a head and the encoder below it, the same for every head. */
#include "train/head_task.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/network.h"
#include "model/parameters_file.h"
#include "train/batches.h"

struct training {
	struct task task;
	const struct head_task *kind;
	struct parameters *parameters;
	struct network *network;
	struct evaluation evaluation;
	int64_t accumulation_steps;
	bool mean_of_means;
};

static void create_network(struct training *training, const struct run_settings *settings, struct pool *pool) {
	const struct config *config = &training->parameters->config;
	training->accumulation_steps = settings->gradient_accumulation_steps;
	training->mean_of_means = settings->reference_accumulation;
	double dropout = settings->dropout;
	training->network = network_create(training->parameters, training->kind->head, training->kind->head_options, pool);
	network_set_dropout(training->network, dropout >= 0 ? (float)dropout : config->hidden_dropout,
		dropout >= 0 ? (float)dropout : config->attention_dropout, (uint64_t)settings->seed);
	network_set_head_dropout(training->network, dropout >= 0 ? (float)dropout : config->classifier_dropout);
	network_set_precision(training->network, (enum precision)settings->dtype);
}

static struct parameters *load(void *context, const struct run_settings *settings, struct pool *pool,
	const struct warnings *warnings, struct failure *failure) {
	struct training *training = context;
	const struct head_class *head = training->kind->head;
	struct config config;
	if (config_read_folder(settings->model, &config, failure) < 0)
		return NULL;
	if (head->configure != NULL
			&& head->configure(training->kind->head_options, settings->model, &config, failure) < 0) {
		config_clear(&config);
		return NULL;
	}
	training->parameters = parameters_load_as(&config, settings->model, &head->layout, (uint64_t)settings->seed,
		warnings, failure);
	if (training->parameters != NULL)
		create_network(training, settings, pool);
	return training->parameters;
}

static struct parameters *adopt(void *context, const struct run_settings *settings, struct config *config,
	struct pool *pool) {
	struct training *training = context;
	training->parameters = parameters_create(config, &training->kind->head->layout);
	create_network(training, settings, pool);
	return training->parameters;
}

static struct example_reader *open_records(void *context, struct reader *reader, const struct tokenizer *tokenizer,
	bool evaluation, struct failure *failure) {
	const struct training *training = context;
	const struct head_task *kind = training->kind;
	const struct config *config = &training->parameters->config;
	return batches_open(reader, config, tokenizer, evaluation ? kind->eval_labels : kind->labels,
		(int64_t)config->num_labels, failure);
}

static size_t count_targets(void *context, const struct examples *examples) {
	(void)context;
	return examples_targets(examples);
}

/* The denominators of the loss of a micro-batch: the totals of the whole step, so that every target has the same
 * weight; or, with --reference-accumulation, those of the micro-batch times the number of micro-batches in a step. */
static struct totals totals_of(const struct training *training, const struct examples *step,
	const struct examples *part) {
	struct totals totals = { { 0 } };
	network_count(training->network, training->mean_of_means ? part : step, &totals);
	for (size_t i = 0; i < LOSS_PARTS && training->mean_of_means; i++)
		totals.of[i] *= (double)training->accumulation_steps;
	return totals;
}

static struct loss compute_gradients(void *context, const struct examples *step, const struct micro_batch *part,
	const struct blocks *gradients) {
	struct training *training = context;
	const struct examples examples = examples_slice(step, part->first, part->count);
	const struct totals totals = totals_of(training, step, &examples);
	network_set_listener(training->network, part->listener);
	return network_gradients(training->network, &examples, part->pass, &totals, gradients);
}

static void end_step(void *context) {
	struct training *training = context;
	network_end_step(training->network);
}

static void evaluate(void *context, const struct examples *examples) {
	struct training *training = context;
	training->evaluation.by_record = training->kind->by_record;
	training->evaluation.top_k = training->kind->top_k;
	evaluation_add(&training->evaluation, training->network, examples);
}

static double end_evaluation(void *context, json_t *line) {
	struct training *training = context;
	double loss = evaluation_loss(&training->evaluation);
	json_object_update_new(line, json_pack("{s:o?}", "eval_loss", json_real(loss))); /* not finite: null */
	training->kind->add_figures(&training->evaluation, line);
	evaluation_clear(&training->evaluation);
	return loss;
}

static void release(void *context) {
	struct training *training = context;
	evaluation_clear(&training->evaluation);
	network_free(training->network);
	parameters_free(training->parameters);
	free(training);
}

const struct task *head_task_create(const struct head_task *kind) {
	struct training *training = allocate(1, sizeof *training);
	training->kind = kind;
	training->task = (struct task){ .context = training, .targets = kind->targets, .targets_hint = kind->targets_hint,
		.part_names = kind->head->part_names, .couples_records = kind->head->couples_records, .load = load, .adopt = adopt,
		.open_records = open_records, .count_targets = count_targets, .compute_gradients = compute_gradients,
		.end_step = end_step, .evaluate = evaluate, .end_evaluation = end_evaluation, .release = release };
	return &training->task;
}

static void add_perplexity(const struct evaluation *evaluation, json_t *line) {
	json_object_update_new(line, json_pack("{s:o?}", "eval_perplexity", json_real(exp(evaluation_loss(evaluation)))));
	if (evaluation->targets == 0)
		return;
	struct loss_interval interval = evaluation_interval(evaluation, EVALUATION_RESAMPLES, 42);
	json_object_update_new(line, json_pack("{s:[o?, o?]}", "eval_perplexity_interval", json_real(exp(interval.low)),
		json_real(exp(interval.high))));
}

const struct head_task masked_lm_task = {
	.head = &masked_lm_head,
	.labels = LABELS_OF_TOKENS,
	.eval_labels = LABELS_OF_TOKENS,
	.by_record = true,
	.targets = "masked tokens",
	.targets_hint = "mask the records with wwm-mask or random-mask",
	.add_figures = add_perplexity,
};

static void add_accuracy(const struct evaluation *evaluation, json_t *line) {
	json_object_set_new(line, "eval_accuracy", json_real(evaluation_top_k_accuracy(evaluation)));
}

const struct head_task classifier_task = {
	.head = &classifier_head,
	.labels = LABELS_OF_RECORDS,
	.eval_labels = LABELS_OF_RECORDS,
	.top_k = 1,
	.targets = "labelled records",
	.targets_hint = "give records with labels",
	.add_figures = add_accuracy,
};
