/* thread: creates threads that no signal is delivered to. */
#include "base/thread.h"

#include <stdlib.h>

#include "base/memory.h"

void signals_of_others(sigset_t *set) {
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
	sigfillset(set);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		sigdelset(set, own[i]);
}

bool signal_is_ignored(int number) {
	struct sigaction action;
	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void thread_set_alternate_stack(struct alternate_stack *stack) {
	sigaltstack(&(stack_t){ .ss_sp = stack->bytes, .ss_size = sizeof stack->bytes }, NULL);
}

struct start { void *(*run)(void *); void *argument; };

static void *run_thread(void *argument) {
	struct start start = *(struct start *)argument;
	struct alternate_stack stack;
	free(argument);
	thread_set_alternate_stack(&stack);
	void *result = start.run(start.argument);
	sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
	return result;
}

int thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *argument), void *argument) {
	struct start *start = allocate(1, sizeof *start);
	sigset_t set, before;
	*start = (struct start){ run, argument };
	signals_of_others(&set);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	int error = pthread_create(thread, attributes, run_thread, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		free(start);
	return error;
}
