/* network: the encoder with its masked-language-model head, forward and backward, in single precision.
 *
 * Sources: Devlin et al. 2018 (BERT), Sanh et al. 2019 (DistilBERT), Vaswani et al. 2017; equal to BertForMaskedLM and
 * DistilBertForMaskedLM of transformers. B records of T positions, C channels, H heads, V vocabulary, M positions
 * with a label.
 *
 * Nothing is computed that the loss does not need: the head and the logits exist at labelled positions only, and
 * so do the last layer's queries, attention output and feed-forward. Results do not depend on the pool's threads. */
#ifndef CLOZE_MODEL_NETWORK_H
#define CLOZE_MODEL_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "cli/pool.h"
#include "model/parameters.h"

struct network_input {
	size_t B, T;
	const int32_t *input_ids;       /* [B, T], below vocab_size */
	const uint8_t *attention_mask;  /* [B, T]; NULL: all 1 */
	size_t M;
	const int32_t *positions;       /* [M] b * T + t, ascending */
	const int32_t *labels;          /* [M], below vocab_size; may be NULL for network_logits() */
};

struct network;

/* Borrows the parameters and the pool. */
struct network *network_create(const struct parameters *parameters, struct pool *pool);
void network_free(struct network *network);

/* Sets the dropout probabilities of network_gradients(), 0 by default, and the seed of their coins. */
void network_set_dropout(struct network *network, float hidden, float attention, uint64_t seed);

/* Evaluation: the sum over the M positions of the cross-entropy, in nats. `losses`, when not NULL, gets each [M]. */
double network_loss(struct network *network, const struct network_input *input, float *losses);

/* One training pass: writes into `gradients` (a block like parameters->values, need not be zeroed) the derivative of
 * the mean loss over the M positions, and returns that mean. M = 0: gradients are zero, the loss is 0. `step` numbers
 * the pass for dropout. */
double network_gradients(struct network *network, const struct network_input *input, uint64_t step, float *gradients);

/* Logits [M, V] at the positions. */
void network_logits(struct network *network, const struct network_input *input, float *logits);

#endif
