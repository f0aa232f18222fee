/* matrix: cuts a matrix product into pieces and computes each by one call: of oneDNN where that is fast, of OpenBLAS
 * elsewhere. Both libraries copy ("pack") the operands of every call, which is cheap only for large pieces; yet there
 * have to be more pieces than threads, so that the threads finish at about the same time. Where kernels that do not copy
 * the weights are faster, they compute the pieces (matrix_kernels.c). */
#include "math/matrix.h"

#include <cblas.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/matrix_kernels.h"
#include "math/matrix_onednn.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void turn_off_blas_threads(void) {
	openblas_set_num_threads(1);
}

/* What OpenBLAS takes for itself when a thread first calls it: it maps a buffer of 128 MB (BUFFER_SIZE of its
 * common_x86_64.h), of which it touches little, and tries again for ever where it gets none. */
enum { OPENBLAS_BYTES = 130 << 20 };

/* Whether this thread's first product is computed; how many threads compute their first. */
static _Thread_local bool begun;
static atomic_size_t beginning;

/* Before a thread's first product. */
static void begin_product(size_t bytes) {
	memory_require(bytes * (atomic_fetch_add(&beginning, 1) + 1));
}

static void end_product(void) {
	begun = true;
	atomic_fetch_sub(&beginning, 1);
}

static void multiply_openblas(const struct product *p) {
	pthread_once(&once, turn_off_blas_threads);
	cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans, p->transpose_b ? CblasTrans : CblasNoTrans,
		(blasint)p->rows, (blasint)p->columns, (blasint)p->inner, 1, p->a.fp32, (blasint)p->a.stride, p->b.fp32,
		(blasint)p->b.stride, p->add ? 1 : 0, p->c.fp32, (blasint)p->c.stride);
}

/* Exact products: a float holds the product of two numbers of 8 significant bits. */
static void multiply_widened(const struct product *p) {
	struct product wide = *p;
	wide.a = p->transpose_a ? widen(p->a, p->inner, p->rows) : widen(p->a, p->rows, p->inner);
	wide.b = p->transpose_b ? widen(p->b, p->columns, p->inner) : widen(p->b, p->inner, p->columns);
	if (p->c.fp32 == NULL)
		wide.c = float_matrix(allocate(p->rows * p->columns, sizeof(float)), p->columns);
	multiply(&wide);
	free(wide.a.fp32);
	free(wide.b.fp32);
	if (p->c.fp32 == NULL) {
		round_result(p->c, wide.c, p->rows, p->columns);
		free(wide.c.fp32);
	}
}

/* Computes the product; the bias of one of floats is left to multiply(). */
static void multiply_only(const struct product *product) {
	if (has_tiles(product)) {
		multiply_by_tiles(product);
		return;
	}
	const struct onednn fast = onednn_is_fast();
	const bool onednn = is_bf16(product) ? fast.bf16 : fast.fp32, first = !begun;
	if (!onednn && is_bf16(product)) {
		multiply_widened(product);
		return;
	}
	if (first)
		begin_product(onednn ? ONEDNN_BYTES : OPENBLAS_BYTES);
	if (onednn)
		multiply_onednn(product);
	else
		multiply_openblas(product);
	if (first)
		end_product();
}

void multiply(const struct product *product) {
	multiply_only(product);
	if (product->bias != NULL && !is_bf16(product))
		kernels()->add_bias(product->c.fp32, product->bias, product->rows, product->columns, product->c.stride);
}

bool bf16_is_fast(void) {
	return onednn_is_fast().bf16;
}

size_t fast_stride(size_t columns) {
	size_t lines = (columns + 15) / 16 * 16;
	return lines % 1024 == 0 ? lines + 16 : lines;
}

struct matrix matrix_at(struct matrix matrix, size_t row, size_t column) {
	size_t offset = row * matrix.stride + column;
	return (struct matrix){ matrix.fp32 != NULL ? matrix.fp32 + offset : NULL,
		matrix.bf16 != NULL ? matrix.bf16 + offset : NULL, matrix.stride };
}

/* ---- pieces -------------------------------------------------------------------------------------------- */

/* Rows of C that are completed at a time: 16 rows of 3072 floats fill a fifth of a second-level cache. */
enum { DONE_ROWS = 16 };

struct cut {
	const struct product *product;
	size_t rows, columns; /* of a piece */
	row_work *done;
	void *context;
	atomic_size_t *left;  /* [blocks of rows] the pieces of each that are not computed yet; NULL: `done` is NULL */
};

struct row_blocks { size_t rows, block; row_work *work; void *context; };

static void work_on_block(void *context, size_t index, int worker) {
	const struct row_blocks *blocks = context;
	size_t first = index * blocks->block, left = blocks->rows - first;
	(void)worker;
	blocks->work(blocks->context, first, left < blocks->block ? left : blocks->block);
}

void run_rows(struct pool *pool, size_t rows, size_t block, row_work *work, void *context) {
	struct row_blocks blocks = { rows, block, work, context };
	pool_run(pool, pieces(rows, block), work_on_block, &blocks);
}

/* Calls `done` for the rows from `first` on, a few at a time. */
static void finish_rows(const struct cut *cut, size_t first, size_t rows) {
	for (size_t r = 0; r < rows; r += DONE_ROWS)
		cut->done(cut->context, first + r, rows - r < DONE_ROWS ? rows - r : DONE_ROWS);
}

static void multiply_piece(void *context, size_t index, int worker) {
	(void)worker;
	const struct cut *cut = context;
	const struct product *whole = cut->product;
	size_t across = pieces(whole->columns, cut->columns), block = index / across;
	size_t row = block * cut->rows, column = index % across * cut->columns;
	struct product piece = *whole;
	piece.rows = whole->rows - row < cut->rows ? whole->rows - row : cut->rows;
	piece.columns = whole->columns - column < cut->columns ? whole->columns - column : cut->columns;
	piece.a = whole->transpose_a ? matrix_at(whole->a, 0, row) : matrix_at(whole->a, row, 0);
	piece.b = whole->transpose_b ? matrix_at(whole->b, column, 0) : matrix_at(whole->b, 0, column);
	piece.bias = whole->bias != NULL ? whole->bias + column : NULL;
	piece.c = matrix_at(whole->c, row, column);
	multiply(&piece);
	if (cut->done != NULL && atomic_fetch_sub(&cut->left[block], 1) == 1)
		finish_rows(cut, row, piece.rows);
}

static void run_pieces(struct pool *pool, struct cut *cut) {
	const size_t blocks = pieces(cut->product->rows, cut->rows), across = pieces(cut->product->columns, cut->columns);
	if (cut->done != NULL) {
		cut->left = allocate(blocks, sizeof *cut->left);
		for (size_t block = 0; block < blocks; block++)
			atomic_init(&cut->left[block], across);
	}
	pool_run(pool, blocks * across, multiply_piece, cut);
	free(cut->left);
}

/* The number of pieces that a library gets of a large product at least, unless they would be too small. */
enum { PIECES = 16 };

/* Rounds up to a multiple of 32, the block of OpenBLAS's kernels, so that only the last piece has a partial block. */
static size_t round_up(size_t n) {
	return (n + 31) / 32 * 32;
}

static double work_of(size_t rows, size_t columns, size_t inner) {
	return (double)rows * (double)columns * (double)inner;
}

/* A piece of 128 rows runs at four fifths of the speed of 2048 rows; pieces of more than 1024 rows are not faster.
 * (Measured on one core with AVX-512 at 768 x 3072: OpenBLAS 0.3.21, 85 GFLOP/s for 128 rows, 91 for 256, 96 for 512,
 * 99 for 1024 and 2048; oneDNN 2.6 in bfloat16, 197 for 256, 201 for 512, 209 for 1024, 211 for 2048.) */
static size_t rows_of_piece(const struct product *product) {
	enum { BLOCKS = 8 };
	const double work = work_of(product->rows, product->columns, product->inner);
	if (work < least_work)
		return product->rows;
	size_t piece = round_up((product->rows + BLOCKS - 1) / BLOCKS);
	size_t least = round_up((size_t)((double)product->rows * least_work / work));
	piece = piece < 128 ? 128 : piece > 1024 ? 1024 : piece;
	return piece < least ? least : piece;
}

/* Where blocks of rows are fewer than wanted, they are cut into columns, 384 of them at least: pieces of 256 x 384 run at
 * 97 % of the speed of 256 x 3072. (Measured on two threads, AVX-512, oneDNN 2.6, and AVX2, OpenBLAS 0.3.21.) */
static size_t columns_of_piece(const struct product *product, size_t rows, size_t wanted) {
	enum { LEAST_COLUMNS = 384 };
	size_t columns = product->columns;
	while (pieces(product->rows, rows) * pieces(product->columns, columns) < wanted && columns >= 2 * (size_t)LEAST_COLUMNS
			&& work_of(rows, columns, product->inner) >= 2 * least_work)
		columns = round_up(columns / 2);
	return columns;
}

/* The results of tiles do not depend on the pieces, so these follow the number of threads. */
void multiply_rows(struct pool *pool, const struct product *product, row_work *done, void *context) {
	if (product->rows == 0 || product->columns == 0)
		return;
	if (worth_transposing(product)) {
		const struct product transposed = transpose_operands(pool, product);
		multiply_rows(pool, &transposed, done, context);
		return;
	}
	const bool tiles = has_tiles(product);
	struct cut cut = { .product = product, .rows = tiles ? SHORT_ROWS : rows_of_piece(product), .done = done,
		.context = context };
	cut.columns = columns_of_piece(product, cut.rows, tiles ? 2 * (size_t)pool_threads(pool) : PIECES);
	run_pieces(pool, &cut);
}

/* Rows and columns are halved, so that pieces become up to four times as wide as they have rows, until there are enough of
 * them and they are small enough, but never below an area of 192 x 192. (Measured as above, two threads, inner 2048, GFLOP/s
 * of AVX-512: 768 x 3072 in pieces of 192 x 768 330, of 384 x 384 328, of 96 x 1536 306; 3072 x 768 of 192 x 768 297, of 384 x
 * 384 288, of 192 x 192 245.) */
void multiply_tiles(struct pool *pool, const struct product *product) {
	const double least_area = 192 * 192, large_area = 512 * 1024;
	if (product->rows == 0 || product->columns == 0)
		return;
	if (worth_transposing(product)) {
		multiply_rows(pool, product, NULL, NULL);
		return;
	}
	struct cut cut = { .product = product, .rows = product->rows, .columns = product->columns };
	for (;;) {
		double area = (double)cut.rows * (double)cut.columns;
		size_t count = pieces(product->rows, cut.rows) * pieces(product->columns, cut.columns);
		bool enough = count >= PIECES && area <= large_area;
		if (enough || area < 2 * least_area || work_of(cut.rows, cut.columns, product->inner) < 2 * least_work)
			break;
		size_t *halved = 4 * cut.rows >= cut.columns ? &cut.rows : &cut.columns;
		*halved = round_up(*halved / 2);
	}
	run_pieces(pool, &cut);
}

/* ---- few rows ------------------------------------------------------------------------------------------ */

void multiply_short(struct pool *pool, const struct product *product, row_work *done, void *context) {
	if (product->rows > SHORT_ROWS || product->rows == 0 || product->columns == 0) {
		multiply_rows(pool, product, done, context);
		return;
	}
	if (!multiply_by_kernels(pool, product)) {
		enum { SHARES = 8 };
		size_t columns = round_up((product->columns + SHARES - 1) / SHARES);
		struct cut cut = { .product = product, .rows = product->rows, .columns = columns < 192 ? 192 : columns };
		run_pieces(pool, &cut);
	}
	if (done != NULL)
		run_rows(pool, product->rows, 1, done, context);
}
