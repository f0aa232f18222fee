/* config: reads and writes config.json of both families. A table lists the keys that hold sizes, with their names in
 * both families; the other keys are read one by one. Keys that cloze does not know stay in the JSON and are written
 * back. */
#include "model/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json_file.h"
#include "base/memory.h"

static const char *const type_names[] = { [MODEL_DISTILBERT] = "distilbert", [MODEL_BERT] = "bert" };

enum { MAX_LABELS = 1 << 20 };

/* The maxima are so small that a product of two sizes cannot overflow a size_t. */
static const struct size_key {
	const char *name[2]; /* by model_type; NULL: the family has no such size */
	const char *alias;   /* BERT's name of the key, which DistilBertConfig also takes (its attribute_map) */
	size_t member;       /* offset in struct config */
	size_t fallback[2], maximum;
} size_keys[] = {
	{ { "vocab_size", "vocab_size" }, NULL, offsetof(struct config, vocab_size), { 30522, 30522 }, 1 << 28 },
	{ { "max_position_embeddings", "max_position_embeddings" }, NULL,
		offsetof(struct config, max_position_embeddings), { 512, 512 }, 1 << 20 },
	{ { NULL, "type_vocab_size" }, NULL, offsetof(struct config, type_vocab_size), { 0, 2 }, 1 << 20 },
	{ { "dim", "hidden_size" }, "hidden_size", offsetof(struct config, hidden_size), { 768, 768 }, 1 << 16 },
	{ { "n_layers", "num_hidden_layers" }, "num_hidden_layers", offsetof(struct config, num_hidden_layers),
		{ 6, 12 }, 1 << 10 },
	{ { "n_heads", "num_attention_heads" }, "num_attention_heads", offsetof(struct config, num_attention_heads),
		{ 12, 12 }, 1 << 16 },
	{ { "hidden_dim", "intermediate_size" }, NULL, offsetof(struct config, intermediate_size),
		{ 3072, 3072 }, 1 << 20 },
};

static const struct { const char *name; enum activation activation; } activation_names[] = {
	{ "gelu", ACTIVATION_GELU }, { "gelu_python", ACTIVATION_GELU }, { "gelu_new", ACTIVATION_GELU_NEW },
	{ "gelu_pytorch_tanh", ACTIVATION_GELU_NEW }, { "gelu_python_tanh", ACTIVATION_GELU_NEW },
	{ "gelu_fast", ACTIVATION_GELU_NEW }, { "gelu_accurate", ACTIVATION_GELU_NEW },
	{ "quick_gelu", ACTIVATION_QUICK_GELU }, { "relu", ACTIVATION_RELU }, { "silu", ACTIVATION_SILU },
	{ "swish", ACTIVATION_SILU }, { "mish", ACTIVATION_MISH },
};

const char *model_type_prefix(enum model_type type) {
	static const char *const prefixes[] = { [MODEL_DISTILBERT] = "distilbert.", [MODEL_BERT] = "bert." };
	return prefixes[type];
}

const char *model_type_name(enum model_type type) {
	return type_names[type];
}

static int read_size(const char *path, const struct size_key *key, struct config *config, struct failure *failure) {
	size_t *size = (size_t *)(void *)((char *)config + key->member);
	const char *name = key->name[config->model_type];
	*size = key->fallback[config->model_type];
	if (name == NULL)
		return 0;
	json_t *value = json_object_get(config->json, name);
	if (value == NULL && key->alias != NULL)
		value = json_object_get(config->json, name = key->alias);
	if (value == NULL)
		return 0;
	json_int_t number = json_integer_value(value);
	if (!json_is_integer(value) || number < 1 || number > (json_int_t)key->maximum)
		return fail(failure, EX_DATAERR, "%s: %s: must be a whole number from 1 to %zu", path, name, key->maximum);
	*size = (size_t)number;
	return 0;
}

/* Reads a number in [0, maximum]. */
static int read_number(const char *path, const struct config *config, const char *name, double fallback,
	double maximum, float *number, struct failure *failure) {
	const json_t *value = json_object_get(config->json, name);
	*number = (float)fallback;
	if (value == NULL)
		return 0;
	if (!json_is_number(value) || !(json_number_value(value) >= 0 && json_number_value(value) <= maximum))
		return fail(failure, EX_DATAERR, "%s: %s: must be a number from 0 to %g", path, name, maximum);
	*number = (float)json_number_value(value);
	return 0;
}

static int read_flag(const char *path, const struct config *config, const char *name, bool fallback, bool *flag,
	struct failure *failure) {
	const json_t *value = json_object_get(config->json, name);
	*flag = value == NULL ? fallback : json_is_true(value);
	if (value != NULL && !json_is_boolean(value))
		return fail(failure, EX_DATAERR, "%s: %s: must be true or false", path, name);
	return 0;
}

static int read_type(const char *path, struct config *config, struct failure *failure) {
	const char *name = json_string_value(json_object_get(config->json, "model_type"));
	if (name == NULL)
		return fail(failure, EX_DATAERR, "%s: has no model_type (it must say \"distilbert\" or \"bert\")", path);
	for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
		if (strcmp(name, type_names[i]) == 0) {
			config->model_type = (enum model_type)i;
			return 0;
		}
	return fail(failure, EX_DATAERR, "%s: model_type %s: not one that cloze computes (distilbert, bert)", path, name);
}

static int read_activation(const char *path, struct config *config, struct failure *failure) {
	const char *key = config->model_type == MODEL_BERT ? "hidden_act" : "activation";
	const json_t *value = json_object_get(config->json, key);
	const char *name = value == NULL ? "gelu" : json_string_value(value);
	if (name == NULL)
		return fail(failure, EX_DATAERR, "%s: %s: must be a string", path, key);
	for (size_t i = 0; i < sizeof activation_names / sizeof *activation_names; i++)
		if (strcmp(name, activation_names[i].name) == 0) {
			config->hidden_act = activation_names[i].activation;
			return 0;
		}
	return fail(failure, EX_DATAERR, "%s: %s %s: not one that cloze computes (gelu, gelu_new, gelu_pytorch_tanh, "
		"gelu_fast, quick_gelu, relu, silu, mish)", path, key, name);
}

/* Refuses settings that ask for a computation that cloze does not have. */
static int refuse_unsupported(const char *path, const struct config *config, struct failure *failure) {
	static const char *const decoders[] = { "is_decoder", "add_cross_attention" };
	for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
		bool flag;
		if (read_flag(path, config, decoders[i], false, &flag, failure) < 0)
			return -1;
		if (flag)
			return fail(failure, EX_DATAERR, "%s: %s is true: cloze computes encoders only", path, decoders[i]);
	}
	const json_t *positions = json_object_get(config->json, "position_embedding_type");
	const char *kind = json_string_value(positions);
	if (positions != NULL && (kind == NULL || strcmp(kind, "absolute") != 0))
		return fail(failure, EX_DATAERR, "%s: position_embedding_type %s: cloze computes absolute ones only", path,
			kind == NULL ? "that is no string" : kind);
	if (config->hidden_size % config->num_attention_heads != 0)
		return fail(failure, EX_DATAERR, "%s: %zu attention heads do not divide the hidden size of %zu", path,
			config->num_attention_heads, config->hidden_size);
	return 0;
}

/* nn.Embedding counts a negative padding_idx from the end of the vocabulary. */
static int read_padding(const char *path, struct config *config, struct failure *failure) {
	const json_t *value = json_object_get(config->json, "pad_token_id");
	json_int_t id = json_integer_value(value), size = (json_int_t)config->vocab_size;
	config->pad_token_id = value == NULL ? 0 : -1;
	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || id < -size || id >= size)
		return fail(failure, EX_DATAERR, "%s: pad_token_id: must be a whole number from -%zu to %zu, by vocab_size",
			path, config->vocab_size, config->vocab_size - 1);
	config->pad_token_id = (int32_t)(id < 0 ? size + id : id);
	return 0;
}

/* As PreTrainedConfig of transformers: id2label counts, then num_labels. */
static int read_labels(const char *path, struct config *config, struct failure *failure) {
	const json_t *names = json_object_get(config->json, "id2label");
	const json_t *number = json_object_get(config->json, "num_labels");
	config->num_labels = 2;
	if (names != NULL && !json_is_null(names)) {
		if (!json_is_object(names) || json_object_size(names) == 0)
			return fail(failure, EX_DATAERR, "%s: id2label: must be an object with a name for each label", path);
		config->num_labels = json_object_size(names);
		return 0;
	}
	if (number == NULL || json_is_null(number))
		return 0;
	if (!json_is_integer(number) || json_integer_value(number) < 1 || json_integer_value(number) > MAX_LABELS)
		return fail(failure, EX_DATAERR, "%s: num_labels: must be a whole number from 1 to %d", path, MAX_LABELS);
	config->num_labels = (size_t)json_integer_value(number);
	return 0;
}

static int read_classifier_dropout(const char *path, struct config *config, struct failure *failure) {
	bool bert = config->model_type == MODEL_BERT;
	const char *key = bert ? "classifier_dropout" : "seq_classif_dropout";
	config->classifier_dropout = config->hidden_dropout;
	if (bert && json_is_null(json_object_get(config->json, key)))
		return 0;
	double fallback = bert ? (double)config->hidden_dropout : 0.2;
	return read_number(path, config, key, fallback, 1, &config->classifier_dropout, failure);
}

static int read_keys(const char *path, struct config *config, struct failure *failure) {
	if (read_type(path, config, failure) < 0)
		return -1;
	for (size_t i = 0; i < sizeof size_keys / sizeof *size_keys; i++)
		if (read_size(path, &size_keys[i], config, failure) < 0)
			return -1;
	bool bert = config->model_type == MODEL_BERT;
	const char *hidden = bert ? "hidden_dropout_prob" : "dropout";
	const char *attention = bert ? "attention_probs_dropout_prob" : "attention_dropout";
	config->inner_size = 50; /* Howard and Ruder 2018 */
	config->layer_norm_eps = 1e-12f; /* a constant in modeling_distilbert.py */
	if (read_number(path, config, hidden, 0.1, 1, &config->hidden_dropout, failure) < 0
		|| read_number(path, config, attention, 0.1, 1, &config->attention_dropout, failure) < 0
		|| (bert && read_number(path, config, "layer_norm_eps", 1e-12, 1, &config->layer_norm_eps, failure) < 0)
		|| read_number(path, config, "initializer_range", 0.02, 100, &config->initializer_range, failure) < 0
		|| read_flag(path, config, "tie_word_embeddings", true, &config->tie_word_embeddings, failure) < 0
		|| read_activation(path, config, failure) < 0 || read_padding(path, config, failure) < 0
		|| read_labels(path, config, failure) < 0 || read_classifier_dropout(path, config, failure) < 0)
		return -1;
	return refuse_unsupported(path, config, failure);
}

int config_read(const char *path, struct config *config, struct failure *failure) {
	*config = (struct config){ .json = json_file_read(path, 1 << 20, failure) };
	int result = config->json == NULL ? -1 : read_keys(path, config, failure);
	if (result < 0)
		config_clear(config);
	return result;
}

int config_write(const struct config *config, const char *architecture, const char *folder, struct failure *failure) {
	json_t *json = json_deep_copy(config->json);
	json_object_del(json, "architectures");
	if (architecture != NULL)
		json_object_set_new(json, "architectures", json_pack("[s]", architecture));
	json_object_set_new(json, "dtype", json_string("float32"));
	json_object_del(json, "torch_dtype"); /* the name of dtype before transformers 5 */
	json_object_set_new(json, "vocab_size", json_integer((json_int_t)config->vocab_size));
	json_object_set_new(json, "tie_word_embeddings", json_boolean(config->tie_word_embeddings));
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS);
	json_decref(json);
	char *path = format_text("%s/config.json", folder), *lines = format_text("%s\n", text);
	free(text);
	int result = write_file(path, lines, strlen(lines), failure);
	free(lines);
	free(path);
	return result;
}

void config_set_layers(struct config *config, size_t layers) {
	const char *name = config->model_type == MODEL_DISTILBERT ? "n_layers" : "num_hidden_layers";
	config->num_hidden_layers = layers;
	json_object_del(config->json, "num_hidden_layers"); /* DistilBertConfig takes that name too */
	json_object_set_new(config->json, name, json_integer((json_int_t)layers));
}

void config_copy(struct config *to, const struct config *from) {
	*to = *from;
	to->json = json_deep_copy(from->json);
}

void config_clear(struct config *config) {
	json_decref(config->json);
	*config = (struct config){ 0 };
}

int config_read_folder(const char *folder, struct config *config, struct failure *failure) {
	char *path = format_text("%s/config.json", folder);
	int result = config_read(path, config, failure);
	free(path);
	return result;
}

/* ---- labels -------------------------------------------------------------------------------------------- */

void config_set_labels(struct config *config, const json_t *names) {
	json_t *id2label = json_object(), *label2id = json_object(), *name;
	char id[32];
	size_t i;
	json_array_foreach((json_t *)names, i, name) {
		snprintf(id, sizeof id, "%zu", i);
		json_object_set(id2label, id, name);
		json_object_set_new(label2id, json_string_value(name), json_integer((json_int_t)i));
	}
	json_object_set_new(config->json, "id2label", id2label);
	json_object_set_new(config->json, "label2id", label2id);
	json_object_del(config->json, "num_labels");
	config->num_labels = json_array_size(names);
}

const char *config_label_name(const struct config *config, size_t label) {
	char id[32];
	snprintf(id, sizeof id, "%zu", label);
	return json_string_value(json_object_get(json_object_get(config->json, "id2label"), id));
}
