/* kernels_avx512: the operations on vectors of sixteen floats of both versions for x86-64 with AVX-512 F, VL, BW and DQ. */
#ifndef CLOZE_MATH_KERNELS_AVX512_H
#define CLOZE_MATH_KERNELS_AVX512_H

#include <immintrin.h>

#define WIDTH 16
#define PACKS_ROWS /* as in kernels_avx2.c */
#include "math/kernels_vector.h"

static inline __mmask16 first_bits(size_t n) {
	return (__mmask16)((1u << n) - 1);
}

static inline floats load_some(const float *p, size_t n) {
	return _mm512_maskz_loadu_ps(first_bits(n), p);
}

static inline void store_some(float *p, floats x, size_t n) {
	_mm512_mask_storeu_ps(p, first_bits(n), x);
}

static inline floats multiply_add(floats a, floats b, floats c) {
	return _mm512_fmadd_ps(a, b, c);
}

static inline floats maximum(floats a, floats b) {
	return _mm512_max_ps(a, b);
}

static inline floats square_root(floats x) {
	return _mm512_sqrt_ps(x);
}

static inline longs multiply_low(longs a, uint32_t b) {
	return (longs)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64((long long)b));
}

#endif
