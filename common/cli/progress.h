/* progress: prints on standard error how far long work has come.
 *
 *     wordpiece: 12000 of 25000 documents (48 %), 0:04 left, 3100/s
 *     train-step: 20 of 48 steps (41 %), 1:02 left, loss 2.4310, 0.45/s
 *
 * On a terminal this is one line, redrawn at most ten times a second; the parts at the right that do not fit the width
 * are left out. Elsewhere nothing is printed unless --progress is given: then a line is printed at the beginning and
 * every half minute. The rate and the time left are averages since the work began. */
#ifndef CLOZE_CLI_PROGRESS_H
#define CLOZE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

extern bool progress_asked; /* --progress was given */

#define OPTION_PROGRESS \
	OPTION_FLAG("progress", &progress_asked, "print progress every half minute when there is no terminal", \
		.unrecorded = true)

/* Prints that `done` of `total` units of work are done, such as 12000 of 25000 "documents"; a `total` of 0 or less is
 * not known. `text` is shown behind, such as "loss 2.4310"; NULL: none. A call with another unit, or with fewer units
 * done than before, begins new work. */
void progress(int64_t done, int64_t total, const char *unit, const char *text);

/* Erases the line from the terminal. To be called before other output and at the end. */
void progress_end(void);

#endif
