/* masked_task: masked-language-model training as a task of a run.
 *
 * The loss is the mean cross-entropy over the masked tokens of a step (or, with --reference-accumulation, the mean of its
 * micro-batches' means). An evaluation gives eval_loss, the mean over all masked tokens, and eval_perplexity. */
#ifndef CLOZE_TRAIN_MASKED_TASK_H
#define CLOZE_TRAIN_MASKED_TASK_H

#include "train/task.h"

/* A new task, to be handed to run_train(). task->release(task->context) frees all of it. */
const struct task *masked_task_create(void);

#endif
