/* matrix_kernels: prepares operands for the kernels that read weights where they lie, and cuts products into columns. */
#include "math/matrix_kernels.h"

#include <stdlib.h>

#include "base/memory.h"
#include "math/matrix_onednn.h"

/* Writes the bfloat16 numbers as floats, without gaps between the rows. */
static void widen_to(float *wide, struct matrix matrix, size_t rows, size_t columns) {
	for (size_t r = 0; r < rows; r++)
		kernels()->widen_bf16(wide + r * columns, matrix.bf16 + r * matrix.stride, columns);
}

struct matrix widen(struct matrix matrix, size_t rows, size_t columns) {
	struct matrix wide = float_matrix(allocate(rows * columns, sizeof *wide.fp32), columns);
	widen_to(wide.fp32, matrix, rows, columns);
	return wide;
}

void round_result(struct matrix c, struct matrix exact, size_t rows, size_t columns) {
	for (size_t r = 0; r < rows; r++)
		kernels()->round_to_bf16(c.bf16 + r * c.stride, exact.fp32 + r * exact.stride, 1, columns, columns);
}

static bool has_tile_kernels(const struct product *p) {
	return is_bf16(p) && kernels()->multiply_packed_bf16 != NULL;
}

/* Whether a product is one of rows with rows, as those of a network's forward pass are: with rows of weights. */
static bool is_of_rows(const struct product *p) {
	return !p->transpose_a && p->transpose_b;
}

bool has_tiles(const struct product *p) {
	return has_tile_kernels(p) && is_of_rows(p);
}

/* ---- ways to compute a product ------------------------------------------------------------------------- */

/* Up to FEW_ROWS, reading a weight from memory takes longer than the arithmetic on it: kernels->multiply_few() reads each
 * once, where the libraries first copy all of them. Where there are kernels for packed rows, these are the fastest above
 * FEW_BESIDE_PACKED rows, or FEW_BESIDE_TILES, and up to SHORT_ROWS. (Measured on one core at 3072 x 768, milliseconds of
 * few, packed, and the library. AVX2, OpenBLAS 0.3.21: 8 rows 1.2, 1.2, 2.8; 16 rows 2.1, 1.3, 3.1; 64 rows -, 4.7, 6.5;
 * 128 rows -, 9.5, 10.4. AVX-512, oneDNN 2.6: 8 rows 0.53, 0.72, 0.98; 16 rows 0.82, 0.78, 1.4; 64 rows -, 2.0, 2.8; 128
 * rows -, 3.8, 4.5. Tiles of bfloat16, oneDNN 2.6: 4 rows 0.47, 0.45, 0.86; 16 rows 0.90, 0.42, 0.86; 64 rows -, 0.57, 1.1;
 * 128 rows -, 0.80, 1.4.) */
enum { FEW_ROWS = 16, FEW_BESIDE_PACKED = 8, FEW_BESIDE_TILES = 3, FEW_COLUMNS = 96 };

enum way {
	FEW,     /* the rows as they lie */
	PACKED,  /* packed rows of floats */
	WIDENED, /* rows of bfloat16 packed as floats */
	TILES,   /* packed rows of bfloat16 */
	LIBRARY,
};

/* A product of at most SHORT_ROWS rows, the way that it is computed, and its rows, unless they are taken as they lie. */
struct few_product { const struct product *product; enum way way; struct matrix packed; };

static enum way choose_way(const struct product *p) {
	const bool rounded = is_bf16(p), has_packed = kernels()->multiply_packed != NULL;
	const bool multiplies_bf16 = rounded && onednn_is_fast().bf16; /* as the packed kernel does not */
	if (!is_of_rows(p) || p->add)
		return LIBRARY;
	if (has_tiles(p))
		return p->rows <= FEW_BESIDE_TILES ? FEW : TILES;
	if (has_packed && !multiplies_bf16)
		return p->rows <= FEW_BESIDE_PACKED ? FEW : rounded ? WIDENED : PACKED;
	return p->rows <= FEW_ROWS ? FEW : LIBRARY;
}

/* ---- packing ------------------------------------------------------------------------------------------- */

static size_t panels(const struct product *p) {
	return pieces(p->rows, kernels()->panel_rows);
}

static void allocate_packed(struct few_product *few) {
	const size_t stride = packed_inputs(few->product->inner);
	const size_t count = panels(few->product) * kernels()->panel_rows * stride;
	few->packed.stride = stride;
	if (few->way == TILES)
		few->packed.bf16 = allocate(count, sizeof *few->packed.bf16);
	else
		few->packed.fp32 = allocate(count, sizeof *few->packed.fp32);
}

static void free_packed(struct few_product *few) {
	free(few->packed.fp32);
	free(few->packed.bf16);
}

static void pack_panel(void *context, size_t index, int worker) {
	const struct few_product *few = context;
	const struct product *p = few->product;
	const size_t first = index * kernels()->panel_rows, left = p->rows - first;
	const size_t rows = left < kernels()->panel_rows ? left : kernels()->panel_rows;
	const struct matrix a = matrix_at(p->a, first, 0), packed = matrix_at(few->packed, first, 0);
	(void)worker;
	if (few->way == TILES) {
		kernels()->pack_rows_bf16(packed.bf16, a.bf16, rows, p->inner, a.stride);
	} else if (few->way == WIDENED) {
		const struct matrix wide = widen(a, rows, p->inner);
		kernels()->pack_rows(packed.fp32, wide.fp32, rows, p->inner, wide.stride);
		free(wide.fp32);
	} else
		kernels()->pack_rows(packed.fp32, a.fp32, rows, p->inner, a.stride);
}

/* ---- products ------------------------------------------------------------------------------------------ */

/* Computes a product of packed rows with weights in bfloat16, widened a few outputs at a time, which fit into a cache. */
static void multiply_widened(const struct few_rows *product) {
	enum { AT_ONCE = 24 };
	float *wide = allocate(AT_ONCE * product->inputs, sizeof *wide);
	struct few_rows part = *product;
	part.w = wide;
	part.w_stride = product->inputs;
	for (size_t first = 0; first < product->outputs; first += AT_ONCE) {
		const struct matrix w = { .bf16 = (bfloat16 *)product->w + first * product->w_stride, .stride = product->w_stride };
		part.outputs = product->outputs - first < AT_ONCE ? product->outputs - first : AT_ONCE;
		widen_to(wide, w, part.outputs, product->inputs);
		part.y = product->y + first;
		kernels()->multiply_packed(&part);
	}
	free(wide);
}

static void call_kernel(enum way way, const struct few_rows *product, bool rounded) {
	if (way == WIDENED)
		multiply_widened(product);
	else if (way == PACKED)
		kernels()->multiply_packed(product);
	else if (rounded)
		kernels()->multiply_few_bf16(product);
	else
		kernels()->multiply_few(product);
}

static void multiply_columns(void *context, size_t index, int worker) {
	const struct few_product *few = context;
	const struct product *whole = few->product;
	const bool rounded = is_bf16(whole);
	const size_t column = index * FEW_COLUMNS, left = whole->columns - column;
	const struct matrix a = few->way == FEW ? whole->a : few->packed;
	const struct matrix b = matrix_at(whole->b, column, 0), c = matrix_at(whole->c, 0, column);
	struct few_rows piece = { .y = c.fp32, .x = rounded && few->way != WIDENED ? (const void *)a.bf16 : a.fp32,
		.w = rounded ? (const void *)b.bf16 : b.fp32, .rows = whole->rows,
		.outputs = left < FEW_COLUMNS ? left : FEW_COLUMNS, .inputs = whole->inner, .y_stride = c.stride,
		.x_stride = a.stride, .w_stride = b.stride, .bias = whole->bias != NULL ? whole->bias + column : NULL,
		.y_bf16 = c.fp32 == NULL ? c.bf16 : NULL, .add = whole->add };
	float kept[SHORT_ROWS * FEW_COLUMNS];
	(void)worker;
	if (few->way == TILES) {
		kernels()->multiply_packed_bf16(&piece);
		return;
	}
	if (c.fp32 == NULL) {
		piece.y = kept;
		piece.y_stride = FEW_COLUMNS;
	}
	call_kernel(few->way, &piece, rounded);
	if (piece.bias != NULL)
		kernels()->add_bias(piece.y, piece.bias, piece.rows, piece.outputs, piece.y_stride);
	if (c.fp32 == NULL)
		round_result(c, float_matrix(kept, FEW_COLUMNS), piece.rows, piece.outputs);
}

bool multiply_by_kernels(struct pool *pool, const struct product *product) {
	struct few_product few = { .product = product, .way = choose_way(product) };
	if (few.way == LIBRARY)
		return false;
	if (few.way != FEW) {
		allocate_packed(&few);
		pool_run(pool, panels(product), pack_panel, &few);
	}
	pool_run(pool, pieces(product->columns, FEW_COLUMNS), multiply_columns, &few);
	free_packed(&few);
	return true;
}

void multiply_by_tiles(const struct product *whole) {
	for (size_t row = 0; row < whole->rows; row += SHORT_ROWS) {
		struct product part = *whole;
		part.a = matrix_at(whole->a, row, 0);
		part.c = matrix_at(whole->c, row, 0);
		part.rows = whole->rows - row < SHORT_ROWS ? whole->rows - row : SHORT_ROWS;
		struct few_product few = { .product = &part, .way = TILES };
		allocate_packed(&few);
		for (size_t panel = 0; panel < panels(&part); panel++)
			pack_panel(&few, panel, 0);
		for (size_t i = 0; i < pieces(part.columns, FEW_COLUMNS); i++)
			multiply_columns(&few, i, 0);
		free_packed(&few);
	}
}

/* ---- products of other kinds --------------------------------------------------------------------------- */

/* A number takes as long to transpose as tiles save on some two to four hundred products of it. */
bool worth_transposing(const struct product *p) {
	enum { USES = 512 };
	const bool a = !p->transpose_a || p->columns >= USES, b = p->transpose_b || p->rows >= USES;
	return has_tile_kernels(p) && !is_of_rows(p) && a && b;
}

/* A transposed copy of x, [rows, columns]. */
struct transposition { struct matrix x, copy; size_t rows, columns; };

/* An odd number of cache lines, so that rows do not all begin in a few sets of the cache. */
static size_t copy_stride(size_t rows) {
	const size_t lines = packed_inputs(rows) / 32;
	return (lines + 1 - lines % 2) * 32;
}

static void transpose_some(void *context, size_t first, size_t count) {
	const struct transposition *t = context;
	kernels()->transpose_bf16(t->copy.bf16 + first * t->copy.stride, t->x.bf16 + first, t->rows, count, t->copy.stride,
		t->x.stride);
}

static struct matrix transpose_to(bfloat16 *copy, struct pool *pool, struct matrix x, size_t rows, size_t columns) {
	enum { AT_ONCE = 96 };
	struct transposition t = { x, { .bf16 = copy, .stride = copy_stride(rows) }, rows, columns };
	run_rows(pool, columns, AT_ONCE, transpose_some, &t);
	return t.copy;
}

struct product transpose_operands(struct pool *pool, const struct product *p) {
	const size_t stride = copy_stride(p->inner), a_size = p->transpose_a ? p->rows * stride : 0;
	const size_t b_size = p->transpose_b ? 0 : p->columns * stride;
	bfloat16 *copies = pool_scratch(pool, (a_size + b_size) * sizeof *copies);
	struct product result = *p;
	if (p->transpose_a)
		result.a = transpose_to(copies, pool, p->a, p->inner, p->rows);
	if (!p->transpose_b)
		result.b = transpose_to(copies + a_size, pool, p->b, p->inner, p->columns);
	result.transpose_a = false;
	result.transpose_b = true;
	return result;
}
