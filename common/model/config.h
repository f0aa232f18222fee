/* config: reads config.json of the two families, distilbert and bert, into one struct, and writes it. */
#ifndef CLOZE_MODEL_CONFIG_H
#define CLOZE_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"
#include "math/kernels.h"

enum model_type { MODEL_DISTILBERT, MODEL_BERT };

struct config {
	enum model_type model_type;
	size_t vocab_size;              /* V */
	size_t max_position_embeddings;
	size_t type_vocab_size;         /* 0 for distilbert */
	size_t hidden_size;             /* C; `dim` for distilbert */
	size_t num_hidden_layers;       /* `n_layers` for distilbert */
	size_t num_attention_heads;     /* `n_heads` for distilbert */
	size_t intermediate_size;       /* `hidden_dim` for distilbert */
	enum activation hidden_act;     /* `activation` for distilbert */
	float hidden_dropout;           /* `hidden_dropout_prob`; `dropout` for distilbert */
	float attention_dropout;        /* `attention_probs_dropout_prob`; `attention_dropout` for distilbert */
	float layer_norm_eps;           /* 1e-12 for distilbert */
	float initializer_range;
	int32_t pad_token_id;           /* -1: null in the file, there is no padding token */
	size_t num_labels;              /* K of a classifier: the size of `id2label`, or `num_labels`, or 2 */
	float classifier_dropout;       /* `seq_classif_dropout` (0.2); for bert hidden_dropout if the key is missing */
	size_t inner_size;              /* of a pooled classifier (model/head.h): 50, or the size of its tensors */
	bool tie_word_embeddings;
	json_t *json;                   /* the whole file, owned; keys that cloze does not know are saved again */
};

/* Reads and checks a config.json. Missing keys take the defaults of DistilBertConfig and BertConfig. A configuration
 * that cloze does not compute is refused with 65 and the name of the key: another model_type or activation, a
 * position_embedding_type other than absolute, is_decoder, a number of heads that does not divide the hidden size.
 * -1: 65, 66; *config then owns nothing. */
int config_read(const char *path, struct config *config, struct failure *failure);

/* Writes config.json into the folder: `json` with this architecture (NULL: without the key `architectures`), dtype
 * float32, and the members vocab_size and tie_word_embeddings. -1: 73, 74. */
int config_write(const struct config *config, const char *architecture, const char *folder, struct failure *failure);

/* Sets the number of layers, in `json` as well. */
void config_set_layers(struct config *config, size_t layers);

/* A deep copy into `to`, which need not be initialized. */
void config_copy(struct config *to, const struct config *from);

void config_clear(struct config *config);

/* The same of FOLDER/config.json. */
int config_read_folder(const char *folder, struct config *config, struct failure *failure);

/* Names the labels of a classifier, an array of strings: id2label, label2id and num_labels. */
void config_set_labels(struct config *config, const json_t *names);

/* The name of a label below num_labels; NULL: the configuration has none. Owned by the configuration. */
const char *config_label_name(const struct config *config, size_t label);

const char *model_type_name(enum model_type type);   /* "distilbert" */
const char *model_type_prefix(enum model_type type); /* of the names of the encoder's tensors: "distilbert." */

#endif
