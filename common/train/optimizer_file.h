/* optimizer_file: saves and loads the state of AdamW, in a safetensors file beside a checkpoint's model.
 *
 * The file has two tensors, exp_avg.NAME and exp_avg_sq.NAME, for each parameter that trains. Its metadata hold the
 * steps that each group has taken, under `cloze`: {"steps": {"head": 12, "layer.5": 4}}. */
#ifndef CLOZE_TRAIN_OPTIMIZER_FILE_H
#define CLOZE_TRAIN_OPTIMIZER_FILE_H

#include "train/optimizer.h"

/* Writes the file. -1: 73, 74. */
int optimizer_save(struct optimizer *optimizer, const char *path, struct failure *failure);

/* Thaws the groups that trained when the file was written, and loads their moments and steps. The optimizer must be
 * new, with the same parameters and `freeze`. -1: 65, 66. */
int optimizer_load(struct optimizer *optimizer, const char *path, struct failure *failure);

#endif
