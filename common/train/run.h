/* run: a training run from its options to its model: the loop, metrics, evaluations, checkpoints, resuming.
 *
 * The input determines the run: the stages before it in the pipe repeat, shuffle and mask, and each step takes the next
 * records. What a step computes depends on the options, the step's number and those records alone, so a checkpoint
 * needs no more than the weights, the optimizer's moments and the place in the input (train/state.h).
 *
 * What is trained is up to the task (train/task.h). A run prints nothing and does not end the program: lines of
 * metrics, progress and warnings go to its caller, which it asks from time to time whether to go on. If a run ends
 * after a step and before its end, by a request or a failure, it saves that step first. */
#ifndef CLOZE_TRAIN_RUN_H
#define CLOZE_TRAIN_RUN_H

#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"
#include "base/options.h"
#include "base/pool.h"
#include "record/info.h"
#include "train/run_options.h"
#include "train/task.h"

enum run_request {
	RUN_GO_ON,
	RUN_SAVE,  /* save the last step, and go on */
	RUN_STOP,  /* save it and return RUN_STOPPED */
};

/* The program around a run. */
struct run_caller {
	void *context; /* passed to each function */
	/* Prints a line of metrics, an object that the run owns. -1: the run saves and returns the failure. */
	int (*print)(void *context, const json_t *line, struct failure *failure);
	/* Shows, after each step, how many are done; `total` is -1 where it is not known. */
	void (*progress)(void *context, int64_t steps, int64_t total);
	/* Is asked between micro-batches, between batches of an evaluation, and when `wake` interrupts a wait for input. A
	 * request to save is made once. */
	enum run_request (*request)(void *context);
	int wake; /* a descriptor that is readable while there is a request; 0: none */
	const struct warnings *warnings;
};

struct run_job {
	struct run_settings *settings;       /* completed by run_settings_check() */
	const struct option_entry *options;  /* all options of the tool: those that --resume must find as they were */
	const struct lineage_entry *stage;   /* the tool as it was called, for the model's lineage */
	const char *input;                   /* the records; NULL: standard input */
	const struct task *task;
	struct pool *pool;
	struct run_caller caller;
};

enum run_end { RUN_COMPLETE, RUN_STOPPED };

/* The whole run; everything in the job is borrowed. Returns how it ended, or -1: 64 for settings that contradict each
 * other or differ from those of the run to resume; 65 for bad data and numbers that are not finite; 66; 73 and 74 where
 * --out cannot be written. */
int run_train(const struct run_job *job, struct failure *failure);

#endif
