/* matrix: matrix products on several threads, with results that do not depend on how many.
 *
 * A product is cut by its shape alone into pieces, each one single-threaded call of OpenBLAS or oneDNN, whose own threads
 * are not used. */
#ifndef CLOZE_MATH_MATRIX_H
#define CLOZE_MATH_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "math/kernels.h"

/* Rows of numbers, `stride` numbers from one to the next. */
struct matrix {
	float *fp32;
	bfloat16 *bf16; /* the same, rounded; NULL: products take it in single precision */
	size_t stride;
};

/* The part that begins at a row and column. */
struct matrix matrix_at(struct matrix matrix, size_t row, size_t column);

/* Row-major: C[rows, columns] = op(A) op(B), where op(A) is [rows, inner], op(B) is [inner, columns], inner is not 0, and
 * op transposes when asked. With `add`, that is added to C; without, C need not be initialized. Products of bfloat16 are
 * summed in single precision; where both operands have them, their fp32 is not read. */
struct product {
	size_t rows, columns, inner;
	struct matrix a, b;
	bool transpose_a, transpose_b;
	bool add;
	float *c;
	size_t ldc; /* floats from one row of C to the next */
};

static inline bool is_bf16(const struct product *product) {
	return product->a.bf16 != NULL && product->b.bf16 != NULL;
}

/* One call, on the calling thread. */
void multiply(const struct product *product);

/* What is done to some rows of C, first_row .. first_row + rows - 1, all of their columns, as soon as they are computed.
 * Loops in it meet what the one before left in cache. May be called from any thread of the pool. */
typedef void rows_done(void *context, size_t first_row, size_t rows);

/* The product on the pool, cut into row blocks, and `done` (NULL: nothing) applied to each. */
void multiply_rows(struct pool *pool, const struct product *product, rows_done *done, void *context);

/* The product on the pool, cut into rows and columns, for shapes with few rows and gradients of weights. */
void multiply_tiles(struct pool *pool, const struct product *product);

/* Whether this build has oneDNN, and finds here a processor that multiplies bfloat16 (AVX-512 BF16, AMX). Elsewhere their
 * products are exact too, by way of single precision, but slower than its own. */
bool bf16_is_fast(void);

#endif
