/* parameters: every number the network learns, in one block of floats, and the one table of their names and shapes.
 *
 * Loading, saving, initializing, optimizing, counting and printing all walk the table. Gradients and the optimizer's
 * moments are blocks of the same size. The order in the block puts a layer's query, key and value weights side by
 * side, and likewise their biases, so that one product computes all three. What is only to be read stays in its file
 * instead, mapped into memory (parameters_map()).
 *
 * Names are those that transformers saves: `distilbert.transformer.layer.0.attention.q_lin.weight`,
 * `bert.encoder.layer.0.attention.self.query.weight`, `cls.predictions.transform.dense.weight`. */
#ifndef CLOZE_MODEL_PARAMETERS_H
#define CLOZE_MODEL_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/config.h"

struct safetensors;

struct parameter {
	char *name;
	size_t dimensions;  /* 1 or 2 */
	size_t shape[2];    /* a weight is [outputs, inputs] */
	size_t elements;
	size_t offset;      /* floats from `values`; in a block a multiple of 16, but for a key or value after its query */
	size_t *role;       /* the member below that tells this offset too; NULL: a key or value, behind the one before */
	bool decays;        /* a weight that weight decay applies to: no bias, no layer norm */
	bool initialized;   /* was not in the file, and came from --seed */
	char dtype[8];      /* of the file it was read from; "F32" for a new one */
};

/* Offsets, in floats, of one encoder layer's parameters. The names follow BERT's roles. */
struct layer_offsets {
	size_t qkv_weight, qkv_bias;                     /* [3 C, C], [3 C]: query, key, value */
	size_t attention_output_weight, attention_output_bias; /* [C, C], [C] */
	size_t attention_norm_weight, attention_norm_bias;     /* [C] */
	size_t intermediate_weight, intermediate_bias;   /* [F, C], [F] */
	size_t output_weight, output_bias;               /* [C, F], [C] */
	size_t output_norm_weight, output_norm_bias;     /* [C] */
};

struct parameters {
	struct config config;       /* owned */
	size_t count;
	struct parameter *table;    /* [count] */
	size_t size;                /* floats in a block, padding included */
	float *values;              /* [size], padding zero; or the range of addresses that the mapped files have */
	struct safetensors *file;   /* the mapped files, values not to be written to; NULL: values are a block */

	size_t word_embeddings, position_embeddings, token_type_embeddings; /* [V, C], [P, C], [types, C]; distilbert: none */
	size_t embedding_norm_weight, embedding_norm_bias;
	struct layer_offsets *layers;                      /* [num_hidden_layers] */
	size_t head_weight, head_bias;                     /* transform: [C, C], [C] */
	size_t head_norm_weight, head_norm_bias;
	size_t decoder_weight;      /* [V, C]; equals word_embeddings when tied */
	size_t decoder_bias;        /* [V] */
	json_t *lineage;            /* of the model, an array: `cloze` in the file's metadata; NULL: none */
};

/* A block of the configuration's shapes, its values not set. Takes over what config owns. */
struct parameters *parameters_create(struct config *config);

/* Fills every value as transformers initializes a new model: N(0, initializer_range^2), biases 0, norms 1 and 0, the
 * padding token's embedding 0. A function of (seed, name, index). */
void parameters_initialize(struct parameters *parameters, uint64_t seed);

/* Reads FOLDER/config.json and the tensors. Names may lack the `bert.` or `distilbert.` prefix, norms may be called
 * gamma and beta. A decoder weight that differs from the embeddings is kept apart, as transformers does, and
 * config.tie_word_embeddings is then false, whatever the file said. pooler, seq_relationship and position_ids are left
 * aside. A missing head is initialized from `seed`, and a warning names its tensors; any other missing
 * tensor, a shape that does not fit, a duplicate, a value that is not finite, is refused. NULL: 65, 66. */
struct parameters *parameters_load(const char *folder, uint64_t seed, const struct warnings *warnings,
	struct failure *failure);

/* The same, to be read only: tensors of single precision stay in the mapped file, whose pages all processes share,
 * where the network can read them there, and the others are copied. A layer's query, key and value have to adjoin, as
 * they do in the files that cloze writes. The values are not looked at: parameters_check_finite() does that. The files
 * must not be written to while they are mapped. NULL: as parameters_load(). */
struct parameters *parameters_map(const char *folder, uint64_t seed, const struct warnings *warnings,
	struct failure *failure);

/* The same without values (NULL): the table, the configuration, the lineage and the file's tensors. */
struct parameters *parameters_describe(const char *folder, const struct warnings *warnings, struct failure *failure);

/* The first parameter of the table with a number in the block that is not finite, and which of its elements; NULL: every
 * number is. The block is like `values`: they themselves, or gradients. */
const struct parameter *parameters_not_finite(const struct parameters *parameters, const float *block, size_t *element);

/* Whether every value is a finite number. -1: 65, naming the first tensor with one that is not. */
int parameters_check_finite(const struct parameters *parameters, const char *folder, struct failure *failure);

/* Writes FOLDER/config.json and FOLDER/model.safetensors; the folder exists. An untied BERT's output bias is written
 * under both its names, cls.predictions.bias and cls.predictions.decoder.bias, and one parameter here. -1: 73, 74. */
int parameters_save(const struct parameters *parameters, const char *folder, struct failure *failure);

/* Numbers in the model as the reference counts them: tied weights once, no padding; an untied BERT's output bias
 * twice. */
size_t parameters_total(const struct parameters *parameters);

void parameters_free(struct parameters *parameters);

#endif
