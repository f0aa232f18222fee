/* run_parts: a run in progress, shared by run.c (the loop) and run_begin.c (all that comes before the first step). */
#ifndef CLOZE_TRAIN_RUN_PARTS_H
#define CLOZE_TRAIN_RUN_PARTS_H

#include "train/checkpoint.h"
#include "train/exchange.h"
#include "train/ranks.h"
#include "train/run.h"
#include "train/sums.h"

struct run {
	const struct run_job *job;
	const struct run_settings *settings;
	struct ranks *ranks;          /* NULL: one process */
	struct run_state state;
	struct run_folder *folder;
	struct tokenizer *tokenizer;
	struct saved_run saved;       /* what a checkpoint holds: the above, the parameters, the optimizer */
	struct sums *sums;            /* of the step at hand */
	struct exchange *exchange;    /* of its gradients between the ranks; NULL: not begun */
	struct parts parts;           /* that it goes by */
	size_t complete;              /* of them */
	int present;                  /* ranks with a micro-batch of the step at hand */
	double *rates;                /* [group_count] learning rates of the step at hand */
	struct schedule schedule;
	struct example_reader *records;
	int descriptor;               /* of the input; -1: not open */
	int64_t steps;                /* that the input makes, as it was counted or as its metadata tells; -1: not known */
	bool needs_steps;             /* the schedule depends on their number */
	int64_t epochs;               /* of the input, as its metadata tells; 1: not known */
	int64_t first_step;           /* where this program began */
	int64_t targets;              /* seen since */
	int64_t saved_step;           /* of the last checkpoint */
	int64_t passing_step;         /* of a checkpoint to be removed when there is what follows; 0: none */
	bool stop, save;              /* asked for by the caller */
	bool unsavable;               /* a checkpoint failed, or the parameters are no longer those of the step */
	double interval_start;        /* of the next line of metrics, seconds */
	size_t interval_tokens;
};

/* Brings the run to its first step, or to where it was left. Returns 1; 0 where the run in --out is complete; -1, also
 * where the caller asked it to stop (run->stop). */
int run_begin(struct run *run, struct failure *failure);

/* Takes the model of the task, whose number of parameters the run's own arrays follow. */
void run_set_model(struct run *run, struct parameters *parameters);

/* Thaws the groups that begin to train with the step at hand, and sets the rate of each. */
void run_plan_groups(struct run *run, int32_t epoch, double rate);

/* Adds up the gradients of a step's records, --batch-size at a time, and their loss, together with the other ranks. Returns
 * 1, 0 where the caller or the leader wants to stop, or -1. */
int run_compute_gradients(struct run *run, const struct examples *step, struct loss *loss, struct failure *failure);

/* Updates the parameters by the gradients of the step, and returns their norm. Nothing is changed where that or the loss is
 * not finite; the result is then not finite either. */
double run_update(struct run *run, const struct loss *loss);

/* Frees all that run_begin() made. */
void run_release(struct run *run);

/* For functions that end early by a failure alone: -1 where the caller wants the run to stop, which run->stop tells
 * from other failures; else 0. */
int run_check_stop(struct run *run, struct failure *failure);

/* Serves a request while the run waits for input: woken() of record/stream.h; the context is the run. */
int run_woken(void *run, struct failure *failure);

/* Opens --eval as the task reads it; the caller closes both. NULL: 65, 66. */
struct example_reader *run_open_eval(struct run *run, int *descriptor, struct failure *failure);

/* Evaluates on --eval, with the figures into `line` and the loss into *loss. Returns 1; 0: stopped by request; -1. */
int run_evaluate(struct run *run, json_t *line, double *loss, struct failure *failure);

#endif
