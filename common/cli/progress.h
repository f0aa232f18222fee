/* progress: how far long work has come, on standard error.
 *
 *     wordpiece: 12000 of 25000 documents (48 %), 0:04 left, 3100/s
 *     train-step: 20 of 48 steps (41 %), 1:02 left, loss 2.4310, 0.45/s
 *
 * On a terminal it is one line, drawn anew at most ten times a second; what the width has no place for is left out,
 * from the right. Elsewhere it is silent unless --progress is given: then it is a line at the beginning and another one
 * every half minute. Rate and time left are averages since the work began. */
#ifndef CLOZE_CLI_PROGRESS_H
#define CLOZE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

extern bool progress_asked; /* --progress was given */

#define OPTION_PROGRESS \
	OPTION_FLAG("progress", &progress_asked, "tell every half minute how far the work is, without a terminal too", \
		.unrecorded = true)

/* Tells that `done` of `total` (0 or less: not known) `unit`s are done: 12000, 25000, "documents". `text` is shown with
 * them, such as "loss 2.4310"; NULL: none. Another unit, or fewer done than before, is the beginning of other work. */
void progress(int64_t done, int64_t total, const char *unit, const char *text);

/* Wipes the line from the terminal, before other output and at the end. */
void progress_end(void);

#endif
