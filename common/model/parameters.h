/* parameters: the parameters of a model, and the table of their names, shapes, roles and groups.
 *
 * Loading and saving (model/parameters_file.h), initialization, the optimizer, counting and printing all use the table.
 * In memory the values are one block of floats. The query, key and value weights of a layer are adjacent in it, and so
 * are their biases, so that one product computes all three. A model that is only read stays in its mapped file instead.
 *
 * A group is a set of tensors with one learning rate that begin to train together and are summed over processes
 * together: the embeddings, each layer, the head. Groups are contiguous in the table and in the block.
 *
 * Names are those of transformers: `distilbert.transformer.layer.0.attention.q_lin.weight`,
 * `bert.encoder.layer.0.attention.self.query.weight`, `cls.predictions.transform.dense.weight`. */
#ifndef CLOZE_MODEL_PARAMETERS_H
#define CLOZE_MODEL_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/kernels.h"
#include "model/config.h"

/* The role of a tensor in the encoder. Every layer has one tensor of each role from ROLE_QUERY_WEIGHT to
 * ROLE_OUTPUT_NORM_BIAS. The names follow those of BERT. C is hidden_size, F intermediate_size, V vocab_size, P
 * max_position_embeddings. */
enum role {
	ROLE_WORD_EMBEDDINGS, ROLE_POSITION_EMBEDDINGS, ROLE_TOKEN_TYPE_EMBEDDINGS,   /* [V, C], [P, C], [types, C] */
	ROLE_EMBEDDING_NORM_WEIGHT, ROLE_EMBEDDING_NORM_BIAS,                         /* [C] */
	ROLE_QUERY_WEIGHT, ROLE_KEY_WEIGHT, ROLE_VALUE_WEIGHT,                        /* [C, C], adjacent */
	ROLE_QUERY_BIAS, ROLE_KEY_BIAS, ROLE_VALUE_BIAS,                              /* [C], adjacent */
	ROLE_ATTENTION_OUTPUT_WEIGHT, ROLE_ATTENTION_OUTPUT_BIAS,                     /* [C, C], [C] */
	ROLE_ATTENTION_NORM_WEIGHT, ROLE_ATTENTION_NORM_BIAS,                         /* [C] */
	ROLE_INTERMEDIATE_WEIGHT, ROLE_INTERMEDIATE_BIAS,                             /* [F, C], [F] */
	ROLE_OUTPUT_WEIGHT, ROLE_OUTPUT_BIAS,                                         /* [C, F], [C] */
	ROLE_OUTPUT_NORM_WEIGHT, ROLE_OUTPUT_NORM_BIAS,                               /* [C] */
	ROLE_HEAD                                    /* a tensor of the head; the head numbers its tensors */
};

/* How a new tensor is filled. */
enum fill { FILL_NORMAL, FILL_ZEROS, FILL_ONES };

struct parameter {
	char *name;
	const char *alias;        /* another name of the tensor in files; NULL: none */
	bool alias_first;         /* the alias is preferred to the name; otherwise it is used when the name is missing */
	enum role role;
	size_t place;             /* the layer, counted from 0; for the head the tensor's number; otherwise 0 */
	size_t group;             /* index into `groups` */
	size_t dimensions;        /* 1 or 2 */
	size_t shape[2];          /* a weight is [outputs, inputs] */
	size_t elements;
	size_t offset;            /* in floats from `values`; in a block a multiple of 16, except for keys and values */
	enum fill fill;
	bool decays;              /* weight decay applies: true for weights, false for biases and norms */
	bool is_statistic;        /* a running statistic: saved with the model, but not trained by gradients */
	bool initialized;         /* the tensor was not in the file and was initialized from the seed */
	char dtype[16];           /* the dtype in the file; "F32" for a new tensor */
	bool has_crc;             /* `crc` is a digest of the mapped values that is still to be compared (model/digests.h) */
	uint32_t crc;
};

/* Whether the parameter is rounded where products are in bfloat16: it is a matrix, which they read. */
static inline bool is_rounded(const struct parameter *parameter) {
	return parameter->dimensions == 2;
}

/* A contiguous range of the table, [first, end). */
struct group {
	char name[32];            /* "embeddings", "layer.0", "head" */
	size_t first, end;
};

/* A tensor of a head, as the head describes it. `rows` 0: this configuration has no such tensor. */
struct head_tensor {
	const char *name;         /* "cls.predictions.bias" */
	const char *alias;        /* as in struct parameter; preferred to the name when a file has both */
	size_t rows, columns;     /* [rows, columns]; columns 0: [rows] */
	enum fill fill;
	bool decays, is_statistic;
};

enum { MAX_HEAD_TENSORS = 16 };

/* The properties of a head that the table needs. */
struct head_layout {
	const char *task;                          /* "masked language model" */
	const char *architectures[2];              /* by enum model_type: "DistilBertForMaskedLM"; NULL: none */
	/* By enum model_type, the weight that equals the word embeddings if config.tie_word_embeddings; NULL: none. */
	const char *tied_weights[2];
	/* Prefixes of names of tensors that files often have for other heads and that are ignored without a warning; ended
	 * by NULL. */
	const char *const *left_aside;
	/* A weight whose first dimension is config.inner_size, which is read from the file; NULL: the head has none. */
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
	float *values;              /* [size], padding is 0; or the range of addresses of the mapped files */
	uint64_t version;           /* counts the changes of the values: whoever changes them after the first pass of a
	                             * network adds 1 */
	bfloat16 *rounded;          /* the matrices among the values, rounded, placed as in `values`; NULL: no network
	                             * has needed them */
	uint64_t rounded_version;   /* the version of the values that were rounded */
	struct safetensors *file;   /* the mapped files, whose values must not be written; NULL: values are a block */
	size_t head_places[MAX_HEAD_TENSORS]; /* index into the table by the head's number; SIZE_MAX: no such tensor */
	json_t *lineage;            /* the lineage of the model, an array, from the file's metadata; NULL: none */
};

/* Creates the table for the configuration and a head, with the offsets of a block but without values. Takes over what
 * *config owns. Never NULL. parameters_free() releases it. */
struct parameters *parameters_layout(struct config *config, const struct head_layout *head);

/* The same with a block of values, all 0. */
struct parameters *parameters_create(struct config *config, const struct head_layout *head);

void parameters_free(struct parameters *parameters);

/* Makes room for the rounded matrices, if there is none yet; nothing is rounded. */
void parameters_make_rounded(struct parameters *parameters);

/* Finds the tensor of that role; `place` is the layer, or the number in the head, or 0. NULL: the model has none. The
 * tensor is owned by the parameters. */
const struct parameter *parameters_find(const struct parameters *parameters, enum role role, size_t place);

/* The values of a tensor. */
static inline float *parameter_values(const struct parameters *parameters, const struct parameter *parameter) {
	return parameters->values + parameter->offset;
}

/* The group of a layer, of the embeddings, of the head. */
static inline size_t layer_group(size_t layer) { return layer + 1; }
enum { EMBEDDINGS_GROUP = 0 };
static inline size_t head_group(const struct parameters *parameters) { return parameters->group_count - 1; }

/* Rounds a number of floats up to whole cache lines, the alignment of offsets in a block. */
static inline size_t align_floats(size_t floats) { return (floats + 15) / 16 * 16; }

/* Whether the next tensor of the table must follow this one without a gap. */
bool parameter_adjoins_next(const struct parameter *parameter);

/* New parameters with some layers of another model: layer i is its layer layers[i], `count` of them, each below its
 * num_hidden_layers; embeddings and head are its own. The values are copied. Never NULL. */
struct parameters *parameters_of_layers(const struct parameters *from, const size_t *layers, size_t count);

/* Fills every tensor as transformers initializes a new model: weights from N(0, initializer_range^2), biases with 0,
 * norm weights with 1, the padding token's embedding with 0. Each value is a function of (seed, name, index). */
void parameters_initialize(struct parameters *parameters, uint64_t seed);
/* The same for one tensor. */
void parameter_initialize(struct parameters *parameters, struct parameter *parameter, uint64_t seed);

/* The index of the first of `count` values that is an infinity or a NaN; `count` if every value is finite. */
size_t find_not_finite(const float *values, size_t count);

/* The number of parameters as the reference counts them: tied weights once, the output bias of an untied BERT twice,
 * and no running statistics. */
size_t parameters_total(const struct parameters *parameters);

#endif
