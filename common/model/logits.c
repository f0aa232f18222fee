/* logits: the best of a row of logits, by a heap of the best so far whose worst comes first. */
#include "model/logits.h"

#include <math.h>

#include "base/heap.h"

static bool is_better(const float *logits, int32_t a, int32_t b) {
	return logits[a] > logits[b] || (logits[a] >= logits[b] && a < b);
}

int32_t logits_rank(const float *logits, size_t V, int32_t id) {
	int32_t better = 0;
	for (size_t v = 0; v < V; v++)
		better += is_better(logits, (int32_t)v, id);
	return better;
}

static bool is_worse(const void *logits, const void *a, const void *b) {
	return is_better(logits, *(const int32_t *)b, *(const int32_t *)a);
}

void logits_best(const float *logits, const int32_t *candidates, size_t count, size_t K, int32_t *best) {
	for (size_t i = 0; i < count; i++) {
		int32_t id = candidates != NULL ? candidates[i] : (int32_t)i;
		if (i < K) {
			best[i] = id;
			heap_added(best, i + 1, sizeof *best, is_worse, logits);
		} else if (is_better(logits, id, best[0])) {
			best[0] = id;
			heap_replaced(best, K, sizeof *best, is_worse, logits);
		}
	}
	for (size_t left = K; left-- > 1;) {
		int32_t worst = best[0];
		best[0] = best[left];
		best[left] = worst;
		heap_replaced(best, left, sizeof *best, is_worse, logits);
	}
}

struct softmax_sum logits_sum(const float *logits, size_t V) {
	struct softmax_sum sum = { (double)logits[0], 0 };
	for (size_t v = 1; v < V; v++)
		sum.largest = fmax(sum.largest, (double)logits[v]);
	for (size_t v = 0; v < V; v++)
		sum.sum += exp((double)logits[v] - sum.largest);
	return sum;
}

double logits_probability(struct softmax_sum sum, float logit) {
	return exp((double)logit - sum.largest) / sum.sum;
}
