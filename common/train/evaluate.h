/* evaluate: computes the loss of a model on records with labels of tokens or of records. */
#ifndef CLOZE_TRAIN_EVALUATE_H
#define CLOZE_TRAIN_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/network.h"
#include "train/example_reader.h"

struct record_loss { double loss_sum; int64_t targets; };

/* The sums of an evaluation; zero-initialize. The loss is the mean over targets (masked tokens, or records), which does
 * not depend on the batch size. The reference's loss is the mean over records of the mean of their batch. */
struct evaluation {
	/* Options, to be set before the first batch. */
	bool by_record;           /* keep the loss of each record */
	int32_t top_k;            /* count the labels among the top_k logits; 0: do not */

	double loss_sum;          /* over targets, nats */
	double weight;            /* what that is divided by: the targets, or the sum of their classes' weights */
	int64_t targets;
	int64_t records;
	double batch_loss_sum;    /* of each batch: the mean times the number of records */
	int64_t top_k_hits;
	struct record_loss *record_losses; /* [records] */
	size_t capacity;
};

/* Adds a batch. */
void evaluation_add(struct evaluation *evaluation, struct network *network, const struct examples *examples);

/* Adds the next `batch_size` records of a stream. Returns as example_reader_next(). */
int evaluation_add_next(struct evaluation *evaluation, struct network *network, struct example_reader *reader,
	size_t batch_size, struct failure *failure);

double evaluation_loss(const struct evaluation *evaluation);            /* 0 without targets */
double evaluation_batch_mean_loss(const struct evaluation *evaluation);

/* The share of the targets whose label is among the top_k logits; of equal logits, lower ids come first. */
double evaluation_top_k_accuracy(const struct evaluation *evaluation);

struct loss_interval { double low, high; };

/* How many samples the interval is taken from, where nobody says otherwise. */
enum { EVALUATION_RESAMPLES = 1000 };

/* The 95 % interval of the loss: the percentile interval of the bootstrap (Efron and Tibshirani 1993, An Introduction
 * to the Bootstrap, chapter 13), from `resamples` samples with replacement. Random numbers are those of numpy's PCG64
 * with this seed; percentiles are interpolated as in numpy. Needs by_record and a target. */
struct loss_interval evaluation_interval(const struct evaluation *evaluation, size_t resamples, uint64_t seed);

void evaluation_clear(struct evaluation *evaluation);

#endif
