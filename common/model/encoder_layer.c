/* encoder_layer: a layer, that is, attention and a feed-forward network, each followed by dropout, a residual and a
 * layer norm. */
#include "model/encoder_parts.h"

static const struct after nothing;

/* The arguments of add_and_norm_rows(), which applies dropout, residual and layer norm to what a product computed. */
struct product_end {
	const struct compute *compute;
	const float *residual;
	const struct norm *norm;
};

static void add_and_norm_rows(void *context, size_t first, size_t rows) {
	const struct product_end *end = context;
	size_t C = end->norm->weight->elements, at = first * C;
	end->compute->kernels->dropout_add(end->norm->x + at, end->residual + at, rows * C, &end->norm->dropout, at);
	norm_rows(end->compute, end->norm, first, rows);
	round_rows(end->compute, end->norm->y, first, rows, C);
}

/* The rows of a layer's feed-forward network. */
struct feed_forward { const struct encoder *encoder; const struct layer *layer; struct matrix activated; };

static void activate_rows(void *context, size_t first, size_t rows) {
	const struct feed_forward *network = context;
	const struct compute *compute = network->encoder->compute;
	const enum activation activation = network->encoder->config->hidden_act;
	size_t F = network->encoder->F;
	for (size_t r = first; r < first + rows; r++) {
		const struct matrix x = matrix_at(network->layer->before_activation, r, 0);
		const struct matrix y = matrix_at(network->activated, r, 0);
		if (x.fp32 != NULL)
			compute->kernels->activate(activation, y.fp32, x.fp32, F);
		else
			compute->kernels->activate_bf16(activation, y.bf16, compute->gradients != NULL ? x.bf16 : NULL, x.bf16, F);
	}
}

/* The rows of a layer that are wanted, among all rows. */
static struct selection wanted_rows(const struct encoder *encoder, const struct layer *layer) {
	return (struct selection){ layer->wanted->rows, encoder->examples->starts[0], layer->R };
}

static void project(struct encoder *encoder, const struct layer *layer) {
	if (layer->wanted == NULL) {
		dense_forward(encoder->compute, &layer->projection, layer->queries, layer->x, encoder->N, nothing);
		return;
	}
	const struct selection wanted = wanted_rows(encoder, layer);
	gather_rows(encoder->compute, layer->residual, layer->x, encoder->C, &wanted);
	dense_forward(encoder->compute, &layer->query, layer->queries, layer->residual, layer->R, nothing);
	dense_forward(encoder->compute, &layer->key_value, layer->keys, layer->x, encoder->N, nothing);
}

/* Computes a dense layer, dropout, residual and layer norm. */
static void dense_and_norm(struct encoder *encoder, const struct dense *dense, const struct norm *norm, struct matrix x,
	const float *residual, size_t rows) {
	struct product_end end = { encoder->compute, residual, norm };
	dense_forward(encoder->compute, dense, float_matrix(norm->x, encoder->C), x, rows,
		(struct after){ add_and_norm_rows, &end });
}

void layer_forward(struct encoder *encoder, const struct layer *layer) {
	size_t R = layer->R;
	project(encoder, layer);
	attention_forward(encoder, layer);
	dense_and_norm(encoder, &layer->attention_output, &layer->attention_norm, layer->context, layer->residual.fp32, R);

	struct feed_forward network = { encoder, layer, layer->activated };
	dense_forward(encoder->compute, &layer->intermediate, layer->before_activation, layer->attention_norm.y, R,
		(struct after){ activate_rows, &network });
	dense_and_norm(encoder, &layer->output, &layer->output_norm, layer->activated, layer->attention_norm.y.fp32, R);
}

/* ---- backward ------------------------------------------------------------------------------------------ */

/* Replaces the gradient of the activated rows, in encoder->wide, by that of the rows before activation. In single
 * precision, it also recomputes the activated rows, which the gradient of the output weight needs. */
static void activate_rows_backward(void *context, size_t first, size_t rows) {
	const struct feed_forward *network = context;
	const struct encoder *encoder = network->encoder;
	const struct kernels *kernels = encoder->compute->kernels;
	for (size_t r = first; r < first + rows; r++) {
		const struct matrix x = matrix_at(network->layer->before_activation, r, 0);
		const struct matrix dx = matrix_at(encoder->wide, r, 0);
		if (x.fp32 != NULL)
			kernels->activate_backward(encoder->config->hidden_act, dx.fp32, dx.fp32, x.fp32, encoder->F);
		else
			kernels->activate_backward_bf16(dx.bf16, x.bf16, encoder->F);
	}
	if (encoder->compute->rounded == NULL)
		activate_rows(context, first, rows);
}

/* Replaces the gradient of the layer's output by that of the output of the attention norm. */
static void feed_forward_backward(struct encoder *encoder, const struct layer *layer, float *dy) {
	const struct compute *compute = encoder->compute;
	size_t R = layer->R;
	const struct matrix branch = norm_backward(compute, &layer->output_norm, &encoder->norm_scratch, dy, dy, R);

	const struct matrix wide = encoder->wide;
	struct feed_forward network = { encoder, layer, layer->activated };
	network.activated.stride = wide.stride;
	dense_backward_input(compute, &layer->output, wide, branch, R, (struct after){ activate_rows_backward, &network });
	dense_backward_parameters(compute, &layer->output, branch, network.activated, R);

	const struct matrix sum = float_matrix(dy, encoder->C);
	dense_backward_input_add(compute, &layer->intermediate, sum, wide, R);
	norm_again(compute, &layer->attention_norm, R);
	dense_backward_parameters(compute, &layer->intermediate, wide, layer->attention_norm.y, R);
}

/* Computes the gradient of x from the gradients of queries, keys and values. `residual` holds the gradient that reaches
 * x (or its wanted rows) through the residual; it is dx itself unless the layer has wanted rows. */
static void project_backward(struct encoder *encoder, const struct layer *layer,
	const struct attention_gradients *gradients, float *residual, float *dx) {
	const struct compute *compute = encoder->compute;
	const struct matrix to_residual = float_matrix(residual, encoder->C);
	if (layer->wanted == NULL) {
		dense_backward_input_add(compute, &layer->projection, to_residual, gradients->dqueries, encoder->N);
		return;
	}
	const struct selection wanted = wanted_rows(encoder, layer);
	dense_backward_input_add(compute, &layer->query, to_residual, gradients->dqueries, layer->R);
	dense_backward_input(compute, &layer->key_value, float_matrix(dx, encoder->C),
		gradients->dkeys, encoder->N, nothing);
	gather_rows_backward(compute, float_matrix(dx, encoder->C), to_residual, encoder->C, &wanted);
}

static void projection_parameters(struct encoder *encoder, const struct layer *layer,
	const struct attention_gradients *gradients) {
	if (layer->wanted == NULL) {
		dense_backward_parameters(encoder->compute, &layer->projection, gradients->dqueries, layer->x, encoder->N);
		return;
	}
	dense_backward_parameters(encoder->compute, &layer->query, gradients->dqueries, layer->residual, layer->R);
	dense_backward_parameters(encoder->compute, &layer->key_value, gradients->dkeys, layer->x, encoder->N);
}

static bool projection_trains(const struct encoder *encoder, const struct layer *layer) {
	for (size_t part = 0; part < layer->projection.parts; part++)
		if (gradient_of(encoder->compute, layer->projection.weight + part) != NULL
				|| gradient_of(encoder->compute, layer->projection.bias + part) != NULL)
			return true;
	return false;
}

/* Places the gradients in `wide` in the layout of queries, keys and values: [N, 3 C]; or [R, C], then [N, 2 C]. */
static struct attention_gradients place_gradients(const struct encoder *encoder, const struct layer *layer) {
	struct attention_gradients gradients = { .dqueries = encoder->wide };
	gradients.dqueries.stride = layer->queries.stride;
	gradients.dkeys = layer->wanted == NULL ? matrix_at(gradients.dqueries, 0, encoder->C)
		: matrix_at(gradients.dqueries, layer->R, 0);
	gradients.dkeys.stride = layer->keys.stride;
	gradients.dvalues = matrix_at(gradients.dkeys, 0, encoder->C);
	return gradients;
}

void layer_backward(struct encoder *encoder, size_t index, float *dy, float *dx, bool below) {
	const struct compute *compute = encoder->compute;
	const struct layer *layer = &encoder->layers[index];
	size_t R = layer->R;
	/* Without wanted rows, the gradient through the residual is the first term of dx. */
	float *residual = layer->wanted == NULL ? dx : dy, *other = layer->wanted == NULL ? dy : dx;

	feed_forward_backward(encoder, layer, dy);
	const struct matrix branch = norm_backward(compute, &layer->attention_norm, &encoder->norm_scratch, residual, dy,
		R);
	dense_backward_parameters(compute, &layer->attention_output, branch, layer->context, R);
	if (!below && !projection_trains(encoder, layer))
		return;
	const struct matrix dcontext = compute->rounded == NULL ? float_matrix(other, encoder->C)
		: (struct matrix){ .bf16 = layer->activated.bf16, .stride = encoder->C };
	const struct attention_gradients gradients = place_gradients(encoder, layer);
	dense_backward_input(compute, &layer->attention_output, dcontext, branch, R, nothing);
	attention_backward(encoder, layer, dcontext, &gradients);
	projection_parameters(encoder, layer, &gradients);
	if (below)
		project_backward(encoder, layer, &gradients, residual, dx);
}
