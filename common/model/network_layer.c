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
	struct network *network = end->network;
	size_t C = network->C, at = first * C;
	add_bias_to_rows(context, first, rows);
	network->kernels->dropout_add(end->x + at, end->residual + at, rows * C, &end->dropout, at);
	norm_rows(network, end->norm, first, rows);
	round_rows(network, end->norm->y, first, rows, C);
}

/* A row of y from one of x. In bfloat16 it is in single precision for a moment only. */
static void activate_row(const struct network *network, struct matrix y, size_t row, const float *x) {
	enum { PART = 1024 };
	float exact[PART];
	for (size_t f = 0; f < network->F; f += PART) {
		size_t count = network->F - f < PART ? network->F - f : PART, at = row * y.stride + f;
		network->kernels->activate(network->config->hidden_act, y.bf16 != NULL ? exact : y.fp32 + at, x + f, count);
		if (y.bf16 != NULL)
			network->kernels->round_to_bf16(y.bf16 + at, exact, 1, count, count);
	}
}

static void activate_rows(void *context, size_t first, size_t rows) {
	const struct product_end *end = context;
	add_bias_to_rows(context, first, rows);
	for (size_t r = first; r < first + rows; r++)
		activate_row(end->network, end->network->activated, r, end->x + r * end->columns);
}

struct gather { const struct network *network; const struct layer *layer; };

static void gather_rows(void *context, size_t first, size_t rows) {
	const struct gather *gather = context;
	const struct network *network = gather->network;
	const struct matrix x = gather->layer->x, labelled = gather->layer->residual;
	size_t C = network->C;
	for (size_t r = first; r < first + rows; r++)
		memcpy(labelled.fp32 + r * C, x.fp32 + (size_t)network->input->positions[r] * C, C * sizeof *x.fp32);
	round_rows(network, labelled, first, rows, C);
}

/* Whether the layer goes on with all positions. */
static bool goes_on_whole(const struct layer *layer) {
	return layer->residual.fp32 == layer->x.fp32;
}

/* Query, key and value of every row as one product; in the last layer queries are a product of their own. */
static void project(struct network *network, const struct layer *layer) {
	const float *bias = network->parameters->values + layer->offsets->qkv_bias;
	size_t weight = layer->offsets->qkv_weight, C = network->C;
	bool whole = goes_on_whole(layer);
	size_t first_columns = whole ? 3 * C : C;
	struct product_end end = { .network = network, .x = layer->query.fp32, .columns = first_columns,
		.stride = first_columns, .bias = bias };
	if (!whole) {
		struct gather gather = { network, layer };
		run_rows(network, layer->R, GATHER_ROWS, gather_rows, &gather);
	}
	dense(network, end.x, end.stride, layer->residual, weight, layer->R, end.columns, C, add_bias_to_rows, &end);
	if (whole)
		return;
	end = (struct product_end){ .network = network, .x = layer->key.fp32, .columns = 2 * C, .stride = 2 * C,
		.bias = bias + C };
	dense(network, end.x, end.stride, layer->x, weight + C * C, network->N, end.columns, C, add_bias_to_rows, &end);
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
	struct product_end end = { network, norm->x, C, C, values + offsets->attention_output_bias, layer->residual.fp32,
		norm, attention_output_dropout(network, layer) };
	dense(network, norm->x, C, layer->context, offsets->attention_output_weight, R, C, C, add_and_norm_rows, &end);

	end = (struct product_end){ .network = network, .x = layer->intermediate, .columns = F, .stride = F,
		.bias = values + offsets->intermediate_bias };
	dense(network, layer->intermediate, F, norm->y, offsets->intermediate_weight, R, F, C, activate_rows, &end);

	norm = &layer->output_norm;
	end = (struct product_end){ network, norm->x, C, C, values + offsets->output_bias, layer->attention_norm.y.fp32,
		norm, hidden_dropout(network, layer->site + 2) };
	dense(network, norm->x, C, network->activated, offsets->output_weight, R, C, F, add_and_norm_rows, &end);
}

/* ---- backward ------------------------------------------------------------------------------------------ */

/* y, which the weight's gradient takes, is computed anew. */
struct activation_gradient { struct network *network; const float *x; struct matrix y, dx; };

/* From the gradient of y, in dx, to that of x. */
static void activate_rows_backward(void *context, size_t first, size_t rows) {
	const struct activation_gradient *gradient = context;
	struct network *network = gradient->network;
	size_t F = network->F;
	for (size_t r = first; r < first + rows; r++) {
		const float *x = gradient->x + r * F;
		float *dx = gradient->dx.fp32 + r * gradient->dx.stride;
		activate_row(network, gradient->y, r, x);
		network->kernels->activate_backward(network->config->hidden_act, dx, dx, x, F);
	}
	round_rows(network, gradient->dx, first, rows, F);
}

/* Takes flow at the output, leaves it at the attention norm's output. */
static void feed_forward_backward(struct network *network, const struct layer *layer, float *gradients) {
	const struct layer_offsets *offsets = layer->offsets;
	const struct dropout dropout = hidden_dropout(network, layer->site + 2);
	size_t C = network->C, F = network->F, R = layer->R;
	const struct matrix branch = norm_backward(network, &layer->output_norm, network->flow, network->flow, R, &dropout,
		gradients);

	const struct matrix wide = network->wide;
	struct activation_gradient gradient = { network, layer->intermediate, network->activated, wide };
	gradient.y.stride = wide.stride;
	dense_backward_input(network, wide.fp32, wide.stride, branch, offsets->output_weight, R, C, F, false,
		activate_rows_backward, &gradient);
	dense_backward_weight(network, gradients, offsets->output_weight, offsets->output_bias, branch, gradient.y, R, C, F);

	dense_backward_input(network, network->flow, C, wide, offsets->intermediate_weight, R, F, C, true, NULL, NULL);
	norm_again(network, &layer->attention_norm, R);
	dense_backward_weight(network, gradients, offsets->intermediate_weight, offsets->intermediate_bias, wide,
		layer->attention_norm.y, R, F, C);
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

/* From the gradients of query, key and value to those of x, added to the residual's in flow. */
static void project_backward(struct network *network, const struct layer *layer, struct matrix dquery,
	struct matrix dkey, float *gradients) {
	size_t weight = layer->offsets->qkv_weight, bias = layer->offsets->qkv_bias;
	size_t C = network->C, N = network->N, R = layer->R, outputs = goes_on_whole(layer) ? 3 * C : C;
	dense_backward_input(network, network->flow, C, dquery, weight, R, outputs, C, true, NULL, NULL);
	dense_backward_weight(network, gradients, weight, bias, dquery, layer->residual, R, outputs, C);
	if (goes_on_whole(layer))
		return;
	exchange_flow(network);
	dense_backward_input(network, network->flow, C, dkey, weight + C * C, N, 2 * C, C, false, NULL, NULL);
	dense_backward_weight(network, gradients, weight + C * C, bias + C, dkey, layer->x, N, 2 * C, C);
	run_rows(network, R, GATHER_ROWS, scatter_rows, network);
}

/* Their gradients lie as query, key and value do: side by side in a row, or in the last layer queries before the rest. */
static void self_attention_backward(struct network *network, const struct layer *layer, struct matrix dcontext,
	float *gradients) {
	size_t C = network->C;
	struct matrix dquery = network->wide, dkey;
	dquery.stride = layer->query.stride;
	dkey = goes_on_whole(layer) ? matrix_at(dquery, 0, C) : matrix_at(dquery, layer->R, 0);
	dkey.stride = layer->key.stride;
	attention_backward(network, layer, dcontext, dquery, dkey, matrix_at(dkey, 0, C));
	project_backward(network, layer, dquery, dkey, gradients);
}

/* What the layer took, which layers after it have written over. */
static void restore_input(struct network *network, size_t index) {
	if (index == 0)
		embeddings_forward(network);
	else
		norm_again(network, &network->layers[index - 1].output_norm, network->N);
}

void layer_backward(struct network *network, size_t index, float *gradients) {
	const struct layer *layer = &network->layers[index];
	const struct layer_offsets *offsets = layer->offsets;
	const struct dropout dropout = attention_output_dropout(network, layer);
	size_t C = network->C, R = layer->R;

	feed_forward_backward(network, layer, gradients);

	const struct matrix branch = norm_backward(network, &layer->attention_norm, network->flow, network->flow, R,
		&dropout, gradients);
	dense_backward_input(network, network->spare, C, branch, offsets->attention_output_weight, R, C, C, false, NULL,
		NULL);
	dense_backward_weight(network, gradients, offsets->attention_output_weight, offsets->attention_output_bias, branch,
		layer->context, R, C, C);
	restore_input(network, index);
	self_attention_backward(network, layer, (struct matrix){ .fp32 = network->spare, .stride = C }, gradients);
}
