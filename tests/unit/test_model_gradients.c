/* test_model_gradients: each derivative of the network is compared with a central difference of the loss of a plain network
 * (plain_network.h). */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#include "plain_network.h"

static double *doubles(const float *x, size_t count) {
	double *y = calloc(count, sizeof *y);
	for (size_t i = 0; i < count; i++)
		y[i] = (double)x[i];
	return y;
}

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
		cmocka_unit_test(gradients_of_classifiers),
		cmocka_unit_test(gradients_of_records_of_one_token),
		cmocka_unit_test(padding_embedding_learns_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
