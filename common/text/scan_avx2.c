/* The scan by AVX2: 32 bytes to a register. Bytes beyond ASCII are negative, and so below every range. */
#include "text/scan.h"

#if defined(__x86_64__) && !defined(CLOZE_PORTABLE)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i between(__m256i bytes, char least, char most) {
	return _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8((char)(least - 1))),
		_mm256_cmpgt_epi8(_mm256_set1_epi8((char)(most + 1)), bytes));
}

AVX2 static inline __m256i equal(__m256i bytes, char byte) {
	return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte));
}

AVX2 static inline uint64_t bits(__m256i bytes) {
	return (uint32_t)_mm256_movemask_epi8(bytes);
}

AVX2 void scan_blocks_avx2(const char *text, size_t count, bool lowercase, struct scan_block *blocks, char *copy) {
	const __m256i bit = _mm256_set1_epi8(0x20), lowering = _mm256_set1_epi8(lowercase ? 0x20 : 0);
	for (size_t i = 0; i < count * SCAN_BLOCK; i += 32) {
		struct scan_block *block = &blocks[i / SCAN_BLOCK];
		unsigned place = i % SCAN_BLOCK;
		const __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(text + i));
		const __m256i letters = between(_mm256_or_si256(bytes, bit), 'a', 'z');
		const __m256i known = _mm256_or_si256(letters, between(bytes, '0', '9'));
		const __m256i punctuation = _mm256_andnot_si256(known, between(bytes, '!', '~'));
		const __m256i space = _mm256_or_si256(_mm256_or_si256(equal(bytes, ' '), equal(bytes, '\r')),
			between(bytes, '\t', '\n'));
		uint64_t run = ~bits(_mm256_or_si256(punctuation, space)) & 0xffffffff;
		if (place == 0)
			*block = (struct scan_block){ 0 };
		block->run |= run << place;
		block->punctuation |= bits(punctuation) << place;
		block->other |= (run & ~bits(known)) << place;
		_mm256_storeu_si256((__m256i *)(void *)(copy + i), _mm256_or_si256(bytes, _mm256_and_si256(letters, lowering)));
	}
}

bool scan_has_avx2(void) {
	return __builtin_cpu_supports("avx2");
}

#else

void scan_blocks_avx2(const char *text, size_t count, bool lowercase, struct scan_block *blocks, char *copy) {
	scan_blocks_portable(text, count, lowercase, blocks, copy);
}

bool scan_has_avx2(void) {
	return false;
}

#endif
