/* head_classifier: a dense layer with an activation, dropout, and the logits of K labels, on the state at [CLS].
 *
 *     distilbert  h[0] -> pre_classifier [C, C] -> ReLU -> dropout -> classifier [K, C]
 *     bert        h[0] -> bert.pooler.dense [C, C] -> tanh -> dropout -> classifier [K, C]
 *
 * h[0] is the last layer's state at a record's first token, the only row that is computed of it. Source: Devlin et
 * al. 2018, section 4.1; modeling_bert.py and modeling_distilbert.py of transformers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/classifier.h"

enum { POOLER_WEIGHT, POOLER_BIAS, CLASSIFIER_WEIGHT, CLASSIFIER_BIAS, TENSORS };

struct head {
	const struct compute *compute;
	struct classifier classifier;
	struct dense pooler, output;
	size_t C, K;
	int32_t *starts;    /* [B + 1] of one row each */
	size_t capacity;

	/* Of the pass at hand. */
	size_t B;
	float *pooled;      /* [B, C] behind the activation */
	float *dropped;     /* [B, C] behind the dropout */
	float *logits;      /* [B, K], then their gradient */
	float *dpooled;     /* [B, C] */
};

static const char *const names[2][TENSORS] = {
	[MODEL_DISTILBERT] = { "pre_classifier.weight", "pre_classifier.bias", "classifier.weight", "classifier.bias" },
	[MODEL_BERT] = { "bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias" },
};

static size_t list_tensors(const struct config *config, struct head_tensor tensors[MAX_HEAD_TENSORS]) {
	size_t C = config->hidden_size, K = config->num_labels;
	const struct head_tensor shapes[TENSORS] = {
		[POOLER_WEIGHT] = { .rows = C, .columns = C, .fill = FILL_NORMAL, .decays = true },
		[POOLER_BIAS] = { .rows = C, .fill = FILL_ZEROS },
		[CLASSIFIER_WEIGHT] = { .rows = K, .columns = C, .fill = FILL_NORMAL, .decays = true },
		[CLASSIFIER_BIAS] = { .rows = K, .fill = FILL_ZEROS },
	};
	for (size_t i = 0; i < TENSORS; i++) {
		tensors[i] = shapes[i];
		tensors[i].name = names[config->model_type][i];
	}
	return TENSORS;
}

static struct head *create(const struct compute *compute, const void *options) {
	const struct parameters *p = compute->parameters;
	struct head *head = allocate(1, sizeof *head);
	head->compute = compute;
	head->classifier = classifier_create(compute, options);
	head->pooler = dense_layer(parameters_find(p, ROLE_HEAD, POOLER_WEIGHT),
		parameters_find(p, ROLE_HEAD, POOLER_BIAS), 1);
	head->output = dense_layer(parameters_find(p, ROLE_HEAD, CLASSIFIER_WEIGHT),
		parameters_find(p, ROLE_HEAD, CLASSIFIER_BIAS), 1);
	head->C = p->config.hidden_size;
	head->K = p->config.num_labels;
	return head;
}

static void free_head(struct head *head) {
	free(head->starts);
	free(head);
}

static void count(const struct head *head, const struct examples *examples, struct totals *totals) {
	classifier_count(&head->classifier, examples, totals);
}

/* The first row of each record. */
static void want(struct head *head, const struct examples *examples, struct wanted *wanted) {
	head->B = examples->B;
	if (head->B >= head->capacity)
		head->starts = grow(head->starts, head->capacity = 2 * head->B + 1, sizeof *head->starts);
	for (size_t b = 0; b <= head->B; b++)
		head->starts[b] = (int32_t)b;
	*wanted = (struct wanted){ head->B, examples->starts, head->starts };
}

static void lay_out(struct head *head, struct arena *arena, struct arena_range between) {
	(void)between;
	head->pooled = arena_take(arena, head->B * head->C);
	head->dropped = arena_take(arena, head->B * head->C);
	head->logits = arena_take(arena, head->B * head->K);
	if (head->compute->gradients != NULL)
		head->dpooled = arena_take(arena, head->B * head->C);
}

static void pool_rows(void *context, size_t first, size_t rows) {
	struct head *head = context;
	const struct compute *compute = head->compute;
	size_t at = first * head->C, count = rows * head->C;
	float *y = head->pooled + at;
	for (size_t i = 0; i < count; i++)
		y[i] = compute->parameters->config.model_type == MODEL_BERT ? tanhf(y[i]) : fmaxf(y[i], 0);
	const struct dropout dropout = head_dropout(compute, 0);
	memcpy(head->dropped + at, y, count * sizeof *y);
	compute->kernels->dropout_add(head->dropped + at, NULL, count, &dropout, at);
}

static void write_logits(struct head *head, const struct head_pass *pass, float *logits) {
	const struct matrix states = float_matrix(pass->rows.fp32, pass->rows.stride);
	dense_forward(head->compute, &head->pooler, float_matrix(head->pooled, head->C), states, head->B,
		(struct after){ pool_rows, head });
	dense_forward(head->compute, &head->output, float_matrix(logits, head->K), float_matrix(head->dropped, head->C), head->B,
		(struct after){ 0 });
}

/* From the gradient of the dropout's output to that of the activation's input: tanh' = 1 - tanh^2; ReLU' = 1 above 0.
 * */
static void pool_rows_backward(void *context, size_t first, size_t rows) {
	struct head *head = context;
	const struct compute *compute = head->compute;
	size_t at = first * head->C, count = rows * head->C;
	const float *y = head->pooled + at;
	float *dy = head->dpooled + at;
	const struct dropout dropout = head_dropout(compute, 0);
	compute->kernels->dropout_backward(dy, dy, count, &dropout, at);
	for (size_t i = 0; i < count; i++)
		dy[i] *= compute->parameters->config.model_type == MODEL_BERT ? 1 - y[i] * y[i] : y[i] > 0 ? 1 : 0;
}

static void backward(struct head *head, const struct head_pass *pass) {
	const struct compute *compute = head->compute;
	const struct matrix dlogits = float_matrix(head->logits, head->K), dpooled = float_matrix(head->dpooled, head->C);
	dense_backward_parameters(compute, &head->output, dlogits, float_matrix(head->dropped, head->C), head->B);
	dense_backward_input(compute, &head->output, dpooled, dlogits, head->B, (struct after){ pool_rows_backward, head });
	dense_backward_parameters(compute, &head->pooler, dpooled, float_matrix(pass->rows.fp32, pass->rows.stride), head->B);
	if (pass->drows != NULL)
		dense_backward_input(compute, &head->pooler, float_matrix(pass->drows, head->C), dpooled, head->B,
			(struct after){ 0 });
}

static struct loss loss(struct head *head, const struct head_pass *pass) {
	write_logits(head, pass, head->logits);
	struct loss loss = classifier_loss(&head->classifier, pass, head->logits);
	if (head->compute->gradients != NULL)
		backward(head, pass);
	return loss;
}

static size_t width(const struct head *head) {
	return head->K;
}

const struct head_class classifier_head = {
	.layout = {
		.task = "classifier",
		.architectures = { [MODEL_DISTILBERT] = "DistilBertForSequenceClassification",
			[MODEL_BERT] = "BertForSequenceClassification" },
		.left_aside = (const char *const[]){ "cls.", "vocab_transform.", "vocab_layer_norm.", "vocab_projector.",
			NULL },
		.tensors = list_tensors,
	},
	.configure = classifier_configure,
	.create = create,
	.free = free_head,
	.count = count,
	.want = want,
	.lay_out = lay_out,
	.loss = loss,
	.width = width,
	.logits = write_logits,
};
