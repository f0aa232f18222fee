/* kernels: the loops between the matrix products, on rows of floats, each on one thread.
 *
 * Arrays are row-major, of N rows and C columns unless stated. A forward function is followed by its backward function,
 * with the same order of arguments. Gradients of parameters (dweight, dbias) are added to what is there; gradients of
 * inputs are written, unless stated.
 *
 * There are several versions: portable C; AVX2, AVX-512, AVX-512 with BF16, and the same with AMX for x86-64; NEON for arm64.
 * kernels() picks the best that this processor runs. They agree to a few units in the last place; the tests compare each
 * with plain loops in double precision. For tests, the environment variable CLOZE_KERNELS chooses another version that this
 * processor runs by its name: portable, avx2, avx512, avx512_bf16, amx_bf16 or neon. */
#ifndef CLOZE_MATH_KERNELS_H
#define CLOZE_MATH_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* hidden_act of config.json: gelu is x Phi(x) by erf (Hendrycks & Gimpel 2016), gelu_new its approximation by tanh,
 * quick_gelu the approximation x sigmoid(1.702 x); mish is x tanh(ln(1 + exp(x))) (Misra 2019). */
enum activation { ACTIVATION_GELU, ACTIVATION_GELU_NEW, ACTIVATION_RELU, ACTIVATION_SILU, ACTIVATION_QUICK_GELU,
	ACTIVATION_MISH, ACTIVATIONS };

/* Dropout (Srivastava et al. 2014). Each element has a coin, a random 32-bit word: the element is kept and divided by
 * 1 - probability if its coin is at least probability * 2^32, and becomes 0 otherwise. Forward and backward compute the
 * same coins, so no mask is stored. The coin of element i is word i / 16 % 4 of the Philox block b = i / 64 * 16 + i %
 * 16, with the seed as the key and the counter
 *
 *     { b, RANDOM_DROPOUT + (site << 8), step's low 32 bits, step's high 32 bits }
 *
 * so that 64 elements take 16 blocks, whose words are in the order of the elements; the blocks of site 0 are those of
 * random_words(). The probability is below 1; 0: nothing is dropped, and no coin is computed. A site is a place in the
 * network, below 2^24, and has at most 2^34 elements. */
struct dropout { uint64_t seed; uint64_t step; uint32_t site; float probability; };

/* The upper half of a float: the same range, with 8 bits of precision. */
typedef uint16_t bfloat16;

/* The settings of one optimizer step for a range of elements; `weight_decay` is 0 for biases and layer norms. They are
 * in double precision because a float cannot hold beta2 = 0.999 exactly, and 1 - beta2 would be off by 1e-5 of
 * itself. */
struct adamw_step {
	double learning_rate, beta1, beta2, epsilon, weight_decay;
	double bias_correction1, bias_correction2; /* 1 - beta^t */
	double gradient_scale;                     /* the factor that clipping multiplies the gradient by */
};

/* What a row is distilled with, and what comes of it, in nats. */
struct distill_row { int32_t label; float temperature, soft_scale, hard_scale; };
struct row_losses { float divergence, cross_entropy; };

/* A product of few rows: y[n, o] = sum over i of x[n, i] w[o, i]. Strides are numbers from one row to the next. The last
 * three are for multiply_packed_bf16() alone. */
struct few_rows {
	float *y;                                  /* [rows, outputs] */
	const void *x, *w;                         /* [rows, inputs], [outputs, inputs]: floats, or bfloat16 */
	size_t rows, outputs, inputs;
	size_t y_stride, x_stride, w_stride;
	const float *bias;                         /* [outputs], added to each row; NULL: none */
	bfloat16 *y_bf16;                          /* gets the results, rounded, in place of y; NULL: y gets them */
	bool add;                                  /* the results are added to y, without a bias */
};

/* Packed rows have inputs in multiples of 32, as many of bfloat16 as a processor's tile has in a row. */
static inline size_t packed_inputs(size_t inputs) {
	return (inputs + 31) / 32 * 32;
}

struct kernels {
	const char *name; /* "portable", "avx2", "avx512", "avx512_bf16", "amx_bf16", "neon" */

	/* x[n, c] += bias[c]; rows are `stride` floats apart. */
	void (*add_bias)(float *x, const float *bias, size_t N, size_t C, size_t stride);
	/* dbias[c] += sum over n of dy[n, c]. */
	void (*add_bias_backward)(float *dbias, const float *dy, size_t N, size_t C, size_t stride);
	void (*add_bias_backward_bf16)(float *dbias, const bfloat16 *dy, size_t N, size_t C, size_t stride);

	/* y[n, c] = x[n, c] rounded to the nearest, ties to even; rows of both are `stride` numbers apart. A NaN stays a
	 * NaN; a subnormal number may become zero, which it is to the processor's products. */
	void (*round_to_bf16)(bfloat16 *y, const float *x, size_t N, size_t C, size_t stride);
	/* y[i] = x[i]. */
	void (*widen_bf16)(float *y, const bfloat16 *x, size_t count);

	/* The product, for which each weight is read from memory once, whatever the rows. An element's result does not depend
	 * on how many rows or outputs are computed at a time. */
	void (*multiply_few)(const struct few_rows *product);
	/* The same for x and w in bfloat16, with sums in single precision. */
	void (*multiply_few_bf16)(const struct few_rows *product);

	/* The product of more rows, of which x has been packed; x_stride is not read. NULL: leave it to a library. */
	void (*multiply_packed)(const struct few_rows *product);
	/* Packs rows as multiply_packed() reads them: panels of panel_rows rows each. packed, of panel_rows x
	 * packed_inputs(inputs) numbers a panel, has been zeroed, so that what a last panel lacks is zeros. The rows of x are
	 * `stride` numbers apart. */
	void (*pack_rows)(float *packed, const float *x, size_t rows, size_t inputs, size_t stride);
	/* The same for x and w in bfloat16, where the processor multiplies tiles of them, with sums in single precision. */
	void (*multiply_packed_bf16)(const struct few_rows *product);
	void (*pack_rows_bf16)(bfloat16 *packed, const bfloat16 *x, size_t rows, size_t inputs, size_t stride);
	size_t panel_rows;
	/* y[c, n] = x[n, c], where there is multiply_packed_bf16(). */
	void (*transpose_bf16)(bfloat16 *y, const bfloat16 *x, size_t N, size_t C, size_t y_stride, size_t x_stride);

	/* y = act(x), elementwise. */
	void (*activate)(enum activation activation, float *y, const float *x, size_t count);
	/* dx = dy * act'(x). dx may be dy. */
	void (*activate_backward)(enum activation activation, float *dx, const float *dy, const float *x, size_t count);
	/* y = act(x), and unless it is NULL slope = act'(x), both rounded; slope may be x. */
	void (*activate_bf16)(enum activation activation, bfloat16 *y, bfloat16 *slope, const bfloat16 *x, size_t count);
	/* dx = dx * slope, rounded. */
	void (*activate_backward_bf16)(bfloat16 *dx, const bfloat16 *slope, size_t count);

	/* Layer normalization (Ba et al. 2016) of each row: xhat = (x - mean) * rstd; y = xhat * weight + bias.
	 * mean and rstd are [N]; variance is biased, eps added to it. y may be x. */
	void (*layer_norm)(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias,
		size_t N, size_t C, float eps);
	/* x is the input of layer_norm(), not overwritten by its output. dx may be dy. */
	void (*layer_norm_backward)(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
		const float *mean, const float *rstd, const float *weight, size_t N, size_t C);

	/* x[i] = dropout(x[i]) + residual[i]; residual may be NULL. `first` is the index of x[0] in its site. */
	void (*dropout_add)(float *x, const float *residual, size_t count, const struct dropout *dropout, size_t first);
	/* dx[i] = dropout(dy[i]), with the coins of the forward pass. dx may be dy. */
	void (*dropout_backward)(float *dx, const float *dy, size_t count, const struct dropout *dropout, size_t first);

	/* p[n, :] = softmax(scale * scores[n, :]) over T columns, in place; rows are `stride` floats apart. A column t with
	 * keep[t] = 0 gets probability 0; keep may be NULL. If no column is kept, all become 0. */
	void (*softmax)(float *scores, size_t N, size_t T, size_t stride, float scale, const uint8_t *keep);
	/* dscores = scale * p * (dp - sum_t p * dp), in place of dp. */
	void (*softmax_backward)(float *dp, const float *p, size_t N, size_t T, size_t stride, float scale);

	/* Softmax cross-entropy of one row of V logits: returns -log softmax(logits)[label]. If gradient_scale is not 0,
	 * the logits are replaced by their gradient times gradient_scale. */
	float (*cross_entropy)(float *logits, size_t V, int32_t label, float gradient_scale);

	/* The logarithm of the sum over v of exp(x[v] / temperature), for one row of V; -infinity if every x is
	 * -infinity. */
	double (*log_sum_exp)(const float *x, size_t V, float temperature);

	/* Distillation of one row of V logits z from a teacher's t, both finite (Hinton et al. 2015). With p = softmax(t /
	 * T) and q = softmax(z / T), returns the divergence, sum over v of p (log p - log q), and the cross-entropy of
	 * softmax(z) at the label, and replaces z by soft_scale (q - p) + hard_scale (softmax(z) - 1 at the label). */
	struct row_losses (*distill)(float *logits, const float *teacher, size_t V, const struct distill_row *row);

	/* The sum of the squares of x, in double precision. */
	double (*sum_of_squares)(const float *x, size_t count);

	/* One step of AdamW (Loshchilov & Hutter 2019), equal to torch.optim.AdamW, with the gradient g *
	 * gradient_scale. */
	void (*adamw)(float *w, float *m, float *v, const float *g, size_t count, const struct adamw_step *step);
};

/* The best version for this processor, chosen at the first call. */
const struct kernels *kernels(void);

/* For tests: the versions that this build has and this processor runs, ended by NULL. */
const struct kernels *const *kernels_available(void);

#endif
