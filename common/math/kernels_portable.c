/* kernels_portable: the kernels on vectors of four floats, which a register of SSE2 or NEON holds, without intrinsics,
 * for every processor. */
#define WIDTH 4
#include "math/kernels_vector.h"

#include <math.h>

static inline floats multiply_add(floats a, floats b, floats c) {
	return a * b + c;
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
