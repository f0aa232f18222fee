/* Attention (Vaswani et al. 2017), a head of a record at a time, in a thread's own scratch: neither the scores nor the
 * probabilities of a whole batch are ever in memory. The backward pass computes them anew. Products are in single
 * precision always. */
#include "model/network_parts.h"

#include <math.h>
#include <string.h>

struct attention {
	struct network *network;
	const struct layer *layer;
	struct matrix dcontext, dquery, dkey, dvalue;
};

/* What one task works on: head h of record b. D channels a head, Q queries, T keys. */
struct head {
	size_t D, Q, T;
	size_t first_query, first_key, first_channel;
	struct matrix query, key, value, context;
	const uint8_t *keep;
	float scale;
	struct dropout dropout;
	size_t first_coin;
	struct matrix probabilities, other;  /* [Q, T] */
};

static struct head head_at(const struct attention *attention, size_t index, int worker) {
	const struct network *network = attention->network;
	const struct layer *layer = attention->layer;
	const struct network_input *input = network->input;
	size_t H = network->H, D = network->C / H, T = input->T;
	size_t b = index / H, h = index % H;
	bool whole = layer->R == network->N;
	struct head head = { .D = D, .T = T, .first_key = b * T, .first_channel = h * D, .scale = 1 / sqrtf((float)D) };
	head.first_query = whole ? b * T : network->record_queries[b];
	head.Q = whole ? T : network->record_queries[b + 1] - head.first_query;
	head.query = matrix_at(layer->query, head.first_query, head.first_channel);
	head.key = matrix_at(layer->key, head.first_key, head.first_channel);
	head.value = matrix_at(layer->value, head.first_key, head.first_channel);
	head.context = matrix_at(layer->context, head.first_query, head.first_channel);
	head.keep = input->attention_mask != NULL ? input->attention_mask + b * T : NULL;
	head.dropout = attention_dropout(network, layer->site);
	head.first_coin = (h * layer->R + head.first_query) * T;
	head.probabilities = (struct matrix){ .fp32 = network->scores + (size_t)worker * 2 * T * T, .stride = T };
	head.other = matrix_at(head.probabilities, T, 0);
	return head;
}

static void compute_probabilities(const struct attention *attention, const struct head *head) {
	multiply(&(struct product){ head->Q, head->T, head->D, .a = head->query, .b = head->key, .transpose_b = true,
		.c = head->probabilities.fp32, .ldc = head->T });
	attention->network->kernels->softmax(head->probabilities.fp32, head->Q, head->T, head->T, head->scale, head->keep);
}

static void attend(void *context, size_t index, int worker) {
	const struct attention *attention = context;
	const struct network *network = attention->network;
	const struct head head = head_at(attention, index, worker);
	if (head.Q == 0)
		return;
	compute_probabilities(attention, &head);
	if (head.dropout.probability > 0)
		network->kernels->dropout_add(head.probabilities.fp32, NULL, head.Q * head.T, &head.dropout, head.first_coin);
	multiply(&(struct product){ head.Q, head.D, head.T, .a = head.probabilities, .b = head.value,
		.c = head.context.fp32, .ldc = head.context.stride });
	round_rows(network, head.context, 0, head.Q, head.D);
}

void attention_forward(struct network *network, const struct layer *layer) {
	struct attention attention = { .network = network, .layer = layer };
	pool_run(network->pool, network->input->B * network->H, attend, &attention);
}

/* ---- backward ------------------------------------------------------------------------------------------ */

/* From dcontext to dvalue, and to the gradient of the scores, in `other`. */
static void probabilities_backward(const struct attention *attention, const struct head *head, struct matrix dcontext,
	struct matrix dvalue) {
	const struct kernels *kernels = attention->network->kernels;
	const size_t Q = head->Q, T = head->T;
	float *other = head->other.fp32;
	struct matrix dropped = head->probabilities;
	if (head->dropout.probability > 0) {
		memcpy(other, head->probabilities.fp32, Q * T * sizeof *other);
		kernels->dropout_add(other, NULL, Q * T, &head->dropout, head->first_coin);
		dropped = head->other;
	}
	multiply(&(struct product){ T, head->D, Q, .a = dropped, .transpose_a = true, .b = dcontext, .c = dvalue.fp32,
		.ldc = dvalue.stride });
	multiply(&(struct product){ Q, T, head->D, .a = dcontext, .b = head->value, .transpose_b = true, .c = other,
		.ldc = T });
	if (head->dropout.probability > 0)
		kernels->dropout_backward(other, other, Q * T, &head->dropout, head->first_coin);
	kernels->softmax_backward(other, head->probabilities.fp32, Q, T, T, head->scale);
}

static void zero_rows(struct matrix matrix, size_t rows, size_t columns) {
	for (size_t r = 0; r < rows; r++)
		memset(matrix.fp32 + r * matrix.stride, 0, columns * sizeof *matrix.fp32);
}

static void attend_backward(void *context, size_t index, int worker) {
	const struct attention *attention = context;
	const struct head head = head_at(attention, index, worker);
	const size_t Q = head.Q, T = head.T, D = head.D;
	const struct matrix dquery = matrix_at(attention->dquery, head.first_query, head.first_channel);
	const struct matrix dkey = matrix_at(attention->dkey, head.first_key, head.first_channel);
	const struct matrix dvalue = matrix_at(attention->dvalue, head.first_key, head.first_channel);
	if (Q == 0) {
		zero_rows(dkey, T, D);
		zero_rows(dvalue, T, D);
	} else {
		compute_probabilities(attention, &head);
		probabilities_backward(attention, &head, matrix_at(attention->dcontext, head.first_query, head.first_channel),
			dvalue);
		multiply(&(struct product){ Q, D, T, .a = head.other, .b = head.key, .c = dquery.fp32, .ldc = dquery.stride });
		multiply(&(struct product){ T, D, Q, .a = head.other, .transpose_a = true, .b = head.query, .c = dkey.fp32,
			.ldc = dkey.stride });
	}
	round_rows(attention->network, dquery, 0, Q, D);
	round_rows(attention->network, dkey, 0, T, D);
	round_rows(attention->network, dvalue, 0, T, D);
}

void attention_backward(struct network *network, const struct layer *layer, struct matrix dcontext,
	struct matrix dquery, struct matrix dkey, struct matrix dvalue) {
	struct attention attention = { network, layer, dcontext, dquery, dkey, dvalue };
	pool_run(network->pool, network->input->B * network->H, attend_backward, &attention);
}
