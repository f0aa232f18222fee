/* state: writes and reads the state of a run, trainer_state.json.
 *
 * The file has the members of transformers.TrainerState, for tools that read those. Members that the reference does not
 * have are in `stateful_callbacks`, under `cloze`, with a CRC-32 of all the rest. Paths are relative to the run's
 * folder. */
#ifndef CLOZE_TRAIN_STATE_H
#define CLOZE_TRAIN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"
#include "model/head.h"

struct run_state {
	int64_t step;            /* optimizer steps taken */
	int64_t total;           /* the number of steps of the run; -1: not known */
	int32_t epoch;           /* the epoch of the last step's records */
	int64_t records;         /* the number of records read from the input stream */
	uint32_t digest;         /* example_reader_digest() of these records */
	bool complete;           /* the run has reached its end */
	bool stopped;            /* the state was saved because the run stopped before its end */
	bool evaluation_due;     /* an evaluation after the last step is still to be done */

	/* The sums for the next line of metrics: the losses of the steps since the last line, and their number. */
	struct loss interval;
	int64_t interval_steps;

	/* Evaluations: the best so far, the number since the best, and the last. Steps are 0 before the first
	 * evaluation. */
	double best_loss, last_loss;
	int64_t best_step, last_step;
	int64_t best_saved;      /* the last best step that has a checkpoint; 0: none */
	int64_t evaluations_since_best;

	/* Written for the reference's tools, and not read back. */
	int64_t train_batch_size, logging_steps, save_steps, eval_steps, num_train_epochs; /* eval_steps -1: none */

	json_t *options;         /* an object, owned: the options that the results depend on, by name */
	json_t *log_history;     /* an array, owned, as in the reference: one object for each line of metrics */
	json_t *files;           /* an object, owned: the CRC-32 of each other file in the folder, by name */
};

/* Initializes the state of a run at step 0, with empty options, log_history and files. */
void run_state_init(struct run_state *state);
void run_state_clear(struct run_state *state);

/* Writes FOLDER/trainer_state.json, where the folder is staged (base/staged.h). -1: 73, 74. */
int run_state_write(const struct run_state *state, const char *folder, struct failure *failure);

/* Reads FOLDER/trainer_state.json into *state, which owns nothing before. Refuses a file with a member that is missing,
 * of another type, out of range or changed. The other files of the folder are not read. -1: 65, 66; *state then owns
 * nothing. */
int run_state_read(const char *folder, struct run_state *state, struct failure *failure);

#endif
