/* progress: a line on standard error that tells how far long work has come, when standard error is a terminal;
 * silence otherwise. Drawn anew at most ten times a second. */
#ifndef CLOZE_CLI_PROGRESS_H
#define CLOZE_CLI_PROGRESS_H

#include <stdint.h>

/* Shows that `done` of `total` (0 or less: not known) `unit`s are done: "12,000 documents". */
void progress(int64_t done, int64_t total, const char *unit);

/* Wipes the line, before other output or at the end. */
void progress_end(void);

#endif
