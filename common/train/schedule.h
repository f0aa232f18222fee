/* schedule: the learning rate of each step, as transformers.get_scheduler() gives it. */
#ifndef CLOZE_TRAIN_SCHEDULE_H
#define CLOZE_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* In the order of `linear|constant|cosine`. `constant` takes warm-up steps as the reference's
 * constant_with_warmup does. */
enum schedule { SCHEDULE_LINEAR, SCHEDULE_CONSTANT, SCHEDULE_COSINE };

/* Whether it must know the number of steps. */
bool schedule_needs_total(enum schedule schedule);

/* The factor on the learning rate for optimizer step `step`, counted from 0, of `total`. */
double schedule_factor(enum schedule schedule, int64_t step, int64_t warmup_steps, int64_t total);

#endif
