/* head_task: the task of a run that trains a head and the encoder below it (train/task.h), the same for every head. */
#ifndef CLOZE_TRAIN_HEAD_TASK_H
#define CLOZE_TRAIN_HEAD_TASK_H

#include "train/evaluate.h"
#include "train/task.h"

/* The properties of a head that its run needs. */
struct head_task {
	const struct head_class *head;
	const void *head_options;            /* of head->create() */
	enum label_kind labels;              /* the labels that records must have */
	enum label_kind eval_labels;         /* what those of --eval must have */
	bool by_record;                      /* of an evaluation, as in struct evaluation */
	int32_t top_k;                       /* the same */
	const char *targets, *targets_hint;  /* as in struct task */
	/* Adds the figures of an evaluation, except eval_loss, to a line of metrics. */
	void (*add_figures)(const struct evaluation *evaluation, json_t *line);
};

/* A masked language model: the mean cross-entropy over the masked tokens of a step; eval_perplexity, and
 * eval_perplexity_interval, [low, high], from as many samples as perplexity takes, and its seed. */
extern const struct head_task masked_lm_task;

/* A classifier of records: the mean cross-entropy over the records of a step; eval_accuracy. Its head and that head's
 * options are the tool's to set. */
extern const struct head_task classifier_task;

/* A new task, to be handed to run_train(); `kind` is borrowed. task->release(task->context) frees all of it. */
const struct task *head_task_create(const struct head_task *kind);

#endif
