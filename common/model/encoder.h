/* encoder: the embeddings and layers of BERT and DistilBERT, forward and backward, on records without padding.
 *
 * Sources: Devlin et al. 2018 (BERT), Sanh et al. 2019 (DistilBERT), Vaswani et al. 2017 (attention). The results equal
 * those of BertModel and DistilBertModel of transformers.
 *
 * Nothing is computed that the head does not need: in the last layer, queries, attention output and feed-forward are
 * computed for the wanted rows only, keys and values for all rows. This is exact, not an approximation. The backward
 * pass ends at the lowest group that trains, and the layers below that keep no activations. Results do not depend on
 * the number of threads. */
#ifndef CLOZE_MODEL_ENCODER_H
#define CLOZE_MODEL_ENCODER_H

#include "model/arena.h"
#include "model/examples.h"
#include "model/modules.h"

struct encoder;

/* Creates an encoder. Borrows `compute`. Never NULL. */
struct encoder *encoder_create(const struct compute *compute);
void encoder_free(struct encoder *encoder);

/* The rows of the last layer that a head reads. */
struct wanted {
	size_t count;           /* R */
	const int32_t *rows;    /* [R] ascending, numbered as in examples; NULL: all of them */
	const int32_t *starts;  /* [B + 1] record b has elements starts[b] to starts[b + 1] - 1, less starts[0], of rows */
};

/* Begins a pass over the examples that computes the rows `wanted`. Both are borrowed until the end of the pass,
 * including its backward pass. compute->gradients determines how far down the backward pass will go. */
void encoder_begin(struct encoder *encoder, const struct examples *examples, const struct wanted *wanted);

/* Takes the arrays of the pass from the arena; called by arena_lay_out(). Returns the range that the encoder does not
 * use between its forward and its backward pass. */
struct arena_range encoder_lay_out(struct encoder *encoder, struct arena *arena);

/* Runs the forward pass and returns the wanted rows of the last layer, [R, C]. */
struct matrix encoder_forward(struct encoder *encoder);

/* Whether any tensor of the encoder trains in this pass. */
bool encoder_trains(const struct encoder *encoder);

/* The array [R, C] for the gradient of the wanted rows, to be filled before encoder_backward(). NULL: nothing in the
 * encoder trains. */
float *encoder_gradient(struct encoder *encoder);

/* Runs the backward pass from the gradient of the wanted rows, which is overwritten, and adds to the gradients of the
 * encoder's parameters. */
void encoder_backward(struct encoder *encoder);

#endif
