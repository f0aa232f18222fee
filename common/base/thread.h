/* thread: threads that no signal is delivered to.
 *
 * The kernel puts the frame of a handler on the stack of the thread that it interrupts, where oneDNN's generated code keeps
 * data of its own. So every thread blocks what a program does not raise by its own instructions; cli/signals.h has a thread
 * that waits for signals. */
#ifndef CLOZE_BASE_THREAD_H
#define CLOZE_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* pthread_create() for every thread of ours, with these attributes, or NULL: the thread takes no signals, and has an
 * alternate stack for SIGBUS, which a mapped file can raise. Returns an error number. */
int thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *argument), void *argument);

/* Every signal but those that a thread raises by its own instructions, such as SIGSEGV and SIGBUS. */
void signals_of_others(sigset_t *set);

/* Whether the signal is ignored, as under nohup or by `trap '' XFSZ` in a shell. A blocked signal that is ignored would be
 * taken by sigwait() all the same. */
bool signal_is_ignored(int number);

/* A stack for handlers of the thread that sets it, which must not be freed before the thread ends. */
struct alternate_stack { _Alignas(16) char bytes[32 << 10]; };
void thread_set_alternate_stack(struct alternate_stack *stack);

#endif
