/* parameters_file: loads a model's parameters from a folder of the Hugging Face layout, and saves them: config.json and
 * *.safetensors. */
#ifndef CLOZE_MODEL_PARAMETERS_FILE_H
#define CLOZE_MODEL_PARAMETERS_FILE_H

#include "model/parameters.h"
#include "model/safetensors.h"

/* Reads FOLDER/config.json and the tensors into a block. Names may lack the prefix `bert.` or `distilbert.`, and norms
 * may have gamma and beta. A decoder weight that differs from the embeddings is kept separate, as in transformers, and
 * config.tie_word_embeddings is then false, whatever the file says. Tensors of other heads, the pooler,
 * seq_relationship and position_ids are ignored; any other tensor is ignored with a warning. A missing tensor of the
 * head is initialized from `seed`, with a warning. Any other missing tensor, a wrong shape, a duplicate, an infinity or
 * a NaN is refused. NULL: 65, 66. */
struct parameters *parameters_load(const char *folder, const struct head_layout *head, uint64_t seed,
	const struct warnings *warnings, struct failure *failure);

/* The same with a configuration that was read from the folder and may have been changed. Takes over what *config
 * owns. */
struct parameters *parameters_load_as(struct config *config, const char *folder, const struct head_layout *head,
	uint64_t seed, const struct warnings *warnings, struct failure *failure);

/* Sets *found to the number of the first of `count` heads of which the folder's files have every tensor; count: none.
 * -1: 65, 66. */
int folder_find_head(const char *folder, const struct head_layout *const *heads, size_t count, size_t *found,
	struct failure *failure);

/* The same as parameters_load() for a model that is only read: tensors in single precision stay in the mapped file,
 * whose pages all processes share, if they are aligned and if query, key and value of a layer are adjacent, as in the
 * files that cloze writes; other tensors are copied. The values are not checked: parameters_check() of model/digests.h does that.
 * The files must not be written to while they are mapped. NULL: as parameters_load(). */
struct parameters *parameters_map(const char *folder, const struct head_layout *head, uint64_t seed,
	const struct warnings *warnings, struct failure *failure);

/* The same, and checks the values. */
struct parameters *parameters_open(const char *folder, const struct head_layout *head, uint64_t seed,
	const struct warnings *warnings, struct failure *failure);

/* The same without values (NULL): the table, the configuration, the lineage and the file's tensors. */
struct parameters *parameters_describe(const char *folder, const struct head_layout *head,
	const struct warnings *warnings, struct failure *failure);

/* Replaces the values by those that parameters_save() wrote into a folder for the same table. -1: 65, 66. */
int parameters_read(struct parameters *parameters, const char *folder, struct failure *failure);

/* Reads the tensor of that name, which must have the shape of the parameter, as floats. `path` is the name of the file
 * in messages. -1: 65. */
int parameter_read(const struct safetensors *file, const char *path, const char *name,
	const struct parameter *parameter, float *values, struct failure *failure);

/* Writes FOLDER/config.json and FOLDER/model.safetensors into an existing folder. A tensor that has two names in
 * transformers (the output bias of an untied BERT) is written under both. -1: 73, 74. */
int parameters_save(const struct parameters *parameters, const char *folder, struct failure *failure);

#endif
