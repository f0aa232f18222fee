/* The network against a plain one: loops in double precision that compute every position, with the same coins. Each
 * derivative is held against a central difference of the plain network's loss. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/memory.h"
#include "math/random.h"
#include "model/network.h"

/* ---- the plain network --------------------------------------------------------------------------------- */

struct plain {
	const struct parameters *p;
	const struct network_input *input;
	const double *w;              /* the block, in double precision */
	float hidden_dropout, attention_dropout;
	uint64_t seed, pass;
};

/* y[n, o] = sum over i of x[n, i] w[o, i], + b[o]. */
static void plain_dense(double *y, const double *x, const double *w, const double *b, size_t N, size_t O, size_t I) {
	for (size_t n = 0; n < N; n++)
		for (size_t o = 0; o < O; o++) {
			y[n * O + o] = b[o];
			for (size_t i = 0; i < I; i++)
				y[n * O + o] += x[n * I + i] * w[o * I + i];
		}
}

static void plain_norm(double *x, const double *w, const double *b, size_t N, size_t C, double eps) {
	for (size_t n = 0; n < N; n++, x += C) {
		double mean = 0, variance = 0;
		for (size_t c = 0; c < C; c++)
			mean += x[c] / (double)C;
		for (size_t c = 0; c < C; c++)
			variance += (x[c] - mean) * (x[c] - mean) / (double)C;
		for (size_t c = 0; c < C; c++)
			x[c] = (x[c] - mean) / sqrt(variance + eps) * w[c] + b[c];
	}
}

static double plain_activation(enum activation activation, double x) {
	const double pi = acos(-1);
	switch (activation) {
	case ACTIVATION_GELU: return x * 0.5 * (1 + erf(x / sqrt(2)));
	case ACTIVATION_GELU_NEW: return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
	case ACTIVATION_RELU: return fmax(x, 0);
	case ACTIVATION_SILU: return x / (1 + exp(-x));
	}
	return NAN;
}

/* What dropout multiplies element `index` of a site by. */
static double plain_coin(const struct plain *plain, float probability, uint32_t site, size_t index) {
	float one = 1;
	const struct dropout dropout = { plain->seed, plain->pass, site, probability };
	if (probability > 0)
		kernels()->dropout_add(&one, NULL, 1, &dropout, index);
	return (double)one;
}

/* Row of position n in the last layer, which has the labelled ones only; -1: not there. */
static ptrdiff_t labelled_row(const struct network_input *input, size_t n) {
	for (size_t m = 0; m < input->M; m++)
		if ((size_t)input->positions[m] == n)
			return (ptrdiff_t)m;
	return -1;
}

static void plain_hidden_dropout(const struct plain *plain, double *x, uint32_t site, bool last) {
	size_t C = plain->p->config.hidden_size, N = plain->input->B * plain->input->T;
	for (size_t n = 0; n < N; n++) {
		ptrdiff_t row = last ? labelled_row(plain->input, n) : (ptrdiff_t)n;
		for (size_t c = 0; row >= 0 && c < C; c++)
			x[n * C + c] *= plain_coin(plain, plain->hidden_dropout, site, (size_t)row * C + c);
	}
}

static void plain_attention(const struct plain *plain, double *context, const double *q, const double *k,
	const double *v, uint32_t site, bool last) {
	size_t C = plain->p->config.hidden_size, H = plain->p->config.num_attention_heads, D = C / H;
	size_t B = plain->input->B, T = plain->input->T, R = last ? plain->input->M : B * T;
	double *p = calloc(T, sizeof *p);
	for (size_t n = 0; n < B * T; n++)
		for (size_t h = 0; h < H; h++) {
			size_t b = n / T;
			double sum = 0;
			for (size_t t = 0; t < T; t++) {
				double score = 0;
				for (size_t d = h * D; d < (h + 1) * D; d++)
					score += q[n * C + d] * k[(b * T + t) * C + d];
				bool kept = plain->input->attention_mask == NULL || plain->input->attention_mask[b * T + t];
				sum += p[t] = kept ? exp(score / sqrt((double)D)) : 0;
			}
			ptrdiff_t row = last ? labelled_row(plain->input, n) : (ptrdiff_t)n;
			for (size_t d = h * D; d < (h + 1) * D; d++)
				context[n * C + d] = 0;
			for (size_t t = 0; row >= 0 && t < T; t++)
				for (size_t d = h * D; d < (h + 1) * D; d++)
					context[n * C + d] += p[t] / sum * v[(b * T + t) * C + d]
						* plain_coin(plain, plain->attention_dropout, site, (h * R + (size_t)row) * T + t);
		}
	free(p);
}

/* One layer, x in place. `s` is scratch of 5 N C + N F. */
static void plain_layer(const struct plain *plain, size_t l, double *x, double *s) {
	const struct config *config = &plain->p->config;
	const struct layer_offsets *at = &plain->p->layers[l];
	size_t C = config->hidden_size, F = config->intermediate_size, N = plain->input->B * plain->input->T;
	double *q = s, *k = q + N * C, *v = k + N * C, *context = v + N * C, *y = context + N * C, *f = y + N * C;
	const double *w = plain->w;
	bool last = l == config->num_hidden_layers - 1;
	uint32_t site = (uint32_t)(1 + 3 * l);
	double eps = (double)config->layer_norm_eps;
	plain_dense(q, x, w + at->qkv_weight, w + at->qkv_bias, N, C, C);
	plain_dense(k, x, w + at->qkv_weight + C * C, w + at->qkv_bias + C, N, C, C);
	plain_dense(v, x, w + at->qkv_weight + 2 * C * C, w + at->qkv_bias + 2 * C, N, C, C);
	plain_attention(plain, context, q, k, v, site, last);
	plain_dense(y, context, w + at->attention_output_weight, w + at->attention_output_bias, N, C, C);
	if (config->model_type == MODEL_BERT)
		plain_hidden_dropout(plain, y, site + 1, last);
	for (size_t i = 0; i < N * C; i++)
		y[i] += x[i];
	plain_norm(y, w + at->attention_norm_weight, w + at->attention_norm_bias, N, C, eps);
	plain_dense(f, y, w + at->intermediate_weight, w + at->intermediate_bias, N, F, C);
	for (size_t i = 0; i < N * F; i++)
		f[i] = plain_activation(config->hidden_act, f[i]);
	plain_dense(x, f, w + at->output_weight, w + at->output_bias, N, C, F);
	plain_hidden_dropout(plain, x, site + 2, last);
	for (size_t i = 0; i < N * C; i++)
		x[i] += y[i];
	plain_norm(x, w + at->output_norm_weight, w + at->output_norm_bias, N, C, eps);
}

/* The mean loss over the labelled positions. */
static double plain_loss(const struct plain *plain) {
	const struct parameters *p = plain->p;
	const struct config *config = &p->config;
	const struct network_input *input = plain->input;
	size_t C = config->hidden_size, V = config->vocab_size, N = input->B * input->T;
	const double *w = plain->w;
	double *x = calloc(N * C, sizeof *x), *y = calloc(N * C, sizeof *y), *z = calloc(V, sizeof *z);
	double *scratch = calloc(N * (5 * C + config->intermediate_size), sizeof *scratch);
	for (size_t n = 0; n < N; n++)
		for (size_t c = 0; c < C; c++) {
			x[n * C + c] = w[p->word_embeddings + (size_t)input->input_ids[n] * C + c]
				+ w[p->position_embeddings + n % input->T * C + c];
			size_t type = input->token_type_ids != NULL ? (size_t)input->token_type_ids[n] : 0;
			if (config->type_vocab_size > 0)
				x[n * C + c] += w[p->token_type_embeddings + type * C + c];
		}
	plain_norm(x, w + p->embedding_norm_weight, w + p->embedding_norm_bias, N, C, (double)config->layer_norm_eps);
	plain_hidden_dropout(plain, x, 0, false);
	for (size_t l = 0; l < config->num_hidden_layers; l++)
		plain_layer(plain, l, x, scratch);
	plain_dense(y, x, w + p->head_weight, w + p->head_bias, N, C, C);
	for (size_t i = 0; i < N * C; i++)
		y[i] = plain_activation(config->hidden_act, y[i]);
	plain_norm(y, w + p->head_norm_weight, w + p->head_norm_bias, N, C, (double)config->layer_norm_eps);
	double loss = 0;
	for (size_t m = 0; m < input->M; m++) {
		plain_dense(z, y + (size_t)input->positions[m] * C, w + p->decoder_weight, w + p->decoder_bias, 1, V, C);
		double sum = 0;
		for (size_t i = 0; i < V; i++)
			sum += exp(z[i]);
		loss += (log(sum) - z[input->labels[m]]) / (double)input->M;
	}
	free(x);
	free(y);
	free(z);
	free(scratch);
	return loss;
}

/* ---- models and batches -------------------------------------------------------------------------------- */

static struct config tiny_config(enum model_type type) {
	struct config config = { .model_type = type, .vocab_size = 19, .max_position_embeddings = 7,
		.type_vocab_size = type == MODEL_BERT ? 2 : 0, .hidden_size = 6, .num_hidden_layers = 2,
		.num_attention_heads = 2, .intermediate_size = 10, .hidden_act = ACTIVATION_GELU, .layer_norm_eps = 1e-12f,
		.initializer_range = 0.02f, .tie_word_embeddings = true, .json = json_object() };
	return config;
}

/* Every number random, norms around 1. */
static struct parameters *random_model(struct config config) {
	struct parameters *p = parameters_create(&config);
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *parameter = &p->table[i];
		random_normal(3, i, 0.4f, p->values + parameter->offset, parameter->elements);
		for (size_t j = 0; parameter->dimensions == 1 && strstr(parameter->name, "orm.weight") != NULL
			&& j < parameter->elements; j++)
			p->values[parameter->offset + j] += 1;
	}
	return p;
}

/* Three records of six positions; the second is padded, and the third has one label. */
static const int32_t tiny_ids[] = { 5, 3, 8, 3, 17, 2, 7, 9, 3, 1, 0, 0, 4, 6, 3, 18, 11, 2 };
static const uint8_t tiny_mask[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1 };
static const int32_t tiny_positions[] = { 1, 3, 4, 6, 8, 14 };
static const int32_t tiny_labels[] = { 6, 12, 17, 0, 18, 9 };
static const struct network_input tiny_input = { .B = 3, .T = 6, .input_ids = tiny_ids, .attention_mask = tiny_mask,
	.M = 6, .positions = tiny_positions, .labels = tiny_labels };

static double *doubles(const float *x, size_t count) {
	double *y = calloc(count, sizeof *y);
	for (size_t i = 0; i < count; i++)
		y[i] = (double)x[i];
	return y;
}

/* ---- gradients ----------------------------------------------------------------------------------------- */

/* Each tensor's derivatives, element by element; the difference is relative to the tensor's largest. */
static void check_tensor(const struct plain *plain, double *w, const struct parameter *parameter,
	const float *gradients) {
	double largest = 0, worst = 0;
	for (size_t i = parameter->offset; i < parameter->offset + parameter->elements; i++) {
		const double h = 1e-5, kept = w[i];
		w[i] = kept + h;
		double above = plain_loss(plain);
		w[i] = kept - h;
		double derivative = (above - plain_loss(plain)) / (2 * h);
		w[i] = kept;
		largest = fmax(largest, fabs(derivative));
		worst = fmax(worst, fabs((double)gradients[i] - derivative));
	}
	/* A key's bias moves all scores of a query alike: its derivative is zero. */
	if (!(worst <= 3e-5 * fmax(largest, 0.01))) {
		print_error("%s: off by %g, largest derivative %g\n", parameter->name, worst, largest);
		assert_true(false);
	}
}

static void check_gradients(struct config config, const struct network_input *input, float hidden, float attention) {
	struct parameters *p = random_model(config);
	struct pool *pool = pool_create(2, &(struct failure){ 0 });
	struct network *network = network_create(p, pool);
	float *gradients = allocate(p->size, sizeof *gradients);
	double *w = doubles(p->values, p->size);
	struct plain plain = { p, input, w, hidden, attention, 77, 5 };
	memset(gradients, 0x7f, p->size * sizeof *gradients);
	network_set_dropout(network, hidden, attention, plain.seed);
	double tokens = (double)input->M, sum = network_gradients(network, input, plain.pass, tokens, false, gradients);
	assert_true(fabs(sum / tokens - plain_loss(&plain)) < 1e-5);
	for (size_t i = 0; i < p->count; i++)
		check_tensor(&plain, w, &p->table[i], gradients);
	free(w);
	free(gradients);
	network_free(network);
	pool_destroy(pool);
	parameters_free(p);
}

static void distilbert_gradients(void **state) {
	(void)state;
	check_gradients(tiny_config(MODEL_DISTILBERT), &tiny_input, 0, 0);
}

static void bert_gradients(void **state) {
	(void)state;
	check_gradients(tiny_config(MODEL_BERT), &tiny_input, 0, 0);
}

static void gradients_of_both_token_types(void **state) {
	(void)state;
	static const int32_t types[] = { 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1 };
	struct network_input input = tiny_input;
	input.token_type_ids = types;
	check_gradients(tiny_config(MODEL_BERT), &input, 0, 0);
	check_gradients(tiny_config(MODEL_BERT), &input, 0.3f, 0.2f);
}

static void gradients_with_dropout(void **state) {
	(void)state;
	check_gradients(tiny_config(MODEL_DISTILBERT), &tiny_input, 0.3f, 0.2f);
	check_gradients(tiny_config(MODEL_BERT), &tiny_input, 0.3f, 0.2f);
}

static void gradients_of_each_activation(void **state) {
	(void)state;
	for (int act = ACTIVATION_GELU_NEW; act <= ACTIVATION_SILU; act++) {
		struct config config = tiny_config(MODEL_BERT);
		config.hidden_act = (enum activation)act;
		check_gradients(config, &tiny_input, 0, 0);
	}
}

static void gradients_of_separate_decoder_and_one_layer(void **state) {
	(void)state;
	struct config config = tiny_config(MODEL_BERT);
	config.tie_word_embeddings = false;
	config.num_hidden_layers = 1;
	config.pad_token_id = -1;
	check_gradients(config, &tiny_input, 0.1f, 0);
}

/* The second record has no label, the third has all. */
static void gradients_of_uneven_labels(void **state) {
	(void)state;
	static const int32_t positions[] = { 0, 12, 13, 14, 15, 16, 17 }, labels[] = { 1, 2, 3, 4, 5, 6, 7 };
	struct network_input input = tiny_input;
	input.M = 7;
	input.positions = positions;
	input.labels = labels;
	input.attention_mask = NULL;
	struct config config = tiny_config(MODEL_DISTILBERT);
	config.pad_token_id = -1;
	check_gradients(config, &input, 0, 0.1f);
}

/* nn.Embedding's padding_idx: where the padding token is read, its embedding learns nothing. */
static void padding_embedding_learns_nothing(void **state) {
	(void)state;
	struct config config = tiny_config(MODEL_BERT);
	config.tie_word_embeddings = false;
	struct network_input input = tiny_input;
	input.attention_mask = NULL;
	struct parameters *p = random_model(config);
	struct pool *pool = pool_create(1, &(struct failure){ 0 });
	struct network *network = network_create(p, pool);
	float *gradients = allocate(p->size, sizeof *gradients);
	network_gradients(network, &input, 0, 6, false, gradients);
	for (size_t c = 0; c < config.hidden_size; c++) {
		assert_true(gradients[p->word_embeddings + c] == 0);
		assert_true(gradients[p->word_embeddings + 3 * config.hidden_size + c] != 0);
	}
	free(gradients);
	network_free(network);
	pool_destroy(pool);
	parameters_free(p);
}

static void no_labels(void **state) {
	(void)state;
	struct parameters *p = random_model(tiny_config(MODEL_BERT));
	struct pool *pool = pool_create(2, &(struct failure){ 0 });
	struct network *network = network_create(p, pool);
	float *gradients = allocate(p->size, sizeof *gradients);
	struct network_input input = tiny_input;
	input.M = 0;
	memset(gradients, 0x7f, p->size * sizeof *gradients);
	assert_true(network_gradients(network, &input, 0, 0, false, gradients) == 0);
	for (size_t i = 0; i < p->size; i++)
		assert_true(gradients[i] == 0);
	gradients[3] = 5;
	assert_true(network_gradients(network, &input, 0, 0, true, gradients) == 0);
	assert_true(gradients[3] == 5);
	assert_true(network_loss(network, &input, NULL) == 0);
	free(gradients);
	network_free(network);
	pool_destroy(pool);
	parameters_free(p);
}

/* ---- what results may not depend on -------------------------------------------------------------------- */

/* A batch with several blocks of everything that is cut into blocks, 600 labels among it. */
enum { B = 20, T = 60, M = 600, V = 300, LONG_C = 72 };

/* It, and a network to take it. */
struct larger {
	int32_t ids[B * T], types[B * T], positions[M], labels[M];
	uint8_t mask[B * T];
	struct network_input input;
	struct parameters *parameters;
	struct pool *pool;
	struct network *network;
};

static struct config larger_config(void) {
	struct config config = tiny_config(MODEL_BERT);
	config.vocab_size = V;
	config.max_position_embeddings = T;
	config.hidden_size = LONG_C;
	config.num_attention_heads = 3;
	config.intermediate_size = 130;
	return config;
}

static struct larger *make_larger(int threads) {
	struct larger *larger = allocate(1, sizeof *larger);
	for (size_t n = 0; n < B * T; n++) {
		larger->ids[n] = (int32_t)((n * 7919 + 13) % V);
		larger->mask[n] = n / T % 3 != 1 || n % T < 47;
		larger->types[n] = n % T > n / T;
	}
	for (size_t m = 0; m < M; m++) {
		larger->positions[m] = (int32_t)(2 * m);
		larger->labels[m] = (int32_t)((m * 104729 + 5) % V);
	}
	larger->input = (struct network_input){ .B = B, .T = T, .input_ids = larger->ids, .attention_mask = larger->mask,
		.token_type_ids = larger->types, .M = M, .positions = larger->positions, .labels = larger->labels };
	larger->parameters = random_model(larger_config());
	larger->pool = pool_create(threads, &(struct failure){ 0 });
	larger->network = network_create(larger->parameters, larger->pool);
	return larger;
}

static void free_larger(struct larger *larger) {
	network_free(larger->network);
	pool_destroy(larger->pool);
	parameters_free(larger->parameters);
	free(larger);
}

/* The gradients that so many threads give, *bytes of them, and their loss. free() releases them. */
static float *gradients_on(int threads, enum precision precision, double *loss, size_t *bytes) {
	struct larger *larger = make_larger(threads);
	float *gradients = allocate(larger->parameters->size, sizeof *gradients);
	network_set_dropout(larger->network, 0.1f, 0.1f, 1);
	network_set_precision(larger->network, precision);
	*loss = network_gradients(larger->network, &larger->input, 3, M, false, gradients);
	*bytes = larger->parameters->size * sizeof *gradients;
	free_larger(larger);
	return gradients;
}

static void check_threads(enum precision precision) {
	static const int threads[] = { 2, 3, 8 };
	double loss, other;
	size_t bytes;
	float *first = gradients_on(1, precision, &loss, &bytes);
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
		float *gradients = gradients_on(threads[i], precision, &other, &bytes);
		assert_true(other == loss);
		assert_memory_equal(gradients, first, bytes);
		free(gradients);
	}
	free(first);
}

static void threads_change_no_bit(void **state) {
	(void)state;
	check_threads(PRECISION_FP32);
	check_threads(PRECISION_BF16);
}

/* A stream may say of every token that it is of type 0, or leave that out. */
static void zero_types_change_no_bit(void **state) {
	(void)state;
	struct larger *larger = make_larger(2);
	struct network_input input = larger->input;
	struct parameters *p = larger->parameters;
	struct network *network = larger->network;
	float *without = allocate(p->size, sizeof *without), *zero = allocate(p->size, sizeof *zero);
	memset(larger->types, 0, sizeof larger->types);
	double loss = network_gradients(network, &input, 0, M, false, zero);
	input.token_type_ids = NULL;
	assert_true(network_gradients(network, &input, 0, M, false, without) == loss);
	assert_memory_equal(zero, without, p->size * sizeof *zero);
	free(without);
	free(zero);
	free_larger(larger);
}

static double norm_of(const float *x, size_t count) {
	return sqrt(kernels()->sum_of_squares(x, count));
}

/* With 8 bits in each factor: every tensor's gradient is off by something, but by no more than a few parts in a hundred
 * of its norm. (A key's bias has none, so a tenth of a thousandth of the whole gradient's norm goes too.) Weights are
 * small, as in a model that has just been initialized, or errors would grow from layer to layer. */
static void bf16_is_near_fp32(void **state) {
	(void)state;
	struct larger *larger = make_larger(2);
	struct network_input input = larger->input;
	struct parameters *p = larger->parameters;
	struct network *network = larger->network;
	for (size_t i = 0; i < p->count; i++)
		for (size_t j = 0; p->table[i].dimensions == 2 && j < p->table[i].elements; j++)
			p->values[p->table[i].offset + j] *= 0.1f;
	float *fp32 = allocate(p->size, sizeof *fp32), *bf16 = allocate(p->size, sizeof *bf16);
	double loss = network_gradients(network, &input, 0, M, false, fp32), whole = norm_of(fp32, p->size);
	network_set_precision(network, PRECISION_BF16);
	double rounded = network_gradients(network, &input, 0, M, false, bf16);
	assert_true(rounded != loss && fabs(rounded / loss - 1) < 1e-2);
	assert_true(fabs(network_loss(network, &input, NULL) / loss - 1) < 1e-2);
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *parameter = &p->table[i];
		float *ours = bf16 + parameter->offset;
		double norm = norm_of(fp32 + parameter->offset, parameter->elements);
		for (size_t j = 0; j < parameter->elements; j++)
			ours[j] -= fp32[parameter->offset + j];
		double error = norm_of(ours, parameter->elements);
		if (!(error > 0 && error <= 0.03 * norm + 1e-4 * whole)) {
			print_error("%s: off by %g, norm %g of %g\n", parameter->name, error, norm, whole);
			assert_true(false);
		}
	}
	network_set_precision(network, PRECISION_FP32);
	assert_true(network_gradients(network, &input, 0, M, false, bf16) == loss);
	assert_memory_equal(bf16, fp32, p->size * sizeof *fp32);
	free(fp32);
	free(bf16);
	free_larger(larger);
}

/* Each record alone, without its padding, and all together; and after a training pass, and with other steps. */
static void batching_changes_no_loss(void **state) {
	(void)state;
	struct larger *larger = make_larger(2);
	struct network_input input = larger->input;
	struct parameters *p = larger->parameters;
	struct network *network = larger->network;
	float *gradients = allocate(p->size, sizeof *gradients), losses[M];
	double loss = network_loss(network, &input, losses), sum = 0;
	network_gradients(network, &input, 0, M, false, gradients);
	assert_true(network_loss(network, &input, NULL) == loss);
	for (size_t b = 0; b < B; b++) {
		size_t first = b * M / B, count = M / B;
		int32_t positions[M / B];
		for (size_t m = 0; m < count; m++)
			positions[m] = larger->positions[first + m] - (int32_t)(b * T);
		struct network_input one = { .B = 1, .T = T, .input_ids = larger->ids + b * T,
			.attention_mask = larger->mask + b * T, .token_type_ids = larger->types + b * T, .M = count,
			.positions = positions, .labels = larger->labels + first };
		if (b % 3 == 1) {
			one.T = 47;
			one.attention_mask = NULL;
			while (one.M > 0 && positions[one.M - 1] >= 47)
				one.M--;
			for (size_t m = one.M; m < count; m++)
				sum += (double)losses[first + m];
		}
		float alone[M / B];
		sum += network_loss(network, &one, alone);
		for (size_t m = 0; m < one.M; m++)
			assert_true(fabs((double)alone[m] - (double)losses[first + m]) < 1e-4);
	}
	assert_true(fabs(sum - loss) < 1e-6 * loss);
	free(gradients);
	free_larger(larger);
}

/* A batch in four passes, of 150 labels each, whose gradients add up to that of the whole. */
static void passes_add_up(void **state) {
	(void)state;
	enum { PASSES = 4 };
	struct larger *larger = make_larger(2);
	struct network_input input = larger->input;
	struct parameters *p = larger->parameters;
	struct network *network = larger->network;
	float *whole = allocate(p->size, sizeof *whole), *sum = allocate(p->size, sizeof *sum);
	double loss = network_gradients(network, &input, 0, M, false, whole), losses = 0;
	input.B = B / PASSES;
	input.M = M / PASSES;
	memset(sum, 0x7f, p->size * sizeof *sum);
	for (int pass = 0; pass < PASSES; pass++) {
		losses += network_gradients(network, &input, 0, M, pass > 0, sum);
		input.input_ids += B / PASSES * T;
		input.attention_mask += B / PASSES * T;
		input.token_type_ids += B / PASSES * T;
		input.labels += M / PASSES; /* the positions are evenly spaced */
	}
	assert_true(fabs(losses - loss) < 1e-6 * loss);
	for (size_t i = 0; i < p->size; i++)
		sum[i] -= whole[i];
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *t = &p->table[i];
		double error = norm_of(sum + t->offset, t->elements), norm = norm_of(whole + t->offset, t->elements);
		assert_true(error <= 1e-5 * norm + 1e-6);
	}
	free(whole);
	free(sum);
	free_larger(larger);
}

static void logits_give_the_losses(void **state) {
	(void)state;
	struct parameters *p = random_model(tiny_config(MODEL_DISTILBERT));
	struct pool *pool = pool_create(2, &(struct failure){ 0 });
	struct network *network = network_create(p, pool);
	enum { TINY_V = 19 };
	float losses[6], logits[6 * TINY_V];
	network_loss(network, &tiny_input, losses);
	network_logits(network, &tiny_input, logits);
	for (size_t m = 0; m < 6; m++) {
		double sum = 0;
		for (size_t v = 0; v < TINY_V; v++)
			sum += exp((double)logits[m * TINY_V + v]);
		double loss = log(sum) - (double)logits[m * TINY_V + (size_t)tiny_labels[m]];
		assert_true(fabs(loss - (double)losses[m]) < 1e-5);
	}
	network_free(network);
	pool_destroy(pool);
	parameters_free(p);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distilbert_gradients),
		cmocka_unit_test(bert_gradients),
		cmocka_unit_test(gradients_of_both_token_types),
		cmocka_unit_test(gradients_with_dropout),
		cmocka_unit_test(gradients_of_each_activation),
		cmocka_unit_test(gradients_of_separate_decoder_and_one_layer),
		cmocka_unit_test(gradients_of_uneven_labels),
		cmocka_unit_test(padding_embedding_learns_nothing),
		cmocka_unit_test(no_labels),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(zero_types_change_no_bit),
		cmocka_unit_test(bf16_is_near_fp32),
		cmocka_unit_test(batching_changes_no_loss),
		cmocka_unit_test(passes_add_up),
		cmocka_unit_test(logits_give_the_losses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
