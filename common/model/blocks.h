/* blocks: a number for each number of the tensors that train: gradients, the optimizer's moments.
 *
 * Each group of the parameters has a block of memory of its own, allocated when the group begins to train; a tensor that
 * does not train has none. In a block, tensors lie as in the parameters' block: a layer's query, key and value side by side
 * where all three train. */
#ifndef CLOZE_MODEL_BLOCKS_H
#define CLOZE_MODEL_BLOCKS_H

#include "base/pool.h"
#include "model/parameters.h"

struct blocks {
	const struct parameters *parameters; /* borrowed */
	float **of;      /* [count] by the table: where the tensor's numbers begin; NULL: it has none */
	float **groups;  /* [group_count] the group's memory; NULL: none */
	size_t *sizes;   /* [group_count] floats of it, padding included */
};

/* Without memory for any group. Never NULL. */
struct blocks *blocks_create(const struct parameters *parameters);
void blocks_free(struct blocks *blocks);

/* Gives a group that has no memory yet room for those of its tensors that `trains` [count] tells, all 0. */
void blocks_add_group(struct blocks *blocks, size_t group, const bool *trains);

/* Adds every group that is not there, with every tensor but running statistics. */
void blocks_add_all(struct blocks *blocks);

/* Sets every number to 0. */
void blocks_zero(struct blocks *blocks, struct pool *pool);

/* Gives memory to every group that has memory in `like`, for the same tensors, all 0. */
void blocks_match(struct blocks *blocks, const struct blocks *like);

/* Adds every number of `addend`, which has the same tensors, to that of `sum`. */
void blocks_add(struct blocks *sum, const struct blocks *addend, struct pool *pool);

/* Where a tensor's numbers begin; NULL: it has none, or `parameter` is NULL. */
float *blocks_of(const struct blocks *blocks, const struct parameter *parameter);

/* The lowest group that has memory: nothing below it trains. group_count: none has. */
size_t blocks_lowest_group(const struct blocks *blocks);

/* The first tensor of the table with a number that is not finite, and which of its elements; NULL: every one is. */
const struct parameter *blocks_not_finite(const struct blocks *blocks, size_t *element);

#endif
