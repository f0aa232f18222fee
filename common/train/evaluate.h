/* evaluate: the loss of a model on masked records. */
#ifndef CLOZE_TRAIN_EVALUATE_H
#define CLOZE_TRAIN_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/network.h"
#include "record/masked.h"

struct record_loss { double loss_sum; int64_t masked_tokens; };

/* Sums as batches go by; zero-initialize. The loss is the mean over masked tokens, which does not depend on the batch
 * size. The reference's figure is the mean over records of their batch's mean. */
struct evaluation {
	/* What else to take down, to be set before the first batch. */
	bool by_record;           /* each record's loss */
	size_t top_k, vocab_size; /* the labels among the top_k logits of vocab_size; 0: not counted */

	double loss_sum;          /* over masked tokens, nats */
	int64_t masked_tokens;
	int64_t records;
	double batch_loss_sum;    /* each batch's mean, times its records */
	int64_t top_k_hits;
	struct record_loss *record_losses; /* [records] */
	size_t capacity;
};

/* Adds a batch of `input`. Counting the top_k takes memory for the logits of the whole batch. */
void evaluation_add(struct evaluation *evaluation, struct network *network, const struct network_input *input);

/* Adds the next `batch_size` records of a stream. Returns as masked_reader_next(). */
int evaluation_add_next(struct evaluation *evaluation, struct network *network, struct masked_reader *masked,
	size_t batch_size, struct failure *failure);

double evaluation_loss(const struct evaluation *evaluation);            /* 0 without masked tokens */
double evaluation_batch_mean_loss(const struct evaluation *evaluation);

/* The part of the masked tokens whose label is among the top_k logits; of equal ones the lower ids come first. */
double evaluation_top_k_accuracy(const struct evaluation *evaluation);

struct loss_interval { double low, high; };

/* Where the loss would lie in 95 of 100 samples of as many records: the percentile interval of the bootstrap (Efron and
 * Tibshirani 1993, An Introduction to the Bootstrap, chapter 13). Records are drawn with replacement `resamples` times,
 * from numpy's PCG64 with this seed; percentiles are interpolated as numpy does. Needs by_record and a masked token. */
struct loss_interval evaluation_interval(const struct evaluation *evaluation, size_t resamples, uint64_t seed);

void evaluation_clear(struct evaluation *evaluation);

#endif
