/* One encoder layer: attention and a feed-forward network, each followed by dropout, its residual and a layer norm.
 *
 * In the last layer only the labelled positions are read, so only their queries, and what follows from them, exist;
 * keys and values exist for all. */
#include "model/network_parts.h"

#include <string.h>

enum { GATHER_ROWS = 32 };

/* What follows a product of rows: bias; bias, dropout, residual and layer norm; bias and activation. */
struct product_end {
	struct network *network;
	float *x;
	size_t columns, stride;
	const float *bias;
	const float *residual;
	const struct norm *norm;
	struct dropout dropout;
};

static void add_bias_to_rows(void *context, size_t first, size_t rows) {
	const struct product_end *end = context;
	end->network->kernels->add_bias(end->x + first * end->stride, end->bias, rows, end->columns, end->stride);
}

static void add_and_norm_rows(void *context, size_t first, size_t rows) {
	const struct product_end *end = context;
	size_t C = end->network->C, at = first * C;
	add_bias_to_rows(context, first, rows);
	end->network->kernels->dropout_add(end->x + at, end->residual + at, rows * C, &end->dropout, at);
	norm_rows(end->network, end->norm, first, rows);
}

static void activate_rows(void *context, size_t first, size_t rows) {
	const struct product_end *end = context;
	struct network *network = end->network;
	size_t at = first * end->columns;
	add_bias_to_rows(context, first, rows);
	network->kernels->activate(network->config->hidden_act, network->activated + at, end->x + at,
		rows * end->columns);
}

static void gather_rows(void *context, size_t first, size_t rows) {
	const struct product_end *end = context;
	const struct network *network = end->network;
	size_t C = network->C;
	for (size_t r = first; r < first + rows; r++)
		memcpy(end->x + r * C, end->residual + (size_t)network->input->positions[r] * C, C * sizeof *end->x);
}

/* Query, key and value of every row as one product; in the last layer queries are a product of their own. */
static void project(struct network *network, const struct layer *layer) {
	const float *weight = network->parameters->values + layer->offsets->qkv_weight;
	const float *bias = network->parameters->values + layer->offsets->qkv_bias;
	size_t C = network->C;
	struct product_end end = { .network = network };
	if (layer->residual == layer->x) {
		end = (struct product_end){ .network = network, .x = layer->query, .columns = 3 * C, .stride = 3 * C,
			.bias = bias };
		dense(network, layer->query, 3 * C, layer->x, weight, network->N, 3 * C, C, add_bias_to_rows, &end);
		return;
	}
	end = (struct product_end){ .network = network, .x = layer->residual, .residual = layer->x };
	run_rows(network, layer->R, GATHER_ROWS, gather_rows, &end);
	end = (struct product_end){ .network = network, .x = layer->query, .columns = C, .stride = C, .bias = bias };
	dense(network, layer->query, C, layer->residual, weight, layer->R, C, C, add_bias_to_rows, &end);
	end = (struct product_end){ .network = network, .x = layer->key, .columns = 2 * C, .stride = 2 * C,
		.bias = bias + C };
	dense(network, layer->key, 2 * C, layer->x, weight + C * C, network->N, 2 * C, C, add_bias_to_rows, &end);
}

/* DistilBERT drops nothing between the attention's output and its residual. */
static struct dropout attention_output_dropout(const struct network *network, const struct layer *layer) {
	if (network->config->model_type == MODEL_DISTILBERT)
		return (struct dropout){ 0 };
	return hidden_dropout(network, layer->site + 1);
}

void layer_forward(struct network *network, const struct layer *layer) {
	const float *values = network->parameters->values;
	const struct layer_offsets *offsets = layer->offsets;
	size_t C = network->C, F = network->F, R = layer->R;

	project(network, layer);
	attention_forward(network, layer);

	const struct norm *norm = &layer->attention_norm;
	struct product_end end = { network, norm->x, C, C, values + offsets->attention_output_bias, layer->residual, norm,
		attention_output_dropout(network, layer) };
	dense(network, norm->x, C, layer->context, values + offsets->attention_output_weight, R, C, C,
		add_and_norm_rows, &end);

	end = (struct product_end){ .network = network, .x = layer->intermediate, .columns = F, .stride = F,
		.bias = values + offsets->intermediate_bias };
	dense(network, layer->intermediate, F, norm->y, values + offsets->intermediate_weight, R, F, C,
		activate_rows, &end);

	norm = &layer->output_norm;
	end = (struct product_end){ network, norm->x, C, C, values + offsets->output_bias, layer->attention_norm.y, norm,
		hidden_dropout(network, layer->site + 2) };
	dense(network, norm->x, C, network->activated, values + offsets->output_weight, R, C, F, add_and_norm_rows, &end);
}

/* ---- backward ------------------------------------------------------------------------------------------ */

/* From the gradient of the activated rows, in wide, to that of the rows before; the activated ones, which the weight's
 * gradient takes, are computed anew. */
static void activate_rows_backward(void *context, size_t first, size_t rows) {
	const struct product_end *end = context;
	struct network *network = end->network;
	enum activation act = network->config->hidden_act;
	size_t at = first * network->F, count = rows * network->F;
	network->kernels->activate(act, network->activated + at, end->x + at, count);
	network->kernels->activate_backward(act, network->wide + at, network->wide + at, end->x + at, count);
}

/* Takes flow at the output, leaves it at the attention norm's output. */
static void feed_forward_backward(struct network *network, const struct layer *layer, float *gradients) {
	const float *values = network->parameters->values;
	const struct layer_offsets *offsets = layer->offsets;
	const struct dropout dropout = hidden_dropout(network, layer->site + 2);
	size_t C = network->C, F = network->F, R = layer->R;
	const float *branch = norm_backward(network, &layer->output_norm, network->flow, network->flow, R, &dropout,
		gradients);

	struct product_end end = { .network = network, .x = layer->intermediate };
	dense_backward_input(network, network->wide, branch, C, values + offsets->output_weight, R, C, F, false,
		activate_rows_backward, &end);
	dense_backward_weight(network, gradients + offsets->output_weight, gradients + offsets->output_bias, branch, C,
		network->activated, R, C, F);

	dense_backward_input(network, network->flow, network->wide, F, values + offsets->intermediate_weight, R, F, C,
		true, NULL, NULL);
	dense_backward_weight(network, gradients + offsets->intermediate_weight, gradients + offsets->intermediate_bias,
		network->wide, F, layer->attention_norm.y, R, F, C);
}

static void scatter_rows(void *context, size_t first, size_t rows) {
	const struct network *network = context;
	size_t C = network->C;
	for (size_t r = first; r < first + rows; r++) {
		float *to = network->flow + (size_t)network->input->positions[r] * C;
		const float *from = network->spare + r * C;
		for (size_t c = 0; c < C; c++)
			to[c] += from[c];
	}
}

static void exchange_flow(struct network *network) {
	float *flow = network->flow;
	network->flow = network->spare;
	network->spare = flow;
}

/* From the gradients of query, key and value, in wide, to those of x, added to the residual's in flow. */
static void project_backward(struct network *network, const struct layer *layer, const float *dquery,
	const float *dkey, float *gradients) {
	const float *weight = network->parameters->values + layer->offsets->qkv_weight;
	float *dweight = gradients + layer->offsets->qkv_weight, *dbias = gradients + layer->offsets->qkv_bias;
	size_t C = network->C, N = network->N, R = layer->R;
	if (layer->residual == layer->x) {
		dense_backward_input(network, network->flow, dquery, 3 * C, weight, N, 3 * C, C, true, NULL, NULL);
		dense_backward_weight(network, dweight, dbias, dquery, 3 * C, layer->x, N, 3 * C, C);
		return;
	}
	dense_backward_input(network, network->flow, dquery, C, weight, R, C, C, true, NULL, NULL);
	dense_backward_weight(network, dweight, dbias, dquery, C, layer->residual, R, C, C);
	exchange_flow(network);
	dense_backward_input(network, network->flow, dkey, 2 * C, weight + C * C, N, 2 * C, C, false, NULL, NULL);
	dense_backward_weight(network, dweight + C * C, dbias + C, dkey, 2 * C, layer->x, N, 2 * C, C);
	run_rows(network, R, GATHER_ROWS, scatter_rows, network);
}

void layer_backward(struct network *network, const struct layer *layer, float *gradients) {
	const float *values = network->parameters->values;
	const struct layer_offsets *offsets = layer->offsets;
	const struct dropout dropout = attention_output_dropout(network, layer);
	size_t C = network->C, R = layer->R;

	feed_forward_backward(network, layer, gradients);

	const float *branch = norm_backward(network, &layer->attention_norm, network->flow, network->flow, R, &dropout,
		gradients);
	dense_backward_input(network, network->spare, branch, C, values + offsets->attention_output_weight, R, C, C,
		false, NULL, NULL);
	dense_backward_weight(network, gradients + offsets->attention_output_weight,
		gradients + offsets->attention_output_bias, branch, C, layer->context, R, C, C);

	/* As the layer's own lie: side by side in a row, or in the last layer queries before the rest. */
	bool all = layer->residual == layer->x;
	float *dquery = network->wide, *dkey = all ? dquery + C : dquery + R * C;
	attention_backward(network, layer, network->spare, dquery, dkey, dkey + C);
	project_backward(network, layer, dquery, dkey, gradients);
}
