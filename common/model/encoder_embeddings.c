/* encoder_embeddings: the sum of word, position and (in BERT) token type embeddings, followed by layer norm and
 * dropout. */
#include "model/encoder_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { EMBEDDING_ROWS = 32, EMBEDDING_COLUMNS = 64 };

static size_t token_type(const struct examples *examples, size_t n) {
	return examples->token_type_ids != NULL ? (size_t)examples->token_type_ids[n] : 0;
}

static const float *embedding_table(const struct encoder *encoder, enum role role) {
	const struct parameters *parameters = encoder->compute->parameters;
	const struct parameter *table = parameters_find(parameters, role, 0);
	return table != NULL ? parameter_values(parameters, table) : NULL;
}

static void embed_rows(void *context, size_t first, size_t rows) {
	struct encoder *encoder = context;
	const struct compute *compute = encoder->compute;
	const struct examples *examples = encoder->examples;
	const struct norm *norm = &encoder->embedding_norm;
	const float *words = embedding_table(encoder, ROLE_WORD_EMBEDDINGS);
	const float *positions = embedding_table(encoder, ROLE_POSITION_EMBEDDINGS);
	const float *types = embedding_table(encoder, ROLE_TOKEN_TYPE_EMBEDDINGS);
	const struct dropout dropout = hidden_dropout(compute, 0);
	size_t C = encoder->C;
	for (size_t n = first; n < first + rows; n++) {
		float *x = norm->x + n * C;
		const float *word = words + (size_t)examples->input_ids[n] * C;
		const float *position = positions + (size_t)examples->positions[n] * C;
		const float *type = types != NULL ? types + token_type(examples, n) * C : NULL;
		for (size_t c = 0; c < C; c++)
			x[c] = (type != NULL ? word[c] + type[c] : word[c]) + position[c];
	}
	norm_rows(compute, norm, first, rows);
	if (dropout.probability > 0)
		compute->kernels->dropout_add(norm->y.fp32 + first * C, NULL, rows * C, &dropout, first * C);
	round_rows(compute, norm->y, first, rows, C);
}

void embeddings_forward(struct encoder *encoder) {
	run_rows(encoder->compute->pool, encoder->N, EMBEDDING_ROWS, embed_rows, encoder);
}

/* ---- backward ------------------------------------------------------------------------------------------ */

struct embedding_gradient {
	const struct encoder *encoder;
	float *dx;                                  /* [N, C] the gradient of the sum of embeddings */
	float *gradient;                            /* the gradient of one table of embeddings, which is added to */
	const struct position_rows *by_position;
};

static void drop_rows_backward(void *context, size_t first, size_t rows) {
	const struct embedding_gradient *gradient = context;
	const struct compute *compute = gradient->encoder->compute;
	const struct dropout dropout = hidden_dropout(compute, 0);
	size_t C = gradient->encoder->C;
	float *dx = gradient->dx + first * C;
	compute->kernels->dropout_backward(dx, dx, rows * C, &dropout, first * C);
}

/* Adds to some columns of the gradient of every word embedding. The padding token gets no gradient here (padding_idx of
 * nn.Embedding), although a tied decoder may have given it one. */
static void add_word_columns(void *context, size_t first, size_t columns) {
	const struct embedding_gradient *gradient = context;
	const struct encoder *encoder = gradient->encoder;
	size_t C = encoder->C;
	for (size_t n = 0; n < encoder->N; n++) {
		int32_t id = encoder->examples->input_ids[n];
		if (id == encoder->config->pad_token_id)
			continue;
		float *word = gradient->gradient + (size_t)id * C + first;
		const float *dx = gradient->dx + n * C + first;
		for (size_t c = 0; c < columns; c++)
			word[c] += dx[c];
	}
}

/* Adds to some columns of the gradient of each token type embedding, one run of tokens of the same type at a time. */
static void sum_type_columns(void *context, size_t first, size_t columns) {
	const struct embedding_gradient *gradient = context;
	const struct encoder *encoder = gradient->encoder;
	const struct examples *examples = encoder->examples;
	size_t C = encoder->C;
	for (size_t n = 0, end; n < encoder->N; n = end) {
		size_t type = token_type(examples, n);
		for (end = n + 1; end < encoder->N && token_type(examples, end) == type;)
			end++;
		encoder->compute->kernels->add_bias_backward(gradient->gradient + type * C + first,
			gradient->dx + n * C + first, end - n, columns, C);
	}
}

/* The rows at each position, in ascending order: position p has rows[starts[p]] to rows[starts[p + 1] - 1]. */
struct position_rows { size_t *starts; int32_t *rows; };

/* Sorts the rows by position, by distribution counting (Knuth, volume 3, section 5.2, algorithm D). free() releases
 * both arrays. */
static struct position_rows rows_by_position(const struct encoder *encoder, size_t positions) {
	const int32_t *of = encoder->examples->positions;
	struct position_rows by_position = { allocate(positions + 2, sizeof(size_t)),
		allocate(encoder->N, sizeof(int32_t)) };
	for (size_t n = 0; n < encoder->N; n++)
		by_position.starts[of[n] + 2]++;
	for (size_t p = 2; p < positions + 2; p++)
		by_position.starts[p] += by_position.starts[p - 1];
	for (size_t n = 0; n < encoder->N; n++)
		by_position.rows[by_position.starts[of[n] + 1]++] = (int32_t)n;
	return by_position;
}

/* Adds to the gradient of one position embedding, in blocks of 64 rows as kernels->add_bias_backward() does. */
static void sum_position(void *context, size_t position, int worker) {
	enum { ROWS = 64, COLUMNS = 1024 };
	const struct embedding_gradient *gradient = context;
	const struct position_rows *by_position = gradient->by_position;
	size_t C = gradient->encoder->C, end = by_position->starts[position + 1];
	(void)worker;
	for (size_t first = by_position->starts[position]; first < end; first += ROWS)
		for (size_t column = 0; column < C; column += COLUMNS) {
			size_t columns = C - column < COLUMNS ? C - column : COLUMNS;
			float sum[COLUMNS] = { 0 }, *to = gradient->gradient + position * C + column;
			for (size_t i = first; i < end && i < first + ROWS; i++) {
				const float *dx = gradient->dx + (size_t)by_position->rows[i] * C + column;
				for (size_t c = 0; c < columns; c++)
					sum[c] += dx[c];
			}
			for (size_t c = 0; c < columns; c++)
				to[c] += sum[c];
		}
}

static void positions_backward(struct embedding_gradient *gradient) {
	size_t positions = gradient->encoder->config->max_position_embeddings;
	struct position_rows by_position = rows_by_position(gradient->encoder, positions);
	gradient->by_position = &by_position;
	pool_run(gradient->encoder->compute->pool, positions, sum_position, gradient);
	free(by_position.starts);
	free(by_position.rows);
}

static float *table_gradient(const struct encoder *encoder, enum role role) {
	return gradient_of(encoder->compute, parameters_find(encoder->compute->parameters, role, 0));
}

void embeddings_backward(struct encoder *encoder, float *dx) {
	const struct compute *compute = encoder->compute;
	struct embedding_gradient gradient = { .encoder = encoder, .dx = dx };
	if (hidden_dropout(compute, 0).probability > 0)
		run_rows(compute->pool, encoder->N, EMBEDDING_ROWS, drop_rows_backward, &gradient);
	norm_backward(compute, &encoder->embedding_norm, &encoder->norm_scratch, dx, dx, encoder->N);
	if ((gradient.gradient = table_gradient(encoder, ROLE_WORD_EMBEDDINGS)) != NULL)
		run_rows(compute->pool, encoder->C, EMBEDDING_COLUMNS, add_word_columns, &gradient);
	if ((gradient.gradient = table_gradient(encoder, ROLE_POSITION_EMBEDDINGS)) != NULL)
		positions_backward(&gradient);
	if ((gradient.gradient = table_gradient(encoder, ROLE_TOKEN_TYPE_EMBEDDINGS)) != NULL)
		run_rows(compute->pool, encoder->C, EMBEDDING_COLUMNS, sum_type_columns, &gradient);
}
