/* metrics: what a training tool prints: a line of JSON for each line of metrics, and progress with the latest
 * losses. */
#ifndef CLOZE_CLI_METRICS_H
#define CLOZE_CLI_METRICS_H

#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"

/* The losses that were printed last; NaN: none yet. Begins as NO_LOSSES. */
struct shown_losses { double train, eval; };
#define NO_LOSSES { NAN, NAN }

/* Prints a line of metrics on standard output. `losses` is a struct shown_losses *, which takes the line's loss and
 * eval_loss. -1: 73, 74. */
int print_metrics(void *losses, const json_t *line, struct failure *failure);

/* Shows how many steps of `total` (-1: not known) are done, and the losses. */
void show_steps(void *losses, int64_t steps, int64_t total);

#endif
