/* test_model_arena: arrays overlap only where memory is reused, and memory is kept from pass to pass. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "model/arena.h"

/* What a layout takes: two arrays, a range, a matrix out of it and one behind it. */
struct layout {
	struct arena *arena;
	size_t count;              /* of the first array */
	size_t free_floats;        /* of the range */
	size_t rows, columns;      /* of the matrix that is to reuse it */
	bool rounded;
	float *first, *between, *last;
	struct matrix reused;
	int runs;
	bool measured;             /* the first run saw NULL throughout */
};

static void lay_out(void *context) {
	struct layout *layout = context;
	struct arena *arena = layout->arena;
	layout->first = arena_take(arena, layout->count);
	struct arena_range range = { .start = arena->used };
	layout->between = arena_take(arena, layout->free_floats);
	range.end = arena->used;
	layout->reused = arena_reuse_matrix(arena, range, layout->rows, layout->columns, layout->rounded);
	layout->last = arena_take(arena, 5);
	if (layout->runs++ == 0)
		layout->measured = layout->first == NULL && layout->between == NULL && layout->last == NULL
			&& layout->reused.fp32 == NULL;
}

static struct layout run(struct arena *arena, size_t count, size_t free_floats, size_t rows, size_t columns,
	bool rounded) {
	struct layout layout = { .arena = arena, .count = count, .free_floats = free_floats, .rows = rows,
		.columns = columns, .rounded = rounded };
	arena_lay_out(arena, lay_out, &layout);
	assert_int_equal(layout.runs, 2);
	assert_true(layout.measured);
	return layout;
}

static size_t lines(size_t floats) {
	return (floats + 15) / 16 * 16;
}

static void arrays_follow_each_other(void **state) {
	(void)state;
	struct arena arena = { 0 };
	struct layout layout = run(&arena, 17, 33, 1, 1, false);
	assert_int_equal((uintptr_t)layout.first % 64, 0);
	assert_ptr_equal(layout.between, layout.first + lines(17));
	assert_ptr_equal(layout.last, layout.between + lines(33));
	assert_int_equal(arena.capacity, lines(17) + lines(33) + lines(5));
	assert_int_equal(arena.used, arena.capacity);
	memset(layout.first, 1, arena.capacity * sizeof(float)); /* all of it is there */
	arena_free(&arena);
	assert_int_equal(arena.capacity, 0);
	assert_null(arena.allocated);
}

/* As long as it fits, to the last float of the range. */
static void ranges_are_reused(void **state) {
	(void)state;
	struct arena arena = { 0 };
	for (size_t columns = 1; columns <= 20; columns++) {
		bool fits = 8 * columns <= 128;
		struct layout layout = run(&arena, 3, 128, 8, columns, false);
		assert_int_equal(layout.reused.stride, columns);
		assert_null(layout.reused.bf16);
		assert_ptr_equal(layout.reused.fp32, layout.between + (fits ? 0 : 128));
		assert_ptr_equal(layout.last, layout.between + 128 + (fits ? 0 : lines(8 * columns)));
		assert_int_equal(arena.used, (size_t)(layout.last - layout.first) + lines(5));
	}
	arena_free(&arena);
}

/* With bfloat16 beside it, a matrix needs half as much again. */
static void ranges_are_reused_with_bf16(void **state) {
	(void)state;
	struct arena arena = { 0 };
	for (size_t columns = 1; columns <= 14; columns++) {
		size_t floats = lines(8 * columns) + lines((8 * columns + 1) / 2);
		struct layout layout = run(&arena, 3, 128, 8, columns, true);
		bool fits = floats <= 128;
		assert_ptr_equal(layout.reused.fp32, layout.between + (fits ? 0 : 128));
		assert_ptr_equal(layout.reused.bf16, layout.reused.fp32 + lines(8 * columns));
		assert_ptr_equal(layout.last, layout.between + 128 + (fits ? 0 : floats));
	}
	arena_free(&arena);
}

static void take_one(void *context) {
	struct layout *layout = context;
	layout->reused = arena_take_matrix(layout->arena, layout->rows, layout->columns, layout->rounded);
}

static void matrices(void **state) {
	(void)state;
	struct arena arena = { 0 };
	struct layout layout = { .arena = &arena, .rows = 3, .columns = 7, .rounded = true };
	arena_lay_out(&arena, take_one, &layout);
	assert_int_equal(layout.reused.stride, 7);
	assert_int_equal(arena.capacity, lines(21) + lines(11));
	for (size_t i = 0; i < 21; i++)
		layout.reused.fp32[i] = 1, layout.reused.bf16[i] = 2;
	for (size_t i = 0; i < 21; i++)
		assert_true(layout.reused.fp32[i] > 0 && layout.reused.fp32[i] < 2);
	layout.rounded = false;
	arena_lay_out(&arena, take_one, &layout);
	assert_null(layout.reused.bf16);
	arena_free(&arena);
}

/* Memory is allocated anew only for a pass that needs more than any before it. */
static void grows_and_stays(void **state) {
	(void)state;
	struct arena arena = { 0 };
	run(&arena, 100, 16, 1, 1, false);
	size_t capacity = arena.capacity;
	const float *memory = arena.allocated;
	run(&arena, 30, 16, 1, 1, false);
	assert_ptr_equal(arena.allocated, memory);
	assert_int_equal(arena.capacity, capacity);
	assert_true(arena.used < capacity);
	run(&arena, 100, 16, 4, 4, false);
	assert_ptr_equal(arena.allocated, memory);
	struct layout larger = run(&arena, 100, 16, 4, 5, false); /* no longer fits the range */
	assert_int_equal(arena.capacity, capacity + lines(20));
	assert_ptr_equal(larger.first, arena.allocated);
	memset(arena.allocated, 1, arena.capacity * sizeof(float));
	arena_free(&arena);
}

/* Arrays that take turns: the peak counts, not what is in use at the end. */
struct turns { struct arena *arena; float *shared[3]; };

static void take_turns(void *context) {
	struct turns *turns = context;
	static const size_t sizes[] = { 16, 160, 32 };
	size_t start = turns->arena->used;
	for (size_t i = 0; i < 3; i++) {
		turns->arena->used = start;
		turns->shared[i] = arena_take(turns->arena, sizes[i]);
	}
}

static void peak_of_turns(void **state) {
	(void)state;
	struct arena arena = { 0 };
	struct turns turns = { .arena = &arena };
	arena_lay_out(&arena, take_turns, &turns);
	assert_int_equal(arena.capacity, 160);
	assert_int_equal(arena.used, 32);
	assert_ptr_equal(turns.shared[1], turns.shared[0]);
	assert_ptr_equal(turns.shared[2], turns.shared[0]);
	arena_free(&arena);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays_follow_each_other),
		cmocka_unit_test(ranges_are_reused),
		cmocka_unit_test(ranges_are_reused_with_bf16),
		cmocka_unit_test(matrices),
		cmocka_unit_test(grows_and_stays),
		cmocka_unit_test(peak_of_turns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
