/* The table is built from the configuration alone; a file is then searched for each name of the table, in every
 * spelling that checkpoints use, and checked before memory for the values is taken. */
#include "model/parameters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "math/random.h"
#include "model/safetensors.h"

enum { ALIGNMENT = 16 }; /* floats: one cache line */

/* What transformers calls the modules; each has a .weight and a .bias, but the embeddings, which have no bias. */
static const struct module_names {
	const char *prefix; /* of the encoder: "bert." */
	const char *layers;
	const char *query, *key, *value, *attention_output, *attention_norm, *intermediate, *output, *output_norm;
	const char *head, *head_norm, *decoder_weight, *decoder_bias;
} module_names[] = {
	[MODEL_DISTILBERT] = {
		"distilbert.", "transformer.layer", "attention.q_lin", "attention.k_lin", "attention.v_lin",
		"attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm",
		"vocab_transform", "vocab_layer_norm", "vocab_projector.weight", "vocab_projector.bias"
	},
	[MODEL_BERT] = {
		"bert.", "encoder.layer", "attention.self.query", "attention.self.key", "attention.self.value",
		"attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense",
		"output.LayerNorm", "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
		"cls.predictions.decoder.weight", "cls.predictions.bias"
	},
};

/* BertForMaskedLM has its output bias twice. It reads this one; the two are one tensor when weights are tied. */
static const char bert_second_bias[] = "cls.predictions.decoder.bias";

static const struct module_names *names_of(const struct parameters *parameters) {
	return &module_names[parameters->config.model_type];
}

/* ---- the table ----------------------------------------------------------------------------------------- */

/* Adds a parameter [rows, columns] (columns 0: [rows]), and takes over its name. */
static void add(struct parameters *parameters, char *name, size_t rows, size_t columns, size_t *role) {
	if (parameters->count % 64 == 0)
		parameters->table = grow(parameters->table, parameters->count + 64, sizeof *parameters->table);
	parameters->table[parameters->count++] = (struct parameter){ .name = name, .dimensions = columns == 0 ? 1 : 2,
		.shape = { rows, columns }, .elements = columns == 0 ? rows : rows * columns, .role = role,
		.decays = columns != 0, .dtype = "F32" };
}

/* The .weight [rows, columns] (columns 0: [rows], a norm's) and .bias [rows] of a module. */
static void add_module(struct parameters *parameters, const char *name, size_t rows, size_t columns, size_t *weight,
	size_t *bias) {
	add(parameters, format_text("%s.weight", name), rows, columns, weight);
	add(parameters, format_text("%s.bias", name), rows, 0, bias);
}

static void add_embeddings(struct parameters *parameters) {
	const struct config *config = &parameters->config;
	const char *prefix = names_of(parameters)->prefix;
	size_t C = config->hidden_size;
	add(parameters, format_text("%sembeddings.word_embeddings.weight", prefix), config->vocab_size, C,
		&parameters->word_embeddings);
	add(parameters, format_text("%sembeddings.position_embeddings.weight", prefix), config->max_position_embeddings, C,
		&parameters->position_embeddings);
	if (config->type_vocab_size > 0)
		add(parameters, format_text("%sembeddings.token_type_embeddings.weight", prefix), config->type_vocab_size, C,
			&parameters->token_type_embeddings);
	char *norm = format_text("%sembeddings.LayerNorm", prefix);
	add_module(parameters, norm, C, 0, &parameters->embedding_norm_weight, &parameters->embedding_norm_bias);
	free(norm);
}

static void add_layer(struct parameters *parameters, size_t index) {
	const struct module_names *names = names_of(parameters);
	struct layer_offsets *layer = &parameters->layers[index];
	size_t C = parameters->config.hidden_size, F = parameters->config.intermediate_size;
	const char *const projections[3] = { names->query, names->key, names->value };
	for (size_t i = 0; i < 3; i++)
		add(parameters, format_text("%s%s.%zu.%s.weight", names->prefix, names->layers, index, projections[i]), C, C,
			i == 0 ? &layer->qkv_weight : NULL);
	for (size_t i = 0; i < 3; i++)
		add(parameters, format_text("%s%s.%zu.%s.bias", names->prefix, names->layers, index, projections[i]), C, 0,
			i == 0 ? &layer->qkv_bias : NULL);
	const struct { const char *name; size_t rows, columns, *weight, *bias; } modules[] = {
		{ names->attention_output, C, C, &layer->attention_output_weight, &layer->attention_output_bias },
		{ names->attention_norm, C, 0, &layer->attention_norm_weight, &layer->attention_norm_bias },
		{ names->intermediate, F, C, &layer->intermediate_weight, &layer->intermediate_bias },
		{ names->output, C, F, &layer->output_weight, &layer->output_bias },
		{ names->output_norm, C, 0, &layer->output_norm_weight, &layer->output_norm_bias },
	};
	for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
		char *name = format_text("%s%s.%zu.%s", names->prefix, names->layers, index, modules[i].name);
		add_module(parameters, name, modules[i].rows, modules[i].columns, modules[i].weight, modules[i].bias);
		free(name);
	}
}

static void add_head(struct parameters *parameters) {
	const struct module_names *names = names_of(parameters);
	size_t V = parameters->config.vocab_size, C = parameters->config.hidden_size;
	add_module(parameters, names->head, C, C, &parameters->head_weight, &parameters->head_bias);
	add_module(parameters, names->head_norm, C, 0, &parameters->head_norm_weight, &parameters->head_norm_bias);
	if (!parameters->config.tie_word_embeddings)
		add(parameters, copy_text(names->decoder_weight), V, C, &parameters->decoder_weight);
	add(parameters, copy_text(names->decoder_bias), V, 0, &parameters->decoder_bias);
}

/* Sets a parameter's offset, wherever it is told. */
static void place(struct parameters *parameters, size_t index, size_t offset) {
	struct parameter *parameter = &parameters->table[index];
	parameter->offset = offset;
	if (parameter->role != NULL)
		*parameter->role = offset;
	if (parameter->role == &parameters->word_embeddings && parameters->config.tie_word_embeddings)
		parameters->decoder_weight = offset;
}

static size_t align(size_t offset) {
	return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void place_in_block(struct parameters *parameters) {
	size_t end = 0;
	for (size_t i = 0; i < parameters->count; i++) {
		place(parameters, i, parameters->table[i].role == NULL ? end : align(end));
		end = parameters->table[i].offset + parameters->table[i].elements;
	}
	parameters->size = align(end);
}

/* Everything but the values. */
static struct parameters *build_table(struct config *config) {
	struct parameters *parameters = allocate(1, sizeof *parameters);
	parameters->config = *config;
	config->json = NULL;
	parameters->layers = allocate(parameters->config.num_hidden_layers, sizeof *parameters->layers);
	add_embeddings(parameters);
	for (size_t i = 0; i < parameters->config.num_hidden_layers; i++)
		add_layer(parameters, i);
	add_head(parameters);
	place_in_block(parameters);
	return parameters;
}

struct parameters *parameters_create(struct config *config) {
	struct parameters *parameters = build_table(config);
	parameters->values = allocate(parameters->size, sizeof *parameters->values);
	return parameters;
}

size_t parameters_total(const struct parameters *parameters) {
	size_t total = 0;
	for (size_t i = 0; i < parameters->count; i++)
		total += parameters->table[i].elements;
	/* where config.json unties the weights, the reference also has the second output bias, which it counts */
	const json_t *tied = json_object_get(parameters->config.json, "tie_word_embeddings");
	bool second_bias = parameters->config.model_type == MODEL_BERT && json_is_false(tied);
	return total + (second_bias ? parameters->config.vocab_size : 0);
}

void parameters_free(struct parameters *parameters) {
	if (parameters == NULL)
		return;
	for (size_t i = 0; i < parameters->count; i++)
		free(parameters->table[i].name);
	free(parameters->table);
	free(parameters->layers);
	if (parameters->file == NULL)
		free(parameters->values);
	safetensors_close(parameters->file);
	json_decref(parameters->lineage);
	config_clear(&parameters->config);
	free(parameters);
}

/* ---- new values ---------------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits (Fowler, Noll, Vo): the number of a name. */
static uint64_t hash_name(const char *name) {
	uint64_t hash = 0xcbf29ce484222325;
	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
	return hash;
}

/* values[p, c] = sin or cos, for even and odd c, of p / 10000^(2 floor(c / 2) / C) (Vaswani et al. 2017). */
static void fill_sinusoids(float *values, size_t positions, size_t C) {
	for (size_t p = 0; p < positions; p++)
		for (size_t c = 0; c < C; c++) {
			double angle = (double)p / pow(10000, 2 * (double)(c / 2) / (double)C);
			values[p * C + c] = (float)(c % 2 == 0 ? sin(angle) : cos(angle));
		}
}

/* As _init_weights() of modeling_utils.py and of each family. */
static void initialize(struct parameters *parameters, struct parameter *parameter, uint64_t seed) {
	const struct config *config = &parameters->config;
	float *values = parameters->values + parameter->offset;
	size_t length = strlen(parameter->name);
	parameter->initialized = true;
	if (parameter->dimensions == 1) {
		bool norm_weight = length > 7 && strcmp(parameter->name + length - 7, ".weight") == 0;
		for (size_t i = 0; i < parameter->elements; i++)
			values[i] = norm_weight ? 1 : 0;
	} else if (parameter->offset == parameters->position_embeddings
		&& json_is_true(json_object_get(config->json, "sinusoidal_pos_embds")))
		fill_sinusoids(values, config->max_position_embeddings, config->hidden_size);
	else {
		float deviation = config->initializer_range > 0 ? config->initializer_range : 0.02f;
		random_normal(seed, hash_name(parameter->name), deviation, values, parameter->elements);
	}
	if (parameter->offset == parameters->word_embeddings && config->pad_token_id >= 0)
		memset(values + (size_t)config->pad_token_id * config->hidden_size, 0, config->hidden_size * sizeof *values);
}

void parameters_initialize(struct parameters *parameters, uint64_t seed) {
	for (size_t i = 0; i < parameters->count; i++)
		initialize(parameters, &parameters->table[i], seed);
}

/* ---- loading ------------------------------------------------------------------------------------------- */

/* A checkpoint being matched with the table. */
struct source {
	const char *folder;
	const struct warnings *warnings;
	struct safetensors *file;
	const char *prefix;
	bool *used;                     /* [safetensors_count(file)] */
	const struct tensor **tensors;  /* [parameters->count]; NULL: not in the file */
};

static bool ends_with(const char *text, const char *end) {
	size_t length = strlen(text), end_length = strlen(end);
	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* The name as TensorFlow's checkpoints of BERT had it, `LayerNorm.gamma` and `LayerNorm.beta`; NULL for a name that had
 * no other. free() releases it. */
static char *old_name(const char *name) {
	const bool weight = ends_with(name, "LayerNorm.weight");
	if (!weight && !ends_with(name, "LayerNorm.bias"))
		return NULL;
	return format_text("%.*s%s", (int)(strrchr(name, '.') - name), name, weight ? ".gamma" : ".beta");
}

/* Finds a tensor under the name, with or without the encoder's prefix, in the new or the old spelling. -1: it is there
 * twice. *found is NULL when it is not there. */
static int find(struct source *source, const char *name, const struct tensor **found, struct failure *failure) {
	size_t prefix_length = strlen(source->prefix);
	bool prefixed = strncmp(name, source->prefix, prefix_length) == 0;
	char *old = old_name(name);
	const char *const spellings[] = { name, prefixed ? name + prefix_length : NULL, old,
		prefixed && old != NULL ? old + prefix_length : NULL };
	int result = 0;
	*found = NULL;
	for (size_t i = 0; i < sizeof spellings / sizeof *spellings && result == 0; i++) {
		const struct tensor *tensor = spellings[i] == NULL ? NULL : safetensors_find(source->file, spellings[i]);
		if (tensor == NULL)
			continue;
		source->used[tensor - safetensors_at(source->file, 0)] = true;
		if (*found != NULL)
			result = fail(failure, EX_DATAERR, "%s: tensors %s and %s are the same parameter", source->folder,
				(*found)->name, tensor->name);
		*found = tensor;
	}
	free(old);
	return result;
}

/* As tie_weights() of transformers 5: a decoder weight that is not equal to the embeddings stays apart from them,
 * whatever the configuration says. */
static int settle_tying(struct source *source, struct config *config, struct failure *failure) {
	char *words_name = format_text("%sembeddings.word_embeddings.weight", source->prefix);
	const struct tensor *words, *decoder;
	int result = find(source, words_name, &words, failure);
	free(words_name);
	if (result < 0 || find(source, module_names[config->model_type].decoder_weight, &decoder, failure) < 0)
		return -1;
	if (!config->tie_word_embeddings || words == NULL || decoder == NULL)
		return 0;
	if (strcmp(words->dtype, decoder->dtype) == 0 && words->bytes == decoder->bytes
		&& memcmp(words->data, decoder->data, words->bytes) == 0)
		return 0;
	config->tie_word_embeddings = false;
	warn(source->warnings, "%s: %s differs from the word embeddings: kept apart, although tie_word_embeddings is true", source->folder,
		decoder->name);
	return 0;
}

/* The tensor for one parameter, where another one may stand in for it. */
static int find_parameter(struct source *source, const struct parameters *parameters, size_t index,
	struct failure *failure) {
	const struct parameter *parameter = &parameters->table[index];
	const struct tensor **found = &source->tensors[index], *other = NULL;
	if (find(source, parameter->name, found, failure) < 0)
		return -1;
	if (parameter->offset == parameters->decoder_bias && parameters->config.model_type == MODEL_BERT) {
		if (find(source, bert_second_bias, &other, failure) < 0)
			return -1;
	} else if (parameter->offset == parameters->word_embeddings && parameters->config.tie_word_embeddings
		&& *found == NULL) {
		if (find(source, names_of(parameters)->decoder_weight, &other, failure) < 0)
			return -1;
	}
	if (other != NULL)
		*found = other;
	return 0;
}

static int check_shape(const struct source *source, const struct parameter *parameter, const struct tensor *tensor,
	struct failure *failure) {
	bool fits = tensor->dimensions == parameter->dimensions;
	for (size_t i = 0; i < parameter->dimensions && fits; i++)
		fits = tensor->shape[i] == parameter->shape[i];
	if (fits)
		return 0;
	char *shape = copy_text("");
	for (size_t i = 0; i < tensor->dimensions; i++) {
		char *longer = format_text("%s%s%zu", shape, i == 0 ? "" : ", ", tensor->shape[i]);
		free(shape);
		shape = longer;
	}
	if (parameter->dimensions == 1)
		fail(failure, EX_DATAERR, "%s: tensor %s: has shape [%s], but config.json calls for [%zu]", source->folder,
			tensor->name, shape, parameter->shape[0]);
	else
		fail(failure, EX_DATAERR, "%s: tensor %s: has shape [%s], but config.json calls for [%zu, %zu]", source->folder,
			tensor->name, shape, parameter->shape[0], parameter->shape[1]);
	free(shape);
	return -1;
}

/* Says what the file has that the model has not, but for what every checkpoint of the family may have. */
static void note_left_aside(const struct source *source) {
	size_t count = 0, prefix_length = strlen(source->prefix);
	const char *first = NULL;
	for (size_t i = 0; i < safetensors_count(source->file); i++) {
		const char *name = safetensors_at(source->file, i)->name, *bare = name;
		if (strncmp(name, source->prefix, prefix_length) == 0)
			bare += prefix_length;
		if (source->used[i] || strncmp(bare, "pooler.", 7) == 0 || strncmp(bare, "cls.seq_relationship.", 21) == 0
			|| ends_with(bare, "position_ids"))
			continue;
		if (count++ == 0)
			first = name;
	}
	if (count > 0)
		warn(source->warnings, "%s: %zu tensor%s not of a masked language model left aside, the first %s", source->folder, count,
			count == 1 ? "" : "s", first);
}

/* The head comes last in the table: what is missing before it makes the file useless. */
static int check_missing(const struct source *source, const struct parameters *parameters, uint64_t seed,
	struct failure *failure) {
	size_t head = 0, missing = 0, first = 0;
	while (parameters->table[head].offset != parameters->head_weight)
		head++;
	for (size_t i = head; i-- > 0;)
		if (source->tensors[i] == NULL)
			first = i, missing++;
	if (missing > 0)
		return fail(failure, EX_DATAERR, "%s: tensor %s is missing, %zu of the encoder's %zu in all (not a model of the "
			"kind that config.json describes?)", source->folder, parameters->table[first].name, missing, head);
	char *names = NULL;
	for (size_t i = head; i < parameters->count; i++)
		if (source->tensors[i] == NULL) {
			char *longer = names == NULL ? copy_text(parameters->table[i].name)
				: format_text("%s, %s", names, parameters->table[i].name);
			free(names);
			names = longer;
		}
	if (names != NULL)
		warn(source->warnings, "%s: not in the file, initialized from seed %llu: %s", source->folder, (unsigned long long)seed, names);
	free(names);
	return 0;
}

/* The index of the first value that is infinite or not a number, those with an exponent of all ones; `count` when there
 * is none. */
static size_t find_not_finite(const float *values, size_t count) {
	enum { EXPONENT = 0x7f800000, MAGNITUDE = 0x7fffffff };
	uint32_t largest = 0, bits = 0;
	for (size_t i = 0; i < count; i++) {
		memcpy(&bits, &values[i], sizeof bits);
		bits &= MAGNITUDE;
		largest = bits > largest ? bits : largest;
	}
	size_t i = 0;
	while (largest >= EXPONENT && isfinite(values[i]))
		i++;
	return largest >= EXPONENT ? i : count;
}

const struct parameter *parameters_not_finite(const struct parameters *parameters, const float *block, size_t *element) {
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		*element = find_not_finite(block + parameter->offset, parameter->elements);
		if (*element < parameter->elements)
			return parameter;
	}
	return NULL;
}

int parameters_check_finite(const struct parameters *parameters, const char *folder, struct failure *failure) {
	size_t element;
	const struct parameter *bad = parameters_not_finite(parameters, parameters->values, &element);
	if (bad == NULL)
		return 0;
	return fail(failure, EX_DATAERR, "%s: tensor %s: element %zu is %g", folder, bad->name, element,
		(double)parameters->values[bad->offset + element]);
}

/* Gives a parameter its values. */
static int read_value(const struct source *source, struct parameters *parameters, size_t index, uint64_t seed,
	struct failure *failure) {
	const struct tensor *tensor = source->tensors[index];
	struct failure reason;
	if (tensor == NULL) {
		initialize(parameters, &parameters->table[index], seed);
		return 0;
	}
	if (tensor_to_floats(tensor, parameters->values + parameters->table[index].offset, &reason) < 0)
		return fail(failure, reason.status, "%s: %s", source->folder, reason.text);
	tensor_release(tensor);
	return 0;
}

static int read_block(const struct source *source, struct parameters *parameters, uint64_t seed,
	struct failure *failure) {
	parameters->values = allocate(parameters->size, sizeof *parameters->values);
	for (size_t i = 0; i < parameters->count; i++)
		if (read_value(source, parameters, i, seed, failure) < 0)
			return -1;
	return parameters_check_finite(parameters, source->folder, failure);
}

/* ---- mapping ------------------------------------------------------------------------------------------- */

/* The first parameter after those that adjoin parameter `first`. */
static size_t group_end(const struct parameters *parameters, size_t first) {
	size_t end = first + 1;
	while (end < parameters->count && parameters->table[end].role == NULL)
		end++;
	return end;
}

/* Whether the parameters can be read in the file: floats, where floats may be, and one after the other. */
static bool lie_ready(const struct source *source, size_t first, size_t end) {
	for (size_t i = first; i < end; i++) {
		const struct tensor *tensor = source->tensors[i], *before = i > first ? source->tensors[i - 1] : NULL;
		if (tensor == NULL || strcmp(tensor->dtype, "F32") != 0 || (uintptr_t)tensor->data % sizeof(float) != 0
			|| (before != NULL && (const char *)before->data + before->bytes != tensor->data))
			return false;
	}
	return true;
}

/* Puts the parameters that cannot be read in the file behind it. */
static int place_in_file(const struct source *source, struct parameters *parameters, uint64_t seed,
	struct failure *failure) {
	size_t capacity = 0, end;
	for (size_t first = 0; first < parameters->count; first = end) {
		end = group_end(parameters, first);
		for (size_t i = first; i < end && !lie_ready(source, first, end); i++)
			capacity = (i == first ? align(capacity) : capacity) + parameters->table[i].elements;
	}
	void *behind;
	parameters->values = safetensors_gather(source->file, capacity * sizeof(float), &behind, failure);
	if (parameters->values == NULL)
		return -1;
	size_t next = (size_t)((float *)behind - parameters->values);
	for (size_t first = 0; first < parameters->count; first = end) {
		end = group_end(parameters, first);
		bool ready = lie_ready(source, first, end);
		if (!ready)
			next = align(next);
		for (size_t i = first; i < end; i++) {
			if (ready) {
				place(parameters, i, (size_t)((const float *)source->tensors[i]->data - parameters->values));
				continue;
			}
			place(parameters, i, next);
			if (read_value(source, parameters, i, seed, failure) < 0)
				return -1;
			next += parameters->table[i].elements;
		}
	}
	return 0;
}

/* ---- the folder ---------------------------------------------------------------------------------------- */

/* What parameters_save() put into the metadata. */
static void read_lineage(const struct source *source, struct parameters *parameters) {
	const char *text = json_string_value(json_object_get(safetensors_metadata(source->file), "cloze"));
	if (text == NULL)
		return;
	json_t *json = json_loads(text, 0, NULL);
	json_t *lineage = json_object_get(json, "lineage");
	if (json_is_array(lineage))
		parameters->lineage = json_incref(lineage);
	else
		warn(source->warnings, "%s: its lineage cannot be read, and is left aside", source->folder);
	json_decref(json);
}

static void describe_origins(const struct source *source, struct parameters *parameters) {
	for (size_t i = 0; i < parameters->count; i++) {
		struct parameter *parameter = &parameters->table[i];
		parameter->initialized = source->tensors[i] == NULL;
		if (!parameter->initialized)
			memcpy(parameter->dtype, source->tensors[i]->dtype, sizeof parameter->dtype);
	}
}

/* Where the values come to be: nowhere, in a block of their own, in the mapped file. */
enum values { NO_VALUES, IN_BLOCK, IN_FILE };

/* Takes over `config`; and the file, unless the values are copied. */
static struct parameters *load(struct source *source, struct config *config, uint64_t seed, enum values values,
	struct failure *failure) {
	source->used = allocate(safetensors_count(source->file), sizeof *source->used);
	if (settle_tying(source, config, failure) < 0) {
		config_clear(config);
		return NULL;
	}
	struct parameters *parameters = build_table(config);
	source->tensors = allocate(parameters->count, sizeof(struct tensor *));
	int result = 0;
	for (size_t i = 0; i < parameters->count && result == 0; i++) {
		result = find_parameter(source, parameters, i, failure);
		if (result == 0 && source->tensors[i] != NULL)
			result = check_shape(source, &parameters->table[i], source->tensors[i], failure);
	}
	if (result == 0)
		result = check_missing(source, parameters, seed, failure);
	if (result == 0) {
		note_left_aside(source);
		describe_origins(source, parameters);
		read_lineage(source, parameters);
		if (values == IN_BLOCK)
			result = read_block(source, parameters, seed, failure);
		else if (values == IN_FILE)
			result = place_in_file(source, parameters, seed, failure);
	}
	if (result == 0 && values != IN_BLOCK)
		parameters->file = source->file;
	if (result == 0)
		return parameters;
	if (values == IN_FILE)
		parameters->values = NULL; /* they are in the file, which stays the caller's */
	parameters_free(parameters);
	return NULL;
}

static struct parameters *open_folder(const char *folder, uint64_t seed, enum values values,
	const struct warnings *warnings, struct failure *failure) {
	struct config config;
	char *path = format_text("%s/config.json", folder);
	int result = config_read(path, &config, failure);
	free(path);
	if (result < 0)
		return NULL;
	struct safetensors *file = safetensors_open(folder, failure);
	if (file == NULL) {
		config_clear(&config);
		return NULL;
	}
	struct source source = { .folder = folder, .warnings = warnings, .file = file,
		.prefix = module_names[config.model_type].prefix };
	struct parameters *parameters = load(&source, &config, seed, values, failure);
	free(source.used);
	free(source.tensors);
	if (parameters == NULL || values == IN_BLOCK)
		safetensors_close(file);
	return parameters;
}

struct parameters *parameters_load(const char *folder, uint64_t seed, const struct warnings *warnings,
	struct failure *failure) {
	return open_folder(folder, seed, IN_BLOCK, warnings, failure);
}

struct parameters *parameters_map(const char *folder, uint64_t seed, const struct warnings *warnings,
	struct failure *failure) {
	return open_folder(folder, seed, IN_FILE, warnings, failure);
}

struct parameters *parameters_describe(const char *folder, const struct warnings *warnings,
	struct failure *failure) {
	return open_folder(folder, 0, NO_VALUES, warnings, failure);
}

/* ---- saving -------------------------------------------------------------------------------------------- */

int parameters_save(const struct parameters *parameters, const char *folder, struct failure *failure) {
	if (config_write(&parameters->config, folder, failure) < 0)
		return -1;
	struct tensor_source *sources = allocate(parameters->count + 1, sizeof *sources);
	size_t count = parameters->count;
	for (size_t i = 0; i < count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		sources[i] = (struct tensor_source){ parameter->name, parameter->dimensions,
			{ parameter->shape[0], parameter->shape[1] }, parameters->values + parameter->offset };
	}
	if (parameters->config.model_type == MODEL_BERT && !parameters->config.tie_word_embeddings) {
		sources[count] = sources[count - 1];
		sources[count++].name = bert_second_bias;
	}
	json_t *metadata = json_object();
	if (parameters->lineage != NULL) {
		json_t *cloze = json_pack("{s:O}", "lineage", parameters->lineage);
		char *text = json_dumps(cloze, JSON_COMPACT);
		json_object_set_new(metadata, "cloze", json_string(text));
		free(text);
		json_decref(cloze);
	}
	char *path = format_text("%s/model.safetensors", folder);
	int result = safetensors_write(path, sources, count, metadata, failure);
	free(path);
	json_decref(metadata);
	free(sources);
	return result;
}
