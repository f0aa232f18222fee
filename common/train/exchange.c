/* exchange: adds up the gradients of a step over the ranks, part by part, while the backward pass goes on. */
#include "train/exchange.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "base/thread.h"

struct exchange {
	struct ranks *ranks;
	const struct parts *parts;
	const struct blocks *gradients;
	int present;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t mutex;      /* of `complete` */
	pthread_cond_t changed;
	size_t complete;            /* parts */
	atomic_bool given_up;
	struct failure failure;     /* of the thread */
	int result;
};

static int check_given_up(void *context, struct failure *failure) {
	struct exchange *exchange = context;
	return atomic_load(&exchange->given_up) ? fail(failure, EX_TEMPFAIL, "given up") : 0;
}

static void await_part(struct exchange *exchange, size_t index) {
	pthread_mutex_lock(&exchange->mutex);
	while (exchange->complete <= index)
		pthread_cond_wait(&exchange->changed, &exchange->mutex);
	pthread_mutex_unlock(&exchange->mutex);
}

static void *exchange_parts(void *context) {
	struct exchange *exchange = context;
	for (size_t i = 0; exchange->result == 0 && i < exchange->parts->count; i++) {
		const struct part *part = &exchange->parts->of[i];
		await_part(exchange, i);
		exchange->result = ranks_sum(exchange->ranks, exchange->gradients->groups[part->group], part, exchange->present,
			&exchange->failure);
	}
	return NULL;
}

struct exchange *exchange_begin(struct ranks *ranks, const struct parts *parts, const struct blocks *gradients, int present) {
	struct exchange *exchange = allocate(1, sizeof *exchange);
	*exchange = (struct exchange){ .ranks = ranks, .parts = parts, .gradients = gradients, .present = present };
	pthread_mutex_init(&exchange->mutex, NULL);
	pthread_cond_init(&exchange->changed, NULL);
	ranks_set_wait(ranks, (struct ranks_wait){ .woken = check_given_up, .context = exchange });
	ranks_set_patience(ranks, true);
	exchange->has_thread = thread_create(&exchange->thread, NULL, exchange_parts, exchange) == 0;
	return exchange;
}

void exchange_complete(struct exchange *exchange, size_t count) {
	pthread_mutex_lock(&exchange->mutex);
	exchange->complete = count;
	pthread_cond_signal(&exchange->changed);
	pthread_mutex_unlock(&exchange->mutex);
}

/* Joins the thread, and asks from time to time whether to give up. */
static int join(struct exchange *exchange, struct ranks_wait wait, struct failure *failure) {
	enum { NANOSECONDS = 20 * 1000 * 1000 };
	int result = 0;
	for (struct timespec until;;) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += NANOSECONDS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (pthread_timedjoin_np(exchange->thread, NULL, &until) == 0)
			return result;
		if (result == 0 && wait.woken != NULL && (result = wait.woken(wait.context, failure)) < 0)
			atomic_store(&exchange->given_up, true);
	}
}

int exchange_end(struct exchange *exchange, struct ranks_wait wait, struct failure *failure) {
	exchange_complete(exchange, exchange->parts->count);
	ranks_set_patience(exchange->ranks, false);
	int result = exchange->has_thread ? join(exchange, wait, failure) : (exchange_parts(exchange), 0);
	if (result == 0 && exchange->result < 0) {
		*failure = exchange->failure;
		result = -1;
	}
	ranks_set_wait(exchange->ranks, wait);
	pthread_cond_destroy(&exchange->changed);
	pthread_mutex_destroy(&exchange->mutex);
	free(exchange);
	return result;
}
