/* evaluate: the loss of a model on masked records. */
#ifndef CLOZE_TRAIN_EVALUATE_H
#define CLOZE_TRAIN_EVALUATE_H

#include <stdint.h>

#include "model/network.h"
#include "record/masked.h"

/* Sums as batches go by; zero-initialize. The loss is the mean over masked tokens, which does not depend on the batch
 * size. The reference's figure is the mean over records of their batch's mean. */
struct evaluation {
	double loss_sum;          /* over masked tokens, nats */
	int64_t masked_tokens;
	int64_t records;
	double batch_loss_sum;    /* each batch's mean, times its records */
};

/* Adds a batch of `input`. */
void evaluation_add(struct evaluation *evaluation, struct network *network, const struct network_input *input);

/* Adds all that is left of a stream, `batch_size` records at a time. -1: as masked_reader_next(). */
int evaluation_add_stream(struct evaluation *evaluation, struct network *network, struct masked_reader *masked,
	size_t batch_size, struct failure *failure);

double evaluation_loss(const struct evaluation *evaluation);            /* 0 without masked tokens */
double evaluation_batch_mean_loss(const struct evaluation *evaluation);

#endif
