/* kernels: the loops between the matrix products, serial, on rows of floats.
 *
 * Arrays are row-major; N rows, C columns unless said. A forward is followed by its backward, with the same order of
 * arguments. Gradients of parameters (dweight, dbias) are added to; gradients of inputs are written, unless said.
 *
 * There are several versions: portable C; AVX2 and AVX-512 for x86-64; NEON for arm64. kernels() picks the best that
 * this processor runs. They agree to a few units in the last place, and the tests hold each against plain loops in double
 * precision. The environment variable CLOZE_KERNELS=portable|avx2|avx512|neon chooses another one,
 * for tests, where this processor has it. */
#ifndef CLOZE_MATH_KERNELS_H
#define CLOZE_MATH_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* hidden_act of config.json: gelu is x Phi(x) by erf (Hendrycks & Gimpel 2016), gelu_new its tanh form, quick_gelu its form
 * x sigmoid(1.702 x); mish is x tanh(ln(1 + exp(x))) (Misra 2019). */
enum activation { ACTIVATION_GELU, ACTIVATION_GELU_NEW, ACTIVATION_RELU, ACTIVATION_SILU, ACTIVATION_QUICK_GELU,
	ACTIVATION_MISH, ACTIVATIONS };

/* Dropout (Srivastava et al. 2014): an element is kept when its coin is at or above probability * 2^32, and kept values
 * are divided by 1 - probability. Forward and backward compute the coins anew, so no mask is stored. Element i's coin is
 * word i / 16 % 4 of the Philox block b = i / 64 * 16 + i % 16, with the seed as the key and the counter
 *
 *     { b, RANDOM_DROPOUT + (site << 8), step's low 32 bits, step's high 32 bits }
 *
 * so that 64 elements take 16 blocks, whose words lie in the order of the elements; site 0's blocks are random_words()'s.
 * probability is below 1; 0: nothing is dropped, nothing drawn. A site is a place in the network, below 2^24, and has
 * at most 2^34 elements. */
struct dropout { uint64_t seed; uint64_t step; uint32_t site; float probability; };

/* A float's upper half: its range, with 8 bits of precision. */
typedef uint16_t bfloat16;

/* What an optimizer step has in common for all elements; `weight_decay` 0 spares biases and layer norms. In double
 * precision, because 1 - beta2 is not what it should be once beta2 = 0.999 is rounded. */
struct adamw_step {
	double learning_rate, beta1, beta2, epsilon, weight_decay;
	double bias_correction1, bias_correction2; /* 1 - beta^t */
	double gradient_scale;                     /* what clipping multiplies the gradient by */
};

/* What a row is distilled with, and what comes of it, in nats. */
struct distill_row { int32_t label; float temperature, soft_scale, hard_scale; };
struct row_losses { float divergence, cross_entropy; };

struct kernels {
	const char *name; /* "portable", "avx2", "avx512", "neon" */

	/* x[n, c] += bias[c], rows `stride` floats apart. */
	void (*add_bias)(float *x, const float *bias, size_t N, size_t C, size_t stride);
	/* dbias[c] += sum over n of dy[n, c]. */
	void (*add_bias_backward)(float *dbias, const float *dy, size_t N, size_t C, size_t stride);

	/* y[n, c] = x[n, c] rounded to the nearest, ties to even, rows of both `stride` numbers apart; a NaN stays one. */
	void (*round_to_bf16)(bfloat16 *y, const float *x, size_t N, size_t C, size_t stride);

	/* y = act(x), elementwise. */
	void (*activate)(enum activation activation, float *y, const float *x, size_t count);
	/* dx = dy * act'(x). dx may be dy. */
	void (*activate_backward)(enum activation activation, float *dx, const float *dy, const float *x, size_t count);

	/* Layer normalization (Ba et al. 2016) of each row: xhat = (x - mean) * rstd; y = xhat * weight + bias.
	 * mean and rstd are [N]; variance is biased, eps added to it. y may be x. */
	void (*layer_norm)(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias,
		size_t N, size_t C, float eps);
	/* Takes x as it was before. dx may be dy. */
	void (*layer_norm_backward)(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
		const float *mean, const float *rstd, const float *weight, size_t N, size_t C);

	/* x[i] = dropout(x[i]) + residual[i]; residual may be NULL. `first` is the index of x[0] in its site. */
	void (*dropout_add)(float *x, const float *residual, size_t count, const struct dropout *dropout, size_t first);
	/* dx[i] = dy[i] through the same coins. dx may be dy. */
	void (*dropout_backward)(float *dx, const float *dy, size_t count, const struct dropout *dropout, size_t first);

	/* Each row p[n, :] = softmax(scale * scores[n, :]) over T columns, rows `stride` floats apart, in place. Column t
	 * takes no part where keep[t] is 0; keep may be NULL. A row with nothing to attend to becomes zeros. */
	void (*softmax)(float *scores, size_t N, size_t T, size_t stride, float scale, const uint8_t *keep);
	/* dscores = scale * p * (dp - sum_t p * dp), in place of dp. */
	void (*softmax_backward)(float *dp, const float *p, size_t N, size_t T, size_t stride, float scale);

	/* Softmax cross-entropy of one row of V logits at `label`: returns -log softmax(logits)[label]. With gradient_scale
	 * not 0, replaces the logits by their gradient times gradient_scale. */
	float (*cross_entropy)(float *logits, size_t V, int32_t label, float gradient_scale);

	/* The logarithm of the sum over v of exp(x[v] / temperature), of one row of V; -infinity where each x is. */
	double (*log_sum_exp)(const float *x, size_t V, float temperature);

	/* Distillation of one row of V logits z from a teacher's t, both finite (Hinton et al. 2015). With p = softmax(t / T) and
	 * q = softmax(z / T), returns the divergence, sum over v of p (log p - log q), and the cross-entropy of softmax(z) at the
	 * label, and replaces z by soft_scale (q - p) + hard_scale (softmax(z) - 1 at the label). */
	struct row_losses (*distill)(float *logits, const float *teacher, size_t V, const struct distill_row *row);

	/* The sum of squares, in double precision. */
	double (*sum_of_squares)(const float *x, size_t count);

	/* One step of AdamW (Loshchilov & Hutter 2019) as torch.optim.AdamW computes it, on g * gradient_scale. */
	void (*adamw)(float *w, float *m, float *v, const float *g, size_t count, const struct adamw_step *step);
};

/* The best version for this processor, chosen at the first call. */
const struct kernels *kernels(void);

/* The versions that this build has and this processor runs, for tests, ended by NULL. */
const struct kernels *const *kernels_available(void);

#endif
