/* network: the encoder with its masked-language-model head, forward and backward.
 *
 * Sources: Devlin et al. 2018 (BERT), Sanh et al. 2019 (DistilBERT), Vaswani et al. 2017; equal to BertForMaskedLM and
 * DistilBertForMaskedLM of transformers. B records of T positions, C channels, H heads, V vocabulary, M positions
 * with a label.
 *
 * Nothing is computed that the loss does not need: the head and the logits exist at labelled positions only, and
 * so do the last layer's queries, attention output and feed-forward. Results do not depend on the pool's threads. */
#ifndef CLOZE_MODEL_NETWORK_H
#define CLOZE_MODEL_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "model/parameters.h"

struct network_input {
	size_t B, T;
	const int32_t *input_ids;       /* [B, T], below vocab_size */
	const uint8_t *attention_mask;  /* [B, T]; NULL: all 1 */
	const int32_t *token_type_ids;  /* [B, T], below type_vocab_size; NULL: all 0 */
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

/* What dense layers and the decoder multiply in: float, the default, or bfloat16, to which activations, gradients and a
 * copy of the weights are then rounded, with sums in float. The weights themselves, their gradients, attention, norms and
 * the loss stay float. Faster where bf16_is_fast() (math/matrix.h). */
enum precision { PRECISION_FP32, PRECISION_BF16 };
void network_set_precision(struct network *network, enum precision precision);

/* Evaluation: the sum over the M positions of the cross-entropy, in nats. `losses`, when not NULL, gets each [M]. */
double network_loss(struct network *network, const struct network_input *input, float *losses);

/* One training pass: writes into `gradients` (a block like parameters->values), or with `add` adds to it, the
 * derivative of the sum over the M positions of the cross-entropy divided by `tokens`, and returns that sum, in nats.
 * `tokens` is M for the mean over this batch; the masked tokens of all passes where several make one step. M = 0: the
 * sum is 0, and so is the derivative. `pass` numbers the pass for dropout. */
double network_gradients(struct network *network, const struct network_input *input, uint64_t pass, double tokens,
	bool add, float *gradients);

/* Logits [M, V] at the positions. */
void network_logits(struct network *network, const struct network_input *input, float *logits);

#endif
