/* head_distillation: a student's loss against its teacher's answers (head_distillation.h), on the tensors of a masked
 * language model.
 *
 * Where hidden states count, every row of the last layer is wanted. The labelled rows are then gathered for the
 * decoder, and the gradient of those is added to what the cosines give. */
#include "model/head_distillation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/masked_lm.h"

enum { CE, MLM, COS };
enum { COSINE_ROWS = 32 };

struct head {
	struct masked_lm lm;
	struct distillation_options options;

	/* Of the pass at hand. */
	const struct examples *examples;
	size_t M, N;
	bool every_row;              /* of the encoder is there, not the labelled ones alone */
	struct matrix gathered;      /* [M, C] the labelled rows, where every row is there */
	float *dgathered;            /* [M, C] */
	float *cosines;              /* [N] 1 - the cosine of each row; 0 where it does not count */
};

static struct head *create(const struct compute *compute, const void *options) {
	struct head *head = allocate(1, sizeof *head);
	head->options = *(const struct distillation_options *)options;
	masked_lm_init(&head->lm, compute);
	return head;
}

static void free_head(struct head *head) {
	free(head);
}

static void count(const struct head *head, const struct examples *examples, struct totals *totals) {
	(void)head;
	totals->of[CE] += (double)examples_labels(examples);
	totals->of[MLM] += (double)examples_labels(examples);
	totals->of[COS] += (double)examples_attended(examples);
}

/* Whether the pass compares hidden states. */
static bool compares_states(const struct head *head) {
	return head->lm.compute->gradients != NULL && head->options.alpha_cos > 0
		&& head->examples->teacher.hidden_states != NULL;
}

static void want(struct head *head, const struct examples *examples, struct wanted *wanted) {
	head->examples = examples;
	head->M = examples_labels(examples);
	head->N = examples_rows(examples);
	head->every_row = head->options.every_row || compares_states(head);
	*wanted = head->every_row ? (struct wanted){ head->N, NULL, examples->starts }
		: (struct wanted){ head->M, examples->labelled, examples->label_starts };
}

static void lay_out(struct head *head, struct arena *arena, struct arena_range between) {
	bool backward = head->lm.compute->gradients != NULL;
	masked_lm_lay_out(&head->lm, arena, between, head->M);
	if (!head->every_row)
		return;
	head->gathered = arena_take_matrix(arena, head->M, head->lm.C, head->lm.compute->rounded != NULL);
	head->dgathered = backward ? arena_take(arena, head->M * head->lm.C) : NULL;
	head->cosines = backward ? arena_take(arena, head->N) : NULL;
}

/* ---- the labelled rows --------------------------------------------------------------------------------- */

static struct selection labelled(const struct head *head) {
	return (struct selection){ head->examples->labelled, head->examples->starts[0], head->M };
}

/* The rows with a label, out of those that are there. */
static struct matrix labelled_rows(const struct head *head, struct matrix rows) {
	const struct selection selection = labelled(head);
	if (!head->every_row)
		return rows;
	gather_rows(head->lm.compute, head->gathered, rows, head->lm.C, &selection);
	return head->gathered;
}

/* Adds the gradient of the labelled rows to that of every row. */
static void scatter_gradient(const struct head *head, float *drows) {
	const struct selection selection = labelled(head);
	gather_rows_backward(head->lm.compute, float_matrix(drows, head->lm.C), float_matrix(head->dgathered, head->lm.C),
		head->lm.C, &selection);
}

/* ---- hidden states ------------------------------------------------------------------------------------- */

struct comparison { struct head *head; const struct head_pass *pass; };

/* 1 - the cosine of h and g, which is 1 where either is 0; dh, if not NULL, becomes its derivative by h times
 * `scale`. */
static double compare_states(const float *h, const float *g, size_t C, double scale, float *dh) {
	double product = 0, h_squares = 0, g_squares = 0;
	for (size_t c = 0; c < C; c++) {
		product += (double)h[c] * (double)g[c];
		h_squares += (double)h[c] * (double)h[c];
		g_squares += (double)g[c] * (double)g[c];
	}
	double norms = sqrt(h_squares * g_squares), cosine = norms > 0 ? product / norms : 0;
	double of_g = norms > 0 ? scale / norms : 0, of_h = norms > 0 ? scale * cosine / h_squares : 0;
	for (size_t c = 0; dh != NULL && c < C; c++)
		dh[c] = (float)(of_h * (double)h[c] - of_g * (double)g[c]);
	return 1 - cosine;
}

static void compare_rows(void *context, size_t first, size_t rows) {
	const struct comparison *comparison = context;
	struct head *head = comparison->head;
	const struct examples *examples = head->examples;
	const struct head_pass *pass = comparison->pass;
	size_t C = head->lm.C;
	for (size_t n = first; n < first + rows; n++) {
		float *drow = pass->drows != NULL ? pass->drows + n * C : NULL;
		bool counts = examples_attend(examples, n);
		head->cosines[n] = !counts ? 0 : (float)compare_states(pass->rows.fp32 + n * pass->rows.stride,
			examples->teacher.hidden_states + n * C, C, head->options.alpha_cos / pass->totals->of[COS], drow);
		if (!counts && drow != NULL)
			memset(drow, 0, C * sizeof *drow);
	}
}

/* The sum of 1 - cosine over the attended rows; writes the gradient of all rows. */
static double compare_all(struct head *head, const struct head_pass *pass) {
	double sum = 0;
	run_rows(head->lm.compute->pool, head->N, COSINE_ROWS, compare_rows, &(struct comparison){ head, pass });
	for (size_t n = 0; n < head->N; n++)
		sum += (double)head->cosines[n];
	return sum;
}

/* ---- logits -------------------------------------------------------------------------------------------- */

/* The polynomial through the logarithms at 1 / T = 0, 1/4, 1/2, 1, by Lagrange's formula. */
double rest_at_temperature(const float *rest, size_t count, double temperature) {
	const double places[] = { 1, 0.5, 0.25, 0 }, x = 1 / temperature;
	const double values[] = { (double)rest[0], (double)rest[1], (double)rest[2], log((double)count) };
	double sum = 0;
	if (x > 1)
		return values[0] + (values[0] - values[1]) * 2 * (x - 1);
	for (int i = 0; i < 4; i++) {
		double term = values[i];
		for (int j = 0; j < 4; j++)
			term *= j == i ? 1 : (x - places[j]) / (places[i] - places[j]);
		sum += term;
	}
	return sum;
}

struct losing {
	const struct head *head;
	struct distill_row row;      /* but for the label */
	struct row_losses *losses;   /* [M] */
};

/* A teacher's row [V] of K logits and the sum of the rest: the rest is the student's, moved so that it adds up to that
 * sum. The divergence is then that of K + 1 masses, and so is its gradient. */
static void complete_row(const struct losing *losing, size_t m, const float *logits, float *row) {
	const struct teacher_answers *teacher = &losing->head->examples->teacher;
	const int32_t *ids = teacher->ids + m * teacher->K;
	size_t V = losing->head->lm.V, K = teacher->K;
	float T = losing->row.temperature;
	memcpy(row, logits, V * sizeof *row);
	for (size_t k = 0; k < K; k++)
		row[ids[k]] = -INFINITY;
	double rest = rest_at_temperature(teacher->rest + m * REST_TEMPERATURES, V - K, (double)T);
	double students = losing->head->lm.compute->kernels->log_sum_exp(row, V, T);
	float shift = (float)((double)T * (rest - students));
	for (size_t v = 0; v < V; v++)
		row[v] += shift;
	for (size_t k = 0; k < K; k++)
		row[ids[k]] = teacher->logits[m * K + k];
}

static void distill_row(void *context, size_t m, float *logits) {
	const struct losing *losing = context;
	const struct head *head = losing->head;
	const struct teacher_answers *teacher = &head->examples->teacher;
	size_t V = head->lm.V;
	float *completed = teacher->ids != NULL ? allocate(V, sizeof *completed) : NULL;
	struct distill_row row = losing->row;
	row.label = head->examples->labels[m];
	if (completed != NULL)
		complete_row(losing, m, logits, completed);
	losing->losses[m] = head->lm.compute->kernels->distill(logits,
		completed != NULL ? completed : teacher->logits + m * V, V, &row);
	free(completed);
}

/* ---- the loss ------------------------------------------------------------------------------------------ */

/* Its parts, but for the hidden states. Writes the gradient of the labelled rows. */
static struct loss distill_labelled(struct head *head, const struct head_pass *pass) {
	const struct distillation_options *options = &head->options;
	const struct totals *totals = pass->totals;
	double T = options->temperature;
	struct row_losses *losses = allocate(head->M, sizeof *losses);
	struct losing losing = { head, { .temperature = (float)T,
		.soft_scale = (float)(options->alpha_ce * T / totals->of[CE]),
		.hard_scale = (float)(options->alpha_mlm / totals->of[MLM]) }, losses };
	float *drows = pass->drows == NULL ? NULL : head->every_row ? head->dgathered : pass->drows;
	masked_lm_run(&head->lm,
		&(struct masked_lm_pass){ labelled_rows(head, pass->rows), drows, distill_row, &losing });
	struct loss loss = { 0 };
	for (size_t m = 0; m < head->M; m++) {
		loss.parts[CE] += T * T * (double)losses[m].divergence / totals->of[CE];
		loss.parts[MLM] += (double)losses[m].cross_entropy / totals->of[MLM];
	}
	free(losses);
	return loss;
}

static struct loss train(struct head *head, const struct head_pass *pass) {
	const struct distillation_options *options = &head->options;
	struct loss loss = head->M > 0 ? distill_labelled(head, pass) : (struct loss){ 0 };
	if (head->every_row) {
		loss.parts[COS] = compare_all(head, pass) / pass->totals->of[COS];
		if (pass->drows != NULL)
			scatter_gradient(head, pass->drows);
	}
	loss.value = options->alpha_ce * loss.parts[CE] + options->alpha_mlm * loss.parts[MLM]
		+ options->alpha_cos * loss.parts[COS];
	return loss;
}

static struct loss evaluate(struct head *head, const struct head_pass *pass) {
	struct head_pass labelled = *pass;
	labelled.rows = labelled_rows(head, pass->rows);
	double mean = head->M > 0 ? masked_lm_cross_entropy(&head->lm, &labelled) / pass->totals->of[MLM] : 0;
	return (struct loss){ mean, { [MLM] = mean } };
}

static struct loss loss(struct head *head, const struct head_pass *pass) {
	return head->lm.compute->gradients != NULL ? train(head, pass) : evaluate(head, pass);
}

static size_t width(const struct head *head) {
	return head->lm.V;
}

static void write_logits(struct head *head, const struct head_pass *pass, float *logits) {
	if (head->M > 0)
		masked_lm_logits(&head->lm, labelled_rows(head, pass->rows), logits);
}

const struct head_class distillation_head = {
	.layout = MASKED_LM_LAYOUT,
	.part_names = { [CE] = "loss_ce", [MLM] = "loss_mlm", [COS] = "loss_cos" },
	.create = create,
	.free = free_head,
	.count = count,
	.want = want,
	.lay_out = lay_out,
	.loss = loss,
	.width = width,
	.logits = write_logits,
};
