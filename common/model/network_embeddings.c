/* Embeddings: the sum of word, position and (BERT) token type, normalized, with dropout. Every token is of type 0. */
#include "model/network_parts.h"

enum { EMBEDDING_ROWS = 32, WORD_COLUMNS = 64 };

static void embed_rows(void *context, size_t first, size_t rows) {
	struct network *network = context;
	const struct parameters *p = network->parameters;
	const struct norm *norm = &network->embedding_norm;
	const struct dropout dropout = hidden_dropout(network, 0);
	size_t C = network->C, T = network->input->T;
	const float *type = network->config->type_vocab_size > 0 ? p->values + p->token_type_embeddings : NULL;
	for (size_t n = first; n < first + rows; n++) {
		float *x = norm->x + n * C;
		const float *word = p->values + p->word_embeddings + (size_t)network->input->input_ids[n] * C;
		const float *position = p->values + p->position_embeddings + n % T * C;
		if (type != NULL)
			for (size_t c = 0; c < C; c++)
				x[c] = word[c] + type[c] + position[c];
		else
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
	const struct parameters *p = network->parameters;
	size_t C = network->C;
	if (hidden_dropout(network, 0).probability > 0)
		run_rows(network, network->N, EMBEDDING_ROWS, drop_rows_backward, network);
	norm_backward(network, &network->embedding_norm, network->flow, network->flow, network->N, &none, gradients);
	run_rows(network, C, WORD_COLUMNS, add_word_columns, &gradient);
	pool_run(network->pool, network->input->T, sum_position, &gradient);
	if (network->config->type_vocab_size > 0)
		column_sums(network, gradients + p->token_type_embeddings, network->flow, network->N, C, C);
}
