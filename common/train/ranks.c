/* ranks: the processes of one run, by MPI where the build has it (CLOZE_MPI). */
#include "train/ranks.h"

#include "base/launcher.h"

#ifdef CLOZE_MPI

#include <mpi.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"

enum {
	PIECE_FLOATS = 4 << 20,   /* summed at a time, so that memory for what others send does not grow with the model */
	COLUMNS = 1 << 12,        /* of a slice that are added at a time, while they are in the cache */
	PIECE_BYTES = 256 << 20,  /* broadcast at a time: MPI counts in int */
	SPINS = 1000,             /* looks at an idle wait before the first sleep */
	LOOKS_PER_QUESTION = 64,  /* at a wait, for each call of woken() */
	SECONDS_TO_LEAVE = 10,
};

struct ranks {
	int number, count;
	struct ranks_wait wait;
	atomic_bool patient;
	float *packed;            /* numbers of a part that do not lie one after the other */
	float *received;          /* the slices of all ranks, one after the other */
	int *sizes, *places;      /* [count] of the slices of a piece: floats, and where they begin in it */
	int *rows, *row_places;   /* [count] the same of `received` */
	int *nothing;             /* [count] 0 */
	time_t deadline;          /* of the end */
	bool lost;
};

static int fail_mpi(struct ranks *ranks, int error, struct failure *failure) {
	char text[MPI_MAX_ERROR_STRING] = "";
	int length;
	MPI_Error_string(error, text, &length);
	ranks->lost = true;
	return fail(failure, EX_OSERR, "rank %d of %d: MPI: %s", ranks->number, ranks->count, text);
}

/* ---- waiting ------------------------------------------------------------------------------------------- */

/* Waits for what `begun`, the result of an MPI call, has begun. */
static int await(struct ranks *ranks, int begun, MPI_Request *request, bool idle, struct failure *failure) {
	static const struct timespec nap = { .tv_nsec = 200 * 1000 };
	int error = begun, done = 0;
	for (long looks = 1; error == MPI_SUCCESS; looks++) {
		error = MPI_Test(request, &done, MPI_STATUS_IGNORE);
		if (error == MPI_SUCCESS && done)
			return 0;
		if (ranks->wait.woken != NULL && looks % LOOKS_PER_QUESTION == 0
				&& ranks->wait.woken(ranks->wait.context, failure) < 0) {
			ranks->lost = true;
			return -1;
		}
		if ((idle && looks > SPINS) || atomic_load(&ranks->patient))
			nanosleep(&nap, NULL);
		else
			sched_yield();
	}
	return fail_mpi(ranks, error, failure);
}

void ranks_set_wait(struct ranks *ranks, struct ranks_wait wait) {
	if (ranks != NULL)
		ranks->wait = wait;
}

void ranks_set_patience(struct ranks *ranks, bool patient) {
	atomic_store(&ranks->patient, patient);
}

/* ---- messages ------------------------------------------------------------------------------------------ */

int ranks_broadcast(struct ranks *ranks, void *bytes, size_t length, bool idle, struct failure *failure) {
	int result = 0;
	for (size_t first = 0; ranks != NULL && result == 0 && first < length; first += PIECE_BYTES) {
		size_t left = length - first;
		MPI_Request request;
		int begun = MPI_Ibcast((char *)bytes + first, (int)(left < PIECE_BYTES ? left : PIECE_BYTES), MPI_BYTE, 0,
			MPI_COMM_WORLD, &request);
		result = await(ranks, begun, &request, idle, failure);
	}
	return result;
}

int ranks_gather(struct ranks *ranks, const void *mine, void *all, size_t length, struct failure *failure) {
	MPI_Request request;
	if (ranks == NULL) {
		memcpy(all, mine, length);
		return 0;
	}
	int begun = MPI_Iallgather(mine, (int)length, MPI_BYTE, all, (int)length, MPI_BYTE, MPI_COMM_WORLD, &request);
	return await(ranks, begun, &request, false, failure);
}

/* ---- sums ---------------------------------------------------------------------------------------------- */

/* Adds up rows of `length` numbers into the first one. */
static void add_rows(float *rows, size_t length, int count) {
	for (size_t first = 0; first < length; first += COLUMNS) {
		size_t end = length - first < COLUMNS ? length : first + COLUMNS;
		for (int stride = 1; stride < count; stride *= 2)
			for (int r = 0; r + stride < count; r += 2 * stride) {
				float *sum = rows + (size_t)r * length;
				const float *addend = sum + (size_t)stride * length;
				for (size_t i = first; i < end; i++)
					sum[i] += addend[i];
			}
	}
}

/* Cuts `count` floats into a slice for each rank, and `received` into a row for each rank that is present. */
static void cut_slices(struct ranks *ranks, size_t count, int present) {
	size_t ranks_count = (size_t)ranks->count;
	for (size_t r = 0; r < ranks_count; r++) {
		ranks->places[r] = (int)(count * r / ranks_count);
		ranks->sizes[r] = (int)(count * (r + 1) / ranks_count) - ranks->places[r];
	}
	for (int r = 0; r < ranks->count; r++) {
		ranks->rows[r] = r < present ? ranks->sizes[ranks->number] : 0;
		ranks->row_places[r] = r * ranks->rows[r];
	}
}

static int sum_piece(struct ranks *ranks, float *values, size_t count, int present, struct failure *failure) {
	MPI_Request request;
	cut_slices(ranks, count, present);
	int begun = MPI_Ialltoallv(values, ranks->number < present ? ranks->sizes : ranks->nothing, ranks->places, MPI_FLOAT,
		ranks->received, ranks->rows, ranks->row_places, MPI_FLOAT, MPI_COMM_WORLD, &request);
	if (await(ranks, begun, &request, false, failure) < 0)
		return -1;
	size_t length = (size_t)ranks->sizes[ranks->number];
	add_rows(ranks->received, length, present);
	memcpy(values + ranks->places[ranks->number], ranks->received, length * sizeof *values);
	begun = MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, values, ranks->sizes, ranks->places, MPI_FLOAT, MPI_COMM_WORLD,
		&request);
	return await(ranks, begun, &request, false, failure);
}

/* How many spans from the first one on make a piece; *floats is how many numbers they are, and *together is whether these
 * lie one after the other. */
static size_t measure_piece(const struct span *spans, size_t count, size_t *floats, bool *together) {
	size_t used = 0;
	*floats = 0;
	*together = true;
	for (; used < count && *floats + spans[used].count <= PIECE_FLOATS; used++) {
		*together &= spans[used].first == spans[0].first + *floats;
		*floats += spans[used].count;
	}
	return used;
}

/* The same for a piece whose numbers do not lie one after the other. */
static int sum_spans(struct ranks *ranks, float *block, const struct part *piece, int present, struct failure *failure) {
	float *next = ranks->packed;
	for (size_t i = 0; i < piece->count; next += piece->spans[i++].count)
		memcpy(next, block + piece->spans[i].first, piece->spans[i].count * sizeof *block);
	int result = sum_piece(ranks, ranks->packed, (size_t)(next - ranks->packed), present, failure);
	next = ranks->packed;
	for (size_t i = 0; i < piece->count; next += piece->spans[i++].count)
		memcpy(block + piece->spans[i].first, next, piece->spans[i].count * sizeof *block);
	return result;
}

int ranks_sum(struct ranks *ranks, float *block, const struct part *part, int present, struct failure *failure) {
	struct part piece = *part;
	int result = 0;
	for (size_t left = part->count; result == 0 && left > 0; left -= piece.count, piece.spans += piece.count) {
		size_t floats;
		bool together;
		piece.count = measure_piece(piece.spans, left, &floats, &together);
		result = together ? sum_piece(ranks, block + piece.spans[0].first, floats, present, failure)
			: sum_spans(ranks, block, &piece, present, failure);
	}
	return result;
}

/* ---- joining and leaving ------------------------------------------------------------------------------- */

static struct ranks *create(void) {
	struct ranks *ranks = allocate(1, sizeof *ranks);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks->count);
	MPI_Comm_rank(MPI_COMM_WORLD, &ranks->number);
	size_t count = (size_t)ranks->count;
	ranks->packed = allocate(PIECE_FLOATS, sizeof *ranks->packed);
	ranks->received = allocate(PIECE_FLOATS + 2 * count, sizeof *ranks->received);
	ranks->sizes = allocate(count, sizeof *ranks->sizes);
	ranks->places = allocate(count, sizeof *ranks->places);
	ranks->rows = allocate(count, sizeof *ranks->rows);
	ranks->row_places = allocate(count, sizeof *ranks->row_places);
	ranks->nothing = allocate(count, sizeof *ranks->nothing);
	return ranks;
}

static void release(struct ranks *ranks) {
	free(ranks->packed);
	free(ranks->received);
	free(ranks->sizes);
	free(ranks->places);
	free(ranks->rows);
	free(ranks->row_places);
	free(ranks->nothing);
	free(ranks);
}

static int fail_apart(int processes, struct failure *failure) {
	return fail(failure, EX_UNAVAILABLE, "started as one of %d processes, but they do not find each other by MPI (use the "
		"mpirun of the MPI that it was built with, or srun --mpi=pmix)", processes);
}

int ranks_open(struct ranks **ranks, struct failure *failure) {
	int processes = launched_processes(), provided;
	*ranks = NULL;
	if (processes == 1)
		return 0;
	if (!launched_together())
		return fail_apart(processes, failure);
	if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS)
		return fail(failure, EX_UNAVAILABLE, "MPI does not start (is the launcher of the same MPI?)");
	if (provided < MPI_THREAD_SERIALIZED)
		return fail(failure, EX_UNAVAILABLE, "MPI does not let a second thread call it (use an MPI that was built with "
			"threads)");
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	*ranks = create();
	if ((*ranks)->count == processes)
		return 0;
	release(*ranks);
	*ranks = NULL;
	MPI_Finalize();
	return fail_apart(processes, failure);
}

int ranks_count(const struct ranks *ranks) {
	return ranks != NULL ? ranks->count : 1;
}

int ranks_number(const struct ranks *ranks) {
	return ranks != NULL ? ranks->number : 0;
}

static int check_deadline(void *context, struct failure *failure) {
	const struct ranks *ranks = context;
	return time(NULL) < ranks->deadline ? 0 : fail(failure, EX_OSERR, "the other ranks do not answer");
}

void ranks_close(struct ranks *ranks, void *last, size_t length) {
	struct failure failure;
	MPI_Request request;
	if (ranks == NULL)
		return;
	ranks->deadline = time(NULL) + SECONDS_TO_LEAVE;
	ranks->wait = (struct ranks_wait){ check_deadline, ranks };
	if (!ranks->lost && (last == NULL || ranks_broadcast(ranks, last, length, true, &failure) == 0)
			&& await(ranks, MPI_Ibarrier(MPI_COMM_WORLD, &request), &request, true, &failure) == 0) {
		MPI_Finalize();
		release(ranks);
	}
	/* Otherwise MPI still writes into what belongs to the ranks, to the end of the process. */
}

#else

#include <string.h>

int ranks_open(struct ranks **ranks, struct failure *failure) {
	int processes = launched_processes();
	*ranks = NULL;
	return processes == 1 ? 0 : fail(failure, EX_UNAVAILABLE, "started as one of %d processes, but this program was built "
		"without MPI (make deps MPI=1, then make again; or start it by itself)", processes);
}

int ranks_count(const struct ranks *ranks) {
	(void)ranks;
	return 1;
}

int ranks_number(const struct ranks *ranks) {
	(void)ranks;
	return 0;
}

void ranks_set_wait(struct ranks *ranks, struct ranks_wait wait) {
	(void)ranks, (void)wait;
}

int ranks_broadcast(struct ranks *ranks, void *bytes, size_t length, bool idle, struct failure *failure) {
	(void)ranks, (void)bytes, (void)length, (void)idle, (void)failure;
	return 0;
}

int ranks_gather(struct ranks *ranks, const void *mine, void *all, size_t length, struct failure *failure) {
	(void)ranks, (void)failure;
	memcpy(all, mine, length);
	return 0;
}

void ranks_set_patience(struct ranks *ranks, bool patient) {
	(void)ranks, (void)patient;
}

int ranks_sum(struct ranks *ranks, float *block, const struct part *part, int present, struct failure *failure) {
	(void)ranks, (void)block, (void)part, (void)present, (void)failure;
	return 0;
}

void ranks_close(struct ranks *ranks, void *last, size_t length) {
	(void)ranks, (void)last, (void)length;
}

#endif
