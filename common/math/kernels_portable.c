/* kernels_portable: the kernels on vectors of four floats, which a register of SSE2 or NEON holds, without intrinsics,
 * for every processor. */
#define WIDTH 4
#include "math/kernels_vector.h"

#include <math.h>

static inline floats load_some(const float *p, size_t n) {
	floats x = { 0 };
	for (size_t i = 0; i < n; i++)
		x[i] = p[i];
	return x;
}

static inline void store_some(float *p, floats x, size_t n) {
	for (size_t i = 0; i < n; i++)
		p[i] = x[i];
}

static inline floats multiply_add(floats a, floats b, floats c) {
	return a * b + c;
}

static inline floats maximum(floats a, floats b) {
	return select_floats(a > b, a, b);
}

static inline floats square_root(floats x) {
	for (int i = 0; i < WIDTH; i++)
		x[i] = sqrtf(x[i]);
	return x;
}

static inline longs multiply_low(longs a, uint32_t b) {
	return (a & UINT32_MAX) * (uint64_t)b;
}

#define VERSION kernels_portable
#define VERSION_NAME "portable"
#include "math/kernels_body.h"
