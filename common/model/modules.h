/* modules: the parts that the encoder and the heads are built of: work on rows, dense layers, layer norms, dropout.
 *
 * Arrays are row-major. A forward function is followed by its backward function. Gradients of parameters are added to
 * those of compute->gradients; for a parameter that does not train nothing is computed.
 *
 * A struct matrix is an operand of products. With products in bfloat16, the function that computes its fp32 also rounds
 * it, once for the forward and the backward pass; a matrix that only products read then has no fp32. Its stride is its
 * number of columns unless stated.
 *
 * Work is cut into tasks by shape alone, and sums are computed in a fixed order, so that no result depends on the
 * number of threads. */
#ifndef CLOZE_MODEL_MODULES_H
#define CLOZE_MODEL_MODULES_H

#include "base/pool.h"
#include "math/kernels.h"
#include "math/matrix.h"
#include "model/blocks.h"
#include "model/parameters.h"

/* Is told, while a backward pass goes on, of each group whose gradients it has completed. complete NULL: nobody is. */
struct group_listener { void (*complete)(void *context, size_t group); void *context; };

/* The data that all modules of a network share. */
struct compute {
	const struct parameters *parameters;
	struct pool *pool;
	const struct kernels *kernels;
	bfloat16 *rounded;              /* parameters->rounded; NULL: products are in single precision */

	/* The current pass. */
	bool training;                  /* dropout is on */
	float hidden_dropout, attention_dropout, head_dropout;
	uint64_t seed, pass;            /* determine the coins of dropout */
	uint32_t piece;                 /* the number of the piece in the pass; each piece has other coins */
	const struct blocks *gradients; /* the pass adds to these; NULL: there is no backward pass */
	struct group_listener listener; /* of its last piece */
};

/* A function that is called for rows of a product as soon as they are computed; `body` NULL: none. */
struct after { row_work *body; void *context; };

/* sums[c] += sum over n of x[n, c], of its fp32 if it has that. */
void column_sums(const struct compute *compute, float *sums, struct matrix x, size_t rows, size_t columns);

/* Rounds rows first to first + rows - 1 from fp32 to bf16, if the matrix has both. */
void round_rows(const struct compute *compute, struct matrix matrix, size_t first, size_t rows, size_t columns);

/* Some rows of a larger matrix: row i of the smaller one is row rows[i] - base of the larger one. */
struct selection { const int32_t *rows; int32_t base; size_t count; };

/* Copies the rows of `from` that are selected to `to`, of C columns; also the rounded ones, if `to` has them. */
void gather_rows(const struct compute *compute, struct matrix to, struct matrix from, size_t C,
	const struct selection *selection);
/* Adds the rows of dy to those of dx that are selected. */
void gather_rows_backward(const struct compute *compute, struct matrix dx, struct matrix dy, size_t C,
	const struct selection *selection);

/* Rounds all weights, if products are in bfloat16: before a pass when weights have changed. */
void round_weights(const struct compute *compute);

/* Tells the listener, if there is one, that nothing will be added any more to the gradients of a group. */
void tell_complete(const struct compute *compute, size_t group);

/* The gradient of a parameter; NULL: it does not train, or there is no backward pass. */
float *gradient_of(const struct compute *compute, const struct parameter *parameter);

/* ---- dense layers -------------------------------------------------------------------------------------- */

/* A dense layer, y = x weight^T + bias; or several dense layers of one input whose weights and biases are adjacent in
 * memory, computed as one. */
struct dense {
	const struct parameter *weight, *bias; /* of the first layer; those of the others follow in the table */
	size_t parts;                          /* number of layers: 3 for query, key and value */
	size_t outputs, inputs;                /* outputs of all parts together; inputs */
};

struct dense dense_layer(const struct parameter *weight, const struct parameter *bias, size_t parts);

/* The weight, [outputs, inputs]; also rounded if products are in bfloat16. */
struct matrix dense_weight(const struct compute *compute, const struct dense *dense);
/* y[rows, outputs] = x[rows, inputs] weight^T + bias; a y with fp32 is left to `after` to round. */
void dense_forward(const struct compute *compute, const struct dense *dense, struct matrix y, struct matrix x,
	size_t rows, struct after after);
/* dx[rows, inputs] = dy[rows, outputs] weight. */
void dense_backward_input(const struct compute *compute, const struct dense *dense, struct matrix dx, struct matrix dy,
	size_t rows, struct after after);
/* dx += dy weight. */
void dense_backward_input_add(const struct compute *compute, const struct dense *dense, struct matrix dx,
	struct matrix dy, size_t rows);
/* dweight += dy^T x and dbias += column sums of dy, each if it trains. */
void dense_backward_parameters(const struct compute *compute, const struct dense *dense, struct matrix dy,
	struct matrix x, size_t rows);

/* ---- layer norms --------------------------------------------------------------------------------------- */

/* The number of rows in each task of a layer norm's backward pass; each task has its own partial sums. */
enum { NORM_ROWS = 32 };

/* A layer norm (Ba et al. 2016) of rows of C channels. */
struct norm {
	const struct parameter *weight, *bias;
	float *x, *mean, *rstd;     /* [rows, C], [rows], [rows]: the input and its statistics */
	struct matrix y;            /* [rows, C] the output */
	struct dropout dropout;     /* the dropout of the branch: x = dropout(branch) + residual */
};

/* Scratch memory of norm_backward(). */
struct norm_scratch {
	struct matrix branch;       /* [rows, C] the gradient of the branch */
	float *partials;            /* [rows / NORM_ROWS, 2 C] partial sums for the weight and the bias */
};

/* Computes the layer norm of some rows; y is not rounded. */
void norm_rows(const struct compute *compute, const struct norm *norm, size_t first, size_t rows);
/* Computes y again for all rows, rounded, after it has been overwritten. */
void norm_again(const struct compute *compute, const struct norm *norm, size_t rows);
/* Computes dx from dy (they may be the same) and adds to the gradients of the norm's parameters. Returns the gradient
 * of the branch, rounded: dx through norm->dropout, in scratch->branch; or dx itself if nothing is dropped. */
struct matrix norm_backward(const struct compute *compute, const struct norm *norm, const struct norm_scratch *scratch,
	float *dx, const float *dy, size_t rows);

/* ---- dropout ------------------------------------------------------------------------------------------- */

/* The dropout of a site (math/kernels.h) in the current pass; its probability is 0 outside training. */
struct dropout hidden_dropout(const struct compute *compute, uint32_t site);
struct dropout attention_dropout(const struct compute *compute, uint32_t site);
/* Of a head, which numbers its sites from 0, 16 at most. */
struct dropout head_dropout(const struct compute *compute, uint32_t site);

#endif
