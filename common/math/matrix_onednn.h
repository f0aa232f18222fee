/* matrix_onednn: computes products by oneDNN, for matrix.c. In a build without oneDNN nothing is fast, and nothing is
 * computed. */
#ifndef CLOZE_MATH_MATRIX_ONEDNN_H
#define CLOZE_MATH_MATRIX_ONEDNN_H

#include "math/matrix.h"

/* Whether oneDNN multiplies floats faster than OpenBLAS does, and bfloat16 faster than floats, on this processor. */
struct onednn { bool fp32, bf16; };
struct onednn onednn_is_fast(void);

/* Computes a product of a kind that onednn_is_fast() reports as fast. */
void multiply_onednn(const struct product *product);

#endif
