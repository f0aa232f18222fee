/* ranks: the processes of one run, which mpirun or srun started. All that knows of MPI is in ranks.c.
 *
 * Rank 0 leads: it has the files, and what it broadcasts is what the others know. Every function below is called by all
 * ranks alike, in the same order. A rank that waits lets its core go, and asks from time to time whether it is to go on
 * waiting: a rank that has died never answers.
 *
 * Without a launcher there are no ranks, `struct ranks` is NULL, MPI is not started, and every function does nothing. */
#ifndef CLOZE_TRAIN_RANKS_H
#define CLOZE_TRAIN_RANKS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"
#include "train/parts.h"

struct ranks;

/* Joins the other processes; *ranks is NULL where there is none. -1: 69 where a launcher started several but the program was
 * built without MPI, or with an MPI that the launcher does not know. */
int ranks_open(struct ranks **ranks, struct failure *failure);

int ranks_count(const struct ranks *ranks);  /* 1 for NULL */
int ranks_number(const struct ranks *ranks); /* this one's, from 0 */

/* While a rank waits it calls `woken` from time to time, which returns -1 to give up: so does then the function that waits,
 * and the ranks are lost, since the others wait for ever. */
struct ranks_wait { int (*woken)(void *context, struct failure *failure); void *context; };
void ranks_set_wait(struct ranks *ranks, struct ranks_wait wait);

/* Whether a rank that waits leaves its core to threads that compute, and looks only now and then; at first it does not. Any
 * thread may call it. */
void ranks_set_patience(struct ranks *ranks, bool patient);

/* The bytes of rank 0 to all. `idle`: they may be long in coming. -1: 71, or as `woken` said. */
int ranks_broadcast(struct ranks *ranks, void *bytes, size_t length, bool idle, struct failure *failure);

/* The `length` bytes of each rank into all[count * length] of every rank, in order. -1: as above. */
int ranks_gather(struct ranks *ranks, const void *mine, void *all, size_t length, struct failure *failure);

/* Replaces the numbers of a part of every rank's block by their sum over ranks 0 to present - 1. The sum is taken along the
 * binary tree that train/sums.h describes, and is the same to the last bit everywhere: each rank adds up a slice of the
 * numbers and then all gather the slices (reduce-scatter and all-gather), for which a rank sends 2 (P - 1) / P of the
 * numbers. -1: as above. */
int ranks_sum(struct ranks *ranks, float *block, const struct part *part, int present, struct failure *failure);

/* Leaves: broadcasts rank 0's last message, unless it is NULL, and waits until all ranks have come here. Gives up after some
 * seconds, or at once where the ranks are lost: the launcher then ends the others when this process has ended. */
void ranks_close(struct ranks *ranks, void *last, size_t length);

#endif
