/* sums: the gradients and the loss of a step, added up over its micro-batches in an order that does not depend on who
 * computes them.
 *
 * The micro-batches of a step are the leaves of a binary tree, in order: 0 and 1 are added, 2 and 3, then these two sums, and
 * so on; a leaf that a short step lacks is left out. So the sum over an aligned range of 2^k micro-batches is one number
 * wherever it is computed, and processes that take such ranges (train/ranks.h) get the sum of a single process to the last
 * bit. The tree is built as a binary counter counts: a micro-batch's gradients wait until their sibling is there, so that N
 * micro-batches need at most log2(N) blocks of gradients beside the optimizer's own, and a single one none. */
#ifndef CLOZE_TRAIN_SUMS_H
#define CLOZE_TRAIN_SUMS_H

#include "base/pool.h"
#include "model/blocks.h"
#include "model/head.h"
#include "train/parts.h"

struct sums;

/* Sums gradients into `total`, which is borrowed, as is the pool. Never NULL. */
struct sums *sums_create(struct blocks *total, struct pool *pool);
void sums_free(struct sums *sums);

/* Begins a step: there is nothing yet. The tensors of `total` stay the same until sums_end(). */
void sums_begin(struct sums *sums);

/* Where the next micro-batch is to add its gradients: all 0. */
const struct blocks *sums_next(struct sums *sums);

/* Adds up the gradients of a part of the last micro-batch, which will not add to them any more, and of those before: `total`
 * has their sum then. This can be done while the micro-batch still computes other parts; once it is done for one part, it
 * must be for all of them before sums_end(). A process without a micro-batch has nothing to add, and leaves `total`. */
void sums_complete(struct sums *sums, const struct part *part);

/* Takes the micro-batch whose gradients sums_next() was for into the sum, with its loss. */
void sums_add(struct sums *sums, const struct loss *loss);

/* Ends the step: `total` holds the sum of the gradients, 0 where there was no micro-batch. Returns that of the losses. */
struct loss sums_end(struct sums *sums);

/* Adds one loss to another, part by part. */
void loss_add(struct loss *sum, const struct loss *addend);

#endif
