/* blocks: memory for gradients and optimizer moments, one number for each number of the tensors that train. */
#include "model/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct blocks *blocks_create(const struct parameters *parameters) {
	struct blocks *blocks = allocate(1, sizeof *blocks);
	blocks->parameters = parameters;
	blocks->of = allocate(parameters->count, sizeof *blocks->of);
	blocks->groups = allocate(parameters->group_count, sizeof *blocks->groups);
	blocks->sizes = allocate(parameters->group_count, sizeof *blocks->sizes);
	return blocks;
}

void blocks_free(struct blocks *blocks) {
	if (blocks == NULL)
		return;
	for (size_t g = 0; g < blocks->parameters->group_count; g++)
		free_pages(blocks->groups[g], blocks->sizes[g], sizeof(float));
	free(blocks->of);
	free(blocks->groups);
	free(blocks->sizes);
	free(blocks);
}

/* Writes the offset of each tensor of the group that trains into `offsets` [count]. Returns the size of the block in
 * floats. */
static size_t place_tensors(const struct parameters *parameters, size_t group, const bool *trains, size_t *offsets) {
	size_t end = 0;
	for (size_t i = parameters->groups[group].first; i < parameters->groups[group].end; i++) {
		if (!trains[i])
			continue;
		bool adjoins = i > 0 && trains[i - 1] && parameter_adjoins_next(&parameters->table[i - 1]);
		offsets[i] = adjoins ? end : align_floats(end);
		end = offsets[i] + parameters->table[i].elements;
	}
	return align_floats(end);
}

void blocks_add_group(struct blocks *blocks, size_t group, const bool *trains) {
	const struct parameters *parameters = blocks->parameters;
	size_t *offsets = allocate(parameters->count, sizeof *offsets);
	size_t size = place_tensors(parameters, group, trains, offsets);
	if (size > 0 && blocks->groups[group] == NULL) {
		blocks->sizes[group] = size;
		blocks->groups[group] = allocate_pages(size, sizeof(float));
		for (size_t i = parameters->groups[group].first; i < parameters->groups[group].end; i++)
			if (trains[i])
				blocks->of[i] = blocks->groups[group] + offsets[i];
	}
	free(offsets);
}

enum { PIECE = 1 << 16 }; /* floats of a task */

/* A group's memory, and what is added to it; NULL: the memory is set to 0. */
struct walk { float *block; const float *addend; size_t size; };

static void walk_piece(void *context, size_t index, int worker) {
	const struct walk *walk = context;
	size_t first = index * PIECE, left = walk->size - first, count = left < PIECE ? left : PIECE;
	float *block = walk->block + first;
	(void)worker;
	if (walk->addend == NULL)
		memset(block, 0, count * sizeof *block);
	else
		for (size_t i = 0; i < count; i++)
			block[i] += walk->addend[first + i];
}

static void walk_group(struct blocks *blocks, size_t group, const struct blocks *addend, struct pool *pool) {
	struct walk walk = { blocks->groups[group], addend != NULL ? addend->groups[group] : NULL, blocks->sizes[group] };
	pool_run(pool, (walk.size + PIECE - 1) / PIECE, walk_piece, &walk);
}

void blocks_zero_group(struct blocks *blocks, size_t group, struct pool *pool) {
	walk_group(blocks, group, NULL, pool);
}

void blocks_zero(struct blocks *blocks, struct pool *pool) {
	for (size_t g = 0; g < blocks->parameters->group_count; g++)
		blocks_zero_group(blocks, g, pool);
}

void blocks_match(struct blocks *blocks, const struct blocks *like) {
	const struct parameters *parameters = blocks->parameters;
	bool *trains = allocate(parameters->count, sizeof *trains);
	for (size_t i = 0; i < parameters->count; i++)
		trains[i] = like->of[i] != NULL;
	for (size_t g = 0; g < parameters->group_count; g++)
		blocks_add_group(blocks, g, trains);
	free(trains);
}

void blocks_add(struct blocks *sum, const struct blocks *addend, struct pool *pool) {
	for (size_t g = 0; g < sum->parameters->group_count; g++)
		walk_group(sum, g, addend, pool);
}

float *blocks_of(const struct blocks *blocks, const struct parameter *parameter) {
	return parameter != NULL ? blocks->of[parameter - blocks->parameters->table] : NULL;
}

size_t blocks_lowest_group(const struct blocks *blocks) {
	size_t group = 0;
	while (group < blocks->parameters->group_count && blocks->groups[group] == NULL)
		group++;
	return group;
}

const struct parameter *blocks_not_finite(const struct blocks *blocks, size_t *element) {
	for (size_t i = 0; i < blocks->parameters->count; i++) {
		const struct parameter *parameter = &blocks->parameters->table[i];
		if (blocks->of[i] == NULL)
			continue;
		*element = find_not_finite(blocks->of[i], parameter->elements);
		if (*element < parameter->elements)
			return parameter;
	}
	return NULL;
}
