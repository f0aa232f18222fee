/* state: where a run stands: trainer_state.json.
 *
 * The file has the members of transformers.TrainerState, for tools that read those. What the reference has no member
 * for is in its `stateful_callbacks`, under `cloze`, with a CRC-32 of all the rest. Paths in it are relative to the
 * run's folder. */
#ifndef CLOZE_TRAIN_STATE_H
#define CLOZE_TRAIN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"
#include "model/head.h"

struct run_state {
	int64_t step;            /* optimizer steps taken */
	int64_t total;           /* the run's steps; -1: not known */
	int32_t epoch;           /* of the last step's records */
	int64_t records;         /* taken from the input stream */
	uint32_t digest;         /* of those: example_reader_digest() */
	bool complete;           /* the run has reached its end */
	bool stopped;            /* this was saved because the run stopped before its end */
	bool evaluation_due;     /* an evaluation after the last step is still to be done */

	/* What the next line of metrics sums up: the losses of the interval's steps. */
	struct loss interval;
	int64_t interval_steps;

	/* Evaluations: the best so far, how many have gone by since, and the last. Steps are 0 before the first. */
	double best_loss, last_loss;
	int64_t best_step, last_step;
	int64_t best_saved;      /* the last best step that there is a checkpoint of; 0: none */
	int64_t evaluations_since_best;

	/* Written for the reference's tools, and not read back. */
	int64_t train_batch_size, logging_steps, save_steps, eval_steps, num_train_epochs; /* eval_steps -1: none */

	json_t *options;         /* an object, owned: by their names, the options that the numbers depend on */
	json_t *log_history;     /* an array, owned: the reference's, one object a line of metrics */
	json_t *files;           /* an object, owned: the CRC-32 of each file beside it, by name */
};

/* Step 0 of a run: options, log_history and files empty. */
void run_state_init(struct run_state *state);
void run_state_clear(struct run_state *state);

/* Writes FOLDER/trainer_state.json, the folder being one that is yet to appear (base/staged.h). -1: 73, 74. */
int run_state_write(const struct run_state *state, const char *folder, struct failure *failure);

/* Reads it into *state, which owns nothing before. A missing member, one of another type, a number out of its range, a
 * changed one is refused. The files beside it are not looked at. -1: 65, 66; *state then owns nothing. */
int run_state_read(const char *folder, struct run_state *state, struct failure *failure);

#endif
