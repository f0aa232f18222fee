/* parameters_file: a model's parameters in a folder of the Hugging Face layout, config.json and *.safetensors. */
#ifndef CLOZE_MODEL_PARAMETERS_FILE_H
#define CLOZE_MODEL_PARAMETERS_FILE_H

#include "model/parameters.h"
#include "model/safetensors.h"

/* Reads FOLDER/config.json and the tensors into a block. Names may lack the `bert.` or `distilbert.` prefix, norms may be
 * called gamma and beta. A decoder weight that differs from the embeddings is kept apart, as transformers does, and
 * config.tie_word_embeddings is then false, whatever the file said. Tensors of other heads, the pooler, seq_relationship
 * and position_ids are left aside; any other tensor that is left aside is warned of. A missing tensor of the head is
 * initialized from `seed`, which is warned of; any other missing tensor, a shape that does not fit, a duplicate, a value
 * that is not finite, is refused. NULL: 65, 66. */
struct parameters *parameters_load(const char *folder, const struct head_layout *head, uint64_t seed,
	const struct warnings *warnings, struct failure *failure);

/* The same for a configuration that was read from the folder and may have been changed since; what it owns is taken
 * over. */
struct parameters *parameters_load_as(struct config *config, const char *folder, const struct head_layout *head,
	uint64_t seed, const struct warnings *warnings, struct failure *failure);

/* Whether the folder's files have every tensor of a head. 1; 0; -1: 65, 66. */
int folder_has_head(const char *folder, const struct head_layout *head, struct failure *failure);

/* The same as parameters_load(), to be read only: tensors of single precision stay in the mapped file, whose pages
 * all processes share, where the network can read them there, and the others are copied. A layer's query, key and
 * value have to adjoin, as they do in the files that cloze writes. The values are not looked at:
 * parameters_check_finite() does that. The files must not be written to while they are mapped. NULL: as
 * parameters_load(). */
struct parameters *parameters_map(const char *folder, const struct head_layout *head, uint64_t seed,
	const struct warnings *warnings, struct failure *failure);

/* Either of the two. */
typedef struct parameters *parameters_open(const char *folder, const struct head_layout *head, uint64_t seed,
	const struct warnings *warnings, struct failure *failure);

/* The same without values (NULL): the table, the configuration, the lineage and the file's tensors. */
struct parameters *parameters_describe(const char *folder, const struct head_layout *head, const struct warnings *warnings,
	struct failure *failure);

/* Reads the values that parameters_save() wrote into a folder over those of the same table. -1: 65, 66. */
int parameters_read(struct parameters *parameters, const char *folder, struct failure *failure);

/* The tensor of that name, which has to have the shape of the parameter, as floats. `path` is what messages call the file.
 * -1: 65. */
int parameter_read(const struct safetensors *file, const char *path, const char *name, const struct parameter *parameter,
	float *values, struct failure *failure);

/* Whether every value is a finite number. -1: 65, naming the first tensor with one that is not. */
int parameters_check_finite(const struct parameters *parameters, const char *folder, struct failure *failure);

/* Writes FOLDER/config.json and FOLDER/model.safetensors; the folder exists. A tensor that transformers has under two
 * names (an untied BERT's output bias) is written under both. -1: 73, 74. */
int parameters_save(const struct parameters *parameters, const char *folder, struct failure *failure);

#endif
