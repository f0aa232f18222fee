/* encoder_parts: the structs and functions that the files of the encoder share; only encoder*.c includes this header.
 *
 * N is the number of rows, C of channels, H of attention heads, F of channels of the intermediate layer. R is the
 * number of rows of a layer's queries and output: N, or in the last layer the number of wanted rows. */
#ifndef CLOZE_MODEL_ENCODER_PARTS_H
#define CLOZE_MODEL_ENCODER_PARTS_H

#include "model/encoder.h"

struct layer {
	struct dense projection;         /* query, key and value together, [3 C, C] */
	struct dense query, key_value;   /* parts of the projection, [C, C] and [2 C, C], for a layer of wanted rows */
	struct dense attention_output, intermediate, output;
	uint32_t site;                   /* dropout site of attention probabilities; + 1: attention output; + 2: output */

	/* The current pass. */
	const struct wanted *wanted;     /* the rows of queries and output; NULL: all */
	size_t R;
	struct matrix x;                 /* [N, C] */
	struct matrix residual;          /* [R, C]: x, or its wanted rows */
	struct matrix queries, keys, values; /* [R, C], [N, C], [N, C], parts of wider rows */
	struct matrix context;           /* [R, C] */
	struct norm attention_norm;      /* [R, C]; its y is the encoder's `attended` */
	struct matrix before_activation; /* [R, F]; in a training pass in bfloat16, after layer_forward() the slope of the
	                                  * activation there */
	struct matrix activated;         /* [R, F]; in single precision, layers share it and the backward pass recomputes it;
	                                  * in bfloat16, it makes room for the gradient of the context, [R, C] */
	struct norm output_norm;         /* [R, C]; its y is the next layer's x */
};

struct encoder {
	const struct compute *compute;
	const struct config *config;
	size_t C, H, F, L;
	struct layer *layers;            /* [L] */
	struct norm embedding_norm;      /* [N, C]; its y is layers[0].x */

	/* The current pass. */
	const struct examples *examples;
	const struct wanted *wanted;
	size_t N, longest;               /* number of rows, and of rows of the longest record */
	size_t lowest_group;             /* the lowest group that trains; past the encoder's groups: none of them does */

	/* Activations and scratch memory, in the arena. */
	struct matrix encoded;           /* [R, C] the output of the last layer */
	struct matrix attended;          /* [N, C] the output of the attention norm of the current layer */
	struct matrix activated;         /* [N, F] in single precision: of the current layer */
	float *scores;                   /* scratch memory of attention for each thread of the pool, scores_size() each */

	float *gradients[2];             /* [N, C] each: the gradients of a layer's output and input */
	struct norm_scratch norm_scratch;/* for N rows */
	struct matrix wide;              /* [N, F], the gradient of the intermediate layer; later those of queries, keys and
	                                  * values, [N, 3 C] */
};

void embeddings_forward(struct encoder *encoder);
/* Adds to the gradients of the embeddings. dx [N, C], the gradient of layers[0].x, is overwritten. */
void embeddings_backward(struct encoder *encoder, float *dx);

/* The scratch memory of attention of one thread, in floats: two matrices [longest, longest], and in bfloat16 one more,
 * rounded. */
size_t scores_size(const struct encoder *encoder);

/* Computes layer->context from the queries, keys and values. */
void attention_forward(struct encoder *encoder, const struct layer *layer);

/* The gradients of queries [R, C], keys and values [N, C], parts of wider rows. */
struct attention_gradients { struct matrix dqueries, dkeys, dvalues; };
/* Computes the gradients from dcontext [R, C], rounded in bfloat16, and rounds them. */
void attention_backward(struct encoder *encoder, const struct layer *layer, struct matrix dcontext,
	const struct attention_gradients *gradients);

void layer_forward(struct encoder *encoder, const struct layer *layer);
/* Runs the backward pass of a layer from dy [R, C], which is overwritten. If `below`, a lower group trains, and dx [N,
 * C] becomes the gradient of the layer's input; otherwise dx is scratch memory. */
void layer_backward(struct encoder *encoder, size_t index, float *dy, float *dx, bool below);

#endif
