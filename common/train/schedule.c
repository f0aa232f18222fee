/* schedule: computes the learning rate of each step as a factor on the peak. Most schedules are functions of `done`,
 * the share of the steps after the warm-up that have been taken. */
#include "train/schedule.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

bool schedule_needs_total(enum schedule_type type) {
	return type != SCHEDULE_CONSTANT && type != SCHEDULE_CONSTANT_WITH_WARMUP && type != SCHEDULE_INVERSE_SQRT;
}

/* Rises to the peak in the first `cut` steps and falls in the others; the lowest rate is the peak divided by `ratio`.
 * If rounding makes `cut` differ from cut_fraction of the steps, the formula of the paper falls below the lowest rate
 * at the end, even below 0; here it is clamped. */
static double slanted_triangular(const struct schedule *schedule, int64_t step) {
	double cut = fmax(1, floor((double)schedule->total * schedule->cut_fraction)), t = (double)step;
	double p = t < cut ? t / cut : 1 - (t - cut) / (cut * (1 / schedule->cut_fraction - 1));
	return (1 + fmax(0, p) * (schedule->ratio - 1)) / schedule->ratio;
}

static double inverse_sqrt(const struct schedule *schedule, int64_t step) {
	int64_t timescale = schedule->timescale > 0 ? schedule->timescale
		: schedule->warmup_steps > 0 ? schedule->warmup_steps : 10000;
	return 1 / sqrt((double)(step + timescale - schedule->warmup_steps) / (double)timescale);
}

/* Half a wave of the cosine, from 1 at 0 to `low` at 1. */
static double half_wave(double done, double low) {
	return fmax(0, 0.5 * (1 + cos(pi * done)) * (1 - low) + low);
}

static double warmup_stable_decay(const struct schedule *schedule, int64_t step) {
	int64_t decay_steps = schedule->num_decay_steps, left = schedule->total - step;
	if (left > decay_steps)
		return 1;
	return left <= 0 ? schedule->min_factor
		: half_wave((double)(decay_steps - left) / (double)decay_steps, schedule->min_factor);
}

/* Rises to the peak from 0; for warmup_stable_decay, from the lowest factor. */
static double warm_up(const struct schedule *schedule, int64_t step) {
	double low = schedule->type == SCHEDULE_WARMUP_STABLE_DECAY ? schedule->min_factor : 0;
	return (double)step / (double)schedule->warmup_steps * (1 - low) + low;
}

double schedule_factor(const struct schedule *schedule, int64_t step) {
	if (schedule->type == SCHEDULE_SLANTED_TRIANGULAR)
		return slanted_triangular(schedule, step);
	if (step < schedule->warmup_steps)
		return warm_up(schedule, step);
	int64_t decay_steps = schedule->total > schedule->warmup_steps ? schedule->total - schedule->warmup_steps : 1;
	double done = (double)(step - schedule->warmup_steps) / (double)decay_steps;
	switch (schedule->type) {
	case SCHEDULE_LINEAR:
		return fmax(0, (double)(schedule->total - step) / (double)decay_steps);
	case SCHEDULE_COSINE:
		return half_wave(done, 0);
	case SCHEDULE_COSINE_WITH_MIN_LR:
		return half_wave(done, schedule->min_factor);
	case SCHEDULE_COSINE_WITH_RESTARTS:
		return done >= 1 ? 0 : fmax(0, 0.5 * (1 + cos(pi * fmod((double)schedule->num_cycles * done, 1))));
	case SCHEDULE_POLYNOMIAL:
		return done >= 1 ? schedule->end_factor
			: (1 - schedule->end_factor) * pow(1 - done, schedule->power) + schedule->end_factor;
	case SCHEDULE_INVERSE_SQRT:
		return inverse_sqrt(schedule, step);
	case SCHEDULE_WARMUP_STABLE_DECAY:
		return warmup_stable_decay(schedule, step);
	default:
		return 1;
	}
}
