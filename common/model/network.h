/* network: an encoder with a head on it, forward and backward.
 *
 * Examples are computed in pieces of whole records, cut by their shape alone, whose losses and gradients are added in order:
 * memory for activations does not grow with a batch. A head that couples the records of a batch takes it whole. */
#ifndef CLOZE_MODEL_NETWORK_H
#define CLOZE_MODEL_NETWORK_H

#include "model/head.h"

struct network;

/* Borrows the parameters, whose tensors are those of the head's class, and the pool. `options` are the head's. Never NULL. */
struct network *network_create(const struct parameters *parameters, const struct head_class *class, const void *options,
	struct pool *pool);
void network_free(struct network *network);

/* Sets the dropout probabilities of network_gradients(), 0 by default, and the seed of their coins. */
void network_set_dropout(struct network *network, float hidden, float attention, uint64_t seed);

/* Sets the dropout probability of the head, where that has one of its own; 0 by default. */
void network_set_head_dropout(struct network *network, float probability);

/* What dense layers and the decoder multiply in: float, the default, or bfloat16, to which activations, gradients and a
 * copy of the weights are then rounded, with sums in float. The weights themselves, their gradients, attention, norms and
 * the loss stay float. Faster where bf16_is_fast() (math/matrix.h). */
enum precision { PRECISION_FP32, PRECISION_BF16, PRECISION_AUTO };
#define PRECISIONS "fp32|bf16|auto" /* the words of --dtype, in this order */

/* PRECISION_AUTO as the faster of the two here; the others as they are. */
enum precision resolve_precision(enum precision precision);

/* Not PRECISION_AUTO. In bfloat16 the parameters are a block, not mapped files. */
void network_set_precision(struct network *network, enum precision precision);

/* Adds what the examples count for to the totals of their step (model/head.h). */
void network_count(const struct network *network, const struct examples *examples, struct totals *totals);

/* One training pass over some examples of a step, whose `totals` are those of all its examples: adds the derivative of their
 * share of the loss to `gradients`, for the tensors that train, and returns that share. Examples without a label have none.
 * `pass` numbers the pass for dropout. */
struct loss network_gradients(struct network *network, const struct examples *examples, uint64_t pass,
	const struct totals *totals, const struct blocks *gradients);

/* Ends a step whose passes network_gradients() has computed: running statistics become what the passes made of them. */
void network_end_step(struct network *network);

/* Evaluation: the sum of the losses of the labelled tokens or records, in nats. `losses` and `ranks`, where not NULL, get
 * that of each, and how many logits come before the label's. */
double network_loss(struct network *network, const struct examples *examples, float *losses, int32_t *ranks);

/* The logits of the labelled tokens, [M, V], whatever their labels; or of the records, [B, K]. */
void network_logits(struct network *network, const struct examples *examples, float *logits);

/* The same, and the rows of the last layer that the head wanted into `rows`, [R, C], where that is not NULL. */
void network_answer(struct network *network, const struct examples *examples, float *logits, float *rows);

#endif
