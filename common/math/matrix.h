/* matrix: matrix products on several threads, with results that do not depend on how many.
 *
 * A product is cut by its shape alone into pieces, each one single-threaded BLAS call. OpenBLAS's own threads are
 * turned off at the first use. */
#ifndef CLOZE_MATH_MATRIX_H
#define CLOZE_MATH_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/pool.h"

/* Row-major single precision: C[rows, columns] = alpha * op(A) op(B) + beta * C, where op(A) is [rows, inner], op(B) is
 * [inner, columns], op transposes when asked; lda, ldb, ldc are floats from one stored row to the next. beta 0: C need
 * not be initialized. One BLAS call, on the calling thread. */
void multiply(bool transpose_a, bool transpose_b, size_t rows, size_t columns, size_t inner, float alpha,
	const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* What is done to a piece of C as soon as it is computed, while it is in cache: rows first_row .. first_row + rows - 1,
 * all of their columns. May be called from any thread of the pool. */
typedef void rows_done(void *context, size_t first_row, size_t rows);

/* The same product on the pool, cut into row blocks, and `done` (NULL: nothing) applied to each. */
void multiply_rows(struct pool *pool, bool transpose_a, bool transpose_b, size_t rows, size_t columns, size_t inner,
	float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc,
	rows_done *done, void *context);

/* The same product on the pool, cut into rows and columns, for shapes with few rows and gradients of weights. */
void multiply_tiles(struct pool *pool, bool transpose_a, bool transpose_b, size_t rows, size_t columns, size_t inner,
	float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);

#endif
