/* matrix_bf16: products of bfloat16, for matrix.c. */
#ifndef CLOZE_MATH_MATRIX_BF16_H
#define CLOZE_MATH_MATRIX_BF16_H

#include "math/matrix.h"

/* multiply() where both operands have bf16. `inner` is not 0. */
void multiply_bf16(const struct product *product);

#endif
