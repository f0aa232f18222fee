/* Embeddings: the sum of word, position and (BERT) token type, normalized, with dropout. */
#include "model/network_parts.h"

enum { EMBEDDING_ROWS = 32, EMBEDDING_COLUMNS = 64 };

static size_t token_type(const struct network_input *input, size_t n) {
	return input->token_type_ids != NULL ? (size_t)input->token_type_ids[n] : 0;
}

static void embed_rows(void *context, size_t first, size_t rows) {
	struct network *network = context;
	const struct parameters *p = network->parameters;
	const struct norm *norm = &network->embedding_norm;
	const struct dropout dropout = hidden_dropout(network, 0);
	size_t C = network->C, T = network->input->T;
	bool has_types = network->config->type_vocab_size > 0;
	for (size_t n = first; n < first + rows; n++) {
		float *x = norm->x + n * C;
		const float *word = p->values + p->word_embeddings + (size_t)network->input->input_ids[n] * C;
		const float *position = p->values + p->position_embeddings + n % T * C;
		if (has_types) {
			const float *type = p->values + p->token_type_embeddings + token_type(network->input, n) * C;
			for (size_t c = 0; c < C; c++)
				x[c] = word[c] + type[c] + position[c];
		} else
			for (size_t c = 0; c < C; c++)
				x[c] = word[c] + position[c];
	}
	norm_rows(network, norm, first, rows);
	if (dropout.probability > 0)
		network->kernels->dropout_add(norm->y.fp32 + first * C, NULL, rows * C, &dropout, first * C);
	round_rows(network, norm->y, first, rows, C);
}

void embeddings_forward(struct network *network) {
	run_rows(network, network->N, EMBEDDING_ROWS, embed_rows, network);
}

/* ---- backward ------------------------------------------------------------------------------------------ */

static void drop_rows_backward(void *context, size_t first, size_t rows) {
	struct network *network = context;
	const struct dropout dropout = hidden_dropout(network, 0);
	size_t C = network->C;
	float *flow = network->flow + first * C;
	network->kernels->dropout_backward(flow, flow, rows * C, &dropout, first * C);
}

struct embedding_gradient { struct network *network; float *gradients; };

/* A slice of columns of every token's embedding. The padding token's is never learned from where it is read
 * (nn.Embedding's padding_idx); a tied decoder may still have given it a gradient. */
static void add_word_columns(void *context, size_t first, size_t columns) {
	const struct embedding_gradient *gradient = context;
	const struct network *network = gradient->network;
	size_t C = network->C;
	float *words = gradient->gradients + network->parameters->word_embeddings + first;
	for (size_t n = 0; n < network->N; n++) {
		int32_t id = network->input->input_ids[n];
		if (id == network->config->pad_token_id)
			continue;
		float *word = words + (size_t)id * C;
		const float *dx = network->flow + n * C + first;
		for (size_t c = 0; c < columns; c++)
			word[c] += dx[c];
	}
}

/* A slice of columns of each type's embedding, summed a run of tokens of one type at a time. */
static void sum_type_columns(void *context, size_t first, size_t columns) {
	const struct embedding_gradient *gradient = context;
	const struct network *network = gradient->network;
	const struct network_input *input = network->input;
	size_t C = network->C;
	float *types = gradient->gradients + network->parameters->token_type_embeddings + first;
	for (size_t n = 0, end; n < network->N; n = end) {
		size_t type = token_type(input, n);
		for (end = n + 1; end < network->N && token_type(input, end) == type;)
			end++;
		network->kernels->add_bias_backward(types + type * C, network->flow + n * C + first, end - n, columns, C);
	}
}

static void sum_position(void *context, size_t position, int worker) {
	const struct embedding_gradient *gradient = context;
	const struct network *network = gradient->network;
	size_t C = network->C, T = network->input->T;
	float *sums = gradient->gradients + network->parameters->position_embeddings + position * C;
	(void)worker;
	network->kernels->add_bias_backward(sums, network->flow + position * C, network->input->B, C, T * C);
}

void embeddings_backward(struct network *network, float *gradients) {
	struct embedding_gradient gradient = { network, gradients };
	const struct dropout none = { 0 };
	size_t C = network->C;
	if (hidden_dropout(network, 0).probability > 0)
		run_rows(network, network->N, EMBEDDING_ROWS, drop_rows_backward, network);
	norm_backward(network, &network->embedding_norm, network->flow, network->flow, network->N, &none, gradients);
	run_rows(network, C, EMBEDDING_COLUMNS, add_word_columns, &gradient);
	pool_run(network->pool, network->input->T, sum_position, &gradient);
	if (network->config->type_vocab_size > 0)
		run_rows(network, C, EMBEDDING_COLUMNS, sum_type_columns, &gradient);
}
