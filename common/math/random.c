/* random: Philox in ten rounds, as in the paper, and PCG64 as in numpy: SeedSequence hashes the seed to 256 bits, which
 * become the state and the increment of a 128-bit linear congruential generator with XSL-RR output. */
#include "math/random.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

__extension__ typedef unsigned __int128 uint128;

/* ---- Philox -------------------------------------------------------------------------------------------- */

void philox(const uint32_t key[static 2], const uint32_t counter[static 4], uint32_t output[static 4]) {
	uint32_t k0 = key[0], k1 = key[1];
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	for (int round = 0; round < 10; round++) {
		uint64_t product0 = (uint64_t)0xD2511F53 * c0;
		uint64_t product1 = (uint64_t)0xCD9E8D57 * c2;
		c0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
		c1 = (uint32_t)product1;
		c2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
		c3 = (uint32_t)product0;
		k0 += 0x9E3779B9; /* the golden ratio */
		k1 += 0xBB67AE85; /* the square root of 3, less 1 */
	}
	output[0] = c0;
	output[1] = c1;
	output[2] = c2;
	output[3] = c3;
}

void random_words(uint64_t seed, enum random_purpose purpose, uint64_t major, uint32_t minor,
	uint32_t words[static 4]) {
	const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
	const uint32_t counter[4] = { minor, (uint32_t)purpose, (uint32_t)major, (uint32_t)(major >> 32) };
	philox(key, counter, words);
}

float random_unit(uint32_t word) {
	return (float)(word >> 8) * 0x1p-24f;
}

uint32_t random_below(uint32_t word, uint32_t range) {
	return (uint32_t)((uint64_t)word * range >> 32);
}

void random_normal(uint64_t seed, uint64_t tensor, float deviation, float *values, size_t count) {
	const double turn = 2 * 3.14159265358979323846;
	for (size_t first = 0; first < count; first += 4) {
		uint32_t words[4];
		double normal[4];
		random_words(seed, RANDOM_WEIGHTS, tensor, (uint32_t)(first / 4), words);
		for (size_t i = 0; i < 4; i += 2) {
			double radius = sqrt(-2 * log((words[i] + 1.0) * 0x1p-32));
			double angle = turn * (words[i + 1] * 0x1p-32);
			normal[i] = radius * cos(angle);
			normal[i + 1] = radius * sin(angle);
		}
		for (size_t i = 0; i < 4 && first + i < count; i++)
			values[first + i] = (float)(deviation * normal[i]);
	}
}

/* ---- numpy's generator --------------------------------------------------------------------------------- */

static uint32_t hash_word(uint32_t value, uint32_t *constant, uint32_t multiplier) {
	value ^= *constant;
	*constant *= multiplier;
	value *= *constant;
	return value ^ value >> 16;
}

/* Computes numpy's SeedSequence(seed).generate_state(4, uint64). */
static void seed_sequence(uint64_t seed, uint64_t state[static 4]) {
	const uint32_t entropy[4] = { (uint32_t)seed, (uint32_t)(seed >> 32), 0, 0 };
	uint32_t pool[4], constant = 0x43b0d7e5;
	for (int i = 0; i < 4; i++)
		pool[i] = hash_word(entropy[i], &constant, 0x931e8875);
	for (int from = 0; from < 4; from++) {
		for (int to = 0; to < 4; to++) {
			if (from == to)
				continue;
			uint32_t mixed = 0xca01f9dd * pool[to] - 0x4973f715 * hash_word(pool[from], &constant, 0x931e8875);
			pool[to] = mixed ^ mixed >> 16;
		}
	}
	constant = 0x8b51f9dd;
	for (int i = 0; i < 4; i++) {
		uint64_t low = hash_word(pool[2 * i % 4], &constant, 0x58f38ded);
		uint64_t high = hash_word(pool[(2 * i + 1) % 4], &constant, 0x58f38ded);
		state[i] = low | high << 32;
	}
}

static void pcg64_step(struct pcg64 *generator, uint128 add) {
	const uint128 multiplier = (uint128)2549297995355413924u << 64 | 4865540595714422341u;
	uint128 state = (uint128)generator->state_high << 64 | generator->state_low;
	uint128 increment = (uint128)generator->increment_high << 64 | generator->increment_low;
	state = (state + add) * multiplier + increment;
	generator->state_high = (uint64_t)(state >> 64);
	generator->state_low = (uint64_t)state;
}

void pcg64_seed(struct pcg64 *generator, uint64_t seed) {
	uint64_t state[4];
	seed_sequence(seed, state);
	*generator = (struct pcg64){
		.increment_high = state[2] << 1 | state[3] >> 63,
		.increment_low = state[3] << 1 | 1,
	};
	pcg64_step(generator, 0);
	pcg64_step(generator, (uint128)state[0] << 64 | state[1]);
}

uint64_t pcg64_next(struct pcg64 *generator) {
	pcg64_step(generator, 0);
	uint64_t folded = generator->state_high ^ generator->state_low;
	unsigned rotation = (unsigned)(generator->state_high >> 58);
	return folded >> rotation | folded << (-rotation & 63);
}

/* 32 random bits: the low half of a 64-bit draw; the next call returns its high half. */
static uint32_t pcg64_next_half(struct pcg64 *generator) {
	generator->has_spare = !generator->has_spare;
	if (!generator->has_spare)
		return generator->spare;
	uint64_t whole = pcg64_next(generator);
	generator->spare = (uint32_t)(whole >> 32);
	return (uint32_t)whole;
}

/* A random integer from 0 to `most`, both included: numbers of the bit length of `most` are drawn until one is at most
 * `most`. This is numpy's random_interval(), which its shuffles use. */
static uint64_t pcg64_up_to(struct pcg64 *generator, uint64_t most) {
	uint64_t mask = UINT64_MAX >> __builtin_clzll(most | 1);
	uint64_t value;
	do
		value = (most <= UINT32_MAX ? pcg64_next_half(generator) : pcg64_next(generator)) & mask;
	while (value > most);
	return value;
}

void pcg64_permutation(struct pcg64 *generator, int64_t *order, int64_t count) {
	for (int64_t i = 0; i < count; i++)
		order[i] = i;
	for (int64_t i = count - 1; i > 0; i--) {
		int64_t j = (int64_t)pcg64_up_to(generator, (uint64_t)i);
		int64_t kept = order[i];
		order[i] = order[j];
		order[j] = kept;
	}
}

/* A number from 0 to `most`, as numpy's random_bounded_uint64() draws it: by multiplication (Lemire, "Fast random
 * integer generation in an interval", 2019), where pcg64_up_to() draws again what is too large. */
static uint64_t pcg64_bounded(struct pcg64 *generator, uint64_t most) {
	if (most == 0)
		return 0;
	if (most == UINT32_MAX)
		return pcg64_next_half(generator);
	if (most < UINT32_MAX) {
		uint32_t range = (uint32_t)most + 1, threshold = (uint32_t)-range % range;
		uint64_t product;
		do
			product = (uint64_t)pcg64_next_half(generator) * range;
		while ((uint32_t)product < threshold);
		return product >> 32;
	}
	if (most == UINT64_MAX)
		return pcg64_next(generator);
	uint64_t range = most + 1, threshold = -range % range;
	uint128 product;
	do
		product = (uint128)pcg64_next(generator) * range;
	while ((uint64_t)product < threshold);
	return (uint64_t)(product >> 64);
}

/* Shuffles the numbers from `first` on, the last one first. */
static void pcg64_shuffle(struct pcg64 *generator, int64_t *numbers, int64_t count, int64_t first) {
	for (int64_t i = count - 1; i >= first; i--) {
		int64_t j = (int64_t)pcg64_bounded(generator, (uint64_t)i), kept = numbers[i];
		numbers[i] = numbers[j];
		numbers[j] = kept;
	}
}

/* Whether the number is among those. */
static bool is_chosen(const int64_t *chosen, int64_t count, int64_t number) {
	for (int64_t i = 0; i < count; i++)
		if (chosen[i] == number)
			return true;
	return false;
}

/* Numpy shuffles the tail of a large population of which much is wanted, and otherwise draws by Floyd's algorithm
 * (Bentley and Floyd, "A sample of brilliance", 1987), then shuffles the sample. */
void pcg64_choose(struct pcg64 *generator, int64_t *chosen, int64_t count, int64_t population) {
	if (population > 10000 && count > population / 50) {
		int64_t *all = allocate((size_t)population, sizeof *all);
		for (int64_t i = 0; i < population; i++)
			all[i] = i;
		pcg64_shuffle(generator, all, population, population - count > 1 ? population - count : 1);
		memcpy(chosen, all + population - count, (size_t)count * sizeof *chosen);
		free(all);
		return;
	}
	for (int64_t i = 0, last = population - count; i < count; i++, last++) {
		int64_t number = (int64_t)pcg64_bounded(generator, (uint64_t)last);
		chosen[i] = is_chosen(chosen, i, number) ? last : number;
	}
	pcg64_shuffle(generator, chosen, count, 1);
}
