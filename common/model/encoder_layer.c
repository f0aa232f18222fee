/* encoder_layer: a layer, that is, attention and a feed-forward network, each followed by dropout, a residual and a
 * layer norm. */
#include "model/encoder_parts.h"

static const struct after nothing;

/* The arguments of the functions that follow a product: they add the bias, and then apply dropout, residual and layer
 * norm, or the activation. */
struct product_end {
	struct encoder *encoder;
	const struct dense *dense;
	struct matrix y;              /* of the product */
	const float *residual;
	const struct norm *norm;
};

static void add_and_norm_rows(void *context, size_t first, size_t rows) {
	const struct product_end *end = context;
	const struct compute *compute = end->encoder->compute;
	size_t C = end->encoder->C, at = first * C;
	dense_add_bias(end->encoder->compute, end->dense, end->y, first, rows);
	compute->kernels->dropout_add(end->y.fp32 + at, end->residual + at, rows * C, &end->norm->dropout, at);
	norm_rows(compute, end->norm, first, rows);
	round_rows(compute, end->norm->y, first, rows, C);
}

/* Computes a row of y from a row of x. In bfloat16, only PART numbers of the row exist in single precision at a
 * time. */
static void activate_row(const struct encoder *encoder, struct matrix y, size_t row, const float *x) {
	enum { PART = 1024 };
	const struct kernels *kernels = encoder->compute->kernels;
	float exact[PART];
	for (size_t f = 0; f < encoder->F; f += PART) {
		size_t count = encoder->F - f < PART ? encoder->F - f : PART, at = row * y.stride + f;
		kernels->activate(encoder->config->hidden_act, y.bf16 != NULL ? exact : y.fp32 + at, x + f, count);
		if (y.bf16 != NULL)
			kernels->round_to_bf16(y.bf16 + at, exact, 1, count, count);
	}
}

static void activate_rows(void *context, size_t first, size_t rows) {
	const struct product_end *end = context;
	dense_add_bias(end->encoder->compute, end->dense, end->y, first, rows);
	for (size_t r = first; r < first + rows; r++)
		activate_row(end->encoder, end->encoder->activated, r, end->y.fp32 + r * end->y.stride);
}

/* The rows of a layer that are wanted, among all rows. */
static struct selection wanted_rows(const struct encoder *encoder, const struct layer *layer) {
	return (struct selection){ layer->wanted->rows, encoder->examples->starts[0], layer->R };
}

static void project(struct encoder *encoder, const struct layer *layer) {
	if (layer->wanted == NULL) {
		dense_forward_biased(encoder->compute, &layer->projection, layer->queries, layer->x, encoder->N);
		return;
	}
	const struct selection wanted = wanted_rows(encoder, layer);
	gather_rows(encoder->compute, layer->residual, layer->x, encoder->C, &wanted);
	dense_forward_biased(encoder->compute, &layer->query, layer->queries, layer->residual, layer->R);
	dense_forward_biased(encoder->compute, &layer->key_value, layer->keys, layer->x, encoder->N);
}

/* Computes a dense layer, dropout, residual and layer norm. */
static void dense_and_norm(struct encoder *encoder, const struct dense *dense, const struct norm *norm, struct matrix x,
	const float *residual, size_t rows) {
	const struct matrix y = float_matrix(norm->x, encoder->C);
	struct product_end end = { encoder, dense, y, residual, norm };
	dense_forward(encoder->compute, dense, y, x, rows, (struct after){ add_and_norm_rows, &end });
}

void layer_forward(struct encoder *encoder, const struct layer *layer) {
	size_t R = layer->R;
	project(encoder, layer);
	attention_forward(encoder, layer);
	dense_and_norm(encoder, &layer->attention_output, &layer->attention_norm, layer->context, layer->residual.fp32, R);

	struct product_end end = { .encoder = encoder, .dense = &layer->intermediate, .y = layer->before_activation };
	dense_forward(encoder->compute, &layer->intermediate, layer->before_activation, layer->attention_norm.y, R,
		(struct after){ activate_rows, &end });
	dense_and_norm(encoder, &layer->output, &layer->output_norm, encoder->activated, layer->attention_norm.y.fp32, R);
}

/* ---- backward ------------------------------------------------------------------------------------------ */

/* The backward pass of y = activation(x). It also recomputes y, which the gradient of the output weight needs. */
struct activation_gradient { struct encoder *encoder; struct matrix x, y, dx; };

/* Replaces the gradient of y, in dx, by the gradient of x. */
static void activate_rows_backward(void *context, size_t first, size_t rows) {
	const struct activation_gradient *gradient = context;
	struct encoder *encoder = gradient->encoder;
	size_t F = encoder->F;
	for (size_t r = first; r < first + rows; r++) {
		const float *x = gradient->x.fp32 + r * gradient->x.stride;
		float *dx = gradient->dx.fp32 + r * gradient->dx.stride;
		activate_row(encoder, gradient->y, r, x);
		encoder->compute->kernels->activate_backward(encoder->config->hidden_act, dx, dx, x, F);
	}
	round_rows(encoder->compute, gradient->dx, first, rows, F);
}

/* Replaces the gradient of the layer's output by that of the output of the attention norm. */
static void feed_forward_backward(struct encoder *encoder, const struct layer *layer, float *dy) {
	const struct compute *compute = encoder->compute;
	size_t R = layer->R;
	const struct matrix branch = norm_backward(compute, &layer->output_norm, &encoder->norm_scratch, dy, dy, R);

	const struct matrix wide = encoder->wide;
	struct activation_gradient gradient = { encoder, layer->before_activation, encoder->activated, wide };
	gradient.y.stride = wide.stride;
	dense_backward_input(compute, &layer->output, wide, branch, R, (struct after){ activate_rows_backward, &gradient });
	dense_backward_parameters(compute, &layer->output, branch, gradient.y, R);

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

struct gradient_end { const struct encoder *encoder; struct matrix gradient; };

static void round_gradient_rows(void *context, size_t first, size_t rows) {
	const struct gradient_end *end = context;
	round_rows(end->encoder->compute, end->gradient, first, rows, end->encoder->C);
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
	/* The activated rows, of which the backward pass above was the last use, make room for the rounded gradient. */
	const struct matrix dcontext = { other, encoder->activated.bf16, encoder->C };
	struct gradient_end end = { encoder, dcontext };
	const struct attention_gradients gradients = place_gradients(encoder, layer);
	dense_backward_input(compute, &layer->attention_output, dcontext, branch, R,
		(struct after){ round_gradient_rows, &end });
	attention_backward(encoder, layer, dcontext, &gradients);
	projection_parameters(encoder, layer, &gradients);
	if (below)
		project_backward(encoder, layer, &gradients, residual, dx);
}
