/* thread: creates threads that no signal is delivered to.
 *
 * The kernel puts the frame of a handler on the stack of the thread that it interrupts, where oneDNN's generated code
 * keeps data of its own. So every thread blocks all signals that its own instructions do not raise; cli/signals.h has a
 * thread that waits for signals. */
#ifndef CLOZE_BASE_THREAD_H
#define CLOZE_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* Calls pthread_create() with these attributes, or NULL. The thread takes no signals, and has an alternate stack for
 * SIGBUS, which a mapped file can raise. Every thread of a program is created by this function. Returns an error
 * number. */
int thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *argument), void *argument);

/* Sets *set to every signal except those that a thread raises by its own instructions, such as SIGSEGV and SIGBUS. */
void signals_of_others(sigset_t *set);

/* Whether the signal is ignored, as under nohup or by `trap '' XFSZ` in a shell. sigwait() would take such a signal if
 * it is blocked. */
bool signal_is_ignored(int number);

/* A stack for the signal handlers of the thread that sets it. It must not be freed before the thread ends. */
struct alternate_stack { _Alignas(16) char bytes[32 << 10]; };
void thread_set_alternate_stack(struct alternate_stack *stack);

#endif
