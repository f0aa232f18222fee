/* sums: the gradients and the loss of a step, added up over its micro-batches along a binary tree. */
#include "train/sums.h"

#include <stdlib.h>

#include "base/memory.h"

enum { LEVELS = 32 };

/* Subtrees that wait for their sibling, from the largest to the smallest. */
struct sums {
	struct blocks *total;
	struct pool *pool;
	struct blocks *gradients[LEVELS]; /* [0] is `total`; the others are made when they are first needed, and kept */
	struct loss losses[LEVELS];
	size_t waiting;                   /* subtrees */
	size_t count;                     /* micro-batches so far */
	bool by_parts;                    /* sums_complete() adds up the gradients */
};

struct sums *sums_create(struct blocks *total, struct pool *pool) {
	struct sums *sums = allocate(1, sizeof *sums);
	sums->total = sums->gradients[0] = total;
	sums->pool = pool;
	return sums;
}

void sums_free(struct sums *sums) {
	for (size_t i = 1; sums != NULL && i < LEVELS; i++)
		blocks_free(sums->gradients[i]);
	free(sums);
}

void sums_begin(struct sums *sums) {
	sums->waiting = sums->count = 0;
	sums->by_parts = false;
}

const struct blocks *sums_next(struct sums *sums) {
	struct blocks **blocks = &sums->gradients[sums->waiting];
	if (*blocks == NULL)
		*blocks = blocks_create(sums->total->parameters);
	blocks_match(*blocks, sums->total);
	blocks_zero(*blocks, sums->pool);
	return *blocks;
}

/* A part of two subtrees that are added. */
struct addition { const struct part *part; float *sum; const float *addend; };

static void add_span(void *context, size_t index, int worker) {
	const struct addition *addition = context;
	const struct span *span = &addition->part->spans[index];
	(void)worker;
	for (size_t i = span->first; i < span->first + span->count; i++)
		addition->sum[i] += addition->addend[i];
}

void sums_complete(struct sums *sums, const struct part *part) {
	sums->by_parts = true;
	for (size_t last = sums->waiting; last > 0; last--) {
		struct addition addition = { part, sums->gradients[last - 1]->groups[part->group],
			sums->gradients[last]->groups[part->group] };
		pool_run(sums->pool, part->count, add_span, &addition);
	}
}

/* Adds the last two subtrees that wait. */
static void join(struct sums *sums) {
	size_t last = --sums->waiting;
	if (!sums->by_parts)
		blocks_add(sums->gradients[last - 1], sums->gradients[last], sums->pool);
	loss_add(&sums->losses[last - 1], &sums->losses[last]);
}

void sums_add(struct sums *sums, const struct loss *loss) {
	sums->losses[sums->waiting++] = *loss;
	sums->count++;
	for (size_t carry = sums->count; carry % 2 == 0; carry /= 2)
		join(sums);
}

struct loss sums_end(struct sums *sums) {
	while (sums->waiting > 1)
		join(sums);
	if (sums->waiting > 0)
		return sums->losses[0];
	if (!sums->by_parts)
		blocks_zero(sums->total, sums->pool);
	return (struct loss){ 0 };
}

void loss_add(struct loss *sum, const struct loss *addend) {
	sum->value += addend->value;
	for (size_t i = 0; i < LOSS_PARTS; i++)
		sum->parts[i] += addend->parts[i];
}
