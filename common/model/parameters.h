/* parameters: every number of a model, and the one table of their names, shapes, roles and groups.
 *
 * Loading, saving (model/parameters_file.h), initializing, optimizing, counting and printing all walk the table. In memory
 * the values are one block of floats; a layer's query, key and value weights lie side by side in it, and likewise their
 * biases, so that one product computes all three. A model that is only read stays in its mapped file instead.
 *
 * A group is what trains at one learning rate, thaws together, and is summed over processes together: the embeddings, each
 * layer, the head. Groups are contiguous in the table and in the block.
 *
 * Names are those that transformers saves: `distilbert.transformer.layer.0.attention.q_lin.weight`,
 * `bert.encoder.layer.0.attention.self.query.weight`, `cls.predictions.transform.dense.weight`. */
#ifndef CLOZE_MODEL_PARAMETERS_H
#define CLOZE_MODEL_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/config.h"

/* What a tensor is to the encoder. Those from ROLE_QUERY_WEIGHT to ROLE_OUTPUT_NORM_BIAS exist once a layer. The names
 * follow BERT's. C is hidden_size, F intermediate_size, V vocab_size, P max_position_embeddings. */
enum role {
	ROLE_WORD_EMBEDDINGS, ROLE_POSITION_EMBEDDINGS, ROLE_TOKEN_TYPE_EMBEDDINGS,   /* [V, C], [P, C], [types, C] */
	ROLE_EMBEDDING_NORM_WEIGHT, ROLE_EMBEDDING_NORM_BIAS,                         /* [C] */
	ROLE_QUERY_WEIGHT, ROLE_KEY_WEIGHT, ROLE_VALUE_WEIGHT,                        /* [C, C], side by side */
	ROLE_QUERY_BIAS, ROLE_KEY_BIAS, ROLE_VALUE_BIAS,                              /* [C], side by side */
	ROLE_ATTENTION_OUTPUT_WEIGHT, ROLE_ATTENTION_OUTPUT_BIAS,                     /* [C, C], [C] */
	ROLE_ATTENTION_NORM_WEIGHT, ROLE_ATTENTION_NORM_BIAS,                         /* [C] */
	ROLE_INTERMEDIATE_WEIGHT, ROLE_INTERMEDIATE_BIAS,                             /* [F, C], [F] */
	ROLE_OUTPUT_WEIGHT, ROLE_OUTPUT_BIAS,                                         /* [C, F], [C] */
	ROLE_OUTPUT_NORM_WEIGHT, ROLE_OUTPUT_NORM_BIAS,                               /* [C] */
	ROLE_HEAD                                    /* a tensor of the head, which numbers its tensors itself */
};

/* How a new tensor is filled. */
enum fill { FILL_NORMAL, FILL_ZEROS, FILL_ONES };

struct parameter {
	char *name;
	const char *alias;        /* another name that files have for the tensor; NULL: none */
	bool alias_first;         /* the alias counts where a file has both names; otherwise only where the name is missing */
	enum role role;
	size_t place;             /* the layer, counted from 0; of the head: the tensor's number in it; otherwise 0 */
	size_t group;             /* index into `groups` */
	size_t dimensions;        /* 1 or 2 */
	size_t shape[2];          /* a weight is [outputs, inputs] */
	size_t elements;
	size_t offset;            /* floats from `values`; in a block a multiple of 16, but for a key or value after its query */
	enum fill fill;
	bool decays;              /* a weight that weight decay applies to: no bias, no norm */
	bool is_statistic;        /* a running statistic: saved with the model, and not trained by gradients */
	bool initialized;         /* was not in the file, and came from --seed */
	char dtype[16];           /* of the file it was read from; "F32" for a new one */
};

/* A contiguous range of the table, [first, end). */
struct group {
	char name[32];            /* "embeddings", "layer.0", "head" */
	size_t first, end;
};

/* A tensor of a head, as the head describes it. `rows` 0: this configuration has no such tensor. */
struct head_tensor {
	const char *name;         /* "cls.predictions.bias" */
	const char *alias;        /* as in struct parameter; preferred to the name where a file has both */
	size_t rows, columns;     /* [rows, columns]; columns 0: [rows] */
	enum fill fill;
	bool decays, is_statistic;
};

enum { MAX_HEAD_TENSORS = 16 };

/* The part of a head that the table needs. */
struct head_layout {
	const char *task;                          /* "masked language model" */
	const char *architectures[2];              /* by enum model_type: "DistilBertForMaskedLM"; NULL: none of transformers' */
	/* The weight that equals the word embeddings where config.tie_word_embeddings says so, by enum model_type; NULL: none. */
	const char *tied_weights[2];
	/* Beginnings of the names of tensors that files usually have beside this head's, left aside without a warning; ended by
	 * NULL. */
	const char *const *left_aside;
	/* A weight whose file tells the size config.inner_size, its first dimension; NULL: the head has no such size. */
	const char *inner_weight;
	/* Fills the tensors of the head and returns how many they are. Names are static. */
	size_t (*tensors)(const struct config *config, struct head_tensor tensors[MAX_HEAD_TENSORS]);
};

struct parameters {
	struct config config;       /* owned */
	const struct head_layout *head;
	size_t count;
	struct parameter *table;    /* [count] */
	size_t group_count;         /* num_hidden_layers + 2 */
	struct group *groups;       /* [group_count]: embeddings, layer 0 and up, head */
	size_t size;                /* floats in a block, padding included */
	float *values;              /* [size], padding zero; or the range of addresses that the mapped files have */
	struct safetensors *file;   /* the mapped files, values not to be written to; NULL: values are a block */
	size_t head_places[MAX_HEAD_TENSORS]; /* index into the table by the head's number; SIZE_MAX: not there */
	json_t *lineage;            /* of the model, an array: `cloze` in the file's metadata; NULL: none */
};

/* The table for the configuration and a head, and offsets as in a block; no values. Takes over what config owns. Never
 * NULL. parameters_free() releases it. */
struct parameters *parameters_layout(struct config *config, const struct head_layout *head);

/* The same with a block of values, all 0. */
struct parameters *parameters_create(struct config *config, const struct head_layout *head);

void parameters_free(struct parameters *parameters);

/* The tensor of that role; `place` is the layer, or the number in the head, or 0. NULL: the model has none. Owned by the
 * parameters. */
const struct parameter *parameters_find(const struct parameters *parameters, enum role role, size_t place);

/* Where its values begin. */
static inline float *parameter_values(const struct parameters *parameters, const struct parameter *parameter) {
	return parameters->values + parameter->offset;
}

/* The group of a layer, of the embeddings, of the head. */
static inline size_t layer_group(size_t layer) { return layer + 1; }
enum { EMBEDDINGS_GROUP = 0 };
static inline size_t head_group(const struct parameters *parameters) { return parameters->group_count - 1; }

/* Rounds a number of floats up to a multiple of a cache line, as offsets in a block are. */
static inline size_t align_floats(size_t floats) { return (floats + 15) / 16 * 16; }

/* Whether the next tensor of the table has to follow this one without a gap. */
bool parameter_adjoins_next(const struct parameter *parameter);

/* New parameters with some layers of another model: layer i is its layer layers[i], `count` of them, each below its
 * num_hidden_layers; embeddings and head are its own. The values are copied. Never NULL. */
struct parameters *parameters_of_layers(const struct parameters *from, const size_t *layers, size_t count);

/* Fills every value as transformers initializes a new model: N(0, initializer_range^2), biases 0, norms 1 and 0, the
 * padding token's embedding 0. A function of (seed, name, index). */
void parameters_initialize(struct parameters *parameters, uint64_t seed);
/* The same for one tensor. */
void parameter_initialize(struct parameters *parameters, struct parameter *parameter, uint64_t seed);

/* The index of the first of `count` values that is infinite or not a number; `count`: every value is finite. */
size_t find_not_finite(const float *values, size_t count);

/* Numbers in the model as the reference counts them: tied weights once, no padding; an untied BERT's output bias
 * twice; no running statistics. */
size_t parameters_total(const struct parameters *parameters);

#endif
