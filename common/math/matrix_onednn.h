/* matrix_onednn: computes products by oneDNN, for matrix.c. In a build without oneDNN nothing is fast, and nothing is
 * computed. */
#ifndef CLOZE_MATH_MATRIX_ONEDNN_H
#define CLOZE_MATH_MATRIX_ONEDNN_H

#include "math/matrix.h"

/* Whether oneDNN multiplies floats faster than OpenBLAS does, and bfloat16 faster than floats, on this processor. */
struct onednn { bool fp32, bf16; };
struct onednn onednn_is_fast(void);

/* What oneDNN may take when a thread first calls it, and for each primitive: it generates code, and crashes without the
 * memory for that. */
enum { ONEDNN_BYTES = 16 << 20 };

/* A product of fewer multiplications takes a tenth of a millisecond: it is not cut into pieces, and has no primitive of its
 * own. */
static const double least_work = 1 << 22;

/* Computes a product of a kind that onednn_is_fast() reports as fast. */
void multiply_onednn(const struct product *product);

#endif
