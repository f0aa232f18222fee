/* sandbox: a program that reads what strangers wrote gives up what it has no need of, so that a mistake in its readers
 * lets nobody in.
 *
 * From sandbox_reading() on, the process can read files, but cannot make, change, remove or run one, nor connect to
 * anything by TCP. From open_last_input() on, it cannot open a file at all. Descriptors that are open go on working.
 * Nothing takes a restriction back, and threads inherit it from the one that creates them: so both are called before
 * there are other threads. By Landlock, which Linux has from 5.13 on; elsewhere, and with --no-sandbox, the calls
 * restrict nothing. */
#ifndef CLOZE_CLI_SANDBOX_H
#define CLOZE_CLI_SANDBOX_H

#include <stdbool.h>

extern bool no_sandbox; /* --no-sandbox was given */

#define OPTION_SANDBOX \
	OPTION_FLAG("no-sandbox", &no_sandbox, "stay able to open, write and run files while reading", .unrecorded = true)

/* To be called by a tool after it has parsed its options. */
void sandbox_reading(void);

/* open_input() of cli/cli.h for the last file that the tool opens. */
int open_last_input(const char *path);

#endif
