/* random: reproducible random numbers, from two published generators.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) is a function from a key and a
 * counter to 128 random bits. Masks, dropout and initial weights use it, so that each number depends only on its seed,
 * its record and its position.
 *
 * PCG64 (O'Neill 2014), seeded through SeedSequence, is numpy's default_rng(). Splits and shuffles use it, so that a
 * seed selects the same records as in Hugging Face `datasets`. */
#ifndef CLOZE_MATH_RANDOM_H
#define CLOZE_MATH_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* ---- Philox -------------------------------------------------------------------------------------------- */

/* The 128 random bits for this key and this counter. */
void philox(const uint32_t key[static 2], const uint32_t counter[static 4], uint32_t output[static 4]);

/* The use of a random number. Numbers for different uses are independent of each other. */
enum random_purpose { RANDOM_MASK = 1, RANDOM_REPLACE, RANDOM_DROPOUT, RANDOM_WEIGHTS, RANDOM_TOKEN };

/* Four uniform 32-bit words for (seed, purpose, major, minor): `major` is a record's ordinal or a step, `minor` is a
 * position or a block within it. */
void random_words(uint64_t seed, enum random_purpose purpose, uint64_t major, uint32_t minor, uint32_t words[static 4]);

/* Converts a 32-bit word to a number in [0, 1), by its 24 leading bits. */
float random_unit(uint32_t word);
/* Converts a 32-bit word to an integer below `range`, as the upper half of their product. The probability of each
 * integer differs from 1 / range by less than 2^-32. */
uint32_t random_below(uint32_t word, uint32_t range);
/* Fills `values` with independent normal numbers of mean 0 and this standard deviation (Box-Muller). Each number is a
 * function of (seed, tensor, index). */
void random_normal(uint64_t seed, uint64_t tensor, float deviation, float *values, size_t count);

/* ---- numpy's generator --------------------------------------------------------------------------------- */

struct pcg64 { uint64_t state_high, state_low, increment_high, increment_low; uint32_t spare; int has_spare; };

/* The state of numpy.random.default_rng(seed). */
void pcg64_seed(struct pcg64 *generator, uint64_t seed);
/* The next 64 random bits, as default_rng().bit_generator.random_raw() gives them. */
uint64_t pcg64_next(struct pcg64 *generator);
/* Fills `order` [count] with a random permutation of 0 .. count - 1, as default_rng().permutation(count) gives it. */
void pcg64_permutation(struct pcg64 *generator, int64_t *order, int64_t count);
/* default_rng.choice(population, count, replace=False): `count` different numbers below `population`, in an order
 * drawn from the generator. */
void pcg64_choose(struct pcg64 *generator, int64_t *chosen, int64_t count, int64_t population);

#endif
