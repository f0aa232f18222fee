/* signals: how a program takes the signals that end it, or that ask something of it.
 *
 * No handler runs on the stack of a thread that computes: oneDNN's generated code keeps its own data where the kernel
 * would put the frame of a handler, and a handler could not allocate, lock or print in any case. The signals are blocked in
 * every thread and taken by one thread of their own, which waits for them and does the work outside of any handler.
 *
 * There are three ways to be ended, from the least to the most that a program has to lose:
 *
 *   1. A program that has nothing to clean up does nothing: SIGINT, SIGTERM and the others end it, as is their default.
 *   2. signals_take(): SIGINT, SIGTERM, SIGHUP and SIGQUIT run a function that cleans up, then end the program by the same
 *      signal. A program that stages files does this (base/staged.h).
 *   3. signals_ask(): SIGINT, SIGTERM and SIGHUP ask the program to stop, and SIGUSR1 asks it to save and go on. The
 *      program looks at signals_stop_asked() and signals_save_asked() between two pieces of work, and waits for input with
 *      poll() on signals_descriptor() beside it. A second signal to stop ends the program at once, as under 2.
 *
 * In every program SIGUSR1 is blocked from before main() on, so that it can be sent to a whole pipeline, and to a run that
 * is still starting; so is SIGXFSZ, so that a file that grows beyond `ulimit -f` is a failed write, which is told; a signal that was ignored
 * when the program began, as under nohup or in a shell's background, stays ignored. */
#ifndef CLOZE_CLI_SIGNALS_H
#define CLOZE_CLI_SIGNALS_H

#include <stdbool.h>

#include "base/failure.h"

/* Prepares a program, first of all in main(): SIGPIPE ends it, whatever it inherited; SIGBUS, which a
 * mapped file raises when it is cut or cannot be read, ends it with one line that begins with `program` (borrowed) and
 * names the file, and with status 74. Descriptors 0 to 2 that are closed are opened so that reading and writing them fails
 * with EBADF: otherwise the program's next file would be taken for standard output. */
void signals_begin(const char *program);

/* From now on the signals that end a program run `clean_up` first, in the thread that takes the signals; NULL leaves the
 * function that was given before. `clean_up` must hold whatever it locks until the program has ended. Also blocks SIGPIPE:
 * writing to a closed pipe then fails with EPIPE. To be called by the main thread. -1: 71, no thread can be had. */
int signals_take(void (*clean_up)(void), struct failure *failure);

/* From now on SIGINT, SIGTERM, SIGHUP and SIGUSR1 are requests. To be called by the main thread. -1: 71. */
int signals_ask(struct failure *failure);

/* The signal that asked the program to stop, first of several; 0: none did. To be looked at at least once a second; who
 * sees one saves what there is and calls signals_end() with it. */
int signals_stop_asked(void);

/* Whether SIGUSR1 has asked for a save since the last call, however often: the caller has taken the request. */
bool signals_save_asked(void);

/* A descriptor that is readable while there is a request: a save until signals_save_asked() takes it, a stop for ever. For
 * poll(), never to be read or closed; -1 before signals_ask(). */
int signals_descriptor(void);

/* Cleans up and ends the program by the signal, for a status of 128 + `number` in a shell. From any thread. */
_Noreturn void signals_end(int number);

/* Does not return when the program is being ended by a signal: what fails meanwhile is of no interest any more. */
void signals_wait_for_end(void);

#endif
