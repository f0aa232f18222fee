/* checkpoint: the folder of a run, in which it leaves what it needs to go on as if it had never been stopped.
 *
 *     OUT/checkpoint-STEP/    a model folder, with optimizer.safetensors (AdamW's moments) and trainer_state.json
 *     OUT/                    when the run is complete: the model, its tokenizer and trainer_state.json
 *
 * Everything appears by rename once it is synced, and what it replaces is removed after that: whenever the program or
 * the machine stops, the last checkpoint is whole. trainer_state.json lists the CRC-32 of the files beside it, so
 * that damage is detected. A complete run's model.safetensors is the last of its files to appear. No path is kept:
 * the folder can be moved. */
#ifndef CLOZE_TRAIN_CHECKPOINT_H
#define CLOZE_TRAIN_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/parameters.h"
#include "text/tokenizer.h"
#include "train/optimizer.h"
#include "train/state.h"

/* What is saved and loaded; all borrowed. */
struct saved_run {
	struct parameters *parameters;
	const struct tokenizer *tokenizer; /* NULL: the model has none */
	struct optimizer *optimizer;
	struct run_state *state;
};

struct run_folder;

/* The folder of a run. It appears with the first checkpoint, or with the model; one that exists is refused unless
 * `replace` (it stays until then) or `resume` (it must be empty, or a run's that is not running). With
 * `resume`, what killed runs left unfinished is removed. NULL: 73. */
struct run_folder *run_folder_open(const char *path, bool replace, bool resume, struct failure *failure);
/* Removes what is unfinished. NULL is allowed. */
void run_folder_close(struct run_folder *folder);

/* Whether the folder holds a complete run; its state is then read into *run->state, in place of what was there. 1, 0,
 * -1: 65, a damaged one, or one of a model of another configuration than that of run->parameters. */
int run_folder_complete(const struct run_folder *folder, const struct saved_run *run, struct failure *failure);

/* Loads the newest checkpoint that is whole, and warns of each damaged one that it passes over. Returns 1; 0 where
 * there is no checkpoint; -1: 65 where all are damaged, or the newest is of a model of another configuration. */
int checkpoint_load_newest(const struct run_folder *folder, struct saved_run *run, const struct warnings *warnings,
	struct failure *failure);

/* Whether the checkpoint of that step is whole. 0; -1: 65, 66. */
int checkpoint_check(const struct run_folder *folder, int64_t step, struct failure *failure);

/* Loads the weights alone of the checkpoint of that step. -1: 65, 66; a damaged one is refused. */
int checkpoint_load_weights(const struct run_folder *folder, int64_t step, struct parameters *parameters,
	struct failure *failure);

/* Saves checkpoint-STEP of the state's step, then removes the oldest until `limit` are left (0: no limit): the newest
 * and the best stay. -1: 73, 74; those before are then still whole. */
int checkpoint_save(struct run_folder *folder, const struct saved_run *run, int64_t limit, struct failure *failure);

/* Compares the files of a model folder or a checkpoint with the CRC-32s in its trainer_state.json. Returns how many it
 * lists; -1: 65, 66. */
int folder_verify(const char *folder, struct failure *failure);

/* Removes the checkpoint of that step. */
void checkpoint_remove(const struct run_folder *folder, int64_t step);

/* Ends the run: the model, the tokenizer and the state into the folder. -1: 73, 74. */
int run_folder_finish(struct run_folder *folder, const struct saved_run *run, struct failure *failure);

#endif
