/* commands: a lineage as the shell script that makes the model again.
 *
 * A model's lineage is a list of stages (record/info.h). Each stage that writes a model (model-init, and each tool
 * whose name ends in -step) ends a part of it: what comes before it in its part is the pipeline whose records it read.
 * The model that an earlier part made is the one which the next part starts from. A part becomes a pipeline:
 *
 *     imdb-read --split train aclImdb_v1.tar.gz \
 *         | wordpiece --model distilbert-base-uncased \
 *         | train-step --model distilbert-base-uncased --lr 0.0001 --out "$out"
 *
 * The first stage of a pipeline keeps the files that it was called with; later ones, which may have read a file that an
 * earlier command had written, read the pipe. Files that a stage wrote beside its output go to a folder that the script
 * makes and removes. `inputs` of a stage, the lineages of streams that it joined, become pipelines before its own.
 * `eval` of the last stage is the lineage of the records that the model was evaluated on, where the model depends on
 * them; where they passed through the same split-records as the records to train on, they are its test records.
 *
 * A lineage may come from a stranger. The script calls no program but the tools of cloze, lets no tool write to a file
 * that the lineage names, and quotes every argument. */
#ifndef CLOZE_RECORD_COMMANDS_H
#define CLOZE_RECORD_COMMANDS_H

#include <jansson.h>

#include "base/failure.h"

/* The script, which takes the name of the folder to make as its argument; free() releases it. NULL: 65, a lineage that
 * ends with no tool that writes a model, that names another program, or whose entries are not as in record/info.h. */
char *lineage_commands(const json_t *lineage, struct failure *failure);

#endif
