/* networks: small models with random weights, batches for them, the answers of a teacher, and a head for tests. */
#ifndef CLOZE_TESTS_UNIT_NETWORKS_H
#define CLOZE_TESTS_UNIT_NETWORKS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/memory.h"
#include "math/random.h"
#include "model/network.h"

/* The tensors of a masked language model's head, as it numbers them. */
enum { TRANSFORM_WEIGHT, TRANSFORM_BIAS, HEAD_NORM_WEIGHT, HEAD_NORM_BIAS, DECODER_WEIGHT, DECODER_BIAS };

static inline struct config tiny_config(enum model_type type) {
	return (struct config){ .model_type = type, .vocab_size = 19, .max_position_embeddings = 7,
		.type_vocab_size = type == MODEL_BERT ? 2 : 0, .hidden_size = 6, .num_hidden_layers = 2,
		.num_attention_heads = 2, .intermediate_size = 10, .hidden_act = ACTIVATION_GELU, .layer_norm_eps = 1e-12f,
		.initializer_range = 0.02f, .tie_word_embeddings = true, .num_labels = 3, .inner_size = 5,
		.json = json_object() };
}

/* Every number random, norms around 1. */
static inline struct parameters *random_model(struct config config, const struct head_class *class) {
	struct parameters *p = parameters_create(&config, &class->layout);
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *parameter = &p->table[i];
		float *values = parameter_values(p, parameter);
		random_normal(3, i, 0.4f, values, parameter->elements);
		for (size_t j = 0; parameter->fill == FILL_ONES && j < parameter->elements; j++)
			values[j] += 1;
	}
	return p;
}

/* Adds every group that has no memory yet, with all its tensors except running statistics. */
static inline void blocks_add_all(struct blocks *blocks) {
	const struct parameters *parameters = blocks->parameters;
	bool *trains = allocate(parameters->count, sizeof *trains);
	for (size_t i = 0; i < parameters->count; i++)
		trains[i] = !parameters->table[i].is_statistic;
	for (size_t g = 0; g < parameters->group_count; g++)
		blocks_add_group(blocks, g, trains);
	free(trains);
}

/* A network, and gradients of every tensor. */
struct trained {
	struct parameters *p;
	struct pool *pool;
	struct network *network;
	struct blocks *gradients;
};

static inline struct trained make_trained(struct config config, const struct head_class *class, const void *options,
	int threads) {
	struct trained trained = { .p = random_model(config, class), .pool = pool_create(threads, &(struct failure){ 0 }) };
	trained.network = network_create(trained.p, class, options, trained.pool);
	trained.gradients = blocks_create(trained.p);
	blocks_add_all(trained.gradients);
	return trained;
}

static inline void free_trained(struct trained *trained) {
	blocks_free(trained->gradients);
	network_free(trained->network);
	pool_destroy(trained->pool);
	parameters_free(trained->p);
}

/* What the loss of a step of these examples alone is divided by. */
static inline struct totals totals_of(const struct network *network, const struct examples *examples) {
	struct totals totals = { { 0 } };
	network_count(network, examples, &totals);
	return totals;
}

/* The gradients of a step of these examples alone, from zero, as pass `pass`. Returns the loss. */
static inline double gradients_of(const struct trained *trained, const struct examples *examples, uint64_t pass) {
	const struct totals totals = totals_of(trained->network, examples);
	blocks_zero(trained->gradients, trained->pool);
	return network_gradients(trained->network, examples, pass, &totals, trained->gradients).value;
}

static inline double norm_of(const float *x, size_t count) {
	return sqrt(kernels()->sum_of_squares(x, count));
}

/* More blocks, for other gradients. blocks_free() releases them. */
static inline struct blocks *other_gradients(const struct trained *trained) {
	struct blocks *blocks = blocks_create(trained->p);
	blocks_add_all(blocks);
	return blocks;
}

/* The gradients of the batch in passes of `records` records each add up to those of the whole. */
static inline void check_passes(const struct trained *trained, const struct examples *examples, size_t records) {
	const struct totals totals = totals_of(trained->network, examples);
	struct blocks *whole = trained->gradients, *sum = other_gradients(trained);
	double loss = gradients_of(trained, examples, 0), losses = 0;
	for (size_t first = 0; first < examples->B; first += records) {
		const struct examples part = examples_slice(examples, first, records);
		losses += network_gradients(trained->network, &part, 0, &totals, sum).value;
	}
	assert_true(fabs(losses - loss) < 1e-6 * loss);
	for (size_t i = 0; i < trained->p->count; i++) {
		size_t elements = trained->p->table[i].elements;
		for (size_t j = 0; j < elements; j++)
			sum->of[i][j] -= whole->of[i][j];
		assert_true(norm_of(sum->of[i], elements) <= 1e-5 * norm_of(whole->of[i], elements) + 1e-6);
	}
	blocks_free(sum);
}

/* ---- batches ------------------------------------------------------------------------------------------- */

/* Examples that own their arrays, so that tests can change them. */
struct batch_arrays {
	int32_t *starts, *input_ids, *positions, *token_type_ids, *label_starts, *labelled, *labels;
	int32_t *classes;
	uint8_t *attended;
	struct examples examples;
};

static inline void *copy_array(const void *from, size_t count, size_t size) {
	void *copy = allocate(count, size);
	return from != NULL && count > 0 ? memcpy(copy, from, count * size) : copy;
}

/* A copy whose records, rows and labels count from 0. It shows no types, attention or classes where the original has
 * none. */
static inline struct batch_arrays copy_examples(const struct examples *from) {
	size_t B = from->B, N = examples_rows(from), M = examples_labels(from);
	struct batch_arrays to = { copy_array(from->starts, B + 1, sizeof(int32_t)),
		copy_array(from->input_ids, N, sizeof(int32_t)), copy_array(from->positions, N, sizeof(int32_t)),
		copy_array(from->token_type_ids, N, sizeof(int32_t)), copy_array(from->label_starts, B + 1, sizeof(int32_t)),
		copy_array(from->labelled, M, sizeof(int32_t)), copy_array(from->labels, M, sizeof(int32_t)),
		copy_array(from->classes, B, sizeof(int32_t)), copy_array(from->attended, N, 1), { .B = B } };
	for (size_t m = 0; m < M; m++)
		to.labelled[m] -= from->starts[0];
	for (size_t b = B + 1; b-- > 0;) {
		to.starts[b] -= to.starts[0];
		to.label_starts[b] -= to.label_starts[0];
	}
	to.examples = (struct examples){ .B = B, .starts = to.starts, .input_ids = to.input_ids, .positions = to.positions,
		.token_type_ids = from->token_type_ids != NULL ? to.token_type_ids : NULL,
		.attended = from->attended != NULL ? to.attended : NULL, .label_starts = to.label_starts, .labelled = to.labelled,
		.labels = to.labels, .classes = from->classes != NULL ? to.classes : NULL };
	return to;
}

static inline void free_arrays(struct batch_arrays *arrays) {
	free(arrays->starts);
	free(arrays->input_ids);
	free(arrays->positions);
	free(arrays->token_type_ids);
	free(arrays->label_starts);
	free(arrays->labelled);
	free(arrays->labels);
	free(arrays->classes);
	free(arrays->attended);
}

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

/* Several blocks of everything that is cut into blocks: 20 records of up to 60 tokens, 600 labels, one at every second
 * place. Every third record attends to its first 47 tokens only; those behind have a row where they have a label. */
enum { LARGER_B = 20, LARGER_T = 60, LARGER_M = 600, LARGER_V = 300, LARGER_C = 72, LARGER_ATTENDED = 47 };

static inline struct config larger_config(enum model_type type) {
	struct config config = tiny_config(type);
	config.vocab_size = LARGER_V;
	config.max_position_embeddings = LARGER_T;
	config.hidden_size = LARGER_C;
	config.num_attention_heads = 3;
	config.intermediate_size = 130;
	return config;
}

static inline struct batch_arrays larger_batch(void) {
	enum { B = LARGER_B, T = LARGER_T, V = LARGER_V };
	static int32_t starts[B + 1], ids[B * T], positions[B * T], types[B * T], label_starts[B + 1], labelled[LARGER_M],
		labels[LARGER_M], classes[B];
	static uint8_t attended[B * T];
	int32_t row = 0, m = 0;
	for (int32_t b = 0; b < B; b++) {
		for (int32_t t = 0; t < T; t++) {
			bool seen = b % 3 != 1 || t < LARGER_ATTENDED, has_label = t % 2 == 0;
			if (!seen && !has_label)
				continue;
			ids[row] = ((b * T + t) * 7919 + 13) % V;
			positions[row] = t;
			types[row] = t > b;
			attended[row] = seen;
			if (has_label) {
				labelled[m] = row;
				labels[m] = (m * 104729 + 5) % V;
				m++;
			}
			row++;
		}
		classes[b] = b * b % 3;
		starts[b + 1] = row;
		label_starts[b + 1] = m;
	}
	const struct examples examples = { .B = B, .starts = starts, .input_ids = ids, .positions = positions,
		.token_type_ids = types, .attended = attended, .label_starts = label_starts, .labelled = labelled,
		.labels = labels, .classes = classes };
	return copy_examples(&examples);
}

/* ---- a teacher ----------------------------------------------------------------------------------------- */

/* Random answers of a teacher for up to `rows` rows and as many labels; K logits of each. */
struct answers {
	float *logits, *rest, *hidden_states;
	int32_t *ids;
	struct teacher_answers show;
};

static inline struct answers make_answers(const struct config *config, size_t rows, size_t K) {
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

static inline void free_answers(struct answers *answers) {
	free(answers->logits);
	free(answers->rest);
	free(answers->hidden_states);
	free(answers->ids);
}

/* ---- the probe ----------------------------------------------------------------------------------------- */

/* A head whose loss is a linear function of the encoder's rows x: the mean over what it wants of the sum over c of
 * a(row, c) w[c] x[row, c], with numbers a of the row's token and position. It wants all rows, as NULL, or the first
 * row of each record. */
struct probe_options { bool first_rows; };

struct head {
	const struct compute *compute;
	const struct parameter *weight;
	bool first_rows;
	size_t C;
	const int32_t *rows; /* of the pass at hand: those that are wanted; NULL: all */
	size_t R;
	int32_t *starts;     /* [B + 1] for first_rows: one each */
	float *products;     /* [R] */
};

/* a(row, c), for row n of the examples. */
static inline double probe_factor(const struct examples *examples, size_t n, size_t c) {
	return (double)((examples->input_ids[n] * 31 + examples->positions[n] * 17 + (int32_t)c * 7) % 23) / 11 - 1;
}

static inline size_t probe_tensors(const struct config *config, struct head_tensor tensors[MAX_HEAD_TENSORS]) {
	tensors[0] = (struct head_tensor){ .name = "probe.weight", .rows = config->hidden_size, .fill = FILL_ONES };
	return 1;
}

static inline struct head *probe_create(const struct compute *compute, const void *options) {
	const struct probe_options *probe = options;
	struct head *head = allocate(1, sizeof *head);
	*head = (struct head){ .compute = compute, .weight = parameters_find(compute->parameters, ROLE_HEAD, 0),
		.first_rows = probe != NULL && probe->first_rows, .C = compute->parameters->config.hidden_size };
	return head;
}

static inline void probe_free(struct head *head) {
	free(head->starts);
	free(head);
}

static inline void probe_count(const struct head *head, const struct examples *examples, struct totals *totals) {
	totals->of[0] += (double)(head->first_rows ? examples->B : examples_rows(examples));
}

static inline void probe_want(struct head *head, const struct examples *examples, struct wanted *wanted) {
	head->rows = NULL;
	head->R = examples_rows(examples);
	*wanted = (struct wanted){ head->R, NULL, examples->starts };
	if (!head->first_rows)
		return;
	head->starts = grow(head->starts, examples->B + 1, sizeof *head->starts);
	for (size_t b = 0; b <= examples->B; b++)
		head->starts[b] = (int32_t)b + 3; /* only their differences count */
	head->rows = examples->starts;
	head->R = examples->B;
	*wanted = (struct wanted){ head->R, head->rows, head->starts };
}

static inline void probe_lay_out(struct head *head, struct arena *arena, struct arena_range between) {
	(void)between;
	head->products = arena_take(arena, head->R);
}

/* Which row of the examples row r of those that are wanted is. */
static inline size_t probe_row(const struct head *head, const struct examples *examples, size_t r) {
	return head->rows != NULL ? (size_t)(head->rows[r] - examples->starts[0]) : r;
}

static inline struct loss probe_loss(struct head *head, const struct head_pass *pass) {
	const float *w = parameter_values(head->compute->parameters, head->weight);
	float *dw = gradient_of(head->compute, head->weight);
	double sum = 0, total = pass->totals->of[0];
	for (size_t r = 0; r < head->R; r++) {
		const float *x = pass->rows.fp32 + r * head->C;
		size_t n = probe_row(head, pass->examples, r);
		head->products[r] = 0;
		for (size_t c = 0; c < head->C; c++) {
			float a = (float)probe_factor(pass->examples, n, c);
			head->products[r] += a * w[c] * x[c];
			if (dw != NULL)
				dw[c] += a * x[c] / (float)total;
			if (pass->drows != NULL)
				pass->drows[r * head->C + c] = a * w[c] / (float)total;
		}
		sum += (double)head->products[r];
		if (pass->losses != NULL)
			pass->losses[r] = head->products[r];
	}
	return (struct loss){ sum / total, { sum / total } };
}

static inline size_t probe_width(const struct head *head) {
	return head->C;
}

static inline void probe_logits(struct head *head, const struct head_pass *pass, float *logits) {
	for (size_t i = 0; i < head->R * head->C; i++)
		logits[i] = pass->rows.fp32[i];
}

static const struct head_class probe_head = {
	.layout = { .task = "probe", .left_aside = (const char *const[]){ NULL }, .tensors = probe_tensors },
	.create = probe_create,
	.free = probe_free,
	.count = probe_count,
	.want = probe_want,
	.lay_out = probe_lay_out,
	.loss = probe_loss,
	.width = probe_width,
	.logits = probe_logits,
};

#endif
