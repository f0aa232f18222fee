/* test_math_matrix: products are compared with plain loops in double precision, and products cut into pieces have the
 * same bits on any number of threads; so do products in bfloat16, by both ways of computing them. */
#include "test.h"

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "math/matrix.h"
#include "math/random.h"

static float *random_matrix(uint64_t seed, size_t rows, size_t row_length) {
	float *x = malloc((rows * row_length + 1) * sizeof *x);
	assert_non_null(x);
	random_normal(seed, 0, 1, x, rows * row_length);
	return x;
}

struct shape { size_t rows, columns, inner; };

/* What becomes of op(A) op(B). */
enum end { WRITTEN, ADDED, BIASED, ROUNDED, ROUNDED_AND_BIASED, ENDS };

/* A product of random operands, their rows a little longer than they need to be, and what C held before. */
struct operands { struct product product; float *before, *bias; };

static size_t elements_of_c(const struct product *p) {
	return p->rows * p->c.stride;
}

static size_t bytes_of_c(const struct product *p) {
	return elements_of_c(p) * (p->c.fp32 != NULL ? sizeof(float) : sizeof(bfloat16));
}

static void *numbers_of_c(const struct product *p) {
	return p->c.fp32 != NULL ? (void *)p->c.fp32 : (void *)p->c.bf16;
}

static struct matrix random_operand(uint64_t seed, size_t rows, size_t stride, bool rounded) {
	struct matrix matrix = { .fp32 = random_matrix(seed, rows, stride), .stride = stride };
	if (rounded) {
		matrix.bf16 = malloc((rows * stride + 1) * sizeof *matrix.bf16);
		assert_non_null(matrix.bf16);
		kernels()->round_to_bf16(matrix.bf16, matrix.fp32, 1, rows * stride, rows * stride);
	}
	return matrix;
}

static struct operands random_operands(struct shape s, bool transpose_a, bool transpose_b, enum end end, bool rounded) {
	struct product p = { s.rows, s.columns, s.inner, .transpose_a = transpose_a, .transpose_b = transpose_b,
		.add = end == ADDED };
	struct operands operands = { .bias = random_matrix(4, 1, s.columns) };
	p.a = random_operand(1, transpose_a ? s.inner : s.rows, (transpose_a ? s.rows : s.inner) + 3, rounded);
	p.b = random_operand(2, transpose_b ? s.columns : s.inner, (transpose_b ? s.inner : s.columns) + 5, rounded);
	p.c = random_operand(3, s.rows, s.columns + 7, end >= ROUNDED);
	p.bias = end == BIASED || end == ROUNDED_AND_BIASED ? operands.bias : NULL;
	for (size_t i = 0; i < s.rows && !p.add; i++) /* C need not be initialized */
		for (size_t j = 0; j < s.columns; j++)
			p.c.fp32[i * p.c.stride + j] = NAN;
	operands.before = p.c.fp32;
	p.c.fp32 = end >= ROUNDED ? NULL : malloc(elements_of_c(&p) * sizeof(float) + 1);
	if (p.c.fp32 != NULL)
		memcpy(p.c.fp32, operands.before, elements_of_c(&p) * sizeof(float));
	operands.product = p;
	return operands;
}

static void free_operands(struct operands *operands) {
	free(operands->product.a.fp32);
	free(operands->product.a.bf16);
	free(operands->product.b.fp32);
	free(operands->product.b.bf16);
	free(numbers_of_c(&operands->product));
	free(operands->before);
	free(operands->bias);
}

static double element(struct matrix matrix, size_t row, size_t column) {
	size_t at = row * matrix.stride + column;
	if (matrix.bf16 == NULL)
		return (double)matrix.fp32[at];
	const uint32_t bits = (uint32_t)matrix.bf16[at] << 16;
	float widened;
	memcpy(&widened, &bits, sizeof widened);
	return (double)widened;
}

static double expected_element(const struct operands *operands, size_t i, size_t j) {
	const struct product *p = &operands->product;
	double sum = p->add ? (double)operands->before[i * p->c.stride + j] : p->bias != NULL ? (double)p->bias[j] : 0;
	for (size_t k = 0; k < p->inner; k++)
		sum += (p->transpose_a ? element(p->a, k, i) : element(p->a, i, k))
			* (p->transpose_b ? element(p->b, j, k) : element(p->b, k, j));
	return sum;
}

/* C times `scale`. What lies between the rows of C stays as it was. */
static void compare_with_plain(const struct operands *operands, double scale) {
	const struct product *p = &operands->product;
	double unit = p->c.fp32 != NULL ? 0 : 0x1p-8; /* half a unit in the last place of 8 bits, at most */
	for (size_t i = 0; i < p->rows; i++)
		for (size_t j = 0; j < p->c.stride; j++) {
			bool outside = j >= p->columns;
			double expected = outside ? (double)operands->before[i * p->c.stride + j]
				: scale * expected_element(operands, i, j);
			double got = p->c.fp32 != NULL ? (double)p->c.fp32[i * p->c.stride + j] : element(p->c, i, j);
			double tolerance = 3e-6 * scale * (1 + sqrt((double)p->inner)) + unit * fabs(expected);
			if (!(fabs(got - expected) <= tolerance))
				fail_msg("%zu x %zu x %zu%s, row %zu column %zu: %.9g, expected %.9g", p->rows, p->columns, p->inner,
					p->a.bf16 != NULL ? " of bfloat16" : "", i, j, got, expected);
		}
}

/* Products that all libraries compute differently: single numbers, odd sizes, and one that oneDNN has a primitive of its
 * own for. A C in bfloat16 belongs to operands in bfloat16. */
static void compare_multiply(bool rounded) {
	const struct shape shapes[] = { { 1, 1, 1 }, { 3, 5, 7 }, { 17, 31, 64 }, { 100, 1, 33 }, { 1, 100, 33 },
		{ 192, 160, 141 } };
	for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
		for (int transposed = 0; transposed < 4; transposed++)
			for (enum end end = WRITTEN; end < (rounded ? ENDS : ROUNDED); end++) {
				struct operands o = random_operands(shapes[s], transposed & 1, transposed & 2, end, rounded);
				multiply(&o.product);
				compare_with_plain(&o, 1);
				free_operands(&o);
			}
}

static void test_multiply(void **state) {
	(void)state;
	compare_multiply(false);
}

static void test_multiply_bf16(void **state) {
	(void)state;
	compare_multiply(true);
}

/* As on a processor without bfloat16, in a process in which oneDNN was not asked yet: this test comes first. */
static void test_widened_bf16(void **state) {
	(void)state;
	for (int variant = 0; variant < 4 * ENDS; variant++) {
		struct operands o = random_operands((struct shape){ 70, 51, 130 }, variant & 1, variant & 2,
			(enum end)(variant / 4), true);
		size_t size = bytes_of_c(&o.product);
		void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		assert_true(shared != MAP_FAILED);
		pid_t child = fork();
		if (child == 0) {
			setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
			multiply(&o.product);
			memcpy(shared, numbers_of_c(&o.product), size);
			_exit(bf16_is_fast());
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		memcpy(numbers_of_c(&o.product), shared, size);
		compare_with_plain(&o, 1);
		munmap(shared, size);
		free_operands(&o);
	}
}

/* Counts how often each row is reported, and doubles it, which only its finished elements survive. */
struct reported { const struct product *product; int *times; };

static void double_rows(void *context, size_t first_row, size_t rows) {
	const struct reported *reported = context;
	const struct product *p = reported->product;
	for (size_t i = first_row; i < first_row + rows; i++) {
		reported->times[i]++;
		for (size_t j = 0; j < p->columns; j++)
			p->c.fp32[i * p->c.stride + j] *= 2;
	}
}

enum way { ROWS, TILES, SHORT };

static void multiply_by(struct pool *pool, const struct product *product, enum way way) {
	struct reported reported = { product, calloc(product->rows + 1, sizeof *reported.times) };
	assert_non_null(reported.times);
	(way == SHORT ? multiply_short : multiply_rows)(pool, product, double_rows, &reported);
	for (size_t i = 0; i < product->rows && product->columns > 0; i++)
		assert_int_equal(reported.times[i], 1);
	free(reported.times);
}

/* The product cut into rows, tiles or columns, on one thread equals the plain one, and on more threads is the same to
 * the last bit. */
static void compare_threads(struct shape shape, bool transpose_a, bool transpose_b, bool rounded, enum way way) {
	const enum end end = way == SHORT || transpose_a ? BIASED : ADDED;
	const int threads[] = { 1, 3, 16 };
	struct operands first = random_operands(shape, transpose_a, transpose_b, end, rounded);
	for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
		struct operands o = random_operands(shape, transpose_a, transpose_b, end, rounded);
		struct pool *pool = pool_create(threads[t], &(struct failure){ 0 });
		if (way == TILES)
			multiply_tiles(pool, t == 0 ? &first.product : &o.product);
		else
			multiply_by(pool, t == 0 ? &first.product : &o.product, way);
		if (t == 0)
			compare_with_plain(&first, way == TILES ? 1 : 2);
		else
			assert_memory_equal(o.product.c.fp32, first.product.c.fp32, bytes_of_c(&o.product));
		pool_destroy(pool);
		free_operands(&o);
	}
	free_operands(&first);
}

static void test_pieces(void **state) {
	(void)state;
	/* One piece; pieces of rows, with an odd edge; few rows; rows that are cut into columns, too; few columns; tiles that are
	 * cut both ways; enough rows and columns to transpose what is not of rows. These are hardly larger than they have to be
	 * for that, so that an emulated processor is done with them in a minute. */
	const struct shape shapes[] = { { 0, 5, 4 }, { 5, 0, 4 }, { 1, 1, 1 }, { 60, 70, 80 }, { 300, 257, 130 },
		{ 33, 401, 100 }, { 300, 801, 70 }, { 1701, 33, 100 }, { 391, 411, 115 }, { 523, 514, 70 } };
	for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
		for (int variant = 0; variant < 16; variant++)
			if (shapes[s].inner > 4 || !(variant & 4)) /* single numbers and nothing are not worth rounding */
				compare_threads(shapes[s], variant & 1, variant & 2, variant & 4, variant & 8 ? TILES : ROWS);
}

/* One row, as many as kernels->multiply_few() takes, one more, and as many as are cut into columns, and one more. */
static void test_few_rows(void **state) {
	(void)state;
	static const size_t rows[] = { 0, 1, 2, 4, 7, 16, 17, 128, 129 };
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
		for (int variant = 0; variant < 8; variant++) {
			compare_threads((struct shape){ rows[r], 301, 97 }, variant & 1, variant & 2, variant & 4, SHORT);
			compare_threads((struct shape){ rows[r], 3, 300 }, variant & 1, variant & 2, variant & 4, SHORT);
		}
}

/* Whatever becomes of them. */
static void test_ends_of_few_rows(void **state) {
	(void)state;
	struct pool *pool = pool_create(2, &(struct failure){ 0 });
	for (size_t rows = 1; rows <= 17; rows += 8)
		for (int rounded = 0; rounded < 2; rounded++)
			for (enum end end = WRITTEN; end < (rounded ? ENDS : ROUNDED); end++) {
				struct operands o = random_operands((struct shape){ rows, 301, 97 }, false, true, end, rounded);
				multiply_short(pool, &o.product, NULL, NULL);
				compare_with_plain(&o, 1);
				free_operands(&o);
			}
	pool_destroy(pool);
}

/* Sixteen threads in the libraries at once, again and again. cmocka's assertions belong to the first thread, so they
 * count. */
struct many { struct operands operands; atomic_int differences; };

static void multiply_many(void *context, size_t index, int worker) {
	(void)worker;
	struct many *many = context;
	struct product product = many->operands.product;
	product.c.fp32 = random_matrix(index, product.rows, product.c.stride);
	for (int repeat = 0; repeat < 8; repeat++) {
		multiply(&product);
		for (size_t i = 0; i < product.rows; i++)
			if (memcmp(product.c.fp32 + i * product.c.stride, many->operands.product.c.fp32 + i * product.c.stride,
				product.columns * sizeof *product.c.fp32) != 0)
				many->differences++;
	}
	free(product.c.fp32);
}

static void compare_concurrent(struct operands operands) {
	struct many many = { .operands = operands };
	multiply(&many.operands.product);
	struct pool *pool = pool_create(16, &(struct failure){ 0 });
	pool_run(pool, 64, multiply_many, &many);
	pool_destroy(pool);
	assert_int_equal(many.differences, 0);
	free_operands(&many.operands);
}

static void test_concurrent_calls(void **state) {
	(void)state;
	/* A product that OpenBLAS does not take for a small one. */
	for (int rounded = 0; rounded < 2; rounded++)
		compare_concurrent(random_operands((struct shape){ 104, 103, 102 }, false, false, WRITTEN, rounded));
	if (!bf16_is_fast())
		return;
	/* One that oneDNN has a primitive of its own for, and scratch memory, without gaps between the rows. */
	struct operands dense = random_operands((struct shape){ 128, 192, 192 }, false, false, WRITTEN, true);
	dense.product.a.stride = dense.product.b.stride = dense.product.c.stride = 192;
	compare_concurrent(dense);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widened_bf16),
		cmocka_unit_test(test_multiply),
		cmocka_unit_test(test_multiply_bf16),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_few_rows),
		cmocka_unit_test(test_ends_of_few_rows),
		cmocka_unit_test(test_concurrent_calls),
	};
	return cmocka_run_group_tests_name("math/matrix", tests, NULL, NULL);
}
