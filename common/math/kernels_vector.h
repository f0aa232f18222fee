/* kernels_vector: vectors of WIDTH floats, by the vector extensions of GCC and Clang. The including file defines WIDTH.
 *
 * The operators + - * and / work on every element; a comparison gives all ones or all zeros in each element. Each
 * version of the kernels defines the other operations, after it includes this file and before it includes
 * kernels_body.h; the first three of them are at the end of this file for vectors of four floats:
 *
 *     floats load_some(const float *p, size_t n)              p[0 .. n), then zeros; n is below WIDTH
 *     void store_some(float *p, floats x, size_t n)           stores the first n elements only
 *     floats maximum(floats a, floats b)                      b where either element is NaN
 *     floats multiply_add(floats a, floats b, floats c)       a * b + c, rounded once if the processor has FMA
 *     floats square_root(floats x)
 *     longs multiply_low(longs a, uint32_t b)                 the low 32 bits of each element, times b */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float floats __attribute__((vector_size(WIDTH * 4)));
typedef int32_t integers __attribute__((vector_size(WIDTH * 4)));
typedef uint32_t words __attribute__((vector_size(WIDTH * 4)));
typedef uint64_t longs __attribute__((vector_size(WIDTH * 4)));
typedef double doubles __attribute__((vector_size(WIDTH * 4))); /* WIDTH / 2 elements */
typedef float half_floats __attribute__((vector_size(WIDTH * 2)));
typedef float four_floats __attribute__((vector_size(16)));
typedef uint16_t halves __attribute__((vector_size(WIDTH * 2)));
typedef uint8_t bytes __attribute__((vector_size(WIDTH)));

static inline floats splat(float x) {
	return x - (floats){ 0 };
}

static inline floats select_floats(integers mask, floats a, floats b) {
	return (floats)((mask & (integers)a) | (~mask & (integers)b));
}

/* The number of each element: 0, 1, 2, ... */
static inline integers lanes(void) {
	integers lane;
	for (int i = 0; i < WIDTH; i++)
		lane[i] = i;
	return lane;
}

/* A mask of all ones in the first n elements; n is below WIDTH. */
static inline integers first_lanes(size_t n) {
	return lanes() < (int32_t)n;
}

/* Where the processor has no instruction for these. (NEON's vmaxq_f32 gives NaN, and not b, where one of the two is
 * NaN.) */
#if WIDTH == 4
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

static inline floats maximum(floats a, floats b) {
	return select_floats(a > b, a, b);
}
#endif
