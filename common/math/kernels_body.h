/* kernels_body: the kernels, written once on vectors of WIDTH floats and compiled for each version.
 *
 * The last, partial vector of a row goes through the same arithmetic as the others, with zeros for the missing
 * elements. So a result does not depend on how callers split rows or elements into calls. Long sums are computed in
 * several parts, so that they lose no more than a few units in the last place. */
#include <math.h>

#include "math/kernels_versions.h"
#include "math/random.h"

static inline floats load_vector(const void *p) {
	floats x;
	memcpy(&x, p, sizeof x);
	return x;
}

/* Loads the first n elements at p, at most WIDTH. */
static inline floats load(const float *p, size_t n) {
	if (n < WIDTH)
		return load_some(p, n);
	return load_vector(p);
}

static inline void store(float *p, floats x, size_t n) {
	if (n < WIDTH)
		store_some(p, x, n);
	else
		memcpy(p, &x, sizeof x);
}

/* Loads the first n numbers at p, at most WIDTH. */
static inline floats load_bf16(const bfloat16 *p, size_t n) {
	halves x = { 0 };
	if (n < WIDTH)
		memcpy(&x, p, n * sizeof *p);
	else
		memcpy(&x, p, sizeof x);
	return (floats)(__builtin_convertvector(x, words) << 16);
}

#ifndef ROUNDS_TO_BF16
/* Rounds by adding half a unit of the upper half (one less if the upper half is even) and cutting off the lower
 * half. */
static inline halves upper_halves(floats x) {
	words bits = (words)x;
	words rounded = bits + 0x7fff + (bits >> 16 & 1);
	words is_nan = (words)(x != x); /* NOLINT(misc-redundant-expression): true of a NaN alone */
	return __builtin_convertvector(((rounded & ~is_nan) | ((bits | 0x400000) & is_nan)) >> 16, halves);
}
#endif

static inline void store_bf16(bfloat16 *p, floats x, size_t n) {
	halves upper = upper_halves(x);
	if (n < WIDTH)
		memcpy(p, &upper, n * sizeof *p);
	else
		memcpy(p, &upper, sizeof upper);
}

/* x with zeros from element n on. */
static inline floats first_of(floats x, size_t n) {
	return n < WIDTH ? (floats)(first_lanes(n) & (integers)x) : x;
}

static inline float sum_of(floats x) {
	four_floats part[WIDTH / 4];
	memcpy(part, &x, sizeof x);
	for (int i = 1; i < WIDTH / 4; i++)
		part[0] += part[i];
	return (part[0][0] + part[0][1]) + (part[0][2] + part[0][3]);
}

#include "math/kernels_products.h"

static inline float larger(float a, float b) {
	return a > b ? a : b;
}

static inline float largest_of(floats x) {
	four_floats part[WIDTH / 4];
	memcpy(part, &x, sizeof x);
	float largest = -(float)INFINITY;
	for (int i = 0; i < WIDTH / 4; i++)
		largest = larger(larger(larger(part[i][0], part[i][1]), larger(part[i][2], part[i][3])), largest);
	return largest;
}

/* ---- biases -------------------------------------------------------------------------------------------- */

static void add_bias(float *x, const float *bias, size_t N, size_t C, size_t stride) {
	for (size_t n = 0; n < N; n++, x += stride)
		for (size_t c = 0; c < C; c += WIDTH)
			store(x + c, load(x + c, C - c) + load(bias + c, C - c), C - c);
}

/* Sums of columns, of dy or of rounded dy, one of which is NULL. Blocks of 64 rows are summed in the first-level cache,
 * four rows at a time, and then the sums of the blocks, for speed and precision. */
__attribute__((always_inline))
static inline void sum_rows(float *dbias, const float *dy, const bfloat16 *rounded, size_t N, size_t C, size_t stride) {
	enum { COLUMNS = 1024 };
	for (size_t column = 0; column < C; column += COLUMNS) {
		size_t columns = C - column < COLUMNS ? C - column : COLUMNS;
		for (size_t first = 0; first < N; first += 64) {
			float sum[COLUMNS] = { 0 };
			for (size_t n = first; n < N && n < first + 64; n += 4)
				for (size_t c = 0; c < columns; c += WIDTH) {
					floats x = load(sum + c, columns - c);
					for (size_t r = n; r < n + 4 && r < N; r++) {
						size_t at = r * stride + column + c;
						x += dy != NULL ? load(dy + at, columns - c) : load_bf16(rounded + at, columns - c);
					}
					store(sum + c, x, columns - c);
				}
			for (size_t c = 0; c < columns; c += WIDTH)
				store(dbias + column + c, load(dbias + column + c, columns - c) + load(sum + c, columns - c),
					columns - c);
		}
	}
}

static void add_bias_backward(float *dbias, const float *dy, size_t N, size_t C, size_t stride) {
	sum_rows(dbias, dy, NULL, N, C, stride);
}

static void add_bias_backward_bf16(float *dbias, const bfloat16 *dy, size_t N, size_t C, size_t stride) {
	sum_rows(dbias, NULL, dy, N, C, stride);
}

/* ---- bfloat16 ------------------------------------------------------------------------------------------ */

static void round_to_bf16(bfloat16 *y, const float *x, size_t N, size_t C, size_t stride) {
	for (size_t n = 0; n < N; n++, x += stride, y += stride)
		for (size_t c = 0; c < C; c += WIDTH)
			store_bf16(y + c, load(x + c, C - c), C - c);
}

static void widen_bf16(float *y, const bfloat16 *x, size_t count) {
	for (size_t i = 0; i < count; i += WIDTH)
		store(y + i, load_bf16(x + i, count - i), count - i);
}

/* ---- activations --------------------------------------------------------------------------------------- */

/* exp(x) = 2^n exp(r), where n is the integer nearest to x / ln 2, and exp(r) is a minimax polynomial on
 * [-ln 2 / 2, ln 2 / 2], computed for this file by Lawson's iteration (relative error 3e-9 before rounding). A result
 * below FLT_MIN becomes 0. */
static inline floats exponential(floats x) {
	const floats shift = splat(0x1.8p23f); /* adding this rounds to an integer, which is then in the low bits */
	floats shifted = multiply_add(x, splat(0x1.715476p+0f), shift);
	floats n = shifted - shift;
	floats r = multiply_add(n, splat(-0x1.62e4p-1f), x); /* ln 2 in two parts, the first exact times n */
	r = multiply_add(n, splat(-0x1.7f7d1cp-20f), r);
	floats y = splat(0.0013814467f);
	y = multiply_add(y, r, splat(0.0083687808f));
	y = multiply_add(y, r, splat(0.0416683927f));
	y = multiply_add(y, r, splat(0.1666651964f));
	y = multiply_add(y, r, splat(0.4999999404f));
	y = multiply_add(y, r * r, r) + 1.0f;
	y = (floats)((words)y + ((words)shifted << 23)); /* y 2^n */
	y = select_floats(x <= 88.722839f, y, x * (float)INFINITY); /* too large, or NaN */
	return select_floats(x < -87.336544f, (floats){ 0 }, y);
}

/* 1 / (1 + exp(-x)); *slope is its derivative. Both are computed from exp(-|x|), so that neither loses digits far from
 * 0. */
static inline floats sigmoid(floats x, floats *slope) {
	floats e = exponential((floats)((integers)x | INT32_MIN));
	floats high = 1.0f / (1.0f + e), low = e * high;
	*slope = high * low;
	return select_floats(x > 0.0f, high, low);
}

/* Phi(x), the cumulative normal distribution, and *bell = exp(-x^2 / 2). For t = |x|, 1 - Phi(t) = exp(-t^2 / 2) g(t),
 * and g is approximated by a polynomial in 1 / (1 + 0.3 t), the form of Hastings 1955. Its coefficients were computed
 * for this file by Lawson's iteration: the error of Phi times max(1, t) is below 2e-9 before rounding. */
static inline floats normal_distribution(floats x, floats *bell) {
	floats t = (floats)((integers)x & INT32_MAX);
	floats y = 1.0f / multiply_add(t, splat(0.3f), splat(1));
	floats g = splat(0.0287917741f);
	g = multiply_add(g, y, splat(-0.1222617105f));
	g = multiply_add(g, y, splat(0.1321802100f));
	g = multiply_add(g, y, splat(0.0313842408f));
	g = multiply_add(g, y, splat(0.0718985423f));
	g = multiply_add(g, y, splat(0.1216832548f));
	g = multiply_add(g, y, splat(0.1163367629f));
	g = multiply_add(g, y, splat(0.1199871227f));
	*bell = exponential(-0.5f * x * x);
	floats tail = *bell * (g * y);
	return select_floats(x > 0.0f, 1.0f - tail, tail);
}

static inline floats gelu(floats x) {
	floats bell;
	return x * normal_distribution(x, &bell);
}

static inline floats gelu_slope(floats x) {
	floats bell;
	floats phi = normal_distribution(x, &bell);
	return multiply_add(x * 0.3989422804f, bell, phi);
}

/* 0.5 x (1 + tanh(u)) = x sigmoid(2 u), with 2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3). */
static inline floats gelu_new(floats x) {
	floats slope;
	return x * sigmoid(x * multiply_add(x * x, splat(0.0713548163f), splat(1.5957691216f)), &slope);
}

static inline floats gelu_new_slope(floats x) {
	floats square = x * x, slope;
	floats s = sigmoid(x * multiply_add(square, splat(0.0713548163f), splat(1.5957691216f)), &slope);
	floats inner_slope = multiply_add(square, splat(3 * 0.0713548163f), splat(1.5957691216f));
	return multiply_add(x * inner_slope, slope, s);
}

static inline floats relu(floats x) {
	return select_floats(x <= 0.0f, (floats){ 0 }, x);
}

static inline floats relu_slope(floats x) {
	return select_floats(x <= 0.0f, (floats){ 0 }, splat(1));
}

static inline floats silu(floats x) {
	floats slope;
	return x * sigmoid(x, &slope);
}

static inline floats silu_slope(floats x) {
	floats slope;
	floats s = sigmoid(x, &slope);
	return multiply_add(x, slope, s);
}

static inline floats quick_gelu(floats x) {
	floats slope;
	return x * sigmoid(1.702f * x, &slope);
}

static inline floats quick_gelu_slope(floats x) {
	floats slope;
	floats s = sigmoid(1.702f * x, &slope);
	return multiply_add(1.702f * x, slope, s);
}

/* tanh(ln(1 + exp(x))) = n / (n + 2 c) with e = exp(-|x|): n = e (e + 2) and c = 1 where x is not positive; where x is
 * positive, both are divided by exp(2 x): n = 1 + 2 e and c = e^2. *slope is the derivative, (1 - tanh^2)
 * sigmoid(x). */
static inline floats tanh_softplus(floats x, floats *slope) {
	floats e = exponential((floats)((integers)x | INT32_MIN)), sigmoid_slope;
	floats n = select_floats(x > 0.0f, multiply_add(e, splat(2), splat(1)), e * (e + 2.0f));
	floats c = select_floats(x > 0.0f, e * e, splat(1));
	floats inverse = 1.0f / multiply_add(c, splat(2), n);
	*slope = 4.0f * c * (n + c) * inverse * inverse * sigmoid(x, &sigmoid_slope);
	return n * inverse;
}

static inline floats mish(floats x) {
	floats slope;
	return x * tanh_softplus(x, &slope);
}

static inline floats mish_slope(floats x) {
	floats slope;
	floats t = tanh_softplus(x, &slope);
	return multiply_add(x, slope, t);
}

/* Inlined for each function, so that the compiler makes one loop for each. */
__attribute__((always_inline))
static inline void map(floats function(floats), float *y, const float *x, size_t count) {
	for (size_t i = 0; i < count; i += WIDTH)
		store(y + i, function(load(x + i, count - i)), count - i);
}

__attribute__((always_inline))
static inline void map_backward(floats slope(floats), float *dx, const float *dy, const float *x, size_t count) {
	for (size_t i = 0; i < count; i += WIDTH)
		store(dx + i, load(dy + i, count - i) * slope(load(x + i, count - i)), count - i);
}

static void activate(enum activation activation, float *y, const float *x, size_t count) {
	switch (activation) {
	case ACTIVATION_GELU: map(gelu, y, x, count); break;
	case ACTIVATION_GELU_NEW: map(gelu_new, y, x, count); break;
	case ACTIVATION_RELU: map(relu, y, x, count); break;
	case ACTIVATION_SILU: map(silu, y, x, count); break;
	case ACTIVATION_QUICK_GELU: map(quick_gelu, y, x, count); break;
	case ACTIVATION_MISH: map(mish, y, x, count); break;
	case ACTIVATIONS: break;
	}
}

static void activate_backward(enum activation activation, float *dx, const float *dy, const float *x, size_t count) {
	switch (activation) {
	case ACTIVATION_GELU: map_backward(gelu_slope, dx, dy, x, count); break;
	case ACTIVATION_GELU_NEW: map_backward(gelu_new_slope, dx, dy, x, count); break;
	case ACTIVATION_RELU: map_backward(relu_slope, dx, dy, x, count); break;
	case ACTIVATION_SILU: map_backward(silu_slope, dx, dy, x, count); break;
	case ACTIVATION_QUICK_GELU: map_backward(quick_gelu_slope, dx, dy, x, count); break;
	case ACTIVATION_MISH: map_backward(mish_slope, dx, dy, x, count); break;
	case ACTIVATIONS: break;
	}
}

/* The compiler computes what the function and its slope have in common once. */
__attribute__((always_inline))
static inline void map_bf16(floats function(floats), floats slope(floats), bfloat16 *y, bfloat16 *slopes,
	const bfloat16 *x, size_t count) {
	for (size_t i = 0; i < count; i += WIDTH) {
		floats some = load_bf16(x + i, count - i);
		store_bf16(y + i, function(some), count - i);
		if (slopes != NULL)
			store_bf16(slopes + i, slope(some), count - i);
	}
}

static void activate_bf16(enum activation activation, bfloat16 *y, bfloat16 *slope, const bfloat16 *x, size_t count) {
	switch (activation) {
	case ACTIVATION_GELU: map_bf16(gelu, gelu_slope, y, slope, x, count); break;
	case ACTIVATION_GELU_NEW: map_bf16(gelu_new, gelu_new_slope, y, slope, x, count); break;
	case ACTIVATION_RELU: map_bf16(relu, relu_slope, y, slope, x, count); break;
	case ACTIVATION_SILU: map_bf16(silu, silu_slope, y, slope, x, count); break;
	case ACTIVATION_QUICK_GELU: map_bf16(quick_gelu, quick_gelu_slope, y, slope, x, count); break;
	case ACTIVATION_MISH: map_bf16(mish, mish_slope, y, slope, x, count); break;
	case ACTIVATIONS: break;
	}
}

static void activate_backward_bf16(bfloat16 *dx, const bfloat16 *slope, size_t count) {
	for (size_t i = 0; i < count; i += WIDTH)
		store_bf16(dx + i, load_bf16(dx + i, count - i) * load_bf16(slope + i, count - i), count - i);
}

/* ---- layer normalization ------------------------------------------------------------------------------- */

/* Computes mean and variance in two passes; the second one corrects the rounding of the first (Chan, Golub & LeVeque
 * 1983). */
static void layer_norm(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias,
	size_t N, size_t C, float eps) {
	for (size_t n = 0; n < N; n++, x += C, y += C) {
		floats sum = { 0 };
		for (size_t c = 0; c < C; c += WIDTH)
			sum += load(x + c, C - c);
		float center = sum_of(sum) / (float)C;

		floats rest = { 0 }, squares = { 0 };
		for (size_t c = 0; c < C; c += WIDTH) {
			floats d = first_of(load(x + c, C - c) - center, C - c);
			rest += d;
			squares = multiply_add(d, d, squares);
		}
		float correction = sum_of(rest) / (float)C;
		float m = center + correction;
		float variance = sum_of(squares) / (float)C - correction * correction;
		float r = 1 / sqrtf(variance + eps);

		for (size_t c = 0; c < C; c += WIDTH) {
			floats xhat = (load(x + c, C - c) - m) * r;
			store(y + c, multiply_add(xhat, load(weight + c, C - c), load(bias + c, C - c)), C - c);
		}
		mean[n] = m;
		rstd[n] = r;
	}
}

/* Adds a few rows to dweight and dbias: WIDTH columns at a time, with the sums in registers. */
static inline void layer_norm_backward_parameters(float *dweight, float *dbias, const float *dy, const float *x,
	const float *mean, const float *rstd, size_t N, size_t C) {
	for (size_t c = 0; c < C; c += WIDTH) {
		floats weight_sum = { 0 }, bias_sum = { 0 };
		for (size_t n = 0; n < N; n++) {
			floats d = load(dy + n * C + c, C - c);
			floats xhat = (load(x + n * C + c, C - c) - mean[n]) * rstd[n];
			weight_sum = multiply_add(d, xhat, weight_sum);
			bias_sum += d;
		}
		store(dweight + c, load(dweight + c, C - c) + weight_sum, C - c);
		store(dbias + c, load(dbias + c, C - c) + bias_sum, C - c);
	}
}

/* With g = dy * weight: dx = rstd * (g - mean(g) - xhat * mean(g * xhat)). */
static inline void layer_norm_backward_row(float *dx, const float *dy, const float *x, float mean, float rstd,
	const float *weight, size_t C) {
	floats sum = { 0 }, product = { 0 };
	for (size_t c = 0; c < C; c += WIDTH) {
		floats g = load(dy + c, C - c) * load(weight + c, C - c);
		floats xhat = (load(x + c, C - c) - mean) * rstd;
		sum += g;
		product = multiply_add(g, xhat, product);
	}
	float mean_g = sum_of(sum) / (float)C, mean_product = sum_of(product) / (float)C;
	for (size_t c = 0; c < C; c += WIDTH) {
		floats g = load(dy + c, C - c) * load(weight + c, C - c);
		floats xhat = (load(x + c, C - c) - mean) * rstd;
		store(dx + c, rstd * (g - mean_g - xhat * mean_product), C - c);
	}
}

/* Works on sixteen rows at a time, which stay in cache between the two parts; dx may overwrite dy after the first
 * part. */
static void layer_norm_backward(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
	const float *mean, const float *rstd, const float *weight, size_t N, size_t C) {
	for (size_t first = 0; first < N; first += 16) {
		size_t rows = N - first < 16 ? N - first : 16;
		layer_norm_backward_parameters(dweight, dbias, dy + first * C, x + first * C, mean + first, rstd + first,
			rows, C);
		for (size_t n = first; n < first + rows; n++)
			layer_norm_backward_row(dx + n * C, dy + n * C, x + n * C, mean[n], rstd[n], weight, C);
	}
}

/* ---- dropout ------------------------------------------------------------------------------------------- */

enum { COINS = 64 }; /* computed together: the words of 16 Philox blocks */

/* The high and the low 32 bits of the 64-bit products a * b. */
static inline void multiply_words(words a, uint32_t b, words *high, words *low) {
	longs even = multiply_low((longs)a, b), odd = multiply_low((longs)a >> 32, b);
	*high = (words)((even >> 32) | (odd & ~(uint64_t)UINT32_MAX));
	*low = (words)((even & UINT32_MAX) | (odd << 32));
}

/* philox() of math/random.h for WIDTH counters at a time; the counters are replaced by the output. */
static inline void philox_words(uint64_t seed, words counter[4]) {
	uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
	for (int round = 0; round < 10; round++) {
		words high0, low0, high1, low1;
		multiply_words(counter[0], 0xD2511F53, &high0, &low0);
		multiply_words(counter[2], 0xCD9E8D57, &high1, &low1);
		counter[0] = high1 ^ counter[1] ^ key0;
		counter[1] = low1;
		counter[2] = high0 ^ counter[3] ^ key1;
		counter[3] = low0;
		key0 += 0x9E3779B9;
		key1 += 0xBB67AE85;
	}
}

/* The factors of the COINS elements of a site from element group * COINS on: 1 / (1 - probability), or 0. */
static inline void draw_factors(const struct dropout *dropout, size_t group, floats factors[COINS / WIDTH]) {
	const words zeros = { 0 };
	const words threshold = zeros + (uint32_t)((double)dropout->probability * 0x1p32);
	const floats kept = splat((float)(1 / (1 - (double)dropout->probability)));
	for (uint32_t first = 0; first < 16; first += WIDTH) {
		words counter[4] = {
			(words)lanes() + ((uint32_t)group * 16 + first),
			zeros + (RANDOM_DROPOUT + (dropout->site << 8)),
			zeros + (uint32_t)dropout->step,
			zeros + (uint32_t)(dropout->step >> 32),
		};
		philox_words(dropout->seed, counter);
		for (uint32_t word = 0; word < 4; word++)
			factors[(word * 16 + first) / WIDTH] = select_floats(counter[word] >= threshold, kept, (floats){ 0 });
	}
}

/* y = x * factor + residual for the elements of one group, at most COINS. */
static inline void drop(float *y, const float *x, const float *residual, size_t count, const floats *factors) {
	for (size_t i = 0; i < count; i += WIDTH, factors++) {
		floats dropped = load(x + i, count - i) * *factors;
		if (residual != NULL)
			dropped += load(residual + i, count - i);
		store(y + i, dropped, count - i);
	}
}

/* y = dropout(x) + residual. If the elements begin inside a group, that group is computed in a copy, so that each
 * element gets its own coin. */
static inline void dropout_elements(float *y, const float *x, const float *residual, size_t count,
	const struct dropout *dropout, size_t first) {
	floats factors[COINS / WIDTH];
	size_t i = 0, offset = first % COINS;
	if (offset != 0 && count > 0) {
		float x_copy[COINS] = { 0 }, residual_copy[COINS] = { 0 };
		i = count < COINS - offset ? count : COINS - offset;
		memcpy(x_copy + offset, x, i * sizeof *x);
		if (residual != NULL)
			memcpy(residual_copy + offset, residual, i * sizeof *x);
		draw_factors(dropout, first / COINS, factors);
		drop(x_copy, x_copy, residual != NULL ? residual_copy : NULL, COINS, factors);
		memcpy(y, x_copy + offset, i * sizeof *x);
	}
	for (; i < count; i += COINS) {
		draw_factors(dropout, (first + i) / COINS, factors);
		drop(y + i, x + i, residual != NULL ? residual + i : NULL, count - i < COINS ? count - i : COINS, factors);
	}
}

static void dropout_add(float *x, const float *residual, size_t count, const struct dropout *dropout, size_t first) {
	if (dropout->probability > 0) {
		dropout_elements(x, x, residual, count, dropout, first);
	} else if (residual != NULL) {
		for (size_t i = 0; i < count; i += WIDTH)
			store(x + i, load(x + i, count - i) + load(residual + i, count - i), count - i);
	}
}

static void dropout_backward(float *dx, const float *dy, size_t count, const struct dropout *dropout, size_t first) {
	if (dropout->probability > 0)
		dropout_elements(dx, dy, NULL, count, dropout, first);
	else if (dx != dy && count > 0)
		memcpy(dx, dy, count * sizeof *dx);
}

/* ---- softmax ------------------------------------------------------------------------------------------- */

/* A mask of all ones in the elements i below n with keep[i] not 0. */
static inline integers kept_lanes(const uint8_t *keep, size_t n) {
	bytes kept = { 0 };
	memcpy(&kept, keep, n < WIDTH ? n : WIDTH);
	return __builtin_convertvector(kept, integers) != 0;
}

static inline integers softmax_lanes(const uint8_t *keep, size_t t, size_t n) {
	if (keep != NULL)
		return kept_lanes(keep + t, n);
	return n < WIDTH ? first_lanes(n) : ~(integers){ 0 };
}

static void softmax(float *scores, size_t N, size_t T, size_t stride, float scale, const uint8_t *keep) {
	bool nothing_kept = keep != NULL;
	for (size_t t = 0; nothing_kept && t < T; t++)
		nothing_kept = keep[t] == 0;
	for (size_t n = 0; n < N; n++, scores += stride) {
		if (nothing_kept) {
			memset(scores, 0, T * sizeof *scores);
			continue;
		}
		floats largest = splat(-(float)INFINITY);
		for (size_t t = 0; t < T; t += WIDTH) {
			floats x = load(scores + t, T - t) * scale;
			largest = maximum(select_floats(softmax_lanes(keep, t, T - t), x, largest), largest);
		}
		floats offset = splat(-largest_of(largest));
		floats sum = { 0 };
		for (size_t t = 0; t < T; t += WIDTH) {
			floats e = exponential(load(scores + t, T - t) * scale + offset);
			e = (floats)(softmax_lanes(keep, t, T - t) & (integers)e);
			sum += e;
			store(scores + t, e, T - t);
		}
		float factor = 1 / sum_of(sum);
		for (size_t t = 0; t < T; t += WIDTH)
			store(scores + t, load(scores + t, T - t) * factor, T - t);
	}
}

static void softmax_backward(float *dp, const float *p, size_t N, size_t T, size_t stride, float scale) {
	for (size_t n = 0; n < N; n++, dp += stride, p += stride) {
		floats sum = { 0 };
		for (size_t t = 0; t < T; t += WIDTH)
			sum = multiply_add(load(p + t, T - t), load(dp + t, T - t), sum);
		float mean = sum_of(sum);
		for (size_t t = 0; t < T; t += WIDTH)
			store(dp + t, scale * load(p + t, T - t) * (load(dp + t, T - t) - mean), T - t);
	}
}

static float largest_in(const float *x, size_t V) {
	floats largest = splat(-(float)INFINITY);
	for (size_t v = 0; v < V; v += WIDTH) {
		floats some = load(x + v, V - v);
		largest = maximum(V - v < WIDTH ? select_floats(first_lanes(V - v), some, largest) : some, largest);
	}
	return largest_of(largest);
}

/* The sum over v of exp((x[v] - max) scale), each of which is also stored in e[v], unless e is NULL. Inlined, so that
 * the loop does not ask. */
__attribute__((always_inline))
static inline double sum_exponentials(float *e, const float *x, size_t V, float max, float scale) {
	double sum = 0;
	for (size_t first = 0; first < V; first += 32 * WIDTH) {
		floats part = { 0 };
		for (size_t v = first; v < V && v < first + 32 * WIDTH; v += WIDTH) {
			floats y = first_of(exponential((load(x + v, V - v) - max) * scale), V - v);
			part += y;
			if (e != NULL)
				store(e + v, y, V - v);
		}
		sum += (double)sum_of(part);
	}
	return sum;
}

static float cross_entropy(float *logits, size_t V, int32_t label, float gradient_scale) {
	float max = largest_in(logits, V);
	double margin = (double)max - (double)logits[label];
	double sum = sum_exponentials(gradient_scale != 0 ? logits : NULL, logits, V, max, 1);
	if (gradient_scale != 0) {
		float factor = (float)((double)gradient_scale / sum);
		for (size_t v = 0; v < V; v += WIDTH)
			store(logits + v, load(logits + v, V - v) * factor, V - v);
		logits[label] -= gradient_scale;
	}
	return (float)(log(sum) + margin);
}

static double log_sum_exp(const float *x, size_t V, float temperature) {
	float max = largest_in(x, V), scale = 1 / temperature;
	if (max == -(float)INFINITY)
		return -INFINITY;
	return (double)max * (double)scale + log(sum_exponentials(NULL, x, V, max, scale));
}

/* Sums over a row: of exp(t / T), exp(z / T), exp(z), each less its largest, and of exp(t / T) (t - z) / T. */
struct distill_sums { float teacher_max, max; double teacher, soft, hard, difference; };

static struct distill_sums sum_distill(const float *logits, const float *teacher, size_t V, float scale) {
	struct distill_sums sums = { .teacher_max = largest_in(teacher, V), .max = largest_in(logits, V) };
	for (size_t first = 0; first < V; first += 32 * WIDTH) {
		floats p = { 0 }, q = { 0 }, h = { 0 }, d = { 0 };
		for (size_t v = first; v < V && v < first + 32 * WIDTH; v += WIDTH) {
			floats t = load(teacher + v, V - v) - sums.teacher_max, z = load(logits + v, V - v) - sums.max;
			floats e = first_of(exponential(t * scale), V - v);
			p += e;
			q += first_of(exponential(z * scale), V - v);
			h += first_of(exponential(z), V - v);
			d = multiply_add(e, (t - z) * scale, d);
		}
		sums.teacher += (double)sum_of(p);
		sums.soft += (double)sum_of(q);
		sums.hard += (double)sum_of(h);
		sums.difference += (double)sum_of(d);
	}
	return sums;
}

static struct row_losses distill(float *logits, const float *teacher, size_t V, const struct distill_row *row) {
	float scale = 1 / row->temperature;
	const struct distill_sums sums = sum_distill(logits, teacher, V, scale);
	const struct row_losses losses = { (float)(sums.difference / sums.teacher + log(sums.soft / sums.teacher)),
		(float)(log(sums.hard) + ((double)sums.max - (double)logits[row->label])) };
	floats p = splat((float)((double)row->soft_scale / sums.teacher));
	floats q = splat((float)((double)row->soft_scale / sums.soft));
	floats h = splat((float)((double)row->hard_scale / sums.hard));
	for (size_t v = 0; v < V; v += WIDTH) {
		floats t = load(teacher + v, V - v) - sums.teacher_max, z = load(logits + v, V - v) - sums.max;
		floats soft = exponential(z * scale) * q - exponential(t * scale) * p;
		store(logits + v, multiply_add(exponential(z), h, soft), V - v);
	}
	logits[row->label] -= row->hard_scale;
	return losses;
}

/* ---- optimizer ----------------------------------------------------------------------------------------- */

static double sum_of_squares(const float *x, size_t count) {
	doubles sum[2] = { { 0 }, { 0 } };
	for (size_t i = 0; i < count; i += WIDTH) {
		floats block = load(x + i, count - i);
		half_floats half[2];
		memcpy(half, &block, sizeof block);
		for (int h = 0; h < 2; h++) {
			doubles d = __builtin_convertvector(half[h], doubles);
			sum[h] += d * d;
		}
	}
	double total = 0;
	for (int i = 0; i < WIDTH / 2; i++)
		total += sum[0][i] + sum[1][i];
	return total;
}

static void adamw(float *w, float *m, float *v, const float *g, size_t count, const struct adamw_step *step) {
	const float decay = (float)(1 - step->learning_rate * step->weight_decay);
	const floats new_to_m = splat((float)(1 - step->beta1)), new_to_v = splat((float)(1 - step->beta2));
	const float beta2 = (float)step->beta2, gradient_scale = (float)step->gradient_scale;
	const float root_correction = (float)sqrt(step->bias_correction2), epsilon = (float)step->epsilon;
	const floats size = splat((float)(-step->learning_rate / step->bias_correction1));
	for (size_t i = 0; i < count; i += WIDTH) {
		size_t n = count - i;
		floats gradient = load(g + i, n) * gradient_scale;
		floats first = load(m + i, n), second = load(v + i, n);
		first = multiply_add(gradient - first, new_to_m, first);
		second = multiply_add(gradient * gradient, new_to_v, second * beta2);
		floats direction = first / (square_root(second) / root_correction + epsilon);
		store(w + i, multiply_add(direction, size, load(w + i, n) * decay), n);
		store(m + i, first, n);
		store(v + i, second, n);
	}
}

const struct kernels VERSION = {
	.name = VERSION_NAME,
	.add_bias = add_bias,
	.add_bias_backward = add_bias_backward,
	.add_bias_backward_bf16 = add_bias_backward_bf16,
	.round_to_bf16 = round_to_bf16,
	.widen_bf16 = widen_bf16,
	.multiply_few = multiply_few,
	.multiply_few_bf16 = multiply_few_bf16,
#ifdef PACKS_ROWS
	.multiply_packed = multiply_packed,
	.pack_rows = pack_rows,
	.panel_rows = PANEL,
#endif
	.activate = activate,
	.activate_backward = activate_backward,
	.activate_bf16 = activate_bf16,
	.activate_backward_bf16 = activate_backward_bf16,
	.layer_norm = layer_norm,
	.layer_norm_backward = layer_norm_backward,
	.dropout_add = dropout_add,
	.dropout_backward = dropout_backward,
	.softmax = softmax,
	.softmax_backward = softmax_backward,
	.cross_entropy = cross_entropy,
	.log_sum_exp = log_sum_exp,
	.distill = distill,
	.sum_of_squares = sum_of_squares,
	.adamw = adamw,
};
