/* arena: memory for the arrays of one pass, which are taken in order and released all at once.
 *
 * A function lays out the arrays by taking one after the other. It runs twice for every pass: first to measure, when
 * every array is NULL, then to set the pointers. Memory is allocated only when a pass needs more than every pass before
 * it. */
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

/* A part of an arena that is free between two uses and can be reused meanwhile; offsets in floats. */
struct arena_range { size_t start, end; };

/* Runs `lay_out` twice, as described above. */
void arena_lay_out(struct arena *arena, void (*lay_out)(void *context), void *context);

/* Takes the next `count` floats, aligned to a cache line. */
float *arena_take(struct arena *arena, size_t count);

/* Takes the next `count` numbers in bfloat16. */
bfloat16 *arena_take_bf16(struct arena *arena, size_t count);

/* Takes a matrix of `rows` by `columns` floats, and if `rounded` memory for the same numbers in bfloat16. */
struct matrix arena_take_matrix(struct arena *arena, size_t rows, size_t columns, bool rounded);

/* The same from a range that is free at the time; if the matrix does not fit, from the rest of the arena. */
struct matrix arena_reuse_matrix(struct arena *arena, struct arena_range range, size_t rows, size_t columns,
	bool rounded);

void arena_free(struct arena *arena);

#endif
