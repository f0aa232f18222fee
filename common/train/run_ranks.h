/* run_ranks: a run of several processes (train/ranks.h). Rank 0 leads: it has the files, and reads, evaluates, prints and
 * saves as the only process of a run does. The others follow: they get the model and what AdamW remembers once, and then the
 * records of each step, compute the gradients of their micro-batches, and take the same step.
 *
 * The micro-batches of a step are shared out in order: of N, rank r of P has those from rN/P up to (r + 1)N/P. Every rank
 * gets all records of the step, so that it knows the totals that the loss is divided by before its first backward pass. The
 * leader always has all that a checkpoint needs, as of the last whole step: it can save and end whatever has become of the
 * others. Where it ends it says so to the others, who wait for its next message.
 *
 * Every function does nothing for a run of one process. Those that return int return -1 for a failure and for a request to
 * stop, which run->stop tells apart. */
#ifndef CLOZE_TRAIN_RUN_RANKS_H
#define CLOZE_TRAIN_RUN_RANKS_H

#include "train/run_parts.h"

/* Joins the other processes. -1: 64 for more of them than micro-batches in a step; 69, also for a task that couples records:
 * its batch norm's running statistics depend on the order of the batches. */
int run_ranks_open(struct run *run, struct failure *failure);

/* Of the leader, before the first step: hands out the model, the settings and what AdamW remembers. */
int run_ranks_begin(struct run *run, struct failure *failure);

/* Of the leader: hands out the records of a step and the learning rate. */
int run_ranks_announce(struct run *run, const struct example_batch *batch, double rate, struct failure *failure);

/* The records of a step whose micro-batches this process computes: *first up to *end. */
void run_ranks_share(const struct run *run, const struct examples *step, size_t *first, size_t *end);

/* Before the last micro-batch of this process: begins the sum of the gradients over the ranks (train/exchange.h). From here
 * on the leader does not give up the step, and has told so. Sets the listener that lets what is complete travel. Returns 1,
 * 0 where the leader has given up the step and ends, or -1. */
int run_ranks_begin_sum(struct run *run, const struct examples *step, struct group_listener *listener,
	struct failure *failure);

/* After the last micro-batch, and before it is added to the sums: lets all travel that has not yet. */
void run_ranks_complete(struct run *run);

/* Ends the sum: the gradients and the loss become those of all ranks. */
int run_ranks_end_sum(struct run *run, struct loss *loss, struct failure *failure);

/* The whole run of a follower. 0: the leader has ended it. */
int run_follow(struct run *run, struct failure *failure);

/* Leaves the others; the leader ends them. */
void run_ranks_close(struct run *run);

#endif
