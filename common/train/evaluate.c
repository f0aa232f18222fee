/* evaluate: computes the loss of a model on labelled records, by sums in double precision in the order of the
 * batches. */
#include "train/evaluate.h"

#include <stdlib.h>

#include "base/memory.h"
#include "math/random.h"

static void add_records(struct evaluation *evaluation, const struct examples *examples, const float *losses) {
	size_t first = (size_t)evaluation->records, records = first + examples->B;
	if (records > evaluation->capacity)
		evaluation->record_losses = grow(evaluation->record_losses, evaluation->capacity = records * 2,
			sizeof *evaluation->record_losses);
	for (size_t b = 0, target = 0; b < examples->B; b++) {
		struct examples one = examples_slice(examples, b, 1);
		struct record_loss *record = &evaluation->record_losses[first + b];
		*record = (struct record_loss){ .targets = (int64_t)examples_targets(&one) };
		for (int64_t i = 0; i < record->targets; i++)
			record->loss_sum += (double)losses[target++];
	}
}

void evaluation_add(struct evaluation *evaluation, struct network *network, const struct examples *examples) {
	size_t targets = examples_targets(examples);
	float *losses = allocate(targets, sizeof *losses);
	int32_t *ranks = evaluation->top_k > 0 ? allocate(targets, sizeof *ranks) : NULL;
	struct totals totals = { { 0 } };
	network_count(network, examples, &totals);
	double weight = totals.of[0], sum = network_loss(network, examples, losses, ranks);
	if (evaluation->by_record)
		add_records(evaluation, examples, losses);
	for (size_t i = 0; ranks != NULL && i < targets; i++)
		evaluation->top_k_hits += ranks[i] < evaluation->top_k;
	free(losses);
	free(ranks);
	evaluation->loss_sum += sum;
	evaluation->weight += weight;
	evaluation->targets += (int64_t)targets;
	evaluation->records += (int64_t)examples->B;
	if (weight > 0)
		evaluation->batch_loss_sum += sum / weight * (double)examples->B;
}

int evaluation_add_next(struct evaluation *evaluation, struct network *network, struct example_reader *reader,
	size_t batch_size, struct failure *failure) {
	struct example_batch batch;
	int got = example_reader_next(reader, batch_size, &batch, failure);
	if (got > 0)
		evaluation_add(evaluation, network, &batch.examples);
	return got;
}

double evaluation_loss(const struct evaluation *evaluation) {
	return evaluation->weight > 0 ? evaluation->loss_sum / evaluation->weight : 0;
}

double evaluation_batch_mean_loss(const struct evaluation *evaluation) {
	return evaluation->records > 0 ? evaluation->batch_loss_sum / (double)evaluation->records : 0;
}

double evaluation_top_k_accuracy(const struct evaluation *evaluation) {
	return evaluation->targets > 0 ? (double)evaluation->top_k_hits / (double)evaluation->targets : 0;
}

/* ---- the interval -------------------------------------------------------------------------------------- */

/* The loss of a sample: as many records as there are, drawn with replacement. A sample without a target has no loss,
 * and is drawn again. */
static double resampled_loss(const struct evaluation *evaluation, struct pcg64 *generator) {
	double loss_sum = 0;
	int64_t targets = 0;
	while (targets == 0)
		for (int64_t i = 0; i < evaluation->records; i++) {
			uint32_t drawn = random_below((uint32_t)(pcg64_next(generator) >> 32), (uint32_t)evaluation->records);
			loss_sum += evaluation->record_losses[drawn].loss_sum;
			targets += evaluation->record_losses[drawn].targets;
		}
	return loss_sum / (double)targets;
}

static int compare_numbers(const void *left, const void *right) {
	const double *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

static double percentile(const double *sorted, size_t count, double part) {
	double place = part * (double)(count - 1);
	size_t below = (size_t)place, above = below + 1 < count ? below + 1 : below;
	return sorted[below] + (sorted[above] - sorted[below]) * (place - (double)below);
}

struct loss_interval evaluation_interval(const struct evaluation *evaluation, size_t resamples, uint64_t seed) {
	double *losses = allocate(resamples, sizeof *losses);
	struct pcg64 generator;
	pcg64_seed(&generator, seed);
	for (size_t i = 0; i < resamples; i++)
		losses[i] = resampled_loss(evaluation, &generator);
	qsort(losses, resamples, sizeof *losses, compare_numbers);
	struct loss_interval interval = { percentile(losses, resamples, 0.025), percentile(losses, resamples, 0.975) };
	free(losses);
	return interval;
}

void evaluation_clear(struct evaluation *evaluation) {
	free(evaluation->record_losses);
	*evaluation = (struct evaluation){ 0 };
}
