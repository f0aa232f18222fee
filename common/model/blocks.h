/* blocks: memory for gradients and optimizer moments, one number for each number of the tensors that train.
 *
 * Each group of the parameters has its own block of memory, allocated when the group begins to train; a tensor that
 * does not train has no memory. Tensors are placed as in the block of the parameters: if the query, key and value of a
 * layer all train, they are adjacent. */
#ifndef CLOZE_MODEL_BLOCKS_H
#define CLOZE_MODEL_BLOCKS_H

#include "base/pool.h"
#include "model/parameters.h"

struct blocks {
	const struct parameters *parameters; /* borrowed */
	float **of;      /* [count] the numbers of each tensor of the table; NULL: it does not train */
	float **groups;  /* [group_count] the memory of each group; NULL: none */
	size_t *sizes;   /* [group_count] its size in floats, padding included */
};

/* Creates blocks without memory for any group. Never NULL. */
struct blocks *blocks_create(const struct parameters *parameters);
void blocks_free(struct blocks *blocks);

/* Allocates zeroed memory for the tensors of the group that `trains` [count] marks, unless the group has memory
 * already. */
void blocks_add_group(struct blocks *blocks, size_t group, const bool *trains);

/* Sets every number to 0, or every number of one group. */
void blocks_zero(struct blocks *blocks, struct pool *pool);
void blocks_zero_group(struct blocks *blocks, size_t group, struct pool *pool);

/* Allocates zeroed memory for the same tensors as in `like`, for every group that has memory there. */
void blocks_match(struct blocks *blocks, const struct blocks *like);

/* Adds every number of `addend`, which has the same tensors, to that of `sum`. */
void blocks_add(struct blocks *sum, const struct blocks *addend, struct pool *pool);

/* The numbers of a tensor; NULL: it has none, or `parameter` is NULL. */
float *blocks_of(const struct blocks *blocks, const struct parameter *parameter);

/* The lowest group that has memory, that is, the lowest one that trains; group_count if none has. */
size_t blocks_lowest_group(const struct blocks *blocks);

/* The first tensor of the table with an infinity or a NaN; *element is the index of that number. NULL: there is
 * none. */
const struct parameter *blocks_not_finite(const struct blocks *blocks, size_t *element);

#endif
