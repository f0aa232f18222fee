/* groups: decides which groups of parameters train at a step, and at what rate. */
#include "train/groups.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int group_plan_check(struct group_plan *plan, struct failure *failure) {
	const char *text = plan->unfreeze_every;
	char *end;
	plan->unfreeze_steps = 0;
	plan->unfreeze_epochs = text != NULL && strcmp(text, "epoch") == 0;
	if (text == NULL || plan->unfreeze_epochs)
		return 0;
	errno = 0;
	long long steps = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || steps < 1 || steps > (long long)1e15)
		return fail(failure, EX_USAGE, "--unfreeze-every: %s is neither a number of steps from 1 up nor the word epoch",
			text);
	plan->unfreeze_steps = steps;
	return 0;
}

static size_t rank_of(const struct parameters *parameters, size_t group) {
	return head_group(parameters) - group;
}

bool group_trains(const struct group_plan *plan, const struct parameters *parameters, size_t group, int64_t step,
	int32_t epoch) {
	int64_t rank = (int64_t)rank_of(parameters, group);
	if (plan->unfreeze_epochs)
		return rank == 0 || epoch > rank;
	return step >= rank * plan->unfreeze_steps;
}

double group_rate(const struct group_plan *plan, const struct parameters *parameters, size_t group) {
	return 1 / pow(plan->layer_lr_decay, (double)rank_of(parameters, group));
}

bool group_plan_differs(const struct group_plan *plan) {
	return plan->unfreeze_every != NULL || plan->layer_lr_decay < 1 || plan->layer_lr_decay > 1;
}
