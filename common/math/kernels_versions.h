/* kernels_versions: the table of functions of each version, from which kernels.c chooses. */
#ifndef CLOZE_MATH_KERNELS_VERSIONS_H
#define CLOZE_MATH_KERNELS_VERSIONS_H

#include "math/kernels.h"

/* Every build for x86-64 or arm64 has the versions for it, except `make PORTABLE=1`. */
#if defined(__x86_64__) && !defined(CLOZE_PORTABLE)
#define CLOZE_X86_KERNELS
extern const struct kernels kernels_avx512_bf16, kernels_avx512, kernels_avx2;
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(CLOZE_PORTABLE)
#define CLOZE_NEON_KERNELS
extern const struct kernels kernels_neon;
#endif
extern const struct kernels kernels_portable;

#endif
