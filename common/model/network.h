/* network: runs an encoder with a head, forward and backward.
 *
 * Examples are computed in pieces of whole records, so that memory for activations does not grow with the batch. The
 * pieces are cut by their shape alone, and their losses and gradients are added in order. For a head that couples the
 * records of a batch, the batch is one piece. */
#ifndef CLOZE_MODEL_NETWORK_H
#define CLOZE_MODEL_NETWORK_H

#include "model/head.h"

struct network;

/* Creates a network. Borrows the parameters, which must be laid out for this class of head, and the pool. `options` are
 * those of the head (model/head.h). Never NULL. */
struct network *network_create(struct parameters *parameters, const struct head_class *class, const void *options,
	struct pool *pool);
void network_free(struct network *network);

/* Sets the dropout probabilities of network_gradients(), 0 by default, and the seed of the coins. */
void network_set_dropout(struct network *network, float hidden, float attention, uint64_t seed);

/* Sets the dropout probability of a head that has its own; 0 by default. */
void network_set_head_dropout(struct network *network, float probability);

/* The precision of the products in dense layers, attention and the decoder: float, the default; or bfloat16 with sums
 * in float, for which activations, their gradients and a copy of the weights are rounded. The weights, their gradients,
 * softmax, norms and the loss stay in float. bfloat16 is faster if bf16_is_fast() (math/matrix.h). */
enum precision { PRECISION_FP32, PRECISION_BF16, PRECISION_AUTO };
#define PRECISIONS "fp32|bf16|auto" /* the words of --dtype, in this order */

/* Replaces PRECISION_AUTO by the faster precision on this processor; returns the others unchanged. */
enum precision resolve_precision(enum precision precision);

/* Sets the precision. */
void network_set_precision(struct network *network, enum precision precision);

/* Adds the share of the examples to the totals of their step (model/head.h). */
void network_count(const struct network *network, const struct examples *examples, struct totals *totals);

/* Runs a training pass over some examples of a step; `totals` are those of all examples of the step. Adds the gradient
 * of their share of the loss to `gradients`, for the tensors that train, and returns that share, 0 for examples without
 * a label. `pass` numbers the pass for dropout. */
struct loss network_gradients(struct network *network, const struct examples *examples, uint64_t pass,
	const struct totals *totals, const struct blocks *gradients);

/* Sets who is told of complete groups by network_gradients(), while it computes its last piece: first the head's group, then
 * those of the layers from the top down. When the head's is complete, so are the rows of the word embeddings whose tokens are
 * not among the examples: a decoder that is tied to them has added what it adds. Groups that it is not told of are complete
 * at the end of the pass. */
void network_set_listener(struct network *network, struct group_listener listener);

/* Ends a step whose passes network_gradients() has computed: running statistics become what the passes made of them. */
void network_end_step(struct network *network);

/* Evaluates: returns the sum of the losses of the labelled tokens or records, in nats. `losses` and `ranks` get the
 * loss of each and the rank of its label (model/head.h), unless they are NULL. */
double network_loss(struct network *network, const struct examples *examples, float *losses, int32_t *ranks);

/* Computes the logits of the labelled tokens, [M, V], whatever their labels are; or of the records, [B, K]. */
void network_logits(struct network *network, const struct examples *examples, float *logits);

/* The same, and the rows of the last layer that the head wanted into `rows`, [R, C], where that is not NULL. */
void network_answer(struct network *network, const struct examples *examples, float *logits, float *rows);

#endif
