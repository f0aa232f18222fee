/* pool: threads that share out independent tasks.
 *
 * The tasks of one pool_run() are numbered from 0 and are taken in that order by whichever thread is free. A task
 * must not depend on which thread runs it or on which others are done; then neither does the result. */
#ifndef CLOZE_BASE_POOL_H
#define CLOZE_BASE_POOL_H

#include <stddef.h>

#include "base/failure.h"

struct pool;

/* One task: `index` is its number, `worker` (below pool_threads()) tells which thread runs it, for scratch memory
 * that a worker owns. */
typedef void pool_task(void *context, size_t index, int worker);

/* A pool of `threads` threads, the caller's own included; 0: one for each core this process may run on. NULL: 71, a
 * thread cannot be had. */
struct pool *pool_create(int threads, struct failure *failure);

int pool_threads(const struct pool *pool);

/* Runs task(context, index, worker) for every index below count, and returns when all are done. Not to be called
 * from within a task. */
void pool_run(struct pool *pool, size_t count, pool_task *task, void *context);

/* Ends the threads and frees the pool. NULL is allowed. */
void pool_destroy(struct pool *pool);

#endif
