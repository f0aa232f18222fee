/* modules: the parts that the encoder and the heads are built of: work on rows, dense layers, layer norms, dropout. */
#include "model/modules.h"

#include <string.h>

enum { SUM_COLUMNS = 256, WEIGHTS = 1 << 16 };

/* ---- column sums --------------------------------------------------------------------------------------- */

struct column_slices {
	const struct kernels *kernels;
	float *sums;
	struct matrix x;
	size_t rows;
};

static void sum_columns(void *context, size_t first, size_t columns) {
	const struct column_slices *slices = context;
	const struct matrix x = matrix_at(slices->x, 0, first);
	if (x.fp32 != NULL)
		slices->kernels->add_bias_backward(slices->sums + first, x.fp32, slices->rows, columns, x.stride);
	else
		slices->kernels->add_bias_backward_bf16(slices->sums + first, x.bf16, slices->rows, columns, x.stride);
}

void column_sums(const struct compute *compute, float *sums, struct matrix x, size_t rows, size_t columns) {
	struct column_slices slices = { compute->kernels, sums, x, rows };
	run_rows(compute->pool, columns, SUM_COLUMNS, sum_columns, &slices);
}

/* ---- selected rows ------------------------------------------------------------------------------------- */

enum { GATHER_ROWS = 32 };

struct row_copy { struct matrix to, from; size_t C; const struct selection *selection; };

static size_t selected_row(const struct selection *selection, size_t row) {
	return (size_t)(selection->rows[row] - selection->base);
}

static void copy_rows(void *context, size_t first, size_t rows) {
	const struct row_copy *copy = context;
	for (size_t r = first; r < first + rows; r++) {
		const struct matrix to = matrix_at(copy->to, r, 0);
		const struct matrix from = matrix_at(copy->from, selected_row(copy->selection, r), 0);
		memcpy(to.fp32, from.fp32, copy->C * sizeof *to.fp32);
		if (to.bf16 != NULL)
			memcpy(to.bf16, from.bf16, copy->C * sizeof *to.bf16);
	}
}

void gather_rows(const struct compute *compute, struct matrix to, struct matrix from, size_t C,
	const struct selection *selection) {
	run_rows(compute->pool, selection->count, GATHER_ROWS, copy_rows, &(struct row_copy){ to, from, C, selection });
}

static void add_rows(void *context, size_t first, size_t rows) {
	const struct row_copy *copy = context;
	for (size_t r = first; r < first + rows; r++) {
		float *to = matrix_at(copy->to, selected_row(copy->selection, r), 0).fp32;
		const float *from = matrix_at(copy->from, r, 0).fp32;
		for (size_t c = 0; c < copy->C; c++)
			to[c] += from[c];
	}
}

void gather_rows_backward(const struct compute *compute, struct matrix dx, struct matrix dy, size_t C,
	const struct selection *selection) {
	run_rows(compute->pool, selection->count, GATHER_ROWS, add_rows, &(struct row_copy){ dx, dy, C, selection });
}

/* ---- rounding ------------------------------------------------------------------------------------------ */

void round_rows(const struct compute *compute, struct matrix matrix, size_t first, size_t rows, size_t columns) {
	if (matrix.bf16 != NULL && matrix.fp32 != NULL)
		compute->kernels->round_to_bf16(matrix.bf16 + first * matrix.stride, matrix.fp32 + first * matrix.stride, rows,
			columns, matrix.stride);
}

struct weight { const struct compute *compute; size_t offset; };

static void round_piece(void *context, size_t first, size_t count) {
	const struct weight *weight = context;
	const struct compute *compute = weight->compute;
	size_t at = weight->offset + first;
	compute->kernels->round_to_bf16(compute->rounded + at, compute->parameters->values + at, 1, count, count);
}

void round_weights(const struct compute *compute) {
	for (size_t i = 0; i < compute->parameters->count; i++) {
		const struct parameter *parameter = &compute->parameters->table[i];
		struct weight weight = { compute, parameter->offset };
		if (is_rounded(parameter))
			run_rows(compute->pool, parameter->elements, WEIGHTS, round_piece, &weight);
	}
}

void tell_complete(const struct compute *compute, size_t group) {
	if (compute->listener.complete != NULL)
		compute->listener.complete(compute->listener.context, group);
}

float *gradient_of(const struct compute *compute, const struct parameter *parameter) {
	return compute->gradients != NULL ? blocks_of(compute->gradients, parameter) : NULL;
}

/* ---- dense layers -------------------------------------------------------------------------------------- */

struct dense dense_layer(const struct parameter *weight, const struct parameter *bias, size_t parts) {
	return (struct dense){ weight, bias, parts, parts * weight->shape[0], weight->shape[1] };
}

struct matrix dense_weight(const struct compute *compute, const struct dense *dense) {
	return matrix_at((struct matrix){ compute->parameters->values, compute->rounded, dense->inputs }, 0,
		dense->weight->offset);
}

void dense_forward(const struct compute *compute, const struct dense *dense, struct matrix y, struct matrix x,
	size_t rows, struct after after) {
	const struct product product = { rows, dense->outputs, dense->inputs, .a = x, .b = dense_weight(compute, dense),
		.transpose_b = true, .bias = parameter_values(compute->parameters, dense->bias), .c = y };
	if (compute->gradients == NULL)
		multiply_short(compute->pool, &product, after.body, after.context);
	else
		multiply_rows(compute->pool, &product, after.body, after.context);
}

static struct product input_product(const struct compute *compute, const struct dense *dense, struct matrix dx,
	struct matrix dy, size_t rows) {
	return (struct product){ rows, dense->inputs, dense->outputs, .a = dy, .b = dense_weight(compute, dense),
		.c = dx };
}

void dense_backward_input(const struct compute *compute, const struct dense *dense, struct matrix dx, struct matrix dy,
	size_t rows, struct after after) {
	const struct product product = input_product(compute, dense, dx, dy, rows);
	multiply_rows(compute->pool, &product, after.body, after.context);
}

void dense_backward_input_add(const struct compute *compute, const struct dense *dense, struct matrix dx,
	struct matrix dy, size_t rows) {
	struct product product = input_product(compute, dense, dx, dy, rows);
	product.add = true;
	multiply_rows(compute->pool, &product, NULL, NULL);
}

/* Computes one product for each run of parts whose gradients are adjacent in memory. */
static void weights_backward(const struct compute *compute, const struct dense *dense, struct matrix dy,
	struct matrix x, size_t rows) {
	size_t outputs = dense->outputs / dense->parts;
	for (size_t first = 0, end; first < dense->parts; first = end) {
		float *gradient = gradient_of(compute, dense->weight + first);
		for (end = first + 1; end < dense->parts && gradient != NULL
				&& gradient_of(compute, dense->weight + end) == gradient + (end - first) * outputs * dense->inputs;)
			end++;
		if (gradient == NULL)
			continue;
		const struct product product = { (end - first) * outputs, dense->inputs, rows,
			.a = matrix_at(dy, 0, first * outputs), .transpose_a = true, .b = x, .add = true,
			.c = float_matrix(gradient, dense->inputs) };
		multiply_tiles(compute->pool, &product);
	}
}

void dense_backward_parameters(const struct compute *compute, const struct dense *dense, struct matrix dy,
	struct matrix x, size_t rows) {
	size_t outputs = dense->outputs / dense->parts;
	weights_backward(compute, dense, dy, x, rows);
	for (size_t part = 0; part < dense->parts; part++) {
		float *gradient = gradient_of(compute, dense->bias + part);
		if (gradient != NULL)
			column_sums(compute, gradient, matrix_at(dy, 0, part * outputs), rows, outputs);
	}
}

/* ---- layer norms --------------------------------------------------------------------------------------- */

void norm_rows(const struct compute *compute, const struct norm *norm, size_t first, size_t rows) {
	size_t C = norm->weight->elements;
	compute->kernels->layer_norm(norm->y.fp32 + first * C, norm->mean + first, norm->rstd + first, norm->x + first * C,
		parameter_values(compute->parameters, norm->weight), parameter_values(compute->parameters, norm->bias), rows, C,
		compute->parameters->config.layer_norm_eps);
}

struct renewal { const struct compute *compute; const struct norm *norm; };

static void renew_rows(void *context, size_t first, size_t rows) {
	const struct renewal *renewal = context;
	norm_rows(renewal->compute, renewal->norm, first, rows);
	round_rows(renewal->compute, renewal->norm->y, first, rows, renewal->norm->weight->elements);
}

void norm_again(const struct compute *compute, const struct norm *norm, size_t rows) {
	struct renewal renewal = { compute, norm };
	run_rows(compute->pool, rows, NORM_ROWS, renew_rows, &renewal);
}

struct norm_gradient {
	const struct compute *compute;
	const struct norm *norm;
	const struct norm_scratch *scratch;
	float *dx;
	const float *dy;
};

static struct matrix behind_dropout(const struct norm_gradient *gradient) {
	struct matrix behind = gradient->scratch->branch;
	if (!(gradient->norm->dropout.probability > 0))
		behind.fp32 = gradient->dx;
	return behind;
}

static void norm_rows_backward(void *context, size_t first, size_t rows) {
	const struct norm_gradient *gradient = context;
	const struct compute *compute = gradient->compute;
	const struct norm *norm = gradient->norm;
	size_t C = norm->weight->elements, at = first * C;
	float *partials = gradient->scratch->partials + first / NORM_ROWS * 2 * C;
	memset(partials, 0, 2 * C * sizeof *partials);
	compute->kernels->layer_norm_backward(gradient->dx + at, partials, partials + C, gradient->dy + at, norm->x + at,
		norm->mean + first, norm->rstd + first, parameter_values(compute->parameters, norm->weight), rows, C);
	if (norm->dropout.probability > 0)
		compute->kernels->dropout_backward(gradient->scratch->branch.fp32 + at, gradient->dx + at, rows * C,
			&norm->dropout, at);
	round_rows(compute, behind_dropout(gradient), first, rows, C);
}

struct matrix norm_backward(const struct compute *compute, const struct norm *norm, const struct norm_scratch *scratch,
	float *dx, const float *dy, size_t rows) {
	struct norm_gradient gradient = { compute, norm, scratch, dx, dy };
	size_t C = norm->weight->elements, blocks = (rows + NORM_ROWS - 1) / NORM_ROWS;
	const struct matrix partials = float_matrix(scratch->partials, 2 * C);
	float *dweight = gradient_of(compute, norm->weight), *dbias = gradient_of(compute, norm->bias);
	run_rows(compute->pool, rows, NORM_ROWS, norm_rows_backward, &gradient);
	if (dweight != NULL)
		column_sums(compute, dweight, partials, blocks, C);
	if (dbias != NULL)
		column_sums(compute, dbias, matrix_at(partials, 0, C), blocks, C);
	return behind_dropout(&gradient);
}

/* ---- dropout ------------------------------------------------------------------------------------------- */

/* Sites are below PIECE_SITES: each of at most 1024 layers has three, and the head has the last 16. */
enum { PIECE_SITES = 1 << 12, HEAD_SITES = PIECE_SITES - 16 };

static struct dropout dropout_at(const struct compute *compute, uint32_t site, float probability) {
	return (struct dropout){ compute->seed, compute->pass, site + compute->piece * PIECE_SITES,
		compute->training ? probability : 0 };
}

struct dropout hidden_dropout(const struct compute *compute, uint32_t site) {
	return dropout_at(compute, site, compute->hidden_dropout);
}

struct dropout attention_dropout(const struct compute *compute, uint32_t site) {
	return dropout_at(compute, site, compute->attention_dropout);
}

struct dropout head_dropout(const struct compute *compute, uint32_t site) {
	return dropout_at(compute, HEAD_SITES + site, compute->head_dropout);
}
