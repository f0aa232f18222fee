/* kernels: chooses among the versions at the first call: the one with the widest vectors that the processor runs, or
 * the one that CLOZE_KERNELS names. */
#include "math/kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "math/kernels_amx.h"
#include "math/kernels_versions.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct kernels *available[6]; /* best first, ended by NULL */
static const struct kernels *chosen;
#ifdef CLOZE_X86_KERNELS
static struct kernels amx_bf16;
#endif

static void choose(void) {
	size_t count = 0;
#ifdef CLOZE_X86_KERNELS
	bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
	bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
	if (bf16 && amx_is_there()) {
		amx_bf16 = kernels_avx512_bf16;
		amx_bf16.name = "amx_bf16";
		amx_bf16.multiply_packed_bf16 = multiply_packed_amx;
		amx_bf16.pack_rows_bf16 = pack_rows_amx;
		amx_bf16.transpose_bf16 = transpose_amx;
		available[count++] = &amx_bf16;
	}
	if (bf16)
		available[count++] = &kernels_avx512_bf16;
	if (avx512)
		available[count++] = &kernels_avx512;
	if (avx2)
		available[count++] = &kernels_avx2;
#endif
#ifdef CLOZE_NEON_KERNELS
	available[count++] = &kernels_neon;
#endif
	available[count] = &kernels_portable;

	const char *name = getenv("CLOZE_KERNELS");
	chosen = available[0];
	for (size_t i = 0; name != NULL && i <= count; i++)
		if (strcmp(name, available[i]->name) == 0)
			chosen = available[i];
}

const struct kernels *kernels(void) {
	pthread_once(&once, choose);
	return chosen;
}

const struct kernels *const *kernels_available(void) {
	pthread_once(&once, choose);
	return available;
}
