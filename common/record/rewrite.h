/* rewrite: a stage that makes two lists of integers of each record, on several threads.
 *
 * The rows of a batch are shared out to the threads of a pool. In the same round one thread writes what the round
 * before made, and another one reads the next batch, so that neither making, writing nor reading waits for the others.
 * Records are written in the order in which they are read, so the output does not depend on the number of threads.
 *
 *     struct rewriter *rewriter = rewriter_create(&rewrite, reader);
 *     struct writer *writer = writer_open(descriptor, name, rewriter_schema(rewriter), &info, &failure);
 *     while ((result = rewriter_step(rewriter, writer, pool, &failure)) == 1)
 *         ... show progress ...
 *     rewriter_destroy(rewriter);
 *
 * rewrite_stream() of cli/streams.h is this loop for a tool. */
#ifndef CLOZE_RECORD_REWRITE_H
#define CLOZE_RECORD_REWRITE_H

#include "base/pool.h"
#include "record/stream.h"

/* One record of the input: a row of a batch, and its ordinal in the stream, from 0. */
struct record_row { const struct batch *batch; int64_t row, ordinal; };

/* Two lists of the same length, which hold the records of a share end to end. */
struct list_pair { int32_t *first, *second; size_t count, capacity; };

/* Makes capacity for `extra` more elements in both lists; `count` stays, which the caller adds to. */
void list_pair_reserve(struct list_pair *lists, size_t extra);

/* Makes the two lists of one record and appends them to `made`. Any thread calls it, each with its own `worker` (below
 * pool_threads()), for any record: the result must depend on the record alone. -1: the failure that the stage ends
 * with. */
typedef int rewrite_row(void *context, const struct record_row *row, struct list_pair *made, int worker,
	struct failure *failure);

struct rewrite {
	const char *names[2];      /* of the columns that are made, list<int32> */
	bool nulls;                /* a -1 in the second list is written as null */
	const char *const *dropped;/* input columns that end here, ended by NULL; all others are carried */
	int column;                /* the input's column that is worked on, a string or a list: its sizes cut the shares */
	rewrite_row *make;
	void *context;
};

struct rewriter;

/* Both are borrowed, and must outlive the rewriter. */
struct rewriter *rewriter_create(const struct rewrite *rewrite, struct reader *reader);

/* The output's columns: the two that are made, then those that are carried. Owned by the rewriter. */
const struct schema *rewriter_schema(const struct rewriter *rewriter);

/* One round; every call gets the same writer and pool. Returns 1 when there may be more records, 0 when all are
 * written, -1 for what reading, making (of the first record that fails) or writing gives. */
int rewriter_step(struct rewriter *rewriter, struct writer *writer, struct pool *pool, struct failure *failure);

void rewriter_destroy(struct rewriter *rewriter);

#endif
