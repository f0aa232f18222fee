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

#include "base/failure.h"
#include "base/options.h"
#include "base/pool.h"
#include "base/run_caller.h"
#include "record/info.h"
#include "train/run_options.h"
#include "train/task.h"

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
