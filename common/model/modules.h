/* modules: what the encoder and the heads are built of: work on rows, dense layers, layer norms, dropout.
 *
 * Arrays are row-major. A forward is followed by its backward. Gradients of parameters are added to those of
 * compute->gradients; a parameter that does not train costs nothing there.
 *
 * A struct matrix is something that goes into products: in bfloat16, whoever computes its fp32 rounds it too, once, for
 * the forward and the backward pass. Its stride is its columns unless said.
 *
 * Work is cut into tasks by shape alone, and what tasks sum they sum in a fixed order, so that no result depends on
 * the number of threads. */
#ifndef CLOZE_MODEL_MODULES_H
#define CLOZE_MODEL_MODULES_H

#include "base/pool.h"
#include "math/kernels.h"
#include "math/matrix.h"
#include "model/blocks.h"
#include "model/parameters.h"

/* What every module of a network computes with. */
struct compute {
	const struct parameters *parameters;
	struct pool *pool;
	const struct kernels *kernels;
	bfloat16 *rounded;              /* parameters->values in bfloat16; NULL: products are in single precision */

	/* Of the pass at hand. */
	bool training;                  /* drop */
	float hidden_dropout, attention_dropout, head_dropout;
	uint64_t seed, pass;            /* of the coins */
	uint32_t piece;                 /* of the pass: each has coins of its own */
	const struct blocks *gradients; /* what the pass adds to; NULL: it has no backward */
};

/* What is done to rows of a product as soon as they are computed; a NULL `body` does nothing. */
struct after { rows_done *body; void *context; };

/* Applies `body` to blocks of `block` rows on the pool. */
void run_rows(struct pool *pool, size_t rows, size_t block, rows_done *body, void *context);

/* sums[c] += sum over n of x[n, c], rows `stride` floats apart. */
void column_sums(const struct compute *compute, float *sums, const float *x, size_t rows, size_t columns, size_t stride);

/* The fp32 of rows first .. first + rows - 1 rounded to the bf16, if there is one. */
void round_rows(const struct compute *compute, struct matrix matrix, size_t first, size_t rows, size_t columns);

/* Rounds all weights, where products are in bfloat16. To be called before a pass. */
void round_weights(const struct compute *compute);

/* The gradient of a parameter; NULL: it does not train, or the pass has no backward. */
float *gradient_of(const struct compute *compute, const struct parameter *parameter);

/* ---- dense layers -------------------------------------------------------------------------------------- */

/* Dense layers of one input whose weights and biases lie side by side, and are computed as one: y = x weight^T + bias. */
struct dense {
	const struct parameter *weight, *bias; /* the first of `parts` in the table */
	size_t parts;                          /* 3: query, key, value; 1 otherwise */
	size_t outputs, inputs;                /* of all parts together; of one row */
};

struct dense dense_layer(const struct parameter *weight, const struct parameter *bias, size_t parts);

/* The weight, [outputs, inputs], and rounded where products are in bfloat16. */
struct matrix dense_weight(const struct compute *compute, const struct dense *dense);
/* y[rows, outputs] = x[rows, inputs] weight^T; the bias is up to `after`. */
void dense_forward(const struct compute *compute, const struct dense *dense, struct matrix y, struct matrix x, size_t rows,
	struct after after);
/* dx[rows, inputs] = dy[rows, outputs] weight. */
void dense_backward_input(const struct compute *compute, const struct dense *dense, struct matrix dx, struct matrix dy,
	size_t rows, struct after after);
/* dx += dy weight. */
void dense_backward_input_add(const struct compute *compute, const struct dense *dense, struct matrix dx, struct matrix dy,
	size_t rows);
/* dweight += dy^T x and dbias += column sums of dy, where they train. */
void dense_backward_parameters(const struct compute *compute, const struct dense *dense, struct matrix dy, struct matrix x,
	size_t rows);

/* ---- layer norms --------------------------------------------------------------------------------------- */

/* Rows in each task of a layer norm's backward pass, which has sums of its own. */
enum { NORM_ROWS = 32 };

/* A layer norm of rows of C channels (Ba et al. 2016). */
struct norm {
	const struct parameter *weight, *bias;
	float *x, *mean, *rstd;     /* [rows, C], [rows], [rows]: the input, and its statistics */
	struct matrix y;            /* [rows, C] */
	struct dropout dropout;     /* what the rows that were added up to x went through */
};

/* Scratch of norm_backward() for up to some rows. */
struct norm_scratch {
	struct matrix branch;       /* [rows, C] */
	float *partials;            /* [rows / NORM_ROWS, 2 C]: sums for the weight and the bias */
};

/* The rows' layer norm, for use on blocks; y is not rounded yet. */
void norm_rows(const struct compute *compute, const struct norm *norm, size_t first, size_t rows);
/* All rows' once more, rounded, where y has been written over since. */
void norm_again(const struct compute *compute, const struct norm *norm, size_t rows);
/* dx from dy (may be the same); adds to the gradients of the norm's parameters. Returns dx behind norm->dropout, which is in
 * scratch->branch, or dx itself where nothing is dropped; rounded either way. */
struct matrix norm_backward(const struct compute *compute, const struct norm *norm, const struct norm_scratch *scratch,
	float *dx, const float *dy, size_t rows);

/* ---- dropout ------------------------------------------------------------------------------------------- */

/* The coins of a site, a place in the network that has its own; none outside training. */
struct dropout hidden_dropout(const struct compute *compute, uint32_t site);
struct dropout attention_dropout(const struct compute *compute, uint32_t site);
/* Of a head, which numbers its sites from 0, 16 at most. */
struct dropout head_dropout(const struct compute *compute, uint32_t site);

#endif
