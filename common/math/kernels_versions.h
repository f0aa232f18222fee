/* kernels_versions: one table of functions for each version, for kernels.c to choose from. */
#ifndef CLOZE_MATH_KERNELS_VERSIONS_H
#define CLOZE_MATH_KERNELS_VERSIONS_H

#include "math/kernels.h"

/* The versions for x86-64 and arm64 are in every build for them, unless it was asked to do without (make PORTABLE=1). */
#if defined(__x86_64__) && !defined(CLOZE_PORTABLE)
#define CLOZE_X86_KERNELS
extern const struct kernels kernels_avx512, kernels_avx2;
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(CLOZE_PORTABLE)
#define CLOZE_NEON_KERNELS
extern const struct kernels kernels_neon;
#endif
extern const struct kernels kernels_portable;

#endif
