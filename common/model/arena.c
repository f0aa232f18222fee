/* arena: memory for the arrays of one pass, which are taken in order and released all at once. */
#include "model/arena.h"

#include "base/memory.h"

enum { LINE = 16 }; /* floats of a cache line */

void arena_lay_out(struct arena *arena, void (*lay_out)(void *context), void *context) {
	arena->memory = NULL;
	arena->used = arena->peak = 0;
	lay_out(context);
	if (arena->peak > arena->capacity) {
		free_pages(arena->allocated, arena->capacity, sizeof *arena->allocated);
		arena->capacity = arena->peak;
		arena->allocated = allocate_pages(arena->capacity, sizeof *arena->allocated);
	}
	arena->memory = arena->allocated;
	arena->used = arena->peak = 0;
	lay_out(context);
}

float *arena_take(struct arena *arena, size_t count) {
	float *at = arena->memory != NULL ? arena->memory + arena->used : NULL;
	arena->used += (count + LINE - 1) / LINE * LINE;
	if (arena->used > arena->peak)
		arena->peak = arena->used;
	return at;
}

bfloat16 *arena_take_bf16(struct arena *arena, size_t count) {
	return (bfloat16 *)arena_take(arena, (count + 1) / 2);
}

struct matrix arena_take_matrix(struct arena *arena, size_t rows, size_t columns, bool rounded) {
	struct matrix matrix = { .fp32 = arena_take(arena, rows * columns), .stride = columns };
	if (rounded)
		matrix.bf16 = arena_take_bf16(arena, rows * columns);
	return matrix;
}

struct matrix arena_reuse_matrix(struct arena *arena, struct arena_range range, size_t rows, size_t columns,
	bool rounded) {
	size_t after = arena->used, peak = arena->peak;
	arena->used = range.start;
	struct matrix matrix = arena_take_matrix(arena, rows, columns, rounded);
	bool fits = arena->used <= range.end;
	arena->used = after;
	arena->peak = peak;
	return fits ? matrix : arena_take_matrix(arena, rows, columns, rounded);
}

void arena_free(struct arena *arena) {
	free_pages(arena->allocated, arena->capacity, sizeof *arena->allocated);
	*arena = (struct arena){ 0 };
}
