/* head_pooled_classifier: the classifier of ULMFiT, on states pooled over time.
 *
 *     x = [h at the last attended token, maximum over attended tokens, mean over attended tokens]      [B, 3 C]
 *     logits = linear2(dropout(norm2(relu(linear1(dropout(norm1(x)))))))                               [B, K]
 *
 * The maximum's gradient goes to the first token that has it. A batch norm (Ioffe and Szegedy 2015) takes the mean
 * and the biased variance of a pass's records in training, and the running ones in evaluation. Each pass with
 * gradients moves the running ones by a tenth towards its own, the variance unbiased, as torch.nn.BatchNorm1d does;
 * the tensors of the model follow when the step ends, so that a step that is given up leaves none of it. Source:
 * Howard and Ruder 2018, section 3.3. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/classifier.h"

enum { NORM1_WEIGHT, NORM1_BIAS, NORM1_MEAN, NORM1_VARIANCE, LINEAR1_WEIGHT, LINEAR1_BIAS, NORM2_WEIGHT, NORM2_BIAS,
	NORM2_MEAN, NORM2_VARIANCE, LINEAR2_WEIGHT, LINEAR2_BIAS, TENSORS };
enum { COLUMNS = 64, POOL_RECORDS = 1 }; /* of a task */
#define NORM_EPSILON 1e-5
#define NORM_MOMENTUM 0.1

/* A batch norm of B rows of some columns. */
struct batch_norm {
	const struct compute *compute;
	const struct parameter *weight, *bias, *mean, *variance;
	size_t columns;
	float *moved_mean, *moved_variance; /* [columns] the running statistics, as this step's passes moved them */
	uint32_t site;                      /* of the dropout that follows */

	/* Of the pass at hand. */
	size_t B;
	float *x, *dx;                      /* [B, columns] the input, and its gradient */
	float *y;                           /* [B, columns] behind the dropout */
	float *centre, *scale;              /* [columns] what is taken away, and what that is then multiplied by */
};

struct head {
	const struct compute *compute;
	struct classifier classifier;
	struct batch_norm norm1, norm2;
	struct dense linear1, linear2;
	size_t C, K;
	bool moved;         /* a pass of this step has moved the running statistics */

	/* Of the pass at hand. */
	size_t B;
	const struct head_pass *pass;
	int32_t *maxima;    /* [B, C] rows, counted from the pass's first */
	float *logits;      /* [B, K], then their gradient */
};

/* ---- the tensors --------------------------------------------------------------------------------------- */

static size_t list_tensors(const struct config *config, struct head_tensor tensors[MAX_HEAD_TENSORS]) {
	size_t P = 3 * config->hidden_size, I = config->inner_size, K = config->num_labels;
	const struct head_tensor list[TENSORS] = {
		[NORM1_WEIGHT] = { .name = "ulmfit.norm1.weight", .rows = P, .fill = FILL_ONES },
		[NORM1_BIAS] = { .name = "ulmfit.norm1.bias", .rows = P, .fill = FILL_ZEROS },
		[NORM1_MEAN] = { .name = "ulmfit.norm1.running_mean", .rows = P, .fill = FILL_ZEROS, .is_statistic = true },
		[NORM1_VARIANCE] = { .name = "ulmfit.norm1.running_var", .rows = P, .fill = FILL_ONES, .is_statistic = true },
		[LINEAR1_WEIGHT] = { .name = "ulmfit.linear1.weight", .rows = I, .columns = P, .fill = FILL_NORMAL,
			.decays = true },
		[LINEAR1_BIAS] = { .name = "ulmfit.linear1.bias", .rows = I, .fill = FILL_ZEROS },
		[NORM2_WEIGHT] = { .name = "ulmfit.norm2.weight", .rows = I, .fill = FILL_ONES },
		[NORM2_BIAS] = { .name = "ulmfit.norm2.bias", .rows = I, .fill = FILL_ZEROS },
		[NORM2_MEAN] = { .name = "ulmfit.norm2.running_mean", .rows = I, .fill = FILL_ZEROS, .is_statistic = true },
		[NORM2_VARIANCE] = { .name = "ulmfit.norm2.running_var", .rows = I, .fill = FILL_ONES, .is_statistic = true },
		[LINEAR2_WEIGHT] = { .name = "ulmfit.linear2.weight", .rows = K, .columns = I, .fill = FILL_NORMAL,
			.decays = true },
		[LINEAR2_BIAS] = { .name = "ulmfit.linear2.bias", .rows = K, .fill = FILL_ZEROS },
	};
	memcpy(tensors, list, sizeof list);
	return TENSORS;
}

static const struct parameter *tensor_of(const struct compute *compute, size_t place) {
	return parameters_find(compute->parameters, ROLE_HEAD, place);
}

/* The tensors of a batch norm are four in a row. */
static struct batch_norm create_norm(const struct compute *compute, size_t weight, uint32_t site) {
	size_t columns = tensor_of(compute, weight)->elements;
	return (struct batch_norm){ .compute = compute, .weight = tensor_of(compute, weight),
		.bias = tensor_of(compute, weight + 1), .mean = tensor_of(compute, weight + 2),
		.variance = tensor_of(compute, weight + 3), .columns = columns,
		.moved_mean = allocate(columns, sizeof(float)), .moved_variance = allocate(columns, sizeof(float)),
		.site = site };
}

static struct head *create(const struct compute *compute, const void *options) {
	struct head *head = allocate(1, sizeof *head);
	head->compute = compute;
	head->classifier = classifier_create(compute, options);
	head->norm1 = create_norm(compute, NORM1_WEIGHT, 0);
	head->norm2 = create_norm(compute, NORM2_WEIGHT, 1);
	head->linear1 = dense_layer(tensor_of(compute, LINEAR1_WEIGHT), tensor_of(compute, LINEAR1_BIAS), 1);
	head->linear2 = dense_layer(tensor_of(compute, LINEAR2_WEIGHT), tensor_of(compute, LINEAR2_BIAS), 1);
	head->C = compute->parameters->config.hidden_size;
	head->K = compute->parameters->config.num_labels;
	return head;
}

static void free_head(struct head *head) {
	free(head->norm1.moved_mean);
	free(head->norm1.moved_variance);
	free(head->norm2.moved_mean);
	free(head->norm2.moved_variance);
	free(head);
}

/* ---- the pass ------------------------------------------------------------------------------------------ */

static void count(const struct head *head, const struct examples *examples, struct totals *totals) {
	classifier_count(&head->classifier, examples, totals);
}

static void want(struct head *head, const struct examples *examples, struct wanted *wanted) {
	head->B = examples->B;
	*wanted = (struct wanted){ examples_rows(examples), NULL, examples->starts };
}

static void lay_out_norm(struct batch_norm *norm, struct arena *arena, size_t B) {
	size_t count = B * norm->columns;
	norm->B = B;
	norm->x = arena_take(arena, count);
	norm->y = arena_take(arena, count);
	norm->centre = arena_take(arena, norm->columns);
	norm->scale = arena_take(arena, norm->columns);
	if (norm->compute->gradients != NULL)
		norm->dx = arena_take(arena, count);
}

static void lay_out(struct head *head, struct arena *arena, struct arena_range between) {
	(void)between;
	lay_out_norm(&head->norm1, arena, head->B);
	lay_out_norm(&head->norm2, arena, head->B);
	head->logits = arena_take(arena, head->B * head->K);
	if (head->compute->gradients != NULL)
		head->maxima = (int32_t *)(void *)arena_take(arena, head->B * head->C);
}

/* ---- pooling ------------------------------------------------------------------------------------------- */

/* The rows of record b, and how many of them are attended to. */
struct record_rows { size_t first, end, attended, last; };

static struct record_rows rows_of(const struct examples *examples, size_t b) {
	struct record_rows rows = { (size_t)(examples->starts[b] - examples->starts[0]),
		(size_t)(examples->starts[b + 1] - examples->starts[0]), 0, 0 };
	for (size_t row = rows.first; row < rows.end; row++)
		if (examples_attend(examples, row)) {
			rows.attended++;
			rows.last = row;
		}
	return rows;
}

/* Takes a row into a record's maximum, where it is greater, and its sum. */
static void pool_row(const float *h, float *maximum, float *sum, int32_t *maxima, size_t C, size_t row) {
	for (size_t c = 0; c < C; c++) {
		sum[c] += h[c];
		if (h[c] > maximum[c]) {
			maximum[c] = h[c];
			if (maxima != NULL)
				maxima[c] = (int32_t)row;
		}
	}
}

static void pool_records(void *context, size_t first, size_t records) {
	const struct head *head = context;
	const struct examples *examples = head->pass->examples;
	const struct matrix states = head->pass->rows;
	size_t C = head->C;
	for (size_t b = first; b < first + records; b++) {
		struct record_rows rows = rows_of(examples, b);
		float *last = head->norm1.x + b * 3 * C, *maximum = last + C, *mean = maximum + C;
		int32_t *maxima = head->compute->gradients != NULL ? head->maxima + b * C : NULL;
		memcpy(last, states.fp32 + rows.last * states.stride, C * sizeof *last);
		for (size_t c = 0; c < C; c++) {
			maximum[c] = -INFINITY;
			mean[c] = 0;
			if (maxima != NULL)
				maxima[c] = (int32_t)rows.last;
		}
		for (size_t row = rows.first; row < rows.end; row++)
			if (examples_attend(examples, row))
				pool_row(states.fp32 + row * states.stride, maximum, mean, maxima, C, row);
		for (size_t c = 0; c < C; c++)
			mean[c] /= (float)rows.attended;
	}
}

static void pool_records_backward(void *context, size_t first, size_t records) {
	const struct head *head = context;
	const struct examples *examples = head->pass->examples;
	size_t C = head->C;
	for (size_t b = first; b < first + records; b++) {
		struct record_rows rows = rows_of(examples, b);
		const float *dlast = head->norm1.dx + b * 3 * C, *dmaximum = dlast + C, *dmean = dmaximum + C;
		for (size_t row = rows.first; row < rows.end; row++)
			for (size_t c = 0; c < C; c++)
				head->pass->drows[row * C + c] = examples_attend(examples, row) ? dmean[c] / (float)rows.attended : 0;
		for (size_t c = 0; c < C; c++) {
			head->pass->drows[rows.last * C + c] += dlast[c];
			head->pass->drows[(size_t)head->maxima[b * C + c] * C + c] += dmaximum[c];
		}
	}
}

/* ---- batch norm ---------------------------------------------------------------------------------------- */

/* The mean and the sum of squared distances from it, of one column. */
static void column_statistics(const struct batch_norm *norm, size_t column, double *mean, double *squares) {
	*mean = *squares = 0;
	for (size_t b = 0; b < norm->B; b++)
		*mean += (double)norm->x[b * norm->columns + column];
	*mean /= (double)norm->B;
	for (size_t b = 0; b < norm->B; b++) {
		double distance = (double)norm->x[b * norm->columns + column] - *mean;
		*squares += distance * distance;
	}
}

static float moved(float running, double now) {
	return (float)((1 - NORM_MOMENTUM) * (double)running + NORM_MOMENTUM * now);
}

/* What one column is normalized by: its own statistics in training, the running ones otherwise. */
static void settle_column(struct batch_norm *norm, size_t column) {
	const struct parameters *parameters = norm->compute->parameters;
	double mean, squares, variance;
	if (norm->compute->gradients == NULL) {
		mean = (double)parameter_values(parameters, norm->mean)[column];
		variance = (double)parameter_values(parameters, norm->variance)[column];
	} else {
		column_statistics(norm, column, &mean, &squares);
		variance = squares / (double)norm->B;
		norm->moved_mean[column] = moved(norm->moved_mean[column], mean);
		norm->moved_variance[column] = moved(norm->moved_variance[column], squares / (double)(norm->B - 1));
	}
	norm->centre[column] = (float)mean;
	norm->scale[column] = (float)(1 / sqrt(variance + NORM_EPSILON));
}

static void normalize_columns(void *context, size_t first, size_t columns) {
	struct batch_norm *norm = context;
	const float *weight = parameter_values(norm->compute->parameters, norm->weight);
	const float *bias = parameter_values(norm->compute->parameters, norm->bias);
	for (size_t c = first; c < first + columns; c++)
		settle_column(norm, c);
	for (size_t b = 0; b < norm->B; b++)
		for (size_t c = first; c < first + columns; c++) {
			size_t at = b * norm->columns + c;
			norm->y[at] = (norm->x[at] - norm->centre[c]) * norm->scale[c] * weight[c] + bias[c];
		}
}

static void drop_rows(void *context, size_t first, size_t rows) {
	const struct batch_norm *norm = context;
	const struct dropout dropout = head_dropout(norm->compute, norm->site);
	size_t at = first * norm->columns;
	norm->compute->kernels->dropout_add(norm->y + at, NULL, rows * norm->columns, &dropout, at);
}

/* From x to y. */
static void batch_norm_forward(struct batch_norm *norm) {
	run_rows(norm->compute->pool, norm->columns, COLUMNS, normalize_columns, norm);
	run_rows(norm->compute->pool, norm->B, 1, drop_rows, norm);
}

/* One column of dx from dy, in dx. With xhat = (x - mean) scale, whose mean is 0 and whose variance is 1 but for
 * epsilon: dx = scale weight (dy - mean of dy - xhat mean of (dy xhat)). */
static void normalize_column_backward(const struct batch_norm *norm, size_t column) {
	const struct compute *compute = norm->compute;
	float *dweight = gradient_of(compute, norm->weight), *dbias = gradient_of(compute, norm->bias);
	double centre = (double)norm->centre[column], scale = (double)norm->scale[column], sum = 0, product = 0;
	double weight = (double)parameter_values(compute->parameters, norm->weight)[column], B = (double)norm->B;
	for (size_t b = 0, at = column; b < norm->B; b++, at += norm->columns) {
		sum += (double)norm->dx[at];
		product += (double)norm->dx[at] * ((double)norm->x[at] - centre) * scale;
	}
	for (size_t b = 0, at = column; b < norm->B; b++, at += norm->columns) {
		double xhat = ((double)norm->x[at] - centre) * scale;
		norm->dx[at] = (float)(scale * weight * ((double)norm->dx[at] - sum / B - xhat * product / B));
	}
	if (dweight != NULL)
		dweight[column] += (float)product;
	if (dbias != NULL)
		dbias[column] += (float)sum;
}

static void normalize_columns_backward(void *context, size_t first, size_t columns) {
	for (size_t c = first; c < first + columns; c++)
		normalize_column_backward(context, c);
}

static void drop_rows_backward(void *context, size_t first, size_t rows) {
	const struct batch_norm *norm = context;
	const struct dropout dropout = head_dropout(norm->compute, norm->site);
	size_t at = first * norm->columns;
	norm->compute->kernels->dropout_backward(norm->dx + at, norm->dx + at, rows * norm->columns, &dropout, at);
}

/* From the gradient of y, in dx, to that of x; adds to the gradients of the weight and the bias. */
static void batch_norm_backward(struct batch_norm *norm) {
	run_rows(norm->compute->pool, norm->B, 1, drop_rows_backward, norm);
	run_rows(norm->compute->pool, norm->columns, COLUMNS, normalize_columns_backward, norm);
}

/* The running statistics as they are before the first pass of a step. */
static void begin_moving(struct batch_norm *norm) {
	const struct parameters *parameters = norm->compute->parameters;
	memcpy(norm->moved_mean, parameter_values(parameters, norm->mean), norm->columns * sizeof(float));
	memcpy(norm->moved_variance, parameter_values(parameters, norm->variance), norm->columns * sizeof(float));
}

static void end_moving(struct batch_norm *norm) {
	const struct parameters *parameters = norm->compute->parameters;
	memcpy(parameter_values(parameters, norm->mean), norm->moved_mean, norm->columns * sizeof(float));
	memcpy(parameter_values(parameters, norm->variance), norm->moved_variance, norm->columns * sizeof(float));
}

static void end_step(struct head *head) {
	if (!head->moved)
		return;
	end_moving(&head->norm1);
	end_moving(&head->norm2);
	head->moved = false;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static void rectify_rows(void *context, size_t first, size_t rows) {
	const struct head *head = context;
	size_t columns = head->linear1.outputs;
	for (size_t i = first * columns; i < (first + rows) * columns; i++)
		head->norm2.x[i] = fmaxf(head->norm2.x[i], 0);
}

static void rectify_rows_backward(void *context, size_t first, size_t rows) {
	const struct head *head = context;
	size_t columns = head->linear1.outputs;
	for (size_t i = first * columns; i < (first + rows) * columns; i++)
		head->norm2.dx[i] = head->norm2.x[i] > 0 ? head->norm2.dx[i] : 0;
}

static void write_logits(struct head *head, const struct head_pass *pass, float *logits) {
	const struct compute *compute = head->compute;
	size_t P = head->norm1.columns, I = head->norm2.columns;
	head->pass = pass;
	run_rows(compute->pool, head->B, POOL_RECORDS, pool_records, head);
	batch_norm_forward(&head->norm1);
	dense_forward(compute, &head->linear1, float_matrix(head->norm2.x, I), float_matrix(head->norm1.y, P), head->B,
		(struct after){ rectify_rows, head });
	batch_norm_forward(&head->norm2);
	dense_forward(compute, &head->linear2, float_matrix(logits, head->K), float_matrix(head->norm2.y, I), head->B,
		(struct after){ 0 });
}

static void backward(struct head *head, const struct head_pass *pass) {
	const struct compute *compute = head->compute;
	const struct matrix dlogits = float_matrix(head->logits, head->K), d1 = float_matrix(head->norm1.dx, head->norm1.columns),
		d2 = float_matrix(head->norm2.dx, head->norm2.columns);
	dense_backward_parameters(compute, &head->linear2, dlogits, float_matrix(head->norm2.y, d2.stride), head->B);
	dense_backward_input(compute, &head->linear2, d2, dlogits, head->B, (struct after){ 0 });
	batch_norm_backward(&head->norm2);
	run_rows(compute->pool, head->B, 1, rectify_rows_backward, head);
	dense_backward_parameters(compute, &head->linear1, d2, float_matrix(head->norm1.y, d1.stride), head->B);
	dense_backward_input(compute, &head->linear1, d1, d2, head->B, (struct after){ 0 });
	batch_norm_backward(&head->norm1);
	if (pass->drows != NULL)
		run_rows(compute->pool, head->B, POOL_RECORDS, pool_records_backward, head);
}

static struct loss loss(struct head *head, const struct head_pass *pass) {
	bool training = head->compute->gradients != NULL;
	if (training && !head->moved) {
		begin_moving(&head->norm1);
		begin_moving(&head->norm2);
		head->moved = true;
	}
	write_logits(head, pass, head->logits);
	struct loss loss = classifier_loss(&head->classifier, pass, head->logits);
	if (training)
		backward(head, pass);
	return loss;
}

static size_t width(const struct head *head) {
	return head->K;
}

const struct head_class pooled_classifier_head = {
	.layout = {
		.task = "classifier on pooled states",
		.architectures = { [MODEL_DISTILBERT] = "DistilBertModel", [MODEL_BERT] = "BertModel" },
		.left_aside = (const char *const[]){ "pooler.", "cls.", "vocab_transform.", "vocab_layer_norm.",
			"vocab_projector.", NULL },
		.inner_weight = "ulmfit.linear1.weight",
		.tensors = list_tensors,
	},
	.couples_records = true,
	.configure = classifier_configure,
	.create = create,
	.free = free_head,
	.count = count,
	.want = want,
	.lay_out = lay_out,
	.loss = loss,
	.end_step = end_step,
	.width = width,
	.logits = write_logits,
};
