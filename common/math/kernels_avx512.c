/* kernels_avx512: the kernels on vectors of sixteen floats, for x86-64 with AVX-512 F, VL, BW and DQ. */
#include "math/kernels_versions.h"

#ifdef CLOZE_X86_KERNELS
#include "math/kernels_avx512.h"

#define VERSION kernels_avx512
#define VERSION_NAME "avx512"
#include "math/kernels_body.h"
#endif
