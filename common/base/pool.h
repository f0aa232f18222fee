/* pool: threads that run independent tasks.
 *
 * The tasks of one pool_run() are numbered from 0, and each free thread takes the next one. A task must not depend on
 * which thread runs it or on which other tasks are done; then the result does not depend on the number of threads. */
#ifndef CLOZE_BASE_POOL_H
#define CLOZE_BASE_POOL_H

#include <stddef.h>

#include "base/failure.h"

struct pool;

/* One task: `index` is its number, and `worker` (below pool_threads()) is the number of the thread that runs it, for
 * scratch memory of that thread. */
typedef void pool_task(void *context, size_t index, int worker);

/* Creates a pool of `threads` threads, the caller's own included; 0: one for each core that this process may run on.
 * NULL: 71, a thread cannot be created. */
struct pool *pool_create(int threads, struct failure *failure);

int pool_threads(const struct pool *pool);

/* Runs task(context, index, worker) for every index below count, and returns when all are done. A task must not call
 * it. */
void pool_run(struct pool *pool, size_t count, pool_task *task, void *context);

/* Memory of so many bytes, of any contents, aligned to 64 bytes, for what the tasks of a run share. The pool keeps it for
 * the next call, which may give other memory in its place, and releases it. */
void *pool_scratch(struct pool *pool, size_t bytes);

/* Ends the threads and frees the pool. NULL is allowed. */
void pool_destroy(struct pool *pool);

#endif
