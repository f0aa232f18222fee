/* Sums in double precision, in the order of the batches. */
#include "train/evaluate.h"

#include <stdlib.h>

#include "base/memory.h"
#include "math/kernels.h"
#include "math/random.h"
#include "train/batches.h"

/* Whether fewer than `top_k` logits come before the label's. */
static bool is_among(const float *logits, size_t V, int32_t label, size_t top_k) {
	size_t before = 0;
	for (size_t v = 0; v < V; v++)
		before += logits[v] > logits[label] || (logits[v] >= logits[label] && (int32_t)v < label);
	return before < top_k;
}

/* As network_loss(), and counts the top_k. */
static double add_with_logits(struct evaluation *evaluation, struct network *network,
	const struct network_input *input, float *losses) {
	size_t V = evaluation->vocab_size;
	float *logits = allocate(input->M * V, sizeof *logits);
	double sum = 0;
	network_logits(network, input, logits);
	for (size_t m = 0; m < input->M; m++) {
		evaluation->top_k_hits += is_among(logits + m * V, V, input->labels[m], evaluation->top_k);
		losses[m] = kernels()->cross_entropy(logits + m * V, V, input->labels[m], 0);
		sum += losses[m];
	}
	free(logits);
	return sum;
}

static void add_records(struct evaluation *evaluation, const struct network_input *input, const float *losses) {
	size_t first = (size_t)evaluation->records, records = first + input->B;
	if (records > evaluation->capacity)
		evaluation->record_losses = grow(evaluation->record_losses, evaluation->capacity = records * 2,
			sizeof *evaluation->record_losses);
	for (size_t b = first; b < records; b++)
		evaluation->record_losses[b] = (struct record_loss){ 0 };
	for (size_t m = 0; m < input->M; m++) {
		struct record_loss *record = &evaluation->record_losses[first + (size_t)input->positions[m] / input->T];
		record->loss_sum += losses[m];
		record->masked_tokens++;
	}
}

void evaluation_add(struct evaluation *evaluation, struct network *network, const struct network_input *input) {
	float *losses = allocate(input->M, sizeof *losses);
	double sum = evaluation->top_k > 0 ? add_with_logits(evaluation, network, input, losses)
		: network_loss(network, input, losses);
	if (evaluation->by_record)
		add_records(evaluation, input, losses);
	free(losses);
	evaluation->loss_sum += sum;
	evaluation->masked_tokens += (int64_t)input->M;
	evaluation->records += (int64_t)input->B;
	if (input->M > 0)
		evaluation->batch_loss_sum += sum / (double)input->M * (double)input->B;
}

int evaluation_add_next(struct evaluation *evaluation, struct network *network, struct masked_reader *masked,
	size_t batch_size, struct failure *failure) {
	struct masked_batch batch;
	int got = masked_reader_next(masked, batch_size, &batch, failure);
	if (got > 0) {
		struct network_input input = batch_input(&batch);
		evaluation_add(evaluation, network, &input);
	}
	return got;
}

double evaluation_loss(const struct evaluation *evaluation) {
	return evaluation->masked_tokens > 0 ? evaluation->loss_sum / (double)evaluation->masked_tokens : 0;
}

double evaluation_batch_mean_loss(const struct evaluation *evaluation) {
	return evaluation->records > 0 ? evaluation->batch_loss_sum / (double)evaluation->records : 0;
}

double evaluation_top_k_accuracy(const struct evaluation *evaluation) {
	return evaluation->masked_tokens > 0 ? (double)evaluation->top_k_hits / (double)evaluation->masked_tokens : 0;
}

/* ---- the interval -------------------------------------------------------------------------------------- */

/* The loss of as many records as there are, each drawn from all of them. Without a masked token it is none, and they
 * are drawn again. */
static double resampled_loss(const struct evaluation *evaluation, struct pcg64 *generator) {
	double loss_sum = 0;
	int64_t masked_tokens = 0;
	while (masked_tokens == 0)
		for (int64_t i = 0; i < evaluation->records; i++) {
			uint32_t drawn = random_below((uint32_t)(pcg64_next(generator) >> 32), (uint32_t)evaluation->records);
			loss_sum += evaluation->record_losses[drawn].loss_sum;
			masked_tokens += evaluation->record_losses[drawn].masked_tokens;
		}
	return loss_sum / (double)masked_tokens;
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
