/* matrix: matrix products on several threads, with results that do not depend on the number of threads.
 *
 * A product is cut into pieces; each piece is one single-threaded call of OpenBLAS or oneDNN, or of a kernel
 * (math/kernels.h) where that is faster. The threads of these libraries are not used. The pieces of a library follow from
 * the product's shape alone; those of a kernel, whose results do not depend on them, may follow from the number of
 * threads, too. */
#ifndef CLOZE_MATH_MATRIX_H
#define CLOZE_MATH_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "math/kernels.h"

/* A matrix of numbers, row-major; `stride` numbers from the beginning of a row to that of the next. */
struct matrix {
	float *fp32;
	bfloat16 *bf16; /* the same numbers, rounded; NULL: products are computed from fp32 */
	size_t stride;
};

static inline struct matrix float_matrix(float *x, size_t stride) {
	return (struct matrix){ .fp32 = x, .stride = stride };
}

/* A stride for rows of so many columns that products run fast with: rows that begin with a cache line (a product of
 * 30,522 columns takes half the time), but not all in a few sets of the cache, as those do whose stride is a multiple of
 * 4 KB (a fifth of the time, and 8 % for sums down the columns). */
size_t fast_stride(size_t columns);

/* The part of the matrix that begins at a row and column. */
struct matrix matrix_at(struct matrix matrix, size_t row, size_t column);

/* The product C[rows, columns] = op(A) op(B) + bias, or with `add` C += op(A) op(B), row-major. op(A) is [rows, inner],
 * op(B) is [inner, columns], and inner is not 0; op transposes an operand if its flag is set. Without `add`, C need not be
 * initialized.
 *
 * If both operands have bf16, the product is computed from that, with sums in single precision, and their fp32 is not
 * read. Such a product, without `add`, may have a C without fp32: each element is then rounded once, into c.bf16. A C with
 * both is left to the caller to round. */
struct product {
	size_t rows, columns, inner;
	struct matrix a, b;
	bool transpose_a, transpose_b;
	bool add;
	const float *bias; /* [columns], added to each row; NULL, and always with `add`: none */
	struct matrix c;
};

static inline bool is_bf16(const struct product *product) {
	return product->a.bf16 != NULL && product->b.bf16 != NULL;
}

/* Computes the product as one piece, on the calling thread. */
void multiply(const struct product *product);

/* Works on rows first_row to first_row + rows - 1 of a matrix, with all their columns. Any thread of the pool may call
 * it. */
typedef void row_work(void *context, size_t first_row, size_t rows);

/* Calls `work` for each block of `block` rows, on the pool. */
void run_rows(struct pool *pool, size_t rows, size_t block, row_work *work, void *context);

/* Computes the product on the pool, cut into blocks of rows and, where these are few, into columns. Unless it is NULL,
 * `done` is called for rows of C, all their columns, as soon as they are computed, while they are in cache. */
void multiply_rows(struct pool *pool, const struct product *product, row_work *done, void *context);

enum { SHORT_ROWS = 128 };

/* Computes a product of up to SHORT_ROWS rows, such as those of one sentence, cut into columns: all threads share it, and
 * each weight is read once. A product of more rows is left to multiply_rows(). The results of the two differ in the last
 * places. `done` as above. */
void multiply_short(struct pool *pool, const struct product *product, row_work *done, void *context);

/* The same, cut into rows and columns alike: for products whose rows need not be finished together, such as gradients of
 * weights. */
void multiply_tiles(struct pool *pool, const struct product *product);

/* Whether products in bfloat16 are faster than in single precision: this build has oneDNN, and the processor multiplies
 * bfloat16 (AVX-512 BF16, AMX). Elsewhere they are equally exact, but computed in single precision: faster only where
 * reading the weights takes longer than multiplying, as for a sentence of a few tokens. */
bool bf16_is_fast(void);

#endif
