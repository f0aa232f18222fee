/* exchange: adds up the gradients of a step over the ranks, part by part, while the backward pass goes on with the others.
 *
 * A thread of its own moves the parts: MPI makes progress only while somebody calls it, and a backward pass is no place for
 * that. While the cores compute it looks at the network now and then and sleeps in between; once the pass is done it looks all
 * the time. No other thread may call MPI until exchange_end(). */
#ifndef CLOZE_TRAIN_EXCHANGE_H
#define CLOZE_TRAIN_EXCHANGE_H

#include "train/parts.h"
#include "train/ranks.h"

struct exchange;

/* Begins the exchange of a step, in which the ranks 0 to present - 1 have gradients. Borrows everything, and replaces what
 * the ranks wait by until exchange_end(). Never NULL. */
struct exchange *exchange_begin(struct ranks *ranks, const struct parts *parts, const struct blocks *gradients, int present);

/* The first `count` parts are complete, and must not be touched until exchange_end(). */
void exchange_complete(struct exchange *exchange, size_t count);

/* Waits until every part, all of which are complete, is the sum over the ranks, and frees the exchange. -1: 71, or as `wait`
 * said, which is asked meanwhile. */
int exchange_end(struct exchange *exchange, struct ranks_wait wait, struct failure *failure);

#endif
