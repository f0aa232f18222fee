/* kernels_amx: what kernels.c adds to the kernels for AVX-512 with BF16 where the processor has AMX. */
#ifndef CLOZE_MATH_KERNELS_AMX_H
#define CLOZE_MATH_KERNELS_AMX_H

#include "math/kernels_versions.h"

#ifdef CLOZE_X86_KERNELS
/* Whether the processor multiplies tiles of bfloat16, and Linux lets this process do so; asks it to. */
bool amx_is_there(void);

/* kernels->multiply_packed_bf16(), pack_rows_bf16() and transpose_bf16(), for panels of 32 rows. */
void multiply_packed_amx(const struct few_rows *product);
void pack_rows_amx(bfloat16 *packed, const bfloat16 *x, size_t rows, size_t inputs, size_t stride);
void transpose_amx(bfloat16 *y, const bfloat16 *x, size_t N, size_t C, size_t y_stride, size_t x_stride);
#endif

#endif
