/* plain_network: a plain network and its heads: loops in double precision that compute every row of every layer, with the
 * dropout of the network that they are compared with. */
#ifndef CLOZE_TESTS_UNIT_PLAIN_NETWORK_H
#define CLOZE_TESTS_UNIT_PLAIN_NETWORK_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/classifier.h"
#include "model/head_distillation.h"
#include "networks.h"

struct plain {
	const struct parameters *p;
	const struct examples *examples;
	double *w;                    /* the block, in double precision */
	const int32_t *wanted;        /* [R] the rows that go on in the last layer; NULL: all */
	size_t R;
	float hidden_dropout, attention_dropout; /* the head's is hidden_dropout too */
	uint64_t seed, pass;
};

/* The numbers of a tensor. */
static const double *of(const struct plain *plain, enum role role, size_t place) {
	return plain->w + parameters_find(plain->p, role, place)->offset;
}

/* y[n, o] = sum over i of x[n, i] w[o, i], + b[o]. */
static inline void plain_dense(double *y, const double *x, const double *w, const double *b, size_t N, size_t O, size_t I) {
	for (size_t n = 0; n < N; n++)
		for (size_t o = 0; o < O; o++) {
			y[n * O + o] = b[o];
			for (size_t i = 0; i < I; i++)
				y[n * O + o] += x[n * I + i] * w[o * I + i];
		}
}

static inline void plain_norm(double *x, const double *w, const double *b, size_t N, size_t C, double eps) {
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

static inline double plain_activation(enum activation activation, double x) {
	const double pi = acos(-1);
	switch (activation) {
	case ACTIVATION_GELU: return x * 0.5 * (1 + erf(x / sqrt(2)));
	case ACTIVATION_GELU_NEW: return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
	case ACTIVATION_RELU: return fmax(x, 0);
	case ACTIVATION_SILU: return x / (1 + exp(-x));
	case ACTIVATION_QUICK_GELU: return x / (1 + exp(-1.702 * x));
	case ACTIVATION_MISH: return x * tanh(x > 40 ? x : log1p(exp(x)));
	case ACTIVATIONS: break;
	}
	return NAN;
}

/* What dropout multiplies element `index` of a site by. */
static inline double plain_coin(const struct plain *plain, float probability, uint32_t site, size_t index) {
	float one = 1;
	const struct dropout dropout = { plain->seed, plain->pass, site, probability };
	if (probability > 0)
		kernels()->dropout_add(&one, NULL, 1, &dropout, index);
	return (double)one;
}

/* How many rows below row n go on. In the last layer those are the wanted ones. */
static inline size_t rows_before(const struct plain *plain, size_t n, bool last) {
	size_t before = 0;
	if (!last || plain->wanted == NULL)
		return n;
	while (before < plain->R && (size_t)(plain->wanted[before] - plain->examples->starts[0]) < n)
		before++;
	return before;
}

static inline bool goes_on(const struct plain *plain, size_t n, bool last) {
	return rows_before(plain, n + 1, last) > rows_before(plain, n, last);
}

static inline void plain_hidden_dropout(const struct plain *plain, double *x, uint32_t site, bool last) {
	size_t C = plain->p->config.hidden_size, N = examples_rows(plain->examples);
	for (size_t n = 0; n < N; n++)
		for (size_t c = 0; goes_on(plain, n, last) && c < C; c++)
			x[n * C + c] *= plain_coin(plain, plain->hidden_dropout, site, rows_before(plain, n, last) * C + c);
}

/* The rows of the record that row n belongs to: [first, end). */
struct rows { size_t first, end; };

static inline struct rows record_of(const struct examples *examples, size_t n) {
	const int32_t *start = examples->starts;
	while ((size_t)(start[1] - examples->starts[0]) <= n)
		start++;
	return (struct rows){ (size_t)(start[0] - examples->starts[0]), (size_t)(start[1] - examples->starts[0]) };
}

/* The probabilities p[t] with which one head of a query attends to the rows t of its record. */
static inline void plain_probabilities(const struct plain *plain, double *p, const double *query, const double *keys,
	struct rows record) {
	size_t C = plain->p->config.hidden_size, D = C / plain->p->config.num_attention_heads;
	double sum = 0;
	for (size_t t = record.first; t < record.end; t++) {
		double score = 0;
		for (size_t d = 0; d < D; d++)
			score += query[d] * keys[t * C + d];
		bool attended = plain->examples->attended == NULL || plain->examples->attended[t];
		sum += p[t] = attended ? exp(score / sqrt((double)D)) : 0;
	}
	for (size_t t = record.first; t < record.end; t++)
		p[t] /= sum;
}

static inline void plain_attention(const struct plain *plain, double *context, const double *q, const double *k,
	const double *v, size_t layer) {
	size_t C = plain->p->config.hidden_size, H = plain->p->config.num_attention_heads, D = C / H;
	size_t N = examples_rows(plain->examples), longest = examples_longest(plain->examples);
	bool last = layer == plain->p->config.num_hidden_layers - 1;
	size_t R = rows_before(plain, N, last);
	double *p = calloc(N, sizeof *p);
	memset(context, 0, N * C * sizeof *context);
	for (size_t n = 0; n < N; n++)
		for (size_t h = 0; h < H && goes_on(plain, n, last); h++) {
			struct rows record = record_of(plain->examples, n);
			size_t length = record.end - record.first, first_query = rows_before(plain, record.first, last);
			size_t coin = (h * R + first_query) * longest + (rows_before(plain, n, last) - first_query) * length;
			plain_probabilities(plain, p, q + n * C + h * D, k + h * D, record);
			for (size_t t = record.first; t < record.end; t++, coin++)
				for (size_t d = h * D; d < (h + 1) * D; d++)
					context[n * C + d] += p[t] * v[t * C + d]
						* plain_coin(plain, plain->attention_dropout, (uint32_t)(1 + 3 * layer), coin);
		}
	free(p);
}

/* One layer, x in place. `s` is scratch of 5 N C + N F. */
static inline void plain_layer(const struct plain *plain, size_t l, double *x, double *s) {
	const struct config *config = &plain->p->config;
	size_t C = config->hidden_size, F = config->intermediate_size, N = examples_rows(plain->examples);
	double *q = s, *k = q + N * C, *v = k + N * C, *context = v + N * C, *y = context + N * C, *f = y + N * C;
	bool last = l == config->num_hidden_layers - 1;
	uint32_t site = (uint32_t)(1 + 3 * l);
	double eps = (double)config->layer_norm_eps;
	plain_dense(q, x, of(plain, ROLE_QUERY_WEIGHT, l), of(plain, ROLE_QUERY_BIAS, l), N, C, C);
	plain_dense(k, x, of(plain, ROLE_KEY_WEIGHT, l), of(plain, ROLE_KEY_BIAS, l), N, C, C);
	plain_dense(v, x, of(plain, ROLE_VALUE_WEIGHT, l), of(plain, ROLE_VALUE_BIAS, l), N, C, C);
	plain_attention(plain, context, q, k, v, l);
	plain_dense(y, context, of(plain, ROLE_ATTENTION_OUTPUT_WEIGHT, l), of(plain, ROLE_ATTENTION_OUTPUT_BIAS, l), N, C,
		C);
	if (config->model_type == MODEL_BERT)
		plain_hidden_dropout(plain, y, site + 1, last);
	for (size_t i = 0; i < N * C; i++)
		y[i] += x[i];
	plain_norm(y, of(plain, ROLE_ATTENTION_NORM_WEIGHT, l), of(plain, ROLE_ATTENTION_NORM_BIAS, l), N, C, eps);
	plain_dense(f, y, of(plain, ROLE_INTERMEDIATE_WEIGHT, l), of(plain, ROLE_INTERMEDIATE_BIAS, l), N, F, C);
	for (size_t i = 0; i < N * F; i++)
		f[i] = plain_activation(config->hidden_act, f[i]);
	plain_dense(x, f, of(plain, ROLE_OUTPUT_WEIGHT, l), of(plain, ROLE_OUTPUT_BIAS, l), N, C, F);
	plain_hidden_dropout(plain, x, site + 2, last);
	for (size_t i = 0; i < N * C; i++)
		x[i] += y[i];
	plain_norm(x, of(plain, ROLE_OUTPUT_NORM_WEIGHT, l), of(plain, ROLE_OUTPUT_NORM_BIAS, l), N, C, eps);
}

/* x [N, C]: what the encoder puts out. free() releases it. */
static inline double *plain_encode(const struct plain *plain) {
	const struct examples *examples = plain->examples;
	const struct config *config = &plain->p->config;
	size_t C = config->hidden_size, N = examples_rows(examples);
	double *x = calloc(N * C, sizeof *x), *scratch = calloc(N * (5 * C + config->intermediate_size), sizeof *scratch);
	for (size_t n = 0; n < N; n++)
		for (size_t c = 0; c < C; c++) {
			size_t type = examples->token_type_ids != NULL ? (size_t)examples->token_type_ids[n] : 0;
			x[n * C + c] = of(plain, ROLE_WORD_EMBEDDINGS, 0)[(size_t)examples->input_ids[n] * C + c]
				+ of(plain, ROLE_POSITION_EMBEDDINGS, 0)[(size_t)examples->positions[n] * C + c];
			if (config->type_vocab_size > 0)
				x[n * C + c] += of(plain, ROLE_TOKEN_TYPE_EMBEDDINGS, 0)[type * C + c];
		}
	plain_norm(x, of(plain, ROLE_EMBEDDING_NORM_WEIGHT, 0), of(plain, ROLE_EMBEDDING_NORM_BIAS, 0), N, C,
		(double)config->layer_norm_eps);
	plain_hidden_dropout(plain, x, 0, false);
	for (size_t l = 0; l < config->num_hidden_layers; l++)
		plain_layer(plain, l, x, scratch);
	free(scratch);
	return x;
}

/* ---- plain heads --------------------------------------------------------------------------------------- */

/* y [N, C]: the decoder's input, from x. free() releases it. */
static inline double *plain_transform(const struct plain *plain, const double *x) {
	const struct config *config = &plain->p->config;
	size_t C = config->hidden_size, N = examples_rows(plain->examples);
	double *y = calloc(N * C, sizeof *y);
	plain_dense(y, x, of(plain, ROLE_HEAD, TRANSFORM_WEIGHT), of(plain, ROLE_HEAD, TRANSFORM_BIAS), N, C, C);
	for (size_t i = 0; i < N * C; i++)
		y[i] = plain_activation(config->hidden_act, y[i]);
	plain_norm(y, of(plain, ROLE_HEAD, HEAD_NORM_WEIGHT), of(plain, ROLE_HEAD, HEAD_NORM_BIAS), N, C,
		(double)config->layer_norm_eps);
	return y;
}

/* z [V]: the logits at label m, from y [N, C]. */
static inline void plain_logits(const struct plain *plain, const double *y, size_t m, double *z) {
	const struct examples *examples = plain->examples;
	size_t C = plain->p->config.hidden_size, V = plain->p->config.vocab_size;
	size_t row = (size_t)(examples->labelled[m] - examples->starts[0]);
	const double *decoder = parameters_find(plain->p, ROLE_HEAD, DECODER_WEIGHT) != NULL
		? of(plain, ROLE_HEAD, DECODER_WEIGHT) : of(plain, ROLE_WORD_EMBEDDINGS, 0);
	plain_dense(z, y + row * C, decoder, of(plain, ROLE_HEAD, DECODER_BIAS), 1, V, C);
}

static inline double plain_cross_entropy(const double *z, size_t V, int32_t label) {
	double sum = 0;
	for (size_t i = 0; i < V; i++)
		sum += exp(z[i]);
	return log(sum) - z[label];
}

/* The mean over the labelled tokens. */
static inline double plain_masked_lm(const struct plain *plain, const double *x) {
	size_t V = plain->p->config.vocab_size, M = examples_labels(plain->examples);
	double *y = plain_transform(plain, x), *z = calloc(V, sizeof *z), loss = 0;
	for (size_t m = 0; m < M; m++) {
		plain_logits(plain, y, m, z);
		loss += plain_cross_entropy(z, V, plain->examples->labels[m]) / (double)M;
	}
	free(z);
	free(y);
	return loss;
}

/* ---- plain distillation -------------------------------------------------------------------------------- */

/* At T = 2, so that the second of the numbers that tell the rest is the one that counts. */
static const struct distillation_options all_terms = { .temperature = 2, .alpha_ce = 5, .alpha_mlm = 2, .alpha_cos = 3 };
static const struct distillation_options no_states = { .temperature = 2, .alpha_ce = 5, .alpha_mlm = 2 };

/* The sum of p log(p / q) of masses that are not divided by their sums yet. */
static inline double plain_divergence(const double *p, const double *q, size_t count) {
	double p_sum = 0, q_sum = 0, divergence = 0;
	for (size_t i = 0; i < count; i++) {
		p_sum += p[i];
		q_sum += q[i];
	}
	for (size_t i = 0; i < count; i++)
		divergence += p[i] / p_sum * log(p[i] / p_sum / (q[i] / q_sum));
	return divergence;
}

/* The masses of the teacher's row m and the student's: of each token, or of the teacher's K tokens and all others. */
static inline double plain_row_divergence(const struct teacher_answers *teacher, const double *z, size_t V, size_t m) {
	double p[64], q[64], rest = 0;
	size_t K = teacher->K;
	for (size_t v = 0; v < V; v++)
		rest += exp(z[v] / 2);
	for (size_t k = 0; k < K; k++) {
		size_t id = teacher->ids != NULL ? (size_t)teacher->ids[m * K + k] : k;
		p[k] = exp((double)teacher->logits[m * K + k] / 2);
		q[k] = exp(z[id] / 2);
		rest -= q[k];
	}
	if (teacher->ids == NULL)
		return plain_divergence(p, q, K);
	p[K] = exp((double)teacher->rest[m * REST_TEMPERATURES + 1]);
	q[K] = rest;
	return plain_divergence(p, q, K + 1);
}

static inline double plain_cosine(const double *h, const float *g, size_t C) {
	double product = 0, squares[2] = { 0 };
	for (size_t c = 0; c < C; c++) {
		product += h[c] * (double)g[c];
		squares[0] += h[c] * h[c];
		squares[1] += (double)g[c] * (double)g[c];
	}
	return product / sqrt(squares[0] * squares[1]);
}

/* The mean over the attended tokens of 1 - cosine. */
static inline double plain_cosine_loss(const struct plain *plain, const double *x) {
	const struct examples *examples = plain->examples;
	size_t C = plain->p->config.hidden_size, N = examples_rows(examples), A = 0;
	double loss = 0;
	for (size_t n = 0; n < N; n++)
		if (examples->attended == NULL || examples->attended[n]) {
			loss += 1 - plain_cosine(x + n * C, examples->teacher.hidden_states + n * C, C);
			A++;
		}
	return loss / (double)A;
}

static inline double plain_distillation(const struct plain *plain, const double *x) {
	const struct examples *examples = plain->examples;
	size_t V = plain->p->config.vocab_size, M = examples_labels(examples);
	double *y = plain_transform(plain, x), *z = calloc(V, sizeof *z), loss = 0;
	for (size_t m = 0; m < M; m++) {
		plain_logits(plain, y, m, z);
		loss += (all_terms.alpha_ce * 4 * plain_row_divergence(&examples->teacher, z, V, m)
			+ all_terms.alpha_mlm * plain_cross_entropy(z, V, examples->labels[m])) / (double)M;
	}
	if (plain->wanted == NULL)
		loss += all_terms.alpha_cos * plain_cosine_loss(plain, x);
	free(z);
	free(y);
	return loss;
}

static inline double plain_probe(const struct plain *plain, const double *x) {
	const double *w = of(plain, ROLE_HEAD, 0);
	size_t C = plain->p->config.hidden_size, N = examples_rows(plain->examples);
	double loss = 0;
	for (size_t n = 0; n < N; n++)
		for (size_t c = 0; c < C && goes_on(plain, n, true); c++)
			loss += probe_factor(plain->examples, n, c) * w[c] * x[n * C + c];
	return loss / (double)rows_before(plain, N, true);
}

/* ---- plain classifiers --------------------------------------------------------------------------------- */

static inline void plain_head_dropout(const struct plain *plain, double *x, uint32_t site, size_t count) {
	for (size_t i = 0; i < count; i++)
		x[i] *= plain_coin(plain, plain->hidden_dropout, (1 << 12) - 16 + site, i);
}

/* torch.nn.CrossEntropyLoss of logits z [B, K]. */
static inline double plain_class_loss(const struct plain *plain, const double *z, const struct classifier_options *options) {
	size_t K = plain->p->config.num_labels;
	double loss = 0, total = 0, smoothing = options->label_smoothing;
	for (size_t b = 0; b < plain->examples->B; b++, z += K) {
		size_t label = (size_t)plain->examples->classes[b];
		double sum = 0;
		for (size_t c = 0; c < K; c++)
			sum += exp(z[c]);
		for (size_t c = 0; c < K; c++) {
			double weight = options->class_weights != NULL ? (double)options->class_weights[c] : 1;
			loss += weight * ((c == label) * (1 - smoothing) + smoothing / (double)K) * (log(sum) - z[c]);
			total += c == label ? weight : 0;
		}
	}
	return loss / total;
}

/* The tensors of a classifier's head, as it numbers them. */
enum { POOLER_WEIGHT, POOLER_BIAS, CLASSIFIER_WEIGHT, CLASSIFIER_BIAS };

static inline double plain_classifier_with(const struct plain *plain, const double *x,
	const struct classifier_options *options) {
	size_t C = plain->p->config.hidden_size, K = plain->p->config.num_labels, B = plain->examples->B;
	double *y = calloc(B * C, sizeof *y), *z = calloc(B * K, sizeof *z);
	for (size_t b = 0; b < B; b++)
		plain_dense(y + b * C, x + (size_t)(plain->examples->starts[b] - plain->examples->starts[0]) * C,
			of(plain, ROLE_HEAD, POOLER_WEIGHT), of(plain, ROLE_HEAD, POOLER_BIAS), 1, C, C);
	for (size_t i = 0; i < B * C; i++)
		y[i] = plain->p->config.model_type == MODEL_BERT ? tanh(y[i]) : fmax(y[i], 0);
	plain_head_dropout(plain, y, 0, B * C);
	plain_dense(z, y, of(plain, ROLE_HEAD, CLASSIFIER_WEIGHT), of(plain, ROLE_HEAD, CLASSIFIER_BIAS), B, K, C);
	double loss = plain_class_loss(plain, z, options);
	free(y);
	free(z);
	return loss;
}

static inline double plain_classifier(const struct plain *plain, const double *x) {
	return plain_classifier_with(plain, x, &(struct classifier_options){ 0 });
}

static const struct classifier_options weighted_options = { .class_weights = (const float[]){ 0.5f, 3, 1.25f },
	.weight_count = 3, .label_smoothing = 0.2 };

static inline double plain_weighted(const struct plain *plain, const double *x) {
	return plain_classifier_with(plain, x, &weighted_options);
}

/* The tensors of a pooled classifier's head: a batch norm has four. */
enum { NORM1, LINEAR1_WEIGHT = 4, LINEAR1_BIAS, NORM2, LINEAR2_WEIGHT = 10, LINEAR2_BIAS };

/* [last, maximum, mean] over the tokens of each record that are attended to. free() releases it. */
static inline double *plain_pool(const struct plain *plain, const double *x) {
	const struct examples *examples = plain->examples;
	size_t C = plain->p->config.hidden_size;
	double *pool = calloc(examples->B * 3 * C, sizeof *pool);
	for (size_t b = 0; b < examples->B; b++)
		for (size_t c = 0; c < C; c++) {
			double *to = pool + b * 3 * C + c, sum = 0, count = 0;
			to[C] = -INFINITY;
			for (int32_t row = examples->starts[b]; row < examples->starts[b + 1]; row++) {
				size_t n = (size_t)(row - examples->starts[0]);
				if (examples->attended != NULL && !examples->attended[n])
					continue;
				to[0] = x[n * C + c];
				to[C] = fmax(to[C], x[n * C + c]);
				sum += x[n * C + c];
				count++;
			}
			to[2 * C] = sum / count;
		}
	return pool;
}

/* A batch norm in training, x [B, columns] in place. */
static inline void plain_batch_norm(const struct plain *plain, double *x, size_t norm, size_t columns) {
	size_t B = plain->examples->B;
	for (size_t c = 0; c < columns; c++) {
		double mean = 0, variance = 0;
		for (size_t b = 0; b < B; b++)
			mean += x[b * columns + c] / (double)B;
		for (size_t b = 0; b < B; b++)
			variance += (x[b * columns + c] - mean) * (x[b * columns + c] - mean) / (double)B;
		for (size_t b = 0; b < B; b++)
			x[b * columns + c] = (x[b * columns + c] - mean) / sqrt(variance + 1e-5) * of(plain, ROLE_HEAD, norm)[c]
				+ of(plain, ROLE_HEAD, norm + 1)[c];
	}
}

static inline double plain_pooled(const struct plain *plain, const double *x) {
	size_t P = 3 * plain->p->config.hidden_size, I = plain->p->config.inner_size, K = plain->p->config.num_labels;
	size_t B = plain->examples->B;
	double *pool = plain_pool(plain, x), *y = calloc(B * I, sizeof *y), *z = calloc(B * K, sizeof *z);
	plain_batch_norm(plain, pool, NORM1, P);
	plain_head_dropout(plain, pool, 0, B * P);
	plain_dense(y, pool, of(plain, ROLE_HEAD, LINEAR1_WEIGHT), of(plain, ROLE_HEAD, LINEAR1_BIAS), B, I, P);
	for (size_t i = 0; i < B * I; i++)
		y[i] = fmax(y[i], 0);
	plain_batch_norm(plain, y, NORM2, I);
	plain_head_dropout(plain, y, 1, B * I);
	plain_dense(z, y, of(plain, ROLE_HEAD, LINEAR2_WEIGHT), of(plain, ROLE_HEAD, LINEAR2_BIAS), B, K, I);
	double loss = plain_class_loss(plain, z, &(struct classifier_options){ 0 });
	free(pool);
	free(y);
	free(z);
	return loss;
}

/* A head, and what is plain of it. */
enum wants { WANTS_LABELLED, WANTS_ALL, WANTS_FIRST };
struct head_case {
	const struct head_class *class;
	const void *options;
	enum wants wants;
	double (*loss)(const struct plain *plain, const double *x);
	double least; /* what the largest derivative of a tensor counts as at least, where rounding stays of zero ones */
};
static const struct head_case masked_lm = { &masked_lm_head, NULL, WANTS_LABELLED, plain_masked_lm, 0 };
static const struct head_case all_rows = { &probe_head, NULL, WANTS_ALL, plain_probe, 0 };
static const struct head_case first_rows = { &probe_head, &(const struct probe_options){ true }, WANTS_FIRST, plain_probe,
	0 };

static const struct head_case with_states = { &distillation_head, &all_terms, WANTS_ALL, plain_distillation, 0 };
static const struct head_case without_states = { &distillation_head, &no_states, WANTS_LABELLED, plain_distillation, 0 };

static const struct head_case classifier = { &classifier_head, NULL, WANTS_FIRST, plain_classifier, 0 };
static const struct head_case weighted = { &classifier_head, &weighted_options, WANTS_FIRST, plain_weighted, 0 };
/* The batch norm takes away what the last layer norm's bias adds: its derivative is zero. */
static const struct head_case pooled = { &pooled_classifier_head, NULL, WANTS_ALL, plain_pooled, 0.2 };

static inline void plain_want(struct plain *plain, enum wants wants) {
	const struct examples *examples = plain->examples;
	plain->wanted = wants == WANTS_ALL ? NULL : wants == WANTS_FIRST ? examples->starts : examples->labelled;
	plain->R = wants == WANTS_FIRST ? examples->B : examples_labels(examples);
}

static inline double plain_loss(const struct plain *plain, const struct head_case *head) {
	double *x = plain_encode(plain), loss = head->loss(plain, x);
	free(x);
	return loss;
}

#endif
