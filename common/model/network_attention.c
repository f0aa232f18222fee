/* Attention (Vaswani et al. 2017), a head of a record at a time, in a thread's own scratch: neither the scores nor the
 * probabilities of a whole batch are ever in memory. The backward pass computes them anew. */
#include "model/network_parts.h"

#include <math.h>
#include <string.h>

struct attention {
	struct network *network;
	const struct layer *layer;
	const float *dcontext;
	float *dquery, *dkey, *dvalue;
};

/* What one task works on: head h of record b. D channels a head, Q queries, T keys. */
struct head {
	size_t D, Q, T, first_query;
	size_t query_at, key_at, context_at; /* offsets of the head's first row */
	const uint8_t *keep;
	float scale;
	struct dropout dropout;
	size_t first_coin;
	float *probabilities, *other;        /* [Q, T] */
};

static struct head head_at(const struct attention *attention, size_t index, int worker) {
	const struct network *network = attention->network;
	const struct layer *layer = attention->layer;
	const struct network_input *input = network->input;
	size_t H = network->H, D = network->C / H, T = input->T;
	size_t b = index / H, h = index % H;
	bool all = layer->residual == layer->x;
	struct head head = { .D = D, .T = T, .scale = 1 / sqrtf((float)D) };
	head.first_query = all ? b * T : network->record_queries[b];
	head.Q = all ? T : network->record_queries[b + 1] - head.first_query;
	head.query_at = head.first_query * layer->query_stride + h * D;
	head.key_at = b * T * layer->key_stride + h * D;
	head.context_at = head.first_query * network->C + h * D;
	head.keep = input->attention_mask != NULL ? input->attention_mask + b * T : NULL;
	head.dropout = attention_dropout(network, layer->site);
	head.first_coin = (h * layer->R + head.first_query) * T;
	head.probabilities = network->scores + (size_t)worker * 2 * T * T;
	head.other = head.probabilities + T * T;
	return head;
}

static void compute_probabilities(const struct attention *attention, const struct head *head) {
	const struct layer *layer = attention->layer;
	multiply(false, true, head->Q, head->T, head->D, 1, layer->query + head->query_at, layer->query_stride,
		layer->key + head->key_at, layer->key_stride, 0, head->probabilities, head->T);
	attention->network->kernels->softmax(head->probabilities, head->Q, head->T, head->T, head->scale, head->keep);
}

static void attend(void *context, size_t index, int worker) {
	const struct attention *attention = context;
	const struct network *network = attention->network;
	const struct layer *layer = attention->layer;
	struct head head = head_at(attention, index, worker);
	if (head.Q == 0)
		return;
	compute_probabilities(attention, &head);
	if (head.dropout.probability > 0)
		network->kernels->dropout_add(head.probabilities, NULL, head.Q * head.T, &head.dropout, head.first_coin);
	multiply(false, false, head.Q, head.D, head.T, 1, head.probabilities, head.T, layer->value + head.key_at,
		layer->key_stride, 0, layer->context + head.context_at, network->C);
}

void attention_forward(struct network *network, const struct layer *layer) {
	struct attention attention = { .network = network, .layer = layer };
	pool_run(network->pool, network->input->B * network->H, attend, &attention);
}

static void attend_backward(void *context, size_t index, int worker) {
	const struct attention *attention = context;
	const struct network *network = attention->network;
	const struct layer *layer = attention->layer;
	struct head head = head_at(attention, index, worker);
	size_t C = network->C, Q = head.Q, T = head.T, D = head.D, stride = layer->key_stride;
	const float *dcontext = attention->dcontext + head.context_at;
	float *dkey = attention->dkey + head.key_at, *dvalue = attention->dvalue + head.key_at;
	if (Q == 0) {
		for (size_t t = 0; t < T; t++) {
			memset(dkey + t * stride, 0, D * sizeof *dkey);
			memset(dvalue + t * stride, 0, D * sizeof *dvalue);
		}
		return;
	}
	compute_probabilities(attention, &head);

	/* dvalue = dropped^T dcontext, then `other` turns from dropped probabilities to their gradient. */
	const float *dropped = head.probabilities;
	if (head.dropout.probability > 0) {
		memcpy(head.other, head.probabilities, Q * T * sizeof *head.other);
		network->kernels->dropout_add(head.other, NULL, Q * T, &head.dropout, head.first_coin);
		dropped = head.other;
	}
	multiply(true, false, T, D, Q, 1, dropped, T, dcontext, C, 0, dvalue, stride);
	multiply(false, true, Q, T, D, 1, dcontext, C, layer->value + head.key_at, stride, 0, head.other, T);
	if (head.dropout.probability > 0)
		network->kernels->dropout_backward(head.other, head.other, Q * T, &head.dropout, head.first_coin);
	network->kernels->softmax_backward(head.other, head.probabilities, Q, T, T, head.scale);
	multiply(false, false, Q, D, T, 1, head.other, T, layer->key + head.key_at, stride, 0,
		attention->dquery + head.query_at, layer->query_stride);
	multiply(true, false, T, D, Q, 1, head.other, T, layer->query + head.query_at, layer->query_stride, 0, dkey, stride);
}

void attention_backward(struct network *network, const struct layer *layer, const float *dcontext, float *dquery,
	float *dkey, float *dvalue) {
	struct attention attention = { network, layer, dcontext, dquery, dkey, dvalue };
	pool_run(network->pool, network->input->B * network->H, attend_backward, &attention);
}
