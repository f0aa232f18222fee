/* parameters_file: loads a model's parameters from a folder of the Hugging Face layout, and saves them.
 *
 * Each name of the table is looked up in the file, in every spelling that checkpoints use. All tensors are checked
 * before memory for the values is allocated. */
#include "model/parameters_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/digests.h"
#include "model/safetensors.h"

enum { MAX_INNER_SIZE = 1 << 20 };

/* ---- loading ------------------------------------------------------------------------------------------- */

/* A checkpoint that is being matched with the table. */
struct source {
	const char *folder;
	const struct head_layout *head;
	const struct warnings *warnings;
	struct safetensors *file;
	const char *prefix;             /* prefix of the encoder's names: "bert." */
	bool *used;                     /* [safetensors_count(file)] the tensor belongs to the model */
	const struct tensor **tensors;  /* [parameters->count] the tensor of each parameter; NULL: not in the file */
};

static bool ends_with(const char *text, const char *end) {
	size_t length = strlen(text), end_length = strlen(end);
	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* The name in BERT checkpoints made from TensorFlow's, which have `LayerNorm.gamma` and `LayerNorm.beta`; NULL for any
 * other tensor. free() releases it. */
static char *old_name(const char *name) {
	const bool weight = ends_with(name, "LayerNorm.weight");
	if (!weight && !ends_with(name, "LayerNorm.bias"))
		return NULL;
	return format_text("%.*s%s", (int)(strrchr(name, '.') - name), name, weight ? ".gamma" : ".beta");
}

/* Finds a tensor by its name, with or without the encoder's prefix, in the new or the old spelling. *found is NULL if
 * there is none. -1: two spellings are in the file. */
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

/* Unties the decoder weight if the file has one that differs from the embeddings, as tie_weights() of transformers 5
 * does. */
static int settle_tying(struct source *source, struct config *config, struct failure *failure) {
	const char *decoder_name = source->head->tied_weights[config->model_type];
	if (decoder_name == NULL)
		return 0;
	char *words_name = format_text("%sembeddings.word_embeddings.weight", source->prefix);
	const struct tensor *words, *decoder;
	int result = find(source, words_name, &words, failure);
	free(words_name);
	if (result < 0 || find(source, decoder_name, &decoder, failure) < 0)
		return -1;
	if (!config->tie_word_embeddings || words == NULL || decoder == NULL)
		return 0;
	if (strcmp(words->dtype, decoder->dtype) == 0 && words->bytes == decoder->bytes
		&& memcmp(words->data, decoder->data, words->bytes) == 0)
		return 0;
	config->tie_word_embeddings = false;
	warn(source->warnings, "%s: %s differs from the word embeddings: kept separate, although tie_word_embeddings is "
		"true", source->folder, decoder->name);
	return 0;
}

/* Reads config.inner_size, which is not in config.json, from the shape of a tensor. */
static int settle_inner_size(struct source *source, struct config *config, struct failure *failure) {
	const struct tensor *weight = NULL;
	if (source->head->inner_weight == NULL)
		return 0;
	if (find(source, source->head->inner_weight, &weight, failure) < 0)
		return -1;
	if (weight != NULL && weight->dimensions == 2 && weight->shape[0] > 0 && weight->shape[0] <= MAX_INNER_SIZE)
		config->inner_size = weight->shape[0];
	return 0;
}

/* Finds a tensor under its name or its alias (NULL: none). Where both are there, the alias counts if `alias_first`. */
static int find_named(struct source *source, const char *name, const char *alias, bool alias_first,
	const struct tensor **found, struct failure *failure) {
	const struct tensor *other = NULL;
	if (find(source, name, found, failure) < 0)
		return -1;
	if (alias != NULL && (alias_first || *found == NULL) && find(source, alias, &other, failure) < 0)
		return -1;
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

/* Whether a tensor is one that checkpoints often have for other heads. */
static bool is_expected(const struct head_layout *head, const char *name) {
	for (const char *const *prefix = head->left_aside; *prefix != NULL; prefix++)
		if (strncmp(name, *prefix, strlen(*prefix)) == 0)
			return true;
	return ends_with(name, "position_ids");
}

/* The layer in a name such as "encoder.layer.7.x" or "transformer.layer.7.x"; -1: there is none. */
static long layer_of_name(const char *name) {
	const char *at = strstr(name, "layer.");
	char *end;
	if (at == NULL || at[6] < '0' || at[6] > '9')
		return -1;
	long layer = strtol(at + 6, &end, 10);
	return *end == '.' ? layer : -1;
}

/* Warns of tensors that the file has and the model does not: of layers beyond those of config.json, and of others. */
static void warn_of_strangers(const struct source *source, const struct config *config) {
	size_t count = 0, prefix_length = strlen(source->prefix);
	long layers = (long)config->num_hidden_layers, last_layer = -1;
	const char *first = NULL;
	for (size_t i = 0; i < safetensors_count(source->file); i++) {
		const char *name = safetensors_at(source->file, i)->name, *bare = name;
		if (strncmp(name, source->prefix, prefix_length) == 0)
			bare += prefix_length;
		if (source->used[i] || is_expected(source->head, bare))
			continue;
		long layer = layer_of_name(bare);
		if (layer >= layers)
			last_layer = layer > last_layer ? layer : last_layer;
		else if (count++ == 0)
			first = name;
	}
	if (last_layer >= 0)
		warn(source->warnings, "%s: has layers up to layer %ld, but config.json has %ld layer%s: layers from %ld on "
			"are ignored", source->folder, last_layer, layers, layers == 1 ? "" : "s", layers);
	if (count > 0)
		warn(source->warnings, "%s: ignored %zu tensor%s that a %s does not have; the first is %s", source->folder,
			count, count == 1 ? "" : "s", source->head->task, first);
}

/* A missing tensor of the encoder is an error; missing tensors of the head, which comes last in the table, are warned
 * of. */
static int check_missing(const struct source *source, const struct parameters *parameters, uint64_t seed,
	struct failure *failure) {
	size_t head = parameters->groups[head_group(parameters)].first, missing = 0, first = 0;
	for (size_t i = head; i-- > 0;)
		if (source->tensors[i] == NULL)
			first = i, missing++;
	if (missing > 0)
		return fail(failure, EX_DATAERR, "%s: tensor %s is missing (%zu of the encoder's %zu are; is this a model of "
			"the kind that config.json describes?)", source->folder, parameters->table[first].name, missing, head);
	char *names = NULL;
	for (size_t i = head; i < parameters->count; i++)
		if (source->tensors[i] == NULL) {
			char *longer = names == NULL ? copy_text(parameters->table[i].name)
				: format_text("%s, %s", names, parameters->table[i].name);
			free(names);
			names = longer;
		}
	if (names != NULL)
		warn(source->warnings, "%s: not in the file, initialized from seed %llu: %s", source->folder,
			(unsigned long long)seed, names);
	free(names);
	return 0;
}

/* Reads the values of a parameter, or initializes them. */
static int read_value(const struct source *source, struct parameters *parameters, size_t index, uint64_t seed,
	struct failure *failure) {
	const struct tensor *tensor = source->tensors[index];
	struct failure reason;
	if (tensor == NULL) {
		parameter_initialize(parameters, &parameters->table[index], seed);
		return 0;
	}
	if (tensor_to_floats(tensor, parameter_values(parameters, &parameters->table[index]), &reason) < 0)
		return fail(failure, reason.status, "%s: %s", source->folder, reason.text);
	tensor_release(tensor);
	return 0;
}

static int read_block(const struct source *source, struct parameters *parameters, uint64_t seed,
	struct failure *failure) {
	if (digests_verify(source->file, source->folder, failure) < 0)
		return -1;
	parameters->values = allocate(parameters->size, sizeof *parameters->values);
	for (size_t i = 0; i < parameters->count; i++) {
		parameters->table[i].has_crc = false; /* it has been compared, and training changes the values */
		if (read_value(source, parameters, i, seed, failure) < 0)
			return -1;
	}
	return parameters_check(parameters, source->folder, failure);
}

/* ---- mapping ------------------------------------------------------------------------------------------- */

/* The end of the run of parameters from `first` on that must follow each other without a gap. */
static size_t run_end(const struct parameters *parameters, size_t first) {
	size_t end = first + 1;
	while (end < parameters->count && parameter_adjoins_next(&parameters->table[end - 1]))
		end++;
	return end;
}

/* Whether the parameters can be used where they are in the mapped file: they are floats, aligned and adjacent. */
static bool lie_ready(const struct source *source, size_t first, size_t end) {
	for (size_t i = first; i < end; i++) {
		const struct tensor *tensor = source->tensors[i], *before = i > first ? source->tensors[i - 1] : NULL;
		if (tensor == NULL || strcmp(tensor->dtype, "F32") != 0 || (uintptr_t)tensor->data % sizeof(float) != 0
			|| (before != NULL && (const char *)before->data + before->bytes != tensor->data))
			return false;
	}
	return true;
}

/* Maps the file, and copies the parameters that cannot be used where they are into memory behind it. */
static int place_in_file(const struct source *source, struct parameters *parameters, uint64_t seed,
	struct failure *failure) {
	size_t capacity = 0, end;
	for (size_t first = 0; first < parameters->count; first = end) {
		end = run_end(parameters, first);
		for (size_t i = first; i < end && !lie_ready(source, first, end); i++)
			capacity = (i == first ? align_floats(capacity) : capacity) + parameters->table[i].elements;
	}
	void *behind;
	parameters->values = safetensors_gather(source->file, capacity * sizeof(float), &behind, failure);
	if (parameters->values == NULL)
		return -1;
	size_t next = (size_t)((float *)behind - parameters->values);
	for (size_t first = 0; first < parameters->count; first = end) {
		end = run_end(parameters, first);
		bool ready = lie_ready(source, first, end);
		if (!ready)
			next = align_floats(next);
		for (size_t i = first; i < end; i++) {
			if (ready) {
				/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no tensor of those that lie ready is NULL */
				parameters->table[i].offset = (size_t)((const float *)source->tensors[i]->data - parameters->values);
				continue;
			}
			parameters->table[i].offset = next;
			if (read_value(source, parameters, i, seed, failure) < 0)
				return -1;
			next += parameters->table[i].elements;
		}
	}
	return 0;
}

/* ---- the folder ---------------------------------------------------------------------------------------- */

/* Reads the lineage that parameters_save() wrote into the metadata. */
static void read_lineage(const struct source *source, struct parameters *parameters) {
	const char *text = json_string_value(json_object_get(safetensors_metadata(source->file), "cloze"));
	if (text == NULL)
		return;
	json_t *json = json_loads(text, 0, NULL);
	json_t *lineage = json_object_get(json, "lineage");
	if (json_is_array(lineage))
		parameters->lineage = json_incref(lineage);
	else
		warn(source->warnings, "%s: its lineage cannot be read and is ignored", source->folder);
	json_decref(json);
}

static void describe_origins(const struct source *source, struct parameters *parameters) {
	for (size_t i = 0; i < parameters->count; i++) {
		struct parameter *parameter = &parameters->table[i];
		const struct tensor *tensor = source->tensors[i];
		parameter->initialized = tensor == NULL;
		if (tensor == NULL)
			continue;
		memcpy(parameter->dtype, tensor->dtype, sizeof parameter->dtype);
		parameter->has_crc = tensor->has_crc && strcmp(tensor->dtype, "F32") == 0;
		parameter->crc = tensor->crc;
	}
}

/* Where the values are: nowhere, in a block of memory, or in the mapped file. */
enum values { NO_VALUES, IN_BLOCK, IN_FILE };

/* Takes over *config, and the file unless the values are copied. */
static struct parameters *load(struct source *source, struct config *config, uint64_t seed, enum values values,
	struct failure *failure) {
	source->used = allocate(safetensors_count(source->file), sizeof *source->used);
	if (settle_tying(source, config, failure) < 0 || settle_inner_size(source, config, failure) < 0) {
		config_clear(config);
		return NULL;
	}
	struct parameters *parameters = parameters_layout(config, source->head);
	source->tensors = allocate(parameters->count, sizeof(struct tensor *));
	int result = 0;
	for (size_t i = 0; i < parameters->count && result == 0; i++) {
		const struct parameter *parameter = &parameters->table[i];
		result = find_named(source, parameter->name, parameter->alias, parameter->alias_first, &source->tensors[i], failure);
		if (result == 0 && source->tensors[i] != NULL)
			result = check_shape(source, parameter, source->tensors[i], failure);
	}
	if (result == 0)
		result = check_missing(source, parameters, seed, failure);
	if (result == 0) {
		warn_of_strangers(source, &parameters->config);
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
		parameters->values = NULL; /* the values are in the file, which the caller closes */
	parameters_free(parameters);
	return NULL;
}

/* Takes over `config`. */
static struct parameters *open_files(struct source source, struct config *config, uint64_t seed, enum values values,
	struct failure *failure) {
	source.file = safetensors_open(source.folder, failure);
	if (source.file == NULL) {
		config_clear(config);
		return NULL;
	}
	source.prefix = model_type_prefix(config->model_type);
	struct parameters *parameters = load(&source, config, seed, values, failure);
	free(source.used);
	free(source.tensors);
	if (parameters == NULL || values == IN_BLOCK)
		safetensors_close(source.file);
	return parameters;
}

static struct parameters *open_folder(struct source source, uint64_t seed, enum values values,
	struct failure *failure) {
	struct config config;
	return config_read_folder(source.folder, &config, failure) < 0 ? NULL
		: open_files(source, &config, seed, values, failure);
}

struct parameters *parameters_load_as(struct config *config, const char *folder, const struct head_layout *head,
	uint64_t seed, const struct warnings *warnings, struct failure *failure) {
	const struct source source = { .folder = folder, .head = head, .warnings = warnings };
	return open_files(source, config, seed, IN_BLOCK, failure);
}

struct parameters *parameters_load(const char *folder, const struct head_layout *head, uint64_t seed,
	const struct warnings *warnings, struct failure *failure) {
	return open_folder((struct source){ .folder = folder, .head = head, .warnings = warnings }, seed, IN_BLOCK,
		failure);
}

struct parameters *parameters_map(const char *folder, const struct head_layout *head, uint64_t seed,
	const struct warnings *warnings, struct failure *failure) {
	return open_folder((struct source){ .folder = folder, .head = head, .warnings = warnings }, seed, IN_FILE, failure);
}

struct parameters *parameters_open(const char *folder, const struct head_layout *head, uint64_t seed,
	const struct warnings *warnings, struct failure *failure) {
	struct parameters *parameters = parameters_map(folder, head, seed, warnings, failure);
	if (parameters == NULL || parameters_check(parameters, folder, failure) == 0)
		return parameters;
	parameters_free(parameters);
	return NULL;
}

struct parameters *parameters_describe(const char *folder, const struct head_layout *head,
	const struct warnings *warnings, struct failure *failure) {
	return open_folder((struct source){ .folder = folder, .head = head, .warnings = warnings }, 0, NO_VALUES, failure);
}

/* 1: every tensor of the head is there; 0; -1. */
static int has_head(struct source *source, const struct config *config, struct failure *failure) {
	struct head_tensor tensors[MAX_HEAD_TENSORS] = { { 0 } };
	size_t count = source->head->tensors(config, tensors);
	for (size_t i = 0; i < count; i++) {
		const struct tensor *found = NULL;
		if (tensors[i].rows > 0 && find_named(source, tensors[i].name, tensors[i].alias, false, &found, failure) < 0)
			return -1;
		if (tensors[i].rows > 0 && found == NULL)
			return 0;
	}
	return 1;
}

int folder_find_head(const char *folder, const struct head_layout *const *heads, size_t count, size_t *found,
	struct failure *failure) {
	struct source source = { .folder = folder };
	struct config config;
	if (config_read_folder(folder, &config, failure) < 0)
		return -1;
	source.prefix = model_type_prefix(config.model_type);
	source.file = safetensors_open(folder, failure);
	int result = source.file == NULL ? -1 : 0;
	if (result == 0)
		source.used = allocate(safetensors_count(source.file), sizeof *source.used);
	for (*found = 0; result == 0 && *found < count; ++*found) {
		source.head = heads[*found];
		result = has_head(&source, &config, failure);
		if (result > 0)
			break;
	}
	free(source.used);
	safetensors_close(source.file);
	config_clear(&config);
	return result < 0 ? -1 : 0;
}

/* ---- values for a table that is there ------------------------------------------------------------------ */

int parameter_read(const struct safetensors *file, const char *path, const char *name,
	const struct parameter *parameter, float *values, struct failure *failure) {
	const struct tensor *tensor = safetensors_find(file, name);
	if (tensor == NULL || tensor->elements != parameter->elements || tensor->shape[0] != parameter->shape[0])
		return fail(failure, EX_DATAERR, "%s: %s is %s (was the run begun from another --model?)", path, name,
			tensor == NULL ? "missing" : "of another shape");
	if (tensor_to_floats(tensor, values, failure) < 0)
		return -1;
	tensor_release(tensor);
	return 0;
}

int parameters_read(struct parameters *parameters, const char *folder, struct failure *failure) {
	struct safetensors *file = safetensors_open(folder, failure);
	int result = file == NULL ? -1 : 0;
	parameters->version++;
	for (size_t i = 0; i < parameters->count && result == 0; i++) {
		const struct parameter *parameter = &parameters->table[i];
		result = parameter_read(file, folder, parameter->name, parameter, parameter_values(parameters, parameter),
			failure);
	}
	safetensors_close(file);
	return result;
}

/* ---- saving -------------------------------------------------------------------------------------------- */

int parameters_save(const struct parameters *parameters, const char *folder, struct failure *failure) {
	const struct head_layout *head = parameters->head;
	if (config_write(&parameters->config, head->architectures[parameters->config.model_type], folder, failure) < 0)
		return -1;
	struct tensor_source *sources = allocate(2 * parameters->count, sizeof *sources);
	size_t count = 0;
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		sources[count++] = (struct tensor_source){ parameter->name, parameter->dimensions,
			{ parameter->shape[0], parameter->shape[1] }, parameter_values(parameters, parameter) };
		/* If the weights are tied, transformers writes the tensor under its first name only. */
		if (parameter->alias_first && !parameters->config.tie_word_embeddings) {
			sources[count] = sources[count - 1];
			sources[count++].name = parameter->alias;
		}
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
