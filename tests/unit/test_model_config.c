/* test_model_config: config.json of both families: defaults, names, refusals, and the keys that are kept when it is
 * written. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "model/config.h"

static char folder[] = "/tmp/test_model_config.XXXXXX";
static char path[64];

static int make_folder(void **state) {
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/config.json", folder);
	return 0;
}

static int remove_folder(void **state) {
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static int read_text(const char *text, struct config *config, struct failure *failure) {
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	return config_read(path, config, failure);
}

static void distilbert_defaults(void **state) {
	(void)state;
	struct config config;
	struct failure failure;
	assert_int_equal(read_text("{\"model_type\": \"distilbert\"}", &config, &failure), 0);
	assert_int_equal(config.model_type, MODEL_DISTILBERT);
	assert_int_equal(config.vocab_size, 30522);
	assert_int_equal(config.max_position_embeddings, 512);
	assert_int_equal(config.type_vocab_size, 0);
	assert_int_equal(config.hidden_size, 768);
	assert_int_equal(config.num_hidden_layers, 6);
	assert_int_equal(config.num_attention_heads, 12);
	assert_int_equal(config.intermediate_size, 3072);
	assert_int_equal(config.hidden_act, ACTIVATION_GELU);
	assert_float_equal(config.hidden_dropout, 0.1f, 0);
	assert_float_equal(config.attention_dropout, 0.1f, 0);
	assert_float_equal(config.layer_norm_eps, 1e-12f, 0);
	assert_float_equal(config.initializer_range, 0.02f, 0);
	assert_int_equal(config.pad_token_id, 0);
	assert_true(config.tie_word_embeddings);
	config_clear(&config);
}

static void bert_defaults(void **state) {
	(void)state;
	struct config config;
	struct failure failure;
	assert_int_equal(read_text("{\"model_type\": \"bert\"}", &config, &failure), 0);
	assert_int_equal(config.model_type, MODEL_BERT);
	assert_int_equal(config.type_vocab_size, 2);
	assert_int_equal(config.num_hidden_layers, 12);
	assert_float_equal(config.layer_norm_eps, 1e-12f, 0);
	config_clear(&config);
}

static void each_name_is_read(void **state) {
	(void)state;
	struct config config;
	struct failure failure;
	assert_int_equal(read_text("{\"model_type\": \"bert\", \"vocab_size\": 99, \"max_position_embeddings\": 33, "
		"\"type_vocab_size\": 3, \"hidden_size\": 24, \"num_hidden_layers\": 5, \"num_attention_heads\": 4, "
		"\"intermediate_size\": 51, \"hidden_act\": \"gelu_new\", \"hidden_dropout_prob\": 0, "
		"\"attention_probs_dropout_prob\": 0.25, \"layer_norm_eps\": 1e-5, \"initializer_range\": 0.5, "
		"\"pad_token_id\": 98, \"tie_word_embeddings\": false}", &config, &failure), 0);
	assert_int_equal(config.vocab_size, 99);
	assert_int_equal(config.max_position_embeddings, 33);
	assert_int_equal(config.type_vocab_size, 3);
	assert_int_equal(config.hidden_size, 24);
	assert_int_equal(config.num_hidden_layers, 5);
	assert_int_equal(config.num_attention_heads, 4);
	assert_int_equal(config.intermediate_size, 51);
	assert_int_equal(config.hidden_act, ACTIVATION_GELU_NEW);
	assert_float_equal(config.hidden_dropout, 0, 0);
	assert_float_equal(config.attention_dropout, 0.25f, 0);
	assert_float_equal(config.layer_norm_eps, 1e-5f, 0);
	assert_float_equal(config.initializer_range, 0.5f, 0);
	assert_int_equal(config.pad_token_id, 98);
	assert_false(config.tie_word_embeddings);
	config_clear(&config);
	assert_int_equal(read_text("{\"model_type\": \"distilbert\", \"dim\": 24, \"n_layers\": 2, \"n_heads\": 3, "
		"\"hidden_dim\": 7, \"activation\": \"relu\", \"dropout\": 0.5, \"attention_dropout\": 1, "
		"\"layer_norm_eps\": 1, \"pad_token_id\": null}", &config, &failure), 0);
	assert_int_equal(config.hidden_size, 24);
	assert_int_equal(config.num_hidden_layers, 2);
	assert_int_equal(config.num_attention_heads, 3);
	assert_int_equal(config.intermediate_size, 7);
	assert_int_equal(config.hidden_act, ACTIVATION_RELU);
	assert_float_equal(config.hidden_dropout, 0.5f, 0);
	assert_float_equal(config.attention_dropout, 1, 0);
	assert_float_equal(config.layer_norm_eps, 1e-12f, 0); /* not configurable there */
	assert_int_equal(config.pad_token_id, -1);
	config_clear(&config);
}

static void every_activation(void **state) {
	(void)state;
	static const struct { const char *name; enum activation activation; } activations[] = {
		{ "gelu", ACTIVATION_GELU }, { "gelu_python", ACTIVATION_GELU }, { "gelu_new", ACTIVATION_GELU_NEW },
		{ "gelu_pytorch_tanh", ACTIVATION_GELU_NEW }, { "gelu_fast", ACTIVATION_GELU_NEW }, { "relu", ACTIVATION_RELU },
		{ "silu", ACTIVATION_SILU }, { "swish", ACTIVATION_SILU }, { "quick_gelu", ACTIVATION_QUICK_GELU },
		{ "mish", ACTIVATION_MISH } };
	for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
		struct config config;
		struct failure failure;
		char *text = format_text("{\"model_type\": \"bert\", \"hidden_act\": \"%s\", \"pad_token_id\": -1}", activations[i].name);
		assert_int_equal(read_text(text, &config, &failure), 0);
		assert_int_equal(config.hidden_act, activations[i].activation);
		assert_int_equal(config.pad_token_id, 30521); /* as nn.Embedding counts: from the end */
		config_clear(&config);
		free(text);
	}
}

static void refused_by_name(void **state) {
	(void)state;
	static const struct { const char *text, *named; } cases[] = {
		{ "", "config.json" },
		{ "[]", "not a JSON object" },
		{ "{\"model_type\": \"bert\", \"model_type\": \"bert\"}", "duplicate" },
		{ "{}", "model_type" },
		{ "{\"model_type\": \"gpt2\"}", "gpt2" },
		{ "{\"model_type\": \"bert\", \"hidden_act\": \"relu6\"}", "mish" },
		{ "{\"model_type\": \"bert\", \"hidden_act\": 3}", "hidden_act" },
		{ "{\"model_type\": \"distilbert\", \"activation\": \"tanh\"}", "tanh" },
		{ "{\"model_type\": \"bert\", \"is_decoder\": true}", "is_decoder" },
		{ "{\"model_type\": \"bert\", \"is_decoder\": 1}", "is_decoder" },
		{ "{\"model_type\": \"bert\", \"position_embedding_type\": \"relative_key\"}", "relative_key" },
		{ "{\"model_type\": \"bert\", \"hidden_size\": 100}", "12 attention heads" },
		{ "{\"model_type\": \"bert\", \"hidden_size\": 0}", "hidden_size" },
		{ "{\"model_type\": \"bert\", \"hidden_size\": -768}", "hidden_size" },
		{ "{\"model_type\": \"bert\", \"hidden_size\": 768.5}", "hidden_size" },
		{ "{\"model_type\": \"bert\", \"hidden_size\": null}", "hidden_size" },
		{ "{\"model_type\": \"bert\", \"vocab_size\": 9223372036854775807}", "vocab_size" },
		{ "{\"model_type\": \"bert\", \"num_hidden_layers\": 2000000000}", "num_hidden_layers" },
		{ "{\"model_type\": \"bert\", \"hidden_size\": 18446744073709552384}", "hidden_size" },
		{ "{\"model_type\": \"bert\", \"intermediate_size\": 1048577}", "intermediate_size" },
		{ "{\"model_type\": \"bert\", \"max_position_embeddings\": 4294967808}", "max_position_embeddings" },
		{ "{\"model_type\": \"bert\", \"layer_norm_eps\": 1e999}", "overflow" },
		{ "{\"model_type\": \"bert\", \"initializer_range\": NaN}", "initializer_range" },
		{ "{\"model_type\": \"bert\", \"hidden_dropout_prob\": 1.5}", "hidden_dropout_prob" },
		{ "{\"model_type\": \"bert\", \"hidden_dropout_prob\": \"0.1\"}", "hidden_dropout_prob" },
		{ "{\"model_type\": \"bert\", \"layer_norm_eps\": -1}", "layer_norm_eps" },
		{ "{\"model_type\": \"bert\", \"tie_word_embeddings\": \"no\"}", "tie_word_embeddings" },
		{ "{\"model_type\": \"bert\", \"pad_token_id\": 30522}", "pad_token_id" },
		{ "{\"model_type\": \"bert\", \"pad_token_id\": -30523}", "pad_token_id" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config config;
		struct failure failure = { 0 };
		if (read_text(cases[i].text, &config, &failure) != -1 || failure.status != EX_DATAERR
			|| strstr(failure.text, cases[i].named) == NULL || config.json != NULL)
			fail_msg("%s: status %d, %s", cases[i].text, failure.status, failure.text);
	}
	struct config config;
	struct failure failure;
	assert_int_equal(config_read("/nonexistent/config.json", &config, &failure), -1);
	assert_int_equal(failure.status, EX_NOINPUT);
}

static void what_is_not_known_is_kept(void **state) {
	(void)state;
	struct config config, again;
	struct failure failure;
	assert_int_equal(read_text("{\"model_type\": \"distilbert\", \"torch_dtype\": \"float16\", \"architectures\": "
		"[\"DistilBertModel\"], \"qa_dropout\": 0.1, \"id2label\": {\"0\": \"\\u00e9\"}}", &config, &failure), 0);
	config.vocab_size = 7;
	config.tie_word_embeddings = false;
	assert_int_equal(config_write(&config, "DistilBertForMaskedLM", folder, &failure), 0);
	config_clear(&config);
	assert_int_equal(config_read(path, &again, &failure), 0);
	json_t *expected = json_loads("{\"model_type\": \"distilbert\", \"dtype\": \"float32\", \"architectures\": "
		"[\"DistilBertForMaskedLM\"], \"qa_dropout\": 0.1, \"id2label\": {\"0\": \"\\u00e9\"}, \"vocab_size\": 7, "
		"\"tie_word_embeddings\": false}", 0, NULL);
	assert_true(json_equal(again.json, expected));
	assert_int_equal(again.vocab_size, 7);
	assert_false(again.tie_word_embeddings);
	assert_int_equal(config_write(&again, NULL, folder, &failure), 0);
	config_clear(&again);
	assert_int_equal(config_read(path, &again, &failure), 0);
	json_object_del(expected, "architectures");
	assert_true(json_equal(again.json, expected));
	json_decref(expected);
	assert_int_equal(config_write(&again, NULL, "/nonexistent", &failure), -1);
	assert_int_equal(failure.status, EX_CANTCREAT);
	config_clear(&again);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distilbert_defaults),
		cmocka_unit_test(bert_defaults),
		cmocka_unit_test(each_name_is_read),
		cmocka_unit_test(every_activation),
		cmocka_unit_test(refused_by_name),
		cmocka_unit_test(what_is_not_known_is_kept),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
