/* test_model_classifier: the heads of classifiers: running statistics, threads, the labels of a configuration, and
 * which head a folder has. (test_model_gradients.c tests their gradients.) */
#include "test.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/classifier.h"
#include "model/parameters_file.h"
#include "networks.h"

enum { NORM1_MEAN = 2, NORM1_VARIANCE, NORM2_MEAN = 8, NORM2_VARIANCE };

static void assert_near(double value, double expected, double tolerance) {
	if (!(fabs(value - expected) <= tolerance))
		fail_msg("%.12g, expected %.12g", value, expected);
}

static float *tensor(const struct trained *trained, size_t place) {
	return parameter_values(trained->p, parameters_find(trained->p, ROLE_HEAD, place));
}

/* The encoder's states of all rows, which are what the probe gives for logits. free() releases them. */
static double *states_of(const struct examples *examples, struct config config, const struct parameters *like) {
	struct trained probe = make_trained(config, &probe_head, NULL, 1);
	size_t count = examples_rows(examples) * config.hidden_size;
	float *rows = allocate(count, sizeof *rows);
	double *states = allocate(count, sizeof *states);
	const struct parameter *first_of_head = &probe.p->table[probe.p->groups[head_group(probe.p)].first];
	memcpy(probe.p->values, like->values, first_of_head->offset * sizeof *probe.p->values);
	network_logits(probe.network, examples, rows);
	for (size_t i = 0; i < count; i++)
		states[i] = (double)rows[i];
	free(rows);
	free_trained(&probe);
	return states;
}

/* The mean, over tokens that are attended to, of column c in the states of record b. */
static double mean_state(const struct examples *examples, const double *states, size_t C, size_t b, size_t c) {
	double sum = 0, count = 0;
	for (int32_t n = examples->starts[b]; n < examples->starts[b + 1]; n++)
		if (examples->attended == NULL || examples->attended[n]) {
			sum += states[(size_t)n * C + c];
			count++;
		}
	return sum / count;
}

/* A pass moves the statistics by a tenth, the variance unbiased; the model has them when the step ends, and not
 * before. */
static void statistics_move_by_a_tenth(void **state) {
	(void)state;
	struct config config = larger_config(MODEL_BERT);
	struct batch_arrays arrays = larger_batch();
	struct trained trained = make_trained(config, &pooled_classifier_head, NULL, 2);
	config.json = json_object();
	size_t C = LARGER_C, at = 2 * C + 5, B = LARGER_B; /* of a column of means */
	double *states = states_of(&arrays.examples, config, trained.p), mean = 0, squares = 0;
	for (size_t b = 0; b < B; b++)
		mean += mean_state(&arrays.examples, states, C, b, 5) / (double)B;
	for (size_t b = 0; b < B; b++)
		squares += pow(mean_state(&arrays.examples, states, C, b, 5) - mean, 2);
	double before[] = { (double)tensor(&trained, NORM1_MEAN)[at], (double)tensor(&trained, NORM1_VARIANCE)[at] };

	gradients_of(&trained, &arrays.examples, 0);
	assert_near((double)tensor(&trained, NORM1_MEAN)[at], before[0], 0);
	network_end_step(trained.network);
	double once[] = { 0.9 * before[0] + 0.1 * mean, 0.9 * before[1] + 0.1 * squares / (double)(B - 1) };
	assert_near((double)tensor(&trained, NORM1_MEAN)[at], once[0], 1e-5);
	assert_near((double)tensor(&trained, NORM1_VARIANCE)[at], once[1], 1e-5);

	/* Two passes of one step, and evaluations, which move nothing. */
	gradients_of(&trained, &arrays.examples, 1);
	gradients_of(&trained, &arrays.examples, 2);
	network_loss(trained.network, &arrays.examples, NULL, NULL);
	network_end_step(trained.network);
	network_end_step(trained.network);
	assert_near((double)tensor(&trained, NORM1_MEAN)[at], 0.81 * once[0] + 0.19 * mean, 1e-5);
	assert_near((double)tensor(&trained, NORM1_VARIANCE)[at], 0.81 * once[1] + 0.19 * squares / (double)(B - 1), 1e-5);
	free(states);
	free_trained(&trained);
	free_arrays(&arrays);
}

/* Evaluation takes the running statistics, so what else is in the batch does not matter. */
static void evaluation_is_by_record(void **state) {
	static const struct head_class *const heads[] = { &classifier_head, &pooled_classifier_head };
	enum { K = 3 };
	(void)state;
	for (size_t h = 0; h < 2; h++) {
		struct batch_arrays arrays = larger_batch();
		struct trained trained = make_trained(larger_config(MODEL_DISTILBERT), heads[h], NULL, 2);
		float all[LARGER_B * K], one[K], losses[LARGER_B];
		int32_t ranks[LARGER_B];
		for (size_t c = 0; h == 1 && c < trained.p->config.inner_size; c++)
			tensor(&trained, NORM2_VARIANCE)[c] = fabsf(tensor(&trained, NORM2_VARIANCE)[c]);
		for (size_t c = 0; h == 1 && c < 3 * LARGER_C; c++)
			tensor(&trained, NORM1_VARIANCE)[c] = fabsf(tensor(&trained, NORM1_VARIANCE)[c]);
		network_logits(trained.network, &arrays.examples, all);
		network_loss(trained.network, &arrays.examples, losses, ranks);
		for (size_t b = 0; b < LARGER_B; b++) {
			const struct examples record = examples_slice(&arrays.examples, b, 1);
			int32_t label = arrays.classes[b], rank = 0;
			double sum = 0;
			network_logits(trained.network, &record, one);
			for (int32_t c = 0; c < K; c++) {
				assert_near((double)one[c], (double)all[b * K + (size_t)c], 1e-4);
				sum += exp((double)one[c]);
				rank += one[c] > one[label];
			}
			assert_near((double)losses[b], log(sum) - (double)one[label], 1e-4);
			assert_int_equal(ranks[b], rank);
		}
		free_trained(&trained);
		free_arrays(&arrays);
	}
}

static void threads_change_no_bit(void **state) {
	static const struct head_class *const heads[] = { &classifier_head, &pooled_classifier_head };
	(void)state;
	for (size_t h = 0; h < 2; h++) {
		struct batch_arrays arrays = larger_batch();
		struct trained one = make_trained(larger_config(MODEL_BERT), heads[h], NULL, 1);
		struct trained four = make_trained(larger_config(MODEL_BERT), heads[h], NULL, 4);
		network_set_dropout(one.network, 0.1f, 0.1f, 3);
		network_set_dropout(four.network, 0.1f, 0.1f, 3);
		network_set_head_dropout(one.network, 0.3f);
		network_set_head_dropout(four.network, 0.3f);
		assert_true(gradients_of(&one, &arrays.examples, 7) == gradients_of(&four, &arrays.examples, 7));
		network_end_step(one.network);
		network_end_step(four.network);
		for (size_t i = 0; i < one.p->count; i++) {
			size_t bytes = one.p->table[i].elements * sizeof(float);
			if (one.gradients->of[i] != NULL)
				assert_memory_equal(one.gradients->of[i], four.gradients->of[i], bytes);
			assert_memory_equal(parameter_values(one.p, &one.p->table[i]), parameter_values(four.p, &four.p->table[i]),
				bytes);
		}
		free_trained(&one);
		free_trained(&four);
		free_arrays(&arrays);
	}
}

/* Labels of weight 0 alone have no loss, and no gradient. */
static void weightless_labels(void **state) {
	(void)state;
	const struct classifier_options options = { .class_weights = (const float[]){ 0, 0, 0 }, .weight_count = 3 };
	struct batch_arrays arrays = larger_batch();
	struct trained trained = make_trained(larger_config(MODEL_BERT), &classifier_head, &options, 1);
	size_t element;
	assert_true(gradients_of(&trained, &arrays.examples, 0) == 0);
	assert_null(blocks_not_finite(trained.gradients, &element));
	free_trained(&trained);
	free_arrays(&arrays);
}

/* ---- configurations ------------------------------------------------------------------------------------ */

static char folder[] = "/tmp/test_model_classifier.XXXXXX";

static int make_folder(void **state) {
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state) {
	static const char *const names[] = { "config.json", "model.safetensors" };
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = format_text("%s/%s", folder, names[i]);
		unlink(path);
		free(path);
	}
	return rmdir(folder);
}

/* Reads a configuration of that type with these members beside. -1: refused. */
static int read_config(const char *type, const char *members, struct config *config, struct failure *failure) {
	char *path = format_text("%s/config.json", folder);
	char *text = format_text("{\"model_type\": \"%s\"%s}", type, members);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	int result = config_read(path, config, failure);
	free(path);
	free(text);
	return result;
}

static void labels_and_dropout_are_the_references(void **state) {
	static const struct { const char *type, *members; size_t labels; float dropout; } cases[] = {
		{ "bert", "", 2, 0.1f },
		{ "bert", ", \"num_labels\": 5, \"classifier_dropout\": null, \"hidden_dropout_prob\": 0.3", 5, 0.3f },
		{ "bert", ", \"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}, \"num_labels\": 7, "
			"\"classifier_dropout\": 0.4", 3, 0.4f },
		{ "distilbert", ", \"id2label\": null", 2, 0.2f },
		{ "distilbert", ", \"seq_classif_dropout\": 0, \"dropout\": 0.5", 2, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config config;
		struct failure failure;
		assert_int_equal(read_config(cases[i].type, cases[i].members, &config, &failure), 0);
		assert_int_equal(config.num_labels, cases[i].labels);
		assert_near((double)config.classifier_dropout, (double)cases[i].dropout, 0);
		config_clear(&config);
	}
	struct config config;
	struct failure failure;
	assert_int_equal(read_config("bert", ", \"id2label\": [\"a\"]", &config, &failure), -1);
	assert_int_equal(read_config("bert", ", \"num_labels\": 0", &config, &failure), -1);
	assert_int_equal(read_config("bert", ", \"classifier_dropout\": 2", &config, &failure), -1);
}

static void options_are_held_against_the_model(void **state) {
	(void)state;
	struct config config;
	struct failure failure;
	json_t *names = json_pack("[s, s, s]", "neg", "pos", "mixed");
	const struct classifier_options named = { .labels = names }, plain = { 0 },
		weighted = { .class_weights = (const float[]){ 1, 2 }, .weight_count = 2 };
	assert_int_equal(read_config("bert", ", \"num_labels\": 1", &config, &failure), 0);
	assert_int_equal(classifier_configure(&plain, "DIR", &config, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_null(config_label_name(&config, 1));
	assert_int_equal(classifier_configure(&named, "DIR", &config, &failure), 0);
	assert_int_equal(config.num_labels, 3);
	assert_string_equal(config_label_name(&config, 1), "pos");
	assert_null(config_label_name(&config, 3));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(config.json, "label2id"), "mixed")), 2);
	assert_null(json_object_get(config.json, "num_labels"));
	assert_int_equal(classifier_configure(&weighted, "DIR", &config, &failure), -1);
	assert_int_equal(failure.status, EX_USAGE);
	config_clear(&config);
	assert_int_equal(read_config("bert", ", \"problem_type\": \"multi_label_classification\"", &config, &failure), 0);
	assert_int_equal(classifier_configure(&plain, "DIR", &config, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	config_clear(&config);
	json_decref(names);
}

/* ---- folders ------------------------------------------------------------------------------------------- */

/* What is saved with a head is known by it, and loads as it was; a pooled classifier's inner size is its file's. */
static void folders_tell_their_head(void **state) {
	static const struct head_class *const heads[] = { &masked_lm_head, &classifier_head, &pooled_classifier_head };
	(void)state;
	for (size_t variant = 0; variant < 6; variant++) {
		struct failure failure;
		struct config config;
		const struct head_class *saved = heads[variant / 2], *found;
		const char *more = variant % 2 ? ", \"hidden_size\": 6, \"num_attention_heads\": 2, \"num_hidden_layers\": 1, "
			"\"intermediate_size\": 4, \"vocab_size\": 9, \"max_position_embeddings\": 3"
			: ", \"dim\": 6, \"n_heads\": 2, \"n_layers\": 1, \"hidden_dim\": 4, \"vocab_size\": 9, "
			"\"max_position_embeddings\": 3";
		assert_int_equal(read_config(variant % 2 ? "bert" : "distilbert", more, &config, &failure), 0);
		config.inner_size = 7;
		struct parameters *parameters = random_model(config, saved);
		assert_int_equal(parameters_save(parameters, folder, &failure), 0);
		assert_int_equal(head_for_folder(folder, &found, &failure), 0);
		assert_ptr_equal(found, saved);
		struct parameters *loaded = parameters_load(folder, &found->layout, 0, NULL, &failure);
		assert_non_null(loaded);
		assert_int_equal(loaded->size, parameters->size);
		assert_memory_equal(loaded->values, parameters->values, loaded->size * sizeof *loaded->values);
		parameters_free(loaded);
		parameters_free(parameters);
	}
}

static void an_encoder_has_no_head(void **state) {
	(void)state;
	struct failure failure;
	struct config config;
	const struct head_class *found;
	assert_int_equal(read_config("bert", ", \"hidden_size\": 6, \"num_attention_heads\": 2, \"num_hidden_layers\": 1, "
		"\"intermediate_size\": 4, \"vocab_size\": 9, \"max_position_embeddings\": 3", &config, &failure), 0);
	struct parameters *parameters = random_model(config, &probe_head);
	assert_int_equal(parameters_save(parameters, folder, &failure), 0);
	assert_int_equal(head_for_folder(folder, &found, &failure), 0);
	assert_null(found);
	assert_int_equal(head_for_folder("/nonexistent", &found, &failure), -1);
	assert_int_equal(failure.status, EX_NOINPUT);
	parameters_free(parameters);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statistics_move_by_a_tenth),
		cmocka_unit_test(evaluation_is_by_record),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(weightless_labels),
		cmocka_unit_test(labels_and_dropout_are_the_references),
		cmocka_unit_test(options_are_held_against_the_model),
		cmocka_unit_test(folders_tell_their_head),
		cmocka_unit_test(an_encoder_has_no_head),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
