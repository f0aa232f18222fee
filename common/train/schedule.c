/* The factors of transformers' optimization.py: linear, constant with warm-up, and half a cosine. */
#include "train/schedule.h"

#include <math.h>

bool schedule_needs_total(enum schedule schedule) {
	return schedule != SCHEDULE_CONSTANT;
}

double schedule_factor(enum schedule schedule, int64_t step, int64_t warmup_steps, int64_t total) {
	if (step < warmup_steps)
		return (double)step / (double)warmup_steps;
	if (schedule == SCHEDULE_CONSTANT)
		return 1;
	int64_t decay_steps = total > warmup_steps ? total - warmup_steps : 1;
	double done = (double)(step - warmup_steps) / (double)decay_steps;
	if (schedule == SCHEDULE_LINEAR)
		return fmax(0, (double)(total - step) / (double)decay_steps);
	return fmax(0, 0.5 * (1 + cos(acos(-1) * done)));
}
