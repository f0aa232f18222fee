/* run_program: the program around a training run, the same for every tool that trains: it prints a line of JSON for each
 * line of metrics and shows progress with the latest losses; SIGUSR1 lets the run save, and SIGINT, SIGTERM and SIGHUP let
 * it save and stop (signals_ask() of cli/signals.h). */
#ifndef CLOZE_CLI_RUN_PROGRAM_H
#define CLOZE_CLI_RUN_PROGRAM_H

#include <stdbool.h>

#include "base/pool.h"
#include "base/run_caller.h"
#include "record/info.h"

/* What a run is called with. */
struct run_program {
	struct run_caller caller;
	struct lineage_entry stage; /* the program as it was called */
	struct pool *pool;
};

/* Prepares the program for a run with the values of --seed and --threads, after parse_options(). Ends the program with 71
 * where there are no threads to be had. */
struct run_program run_program_begin(int64_t seed, int64_t threads);

/* Ends the program after a run, by the signal that stopped it if one did (`stopped`). Otherwise returns the status for
 * main() to return. */
int run_program_end(struct run_program *program, bool stopped);

#endif
