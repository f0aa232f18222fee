/* matrix_kernels: matrix products by kernels (math/kernels.h), which, unlike the libraries, read weights where they lie, for
 * matrix.c. */
#ifndef CLOZE_MATH_MATRIX_KERNELS_H
#define CLOZE_MATH_MATRIX_KERNELS_H

#include "math/matrix.h"

/* Computes a product of at most SHORT_ROWS rows on the pool, which shares its columns; its bias is added. Returns false,
 * with nothing computed, where a library is faster, or the only one to compute such a product. */
bool multiply_by_kernels(struct pool *pool, const struct product *product);

/* Whether multiply_by_tiles() computes the product: one in bfloat16 of the rows of A with the rows of B, where the processor
 * multiplies tiles. */
bool has_tiles(const struct product *product);

/* Computes such a product, of any number of rows, on the calling thread; its bias is added. */
void multiply_by_tiles(const struct product *product);

/* Whether a product of another kind is faster so computed, and transposed before. */
bool worth_transposing(const struct product *product);

/* The same product as one of rows with rows, with transposed copies of its operands in bfloat16, in pool_scratch(). */
struct product transpose_operands(struct pool *pool, const struct product *product);

/* The bfloat16 numbers as floats, in new memory, without gaps between the rows; free() releases them. */
struct matrix widen(struct matrix matrix, size_t rows, size_t columns);

/* Rounds exact.fp32 into c.bf16. */
void round_result(struct matrix c, struct matrix exact, size_t rows, size_t columns);

/* How many pieces of a size make a whole; the last one may be smaller. */
static inline size_t pieces(size_t whole, size_t piece) {
	return (whole + piece - 1) / piece;
}

#endif
