/* The pieces are one BLAS call each. OpenBLAS copies ("packs") both operands of every call: a piece has to be large for
 * that to be cheap, and there have to be more pieces than threads for these to end together. */
#include "math/matrix.h"

#include <cblas.h>
#include <pthread.h>
#include <stdint.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void turn_off_blas_threads(void) {
	openblas_set_num_threads(1);
}

void multiply(bool transpose_a, bool transpose_b, size_t rows, size_t columns, size_t inner, float alpha,
	const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc) {
	pthread_once(&once, turn_off_blas_threads);
	cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
		(blasint)rows, (blasint)columns, (blasint)inner, alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

struct product {
	bool transpose_a, transpose_b;
	size_t rows, columns, inner;
	float alpha;
	const float *a;
	size_t lda;
	const float *b;
	size_t ldb;
	float beta;
	float *c;
	size_t ldc;
	size_t piece_rows, piece_columns;
	rows_done *done;
	void *context;
};

static size_t pieces(size_t whole, size_t piece) {
	return (whole + piece - 1) / piece;
}

static void multiply_piece(void *context, size_t index, int worker) {
	(void)worker;
	const struct product *p = context;
	size_t across = pieces(p->columns, p->piece_columns);
	size_t row = index / across * p->piece_rows, column = index % across * p->piece_columns;
	size_t rows = p->rows - row < p->piece_rows ? p->rows - row : p->piece_rows;
	size_t columns = p->columns - column < p->piece_columns ? p->columns - column : p->piece_columns;
	multiply(p->transpose_a, p->transpose_b, rows, columns, p->inner, p->alpha,
		p->transpose_a ? p->a + row : p->a + row * p->lda, p->lda,
		p->transpose_b ? p->b + column * p->ldb : p->b + column, p->ldb,
		p->beta, p->c + row * p->ldc + column, p->ldc);
	if (p->done != NULL)
		p->done(p->context, row, rows);
}

static void run_pieces(struct pool *pool, struct product *product) {
	pool_run(pool, pieces(product->rows, product->piece_rows) * pieces(product->columns, product->piece_columns),
		multiply_piece, product);
}

/* Products of fewer multiplications than this are not worth sharing out: a tenth of a millisecond. */
static const double least_work = 1 << 22;
/* As many pieces as keep the usual number of threads busy. */
enum { PIECES = 8 };

/* To a multiple of 32, which OpenBLAS's kernels take at a time, so that only the last piece has an odd edge. */
static size_t round_up(size_t n) {
	return (n + 31) / 32 * 32;
}

/* From 128 rows on, a core computes four fifths of what it does for 2048 rows; past 512 it gains little more. (Measured with
 * OpenBLAS 0.3.21 and AVX-512 at 768 x 3072: 85 GFLOP/s for 128 rows, 94 for 256, 99 for 512, 104 for 2048.) */
static size_t rows_of_piece(size_t rows, double work) {
	if (work < least_work)
		return rows;
	size_t piece = round_up((rows + PIECES - 1) / PIECES);
	size_t least = round_up((size_t)((double)rows * least_work / work));
	piece = piece < 128 ? 128 : piece > 512 ? 512 : piece;
	return piece < least ? least : piece;
}

void multiply_rows(struct pool *pool, bool transpose_a, bool transpose_b, size_t rows, size_t columns, size_t inner,
	float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc,
	rows_done *done, void *context) {
	if (rows == 0 || columns == 0)
		return;
	struct product product = { transpose_a, transpose_b, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc,
		.piece_rows = rows_of_piece(rows, (double)rows * (double)columns * (double)inner),
		.piece_columns = columns, .done = done, .context = context };
	run_pieces(pool, &product);
}

/* The longer side is halved until there are enough tiles, and until they are small, but not below 192 x 192. */
void multiply_tiles(struct pool *pool, bool transpose_a, bool transpose_b, size_t rows, size_t columns, size_t inner,
	float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc) {
	const double least_area = 192 * 192, large_area = 512 * 1024;
	if (rows == 0 || columns == 0)
		return;
	struct product product = { transpose_a, transpose_b, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc,
		.piece_rows = rows, .piece_columns = columns };
	for (;;) {
		double area = (double)product.piece_rows * (double)product.piece_columns;
		size_t count = pieces(rows, product.piece_rows) * pieces(columns, product.piece_columns);
		bool enough = count >= PIECES && area <= large_area;
		if (enough || area < 2 * least_area || area * (double)inner < 2 * least_work)
			break;
		size_t *longer = product.piece_rows >= product.piece_columns ? &product.piece_rows : &product.piece_columns;
		*longer = round_up(*longer / 2);
	}
	run_pieces(pool, &product);
}
