/* run_caller: the program around a training run, as the run sees it (train/run.h): where lines of metrics, progress and
 * warnings go, and whether the run is to go on. cli/run_program.h is the one of the tools. */
#ifndef CLOZE_BASE_RUN_CALLER_H
#define CLOZE_BASE_RUN_CALLER_H

#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"

enum run_request {
	RUN_GO_ON,
	RUN_SAVE,  /* save the last step, and go on */
	RUN_STOP,  /* save it and return RUN_STOPPED */
};

struct run_caller {
	void *context; /* passed to each function */
	/* Prints a line of metrics, an object that the run owns. -1: the run saves and returns the failure. */
	int (*print)(void *context, const json_t *line, struct failure *failure);
	/* Shows, after each step, how many are done; `total` is -1 where it is not known. */
	void (*progress)(void *context, int64_t steps, int64_t total);
	/* Is asked between micro-batches, between batches of an evaluation, and when `wake` interrupts a wait for input. A
	 * request to save is made once. */
	enum run_request (*request)(void *context);
	int wake; /* a descriptor that is readable while there is a request; 0: none */
	const struct warnings *warnings;
};

#endif
