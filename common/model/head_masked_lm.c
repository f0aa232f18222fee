/* head_masked_lm: dense, activation, layer norm, and the decoder over the vocabulary, at labelled tokens.
 *
 * V is vocab_size, M the labelled tokens. Logits exist for LOGIT_ROWS tokens at a time. Their softmax, cross-entropy and
 * gradient are computed in place, and the gradient goes on to the decoder's weights and inputs before the next tokens take
 * their memory. Source: Devlin et al. 2018, section 3.1. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/head.h"

/* Tokens that have their logits in memory at a time: 512 of BERT's vocabulary take 62 MB. */
enum { LOGIT_ROWS = 512 };
enum { LOSS_ROWS = 4, HEAD_ROWS = 32 };

enum { TRANSFORM_WEIGHT, TRANSFORM_BIAS, NORM_WEIGHT, NORM_BIAS, DECODER_WEIGHT, DECODER_BIAS, TENSORS };

struct head {
	const struct compute *compute;
	size_t C, V;
	struct dense transform, decoder;
	size_t M;                    /* of the pass at hand */
	float *before_activation;    /* [M, C] */
	struct norm norm;            /* [M, C] */
	struct matrix logits;        /* some rows of V; bf16: of their gradient */
	float *dnorm;                /* [M, C] the gradient of the norm's output, then of its input */
	struct norm_scratch norm_scratch;
};

/* ---- the tensors --------------------------------------------------------------------------------------- */

/* BertForMaskedLM has its output bias twice, and reads the one called decoder.bias; the two are one tensor when weights are
 * tied. */
static const char *const names[2][TENSORS] = {
	[MODEL_DISTILBERT] = { "vocab_transform.weight", "vocab_transform.bias", "vocab_layer_norm.weight",
		"vocab_layer_norm.bias", "vocab_projector.weight", "vocab_projector.bias" },
	[MODEL_BERT] = { "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
		"cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias",
		"cls.predictions.decoder.weight", "cls.predictions.bias" },
};

static size_t list_tensors(const struct config *config, struct head_tensor tensors[MAX_HEAD_TENSORS]) {
	size_t C = config->hidden_size, V = config->vocab_size;
	const struct head_tensor shapes[TENSORS] = {
		[TRANSFORM_WEIGHT] = { .rows = C, .columns = C, .fill = FILL_NORMAL, .decays = true },
		[TRANSFORM_BIAS] = { .rows = C, .fill = FILL_ZEROS },
		[NORM_WEIGHT] = { .rows = C, .fill = FILL_ONES },
		[NORM_BIAS] = { .rows = C, .fill = FILL_ZEROS },
		[DECODER_WEIGHT] = { .rows = config->tie_word_embeddings ? 0 : V, .columns = C, .fill = FILL_NORMAL, .decays = true },
		[DECODER_BIAS] = { .rows = V, .fill = FILL_ZEROS,
			.alias = config->model_type == MODEL_BERT ? "cls.predictions.decoder.bias" : NULL },
	};
	for (size_t i = 0; i < TENSORS; i++) {
		tensors[i] = shapes[i];
		tensors[i].name = names[config->model_type][i];
	}
	return TENSORS;
}

static struct head *create(const struct compute *compute, const void *options) {
	const struct parameters *p = compute->parameters;
	const struct parameter *decoder = parameters_find(p, ROLE_HEAD, DECODER_WEIGHT);
	struct head *head = allocate(1, sizeof *head);
	(void)options;
	head->compute = compute;
	head->C = p->config.hidden_size;
	head->V = p->config.vocab_size;
	head->transform = dense_layer(parameters_find(p, ROLE_HEAD, TRANSFORM_WEIGHT),
		parameters_find(p, ROLE_HEAD, TRANSFORM_BIAS), 1);
	head->decoder = dense_layer(decoder != NULL ? decoder : parameters_find(p, ROLE_WORD_EMBEDDINGS, 0),
		parameters_find(p, ROLE_HEAD, DECODER_BIAS), 1);
	head->norm.weight = parameters_find(p, ROLE_HEAD, NORM_WEIGHT);
	head->norm.bias = parameters_find(p, ROLE_HEAD, NORM_BIAS);
	return head;
}

/* ---- the pass ------------------------------------------------------------------------------------------ */

static void count(const struct head *head, const struct examples *examples, struct totals *totals) {
	(void)head;
	totals->of[0] += (double)examples_labels(examples);
}

static void want(struct head *head, const struct examples *examples, struct wanted *wanted) {
	head->M = examples_labels(examples);
	*wanted = (struct wanted){ head->M, examples->labelled, examples->label_starts };
}

static void lay_out(struct head *head, struct arena *arena, struct arena_range between) {
	size_t M = head->M, C = head->C, rows = M < LOGIT_ROWS ? M : LOGIT_ROWS;
	bool rounded = head->compute->rounded != NULL;
	head->before_activation = arena_take(arena, M * C);
	head->norm.x = arena_take(arena, M * C);
	head->norm.mean = arena_take(arena, M);
	head->norm.rstd = arena_take(arena, M);
	head->norm.y = arena_take_matrix(arena, M, C, rounded);
	head->logits = arena_reuse_matrix(arena, between, rows, head->V, rounded);
	if (head->compute->gradients == NULL)
		return;
	head->dnorm = arena_take(arena, M * C);
	head->norm_scratch.branch = arena_take_matrix(arena, M, C, rounded);
	head->norm_scratch.partials = arena_take(arena, (M + NORM_ROWS - 1) / NORM_ROWS * 2 * C);
}

static void activate_rows(void *context, size_t first, size_t rows) {
	struct head *head = context;
	const struct compute *compute = head->compute;
	size_t C = head->C, at = first * C;
	compute->kernels->add_bias(head->before_activation + at, parameter_values(compute->parameters, head->transform.bias),
		rows, C, C);
	compute->kernels->activate(compute->parameters->config.hidden_act, head->norm.x + at, head->before_activation + at,
		rows * C);
	norm_rows(compute, &head->norm, first, rows);
	round_rows(compute, head->norm.y, first, rows, C);
}

/* From the encoder's rows to those that the decoder takes. */
static void transform(struct head *head, struct matrix rows) {
	const struct matrix y = { .fp32 = head->before_activation, .stride = head->C };
	dense_forward(head->compute, &head->transform, y, rows, head->M, (struct after){ activate_rows, head });
}

struct transform_gradient { const struct head *head; struct matrix dx; };

static void activate_rows_backward(void *context, size_t first, size_t rows) {
	const struct transform_gradient *gradient = context;
	const struct head *head = gradient->head;
	size_t at = first * head->C;
	float *dx = gradient->dx.fp32 + at;
	head->compute->kernels->activate_backward(head->compute->parameters->config.hidden_act, dx, dx,
		head->before_activation + at, rows * head->C);
	round_rows(head->compute, gradient->dx, first, rows, head->C);
}

/* From the gradient of the decoder's input, in dnorm, to that of the encoder's rows. */
static void transform_backward(struct head *head, const struct head_pass *pass) {
	const struct compute *compute = head->compute;
	struct transform_gradient gradient = { head,
		norm_backward(compute, &head->norm, &head->norm_scratch, head->dnorm, head->dnorm, head->M) };
	run_rows(compute->pool, head->M, HEAD_ROWS, activate_rows_backward, &gradient);
	if (pass->drows != NULL)
		dense_backward_input(compute, &head->transform, (struct matrix){ .fp32 = pass->drows, .stride = head->C },
			gradient.dx, head->M, (struct after){ 0 });
	dense_backward_parameters(compute, &head->transform, gradient.dx, pass->rows, head->M);
}

/* ---- the decoder --------------------------------------------------------------------------------------- */

/* The product of some of the decoder's input, without the bias. */
static void decode(const struct head *head, size_t first, size_t rows, float *logits) {
	const struct compute *compute = head->compute;
	const struct product product = { rows, head->V, head->C, .a = matrix_at(head->norm.y, first, 0),
		.b = dense_weight(compute, &head->decoder), .transpose_b = true, .c = logits, .ldc = head->V };
	multiply_tiles(compute->pool, &product);
}

/* The gradients of the decoder's parameters, and of its input, from those of some logits. */
static void decode_backward(const struct head *head, size_t first, size_t rows) {
	const struct compute *compute = head->compute;
	const struct product input = { rows, head->C, head->V, .a = head->logits, .b = dense_weight(compute, &head->decoder),
		.c = head->dnorm + first * head->C, .ldc = head->C };
	multiply_tiles(compute->pool, &input);
	dense_backward_parameters(compute, &head->decoder, head->logits, matrix_at(head->norm.y, first, 0), rows);
}

struct decoding { const struct head *head; const struct head_pass *pass; size_t first; float gradient_scale; float *losses; };

static int32_t rank_of(const float *logits, size_t V, int32_t label) {
	int32_t before = 0;
	for (size_t v = 0; v < V; v++)
		before += logits[v] > logits[label] || (logits[v] >= logits[label] && (int32_t)v < label);
	return before;
}

static void lose_rows(void *context, size_t first, size_t rows) {
	const struct decoding *decoding = context;
	const struct head *head = decoding->head;
	const struct compute *compute = head->compute;
	size_t V = head->V;
	float *logits = head->logits.fp32 + first * V;
	compute->kernels->add_bias(logits, parameter_values(compute->parameters, head->decoder.bias), rows, V, V);
	for (size_t r = 0; r < rows; r++) {
		size_t m = decoding->first + first + r;
		int32_t label = decoding->pass->examples->labels[m];
		if (decoding->pass->ranks != NULL)
			decoding->pass->ranks[m] = rank_of(logits + r * V, V, label);
		decoding->losses[m] = compute->kernels->cross_entropy(logits + r * V, V, label, decoding->gradient_scale);
	}
	if (decoding->gradient_scale > 0)
		round_rows(compute, head->logits, first, rows, V);
}

static struct loss loss(struct head *head, const struct head_pass *pass) {
	bool backward = head->compute->gradients != NULL;
	float *losses = pass->losses != NULL ? pass->losses : allocate(head->M, sizeof *losses);
	transform(head, pass->rows);
	for (size_t first = 0; first < head->M; first += LOGIT_ROWS) {
		size_t rows = head->M - first < LOGIT_ROWS ? head->M - first : LOGIT_ROWS;
		struct decoding decoding = { head, pass, first, backward ? (float)(1 / pass->totals->of[0]) : 0, losses };
		decode(head, first, rows, head->logits.fp32);
		run_rows(head->compute->pool, rows, LOSS_ROWS, lose_rows, &decoding);
		if (backward)
			decode_backward(head, first, rows);
	}
	if (backward)
		transform_backward(head, pass);

	double sum = 0;
	for (size_t m = 0; m < head->M; m++)
		sum += (double)losses[m];
	if (pass->losses == NULL)
		free(losses);
	return (struct loss){ sum / pass->totals->of[0], { sum / pass->totals->of[0] } };
}

static size_t width(const struct head *head) {
	return head->V;
}

struct biased { const struct head *head; float *logits; };

static void add_decoder_bias(void *context, size_t first, size_t rows) {
	const struct biased *biased = context;
	const struct head *head = biased->head;
	head->compute->kernels->add_bias(biased->logits + first * head->V,
		parameter_values(head->compute->parameters, head->decoder.bias), rows, head->V, head->V);
}

static void write_logits(struct head *head, const struct head_pass *pass, float *logits) {
	struct biased biased = { head, logits };
	transform(head, pass->rows);
	decode(head, 0, head->M, logits);
	run_rows(head->compute->pool, head->M, LOSS_ROWS, add_decoder_bias, &biased);
}

static void free_head(struct head *head) {
	free(head);
}

const struct head_class masked_lm_head = {
	.layout = {
		.task = "masked language model",
		.architectures = { [MODEL_DISTILBERT] = "DistilBertForMaskedLM", [MODEL_BERT] = "BertForMaskedLM" },
		.tied_weights = { [MODEL_DISTILBERT] = "vocab_projector.weight", [MODEL_BERT] = "cls.predictions.decoder.weight" },
		.left_aside = (const char *const[]){ "pooler.", "cls.seq_relationship.", NULL },
		.tensors = list_tensors,
	},
	.create = create,
	.free = free_head,
	.count = count,
	.want = want,
	.lay_out = lay_out,
	.loss = loss,
	.width = width,
	.logits = write_logits,
};
