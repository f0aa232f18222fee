/* schedule: computes the learning rate of each step as a factor on the peak.
 *
 * Sources: transformers.get_scheduler(), for the names and factors (optional arguments without a member here have their
 * defaults); Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", section 3.2, equation
 * 3, for slanted_triangular. */
#ifndef CLOZE_TRAIN_SCHEDULE_H
#define CLOZE_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_TYPES \
	"linear|cosine|cosine_with_restarts|polynomial|constant|constant_with_warmup|slanted_triangular|inverse_sqrt" \
	"|cosine_with_min_lr|warmup_stable_decay"
enum schedule_type { SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_COSINE_WITH_RESTARTS, SCHEDULE_POLYNOMIAL,
	SCHEDULE_CONSTANT, SCHEDULE_CONSTANT_WITH_WARMUP, SCHEDULE_SLANTED_TRIANGULAR,
	SCHEDULE_INVERSE_SQRT, SCHEDULE_COSINE_WITH_MIN_LR, SCHEDULE_WARMUP_STABLE_DECAY }; /* in the order of the words */

struct schedule {
	enum schedule_type type;
	int64_t warmup_steps;
	int64_t total;      /* steps of the run; -1: not known */
	int64_t num_cycles; /* cosine_with_restarts: how many times the rate falls from the peak to 0 */
	double power;       /* polynomial: 1 is a straight line */
	double end_factor;  /* polynomial: the last rate, as a share of the peak */
	double cut_fraction, ratio; /* slanted_triangular: share of steps in which it rises; peak over first rate */
	int64_t timescale;  /* inverse_sqrt; 0: warmup_steps, or 10,000 without a warm-up */
	double min_factor;  /* cosine_with_min_lr, warmup_stable_decay: the lowest rate, as a share of the peak */
	int64_t num_decay_steps; /* warmup_stable_decay: the number of steps at the end in which it falls */
};

/* Whether the schedule depends on the number of steps of the run. */
bool schedule_needs_total(enum schedule_type type);

/* The factor on the peak learning rate for step `step` of the optimizer, counted from 0. */
double schedule_factor(const struct schedule *schedule, int64_t step);

#endif
