/* encoder: embeddings and layers of BERT and DistilBERT, forward and backward, on records without padding.
 *
 * Sources: Devlin et al. 2018 (BERT), Sanh et al. 2019 (DistilBERT), Vaswani et al. 2017; equal to BertModel and
 * DistilBertModel of transformers.
 *
 * Nothing is computed that a head does not need: of the last layer only the rows that are wanted have queries, attention
 * output and feed-forward; keys and values exist for all. That is exact. Backward ends at the lowest group that trains, and
 * the layers below it keep no activations. Results do not depend on the pool's threads. */
#ifndef CLOZE_MODEL_ENCODER_H
#define CLOZE_MODEL_ENCODER_H

#include "model/arena.h"
#include "model/examples.h"
#include "model/modules.h"

struct encoder;

/* Borrows `compute`. Never NULL. */
struct encoder *encoder_create(const struct compute *compute);
void encoder_free(struct encoder *encoder);

/* The rows of the last layer that a head reads. */
struct wanted {
	size_t count;           /* R */
	const int32_t *rows;    /* [R] ascending, numbered as in examples; NULL: all of them */
	const int32_t *starts;  /* [B + 1] of record b they are starts[b] up to [b + 1], counted from starts[0] */
};

/* Begins a pass over the examples, of which `wanted` are to be computed. Both are borrowed until the next pass, or the
 * backward pass, is done. compute->gradients tells what the backward pass will need. */
void encoder_begin(struct encoder *encoder, const struct examples *examples, const struct wanted *wanted);

/* Takes the arrays of the pass out of the arena; for arena_lay_out(). Returns the range of it that the encoder does not use
 * between its forward and its backward pass. */
struct arena_range encoder_lay_out(struct encoder *encoder, struct arena *arena);

/* The wanted rows of the last layer, [R, C]. */
struct matrix encoder_forward(struct encoder *encoder);

/* Whether any tensor of the encoder trains in this pass. */
bool encoder_trains(const struct encoder *encoder);

/* Where the gradient of the wanted rows is to be put before encoder_backward(): [R, C]; NULL: nothing in the encoder
 * trains. */
float *encoder_gradient(struct encoder *encoder);

/* From the gradient of the wanted rows, which is overwritten, adds to the gradients of the encoder's parameters. */
void encoder_backward(struct encoder *encoder);

#endif
