/* kernels_neon: the kernels on vectors of four floats, for arm64, where every processor has NEON with fused
 * multiply-add. */
#include "math/kernels_versions.h"

#ifdef CLOZE_NEON_KERNELS
#include <arm_neon.h>

#define WIDTH 4
#include "math/kernels_vector.h"

static inline floats multiply_add(floats a, floats b, floats c) {
	return (floats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

static inline floats square_root(floats x) {
	return (floats)vsqrtq_f32((float32x4_t)x);
}

static inline longs multiply_low(longs a, uint32_t b) {
	return (longs)vmull_n_u32(vmovn_u64((uint64x2_t)a), b);
}

#define VERSION kernels_neon
#define VERSION_NAME "neon"
#include "math/kernels_body.h"
#endif
