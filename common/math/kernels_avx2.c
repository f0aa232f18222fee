/* kernels_avx2: the kernels on vectors of eight floats, for x86-64 with AVX2 and FMA. */
#include "math/kernels_versions.h"

#ifdef CLOZE_X86_KERNELS
#include <immintrin.h>

#define WIDTH 8
#include "math/kernels_vector.h"

static inline floats load_some(const float *p, size_t n) {
	return _mm256_maskload_ps(p, (__m256i)first_lanes(n));
}

static inline void store_some(float *p, floats x, size_t n) {
	_mm256_maskstore_ps(p, (__m256i)first_lanes(n), x);
}

static inline floats multiply_add(floats a, floats b, floats c) {
	return _mm256_fmadd_ps(a, b, c);
}

static inline floats maximum(floats a, floats b) {
	return _mm256_max_ps(a, b);
}

static inline floats square_root(floats x) {
	return _mm256_sqrt_ps(x);
}

static inline longs multiply_low(longs a, uint32_t b) {
	return (longs)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x((long long)b));
}

/* Products of packed rows are faster than those of OpenBLAS. */
#define PACKS_ROWS

#define VERSION kernels_avx2
#define VERSION_NAME "avx2"
#include "math/kernels_body.h"
#endif
