/* parameters: builds the table of a model's tensors from the configuration, and fills new tensors with values. */
#include "model/parameters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "math/random.h"
#include "model/safetensors.h"

/* ---- names --------------------------------------------------------------------------------------------- */

/* A tensor of each layer: its name in each family, and its shape in terms of hidden_size C and intermediate_size F. */
enum size { SIZE_NONE, SIZE_C, SIZE_F };
struct layer_tensor { enum role role; const char *names[2]; enum size rows, columns; bool is_norm; };

static const struct layer_tensor layer_tensors[] = {
	{ ROLE_QUERY_WEIGHT, { "attention.q_lin.weight", "attention.self.query.weight" }, SIZE_C, SIZE_C, false },
	{ ROLE_KEY_WEIGHT, { "attention.k_lin.weight", "attention.self.key.weight" }, SIZE_C, SIZE_C, false },
	{ ROLE_VALUE_WEIGHT, { "attention.v_lin.weight", "attention.self.value.weight" }, SIZE_C, SIZE_C, false },
	{ ROLE_QUERY_BIAS, { "attention.q_lin.bias", "attention.self.query.bias" }, SIZE_C, SIZE_NONE, false },
	{ ROLE_KEY_BIAS, { "attention.k_lin.bias", "attention.self.key.bias" }, SIZE_C, SIZE_NONE, false },
	{ ROLE_VALUE_BIAS, { "attention.v_lin.bias", "attention.self.value.bias" }, SIZE_C, SIZE_NONE, false },
	{ ROLE_ATTENTION_OUTPUT_WEIGHT, { "attention.out_lin.weight", "attention.output.dense.weight" }, SIZE_C, SIZE_C,
		false },
	{ ROLE_ATTENTION_OUTPUT_BIAS, { "attention.out_lin.bias", "attention.output.dense.bias" }, SIZE_C, SIZE_NONE,
		false },
	{ ROLE_ATTENTION_NORM_WEIGHT, { "sa_layer_norm.weight", "attention.output.LayerNorm.weight" }, SIZE_C, SIZE_NONE,
		true },
	{ ROLE_ATTENTION_NORM_BIAS, { "sa_layer_norm.bias", "attention.output.LayerNorm.bias" }, SIZE_C, SIZE_NONE,
		false },
	{ ROLE_INTERMEDIATE_WEIGHT, { "ffn.lin1.weight", "intermediate.dense.weight" }, SIZE_F, SIZE_C, false },
	{ ROLE_INTERMEDIATE_BIAS, { "ffn.lin1.bias", "intermediate.dense.bias" }, SIZE_F, SIZE_NONE, false },
	{ ROLE_OUTPUT_WEIGHT, { "ffn.lin2.weight", "output.dense.weight" }, SIZE_C, SIZE_F, false },
	{ ROLE_OUTPUT_BIAS, { "ffn.lin2.bias", "output.dense.bias" }, SIZE_C, SIZE_NONE, false },
	{ ROLE_OUTPUT_NORM_WEIGHT, { "output_layer_norm.weight", "output.LayerNorm.weight" }, SIZE_C, SIZE_NONE, true },
	{ ROLE_OUTPUT_NORM_BIAS, { "output_layer_norm.bias", "output.LayerNorm.bias" }, SIZE_C, SIZE_NONE, false },
};
enum { LAYER_TENSORS = sizeof layer_tensors / sizeof *layer_tensors };

/* ---- the table ----------------------------------------------------------------------------------------- */

/* Adds a tensor [rows, columns] (columns 0: [rows]) to the last group. Takes over the name. */
static struct parameter *add(struct parameters *parameters, char *name, enum role role, size_t rows, size_t columns) {
	if (parameters->count % 64 == 0)
		parameters->table = grow(parameters->table, parameters->count + 64, sizeof *parameters->table);
	struct parameter *parameter = &parameters->table[parameters->count++];
	*parameter = (struct parameter){ .name = name, .role = role, .group = parameters->group_count - 1,
		.dimensions = columns == 0 ? 1 : 2, .shape = { rows, columns },
		.elements = columns == 0 ? rows : rows * columns, .fill = columns == 0 ? FILL_ZEROS : FILL_NORMAL,
		.decays = columns != 0, .dtype = "F32" };
	parameters->groups[parameter->group].end = parameters->count;
	return parameter;
}

static struct group *begin_group(struct parameters *parameters) {
	struct group *group = &parameters->groups[parameters->group_count++];
	group->first = group->end = parameters->count;
	return group;
}

static void add_embeddings(struct parameters *parameters) {
	const struct config *config = &parameters->config;
	const char *prefix = model_type_prefix(config->model_type);
	size_t C = config->hidden_size;
	strcpy(begin_group(parameters)->name, "embeddings");
	struct parameter *words = add(parameters, format_text("%sembeddings.word_embeddings.weight", prefix),
		ROLE_WORD_EMBEDDINGS, config->vocab_size, C);
	words->alias = config->tie_word_embeddings ? parameters->head->tied_weights[config->model_type] : NULL;
	add(parameters, format_text("%sembeddings.position_embeddings.weight", prefix), ROLE_POSITION_EMBEDDINGS,
		config->max_position_embeddings, C);
	if (config->type_vocab_size > 0)
		add(parameters, format_text("%sembeddings.token_type_embeddings.weight", prefix), ROLE_TOKEN_TYPE_EMBEDDINGS,
			config->type_vocab_size, C);
	add(parameters, format_text("%sembeddings.LayerNorm.weight", prefix), ROLE_EMBEDDING_NORM_WEIGHT, C, 0)->fill =
		FILL_ONES;
	add(parameters, format_text("%sembeddings.LayerNorm.bias", prefix), ROLE_EMBEDDING_NORM_BIAS, C, 0);
}

static void add_layer(struct parameters *parameters, size_t layer) {
	const struct config *config = &parameters->config;
	const size_t sizes[] = { [SIZE_NONE] = 0, [SIZE_C] = config->hidden_size, [SIZE_F] = config->intermediate_size };
	struct group *group = begin_group(parameters);
	snprintf(group->name, sizeof group->name, "layer.%zu", layer);
	for (size_t i = 0; i < LAYER_TENSORS; i++) {
		const struct layer_tensor *tensor = &layer_tensors[i];
		char *name = format_text("%s%s.%zu.%s", model_type_prefix(config->model_type),
			config->model_type == MODEL_BERT ? "encoder.layer" : "transformer.layer", layer,
			tensor->names[config->model_type]);
		struct parameter *added = add(parameters, name, tensor->role, sizes[tensor->rows], sizes[tensor->columns]);
		added->place = layer;
		if (tensor->is_norm)
			added->fill = FILL_ONES;
	}
}

static void add_head(struct parameters *parameters) {
	struct head_tensor tensors[MAX_HEAD_TENSORS] = { { 0 } };
	size_t count = parameters->head->tensors(&parameters->config, tensors);
	strcpy(begin_group(parameters)->name, "head");
	for (size_t i = 0; i < MAX_HEAD_TENSORS; i++) {
		const struct head_tensor *tensor = &tensors[i];
		parameters->head_places[i] = SIZE_MAX;
		if (i >= count || tensor->rows == 0)
			continue;
		parameters->head_places[i] = parameters->count;
		struct parameter *added = add(parameters, copy_text(tensor->name), ROLE_HEAD, tensor->rows, tensor->columns);
		added->place = i;
		added->alias = tensor->alias;
		added->alias_first = tensor->alias != NULL;
		added->fill = tensor->fill;
		added->decays = tensor->decays;
		added->is_statistic = tensor->is_statistic;
	}
}

bool parameter_adjoins_next(const struct parameter *parameter) {
	return parameter->role == ROLE_QUERY_WEIGHT || parameter->role == ROLE_KEY_WEIGHT
		|| parameter->role == ROLE_QUERY_BIAS || parameter->role == ROLE_KEY_BIAS;
}

static void place_in_block(struct parameters *parameters) {
	size_t end = 0;
	for (size_t i = 0; i < parameters->count; i++) {
		struct parameter *parameter = &parameters->table[i];
		parameter->offset = i > 0 && parameter_adjoins_next(parameter - 1) ? end : align_floats(end);
		end = parameter->offset + parameter->elements;
	}
	parameters->size = align_floats(end);
}

struct parameters *parameters_layout(struct config *config, const struct head_layout *head) {
	struct parameters *parameters = allocate(1, sizeof *parameters);
	parameters->config = *config;
	config->json = NULL;
	parameters->head = head;
	size_t layers = parameters->config.num_hidden_layers;
	parameters->groups = allocate(layers + 2, sizeof *parameters->groups);
	add_embeddings(parameters);
	for (size_t i = 0; i < layers; i++)
		add_layer(parameters, i);
	add_head(parameters);
	place_in_block(parameters);
	return parameters;
}

struct parameters *parameters_create(struct config *config, const struct head_layout *head) {
	struct parameters *parameters = parameters_layout(config, head);
	parameters->values = allocate(parameters->size, sizeof *parameters->values);
	return parameters;
}

static bool is_of_layer(const struct parameter *parameter) {
	return parameter->role >= ROLE_QUERY_WEIGHT && parameter->role <= ROLE_OUTPUT_NORM_BIAS;
}

struct parameters *parameters_of_layers(const struct parameters *from, const size_t *layers, size_t count) {
	struct config config;
	config_copy(&config, &from->config);
	config_set_layers(&config, count);
	struct parameters *parameters = parameters_create(&config, from->head);
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *to = &parameters->table[i];
		const struct parameter *source = parameters_find(from, to->role,
			is_of_layer(to) ? layers[to->place] : to->place);
		memcpy(parameter_values(parameters, to), parameter_values(from, source), to->elements * sizeof(float));
	}
	return parameters;
}

/* The number of values, gaps included: that of a block, or of a range of addresses. */
static size_t values_end(const struct parameters *parameters) {
	size_t end = 0;
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		end = parameter->offset + parameter->elements > end ? parameter->offset + parameter->elements : end;
	}
	return end;
}

void parameters_make_rounded(struct parameters *parameters) {
	if (parameters->rounded != NULL)
		return;
	parameters->rounded = allocate_huge_pages(values_end(parameters), sizeof *parameters->rounded);
	parameters->rounded_version = parameters->version - 1;
}

void parameters_free(struct parameters *parameters) {
	if (parameters == NULL)
		return;
	free_huge_pages(parameters->rounded, values_end(parameters), sizeof *parameters->rounded);
	for (size_t i = 0; i < parameters->count; i++)
		free(parameters->table[i].name);
	free(parameters->table);
	free(parameters->groups);
	if (parameters->file == NULL)
		free(parameters->values);
	safetensors_close(parameters->file);
	json_decref(parameters->lineage);
	config_clear(&parameters->config);
	free(parameters);
}

const struct parameter *parameters_find(const struct parameters *parameters, enum role role, size_t place) {
	const struct group *group;
	if (role == ROLE_HEAD)
		return place < MAX_HEAD_TENSORS && parameters->head_places[place] != SIZE_MAX
			? &parameters->table[parameters->head_places[place]] : NULL;
	if (role >= ROLE_QUERY_WEIGHT) {
		group = &parameters->groups[layer_group(place)];
		return &parameters->table[group->first + (size_t)(role - ROLE_QUERY_WEIGHT)];
	}
	group = &parameters->groups[EMBEDDINGS_GROUP];
	for (size_t i = group->first; i < group->end; i++)
		if (parameters->table[i].role == role)
			return &parameters->table[i];
	return NULL;
}

size_t parameters_total(const struct parameters *parameters) {
	size_t total = 0;
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		if (!parameter->is_statistic)
			total += parameter->elements;
		/* If config.json unties the weights, the reference also counts the second name of the bias. */
		if (parameter->alias_first && json_is_false(json_object_get(parameters->config.json, "tie_word_embeddings")))
			total += parameter->elements;
	}
	return total;
}

/* ---- new values ---------------------------------------------------------------------------------------- */

/* The 64-bit FNV-1a hash of a name (Fowler, Noll, Vo). */
static uint64_t hash_name(const char *name) {
	uint64_t hash = 0xcbf29ce484222325;
	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
	return hash;
}

/* values[p, c] = sin(a) for even c, cos(a) for odd c, with a = p / 10000^(2 floor(c / 2) / C) (Vaswani et al. 2017). */
static void fill_sinusoids(float *values, size_t positions, size_t C) {
	for (size_t p = 0; p < positions; p++)
		for (size_t c = 0; c < C; c++) {
			/* NOLINTNEXTLINE(bugprone-integer-division): the floor is meant */
			double angle = (double)p / pow(10000, 2 * (double)(c / 2) / (double)C);
			values[p * C + c] = (float)(c % 2 == 0 ? sin(angle) : cos(angle));
		}
}

/* Equals _init_weights() of modeling_utils.py and of each family. */
void parameter_initialize(struct parameters *parameters, struct parameter *parameter, uint64_t seed) {
	const struct config *config = &parameters->config;
	float *values = parameter_values(parameters, parameter);
	float deviation = config->initializer_range > 0 ? config->initializer_range : 0.02f;
	parameter->initialized = true;
	if (parameter->role == ROLE_POSITION_EMBEDDINGS
			&& json_is_true(json_object_get(config->json, "sinusoidal_pos_embds")))
		fill_sinusoids(values, config->max_position_embeddings, config->hidden_size);
	else if (parameter->fill == FILL_NORMAL)
		random_normal(seed, hash_name(parameter->name), deviation, values, parameter->elements);
	else
		for (size_t i = 0; i < parameter->elements; i++)
			values[i] = parameter->fill == FILL_ONES ? 1 : 0;
	if (parameter->role == ROLE_WORD_EMBEDDINGS && config->pad_token_id >= 0)
		memset(values + (size_t)config->pad_token_id * config->hidden_size, 0, config->hidden_size * sizeof *values);
}

void parameters_initialize(struct parameters *parameters, uint64_t seed) {
	for (size_t i = 0; i < parameters->count; i++)
		parameter_initialize(parameters, &parameters->table[i], seed);
}

/* An infinity or a NaN has an exponent of all ones. The first loop has no branch, so that the compiler vectorizes
 * it. */
size_t find_not_finite(const float *values, size_t count) {
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
