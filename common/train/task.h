/* task: what a run trains a model to do, as a few functions. A run (train/run.h) knows no head: it asks the task to
 * load the model, to open streams of records, and to turn a micro-batch into gradients or an evaluation into numbers.
 *
 * A *-step tool makes one of a head by train/head_task.h. `context` is the task's own memory, passed to each
 * function. The functions are called in the order in which they stand here, from open_records() on as often as the
 * run needs. */
#ifndef CLOZE_TRAIN_TASK_H
#define CLOZE_TRAIN_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"
#include "base/pool.h"
#include "model/blocks.h"
#include "model/head.h"
#include "text/tokenizer.h"
#include "train/example_reader.h"
#include "train/run_options.h"

/* Part of a step: records `first` to first + count - 1 of its batch, computed at a time. */
struct micro_batch {
	size_t first, count;
	struct group_listener listener; /* is told of complete gradients (model/network.h) */
	uint64_t pass; /* numbers the micro-batches of a run from 0: whatever is random is a function of (seed, pass) */
};

struct task {
	void *context;
	const char *targets;      /* what the loss is a mean over, for messages: "masked tokens" */
	const char *targets_hint; /* what to do where a stream has none: "mask the records with wwm-mask" */
	const char *const *part_names; /* [LOSS_PARTS] parts of the loss that the metrics show ("loss_ce"); NULL: none */

	bool couples_records;     /* a micro-batch of a single record cannot be learned from */

	/* Loads the model of settings->model and prepares to compute with it on the pool, which is borrowed. The result is
	 * the task's, and stays until release(). NULL: 65, 66. */
	struct parameters *(*load)(void *context, const struct run_settings *settings, struct pool *pool,
		const struct warnings *warnings, struct failure *failure);

	/* The same in a process that has no files, where the model comes from another one: takes over the configuration that
	 * load() came to there, for parameters whose values are yet to be set. Never NULL. */
	struct parameters *(*adopt)(void *context, const struct run_settings *settings, struct config *config,
		struct pool *pool);

	/* Takes over a reader and checks that its records are for this task and this model, whose tokenizer is NULL where the
	 * folder has none; `evaluation`: they are those of --eval. NULL: 65. */
	struct example_reader *(*open_records)(void *context, struct reader *reader, const struct tokenizer *tokenizer,
		bool evaluation, struct failure *failure);

	/* The number of targets among the examples. */
	size_t (*count_targets)(void *context, const struct examples *examples);

	/* Adds to `gradients` the derivative of the loss of a whole step, `step`, as far as it comes from the records of one
	 * micro-batch, and returns what that contributes to the step's loss. */
	struct loss (*compute_gradients)(void *context, const struct examples *step, const struct micro_batch *part,
		const struct blocks *gradients);

	/* Ends a step that the optimizer has taken. NULL: there is nothing to do. */
	void (*end_step)(void *context);

	/* Evaluates a batch, and adds it to the sums of the evaluation at hand. */
	void (*evaluate)(void *context, const struct examples *examples);

	/* Ends the evaluation: adds its figures to a line of metrics ("eval_loss" first; a number that is not finite is null),
	 * sets the sums back to nothing, and returns the loss, by which the best evaluation is known. */
	double (*end_evaluation)(void *context, json_t *line);

	/* Frees the task, with what load() made. */
	void (*release)(void *context);
};

#endif
