/* clock: how much time has passed. */
#ifndef CLOZE_BASE_CLOCK_H
#define CLOZE_BASE_CLOCK_H

#include <time.h>

/* Seconds since some moment that stays the same while the system runs, whatever becomes of the time of day. */
static inline double clock_seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
