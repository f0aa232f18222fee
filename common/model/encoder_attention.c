/* encoder_attention: attention (Vaswani et al. 2017), computed for one head of one record at a time, in scratch memory
 * of the thread. So the scores and probabilities of a whole batch are never in memory; the backward pass recomputes
 * them. In bfloat16, the operands of its products are rounded like all others; scores, probabilities and their gradients
 * are computed in single precision. */
#include "model/encoder_parts.h"

#include <math.h>
#include <string.h>

/* Whole cache lines, in floats. */
static size_t square_size(const struct encoder *encoder) {
	return align_floats(encoder->longest * encoder->longest);
}

size_t scores_size(const struct encoder *encoder) {
	return 2 * square_size(encoder) + (encoder->compute->rounded != NULL ? align_floats(square_size(encoder) / 2) : 0);
}

struct attention {
	struct encoder *encoder;
	const struct layer *layer;
	struct matrix dcontext;
	const struct attention_gradients *gradients;
};

/* The work of one task: one attention head of one record, with D channels, Q queries and T keys. */
struct attention_head {
	size_t D, Q, T;
	size_t first_query, first_key, first_channel;
	struct matrix queries, keys, values, context;
	const uint8_t *keep;
	float scale;
	struct dropout dropout;
	size_t first_coin;
	struct matrix probabilities, other;  /* [Q, T] with one bf16 for both, which holds what was rounded last */
};

/* Finds the record's queries among those of the layer: all rows of the record, or its wanted rows. */
static void find_queries(const struct attention *attention, size_t b, struct attention_head *head) {
	const struct wanted *wanted = attention->layer->wanted;
	const int32_t *starts = wanted != NULL ? wanted->starts : attention->encoder->examples->starts;
	head->first_query = (size_t)(starts[b] - starts[0]);
	head->Q = (size_t)(starts[b + 1] - starts[b]);
}

static struct attention_head head_at(const struct attention *attention, size_t index, int worker) {
	const struct encoder *encoder = attention->encoder;
	const struct layer *layer = attention->layer;
	const struct examples *examples = encoder->examples;
	size_t H = encoder->H, D = encoder->C / H, longest = encoder->longest;
	size_t b = index / H, h = index % H;
	struct attention_head head = { .D = D, .T = (size_t)(examples->starts[b + 1] - examples->starts[b]),
		.first_key = (size_t)(examples->starts[b] - examples->starts[0]), .first_channel = h * D,
		.scale = 1 / sqrtf((float)D) };
	find_queries(attention, b, &head);
	head.queries = matrix_at(layer->queries, head.first_query, head.first_channel);
	head.keys = matrix_at(layer->keys, head.first_key, head.first_channel);
	head.values = matrix_at(layer->values, head.first_key, head.first_channel);
	head.context = matrix_at(layer->context, head.first_query, head.first_channel);
	head.keep = examples->attended != NULL ? examples->attended + head.first_key : NULL;
	head.dropout = attention_dropout(encoder->compute, layer->site);
	head.first_coin = (h * layer->R + head.first_query) * longest;
	float *scores = encoder->scores + (size_t)worker * scores_size(encoder), *other = scores + square_size(encoder);
	bfloat16 *rounded = encoder->compute->rounded != NULL ? (bfloat16 *)(other + square_size(encoder)) : NULL;
	head.probabilities = (struct matrix){ scores, rounded, head.T };
	head.other = (struct matrix){ other, rounded, head.T };
	return head;
}

/* Fetches a head's part of the rows into the second-level cache. The parts of a head are a few cache lines in each of many
 * rows, which the processor does not foresee; products read them in an order that waits for each. (GCC leaves out calls of a
 * function that only fetches, so this one is inlined.) */
__attribute__((always_inline))
static inline void fetch(struct matrix matrix, size_t rows, size_t channels) {
	enum { CACHE_LINE = 64 };
	const bool rounded = matrix.bf16 != NULL;
	const size_t size = rounded ? sizeof *matrix.bf16 : sizeof *matrix.fp32;
	const char *row = rounded ? (const char *)matrix.bf16 : (const char *)matrix.fp32;
	for (size_t r = 0; r < rows; r++, row += matrix.stride * size)
		for (size_t line = 0; line < channels * size; line += CACHE_LINE)
			__builtin_prefetch(row + line, 0, 2);
}

static void compute_probabilities(const struct attention *attention, const struct attention_head *head) {
	fetch(head->queries, head->Q, head->D);
	fetch(head->keys, head->T, head->D);
	fetch(head->values, head->T, head->D);
	multiply(&(struct product){ head->Q, head->T, head->D, .a = head->queries, .b = head->keys, .transpose_b = true,
		.c = float_matrix(head->probabilities.fp32, head->T) });
	attention->encoder->compute->kernels->softmax(head->probabilities.fp32, head->Q, head->T, head->T, head->scale,
		head->keep);
}

static void attend(void *context, size_t index, int worker) {
	const struct attention *attention = context;
	const struct compute *compute = attention->encoder->compute;
	const struct attention_head head = head_at(attention, index, worker);
	if (head.Q == 0)
		return;
	compute_probabilities(attention, &head);
	if (head.dropout.probability > 0)
		compute->kernels->dropout_add(head.probabilities.fp32, NULL, head.Q * head.T, &head.dropout, head.first_coin);
	round_rows(compute, head.probabilities, 0, head.Q, head.T);
	multiply(&(struct product){ head.Q, head.D, head.T, .a = head.probabilities, .b = head.values, .c = head.context });
}

void attention_forward(struct encoder *encoder, const struct layer *layer) {
	struct attention attention = { .encoder = encoder, .layer = layer };
	pool_run(encoder->compute->pool, encoder->examples->B * encoder->H, attend, &attention);
}

/* ---- backward ------------------------------------------------------------------------------------------ */

/* Computes dvalues, and the gradient of the scores (in `other`), from dcontext. */
static void probabilities_backward(const struct attention *attention, const struct attention_head *head,
	struct matrix dcontext, struct matrix dvalues) {
	const struct compute *compute = attention->encoder->compute;
	const struct kernels *kernels = compute->kernels;
	const size_t Q = head->Q, T = head->T;
	float *other = head->other.fp32;
	struct matrix dropped = head->probabilities;
	if (head->dropout.probability > 0) {
		memcpy(other, head->probabilities.fp32, Q * T * sizeof *other);
		kernels->dropout_add(other, NULL, Q * T, &head->dropout, head->first_coin);
		dropped = head->other;
	}
	round_rows(compute, dropped, 0, Q, T);
	multiply(&(struct product){ T, head->D, Q, .a = dropped, .transpose_a = true, .b = dcontext, .c = dvalues });
	multiply(&(struct product){ Q, T, head->D, .a = dcontext, .b = head->values, .transpose_b = true,
		.c = float_matrix(other, T) });
	if (head->dropout.probability > 0)
		kernels->dropout_backward(other, other, Q * T, &head->dropout, head->first_coin);
	kernels->softmax_backward(other, head->probabilities.fp32, Q, T, T, head->scale);
	round_rows(compute, head->other, 0, Q, T);
}

static void zero_rows(struct matrix matrix, size_t rows, size_t columns) {
	for (size_t r = 0; r < rows; r++) {
		const struct matrix row = matrix_at(matrix, r, 0);
		if (row.fp32 != NULL)
			memset(row.fp32, 0, columns * sizeof *row.fp32);
		else
			memset(row.bf16, 0, columns * sizeof *row.bf16);
	}
}

static void attend_backward(void *context, size_t index, int worker) {
	const struct attention *attention = context;
	const struct attention_gradients *gradients = attention->gradients;
	const struct attention_head head = head_at(attention, index, worker);
	const size_t Q = head.Q, T = head.T, D = head.D;
	const struct matrix dqueries = matrix_at(gradients->dqueries, head.first_query, head.first_channel);
	const struct matrix dkeys = matrix_at(gradients->dkeys, head.first_key, head.first_channel);
	const struct matrix dvalues = matrix_at(gradients->dvalues, head.first_key, head.first_channel);
	if (Q == 0) {
		zero_rows(dkeys, T, D);
		zero_rows(dvalues, T, D);
	} else {
		const struct matrix dcontext = matrix_at(attention->dcontext, head.first_query, head.first_channel);
		fetch(dcontext, Q, D);
		compute_probabilities(attention, &head);
		probabilities_backward(attention, &head, dcontext, dvalues);
		multiply(&(struct product){ Q, D, T, .a = head.other, .b = head.keys, .c = dqueries });
		multiply(&(struct product){ T, D, Q, .a = head.other, .transpose_a = true, .b = head.queries, .c = dkeys });
	}
}

void attention_backward(struct encoder *encoder, const struct layer *layer, struct matrix dcontext,
	const struct attention_gradients *gradients) {
	struct attention attention = { encoder, layer, dcontext, gradients };
	pool_run(encoder->compute->pool, encoder->examples->B * encoder->H, attend_backward, &attention);
}
