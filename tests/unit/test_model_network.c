/* test_model_network: the network is compared with a plain network: loops in double precision that compute every row of
 * every layer, with the same dropout. Each derivative is compared with a central difference of the plain network's
 * loss. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "model/classifier.h"
#include "model/head_distillation.h"
#include "networks.h"

/* ---- the plain network --------------------------------------------------------------------------------- */

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
	case ACTIVATION_QUICK_GELU: return x / (1 + exp(-1.702 * x));
	case ACTIVATION_MISH: return x * tanh(x > 40 ? x : log1p(exp(x)));
	case ACTIVATIONS: break;
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

/* How many rows below row n go on. In the last layer those are the wanted ones. */
static size_t rows_before(const struct plain *plain, size_t n, bool last) {
	size_t before = 0;
	if (!last || plain->wanted == NULL)
		return n;
	while (before < plain->R && (size_t)(plain->wanted[before] - plain->examples->starts[0]) < n)
		before++;
	return before;
}

static bool goes_on(const struct plain *plain, size_t n, bool last) {
	return rows_before(plain, n + 1, last) > rows_before(plain, n, last);
}

static void plain_hidden_dropout(const struct plain *plain, double *x, uint32_t site, bool last) {
	size_t C = plain->p->config.hidden_size, N = examples_rows(plain->examples);
	for (size_t n = 0; n < N; n++)
		for (size_t c = 0; goes_on(plain, n, last) && c < C; c++)
			x[n * C + c] *= plain_coin(plain, plain->hidden_dropout, site, rows_before(plain, n, last) * C + c);
}

/* The rows of the record that row n belongs to: [first, end). */
struct rows { size_t first, end; };

static struct rows record_of(const struct examples *examples, size_t n) {
	const int32_t *start = examples->starts;
	while ((size_t)(start[1] - examples->starts[0]) <= n)
		start++;
	return (struct rows){ (size_t)(start[0] - examples->starts[0]), (size_t)(start[1] - examples->starts[0]) };
}

/* The probabilities p[t] with which one head of a query attends to the rows t of its record. */
static void plain_probabilities(const struct plain *plain, double *p, const double *query, const double *keys,
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

static void plain_attention(const struct plain *plain, double *context, const double *q, const double *k,
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
static void plain_layer(const struct plain *plain, size_t l, double *x, double *s) {
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
static double *plain_encode(const struct plain *plain) {
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
static double *plain_transform(const struct plain *plain, const double *x) {
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
static void plain_logits(const struct plain *plain, const double *y, size_t m, double *z) {
	const struct examples *examples = plain->examples;
	size_t C = plain->p->config.hidden_size, V = plain->p->config.vocab_size;
	size_t row = (size_t)(examples->labelled[m] - examples->starts[0]);
	const double *decoder = parameters_find(plain->p, ROLE_HEAD, DECODER_WEIGHT) != NULL
		? of(plain, ROLE_HEAD, DECODER_WEIGHT) : of(plain, ROLE_WORD_EMBEDDINGS, 0);
	plain_dense(z, y + row * C, decoder, of(plain, ROLE_HEAD, DECODER_BIAS), 1, V, C);
}

static double plain_cross_entropy(const double *z, size_t V, int32_t label) {
	double sum = 0;
	for (size_t i = 0; i < V; i++)
		sum += exp(z[i]);
	return log(sum) - z[label];
}

/* The mean over the labelled tokens. */
static double plain_masked_lm(const struct plain *plain, const double *x) {
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
static double plain_divergence(const double *p, const double *q, size_t count) {
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
static double plain_row_divergence(const struct teacher_answers *teacher, const double *z, size_t V, size_t m) {
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

static double plain_cosine(const double *h, const float *g, size_t C) {
	double product = 0, squares[2] = { 0 };
	for (size_t c = 0; c < C; c++) {
		product += h[c] * (double)g[c];
		squares[0] += h[c] * h[c];
		squares[1] += (double)g[c] * (double)g[c];
	}
	return product / sqrt(squares[0] * squares[1]);
}

/* The mean over the attended tokens of 1 - cosine. */
static double plain_cosine_loss(const struct plain *plain, const double *x) {
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

static double plain_distillation(const struct plain *plain, const double *x) {
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

static double plain_probe(const struct plain *plain, const double *x) {
	const double *w = of(plain, ROLE_HEAD, 0);
	size_t C = plain->p->config.hidden_size, N = examples_rows(plain->examples);
	double loss = 0;
	for (size_t n = 0; n < N; n++)
		for (size_t c = 0; c < C && goes_on(plain, n, true); c++)
			loss += probe_factor(plain->examples, n, c) * w[c] * x[n * C + c];
	return loss / (double)rows_before(plain, N, true);
}

/* ---- plain classifiers --------------------------------------------------------------------------------- */

static void plain_head_dropout(const struct plain *plain, double *x, uint32_t site, size_t count) {
	for (size_t i = 0; i < count; i++)
		x[i] *= plain_coin(plain, plain->hidden_dropout, (1 << 12) - 16 + site, i);
}

/* torch.nn.CrossEntropyLoss of logits z [B, K]. */
static double plain_class_loss(const struct plain *plain, const double *z, const struct classifier_options *options) {
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

static double plain_classifier_with(const struct plain *plain, const double *x,
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

static double plain_classifier(const struct plain *plain, const double *x) {
	return plain_classifier_with(plain, x, &(struct classifier_options){ 0 });
}

static const struct classifier_options weighted_options = { .class_weights = (const float[]){ 0.5f, 3, 1.25f },
	.weight_count = 3, .label_smoothing = 0.2 };

static double plain_weighted(const struct plain *plain, const double *x) {
	return plain_classifier_with(plain, x, &weighted_options);
}

/* The tensors of a pooled classifier's head: a batch norm has four. */
enum { NORM1, LINEAR1_WEIGHT = 4, LINEAR1_BIAS, NORM2, LINEAR2_WEIGHT = 10, LINEAR2_BIAS };

/* [last, maximum, mean] over the tokens of each record that are attended to. free() releases it. */
static double *plain_pool(const struct plain *plain, const double *x) {
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
static void plain_batch_norm(const struct plain *plain, double *x, size_t norm, size_t columns) {
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

static double plain_pooled(const struct plain *plain, const double *x) {
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
static const struct head_case first_rows = { &probe_head, &(const struct probe_options){ true }, WANTS_FIRST, plain_probe, 0 };

static const struct head_case with_states = { &distillation_head, &all_terms, WANTS_ALL, plain_distillation, 0 };
static const struct head_case without_states = { &distillation_head, &no_states, WANTS_LABELLED, plain_distillation, 0 };

static const struct head_case classifier = { &classifier_head, NULL, WANTS_FIRST, plain_classifier, 0 };
static const struct head_case weighted = { &classifier_head, &weighted_options, WANTS_FIRST, plain_weighted, 0 };
/* The batch norm takes away what the last layer norm's bias adds: its derivative is zero. */
static const struct head_case pooled = { &pooled_classifier_head, NULL, WANTS_ALL, plain_pooled, 0.2 };

static void plain_want(struct plain *plain, enum wants wants) {
	const struct examples *examples = plain->examples;
	plain->wanted = wants == WANTS_ALL ? NULL : wants == WANTS_FIRST ? examples->starts : examples->labelled;
	plain->R = wants == WANTS_FIRST ? examples->B : examples_labels(examples);
}

static double plain_loss(const struct plain *plain, const struct head_case *head) {
	double *x = plain_encode(plain), loss = head->loss(plain, x);
	free(x);
	return loss;
}

/* ---- batches ------------------------------------------------------------------------------------------- */

/* Three records of 6, 4 and 6 tokens; the third has one label. */
static const int32_t tiny_starts[] = { 0, 6, 10, 16 };
static const int32_t tiny_ids[] = { 5, 3, 8, 3, 17, 2, 7, 9, 3, 1, 4, 6, 3, 18, 11, 2 };
static const int32_t tiny_places[] = { 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5 };
static const int32_t tiny_types[] = { 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 1 };
static const int32_t tiny_label_starts[] = { 0, 3, 5, 6 };
static const int32_t tiny_labelled[] = { 1, 3, 4, 6, 8, 12 };
static const int32_t tiny_labels[] = { 6, 12, 17, 0, 18, 9 };
static const struct examples tiny = { .B = 3, .starts = tiny_starts, .input_ids = tiny_ids, .positions = tiny_places,
	.label_starts = tiny_label_starts, .labelled = tiny_labelled, .labels = tiny_labels };

/* Records of 1, 5, 3, 7 and 1 tokens, with holes in their positions. Of the second the last two tokens have a label,
 * but are not attended to; the third has no label and begins at position 3; the fourth has labels at all but its first
 * token, which is not attended to. */
static const int32_t ragged_starts[] = { 0, 1, 6, 9, 16, 17 };
static const int32_t ragged_ids[] = { 7, 5, 3, 8, 3, 17, 2, 7, 9, 0, 3, 1, 4, 6, 3, 18, 7 };
static const int32_t ragged_places[] = { 0, 0, 1, 2, 4, 6, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6, 2 };
static const int32_t ragged_types[] = { 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0 };
static const uint8_t ragged_attended[] = { 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1 };
static const int32_t ragged_label_starts[] = { 0, 1, 4, 4, 10, 10 };
static const int32_t ragged_labelled[] = { 0, 2, 4, 5, 10, 11, 12, 13, 14, 15 };
static const int32_t ragged_labels[] = { 3, 6, 12, 17, 0, 18, 9, 1, 2, 2 };
static const int32_t ragged_classes[] = { 1, 0, 2, 1, 0 };
static const struct examples ragged = { .B = 5, .starts = ragged_starts, .input_ids = ragged_ids,
	.positions = ragged_places, .attended = ragged_attended, .label_starts = ragged_label_starts,
	.labelled = ragged_labelled, .labels = ragged_labels, .classes = ragged_classes };

static double *doubles(const float *x, size_t count) {
	double *y = calloc(count, sizeof *y);
	for (size_t i = 0; i < count; i++)
		y[i] = (double)x[i];
	return y;
}

/* ---- gradients ----------------------------------------------------------------------------------------- */

/* Each tensor's derivatives; the difference is relative to the tensor's largest. Of a weight, every seventh element, which
 * takes from its rows and columns in turn; of embeddings and what is small, all. */
static void check_tensor(const struct plain *plain, const struct head_case *head, const struct parameter *parameter,
	const float *gradients) {
	double largest = head->least, worst = 0, *w = plain->w + parameter->offset;
	size_t step = parameter->group > 0 && parameter->elements > 30 ? 7 : 1;
	for (size_t i = 0; i < parameter->elements; i += step) {
		const double h = 1e-5, kept = w[i];
		w[i] = kept + h;
		double above = plain_loss(plain, head);
		w[i] = kept - h;
		double derivative = (above - plain_loss(plain, head)) / (2 * h);
		w[i] = kept;
		largest = fmax(largest, fabs(derivative));
		worst = fmax(worst, fabs((double)gradients[i] - derivative));
	}
	/* A key's bias moves all scores of a query alike: its derivative is zero. */
	if (!(worst <= 5e-5 * fmax(largest, 0.01))) {
		print_error("%s: off by %g, largest derivative %g\n", parameter->name, worst, largest);
		assert_true(false);
	}
}

/* A pass over the same records with every row labelled, so that the network's memory is no longer zero. */
static void use_memory(const struct trained *trained, const struct examples *examples) {
	struct batch_arrays arrays = copy_examples(examples);
	size_t N = examples_rows(examples);
	arrays.labelled = grow(arrays.labelled, N, sizeof *arrays.labelled);
	arrays.labels = grow(arrays.labels, N, sizeof *arrays.labels);
	for (size_t n = 0; n < N; n++) {
		arrays.labelled[n] = (int32_t)n;
		arrays.labels[n] = (int32_t)n;
	}
	arrays.examples.label_starts = arrays.starts;
	arrays.examples.labelled = arrays.labelled;
	arrays.examples.labels = arrays.labels;
	arrays.examples.teacher = examples->teacher;
	gradients_of(trained, &arrays.examples, 0);
	free_arrays(&arrays);
}

static void check_head(struct config config, const struct head_case *head, const struct examples *examples, float hidden,
	float attention) {
	struct trained trained = make_trained(config, head->class, head->options, 2);
	struct plain plain = { .p = trained.p, .examples = examples, .w = doubles(trained.p->values, trained.p->size),
		.hidden_dropout = hidden, .attention_dropout = attention, .seed = 77, .pass = 5 };
	plain_want(&plain, head->wants);
	network_set_dropout(trained.network, hidden, attention, plain.seed);
	network_set_head_dropout(trained.network, hidden);
	use_memory(&trained, examples);
	double loss = gradients_of(&trained, examples, plain.pass);
	assert_true(fabs(loss - plain_loss(&plain, head)) < 1e-5);
	for (size_t i = 0; i < trained.p->count; i++)
		if (!trained.p->table[i].is_statistic)
			check_tensor(&plain, head, &trained.p->table[i], trained.gradients->of[i]);
	free(plain.w);
	free_trained(&trained);
}

static void check_gradients(struct config config, const struct examples *examples, float hidden, float attention) {
	check_head(config, &masked_lm, examples, hidden, attention);
}

static void distilbert_gradients(void **state) {
	(void)state;
	check_gradients(tiny_config(MODEL_DISTILBERT), &tiny, 0, 0);
}

static void bert_gradients(void **state) {
	(void)state;
	check_gradients(tiny_config(MODEL_BERT), &tiny, 0, 0);
}

static void gradients_of_both_token_types(void **state) {
	(void)state;
	struct examples examples = tiny;
	examples.token_type_ids = tiny_types;
	check_gradients(tiny_config(MODEL_BERT), &examples, 0, 0);
	check_gradients(tiny_config(MODEL_BERT), &examples, 0.3f, 0.2f);
}

static void gradients_with_dropout(void **state) {
	(void)state;
	check_gradients(tiny_config(MODEL_DISTILBERT), &tiny, 0.3f, 0.2f);
	check_gradients(tiny_config(MODEL_BERT), &tiny, 0.3f, 0.2f);
}

static void gradients_of_each_activation(void **state) {
	(void)state;
	for (int act = ACTIVATION_GELU_NEW; act < ACTIVATIONS; act++) {
		struct config config = tiny_config(MODEL_BERT);
		config.hidden_act = (enum activation)act;
		check_gradients(config, &tiny, 0, 0);
	}
}

static void gradients_of_separate_decoder_and_one_layer(void **state) {
	(void)state;
	struct config config = tiny_config(MODEL_BERT);
	config.tie_word_embeddings = false;
	config.num_hidden_layers = 1;
	config.pad_token_id = -1;
	check_gradients(config, &tiny, 0.1f, 0);
}

/* The second record has no label, the third has all. */
static void gradients_of_uneven_labels(void **state) {
	(void)state;
	static const int32_t label_starts[] = { 0, 1, 1, 7 };
	static const int32_t labelled[] = { 0, 10, 11, 12, 13, 14, 15 }, labels[] = { 1, 2, 3, 4, 5, 6, 7 };
	struct examples examples = tiny;
	examples.label_starts = label_starts;
	examples.labelled = labelled;
	examples.labels = labels;
	struct config config = tiny_config(MODEL_DISTILBERT);
	config.pad_token_id = -1;
	check_gradients(config, &examples, 0, 0.1f);
}

/* Records of unlike lengths, with and without tokens that are not attended to, and token types. */
static void gradients_of_ragged_records(void **state) {
	(void)state;
	for (int variant = 0; variant < 8; variant++) {
		struct config config = tiny_config(variant & 4 ? MODEL_BERT : MODEL_DISTILBERT);
		struct examples examples = ragged;
		config.pad_token_id = -1;
		examples.attended = variant & 1 ? ragged_attended : NULL;
		examples.token_type_ids = variant & 4 ? ragged_types : NULL;
		check_gradients(config, &examples, variant & 2 ? 0.3f : 0, variant & 2 ? 0.2f : 0);
	}
}

/* A head may want every row of the last layer, or the first of each record. */
static void gradients_of_other_heads(void **state) {
	(void)state;
	for (int variant = 0; variant < 4; variant++) {
		struct config config = tiny_config(variant & 2 ? MODEL_BERT : MODEL_DISTILBERT);
		float dropped = variant & 1 ? 0.2f : 0;
		config.pad_token_id = -1;
		check_head(config, &all_rows, &ragged, dropped, dropped);
		config.json = json_object();
		check_head(config, &first_rows, &ragged, dropped, dropped);
	}
}

/* Random answers of a teacher for up to `rows` rows and as many labels; K logits of each. */
struct answers {
	float *logits, *rest, *hidden_states;
	int32_t *ids;
	struct teacher_answers show;
};

static struct answers make_answers(const struct config *config, size_t rows, size_t K) {
	size_t C = config->hidden_size, V = config->vocab_size;
	struct answers answers = { allocate(rows * K, sizeof(float)), allocate(rows * REST_TEMPERATURES, sizeof(float)),
		allocate(rows * C, sizeof(float)), allocate(rows * K, sizeof(int32_t)), { 0 } };
	random_normal(5, 1, 2, answers.logits, rows * K);
	random_normal(5, 2, 1, answers.rest, rows * REST_TEMPERATURES);
	random_normal(5, 3, 1, answers.hidden_states, rows * C);
	for (size_t i = 0; i < rows * K; i++)
		answers.ids[i] = (int32_t)((i % K * 3 + i / K) % V); /* V is no multiple of 3 */
	answers.show = (struct teacher_answers){ .K = K, .logits = answers.logits, .ids = K < V ? answers.ids : NULL,
		.rest = K < V ? answers.rest : NULL, .hidden_states = answers.hidden_states, .C = C };
	return answers;
}

static void free_answers(struct answers *answers) {
	free(answers->logits);
	free(answers->rest);
	free(answers->hidden_states);
	free(answers->ids);
}

/* Whole rows and some logits of each, with hidden states and without, with tokens that are not attended to. */
static void gradients_of_distillation(void **state) {
	(void)state;
	for (int variant = 0; variant < 8; variant++) {
		struct config config = tiny_config(variant & 4 ? MODEL_BERT : MODEL_DISTILBERT);
		struct answers answers = make_answers(&config, 17, variant & 1 ? config.vocab_size : 5);
		struct examples examples = ragged;
		config.pad_token_id = -1;
		examples.teacher = answers.show;
		examples.attended = variant & 2 ? ragged_attended : NULL;
		check_head(config, &with_states, &examples, 0, 0);
		config.json = json_object();
		check_head(config, &without_states, &examples, variant & 2 ? 0.2f : 0, 0);
		free_answers(&answers);
	}
}

/* A student that is its own teacher has nothing to learn, whatever the number of logits that are kept. */
static void own_teacher(void **state) {
	(void)state;
	enum { V = 19, M = 10, K = 4 };
	static const struct distillation_options options = { .temperature = 2, .alpha_ce = 5, .alpha_cos = 1, .every_row = true };
	struct trained trained = make_trained(tiny_config(MODEL_BERT), &distillation_head, &options, 2);
	struct answers answers = make_answers(&trained.p->config, 17, K);
	struct examples examples = ragged;
	float logits[M * V];
	network_answer(trained.network, &examples, logits, answers.hidden_states);
	for (size_t m = 0; m < M; m++) {
		float *row = logits + m * V;
		for (size_t k = 0; k < K; k++) {
			answers.logits[m * K + k] = row[answers.ids[m * K + k]];
			row[answers.ids[m * K + k]] = -INFINITY;
		}
		for (size_t t = 0; t < REST_TEMPERATURES; t++)
			answers.rest[m * REST_TEMPERATURES + t] = (float)kernels()->log_sum_exp(row, V, (float)(1 << t));
	}
	examples.teacher = answers.show;
	assert_true(fabs(gradients_of(&trained, &examples, 0)) < 1e-5);
	for (size_t i = 0; i < trained.p->count; i++)
		for (size_t j = 0; j < trained.p->table[i].elements; j++)
			assert_true(fabs((double)trained.gradients->of[i][j]) < 1e-5);
	free_answers(&answers);
	free_trained(&trained);
}

/* The rest of 3 logits: exact at 1, 2, 4 and where T has no end, near between them, and below 1 no more than it is. */
static void rest_between_temperatures(void **state) {
	(void)state;
	const double z[] = { 1, -2, 0.5 };
	const double temperatures[] = { 1, 2, 4, 1e9, 1.5, 3, 8, 0.5 };
	const double tolerances[] = { 1e-6, 1e-6, 1e-6, 1e-6, 2e-3, 2e-3, 2e-3, 0.3 };
	float rest[REST_TEMPERATURES];
	for (size_t i = 0; i < sizeof temperatures / sizeof *temperatures; i++) {
		double sum = 0, T = temperatures[i];
		for (size_t j = 0; j < 3; j++)
			sum += exp(z[j] / T);
		if (i < REST_TEMPERATURES)
			rest[i] = (float)log(sum);
	}
	for (size_t i = 0; i < sizeof temperatures / sizeof *temperatures; i++) {
		double sum = 0, T = temperatures[i], got = rest_at_temperature(rest, 3, T);
		for (size_t j = 0; j < 3; j++)
			sum += exp(z[j] / T);
		assert_true(fabs(got - log(sum)) < tolerances[i]);
		assert_true(T >= 1 || got < log(sum));
	}
}

/* Records of unlike lengths, some of whose tokens are not attended to: of the fourth the first one. */
static void gradients_of_classifiers(void **state) {
	static const struct head_case *const cases[] = { &classifier, &weighted, &pooled };
	(void)state;
	for (int variant = 0; variant < 12; variant++) {
		struct config config = tiny_config(variant % 2 ? MODEL_BERT : MODEL_DISTILBERT);
		struct examples examples = ragged;
		float dropped = variant / 2 % 2 ? 0.2f : 0;
		config.pad_token_id = -1;
		examples.attended = variant / 2 % 2 ? ragged_attended : NULL;
		check_head(config, cases[variant / 4], &examples, dropped, dropped);
	}
}

/* Attention has nothing to choose from. */
static void gradients_of_records_of_one_token(void **state) {
	(void)state;
	static const int32_t starts[] = { 0, 1, 2, 3 }, label_starts[] = { 0, 1, 1, 2 }, labelled[] = { 0, 2 };
	const struct examples examples = { .B = 3, .starts = starts, .input_ids = tiny_ids, .positions = tiny_places,
		.label_starts = label_starts, .labelled = labelled, .labels = tiny_labels };
	for (int dropout = 0; dropout < 2; dropout++) {
		struct config config = tiny_config(MODEL_BERT);
		check_gradients(config, &examples, dropout ? 0.3f : 0, dropout ? 0.2f : 0);
		config.json = json_object();
		check_head(config, &all_rows, &examples, dropout ? 0.3f : 0, dropout ? 0.2f : 0);
	}
}

/* nn.Embedding's padding_idx: where the padding token is read, its embedding learns nothing. */
static void padding_embedding_learns_nothing(void **state) {
	(void)state;
	struct config config = tiny_config(MODEL_BERT);
	config.tie_word_embeddings = false;
	struct batch_arrays arrays = copy_examples(&tiny);
	arrays.input_ids[9] = arrays.input_ids[5] = config.pad_token_id = 0;
	struct trained trained = make_trained(config, &masked_lm_head, NULL, 1);
	gradients_of(&trained, &arrays.examples, 0);
	const float *words = blocks_of(trained.gradients, parameters_find(trained.p, ROLE_WORD_EMBEDDINGS, 0));
	for (size_t c = 0; c < config.hidden_size; c++) {
		assert_true(words[c] == 0);
		assert_true(words[3 * config.hidden_size + c] != 0);
	}
	free_trained(&trained);
	free_arrays(&arrays);
}

static void no_labels(void **state) {
	(void)state;
	static const int32_t none[] = { 0, 0, 0, 0 };
	struct trained trained = make_trained(tiny_config(MODEL_BERT), &masked_lm_head, NULL, 2);
	struct examples examples = tiny;
	examples.label_starts = none;
	const struct totals totals = totals_of(trained.network, &examples);
	assert_true(totals.of[0] == 0);
	assert_true(network_gradients(trained.network, &examples, 0, &totals, trained.gradients).value == 0);
	for (size_t g = 0; g < trained.p->group_count; g++)
		for (size_t i = 0; i < trained.gradients->sizes[g]; i++)
			assert_true(trained.gradients->groups[g][i] == 0);
	trained.gradients->groups[0][3] = 5;
	assert_true(network_gradients(trained.network, &examples, 0, &totals, trained.gradients).value == 0);
	assert_true(trained.gradients->groups[0][3] == 5);
	assert_true(network_loss(trained.network, &examples, NULL, NULL) == 0);
	examples.label_starts = NULL;
	assert_int_equal(examples_labels(&examples), 0);
	assert_true(network_loss(trained.network, &examples, NULL, NULL) == 0);
	free_trained(&trained);
}

/* ---- what results may not depend on -------------------------------------------------------------------- */

static double norm_of(const float *x, size_t count) {
	return sqrt(kernels()->sum_of_squares(x, count));
}

/* A network to take the larger batch, and that batch. */
struct larger {
	struct batch_arrays arrays;
	struct examples examples;
	struct trained trained;
};

static struct larger make_larger(int threads) {
	struct larger larger = { .arrays = larger_batch(),
		.trained = make_trained(larger_config(MODEL_BERT), &masked_lm_head, NULL, threads) };
	larger.examples = larger.arrays.examples;
	return larger;
}

static void free_larger(struct larger *larger) {
	free_trained(&larger->trained);
	free_arrays(&larger->arrays);
}

/* More blocks, for other gradients. blocks_free() releases them. */
static struct blocks *other_gradients(const struct trained *trained) {
	struct blocks *blocks = blocks_create(trained->p);
	blocks_add_all(blocks);
	return blocks;
}

static void assert_same_blocks(const struct blocks *a, const struct blocks *b) {
	for (size_t g = 0; g < a->parameters->group_count; g++) {
		assert_int_equal(a->sizes[g], b->sizes[g]);
		assert_memory_equal(a->groups[g], b->groups[g], a->sizes[g] * sizeof(float));
	}
}

static void check_threads(enum precision precision) {
	static const int threads[] = { 1, 2, 3, 8 };
	struct larger first;
	double loss = 0;
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
		struct larger larger = make_larger(threads[i]);
		network_set_dropout(larger.trained.network, 0.1f, 0.1f, 1);
		network_set_precision(larger.trained.network, precision);
		double got = gradients_of(&larger.trained, &larger.examples, 3);
		if (i == 0) {
			first = larger;
			loss = got;
			continue;
		}
		assert_true(got == loss);
		assert_same_blocks(larger.trained.gradients, first.trained.gradients);
		free_larger(&larger);
	}
	free_larger(&first);
}

static void threads_change_no_bit(void **state) {
	(void)state;
	check_threads(PRECISION_FP32);
	check_threads(PRECISION_BF16);
}

/* A stream may say of every token that it is of type 0, or leave that out. */
static void zero_types_change_no_bit(void **state) {
	(void)state;
	struct larger larger = make_larger(2);
	struct blocks *kept = larger.trained.gradients, *without = other_gradients(&larger.trained);
	memset(larger.arrays.token_type_ids, 0, examples_rows(&larger.examples) * sizeof *larger.arrays.token_type_ids);
	double loss = gradients_of(&larger.trained, &larger.examples, 0);
	larger.examples.token_type_ids = NULL;
	larger.trained.gradients = without;
	assert_true(gradients_of(&larger.trained, &larger.examples, 0) == loss);
	assert_same_blocks(kept, without);
	blocks_free(kept);
	free_larger(&larger);
}

/* Likewise that every token is attended to. */
static void full_attention_changes_no_bit(void **state) {
	(void)state;
	struct larger larger = make_larger(2);
	struct blocks *kept = larger.trained.gradients, *without = other_gradients(&larger.trained);
	memset(larger.arrays.attended, 1, examples_rows(&larger.examples));
	double loss = gradients_of(&larger.trained, &larger.examples, 0);
	larger.examples.attended = NULL;
	larger.trained.gradients = without;
	assert_true(gradients_of(&larger.trained, &larger.examples, 0) == loss);
	assert_same_blocks(kept, without);
	blocks_free(kept);
	free_larger(&larger);
}

/* With 8 bits in each factor: every tensor's gradient is off by something, but by no more than a few parts in a hundred
 * of its norm. (A key's bias has none, so a tenth of a thousandth of the whole gradient's norm goes too.) Weights are
 * small, as in a model that has just been initialized, or errors would grow from layer to layer. */
static void bf16_is_near_fp32(void **state) {
	(void)state;
	struct larger larger = make_larger(2);
	const struct parameters *p = larger.trained.p;
	struct network *network = larger.trained.network;
	struct blocks *fp32 = larger.trained.gradients, *bf16 = other_gradients(&larger.trained);
	for (size_t i = 0; i < p->count; i++)
		for (size_t j = 0; p->table[i].dimensions == 2 && j < p->table[i].elements; j++)
			parameter_values(p, &p->table[i])[j] *= 0.1f;
	double loss = gradients_of(&larger.trained, &larger.examples, 0), squares = 0;
	for (size_t i = 0; i < p->count; i++)
		squares += pow(norm_of(fp32->of[i], p->table[i].elements), 2);
	network_set_precision(network, PRECISION_BF16);
	larger.trained.gradients = bf16;
	double rounded = gradients_of(&larger.trained, &larger.examples, 0);
	assert_true(rounded != loss && fabs(rounded / loss - 1) < 1e-2);
	double evaluated = network_loss(network, &larger.examples, NULL, NULL) / (double)LARGER_M;
	assert_true(fabs(evaluated / loss - 1) < 1e-2);
	for (size_t i = 0; i < p->count; i++) {
		double norm = norm_of(fp32->of[i], p->table[i].elements);
		for (size_t j = 0; j < p->table[i].elements; j++)
			bf16->of[i][j] -= fp32->of[i][j];
		double error = norm_of(bf16->of[i], p->table[i].elements);
		if (!(error > 0 && error <= 0.03 * norm + 1e-4 * sqrt(squares))) {
			print_error("%s: off by %g, norm %g of %g\n", p->table[i].name, error, norm, sqrt(squares));
			assert_true(false);
		}
	}
	network_set_precision(network, PRECISION_FP32);
	assert_true(gradients_of(&larger.trained, &larger.examples, 0) == loss);
	assert_same_blocks(bf16, fp32);
	blocks_free(fp32);
	free_larger(&larger);
}

/* Takes the tokens that are not attended to, and have a label alone, out of a copy of one record. */
static void drop_unattended(struct batch_arrays *record) {
	int32_t rows = 0, labels = 0;
	for (int32_t n = 0, m = 0; n < record->starts[1]; n++) {
		bool has_label = m < record->label_starts[1] && record->labelled[m] == n;
		m += has_label;
		if (!record->attended[n])
			continue;
		if (has_label) {
			record->labelled[labels] = rows;
			record->labels[labels++] = record->labels[m - 1];
		}
		record->input_ids[rows] = record->input_ids[n];
		record->positions[rows] = record->positions[n];
		record->token_type_ids[rows++] = record->token_type_ids[n];
	}
	record->starts[1] = rows;
	record->label_starts[1] = labels;
	record->examples.attended = NULL;
}

/* Each record alone, without the tokens that no other attends to, and all together; and after a training pass. */
static void batching_changes_no_loss(void **state) {
	(void)state;
	struct larger larger = make_larger(2);
	struct network *network = larger.trained.network;
	float losses[LARGER_M], alone[LARGER_T];
	double loss = network_loss(network, &larger.examples, losses, NULL), sum = 0;
	gradients_of(&larger.trained, &larger.examples, 0);
	assert_true(network_loss(network, &larger.examples, NULL, NULL) == loss);
	for (size_t b = 0; b < LARGER_B; b++) {
		struct examples part = examples_slice(&larger.examples, b, 1);
		struct batch_arrays record = copy_examples(&part);
		const float *together = losses + larger.examples.label_starts[b];
		drop_unattended(&record);
		assert_int_equal(examples_rows(&record.examples), b % 3 == 1 ? LARGER_ATTENDED : LARGER_T);
		sum += network_loss(network, &record.examples, alone, NULL);
		size_t M = examples_labels(&record.examples);
		for (size_t m = 0; m < M; m++)
			assert_true(fabs((double)alone[m] - (double)together[m]) < 1e-4);
		for (size_t m = M; m < examples_labels(&part); m++)
			sum += (double)together[m];
		free_arrays(&record);
	}
	assert_true(fabs(sum - loss) < 1e-6 * loss);
	free_larger(&larger);
}

/* A batch in four passes, whose gradients add up to that of the whole. */
static void passes_add_up(void **state) {
	(void)state;
	enum { PASSES = 4 };
	struct larger larger = make_larger(2);
	const struct parameters *p = larger.trained.p;
	struct blocks *whole = larger.trained.gradients, *sum = other_gradients(&larger.trained);
	const struct totals totals = totals_of(larger.trained.network, &larger.examples);
	assert_true(totals.of[0] == (double)LARGER_M);
	double loss = gradients_of(&larger.trained, &larger.examples, 0), losses = 0;
	for (size_t pass = 0; pass < PASSES; pass++) {
		const struct examples part = examples_slice(&larger.examples, pass * LARGER_B / PASSES, LARGER_B / PASSES);
		losses += network_gradients(larger.trained.network, &part, 0, &totals, sum).value;
	}
	assert_true(fabs(losses - loss) < 1e-6 * loss);
	for (size_t i = 0; i < p->count; i++) {
		size_t elements = p->table[i].elements;
		for (size_t j = 0; j < elements; j++)
			sum->of[i][j] -= whole->of[i][j];
		assert_true(norm_of(sum->of[i], elements) <= 1e-5 * norm_of(whole->of[i], elements) + 1e-6);
	}
	blocks_free(sum);
	free_larger(&larger);
}

/* The examples, `times` over. */
static struct batch_arrays repeat_examples(const struct examples *once, size_t times) {
	size_t B = once->B, N = examples_rows(once), M = examples_labels(once);
	struct batch_arrays to = { allocate(times * B + 1, sizeof(int32_t)), allocate(times * N, sizeof(int32_t)),
		allocate(times * N, sizeof(int32_t)), allocate(times * N, sizeof(int32_t)), allocate(times * B + 1, sizeof(int32_t)),
		allocate(times * M, sizeof(int32_t)), allocate(times * M, sizeof(int32_t)),
		allocate(times * B, sizeof(int32_t)), allocate(times * N, 1), { .B = times * B } };
	for (size_t i = 0; i < times; i++) {
		memcpy(to.input_ids + i * N, once->input_ids, N * sizeof(int32_t));
		memcpy(to.positions + i * N, once->positions, N * sizeof(int32_t));
		memcpy(to.token_type_ids + i * N, once->token_type_ids, N * sizeof(int32_t));
		memcpy(to.attended + i * N, once->attended, N);
		memcpy(to.classes + i * B, once->classes, B * sizeof(int32_t));
		memcpy(to.labels + i * M, once->labels, M * sizeof(int32_t));
		for (size_t m = 0; m < M; m++)
			to.labelled[i * M + m] = once->labelled[m] + (int32_t)(i * N);
		for (size_t b = 0; b < B; b++) {
			to.starts[i * B + b + 1] = once->starts[b + 1] + (int32_t)(i * N);
			to.label_starts[i * B + b + 1] = once->label_starts[b + 1] + (int32_t)(i * M);
		}
	}
	to.examples = (struct examples){ .B = times * B, .starts = to.starts, .input_ids = to.input_ids, .positions = to.positions,
		.token_type_ids = to.token_type_ids, .attended = to.attended, .label_starts = to.label_starts,
		.labelled = to.labelled, .labels = to.labels, .classes = to.classes };
	return to;
}

/* More rows than a piece has: pieces of whole records, of 2,048 rows at most, one after the other, with coins of their
 * own. */
static void pieces_are_computed_one_after_the_other(void **state) {
	(void)state;
	struct larger larger = make_larger(2);
	struct batch_arrays twice = repeat_examples(&larger.examples, 2);
	const struct trained *trained = &larger.trained;
	size_t first = 0, M = examples_labels(&larger.examples);
	while (twice.starts[first + 1] <= 2048)
		first++;
	assert_true(first > larger.examples.B && first < twice.examples.B);
	const struct examples parts[] = { examples_slice(&twice.examples, 0, first),
		examples_slice(&twice.examples, first, twice.examples.B - first) };
	const struct totals totals = totals_of(trained->network, &twice.examples);
	struct blocks *sum = other_gradients(trained);
	double loss = gradients_of(trained, &twice.examples, 0), losses = 0;
	for (size_t i = 0; i < 2; i++)
		losses += network_gradients(trained->network, &parts[i], 0, &totals, sum).value;
	assert_true(losses == loss);
	assert_same_blocks(trained->gradients, sum);

	float *each = allocate(2 * M, sizeof *each);
	int32_t *ranks = allocate(2 * M, sizeof *ranks);
	network_loss(trained->network, &twice.examples, each, ranks);
	for (size_t m = 0; m < M; m++)
		/* A product of pieces of another size may be added up in another order: with OpenBLAS's kernels for AVX2, that makes
		 * up to 5e-5. */
		if (!(fabs((double)each[m] - (double)each[M + m]) < 2e-4 && ranks[m] == ranks[M + m]))
			fail_msg("label %zu: loss %.9g and %.9g, rank %d and %d", m, (double)each[m], (double)each[M + m], ranks[m],
				ranks[M + m]);

	network_set_dropout(trained->network, 0.1f, 0.1f, 1);
	double dropped = network_gradients(trained->network, &parts[1], 0, &totals, sum).value;
	double whole = network_gradients(trained->network, &twice.examples, 0, &totals, sum).value;
	double front = network_gradients(trained->network, &parts[0], 0, &totals, sum).value;
	assert_true(fabs(whole - front - dropped) > 1e-6); /* alone, the last part is piece 0, with the coins of that */
	free(each);
	free(ranks);
	blocks_free(sum);
	free_arrays(&twice);
	free_larger(&larger);
}

/* Keeps the gradients of a group as they are when it is said to be complete; with the head's, the word embeddings too. */
struct told { const struct blocks *gradients; struct blocks *kept, *words; size_t groups[4], count; };

static void copy_group(struct blocks *to, const struct blocks *from, size_t group) {
	memcpy(to->groups[group], from->groups[group], from->sizes[group] * sizeof(float));
}

static void keep_complete(void *context, size_t group) {
	struct told *told = context;
	assert_true(told->count < sizeof told->groups / sizeof *told->groups);
	told->groups[told->count++] = group;
	copy_group(told->kept, told->gradients, group);
	if (group == head_group(told->gradients->parameters))
		copy_group(told->words, told->gradients, EMBEDDINGS_GROUP);
}

/* Two pieces, and words from LARGER_V on that are not in them. */
static void tells_of_complete_groups(void **state) {
	(void)state;
	enum { ABSENT = 9 };
	struct config config = larger_config(MODEL_DISTILBERT);
	config.vocab_size += ABSENT;
	struct trained trained = make_trained(config, &masked_lm_head, NULL, 2);
	struct batch_arrays once = larger_batch(), twice = repeat_examples(&once.examples, 2);
	struct told told = { trained.gradients, other_gradients(&trained), other_gradients(&trained), { 0 }, 0 };
	network_set_listener(trained.network, (struct group_listener){ keep_complete, &told });
	gradients_of(&trained, &twice.examples, 0);
	assert_int_equal(told.count, 3);
	for (size_t i = 0; i < told.count; i++) {
		size_t group = head_group(trained.p) - i;
		assert_int_equal(told.groups[i], group);
		assert_memory_equal(told.kept->groups[group], told.gradients->groups[group], told.kept->sizes[group] * sizeof(float));
	}
	const struct parameter *words = parameters_find(trained.p, ROLE_WORD_EMBEDDINGS, 0);
	const float *absent = blocks_of(told.words, words) + LARGER_V * LARGER_C;
	assert_true(norm_of(absent, ABSENT * LARGER_C) > 0);
	assert_memory_equal(absent, blocks_of(told.gradients, words) + LARGER_V * LARGER_C, ABSENT * LARGER_C * sizeof *absent);
	blocks_free(told.kept);
	blocks_free(told.words);
	free_arrays(&once);
	free_arrays(&twice);
	free_trained(&trained);
}

/* Parts of a batch of 600 labels have the answers of their own records: their gradients add up to the whole's. */
static void distillation_passes_add_up(void **state) {
	(void)state;
	for (int whole_rows = 0; whole_rows < 2; whole_rows++) {
		struct config config = larger_config(MODEL_BERT);
		struct trained trained = make_trained(config, &distillation_head, &all_terms, 2);
		struct answers answers = make_answers(&config, LARGER_B * LARGER_T, whole_rows ? LARGER_V : 7);
		struct batch_arrays arrays = larger_batch();
		arrays.examples.teacher = answers.show;
		const struct totals totals = totals_of(trained.network, &arrays.examples);
		assert_true(totals.of[0] == (double)LARGER_M && totals.of[2] < (double)examples_rows(&arrays.examples));
		double loss = gradients_of(&trained, &arrays.examples, 0), losses = 0;
		struct blocks *whole = trained.gradients, *sum = other_gradients(&trained);
		for (size_t first = 0; first < LARGER_B; first += 5) {
			const struct examples part = examples_slice(&arrays.examples, first, 5);
			losses += network_gradients(trained.network, &part, 0, &totals, sum).value;
		}
		assert_true(fabs(losses - loss) < 1e-6 * loss);
		for (size_t i = 0; i < trained.p->count; i++) {
			size_t elements = trained.p->table[i].elements;
			for (size_t j = 0; j < elements; j++)
				sum->of[i][j] -= whole->of[i][j];
			assert_true(norm_of(sum->of[i], elements) <= 1e-5 * norm_of(whole->of[i], elements) + 1e-6);
		}
		blocks_free(sum);
		free_answers(&answers);
		free_arrays(&arrays);
		free_trained(&trained);
	}
}

/* Records 3 up to 9, and 2 up to 5 of those, in the arrays of the whole batch and copied to arrays of their own. */
static void check_slices(const struct head_case *head, enum precision precision) {
	struct batch_arrays arrays = larger_batch();
	struct trained trained = make_trained(larger_config(MODEL_BERT), head->class, head->options, 2);
	struct blocks *of_slice = trained.gradients, *of_copy = other_gradients(&trained);
	struct examples slice = examples_slice(&arrays.examples, 3, 7);
	network_set_dropout(trained.network, 0.1f, 0.1f, 1);
	network_set_precision(trained.network, precision);
	for (int cut = 0; cut < 2; cut++, slice = examples_slice(&slice, 2, 4)) {
		struct batch_arrays copy = copy_examples(&slice);
		assert_int_equal(examples_rows(&slice), copy.starts[slice.B]);
		assert_int_equal(examples_longest(&slice), examples_longest(&copy.examples));
		trained.gradients = of_slice;
		double loss = gradients_of(&trained, &slice, 4);
		trained.gradients = of_copy;
		assert_true(gradients_of(&trained, &copy.examples, 4) == loss);
		assert_same_blocks(of_slice, of_copy);
		float losses[LARGER_B * LARGER_T], copied[LARGER_B * LARGER_T];
		size_t items = head->wants == WANTS_LABELLED ? examples_labels(&slice) : head->wants == WANTS_FIRST ? slice.B
			: head == &pooled ? slice.B : examples_rows(&slice);
		assert_true(network_loss(trained.network, &slice, losses, NULL)
			== network_loss(trained.network, &copy.examples, copied, NULL));
		assert_memory_equal(losses, copied, items * sizeof *losses);
		free_arrays(&copy);
	}
	blocks_free(of_slice);
	free_trained(&trained);
	free_arrays(&arrays);
}

static void slices_are_batches(void **state) {
	(void)state;
	check_slices(&masked_lm, PRECISION_FP32);
	check_slices(&masked_lm, PRECISION_BF16);
	check_slices(&all_rows, PRECISION_FP32);
	check_slices(&all_rows, PRECISION_BF16);
	check_slices(&first_rows, PRECISION_FP32);
	check_slices(&weighted, PRECISION_FP32);
	check_slices(&pooled, PRECISION_FP32);
	check_slices(&pooled, PRECISION_BF16);
}

/* ---- logits -------------------------------------------------------------------------------------------- */

/* Of the labelled tokens of a tiny model of 19 words: their logits, [M, V], against losses and ranks. */
static void check_logits(const struct trained *trained, const struct examples *examples) {
	enum { V = 19, MAX_M = 16 };
	float losses[MAX_M], logits[MAX_M * V];
	int32_t ranks[MAX_M];
	network_loss(trained->network, examples, losses, ranks);
	network_logits(trained->network, examples, logits);
	for (size_t m = 0; m < examples_labels(examples); m++) {
		const float *z = logits + m * V;
		int32_t label = examples->labels[m], rank = 0;
		double sum = 0;
		for (int32_t v = 0; v < V; v++) {
			sum += exp((double)z[v]);
			rank += z[v] > z[label] || (!(z[v] < z[label]) && v < label);
		}
		double loss = log(sum) - (double)z[label];
		assert_true(fabs(loss - (double)losses[m]) < 1e-5);
		assert_int_equal(ranks[m], rank);
	}
}

static void logits_give_losses_and_ranks(void **state) {
	(void)state;
	for (int type = MODEL_DISTILBERT; type <= MODEL_BERT; type++) {
		struct trained trained = make_trained(tiny_config((enum model_type)type), &masked_lm_head, NULL, 2);
		check_logits(&trained, &tiny);
		check_logits(&trained, &ragged);
		free_trained(&trained);
	}
}

/* Of equal logits those of lower ids come first: every third word here is like every other third one. */
static void equal_logits_rank_by_id(void **state) {
	(void)state;
	struct trained trained = make_trained(tiny_config(MODEL_BERT), &masked_lm_head, NULL, 1);
	const struct parameters *p = trained.p;
	size_t C = p->config.hidden_size, V = p->config.vocab_size;
	float *words = parameter_values(p, parameters_find(p, ROLE_WORD_EMBEDDINGS, 0));
	float *bias = parameter_values(p, parameters_find(p, ROLE_HEAD, DECODER_BIAS));
	for (size_t v = 3; v < V; v++) {
		memcpy(words + v * C, words + v % 3 * C, C * sizeof *words);
		bias[v] = bias[v % 3];
	}
	check_logits(&trained, &ragged);
	memset(words, 0, V * C * sizeof *words);
	memset(bias, 0, V * sizeof *bias);
	int32_t ranks[16];
	network_loss(trained.network, &ragged, NULL, ranks);
	for (size_t m = 0; m < examples_labels(&ragged); m++)
		assert_int_equal(ranks[m], ragged_labels[m]);
	free_trained(&trained);
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
		cmocka_unit_test(gradients_of_ragged_records),
		cmocka_unit_test(gradients_of_other_heads),
		cmocka_unit_test(gradients_of_distillation),
		cmocka_unit_test(own_teacher),
		cmocka_unit_test(rest_between_temperatures),
		cmocka_unit_test(distillation_passes_add_up),
		cmocka_unit_test(gradients_of_classifiers),
		cmocka_unit_test(gradients_of_records_of_one_token),
		cmocka_unit_test(padding_embedding_learns_nothing),
		cmocka_unit_test(no_labels),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(zero_types_change_no_bit),
		cmocka_unit_test(full_attention_changes_no_bit),
		cmocka_unit_test(bf16_is_near_fp32),
		cmocka_unit_test(batching_changes_no_loss),
		cmocka_unit_test(passes_add_up),
		cmocka_unit_test(pieces_are_computed_one_after_the_other),
		cmocka_unit_test(tells_of_complete_groups),
		cmocka_unit_test(slices_are_batches),
		cmocka_unit_test(logits_give_losses_and_ranks),
		cmocka_unit_test(equal_logits_rank_by_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
