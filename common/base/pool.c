/* pool: runs tasks on threads. The threads wait for the next generation of work; an atomic counter numbers its
 * tasks.
 *
 * A thread that waits looks for a little while before it sleeps. Waking one takes tens of microseconds, above all on a
 * virtual machine, and a network computes a sentence in about a hundred short runs, which took two threads a third longer
 * when they slept in between. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"

struct member { struct pool *pool; int worker; pthread_t thread; };

struct pool {
	int threads;
	struct member *members; /* [threads]; member 0 is the thread that calls pool_run() */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	bool looks;               /* before it sleeps, since each thread has a core */
	atomic_ulong generation;  /* the number of the pool_run() that the fields below belong to */
	atomic_ulong busy;        /* threads that have not finished this generation */
	bool ending;
	pool_task *task;
	void *context;
	size_t count;
	atomic_size_t next;
	void *scratch;
	size_t scratch_bytes;
};

/* Looks for a little while whether the number has become what it will be. */
static void look_for(const struct pool *pool, const atomic_ulong *number, unsigned long expected) {
	const double most_seconds = 50e-6;
	if (!pool->looks)
		return;
	for (double start = clock_seconds(); clock_seconds() - start < most_seconds;)
		for (int i = 0; i < 32; i++) {
			if (atomic_load(number) == expected)
				return;
#ifdef __x86_64__
			__builtin_ia32_pause();
#endif
		}
}

static void take_tasks(struct pool *pool, int worker) {
	size_t index;
	while ((index = atomic_fetch_add(&pool->next, 1)) < pool->count)
		pool->task(pool->context, index, worker);
}

static void *work(void *argument) {
	struct member *member = argument;
	struct pool *pool = member->pool;
	unsigned long seen = 0;
	for (;;) {
		look_for(pool, &pool->generation, seen + 1);
		pthread_mutex_lock(&pool->lock);
		while (pool->generation == seen && !pool->ending)
			pthread_cond_wait(&pool->work, &pool->lock);
		if (pool->ending)
			break;
		seen = pool->generation;
		pthread_mutex_unlock(&pool->lock);
		take_tasks(pool, member->worker);
		pthread_mutex_lock(&pool->lock);
		if (--pool->busy == 0)
			pthread_cond_signal(&pool->done);
		pthread_mutex_unlock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static int cores(void) {
	cpu_set_t set;
	return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

struct pool *pool_create(int threads, struct failure *failure) {
	struct pool *pool = allocate(1, sizeof *pool);
	const int available = cores();
	pool->threads = threads > 0 ? threads : available;
	pool->looks = pool->threads <= available;
	pool->members = allocate((size_t)pool->threads, sizeof *pool->members);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->done, NULL);
	for (int i = 1; i < pool->threads; i++) {
		pool->members[i] = (struct member){ .pool = pool, .worker = i };
		int error = thread_create(&pool->members[i].thread, NULL, work, &pool->members[i]);
		if (error != 0) {
			fail(failure, EX_OSERR, "threads: %s (give a smaller --threads)", strerror(error));
			pool->threads = i;
			pool_destroy(pool);
			return NULL;
		}
	}
	return pool;
}

int pool_threads(const struct pool *pool) {
	return pool->threads;
}

void pool_run(struct pool *pool, size_t count, pool_task *task, void *context) {
	if (pool->threads == 1 || count <= 1) {
		for (size_t i = 0; i < count; i++)
			task(context, i, 0);
		return;
	}
	pthread_mutex_lock(&pool->lock);
	pool->task = task;
	pool->context = context;
	pool->count = count;
	atomic_store(&pool->next, 0);
	pool->busy = (unsigned long)pool->threads - 1;
	pool->generation++;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);

	take_tasks(pool, 0);

	look_for(pool, &pool->busy, 0);
	pthread_mutex_lock(&pool->lock);
	while (pool->busy > 0)
		pthread_cond_wait(&pool->done, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}

void *pool_scratch(struct pool *pool, size_t bytes) {
	if (bytes > pool->scratch_bytes) {
		free_huge_pages(pool->scratch, pool->scratch_bytes, 1);
		pool->scratch = allocate_huge_pages(bytes, 1);
		pool->scratch_bytes = bytes;
	}
	return pool->scratch;
}

void pool_destroy(struct pool *pool) {
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (int i = 1; i < pool->threads; i++)
		pthread_join(pool->members[i].thread, NULL);
	pthread_cond_destroy(&pool->done);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free_huge_pages(pool->scratch, pool->scratch_bytes, 1);
	free(pool->members);
	free(pool);
}
