/* The passes, and where their arrays lie.
 *
 * All activations live in one arena. It is laid out anew for each batch, first to count, then to point; memory is
 * allocated only when a batch needs more than any before it. Layers alternate between two inputs. A training pass gives
 * every layer arrays of its own for the rest, but for what layer norms put out, which the backward pass computes anew; an
 * evaluation gives all layers the same ones. */
#include "base/memory.h"
#include "model/network_parts.h"

#include <stdlib.h>
#include <string.h>


struct network *network_create(const struct parameters *parameters, struct pool *pool) {
	struct network *network = allocate(1, sizeof *network);
	const struct config *config = &parameters->config;
	network->parameters = parameters;
	network->config = config;
	network->pool = pool;
	network->kernels = kernels();
	network->C = config->hidden_size;
	network->H = config->num_attention_heads;
	network->F = config->intermediate_size;
	network->V = config->vocab_size;
	network->L = config->num_hidden_layers;
	network->layers = allocate(network->L, sizeof *network->layers);
	for (size_t l = 0; l < network->L; l++) {
		struct layer *layer = &network->layers[l];
		layer->offsets = &parameters->layers[l];
		layer->site = (uint32_t)(1 + 3 * l);
		layer->attention_norm.weight = layer->offsets->attention_norm_weight;
		layer->attention_norm.bias = layer->offsets->attention_norm_bias;
		layer->output_norm.weight = layer->offsets->output_norm_weight;
		layer->output_norm.bias = layer->offsets->output_norm_bias;
	}
	network->embedding_norm.weight = parameters->embedding_norm_weight;
	network->embedding_norm.bias = parameters->embedding_norm_bias;
	network->head_norm.weight = parameters->head_norm_weight;
	network->head_norm.bias = parameters->head_norm_bias;
	return network;
}

void network_free(struct network *network) {
	if (network == NULL)
		return;
	free(network->arena);
	free(network->record_queries);
	free(network->rounded);
	free(network->layers);
	free(network);
}

void network_set_dropout(struct network *network, float hidden, float attention, uint64_t seed) {
	network->hidden_dropout = hidden;
	network->attention_dropout = attention;
	network->seed = seed;
}

void network_set_precision(struct network *network, enum precision precision) {
	free(network->rounded);
	network->rounded = precision == PRECISION_BF16
		? allocate(network->parameters->size, sizeof *network->rounded) : NULL;
}

/* ---- the arena ----------------------------------------------------------------------------------------- */

/* The next `count` floats of the arena; NULL while it is only being measured. */
static float *carve(struct network *network, size_t count) {
	float *at = network->arena != NULL ? network->arena + network->arena_used : NULL;
	network->arena_used += (count + 15) / 16 * 16;
	if (network->arena_used > network->arena_peak)
		network->arena_peak = network->arena_used;
	return at;
}

static bfloat16 *carve_rounded(struct network *network, size_t count) {
	return (bfloat16 *)carve(network, (count + 1) / 2);
}

static struct matrix carve_matrix(struct network *network, size_t rows, size_t columns) {
	struct matrix matrix = { .fp32 = carve(network, rows * columns), .stride = columns };
	if (network->rounded != NULL)
		matrix.bf16 = carve_rounded(network, rows * columns);
	return matrix;
}

/* Rows a multiple of 4 KB apart fall into the same few sets of a cache. The gradients of weights, which are summed down the
 * columns, take a twelfth less time where rows lie otherwise. (In the forward pass oneDNN takes more, if those of the weights
 * do not as well.) */
static size_t spread(size_t columns) {
	return columns % 1024 == 0 ? columns + 16 : columns;
}

static void carve_norm(struct network *network, struct norm *norm, size_t rows, struct matrix y) {
	norm->x = carve(network, rows * network->C);
	norm->mean = carve(network, rows);
	norm->rstd = carve(network, rows);
	norm->y = y;
}

/* Queries, keys and values are [N, 3 C], or in the last layer [R, C] and [N, 2 C]. */
static void carve_layer(struct network *network, struct layer *layer, bool last, struct matrix y) {
	size_t C = network->C, N = network->N;
	layer->R = last ? network->input->M : N;
	layer->residual = last ? carve_matrix(network, layer->R, C) : layer->x;
	if (last) {
		layer->query = (struct matrix){ .fp32 = carve(network, layer->R * C), .stride = C };
		layer->key = (struct matrix){ .fp32 = carve(network, 2 * N * C), .stride = 2 * C };
	} else {
		layer->query = (struct matrix){ .fp32 = carve(network, 3 * N * C), .stride = 3 * C };
		layer->key = matrix_at(layer->query, 0, C);
	}
	layer->value = matrix_at(layer->key, 0, C);
	layer->context = carve_matrix(network, layer->R, C);
	carve_norm(network, &layer->attention_norm, layer->R, network->attended);
	layer->intermediate = carve(network, layer->R * network->F);
	carve_norm(network, &layer->output_norm, layer->R, y);
}

static void carve_gradients(struct network *network) {
	size_t C = network->C, N = network->N, F = network->F;
	network->flow = carve(network, N * C);
	network->spare = carve(network, N * C);
	network->branch = carve_matrix(network, N, C);
	network->wide = carve_matrix(network, N, spread(F) > 3 * C ? spread(F) : 3 * C);
	network->wide.stride = spread(F);
	network->norm_partials = carve(network, (N + NORM_ROWS - 1) / NORM_ROWS * 2 * C);
}

/* The logits of some positions lie where the activated rows of a layer do: neither is read while the other is there. */
static void carve_activated(struct network *network, size_t logit_rows) {
	size_t start = network->arena_used, capacity = network->N * spread(network->F), past;
	network->activated = (struct matrix){ .stride = network->F };
	if (network->rounded == NULL)
		network->activated.fp32 = carve(network, capacity);
	else
		network->activated.bf16 = carve_rounded(network, capacity);
	past = network->arena_used;
	network->arena_used = start;
	network->logits = carve_matrix(network, logit_rows, network->V);
	if (network->arena_used < past)
		network->arena_used = past;
}

static void lay_out(struct network *network, size_t logit_rows) {
	size_t C = network->C, N = network->N, L = network->L, M = network->input->M, T = network->input->T;
	network->arena_used = network->arena_peak = 0;
	for (size_t l = 0; l < L; l++)
		network->layers[l].x = l < 2 ? carve_matrix(network, N, C) : network->layers[l - 2].x;
	carve_norm(network, &network->embedding_norm, N, network->layers[0].x);
	network->encoded = carve_matrix(network, M, C);
	network->attended = carve_matrix(network, N, C);
	carve_activated(network, logit_rows);
	network->scores = carve(network, (size_t)pool_threads(network->pool) * 2 * T * T);
	network->head_x = carve(network, M * C);
	carve_norm(network, &network->head_norm, M, carve_matrix(network, M, C));
	network->losses = carve(network, M);
	if (network->training)
		carve_gradients(network);
	size_t common = network->arena_used;
	for (size_t l = 0; l < L; l++) {
		if (!network->training)
			network->arena_used = common;
		bool last = l == L - 1;
		carve_layer(network, &network->layers[l], last, last ? network->encoded : network->layers[l + 1].x);
	}
}

static void find_record_queries(struct network *network) {
	const struct network_input *input = network->input;
	network->record_queries = grow(network->record_queries, input->B + 1, sizeof *network->record_queries);
	size_t m = 0;
	for (size_t b = 0; b < input->B; b++) {
		network->record_queries[b] = m;
		while (m < input->M && (size_t)input->positions[m] < (b + 1) * input->T)
			m++;
	}
	network->record_queries[input->B] = m;
}

static void take_batch(struct network *network, const struct network_input *input, bool training, size_t logit_rows) {
	network->input = input;
	network->N = input->B * input->T;
	network->training = training;
	find_record_queries(network);

	float *arena = network->arena;
	network->arena = NULL;
	lay_out(network, logit_rows);
	if (network->arena_peak > network->arena_size) {
		free(arena);
		network->arena_size = network->arena_peak;
		arena = allocate(network->arena_size, sizeof *arena);
	}
	network->arena = arena;
	lay_out(network, logit_rows);
}

/* ---- the passes ---------------------------------------------------------------------------------------- */

/* Of a task that walks the parameters. */
enum { BLOCK_FLOATS = 1 << 16 };

static void round_weights(void *context, size_t first, size_t count) {
	const struct network *network = context;
	network->kernels->round_to_bf16(network->rounded + first, network->parameters->values + first, 1, count, count);
}

static void forward(struct network *network) {
	if (network->rounded != NULL)
		run_rows(network, network->parameters->size, BLOCK_FLOATS, round_weights, network);
	embeddings_forward(network);
	for (size_t l = 0; l < network->L; l++)
		layer_forward(network, &network->layers[l]);
	head_forward(network);
}

static size_t logit_rows(size_t M) {
	return M < LOGIT_ROWS ? M : LOGIT_ROWS;
}

double network_loss(struct network *network, const struct network_input *input, float *losses) {
	if (input->M == 0)
		return 0;
	take_batch(network, input, false, logit_rows(input->M));
	forward(network);
	double sum = head_loss(network, 0, NULL);
	if (losses != NULL)
		memcpy(losses, network->losses, input->M * sizeof *losses);
	return sum;
}

static void zero_block(void *context, size_t first, size_t count) {
	memset((float *)context + first, 0, count * sizeof(float));
}

double network_gradients(struct network *network, const struct network_input *input, uint64_t pass, double tokens,
	bool add, float *gradients) {
	if (!add)
		run_rows(network, network->parameters->size, BLOCK_FLOATS, zero_block, gradients);
	if (input->M == 0)
		return 0;
	network->pass = pass;
	take_batch(network, input, true, logit_rows(input->M));
	forward(network);
	double sum = head_loss(network, tokens, gradients);
	for (size_t l = network->L; l-- > 0;)
		layer_backward(network, l, gradients);
	embeddings_backward(network, gradients);
	return sum;
}

void network_logits(struct network *network, const struct network_input *input, float *logits) {
	if (input->M == 0)
		return;
	take_batch(network, input, false, 0);
	forward(network);
	head_logits(network, logits);
}
