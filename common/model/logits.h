/* logits: what a row of logits says: the best of its tokens, or classes, their probabilities, the rank of one. Of equal
 * logits, the one with the lower id is the better. */
#ifndef CLOZE_MODEL_LOGITS_H
#define CLOZE_MODEL_LOGITS_H

#include <stddef.h>
#include <stdint.h>

/* The number of better ones than `id` among V. */
int32_t logits_rank(const float *logits, size_t V, int32_t id);

/* Fills `best` [K] with the ids of the K best, the best first. They are among the `count` different ids of
 * `candidates`; NULL: among 0 to count - 1. K is at most count. */
void logits_best(const float *logits, const int32_t *candidates, size_t count, size_t K, int32_t *best);

/* The largest of V logits, and the sum of exp(logit - largest), in double precision. */
struct softmax_sum { double largest, sum; };
struct softmax_sum logits_sum(const float *logits, size_t V);

/* The softmax of one of these logits. */
double logits_probability(struct softmax_sum sum, float logit);

#endif
