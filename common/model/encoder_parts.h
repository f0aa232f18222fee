/* encoder_parts: what the files of the encoder share; nothing outside encoder*.c includes it.
 *
 * N rows, C channels, H attention heads, F channels of the intermediate layer. R is the rows that a layer goes on with: N,
 * and in the last layer those that are wanted. */
#ifndef CLOZE_MODEL_ENCODER_PARTS_H
#define CLOZE_MODEL_ENCODER_PARTS_H

#include "model/encoder.h"

struct layer {
	struct dense projection;         /* query, key and value of all rows, [3 C, C] */
	struct dense query, key_value;   /* its parts, [C, C] and [2 C, C], for a layer of wanted rows */
	struct dense attention_output, intermediate, output;
	uint32_t site;                   /* of its dropout: attention probabilities, + 1 attention output, + 2 output */

	/* Of the pass at hand. */
	const struct wanted *wanted;     /* the rows that it goes on with; NULL: all */
	size_t R;
	struct matrix x;                 /* [N, C] */
	struct matrix residual;          /* [R, C]: x, or the wanted rows of it */
	struct matrix queries, keys, values; /* [R, C], [N, C], [N, C], columns of wider rows; fp32 only */
	struct matrix context;           /* [R, C] */
	struct norm attention_norm;      /* [R, C]; its y is the encoder's `attended` */
	float *before_activation;        /* [R, F] */
	struct norm output_norm;         /* [R, C]; its y is the next layer's x */
};

struct encoder {
	const struct compute *compute;
	const struct config *config;
	size_t C, H, F, L;
	struct layer *layers;            /* [L] */
	struct norm embedding_norm;      /* [N, C]; its y is layers[0].x */

	/* Of the pass at hand. */
	const struct examples *examples;
	const struct wanted *wanted;
	size_t N, longest;               /* rows; positions of the longest record */
	size_t lowest_group;             /* that trains; past the encoder's groups: none of it does */

	/* Activations and scratch, in the arena. */
	struct matrix encoded;           /* [R, C], the last layer's output */
	struct matrix attended;          /* [N, C] of the layer at hand: attention and its residual, normalized */
	struct matrix activated;         /* [N, F] of the layer at hand, fp32 or bf16; room for wide's stride */
	float *scores;                   /* two squares [longest, longest] for each of the pool's threads */

	float *gradients[2];             /* [N, C] each: of a layer's output and of its input */
	struct norm_scratch norm_scratch;/* [N, C] */
	struct matrix wide;              /* [N, F], spread: gradient of the intermediate layer; room for [N, 3 C] of attention */
};

void embeddings_forward(struct encoder *encoder);
/* dx [N, C] is overwritten. */
void embeddings_backward(struct encoder *encoder, float *dx);

/* context from queries, keys and values. */
void attention_forward(struct encoder *encoder, const struct layer *layer);

/* The gradients of queries [R, C], keys and values [N, C], columns of wider rows. */
struct attention_gradients { struct matrix dqueries, dkeys, dvalues; };
/* They are computed from dcontext [R, C], and rounded. */
void attention_backward(struct encoder *encoder, const struct layer *layer, struct matrix dcontext,
	const struct attention_gradients *gradients);

void layer_forward(struct encoder *encoder, const struct layer *layer);
/* dy [R, C] is overwritten; dx [N, C] is written where `below`, a group below the layer's, trains, and is scratch otherwise. */
void layer_backward(struct encoder *encoder, size_t index, float *dy, float *dx, bool below);

#endif
