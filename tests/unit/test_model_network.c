/* test_model_network: the results of the network do not depend on threads, batches or what a stream leaves out, and its
 * losses, ranks and logits agree. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "model/classifier.h"
#include "networks.h"

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

static void passes_add_up(void **state) {
	(void)state;
	struct larger larger = make_larger(2);
	assert_true(totals_of(larger.trained.network, &larger.examples).of[0] == (double)LARGER_M);
	check_passes(&larger.trained, &larger.examples, LARGER_B / 4);
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

static size_t records_of(const struct examples *examples) {
	return examples->B;
}

/* Records 3 up to 9, and 2 up to 5 of those, in the arrays of the whole batch and copied to arrays of their own. `items`
 * counts what has a loss of its own. */
static void check_slices(const struct head_class *class, const void *options, size_t (*items)(const struct examples *),
	enum precision precision) {
	struct batch_arrays arrays = larger_batch();
	struct trained trained = make_trained(larger_config(MODEL_BERT), class, options, 2);
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
		assert_true(network_loss(trained.network, &slice, losses, NULL)
			== network_loss(trained.network, &copy.examples, copied, NULL));
		assert_memory_equal(losses, copied, items(&slice) * sizeof *losses);
		free_arrays(&copy);
	}
	blocks_free(of_slice);
	free_trained(&trained);
	free_arrays(&arrays);
}

static void slices_are_batches(void **state) {
	(void)state;
	const struct probe_options first_rows = { .first_rows = true };
	const struct classifier_options weighted = { .class_weights = (const float[]){ 0.5f, 3, 1.25f }, .weight_count = 3,
		.label_smoothing = 0.2 };
	check_slices(&masked_lm_head, NULL, examples_labels, PRECISION_FP32);
	check_slices(&masked_lm_head, NULL, examples_labels, PRECISION_BF16);
	check_slices(&probe_head, NULL, examples_rows, PRECISION_FP32);
	check_slices(&probe_head, NULL, examples_rows, PRECISION_BF16);
	check_slices(&probe_head, &first_rows, records_of, PRECISION_FP32);
	check_slices(&classifier_head, &weighted, records_of, PRECISION_FP32);
	check_slices(&pooled_classifier_head, NULL, records_of, PRECISION_FP32);
	check_slices(&pooled_classifier_head, NULL, records_of, PRECISION_BF16);
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
