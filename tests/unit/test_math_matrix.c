/* Products against plain loops in double precision; and cut into pieces, the same bits on any number of threads. */
#include "test.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "math/matrix.h"
#include "math/random.h"

static float *random_matrix(uint64_t seed, size_t rows, size_t row_length) {
	float *x = malloc((rows * row_length + 1) * sizeof *x);
	assert_non_null(x);
	random_normal(seed, 0, 1, x, rows * row_length);
	return x;
}

struct shape { size_t rows, columns, inner; };

/* Operands of a product, their rows a little longer than they need to be. */
struct operands {
	struct shape shape;
	bool transpose_a, transpose_b;
	size_t lda, ldb, ldc;
	float *a, *b, *c;
};

static struct operands random_operands(struct shape s, bool transpose_a, bool transpose_b) {
	struct operands o = { .shape = s, .transpose_a = transpose_a, .transpose_b = transpose_b };
	o.lda = (transpose_a ? s.rows : s.inner) + 3;
	o.ldb = (transpose_b ? s.inner : s.columns) + 5;
	o.ldc = s.columns + 7;
	o.a = random_matrix(1, transpose_a ? s.inner : s.rows, o.lda);
	o.b = random_matrix(2, transpose_b ? s.columns : s.inner, o.ldb);
	o.c = random_matrix(3, s.rows, o.ldc);
	return o;
}

static void free_operands(struct operands *o) {
	free(o->a);
	free(o->b);
	free(o->c);
}

static double expected_element(const struct operands *o, double alpha, double beta, double before, size_t i, size_t j) {
	double sum = 0;
	for (size_t k = 0; k < o->shape.inner; k++)
		sum += (double)(o->transpose_a ? o->a[k * o->lda + i] : o->a[i * o->lda + k])
			* (double)(o->transpose_b ? o->b[j * o->ldb + k] : o->b[k * o->ldb + j]);
	return alpha * sum + (beta == 0 ? 0 : beta * before);
}

/* What lies between the rows of C stays as it was. */
static void compare_with_plain(const struct operands *o, const float *before, double alpha, double beta) {
	for (size_t i = 0; i < o->shape.rows; i++)
		for (size_t j = 0; j < o->ldc; j++) {
			size_t at = i * o->ldc + j;
			double expected = j < o->shape.columns ? expected_element(o, alpha, beta, (double)before[at], i, j)
				: (double)before[at];
			double tolerance = 3e-6 * (1 + sqrt((double)o->shape.inner));
			if (!(fabs((double)o->c[at] - expected) <= tolerance))
				fail_msg("%zu x %zu x %zu, row %zu column %zu: %.9g, expected %.9g", o->shape.rows, o->shape.columns,
					o->shape.inner, i, j, (double)o->c[at], expected);
		}
}

static void test_multiply(void **state) {
	(void)state;
	const struct shape shapes[] = { { 1, 1, 1 }, { 3, 5, 7 }, { 17, 31, 64 }, { 100, 1, 33 }, { 1, 100, 33 }, { 5, 4, 0 } };
	const float alphas[] = { 1, 0.5f }, betas[] = { 0, 1, -0.25f };
	for (size_t s = 0; s < 6; s++)
		for (int variant = 0; variant < 24; variant++) {
			float alpha = alphas[variant / 4 % 2], beta = betas[variant / 8];
			struct operands o = random_operands(shapes[s], variant & 1, variant & 2);
			if (beta == 0) /* C need not be initialized */
				for (size_t i = 0; i < o.shape.rows; i++)
					for (size_t j = 0; j < o.shape.columns; j++)
						o.c[i * o.ldc + j] = NAN;
			float *before = malloc(o.shape.rows * o.ldc * sizeof *before);
			assert_non_null(before);
			memcpy(before, o.c, o.shape.rows * o.ldc * sizeof *before);
			multiply(o.transpose_a, o.transpose_b, o.shape.rows, o.shape.columns, o.shape.inner, alpha, o.a, o.lda, o.b,
				o.ldb, beta, o.c, o.ldc);
			compare_with_plain(&o, before, (double)alpha, (double)beta);
			free(before);
			free_operands(&o);
		}
}

/* Counts how often each row is reported, and doubles it, which only its finished elements survive. */
struct reported { const struct operands *operands; int *times; };

static void double_rows(void *context, size_t first_row, size_t rows) {
	const struct reported *reported = context;
	const struct operands *o = reported->operands;
	for (size_t i = first_row; i < first_row + rows; i++) {
		reported->times[i]++;
		for (size_t j = 0; j < o->shape.columns; j++)
			o->c[i * o->ldc + j] *= 2;
	}
}

static void run_rows(struct pool *pool, const struct operands *o) {
	struct reported reported = { o, calloc(o->shape.rows + 1, sizeof *reported.times) };
	assert_non_null(reported.times);
	multiply_rows(pool, o->transpose_a, o->transpose_b, o->shape.rows, o->shape.columns, o->shape.inner, 0.5f, o->a, o->lda,
		o->b, o->ldb, 0.5f, o->c, o->ldc, double_rows, &reported);
	for (size_t i = 0; i < o->shape.rows && o->shape.columns > 0; i++)
		assert_int_equal(reported.times[i], 1);
	free(reported.times);
}

static void run_tiles(struct pool *pool, const struct operands *o) {
	multiply_tiles(pool, o->transpose_a, o->transpose_b, o->shape.rows, o->shape.columns, o->shape.inner, 1, o->a, o->lda,
		o->b, o->ldb, 1, o->c, o->ldc);
}

/* The product by `run` on one thread equals the plain one, and on more threads is the same to the last bit. */
static void compare_threads(struct shape shape, bool transpose_a, bool transpose_b,
	void run(struct pool *pool, const struct operands *o)) {
	const int threads[] = { 1, 2, 3, 8, 16 };
	struct operands first = random_operands(shape, transpose_a, transpose_b);
	const size_t size = shape.rows * first.ldc * sizeof *first.c;
	float *before = malloc(size + 1);
	assert_non_null(before);
	memcpy(before, first.c, size);
	for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
		struct operands o = random_operands(shape, transpose_a, transpose_b);
		struct pool *pool = pool_create(threads[t]);
		run(pool, t == 0 ? &first : &o);
		if (t == 0)
			compare_with_plain(&first, before, 1, 1);
		else
			assert_memory_equal(o.c, first.c, size);
		pool_destroy(pool);
		free_operands(&o);
	}
	free(before);
	free_operands(&first);
}

static void test_pieces(void **state) {
	(void)state;
	/* One piece; several, with an odd edge; few rows; few columns; a long inner side. */
	const struct shape shapes[] = { { 0, 5, 4 }, { 5, 0, 4 }, { 1, 1, 1 }, { 60, 70, 80 }, { 700, 257, 130 },
		{ 33, 1701, 100 }, { 1701, 33, 100 }, { 391, 411, 217 } };
	for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
		for (int variant = 0; variant < 4; variant++) {
			compare_threads(shapes[s], variant & 1, variant & 2, run_rows);
			compare_threads(shapes[s], variant & 1, variant & 2, run_tiles);
		}
}

/* Sixteen threads in OpenBLAS at once, again and again. cmocka's assertions belong to the first thread, so they count. */
struct many { struct operands operands; atomic_int differences; };

static void multiply_many(void *context, size_t index, int worker) {
	(void)worker;
	struct many *many = context;
	const struct operands *o = &many->operands;
	float *c = random_matrix(index, o->shape.rows, o->shape.columns);
	for (int repeat = 0; repeat < 20; repeat++) {
		multiply(false, false, o->shape.rows, o->shape.columns, o->shape.inner, 1, o->a, o->lda, o->b, o->ldb, 0, c,
			o->shape.columns);
		for (size_t i = 0; i < o->shape.rows; i++)
			if (memcmp(c + i * o->shape.columns, o->c + i * o->ldc, o->shape.columns * sizeof *c) != 0)
				many->differences++;
	}
	free(c);
}

static void test_concurrent_calls(void **state) {
	(void)state;
	struct many many = { .operands = random_operands((struct shape){ 130, 140, 150 }, false, false) };
	const struct operands *o = &many.operands;
	multiply(false, false, o->shape.rows, o->shape.columns, o->shape.inner, 1, o->a, o->lda, o->b, o->ldb, 0, o->c, o->ldc);
	struct pool *pool = pool_create(16);
	pool_run(pool, 64, multiply_many, &many);
	pool_destroy(pool);
	assert_int_equal(many.differences, 0);
	free_operands(&many.operands);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_multiply),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_concurrent_calls),
	};
	return cmocka_run_group_tests_name("math/matrix", tests, NULL, NULL);
}
