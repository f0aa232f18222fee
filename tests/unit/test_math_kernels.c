/* test_math_kernels: every version of every kernel is compared with plain loops in double precision, and every backward
 * kernel with central differences of such a loop. Rows end at the end of their memory (AddressSanitizer) or at a
 * guard. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "math/kernels.h"
#include "math/random.h"

#define EACH_VERSION(k) \
	for (const struct kernels *const *version = kernels_available(), *k; (k = *version) != NULL; version++)

static const size_t sizes[] = { 0, 1, 3, 7, 8, 15, 16, 17, 31, 64, 100, 257 };
enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- arrays and comparison ----------------------------------------------------------------------------- */

static const float guard = 12345.5f;

/* count floats and a guard after them. */
static float *new_floats(size_t count) {
	float *x = malloc((count + 1) * sizeof *x);
	assert_non_null(x);
	x[count] = guard;
	return x;
}

static void end_floats(float *x, size_t count) {
	assert_true(x[count] == guard);
	free(x);
}

static float *random_floats(uint64_t seed, float deviation, size_t count) {
	float *x = new_floats(count);
	random_normal(seed, 0, deviation, x, count);
	return x;
}

static float *copy_floats(const float *x, size_t count) {
	float *y = new_floats(count);
	if (count > 0)
		memcpy(y, x, count * sizeof *x);
	return y;
}

/* |got - expected| at most tolerance * max(1, |expected|). */
static void near(const char *what, const char *version, size_t index, double got, double expected, double tolerance) {
	if (isnan(expected) ? isnan(got) : got == expected)
		return;
	if (!(fabs(got - expected) <= tolerance * fmax(1, fabs(expected))))
		fail_msg("%s, %s, element %zu: %.9g, expected %.9g", what, version, index, got, expected);
}

/* The derivative of `loss` in *variable. */
static double slope_of(double loss(void *context), void *context, double *variable) {
	const double center = *variable, step = 1e-5;
	*variable = center + step;
	double above = loss(context);
	*variable = center - step;
	double below = loss(context);
	*variable = center;
	return (above - below) / (2 * step);
}

/* ---- the choice ---------------------------------------------------------------------------------------- */

/* What CLOZE_KERNELS=name chooses in a process of its own: 0 when it is the version of that name, else its exit
 * status. */
static int choice(const char *name) {
	pid_t child = fork();
	if (child == 0) {
		assert_non_null(freopen("/dev/null", "w", stderr));
		setenv("CLOZE_KERNELS", name, 1);
		_exit(strcmp(kernels()->name, name) == 0 ? 0 : 1);
	}
	int status = -1;
	assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Runs first: the choice is made once a process. */
static void test_choice(void **state) {
	(void)state;
	assert_int_equal(choice("portable"), 0);
#if defined(__aarch64__) && !defined(CLOZE_PORTABLE)
	assert_int_equal(choice("neon"), 0);
#endif
	assert_int_equal(choice("abacus"), 1); /* the best, as where nothing is chosen */
	unsetenv("CLOZE_KERNELS");
	assert_ptr_equal(kernels(), kernels_available()[0]);
	EACH_VERSION(k)
		print_message("# version %s\n", k->name);
}

/* ---- biases -------------------------------------------------------------------------------------------- */

static void test_add_bias(void **state) {
	(void)state;
	EACH_VERSION(k) for (size_t s = 0; s < SIZES; s++) for (size_t extra = 0; extra <= 5; extra += 5) {
		const size_t N = 200, C = sizes[s], stride = C + extra;
		float *x = random_floats(1, 1, N * stride), *bias = random_floats(2, 1, C), *y = copy_floats(x, N * stride);
		k->add_bias(y, bias, N, C, stride);
		for (size_t i = 0; i < N * stride; i++)
			near("add_bias", k->name, i, (double)y[i],
				i % stride < C ? (double)(x[i] + bias[i % stride]) : (double)x[i], 0);

		float *dbias = copy_floats(bias, C);
		k->add_bias_backward(dbias, x, N, C, stride);
		for (size_t c = 0; c < C; c++) {
			double sum = (double)bias[c];
			for (size_t n = 0; n < N; n++)
				sum += (double)x[n * stride + c];
			near("add_bias_backward", k->name, c, (double)dbias[c], sum, 1e-5);
		}
		end_floats(x, N * stride), end_floats(y, N * stride), end_floats(bias, C), end_floats(dbias, C);
	}
}

/* ---- activations --------------------------------------------------------------------------------------- */

static double activation_of(enum activation activation, double x) {
	switch (activation) {
	case ACTIVATION_GELU: return x * 0.5 * erfc(-x / sqrt(2));
	case ACTIVATION_GELU_NEW: return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
	case ACTIVATION_RELU: return x > 0 || isnan(x) ? x : 0;
	case ACTIVATION_SILU: return x / (1 + exp(-x));
	case ACTIVATION_QUICK_GELU: return x / (1 + exp(-1.702 * x));
	case ACTIVATION_MISH: return x * tanh(x > 40 ? x : log1p(exp(x)));
	case ACTIVATIONS: break;
	}
	return NAN;
}

struct activation_point { enum activation activation; double x; };

static double activation_loss(void *context) {
	const struct activation_point *point = context;
	return activation_of(point->activation, point->x);
}

/* The nearest of the two neighbours, the even one of two as near, found by their distance; and what has no
 * neighbours. */
static void test_round_to_bf16(void **state) {
	(void)state;
	const float specials[] = { 0, -0.0f, INFINITY, -INFINITY, NAN, -NAN, 1 + 0x1p-8f, 1 + 0x3p-8f, -1 - 0x1p-8f,
		0x1.fffffep127f, 0x1.fefffep127f, 0x1p-149f, 0x1.8p-134f, 0x1p-126f };
	enum { SPECIALS = sizeof specials / sizeof *specials };
	const uint16_t expected[SPECIALS] = { 0, 0x8000, 0x7f80, 0xff80, 0, 0, 0x3f80, 0x3f82, 0xbf80, 0x7f80, 0x7f7f, 0, 1,
		0x80 };
	EACH_VERSION(k) {
		bfloat16 got[SPECIALS];
		k->round_to_bf16(got, specials, 1, SPECIALS, SPECIALS);
		for (size_t i = 0; i < SPECIALS; i++)
			if (isnan(specials[i]))
				assert_true((got[i] & 0x7f80) == 0x7f80 && (got[i] & 0x7f) != 0);
			else if (fpclassify(specials[i]) == FP_SUBNORMAL && strstr(k->name, "_bf16") != NULL)
				assert_int_equal(got[i], 0);
			else
				assert_int_equal(got[i], expected[i]);

		for (size_t s = 0; s < SIZES; s++) {
			const size_t N = 3, C = sizes[s], stride = C + 2;
			float *x = random_floats(s, 1, N * stride);
			bfloat16 *y = malloc(N * stride * sizeof *y + 1);
			assert_non_null(y);
			memset(y, 0x55, N * stride * sizeof *y);
			k->round_to_bf16(y, x, N, C, stride);
			for (size_t i = 0; i < N * stride; i++) {
				const uint32_t bits = (uint32_t)y[i] << 16;
				float rounded;
				memcpy(&rounded, &bits, sizeof rounded);
				if (i % stride >= C)
					assert_int_equal(y[i], 0x5555);
				else
					near("round_to_bf16", k->name, i, (double)rounded / (double)x[i], 1, 0x1p-8);
			}
			free(y);
			end_floats(x, N * stride);
		}
	}
}

static bfloat16 *rounded_copy(const float *x, size_t count) {
	bfloat16 *y = malloc(count * sizeof *y + 1);
	assert_non_null(y);
	kernels()->round_to_bf16(y, x, 1, count, count);
	return y;
}

static float *widened_copy(const bfloat16 *x, size_t count) {
	float *y = new_floats(count);
	for (size_t i = 0; i < count; i++) {
		const uint32_t bits = (uint32_t)x[i] << 16;
		memcpy(&y[i], &bits, sizeof bits);
	}
	return y;
}

/* The kernels on rounded numbers are those on floats, rounded once. */
static void test_bf16_kernels(void **state) {
	(void)state;
	EACH_VERSION(k) for (size_t s = 0; s < SIZES; s++) {
		const size_t C = sizes[s], N = 70, stride = C + 3;
		float *x = random_floats(6, 3, N * stride), *ones = new_floats(C), *y = new_floats(C), *slope = new_floats(C);
		bfloat16 *rounded = rounded_copy(x, N * stride);
		float *widened = widened_copy(rounded, N * stride);
		float *sums = random_floats(7, 1, C), *expected_sums = copy_floats(sums, C);
		k->add_bias_backward_bf16(sums, rounded, N, C, stride);
		k->add_bias_backward(expected_sums, widened, N, C, stride);
		assert_memory_equal(sums, expected_sums, C * sizeof *sums);

		for (size_t c = 0; c < C; c++)
			ones[c] = 1;
		for (int a = ACTIVATION_GELU; a < ACTIVATIONS; a++) {
			k->activate((enum activation)a, y, widened, C);
			k->activate_backward((enum activation)a, slope, ones, widened, C);
			bfloat16 *expected = rounded_copy(y, C), *expected_slope = rounded_copy(slope, C);
			bfloat16 *got = rounded_copy(ones, C), *got_slope = rounded_copy(widened, C);
			k->activate_bf16((enum activation)a, got, NULL, rounded, C);
			assert_memory_equal(got, expected, C * sizeof *got);
			memset(got, 0, C * sizeof *got);
			k->activate_bf16((enum activation)a, got, got_slope, got_slope, C);
			assert_memory_equal(got, expected, C * sizeof *got);
			assert_memory_equal(got_slope, expected_slope, C * sizeof *got_slope);

			float *factor = widened_copy(got_slope, C);
			for (size_t c = 0; c < C; c++)
				y[c] = widened[c] * factor[c];
			bfloat16 *dx = rounded_copy(widened, C), *expected_dx = rounded_copy(y, C);
			k->activate_backward_bf16(dx, got_slope, C);
			assert_memory_equal(dx, expected_dx, C * sizeof *dx);
			free(expected), free(expected_slope), free(got), free(got_slope), free(dx), free(expected_dx);
			end_floats(factor, C);
		}
		free(rounded);
		end_floats(x, N * stride), end_floats(widened, N * stride), end_floats(ones, C), end_floats(y, C);
		end_floats(slope, C), end_floats(sums, C), end_floats(expected_sums, C);
	}
}

/* Against plain sums, and the same bits however rows and outputs are cut. x and w are what `function` multiplies. */
static void compare_few(const char *version, void function(const struct few_rows *), struct few_rows whole, size_t size,
	const float *x, const float *w) {
	float *part = new_floats(whole.rows * whole.outputs);
	function(&whole);
	for (size_t n = 0; n < whole.rows; n++)
		for (size_t o = 0; o < whole.outputs; o++) {
			size_t at = n * whole.outputs + o;
			double sum = 0;
			for (size_t i = 0; i < whole.inputs; i++)
				sum += (double)x[n * whole.x_stride + i] * (double)w[o * whole.w_stride + i];
			near("multiply_few", version, at, (double)whole.y[at], sum, 1e-5);
			struct few_rows one = whole;
			one.rows = one.outputs = 1;
			one.y = part + at;
			one.x = (const char *)whole.x + n * whole.x_stride * size;
			one.w = (const char *)whole.w + o * whole.w_stride * size;
			function(&one);
		}
	assert_memory_equal(whole.y, part, whole.rows * whole.outputs * sizeof *part);
	end_floats(part, whole.rows * whole.outputs);
}

typedef void few_kernel(const struct few_rows *product);

/* Random products of floats, and of the same rounded unless `rounded` is NULL. */
static void compare_both(const char *version, size_t rows, size_t outputs, size_t inputs, few_kernel *exact,
	few_kernel *rounded) {
	const size_t stride = inputs + 3;
	float *x = random_floats(21, 1, rows * stride), *w = random_floats(22, 1, outputs * stride);
	bfloat16 *x_rounded = rounded_copy(x, rows * stride), *w_rounded = rounded_copy(w, outputs * stride);
	float *x_widened = widened_copy(x_rounded, rows * stride), *w_widened = widened_copy(w_rounded, outputs * stride);
	float *y = new_floats(rows * outputs);
	struct few_rows product = { .y = y, .x = x, .w = w, .rows = rows, .outputs = outputs, .inputs = inputs,
		.y_stride = outputs, .x_stride = stride, .w_stride = stride };
	compare_few(version, exact, product, sizeof *x, x, w);
	product.x = x_rounded;
	product.w = w_rounded;
	if (rounded != NULL)
		compare_few(version, rounded, product, sizeof *x_rounded, x_widened, w_widened);
	free(x_rounded), free(w_rounded);
	end_floats(x_widened, rows * stride), end_floats(w_widened, outputs * stride);
	end_floats(x, rows * stride), end_floats(w, outputs * stride), end_floats(y, rows * outputs);
}

static void test_multiply_few(void **state) {
	(void)state;
	EACH_VERSION(k) for (size_t s = 0; s < SIZES; s++)
		compare_both(k->name, 9, 11, sizes[s], k->multiply_few, k->multiply_few_bf16);
}

/* The version whose kernels for packed rows are tested. */
static const struct kernels *packing;

static void pack_and_multiply(const struct few_rows *product, bool rounded) {
	const size_t P = packing->panel_rows, rows = (product->rows + P - 1) / P * P;
	const size_t count = rows * packed_inputs(product->inputs);
	float *packed = new_floats(count);
	struct few_rows with_packed = *product;
	memset(packed, 0, count * sizeof *packed);
	with_packed.x = packed;
	if (rounded) {
		packing->pack_rows_bf16((bfloat16 *)packed, product->x, product->rows, product->inputs, product->x_stride);
		packing->multiply_packed_bf16(&with_packed);
	} else {
		packing->pack_rows(packed, product->x, product->rows, product->inputs, product->x_stride);
		packing->multiply_packed(&with_packed);
	}
	end_floats(packed, count);
}

static void multiply_packed(const struct few_rows *product) {
	pack_and_multiply(product, false);
}

static void multiply_packed_bf16(const struct few_rows *product) {
	pack_and_multiply(product, true);
}

/* Part of a panel, one that is hardly longer than half of it, whole ones and a row; and of outputs, less and more than a
 * kernel has sums for at a time. */
static void test_multiply_packed(void **state) {
	(void)state;
	EACH_VERSION(k) for (size_t variant = 0; k->multiply_packed != NULL && variant < 9 * SIZES; variant++) {
		const size_t P = k->panel_rows, rows = (const size_t[]){ P / 2, P / 2 + 1, 2 * P + 1 }[variant % 3];
		const size_t outputs = (const size_t[]){ 3, 29, 64 }[variant / 3 % 3];
		packing = k;
		compare_both(k->name, rows, outputs, sizes[variant / 9], multiply_packed,
			k->multiply_packed_bf16 != NULL ? multiply_packed_bf16 : NULL);
	}
}

/* What lies beside the result stays as it was. */
static void test_transpose_bf16(void **state) {
	(void)state;
	EACH_VERSION(k) for (size_t variant = 0; k->transpose_bf16 != NULL && variant < SIZES * SIZES; variant++) {
		const size_t N = sizes[variant / SIZES], C = sizes[variant % SIZES], x_stride = C + 3, y_stride = N + 5;
		float *numbers = random_floats(26, 1, N * x_stride), *others = random_floats(27, 1, C * y_stride);
		bfloat16 *x = rounded_copy(numbers, N * x_stride), *y = rounded_copy(others, C * y_stride);
		bfloat16 *expected = rounded_copy(others, C * y_stride);
		for (size_t n = 0; n < N; n++)
			for (size_t c = 0; c < C; c++)
				expected[c * y_stride + n] = x[n * x_stride + c];
		k->transpose_bf16(y, x, N, C, y_stride, x_stride);
		assert_memory_equal(y, expected, C * y_stride * sizeof *y);
		free(x), free(y), free(expected);
		end_floats(numbers, N * x_stride), end_floats(others, C * y_stride);
	}
}

static void test_widen_bf16(void **state) {
	(void)state;
	EACH_VERSION(k) for (size_t s = 0; s < SIZES; s++) {
		float *x = random_floats(25, 1, sizes[s]), *y = new_floats(sizes[s]);
		bfloat16 *rounded = rounded_copy(x, sizes[s]);
		float *expected = widened_copy(rounded, sizes[s]);
		k->widen_bf16(y, rounded, sizes[s]);
		assert_memory_equal(y, expected, sizes[s] * sizeof *y);
		free(rounded);
		end_floats(x, sizes[s]), end_floats(y, sizes[s]), end_floats(expected, sizes[s]);
	}
}

static void test_activate(void **state) {
	(void)state;
	enum { COUNT = 40001 };
	float *x = new_floats(COUNT), *y = new_floats(COUNT), *dy = random_floats(3, 1, COUNT), *dx = new_floats(COUNT);
	for (size_t i = 0; i < COUNT; i++)
		x[i] = ((float)i - 20000) / 1000; /* -20 .. 20 */
	const float extremes[] = { 0.0f, -0.0f, 1e-30f, -1e-30f, 88, -88, 100, -100, 1e4f, -1e4f, 1e8f, -1e8f, NAN };
	memcpy(x, extremes, sizeof extremes);
	EACH_VERSION(k) for (int a = ACTIVATION_GELU; a < ACTIVATIONS; a++) {
		k->activate((enum activation)a, y, x, COUNT);
		k->activate_backward((enum activation)a, dx, dy, x, COUNT);
		for (size_t i = 0; i < COUNT; i++) {
			struct activation_point point = { (enum activation)a, (double)x[i] };
			near("activate", k->name, i, (double)y[i], activation_of(point.activation, point.x), 4e-7);
			if (a == ACTIVATION_RELU && !(fabsf(x[i]) >= 1e-5f))
				continue; /* the kink, and NaN, whose slope torch takes as 1 */
			near("activate_backward", k->name, i, (double)dx[i],
				(double)dy[i] * slope_of(activation_loss, &point, &point.x),
				fabsf(x[i]) > 1e3f ? 1e-2 : 1e-6); /* differences of 1e8 are coarse */
		}
	}
	end_floats(x, COUNT), end_floats(y, COUNT), end_floats(dy, COUNT), end_floats(dx, COUNT);
}

/* An element's result does not depend on the count, nor on where dx is. */
static void test_activate_pieces(void **state) {
	(void)state;
	enum { COUNT = 257 };
	float *x = random_floats(4, 3, COUNT), *dy = random_floats(5, 1, COUNT), *whole = new_floats(COUNT);
	float *whole_dx = new_floats(COUNT);
	EACH_VERSION(k) for (int a = ACTIVATION_GELU; a < ACTIVATIONS; a++) {
		k->activate((enum activation)a, whole, x, COUNT);
		k->activate_backward((enum activation)a, whole_dx, dy, x, COUNT);
		for (size_t s = 0; s < SIZES; s++) {
			size_t cut = sizes[s];
			float *left = new_floats(cut), *right = new_floats(COUNT - cut), *dx = copy_floats(dy, COUNT);
			k->activate((enum activation)a, left, x, cut);
			k->activate((enum activation)a, right, x + cut, COUNT - cut);
			k->activate_backward((enum activation)a, dx, dx, x, cut);
			k->activate_backward((enum activation)a, dx + cut, dx + cut, x + cut, COUNT - cut);
			assert_memory_equal(whole, left, cut * sizeof *left);
			assert_memory_equal(whole + cut, right, (COUNT - cut) * sizeof *right);
			assert_memory_equal(whole_dx, dx, COUNT * sizeof *dx);
			end_floats(left, cut), end_floats(right, COUNT - cut), end_floats(dx, COUNT);
		}
	}
	end_floats(x, COUNT), end_floats(dy, COUNT), end_floats(whole, COUNT), end_floats(whole_dx, COUNT);
}

/* ---- layer normalization ------------------------------------------------------------------------------- */

/* sum of dy * y over one row, and what it depends on. */
struct norm_row { size_t C; double eps, x[300], weight[300], bias[300], dy[300], y[300], mean, rstd; };

static double norm_loss(void *context) {
	struct norm_row *row = context;
	double sum = 0, squares = 0, loss = 0, C = (double)row->C;
	for (size_t c = 0; c < row->C; c++)
		sum += row->x[c];
	row->mean = sum / C;
	for (size_t c = 0; c < row->C; c++)
		squares += (row->x[c] - row->mean) * (row->x[c] - row->mean);
	row->rstd = 1 / sqrt(squares / C + row->eps);
	for (size_t c = 0; c < row->C; c++) {
		row->y[c] = (row->x[c] - row->mean) * row->rstd * row->weight[c] + row->bias[c];
		loss += row->dy[c] * row->y[c];
	}
	return loss;
}

static void fill_norm_row(struct norm_row *row, const float *x, const float *weight, const float *bias,
	const float *dy, size_t C, double eps) {
	*row = (struct norm_row){ .C = C, .eps = eps };
	for (size_t c = 0; c < C; c++)
		row->x[c] = (double)x[c], row->weight[c] = (double)weight[c], row->bias[c] = (double)bias[c],
			row->dy[c] = (double)dy[c];
}

static void test_layer_norm(void **state) {
	(void)state;
	const float offsets[] = { 0, 1000, -3e4f };
	EACH_VERSION(k) for (size_t s = 1; s < SIZES; s++) for (size_t o = 0; o < 3; o++) {
		const size_t N = 5, C = sizes[s];
		float *x = random_floats(s, 2, N * C), *weight = random_floats(6, 1, C), *bias = random_floats(7, 1, C);
		float *y = new_floats(N * C), *mean = new_floats(N), *rstd = new_floats(N);
		for (size_t i = 0; i < N * C; i++)
			x[i] += offsets[o];
		k->layer_norm(y, mean, rstd, x, weight, bias, N, C, 1e-5f);
		for (size_t n = 0; n < N; n++) {
			struct norm_row row;
			fill_norm_row(&row, x + n * C, weight, bias, bias, C, (double)1e-5f);
			norm_loss(&row);
			/* A mean is a float: it costs the rounding of the offset. */
			double tolerance = 1e-6 + fabs((double)offsets[o]) * 1e-7 * (C == 1 ? 300 : 4);
			near("mean", k->name, n, (double)mean[n], row.mean, 1e-7);
			near("rstd", k->name, n, (double)rstd[n], row.rstd, C == 1 ? 1e-4 : 1e-6);
			for (size_t c = 0; c < C; c++)
				near("layer_norm", k->name, n * C + c, (double)y[n * C + c], row.y[c], tolerance);
		}
		k->layer_norm(x, mean, rstd, x, weight, bias, N, C, 1e-5f);
		assert_memory_equal(x, y, N * C * sizeof *x);
		end_floats(x, N * C), end_floats(y, N * C), end_floats(weight, C), end_floats(bias, C);
		end_floats(mean, N), end_floats(rstd, N);
	}
}

static void test_layer_norm_constant_row(void **state) {
	(void)state;
	enum { C = 100 };
	float x[C], y[C], weight[C], bias[C], mean, rstd;
	EACH_VERSION(k) for (float value = -3e6f; value < 3e6f; value += 123456.7f) {
		for (size_t c = 0; c < C; c++)
			x[c] = value, weight[c] = 1, bias[c] = 0.25f;
		k->layer_norm(y, &mean, &rstd, x, weight, bias, 1, C, 1e-12f);
		for (size_t c = 0; c < C; c++)
			assert_true(isfinite(y[c]));
		x[C - 1] = NAN;
		k->layer_norm(y, &mean, &rstd, x, weight, bias, 1, C, 1e-12f);
		for (size_t c = 0; c < C; c++)
			assert_true(isnan(y[c]));
	}
}

static void test_layer_norm_backward(void **state) {
	(void)state;
	EACH_VERSION(k) for (size_t s = 2; s < SIZES; s++) {
		const size_t N = 19, C = sizes[s];
		float *x = random_floats(s, 2, N * C), *weight = random_floats(6, 1, C), *dy = random_floats(8, 1, N * C);
		float *y = new_floats(N * C), *mean = new_floats(N), *rstd = new_floats(N), *dx = copy_floats(dy, N * C);
		float *dweight = random_floats(9, 1, C), *dbias = random_floats(10, 1, C);
		double expected_dweight[300], expected_dbias[300];
		for (size_t c = 0; c < C; c++)
			expected_dweight[c] = (double)dweight[c], expected_dbias[c] = (double)dbias[c];
		k->layer_norm(y, mean, rstd, x, weight, dbias, N, C, 1e-5f);
		k->layer_norm_backward(dx, dweight, dbias, dx, x, mean, rstd, weight, N, C);
		for (size_t n = 0; n < N; n++) {
			struct norm_row row;
			fill_norm_row(&row, x + n * C, weight, weight, dy + n * C, C, (double)1e-5f);
			for (size_t c = 0; c < C; c++) {
				near("layer_norm dx", k->name, n * C + c, (double)dx[n * C + c],
					slope_of(norm_loss, &row, &row.x[c]), 5e-6);
				expected_dweight[c] += slope_of(norm_loss, &row, &row.weight[c]);
				expected_dbias[c] += slope_of(norm_loss, &row, &row.bias[c]);
			}
		}
		for (size_t c = 0; c < C; c++) {
			near("layer_norm dweight", k->name, c, (double)dweight[c], expected_dweight[c], 5e-6);
			near("layer_norm dbias", k->name, c, (double)dbias[c], expected_dbias[c], 5e-6);
		}
		end_floats(x, N * C), end_floats(y, N * C), end_floats(dy, N * C), end_floats(dx, N * C);
		end_floats(weight, C), end_floats(dweight, C), end_floats(dbias, C), end_floats(mean, N), end_floats(rstd, N);
	}
}

/* ---- dropout ------------------------------------------------------------------------------------------- */

static bool kept(const struct dropout *dropout, size_t i) {
	const uint32_t key[2] = { (uint32_t)dropout->seed, (uint32_t)(dropout->seed >> 32) };
	const uint32_t counter[4] = { (uint32_t)(i / 64 * 16 + i % 16), RANDOM_DROPOUT + (dropout->site << 8),
		(uint32_t)dropout->step, (uint32_t)(dropout->step >> 32) };
	uint32_t output[4];
	philox(key, counter, output);
	return output[i / 16 % 4] >= (double)dropout->probability * 0x1p32;
}

static void test_dropout(void **state) {
	(void)state;
	const struct dropout dropout = { .seed = 0x123456789abcdef, .step = 0x1000000007, .site = 5, .probability = 0.1f };
	const size_t firsts[] = { 0, 1, 63, 64, 100, 1 << 20, ((size_t)1 << 33) + 17 };
	const double scale = 1 / (1 - (double)0.1f);
	EACH_VERSION(k) for (size_t s = 0; s < SIZES; s++) for (size_t f = 0; f < 7; f++) {
		const size_t count = sizes[s], first = firsts[f];
		float *x = random_floats(11, 1, count), *residual = random_floats(12, 1, count);
		float *y = copy_floats(x, count), *z = copy_floats(x, count), *dx = new_floats(count);
		k->dropout_add(y, residual, count, &dropout, first);
		k->dropout_add(z, NULL, count, &dropout, first);
		k->dropout_backward(dx, x, count, &dropout, first);
		for (size_t i = 0; i < count; i++) {
			double expected = kept(&dropout, first + i) ? (double)x[i] * scale : 0;
			near("dropout_add", k->name, i, (double)y[i], expected + (double)residual[i], 2e-7);
			near("dropout alone", k->name, i, (double)z[i], expected, 2e-7);
		}
		assert_memory_equal(dx, z, count * sizeof *dx);
		end_floats(x, count), end_floats(y, count), end_floats(z, count), end_floats(dx, count);
		end_floats(residual, count);
	}
}

/* The coins do not depend on how the elements are cut, and without dropout nothing is drawn. */
static void test_dropout_pieces(void **state) {
	(void)state;
	enum { COUNT = 300 };
	struct dropout dropout = { .seed = 1, .step = 2, .site = 3, .probability = 0.5f };
	float *x = random_floats(13, 1, COUNT), *residual = random_floats(14, 1, COUNT), *whole = copy_floats(x, COUNT);
	EACH_VERSION(k) {
		memcpy(whole, x, COUNT * sizeof *x);
		k->dropout_add(whole, residual, COUNT, &dropout, 0);
		for (size_t cut = 0; cut <= COUNT; cut += 7) {
			float *y = copy_floats(x, COUNT);
			k->dropout_add(y + cut, residual + cut, COUNT - cut, &dropout, cut);
			k->dropout_add(y, residual, cut, &dropout, 0);
			assert_memory_equal(y, whole, COUNT * sizeof *y);
			end_floats(y, COUNT);
		}
		struct dropout none = dropout;
		none.probability = 0;
		float *y = copy_floats(x, COUNT);
		k->dropout_add(y, NULL, COUNT, &none, 0);
		assert_memory_equal(y, x, COUNT * sizeof *y);
		k->dropout_backward(y, residual, COUNT, &none, 0);
		assert_memory_equal(y, residual, COUNT * sizeof *y);
		k->dropout_add(y, x, COUNT, &none, 0);
		for (size_t i = 0; i < COUNT; i++)
			assert_true(y[i] == residual[i] + x[i]);
		end_floats(y, COUNT);
	}
	end_floats(x, COUNT), end_floats(residual, COUNT), end_floats(whole, COUNT);
}

static void test_dropout_fraction(void **state) {
	(void)state;
	enum { COUNT = 1000000 };
	float *x = new_floats(COUNT);
	EACH_VERSION(k) for (uint32_t site = 0; site < 3; site++) {
		const float probabilities[] = { 0.1f, 0.5f, 0.9f };
		struct dropout dropout = { .seed = 7, .step = 1, .site = site, .probability = probabilities[site] };
		for (size_t i = 0; i < COUNT; i++)
			x[i] = 1;
		k->dropout_add(x, NULL, COUNT, &dropout, 0);
		double p = (double)dropout.probability, expected = (double)COUNT * p, zeros = 0;
		for (size_t i = 0; i < COUNT; i++)
			zeros += x[i] == 0;
		double deviation = sqrt(expected * (1 - p));
		if (fabs(zeros - expected) > 4 * deviation)
			fail_msg("%s: %g of %d elements dropped at probability %g", k->name, zeros, COUNT, p);
	}
	end_floats(x, COUNT);
}

/* Coins of another seed, step or site are other coins: about half of them agree. */
static void test_dropout_streams(void **state) {
	(void)state;
	enum { COUNT = 10000 };
	const struct dropout streams[] = {
		{ 1, 1, 1, 0.5f }, { 2, 1, 1, 0.5f }, { 1 + ((uint64_t)1 << 32), 1, 1, 0.5f }, { 1, 2, 1, 0.5f },
		{ 1, 1 + ((uint64_t)1 << 32), 1, 0.5f }, { 1, 1, 2, 0.5f }, { 1, 1, 1 << 23, 0.5f },
	};
	float *x[7];
	for (size_t i = 0; i < 7; i++) {
		x[i] = new_floats(COUNT);
		for (size_t j = 0; j < COUNT; j++)
			x[i][j] = 1;
		kernels()->dropout_add(x[i], NULL, COUNT, &streams[i], 0);
		for (size_t other = 0; other < i; other++) {
			int same = 0;
			for (size_t j = 0; j < COUNT; j++)
				same += x[i][j] == x[other][j];
			assert_in_range(same, COUNT / 2 - 250, COUNT / 2 + 250);
		}
	}
	for (size_t i = 0; i < 7; i++)
		end_floats(x[i], COUNT);
}

/* ---- softmax ------------------------------------------------------------------------------------------- */

/* sum of dp * p over one row. */
struct softmax_row { size_t T; double scale, scores[300], p[300], dp[300]; const uint8_t *keep; };

static double softmax_loss(void *context) {
	struct softmax_row *row = context;
	double largest = -INFINITY, sum = 0, loss = 0;
	for (size_t t = 0; t < row->T; t++)
		if (row->keep == NULL || row->keep[t] != 0)
			largest = fmax(largest, row->scale * row->scores[t]);
	for (size_t t = 0; t < row->T; t++) {
		row->p[t] = row->keep == NULL || row->keep[t] != 0 ? exp(row->scale * row->scores[t] - largest) : 0;
		sum += row->p[t];
	}
	for (size_t t = 0; t < row->T; t++) {
		row->p[t] = sum > 0 ? row->p[t] / sum : 0;
		loss += row->dp[t] * row->p[t];
	}
	return loss;
}

static void test_softmax(void **state) {
	(void)state;
	const float deviations[] = { 1, 30, 1e4f };
	EACH_VERSION(k) for (size_t s = 0; s < SIZES; s++) for (size_t variant = 0; variant < 9; variant++) {
		const size_t N = 4, T = sizes[s], stride = T + 3, which_keep = variant / 3;
		float *scores = random_floats(s, deviations[variant % 3], N * stride), *p = copy_floats(scores, N * stride);
		float *dp = random_floats(15, 1, N * stride), *dscores = copy_floats(dp, N * stride);
		uint8_t keep[300] = { 0 };
		for (size_t t = 0; t < T; t++)
			keep[t] = which_keep == 1 ? (uint8_t)(t * 37 % 3 * 2) : 0; /* two of three, or none */
		const uint8_t *mask = which_keep == 0 ? NULL : keep;
		for (size_t t = 0; t < T; t++) /* what takes no part may be anything */
			if (mask != NULL && mask[t] == 0)
				scores[t] = p[t] = NAN;
		k->softmax(p, N, T, stride, 0.125f, mask);
		k->softmax_backward(dscores, p, N, T, stride, 0.125f);
		for (size_t n = 0; n < N; n++) {
			struct softmax_row row = { .T = T, .scale = 0.125, .keep = mask };
			for (size_t t = 0; t < T; t++)
				row.scores[t] = (double)scores[n * stride + t], row.dp[t] = (double)dp[n * stride + t];
			softmax_loss(&row);
			for (size_t t = 0; t < T; t++)
				near("softmax", k->name, t, (double)p[n * stride + t], row.p[t], variant % 3 == 2 ? 1e-4 : 2e-6);
			for (size_t t = 0; t < T && variant % 3 != 2; t++) {
				double slope = isnan(row.scores[t]) ? 0 : slope_of(softmax_loss, &row, &row.scores[t]);
				near("softmax_backward", k->name, t, (double)dscores[n * stride + t], slope, 2e-6);
			}
			for (size_t t = T; t < stride; t++) {
				assert_true(p[n * stride + t] == scores[n * stride + t]);
				assert_true(dscores[n * stride + t] == dp[n * stride + t]);
			}
		}
		end_floats(scores, N * stride), end_floats(p, N * stride), end_floats(dp, N * stride);
		end_floats(dscores, N * stride);
	}
}

static void test_softmax_extremes(void **state) {
	(void)state;
	EACH_VERSION(k) {
		float large[] = { 1e4f, -1e4f, 1e4f, -3e38f, -INFINITY };
		k->softmax(large, 1, 5, 5, 1, NULL);
		assert_true(large[0] == 0.5f && large[1] == 0 && large[2] == 0.5f && large[3] == 0 && large[4] == 0);
		float low[] = { -1000, -1000 }; /* no zero beside them takes part */
		k->softmax(low, 1, 2, 2, 1, NULL);
		assert_true(low[0] == 0.5f && low[1] == 0.5f);
		float poisoned[40] = { [33] = NAN };
		k->softmax(poisoned, 1, 40, 40, 1, NULL);
		for (size_t t = 0; t < 40; t++)
			assert_true(isnan(poisoned[t]));
	}
}

/* ---- cross-entropy ------------------------------------------------------------------------------------- */

static void test_cross_entropy(void **state) {
	(void)state;
	const size_t vocabularies[] = { 1, 2, 17, 1000, 30522 };
	const float deviations[] = { 1, 20, 1e4f };
	EACH_VERSION(k) for (size_t s = 0; s < 5; s++) for (size_t variant = 0; variant < 6; variant++) {
		const size_t V = vocabularies[s];
		const int32_t label = variant % 2 == 0 ? (int32_t)V - 1 : (int32_t)(V / 3);
		float *logits = random_floats(s + 16, deviations[variant / 2], V), *before = copy_floats(logits, V);
		double largest = -INFINITY, sum = 0;
		for (size_t v = 0; v < V; v++)
			largest = fmax(largest, (double)logits[v]);
		for (size_t v = 0; v < V; v++)
			sum += exp((double)logits[v] - largest);
		double expected = log(sum) + largest - (double)logits[label];

		near("cross_entropy", k->name, V, (double)k->cross_entropy(logits, V, label, 0), expected, 5e-7);
		assert_memory_equal(logits, before, V * sizeof *logits);
		near("cross_entropy", k->name, V, (double)k->cross_entropy(logits, V, label, 0.25f), expected, 5e-7);
		for (size_t v = 0; v < V; v++) {
			double slope = exp((double)before[v] - largest) / sum - (v == (size_t)label ? 1 : 0);
			near("cross_entropy gradient", k->name, v, (double)logits[v], 0.25 * slope, 2e-7);
		}
		end_floats(logits, V), end_floats(before, V);
	}
}

struct entropy_row { double logits[20]; };

static double entropy_loss(void *context) {
	const struct entropy_row *row = context;
	double sum = 0;
	for (size_t v = 0; v < 20; v++)
		sum += exp(row->logits[v]);
	return log(sum) - row->logits[7];
}

static void test_cross_entropy_differences(void **state) {
	(void)state;
	EACH_VERSION(k) {
		float *logits = random_floats(17, 2, 20);
		struct entropy_row row;
		for (size_t v = 0; v < 20; v++)
			row.logits[v] = (double)logits[v];
		k->cross_entropy(logits, 20, 7, 1);
		for (size_t v = 0; v < 20; v++)
			near("cross_entropy gradient", k->name, v, (double)logits[v],
				slope_of(entropy_loss, &row, &row.logits[v]), 1e-6);
		end_floats(logits, 20);

		float low[] = { -1000, -1000, -1001 }; /* no zero beside them takes part */
		near("cross_entropy", k->name, 2, (double)k->cross_entropy(low, 3, 2, 0), log(2 + exp(-1)) + 1, 5e-7);
		float poisoned[40] = { [20] = NAN };
		assert_true(isnan(k->cross_entropy(poisoned, 40, 0, 0)));
	}
}

/* ---- distillation -------------------------------------------------------------------------------------- */

static double plain_log_sum_exp(const float *x, size_t V, double T) {
	double largest = -INFINITY, sum = 0;
	for (size_t v = 0; v < V; v++)
		largest = fmax(largest, (double)x[v] / T);
	for (size_t v = 0; v < V; v++)
		sum += exp((double)x[v] / T - largest);
	return log(sum) + largest;
}

static void test_log_sum_exp(void **state) {
	(void)state;
	const size_t vocabularies[] = { 1, 2, 17, 1000, 30522 };
	const float temperatures[] = { 0.5f, 1, 2, 3 };
	EACH_VERSION(k) for (size_t s = 0; s < 5; s++) for (size_t t = 0; t < 4; t++) {
		const size_t V = vocabularies[s];
		float *x = random_floats(s + 16, 20, V);
		x[V / 2] = V > 1 ? -INFINITY : x[V / 2];
		near("log_sum_exp", k->name, V, k->log_sum_exp(x, V, temperatures[t]), plain_log_sum_exp(x, V, (double)temperatures[t]),
			5e-7);
		end_floats(x, V);
		const float none[] = { -INFINITY, -INFINITY };
		assert_true(isinf(k->log_sum_exp(none, 2, temperatures[t])));
	}
}

/* The teacher's and the student's logits, equal or not, wide or not; each row's losses and gradient against plain
 * ones. */
static void test_distill(void **state) {
	(void)state;
	const size_t vocabularies[] = { 1, 2, 17, 1000, 30522 };
	const float deviations[] = { 1, 20 };
	EACH_VERSION(k) for (size_t s = 0; s < 5; s++) for (size_t variant = 0; variant < 8; variant++) {
		const size_t V = vocabularies[s];
		const double T = variant & 4 ? 2 : 1.5;
		const struct distill_row row = { .label = (int32_t)(V / 3), .temperature = (float)T, .soft_scale = 0.25f,
			.hard_scale = variant & 1 ? 0.5f : 0 };
		float *z = random_floats(s + 16, deviations[variant / 2 % 2], V), *before = copy_floats(z, V);
		float *t = variant == 3 ? copy_floats(z, V) : random_floats(s + 31, 3, V);
		double soft = plain_log_sum_exp(z, V, T), hard = plain_log_sum_exp(z, V, 1), teacher = plain_log_sum_exp(t, V, T);
		double divergence = 0;
		for (size_t v = 0; v < V; v++)
			divergence += exp((double)t[v] / T - teacher) * ((double)t[v] / T - teacher - ((double)z[v] / T - soft));

		const struct row_losses losses = k->distill(z, t, V, &row);
		near("divergence", k->name, V, (double)losses.divergence, divergence, 2e-6);
		near("cross_entropy", k->name, V, (double)losses.cross_entropy, hard - (double)before[row.label], 5e-7);
		for (size_t v = 0; v < V; v++) {
			double x = (double)before[v], slope = 0.25 * (exp(x / T - soft) - exp((double)t[v] / T - teacher))
				+ (double)row.hard_scale * (exp(x - hard) - (v == (size_t)row.label ? 1 : 0));
			near("distill gradient", k->name, v, (double)z[v], slope, 2e-7);
		}
		end_floats(z, V), end_floats(before, V), end_floats(t, V);
	}
}

/* ---- optimizer ----------------------------------------------------------------------------------------- */

static void test_sum_of_squares(void **state) {
	(void)state;
	EACH_VERSION(k) for (size_t s = 0; s <= SIZES; s++) {
		const size_t count = s < SIZES ? sizes[s] : 100003;
		float *x = random_floats(18, 1e3f, count);
		double sum = 0;
		for (size_t i = 0; i < count; i++)
			sum += (double)x[i] * (double)x[i];
		near("sum_of_squares", k->name, count, k->sum_of_squares(x, count), sum, 1e-13);
		end_floats(x, count);
	}
	float large[] = { 3e38f, 3e38f }, poisoned[] = { 1, NAN };
	EACH_VERSION(k) {
		assert_true(isfinite(k->sum_of_squares(large, 2)));
		assert_true(isnan(k->sum_of_squares(poisoned, 2)));
	}
}

/* torch.optim.AdamW's own lines, in double precision, with the state kept in double as well. */
static void test_adamw(void **state) {
	(void)state;
	enum { STEPS = 8 };
	EACH_VERSION(k) for (size_t s = 0; s < SIZES; s++) {
		const size_t count = sizes[s];
		float *w = random_floats(19, 1, count), *m = new_floats(count), *v = new_floats(count);
		double expected[300], m_expected[300] = { 0 }, v_expected[300] = { 0 };
		for (size_t i = 0; i < count; i++)
			expected[i] = (double)w[i], m[i] = v[i] = 0;
		for (int t = 1; t <= STEPS; t++) {
			float *g = random_floats((uint64_t)t, 0.1f, count);
			struct adamw_step step = { .learning_rate = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8,
				.weight_decay = t % 2 == 0 ? 0.1 : 0, .bias_correction1 = 1 - pow(0.9, t),
				.bias_correction2 = 1 - pow(0.999, t), .gradient_scale = 0.5 };
			k->adamw(w, m, v, g, count, &step);
			for (size_t i = 0; i < count; i++) {
				double gradient = 0.5 * (double)g[i];
				expected[i] *= 1 - step.learning_rate * step.weight_decay;
				m_expected[i] += (gradient - m_expected[i]) * 0.1;
				v_expected[i] = v_expected[i] * 0.999 + gradient * gradient * (1 - 0.999);
				expected[i] -= step.learning_rate / step.bias_correction1 * m_expected[i]
					/ (sqrt(v_expected[i]) / sqrt(step.bias_correction2) + step.epsilon);
				near("adamw w", k->name, i, (double)w[i], expected[i], 1e-6);
				near("adamw m", k->name, i, (double)m[i] * 100, m_expected[i] * 100, 1e-6);
				near("adamw v", k->name, i, (double)v[i] * 1e6, v_expected[i] * 1e6, 2e-6);
			}
			end_floats(g, count);
		}
		end_floats(w, count), end_floats(m, count), end_floats(v, count);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_add_bias),
		cmocka_unit_test(test_round_to_bf16),
		cmocka_unit_test(test_bf16_kernels),
		cmocka_unit_test(test_multiply_few),
		cmocka_unit_test(test_multiply_packed),
		cmocka_unit_test(test_transpose_bf16),
		cmocka_unit_test(test_widen_bf16),
		cmocka_unit_test(test_activate),
		cmocka_unit_test(test_activate_pieces),
		cmocka_unit_test(test_layer_norm),
		cmocka_unit_test(test_layer_norm_constant_row),
		cmocka_unit_test(test_layer_norm_backward),
		cmocka_unit_test(test_dropout),
		cmocka_unit_test(test_dropout_pieces),
		cmocka_unit_test(test_dropout_fraction),
		cmocka_unit_test(test_dropout_streams),
		cmocka_unit_test(test_softmax),
		cmocka_unit_test(test_softmax_extremes),
		cmocka_unit_test(test_cross_entropy),
		cmocka_unit_test(test_cross_entropy_differences),
		cmocka_unit_test(test_log_sum_exp),
		cmocka_unit_test(test_distill),
		cmocka_unit_test(test_sum_of_squares),
		cmocka_unit_test(test_adamw),
	};
	return cmocka_run_group_tests_name("math/kernels", tests, NULL, NULL);
}
