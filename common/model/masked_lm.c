/* masked_lm: the transform and the decoder of the heads that predict tokens, forward and backward, in blocks of
 * rows. */
#include "model/masked_lm.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/logits.h"

enum { LOSS_ROWS = 4, HEAD_ROWS = 32 };

enum { TRANSFORM_WEIGHT, TRANSFORM_BIAS, NORM_WEIGHT, NORM_BIAS, DECODER_WEIGHT, DECODER_BIAS, TENSORS };

/* ---- the tensors --------------------------------------------------------------------------------------- */

/* BertForMaskedLM has its output bias twice, and reads the one called decoder.bias; the two are one tensor when weights
 * are tied. */
static const char *const names[2][TENSORS] = {
	[MODEL_DISTILBERT] = { "vocab_transform.weight", "vocab_transform.bias", "vocab_layer_norm.weight",
		"vocab_layer_norm.bias", "vocab_projector.weight", "vocab_projector.bias" },
	[MODEL_BERT] = { "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
		"cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias",
		"cls.predictions.decoder.weight", "cls.predictions.bias" },
};

size_t masked_lm_tensors(const struct config *config, struct head_tensor tensors[MAX_HEAD_TENSORS]) {
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

void masked_lm_init(struct masked_lm *lm, const struct compute *compute) {
	const struct parameters *p = compute->parameters;
	const struct parameter *decoder = parameters_find(p, ROLE_HEAD, DECODER_WEIGHT);
	*lm = (struct masked_lm){ .compute = compute, .C = p->config.hidden_size, .V = p->config.vocab_size };
	lm->transform = dense_layer(parameters_find(p, ROLE_HEAD, TRANSFORM_WEIGHT),
		parameters_find(p, ROLE_HEAD, TRANSFORM_BIAS), 1);
	lm->decoder = dense_layer(decoder != NULL ? decoder : parameters_find(p, ROLE_WORD_EMBEDDINGS, 0),
		parameters_find(p, ROLE_HEAD, DECODER_BIAS), 1);
	lm->norm.weight = parameters_find(p, ROLE_HEAD, NORM_WEIGHT);
	lm->norm.bias = parameters_find(p, ROLE_HEAD, NORM_BIAS);
}

void masked_lm_lay_out(struct masked_lm *lm, struct arena *arena, struct arena_range between, size_t M) {
	size_t C = lm->C, rows = M < LOGIT_ROWS ? M : LOGIT_ROWS;
	bool rounded = lm->compute->rounded != NULL;
	lm->M = M;
	lm->before_activation = arena_take(arena, M * C);
	lm->norm.x = arena_take(arena, M * C);
	lm->norm.mean = arena_take(arena, M);
	lm->norm.rstd = arena_take(arena, M);
	lm->norm.y = arena_take_matrix(arena, M, C, rounded);
	lm->logits = arena_reuse_matrix(arena, between, rows, fast_stride(lm->V), rounded);
	if (lm->compute->gradients == NULL)
		return;
	lm->dnorm = arena_take(arena, M * C);
	lm->norm_scratch.branch = arena_take_matrix(arena, M, C, rounded);
	lm->norm_scratch.partials = arena_take(arena, (M + NORM_ROWS - 1) / NORM_ROWS * 2 * C);
}

/* ---- the transform ------------------------------------------------------------------------------------- */

static void activate_rows(void *context, size_t first, size_t rows) {
	struct masked_lm *lm = context;
	const struct compute *compute = lm->compute;
	size_t C = lm->C, at = first * C;
	compute->kernels->activate(compute->parameters->config.hidden_act, lm->norm.x + at, lm->before_activation + at,
		rows * C);
	norm_rows(compute, &lm->norm, first, rows);
	round_rows(compute, lm->norm.y, first, rows, C);
}

/* From the encoder's rows to those that the decoder takes. */
static void transform(struct masked_lm *lm, struct matrix rows) {
	const struct matrix y = float_matrix(lm->before_activation, lm->C);
	dense_forward(lm->compute, &lm->transform, y, rows, lm->M, (struct after){ activate_rows, lm });
}

struct transform_gradient { const struct masked_lm *lm; struct matrix dx; };

static void activate_rows_backward(void *context, size_t first, size_t rows) {
	const struct transform_gradient *gradient = context;
	const struct masked_lm *lm = gradient->lm;
	size_t at = first * lm->C;
	float *dx = gradient->dx.fp32 + at;
	lm->compute->kernels->activate_backward(lm->compute->parameters->config.hidden_act, dx, dx,
		lm->before_activation + at, rows * lm->C);
	round_rows(lm->compute, gradient->dx, first, rows, lm->C);
}

/* From the gradient of the decoder's input, in dnorm, to that of the encoder's rows. */
static void transform_backward(struct masked_lm *lm, const struct masked_lm_pass *pass) {
	const struct compute *compute = lm->compute;
	struct transform_gradient gradient = { lm,
		norm_backward(compute, &lm->norm, &lm->norm_scratch, lm->dnorm, lm->dnorm, lm->M) };
	run_rows(compute->pool, lm->M, HEAD_ROWS, activate_rows_backward, &gradient);
	if (pass->drows != NULL)
		dense_backward_input(compute, &lm->transform, float_matrix(pass->drows, lm->C),
			gradient.dx, lm->M, (struct after){ 0 });
	dense_backward_parameters(compute, &lm->transform, gradient.dx, pass->rows, lm->M);
}

/* ---- the decoder --------------------------------------------------------------------------------------- */

/* The logits of some of the decoder's input. */
static void decode(const struct masked_lm *lm, size_t first, size_t rows, struct matrix logits) {
	const struct compute *compute = lm->compute;
	const struct product product = { rows, lm->V, lm->C, .a = matrix_at(lm->norm.y, first, 0),
		.b = dense_weight(compute, &lm->decoder), .transpose_b = true,
		.bias = parameter_values(compute->parameters, lm->decoder.bias), .c = logits };
	if (compute->gradients == NULL && rows <= SHORT_ROWS)
		multiply_short(compute->pool, &product, NULL, NULL);
	else
		multiply_tiles(compute->pool, &product);
}

/* The gradients of the decoder's parameters, and of its input, from those of some logits. */
static void decode_backward(const struct masked_lm *lm, size_t first, size_t rows) {
	const struct compute *compute = lm->compute;
	const struct product input = { rows, lm->C, lm->V, .a = lm->logits, .b = dense_weight(compute, &lm->decoder),
		.c = float_matrix(lm->dnorm + first * lm->C, lm->C) };
	multiply_tiles(compute->pool, &input);
	dense_backward_parameters(compute, &lm->decoder, lm->logits, matrix_at(lm->norm.y, first, 0), rows);
}

/* ---- the pass ------------------------------------------------------------------------------------------ */

/* A block of rows from `first` on. */
struct block { const struct masked_lm *lm; const struct masked_lm_pass *pass; size_t first; };

static void lose_rows(void *context, size_t first, size_t rows) {
	const struct block *block = context;
	const struct masked_lm *lm = block->lm;
	const struct compute *compute = lm->compute;
	size_t V = lm->V;
	for (size_t r = 0; r < rows; r++)
		block->pass->lose(block->pass->context, block->first + first + r, matrix_at(lm->logits, first + r, 0).fp32);
	if (compute->gradients != NULL)
		round_rows(compute, lm->logits, first, rows, V);
}

void masked_lm_run(struct masked_lm *lm, const struct masked_lm_pass *pass) {
	const bool backward = lm->compute->gradients != NULL;
	transform(lm, pass->rows);
	for (size_t first = 0; first < lm->M; first += LOGIT_ROWS) {
		size_t rows = lm->M - first < LOGIT_ROWS ? lm->M - first : LOGIT_ROWS;
		struct block block = { lm, pass, first };
		decode(lm, first, rows, lm->logits);
		run_rows(lm->compute->pool, rows, LOSS_ROWS, lose_rows, &block);
		if (backward)
			decode_backward(lm, first, rows);
	}
	if (backward)
		transform_backward(lm, pass);
}

/* ---- cross-entropy ------------------------------------------------------------------------------------- */

struct losing { const struct masked_lm *lm; const struct head_pass *pass; float gradient_scale; float *losses; };

/* The logits become their softmax, cross-entropy and gradient in place. */
static void lose_row(void *context, size_t m, float *logits) {
	const struct losing *losing = context;
	const struct masked_lm *lm = losing->lm;
	int32_t label = losing->pass->examples->labels[m];
	if (losing->pass->ranks != NULL)
		losing->pass->ranks[m] = logits_rank(logits, lm->V, label);
	losing->losses[m] = lm->compute->kernels->cross_entropy(logits, lm->V, label, losing->gradient_scale);
}

double masked_lm_cross_entropy(struct masked_lm *lm, const struct head_pass *pass) {
	bool backward = lm->compute->gradients != NULL;
	float *losses = pass->losses != NULL ? pass->losses : allocate(lm->M, sizeof *losses);
	struct losing losing = { lm, pass, backward ? (float)(1 / pass->totals->of[0]) : 0, losses };
	masked_lm_run(lm, &(struct masked_lm_pass){ pass->rows, pass->drows, lose_row, &losing });
	double sum = 0;
	for (size_t m = 0; m < lm->M; m++)
		sum += (double)losses[m];
	if (pass->losses == NULL)
		free(losses);
	return sum;
}

/* ---- logits -------------------------------------------------------------------------------------------- */

void masked_lm_logits(struct masked_lm *lm, struct matrix rows, float *logits) {
	transform(lm, rows);
	decode(lm, 0, lm->M, float_matrix(logits, lm->V));
}
