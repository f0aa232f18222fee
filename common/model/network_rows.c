/* Rows: work on blocks of them, dense layers, layer norms. */
#include "model/network_parts.h"

#include <string.h>

enum { SUM_COLUMNS = 64 };

struct row_blocks { size_t rows, block; rows_done *body; void *context; };

static void run_block(void *context, size_t index, int worker) {
	const struct row_blocks *blocks = context;
	size_t first = index * blocks->block;
	size_t left = blocks->rows - first;
	(void)worker;
	blocks->body(blocks->context, first, left < blocks->block ? left : blocks->block);
}

void run_rows(struct network *network, size_t rows, size_t block, rows_done *body, void *context) {
	struct row_blocks blocks = { rows, block, body, context };
	pool_run(network->pool, (rows + block - 1) / block, run_block, &blocks);
}

/* ---- column sums --------------------------------------------------------------------------------------- */

struct column_slices {
	const struct kernels *kernels;
	float *sums;
	const float *x;
	size_t rows, stride;
};

static void sum_columns(void *context, size_t first, size_t columns) {
	const struct column_slices *slices = context;
	slices->kernels->add_bias_backward(slices->sums + first, slices->x + first, slices->rows, columns, slices->stride);
}

void column_sums(struct network *network, float *sums, const float *x, size_t rows, size_t columns, size_t stride) {
	struct column_slices slices = { network->kernels, sums, x, rows, stride };
	run_rows(network, columns, SUM_COLUMNS, sum_columns, &slices);
}

/* ---- rounding ------------------------------------------------------------------------------------------ */

void round_rows(const struct network *network, struct matrix matrix, size_t first, size_t rows, size_t columns) {
	if (matrix.bf16 != NULL)
		network->kernels->round_to_bf16(matrix.bf16 + first * matrix.stride, matrix.fp32 + first * matrix.stride, rows,
			columns, matrix.stride);
}

struct matrix weight_at(const struct network *network, size_t offset, size_t inputs) {
	return matrix_at((struct matrix){ network->parameters->values, network->rounded, inputs }, 0, offset);
}

/* ---- dense layers -------------------------------------------------------------------------------------- */

void dense(struct network *network, float *y, size_t y_stride, struct matrix x, size_t weight, size_t rows,
	size_t outputs, size_t inputs, rows_done *done, void *context) {
	const struct product product = { rows, outputs, inputs, .a = x, .b = weight_at(network, weight, inputs),
		.transpose_b = true, .c = y, .ldc = y_stride };
	multiply_rows(network->pool, &product, done, context);
}

void dense_backward_input(struct network *network, float *dx, size_t dx_stride, struct matrix dy, size_t weight,
	size_t rows, size_t outputs, size_t inputs, bool add, rows_done *done, void *context) {
	const struct product product = { rows, inputs, outputs, .a = dy, .b = weight_at(network, weight, inputs),
		.add = add, .c = dx, .ldc = dx_stride };
	multiply_rows(network->pool, &product, done, context);
}

void dense_backward_weight(struct network *network, float *gradients, size_t weight, size_t bias, struct matrix dy,
	struct matrix x, size_t rows, size_t outputs, size_t inputs) {
	const struct product product = { outputs, inputs, rows, .a = dy, .transpose_a = true, .b = x, .add = true,
		.c = gradients + weight, .ldc = inputs };
	multiply_tiles(network->pool, &product);
	column_sums(network, gradients + bias, dy.fp32, rows, outputs, dy.stride);
}

/* ---- layer norms --------------------------------------------------------------------------------------- */

void norm_rows(struct network *network, const struct norm *norm, size_t first, size_t rows) {
	size_t C = network->C;
	const float *values = network->parameters->values;
	network->kernels->layer_norm(norm->y.fp32 + first * C, norm->mean + first, norm->rstd + first, norm->x + first * C,
		values + norm->weight, values + norm->bias, rows, C, network->config->layer_norm_eps);
}

struct renewal { struct network *network; const struct norm *norm; };

static void renew_rows(void *context, size_t first, size_t rows) {
	const struct renewal *renewal = context;
	norm_rows(renewal->network, renewal->norm, first, rows);
	round_rows(renewal->network, renewal->norm->y, first, rows, renewal->network->C);
}

void norm_again(struct network *network, const struct norm *norm, size_t rows) {
	struct renewal renewal = { network, norm };
	run_rows(network, rows, NORM_ROWS, renew_rows, &renewal);
}

struct norm_gradient {
	struct network *network;
	const struct norm *norm;
	float *dx;
	const float *dy;
	const struct dropout *dropout;
};

static struct matrix behind_dropout(const struct norm_gradient *gradient) {
	struct matrix behind = gradient->network->branch;
	if (!(gradient->dropout->probability > 0))
		behind.fp32 = gradient->dx;
	return behind;
}

static void norm_rows_backward(void *context, size_t first, size_t rows) {
	const struct norm_gradient *gradient = context;
	struct network *network = gradient->network;
	const struct norm *norm = gradient->norm;
	size_t C = network->C, at = first * C;
	float *partials = network->norm_partials + first / NORM_ROWS * 2 * C;
	memset(partials, 0, 2 * C * sizeof *partials);
	network->kernels->layer_norm_backward(gradient->dx + at, partials, partials + C, gradient->dy + at, norm->x + at,
		norm->mean + first, norm->rstd + first, network->parameters->values + norm->weight, rows, C);
	if (gradient->dropout->probability > 0)
		network->kernels->dropout_backward(network->branch.fp32 + at, gradient->dx + at, rows * C, gradient->dropout,
			at);
	round_rows(network, behind_dropout(gradient), first, rows, C);
}

struct matrix norm_backward(struct network *network, const struct norm *norm, float *dx, const float *dy, size_t rows,
	const struct dropout *dropout, float *gradients) {
	struct norm_gradient gradient = { network, norm, dx, dy, dropout };
	size_t C = network->C, blocks = (rows + NORM_ROWS - 1) / NORM_ROWS;
	run_rows(network, rows, NORM_ROWS, norm_rows_backward, &gradient);
	column_sums(network, gradients + norm->weight, network->norm_partials, blocks, C, 2 * C);
	column_sums(network, gradients + norm->bias, network->norm_partials + C, blocks, C, 2 * C);
	return behind_dropout(&gradient);
}

/* ---- dropout ------------------------------------------------------------------------------------------- */

struct dropout hidden_dropout(const struct network *network, uint32_t site) {
	return (struct dropout){ network->seed, network->pass, site, network->training ? network->hidden_dropout : 0 };
}

struct dropout attention_dropout(const struct network *network, uint32_t site) {
	return (struct dropout){ network->seed, network->pass, site, network->training ? network->attention_dropout : 0 };
}
