/* kernels_avx512_bf16: the same kernels, and products of few rows in bfloat16, for x86-64 with AVX-512 F, VL, BW, DQ and
 * BF16. */
#include "math/kernels_versions.h"

#ifdef CLOZE_X86_KERNELS
#include "math/kernels_avx512.h"

/* sums[i] + a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1], of vectors of bfloat16. */
static inline floats multiply_pairs(floats a, floats b, floats sums) {
	return _mm512_dpbf16_ps(sums, (__m512bh)a, (__m512bh)b);
}
#define MULTIPLIES_PAIRS

/* The processor takes subnormal numbers for zero here, as its products do. */
static inline halves upper_halves(floats x) {
	return (halves)_mm512_cvtneps_pbh(x);
}
#define ROUNDS_TO_BF16

#define VERSION kernels_avx512_bf16
#define VERSION_NAME "avx512_bf16"
#include "math/kernels_body.h"
#endif
