/* network_parts: what the files of the network share; nothing outside network*.c includes it.
 *
 * N = B T rows, C channels, H heads, F channels of the intermediate layer, V vocabulary, M labelled positions. R is the
 * rows that a layer goes on with: N, and M in the last layer, of which only the labelled positions are read. Arrays are
 * row-major. A forward is followed by its backward; `flow` holds the gradient on its way back through the layers.
 * Gradients of parameters are added to.
 *
 * A struct matrix is something that goes into products: in bfloat16, whoever computes its fp32 rounds it too, once, for
 * the forward and the backward pass. Its stride is its columns unless said.
 *
 * Work is cut into tasks by shape alone, and what tasks sum they sum in a fixed order, so that no result depends on
 * the number of threads. */
#ifndef CLOZE_MODEL_NETWORK_PARTS_H
#define CLOZE_MODEL_NETWORK_PARTS_H

#include "math/kernels.h"
#include "math/matrix.h"
#include "model/network.h"

/* Positions that have their logits in memory at a time: 512 of BERT's vocabulary take 62 MB. */
enum { LOGIT_ROWS = 512 };
/* Rows in each task of a layer norm's backward pass, which has sums of its own. */
enum { NORM_ROWS = 32 };

/* A layer norm's input, statistics and output, and where its parameters are in the block. */
struct norm { float *x, *mean, *rstd; struct matrix y; size_t weight, bias; };

struct layer {
	const struct layer_offsets *offsets;
	uint32_t site;                /* of its dropout: attention probabilities, + 1 attention output, + 2 output */
	size_t R;
	struct matrix x;              /* [N, C] */
	struct matrix residual;       /* [R, C]: x, or in the last layer its labelled rows */
	struct matrix query, key, value; /* [R, C], [N, C], [N, C], columns of wider rows; fp32 only */
	struct matrix context;        /* [R, C] */
	struct norm attention_norm;   /* [R, C]; its y is the network's `attended` */
	float *intermediate;          /* [R, F], before the activation */
	struct norm output_norm;      /* [R, C]; its y is the next layer's x */
};

struct network {
	const struct parameters *parameters;
	const struct config *config;
	struct pool *pool;
	const struct kernels *kernels;
	size_t C, H, F, V, L;
	float hidden_dropout, attention_dropout;
	uint64_t seed;
	bfloat16 *rounded;            /* parameters->values in bfloat16; NULL: in single precision */

	/* The batch at hand. */
	const struct network_input *input;
	size_t N;
	bool training;                /* keep what the backward pass reads, and drop */
	uint64_t pass;
	size_t *record_queries;       /* [B + 1]: positions of record b are [b] up to [b + 1] */

	/* Activations and scratch, all in the arena. */
	float *arena;
	size_t arena_size, arena_used, arena_peak; /* floats */
	struct norm embedding_norm;   /* [N, C]; its y is layers[0].x */
	struct layer *layers;         /* [L] */
	struct matrix encoded;        /* [M, C], the last layer's output */
	struct matrix attended;       /* [N, C] of the layer at hand: attention and its residual, normalized */
	struct matrix activated;      /* [N, F] of the layer at hand, fp32 or bf16; room for wide's stride */
	float *scores;                /* two squares [T, T] for each of the pool's threads */
	float *head_x;                /* [M, C], before the activation */
	struct norm head_norm;        /* [M, C] */
	struct matrix logits;         /* some rows of V, where `activated` is; bf16: of their gradient */
	float *losses;                /* [M] */

	float *flow, *spare;          /* [N, C] */
	struct matrix branch;         /* [N, C]: the flow behind a dropout; bf16: behind it or not */
	struct matrix wide;           /* [N, F], spread: gradient of the intermediate layer; room for [N, 3 C] of attention */
	float *norm_partials;         /* [N / NORM_ROWS, 2 C]: sums for a layer norm's weight and bias */
};

/* Applies `body` to blocks of `block` rows on the pool. */
void run_rows(struct network *network, size_t rows, size_t block, rows_done *body, void *context);

/* sums[c] += sum over n of x[n, c], rows `stride` floats apart. */
void column_sums(struct network *network, float *sums, const float *x, size_t rows, size_t columns, size_t stride);

/* The fp32 of some rows rounded to the bf16, if there is one. */
void round_rows(const struct network *network, struct matrix matrix, size_t first, size_t rows, size_t columns);
/* The weight [.., inputs] at an offset of the parameters. */
struct matrix weight_at(const struct network *network, size_t offset, size_t inputs);

/* Dense layers; `weight` and `bias` are offsets in the block. y[rows, outputs] = x[rows, inputs] weight^T, `done` on blocks
 * of it: the bias is up to that. */
void dense(struct network *network, float *y, size_t y_stride, struct matrix x, size_t weight, size_t rows,
	size_t outputs, size_t inputs, rows_done *done, void *context);
/* dx = dy weight, or, with `add`, added to dx. */
void dense_backward_input(struct network *network, float *dx, size_t dx_stride, struct matrix dy, size_t weight,
	size_t rows, size_t outputs, size_t inputs, bool add, rows_done *done, void *context);
/* dweight += dy^T x and dbias += column sums of dy. */
void dense_backward_weight(struct network *network, float *gradients, size_t weight, size_t bias, struct matrix dy,
	struct matrix x, size_t rows, size_t outputs, size_t inputs);

/* The rows' layer norm, for use on blocks; y is not rounded yet. */
void norm_rows(struct network *network, const struct norm *norm, size_t first, size_t rows);
/* All rows' once more, rounded, where y has been written over since. */
void norm_again(struct network *network, const struct norm *norm, size_t rows);
/* dx from dy (may be the same); adds to the gradients of the norm's parameters. Returns dx behind the dropout that led into
 * the norm's input, which is in `branch`, or dx itself where nothing is dropped; rounded either way. */
struct matrix norm_backward(struct network *network, const struct norm *norm, float *dx, const float *dy, size_t rows,
	const struct dropout *dropout, float *gradients);

/* The coins of a site; none outside training. */
struct dropout hidden_dropout(const struct network *network, uint32_t site);
struct dropout attention_dropout(const struct network *network, uint32_t site);

void embeddings_forward(struct network *network);
/* Takes flow [N, C]. */
void embeddings_backward(struct network *network, float *gradients);

/* context from query, key and value. */
void attention_forward(struct network *network, const struct layer *layer);
/* The gradients of query [R, C], key and value [N, C], columns of wider rows, rounded. */
void attention_backward(struct network *network, const struct layer *layer, struct matrix dcontext,
	struct matrix dquery, struct matrix dkey, struct matrix dvalue);

void layer_forward(struct network *network, const struct layer *layer);
/* Takes flow [R, C] and leaves flow [N, C]. */
void layer_backward(struct network *network, size_t index, float *gradients);

/* From `encoded` to the rows that the decoder takes. */
void head_forward(struct network *network);
/* The sum of the losses, each in `losses`. With gradients, which are of that sum / tokens, leaves flow [M, C]. */
double head_loss(struct network *network, double tokens, float *gradients);
/* logits [M, V]. */
void head_logits(struct network *network, float *logits);

#endif
