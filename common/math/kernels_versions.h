/* kernels_versions: one table of functions for each version, for kernels.c to choose from. */
#ifndef CLOZE_MATH_KERNELS_VERSIONS_H
#define CLOZE_MATH_KERNELS_VERSIONS_H

#include "math/kernels.h"

/* The versions for x86-64 are in every build for it, unless it was asked to do without (make PORTABLE=1). */
#if defined(__x86_64__) && !defined(CLOZE_PORTABLE)
#define CLOZE_X86_KERNELS
extern const struct kernels kernels_avx512, kernels_avx2;
#endif
extern const struct kernels kernels_portable;

#endif
