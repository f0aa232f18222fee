/* groups: decides which groups of parameters train at a step, and at what rate.
 *
 * Source: Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", section 3.2
 * (discriminative fine-tuning) and section 3.3 (gradual unfreezing). Groups are ranked from the head, rank 0, through
 * the layers from the top down to the embeddings. A plan depends only on the step and its epoch, so that a resumed run
 * continues it. */
#ifndef CLOZE_TRAIN_GROUPS_H
#define CLOZE_TRAIN_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "model/parameters.h"

struct group_plan {
	double layer_lr_decay;     /* the rate of a group is that of the group above divided by this; 1: one rate */
	const char *unfreeze_every;/* the option: NULL, a number of steps, or "epoch" */
	int64_t unfreeze_steps;    /* rank r trains from step r * unfreeze_steps on; 0: all train */
	bool unfreeze_epochs;      /* rank r trains from epoch r + 1 on */
};

/* Fills in unfreeze_steps and unfreeze_epochs from unfreeze_every. -1: 64. */
int group_plan_check(struct group_plan *plan, struct failure *failure);

/* Whether the group trains in a step, counted from 0, whose records are of this epoch, counted from 1. */
bool group_trains(const struct group_plan *plan, const struct parameters *parameters, size_t group, int64_t step,
	int32_t epoch);

/* The factor from the learning rate of the head to that of the group. */
double group_rate(const struct group_plan *plan, const struct parameters *parameters, size_t group);

/* Whether the groups differ; the metrics then show the rate of each. */
bool group_plan_differs(const struct group_plan *plan);

#endif
