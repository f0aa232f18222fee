/* random: chance that can be repeated.
 *
 * Two generators, both published. Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011)
 * is a function from a key and a counter to 128 bits: masks, dropout and weights come from it, so that they depend on
 * (seed, record, position) and on nothing else. PCG64 seeded through SeedSequence is numpy's default_rng(): splits and
 * shuffles come from it, so that a seed picks the records that `datasets` picks. */
#ifndef CLOZE_MATH_RANDOM_H
#define CLOZE_MATH_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* ---- Philox -------------------------------------------------------------------------------------------- */

/* The 128 bits at `counter` under `key`. */
void philox(const uint32_t key[static 2], const uint32_t counter[static 4], uint32_t output[static 4]);

/* What a number is drawn for; streams of different purposes never meet. */
enum random_purpose { RANDOM_MASK = 1, RANDOM_REPLACE, RANDOM_DROPOUT, RANDOM_WEIGHTS, RANDOM_TOKEN };

/* Four uniform 32-bit words for (seed, purpose, major, minor): major is a record's ordinal or a step, minor a position
 * or a block within it. */
void random_words(uint64_t seed, enum random_purpose purpose, uint64_t major, uint32_t minor, uint32_t words[static 4]);

/* A word as a number in [0, 1): its 24 leading bits. */
float random_unit(uint32_t word);
/* A word and a range to an integer below `range`, by multiplication (bias below range / 2^32). */
uint32_t random_below(uint32_t word, uint32_t range);
/* Fills `values` with independent N(0, deviation^2) by Box-Muller, a function of (seed, tensor, index). */
void random_normal(uint64_t seed, uint64_t tensor, float deviation, float *values, size_t count);

/* ---- numpy's generator --------------------------------------------------------------------------------- */

struct pcg64 { uint64_t state_high, state_low, increment_high, increment_low; uint32_t spare; int has_spare; };

/* numpy.random.default_rng(seed). */
void pcg64_seed(struct pcg64 *generator, uint64_t seed);
uint64_t pcg64_next(struct pcg64 *generator);
/* default_rng.permutation(count): 0 .. count - 1 in an order drawn from the generator. */
void pcg64_permutation(struct pcg64 *generator, int64_t *order, int64_t count);

#endif
