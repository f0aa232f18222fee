/* arena: memory for the arrays of one pass, taken in order and given back all at once.
 *
 * Arrays are laid out by a function that takes them one after the other. It runs twice for every pass: once to measure,
 * with NULL for every array, and once to point; memory is allocated only where a pass needs more than any before it. */
#ifndef CLOZE_MODEL_ARENA_H
#define CLOZE_MODEL_ARENA_H

#include <stddef.h>

#include "math/matrix.h"

/* Zero-initialize; arena_free() releases the memory. */
struct arena {
	float *memory;        /* NULL while the layout is measured */
	float *allocated;
	size_t capacity;      /* floats */
	size_t used, peak;
};

/* A part of an arena that can be lent to others between two uses; offsets in floats. */
struct arena_range { size_t start, end; };

/* Runs `lay_out` twice, as told above. */
void arena_lay_out(struct arena *arena, void (*lay_out)(void *context), void *context);

/* The next `count` floats, on a cache line of their own. */
float *arena_take(struct arena *arena, size_t count);

/* A matrix of `rows` by `columns`, with room for bfloat16 beside the floats where `rounded`. */
struct matrix arena_take_matrix(struct arena *arena, size_t rows, size_t columns, bool rounded);

/* The same out of a range that is free for the moment, where there is room in it; else out of the arena. */
struct matrix arena_reuse_matrix(struct arena *arena, struct arena_range range, size_t rows, size_t columns, bool rounded);

void arena_free(struct arena *arena);

#endif
