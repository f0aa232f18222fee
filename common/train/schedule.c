/* Each is a function of how much of the time after the warm-up has gone by. */
#include "train/schedule.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

bool schedule_needs_total(enum schedule_type type) {
	return type != SCHEDULE_CONSTANT && type != SCHEDULE_CONSTANT_WITH_WARMUP;
}

/* Up for cut_frac of the run and down for the rest, from and to a 32nd of the peak. */
static double slanted_triangular(int64_t step, int64_t total) {
	const double ratio = 32, cut_frac = 0.1;
	int64_t cut = (int64_t)((double)total * cut_frac);
	double rise = step < cut ? (double)step / (double)cut : (double)(total - step) / (double)(total - cut);
	return (1 + fmax(0, rise) * (ratio - 1)) / ratio;
}

double schedule_factor(const struct schedule *schedule, int64_t step) {
	if (schedule->type == SCHEDULE_SLANTED_TRIANGULAR)
		return slanted_triangular(step, schedule->total);
	if (step < schedule->warmup_steps)
		return (double)step / (double)schedule->warmup_steps;
	int64_t decay_steps = schedule->total > schedule->warmup_steps ? schedule->total - schedule->warmup_steps : 1;
	double done = (double)(step - schedule->warmup_steps) / (double)decay_steps;
	switch (schedule->type) {
	case SCHEDULE_LINEAR:
		return fmax(0, (double)(schedule->total - step) / (double)decay_steps);
	case SCHEDULE_COSINE:
		return fmax(0, 0.5 * (1 + cos(pi * done)));
	case SCHEDULE_COSINE_WITH_RESTARTS:
		return done >= 1 ? 0 : fmax(0, 0.5 * (1 + cos(pi * fmod((double)schedule->num_cycles * done, 1))));
	case SCHEDULE_POLYNOMIAL:
		return done >= 1 ? schedule->end_factor
			: (1 - schedule->end_factor) * pow(1 - done, schedule->power) + schedule->end_factor;
	default:
		return 1;
	}
}
