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
}

void head_forward(struct network *network) {
	size_t C = network->C;
	dense(network, network->head_x, C, network->encoded, network->parameters->values + network->parameters->head_weight,
		network->input->M, C, C, activate_head, network);
}

static void activate_head_backward(void *context, size_t first, size_t rows) {
	struct network *network = context;
	size_t at = first * network->C;
	network->kernels->activate_backward(network->config->hidden_act, network->spare + at, network->spare + at,
		network->head_x + at, rows * network->C);
}

/* Takes the gradient of the decoder's input in spare, leaves that of `encoded` in flow. */
static void head_backward(struct network *network, float *gradients) {
	const struct parameters *p = network->parameters;
	const struct dropout none = { 0 };
	size_t C = network->C, M = network->input->M;
	norm_backward(network, &network->head_norm, network->spare, network->spare, M, &none, gradients);
	run_rows(network, M, HEAD_ROWS, activate_head_backward, network);
	dense_backward_input(network, network->flow, network->spare, C, p->values + p->head_weight, M, C, C, false,
		NULL, NULL);
	dense_backward_weight(network, gradients + p->head_weight, gradients + p->head_bias, network->spare, C,
		network->encoded, M, C, C);
}

/* ---- decoder ------------------------------------------------------------------------------------------- */

struct decoding { struct network *network; size_t first; float gradient_scale; };

static void lose_rows(void *context, size_t first, size_t rows) {
	const struct decoding *decoding = context;
	struct network *network = decoding->network;
	const struct parameters *p = network->parameters;
	size_t V = network->V;
	float *logits = network->logits + first * V;
	network->kernels->add_bias(logits, p->values + p->decoder_bias, rows, V, V);
	for (size_t r = 0; r < rows; r++) {
		size_t m = decoding->first + first + r;
		network->losses[m] = network->kernels->cross_entropy(logits + r * V, V, network->input->labels[m],
			decoding->gradient_scale);
	}
}

/* The gradients of the decoder's parameters, added to but for the first block of rows, and of its input, in spare. */
static void decode_backward(struct network *network, size_t first, size_t rows, float *gradients) {
	const struct parameters *p = network->parameters;
	size_t C = network->C, V = network->V;
	multiply_tiles(network->pool, false, false, rows, C, V, 1, network->logits, V, p->values + p->decoder_weight, C,
		0, network->spare + first * C, C);
	multiply_tiles(network->pool, true, false, V, C, rows, 1, network->logits, V, network->head_norm.y + first * C, C,
		first > 0 ? 1 : 0, gradients + p->decoder_weight, C);
	column_sums(network, gradients + p->decoder_bias, network->logits, rows, V, V, first > 0);
}

double head_loss(struct network *network, float *gradients) {
	const struct parameters *p = network->parameters;
	size_t C = network->C, V = network->V, M = network->input->M;
	for (size_t first = 0; first < M; first += LOGIT_ROWS) {
		size_t rows = M - first < LOGIT_ROWS ? M - first : LOGIT_ROWS;
		struct decoding decoding = { network, first, gradients != NULL ? 1 / (float)M : 0 };
		multiply_tiles(network->pool, false, true, rows, V, C, 1, network->head_norm.y + first * C, C,
			p->values + p->decoder_weight, C, 0, network->logits, V);
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
	const struct parameters *p = network->parameters;
	struct logit_rows to = { network, logits };
	multiply_tiles(network->pool, false, true, network->input->M, network->V, network->C, 1, network->head_norm.y,
		network->C, p->values + p->decoder_weight, network->C, 0, logits, network->V);
	run_rows(network, network->input->M, LOSS_ROWS, add_decoder_bias, &to);
}
