/* signals: takes the signals that end a program or ask it to save or to stop.
 *
 * No handler runs on the stack of a thread that computes: oneDNN's generated code keeps its own data where the kernel
 * would put the frame of a handler, and a handler could not allocate, lock or print in any case. So every thread blocks
 * the signals, and a thread of its own waits for them and acts outside of any handler.
 *
 * A program takes signals in one of three ways:
 *
 *   1. A program that has nothing to clean up does nothing: SIGINT, SIGTERM and the others end it by default.
 *   2. signals_take(): SIGINT, SIGTERM, SIGHUP and SIGQUIT run a function that cleans up, then end the program by the
 *      same signal. A program that stages files does this (base/staged.h).
 *   3. signals_ask(): SIGINT, SIGTERM and SIGHUP ask the program to stop, and SIGUSR1 asks it to save and go on. The
 *      program calls signals_stop_asked() and signals_save_asked() between two pieces of work, and waits for input with
 *      poll() on both the input and signals_descriptor(). A second signal to stop ends the program at once, as under 2.
 *
 * Every program blocks SIGUSR1 from before main() on, so that it can be sent to a whole pipeline and to a run that is
 * still starting. Every program also blocks SIGXFSZ, so that a file that grows beyond `ulimit -f` is a failed write,
 * which is reported. A signal that was ignored when the program began, as under nohup or in a shell's background, stays
 * ignored. */
#ifndef CLOZE_CLI_SIGNALS_H
#define CLOZE_CLI_SIGNALS_H

#include <stdbool.h>

#include "base/failure.h"

/* Prepares a program; main() calls it first. SIGPIPE ends the program, even if it was ignored by the parent process.
 * SIGBUS, which a mapped file raises when it is cut or cannot be read, ends the program with status 74 and one line
 * that begins with `program` (borrowed) and names the file. Closed descriptors among 0 to 2 are opened so that reading
 * and writing them fails with EBADF: otherwise the next file that the program opens would become standard output. */
void signals_begin(const char *program);

/* From now on the signals that end a program run `clean_up` first, in the thread that takes the signals; NULL keeps the
 * function of an earlier call. `clean_up` must keep its locks until the program has ended. Also blocks SIGPIPE: writing
 * to a closed pipe then fails with EPIPE. To be called by the main thread. -1: 71, the thread cannot be created. */
int signals_take(void (*clean_up)(void), struct failure *failure);

/* From now on SIGINT, SIGTERM, SIGHUP and SIGUSR1 are requests. To be called by the main thread. -1: 71. */
int signals_ask(struct failure *failure);

/* The first signal that asked the program to stop; 0: none did. A program checks this at least once a second; after a
 * request it saves its work and calls signals_end() with the signal. */
int signals_stop_asked(void);

/* Whether SIGUSR1 has come since the last call, once or more often. The call takes the request. */
bool signals_save_asked(void);

/* A descriptor for poll() that is readable while there is a request: a request to save until signals_save_asked() takes
 * it, a request to stop for ever. The caller must not read or close it. -1 before signals_ask(). */
int signals_descriptor(void);

/* Cleans up and ends the program by the signal; a shell reports status 128 + `number`. Any thread may call it. */
_Noreturn void signals_end(int number);

/* Does not return while a signal is ending the program: a failure at that time is not reported. */
void signals_wait_for_end(void);

#endif
