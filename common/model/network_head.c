/* The masked-language-model head: dense, activation, layer norm, and the decoder over the vocabulary.
 *
 * Logits exist for LOGIT_ROWS positions at a time. Their softmax, cross-entropy and gradient are computed in place, and
 * the gradient goes on to the decoder's weights and inputs before the next positions take their memory. */
#include "model/network_parts.h"

enum { LOSS_ROWS = 4, HEAD_ROWS = 32 };

static void activate_head(void *context, size_t first, size_t rows) {
	struct network *network = context;
	size_t C = network->C, at = first * C;
	network->kernels->add_bias(network->head_x + at, network->parameters->values + network->parameters->head_bias,
		rows, C, C);
	network->kernels->activate(network->config->hidden_act, network->head_norm.x + at, network->head_x + at, rows * C);
	norm_rows(network, &network->head_norm, first, rows);
	round_rows(network, network->head_norm.y, first, rows, C);
}

void head_forward(struct network *network) {
	size_t C = network->C;
	dense(network, network->head_x, C, network->encoded, network->parameters->head_weight, network->input->M, C, C,
		activate_head, network);
}

struct head_gradient { struct network *network; struct matrix dx; };

static void activate_head_backward(void *context, size_t first, size_t rows) {
	const struct head_gradient *gradient = context;
	const struct network *network = gradient->network;
	size_t at = first * network->C;
	float *dx = gradient->dx.fp32 + at;
	network->kernels->activate_backward(network->config->hidden_act, dx, dx, network->head_x + at, rows * network->C);
	round_rows(network, gradient->dx, first, rows, network->C);
}

/* Takes the gradient of the decoder's input in spare, leaves that of `encoded` in flow. */
static void head_backward(struct network *network, float *gradients) {
	const struct parameters *p = network->parameters;
	const struct dropout none = { 0 };
	size_t C = network->C, M = network->input->M;
	struct head_gradient gradient = { network,
		norm_backward(network, &network->head_norm, network->spare, network->spare, M, &none, gradients) };
	run_rows(network, M, HEAD_ROWS, activate_head_backward, &gradient);
	dense_backward_input(network, network->flow, C, gradient.dx, p->head_weight, M, C, C, false, NULL, NULL);
	dense_backward_weight(network, gradients, p->head_weight, p->head_bias, gradient.dx, network->encoded, M, C, C);
}

/* ---- decoder ------------------------------------------------------------------------------------------- */

struct decoding { struct network *network; size_t first; float gradient_scale; };

static void lose_rows(void *context, size_t first, size_t rows) {
	const struct decoding *decoding = context;
	struct network *network = decoding->network;
	const struct parameters *p = network->parameters;
	size_t V = network->V;
	float *logits = network->logits.fp32 + first * V;
	network->kernels->add_bias(logits, p->values + p->decoder_bias, rows, V, V);
	for (size_t r = 0; r < rows; r++) {
		size_t m = decoding->first + first + r;
		network->losses[m] = network->kernels->cross_entropy(logits + r * V, V, network->input->labels[m],
			decoding->gradient_scale);
	}
	if (decoding->gradient_scale > 0)
		round_rows(network, network->logits, first, rows, V);
}

/* The gradients of the decoder's parameters, and of its input, in spare. */
static void decode_backward(struct network *network, size_t first, size_t rows, float *gradients) {
	const struct parameters *p = network->parameters;
	size_t C = network->C, V = network->V;
	const struct product input = { rows, C, V, .a = network->logits, .b = weight_at(network, p->decoder_weight, C),
		.c = network->spare + first * C, .ldc = C };
	multiply_tiles(network->pool, &input);
	dense_backward_weight(network, gradients, p->decoder_weight, p->decoder_bias, network->logits,
		matrix_at(network->head_norm.y, first, 0), rows, V, C);
}

/* logits [rows, V] of some positions, without their bias. */
static void decode(struct network *network, size_t first, size_t rows, float *logits) {
	size_t C = network->C, V = network->V;
	const struct product product = { rows, V, C, .a = matrix_at(network->head_norm.y, first, 0),
		.b = weight_at(network, network->parameters->decoder_weight, C), .transpose_b = true, .c = logits, .ldc = V };
	multiply_tiles(network->pool, &product);
}

double head_loss(struct network *network, double tokens, float *gradients) {
	size_t M = network->input->M;
	for (size_t first = 0; first < M; first += LOGIT_ROWS) {
		size_t rows = M - first < LOGIT_ROWS ? M - first : LOGIT_ROWS;
		struct decoding decoding = { network, first, gradients != NULL ? (float)(1 / tokens) : 0 };
		decode(network, first, rows, network->logits.fp32);
		run_rows(network, rows, LOSS_ROWS, lose_rows, &decoding);
		if (gradients != NULL)
			decode_backward(network, first, rows, gradients);
	}
	if (gradients != NULL)
		head_backward(network, gradients);

	double sum = 0;
	for (size_t m = 0; m < M; m++)
		sum += network->losses[m];
	return sum;
}

struct logit_rows { struct network *network; float *logits; };

static void add_decoder_bias(void *context, size_t first, size_t rows) {
	const struct logit_rows *to = context;
	const struct parameters *p = to->network->parameters;
	size_t V = to->network->V;
	to->network->kernels->add_bias(to->logits + first * V, p->values + p->decoder_bias, rows, V, V);
}

void head_logits(struct network *network, float *logits) {
	struct logit_rows to = { network, logits };
	decode(network, 0, network->input->M, logits);
	run_rows(network, network->input->M, LOSS_ROWS, add_decoder_bias, &to);
}
