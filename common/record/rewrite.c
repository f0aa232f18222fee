/* rewrite: windows of shares. While the threads make the lists of one window, task 0 of the same round writes the
 * window before, and task 1 reads the batch after. In an interactive stream a batch is read only when the one before is
 * written. */
#include "record/rewrite.h"

#include <stdlib.h>

#include "base/memory.h"
#include "record/columns.h"
#include "record/layout.h"

#define SHARE_ROWS 64                     /* rows of a share at most, */
#define SHARE_BYTES ((size_t)32 << 10)    /* and bytes of their values, exceeded by the last row only */
#define SHARES 8                          /* shares of a window for each thread */

/* Consecutive rows of a batch, for one task. Row i of the share ends at ends[i] in the lists. */
struct share {
	int64_t first;
	size_t rows;
	struct list_pair lists;
	size_t ends[SHARE_ROWS];
	struct failure failure; /* status 0: none */
};

/* Consecutive shares of one batch. */
struct window {
	struct batch *batch;
	int64_t ordinal;            /* of the batch's first row */
	int64_t past;               /* the first row of the batch after the window */
	struct share *shares;
	size_t count, capacity;
};

struct rewriter {
	const struct rewrite *rewrite;
	struct reader *reader;
	struct writer *writer;            /* NULL before the first step */
	struct schema schema;             /* of the output */
	struct carried *carried;
	struct window current, before;    /* of 0 shares: none */
	int64_t taken;                    /* rows of the batches that windows were taken of */
	struct batch *next;               /* the batch after the current window's; NULL: not read yet, or none */
	bool reads;                       /* this round reads it */
	int read_result, write_result;
	struct failure read_failure, write_failure;
};

void list_pair_reserve(struct list_pair *lists, size_t extra) {
	if (lists->capacity - lists->count >= extra && lists->first != NULL)
		return;
	lists->capacity = (lists->count + extra) * 2 + 16;
	lists->first = grow(lists->first, lists->capacity, sizeof *lists->first);
	lists->second = grow(lists->second, lists->capacity, sizeof *lists->second);
}

struct rewriter *rewriter_create(const struct rewrite *rewrite, struct reader *reader) {
	struct rewriter *rewriter = allocate(1, sizeof *rewriter);
	*rewriter = (struct rewriter){ .rewrite = rewrite, .reader = reader };
	schema_add_int32_list(&rewriter->schema, rewrite->names[0]);
	schema_add_int32_list(&rewriter->schema, rewrite->names[1]);
	rewriter->carried = carried_create(reader_schema(reader), rewrite->dropped);
	carried_add_fields(rewriter->carried, &rewriter->schema);
	return rewriter;
}

const struct schema *rewriter_schema(const struct rewriter *rewriter) {
	return &rewriter->schema;
}

/* ---- the tasks of a round ------------------------------------------------------------------------------ */

static bool ends_batch(const struct window *window) {
	return window->past == window->batch->rows;
}

static void make_share(const struct rewriter *rewriter, struct share *share, int worker) {
	const struct window *window = &rewriter->current;
	share->lists.count = 0;
	share->failure.status = 0;
	for (size_t i = 0; i < share->rows; i++) {
		int64_t row = share->first + (int64_t)i;
		const struct record_row record = { window->batch, row, window->ordinal + row };
		if (rewriter->rewrite->make(rewriter->rewrite->context, &record, &share->lists, worker, &share->failure) < 0)
			return;
		share->ends[i] = share->lists.count;
	}
}

static int write_share(struct rewriter *rewriter, const struct window *window, const struct share *share) {
	struct writer *writer = rewriter->writer;
	for (size_t i = 0, at = 0; i < share->rows; at = share->ends[i++]) {
		size_t count = share->ends[i] - at;
		builder_append_int32_list(writer_column(writer, 0), share->lists.first + at, count);
		if (rewriter->rewrite->nulls)
			builder_append_nullable_int32_list(writer_column(writer, 1), share->lists.second + at, count, -1);
		else
			builder_append_int32_list(writer_column(writer, 1), share->lists.second + at, count);
		carried_append(rewriter->carried, window->batch, share->first + (int64_t)i, writer);
		if (writer_end_row(writer, &rewriter->write_failure) < 0)
			return -1;
	}
	return 0;
}

static int write_window(struct rewriter *rewriter, struct window *window) {
	for (size_t i = 0; i < window->count; i++)
		if (write_share(rewriter, window, &window->shares[i]) < 0)
			return -1;
	if (window->count > 0 && ends_batch(window))
		batch_free(window->batch);
	window->count = 0;
	return 0;
}

static void run_task(void *context, size_t index, int worker) {
	struct rewriter *rewriter = context;
	if (index == 0)
		rewriter->write_result = write_window(rewriter, &rewriter->before);
	else if (index > 1)
		make_share(rewriter, &rewriter->current.shares[index - 2], worker);
	else if (rewriter->reads)
		rewriter->read_result = reader_next(rewriter->reader, &rewriter->next, &rewriter->read_failure);
}

/* ---- windows ------------------------------------------------------------------------------------------- */

static size_t row_size(const struct column *column, int64_t row) {
	int64_t first, count;
	size_t length;
	if (type_layout(&column->field->type).kind == LAYOUT_BYTES) {
		column_bytes(column, row, &length);
		return length;
	}
	column_range(column, row, &first, &count);
	return (size_t)count * sizeof(int32_t);
}

/* Takes the next rows of the window's batch. */
static void take_share(const struct rewriter *rewriter, struct window *window, struct share *share) {
	const struct column *column = &window->batch->columns[rewriter->rewrite->column];
	size_t bytes = 0;
	share->first = window->past;
	share->rows = 0;
	while (share->rows < SHARE_ROWS && !ends_batch(window) && bytes < SHARE_BYTES) {
		bytes += row_size(column, window->past++);
		share->rows++;
	}
}

/* Takes the rows after the current window's, of its batch or of the next one. False at the end. */
static bool take_window(struct rewriter *rewriter, struct window *window) {
	const struct window *last = &rewriter->current;
	bool continues = last->count > 0 && !ends_batch(last);
	window->batch = continues ? last->batch : rewriter->next;
	window->ordinal = continues ? last->ordinal : rewriter->taken;
	window->past = continues ? last->past : 0;
	window->count = 0;
	if (!continues)
		rewriter->next = NULL;
	if (window->batch == NULL)
		return false;
	rewriter->taken += continues ? 0 : window->batch->rows;
	while (window->count < window->capacity && !ends_batch(window))
		take_share(rewriter, window, &window->shares[window->count++]);
	return true;
}

static void create_shares(struct window *window, size_t capacity) {
	window->shares = allocate(capacity, sizeof *window->shares);
	window->capacity = capacity;
}

/* Reads the first batch. */
static int start(struct rewriter *rewriter, struct writer *writer, const struct pool *pool) {
	rewriter->writer = writer;
	create_shares(&rewriter->current, SHARES * (size_t)pool_threads(pool));
	create_shares(&rewriter->before, SHARES * (size_t)pool_threads(pool));
	return rewriter->read_result = reader_next(rewriter->reader, &rewriter->next, &rewriter->read_failure);
}

/* What went wrong in a round: what concerns the earliest records first. */
static const struct failure *find_failure(const struct rewriter *rewriter) {
	const struct window *window = &rewriter->current;
	if (rewriter->write_result < 0)
		return &rewriter->write_failure;
	for (size_t i = 0; i < window->count; i++)
		if (window->shares[i].failure.status != 0)
			return &window->shares[i].failure;
	return rewriter->read_result < 0 ? &rewriter->read_failure : NULL;
}

int rewriter_step(struct rewriter *rewriter, struct writer *writer, struct pool *pool, struct failure *failure) {
	if (rewriter->writer == NULL && start(rewriter, writer, pool) < 0) {
		*failure = rewriter->read_failure;
		return -1;
	}
	if (!take_window(rewriter, &rewriter->before)) {
		rewriter->write_result = write_window(rewriter, &rewriter->current);
		*failure = rewriter->write_failure;
		return rewriter->write_result;
	}
	struct window before = rewriter->current;
	rewriter->current = rewriter->before;
	rewriter->before = before;
	bool ends = ends_batch(&rewriter->current) && rewriter->read_result > 0;
	bool waits = ends && reader_info(rewriter->reader)->interactive;
	rewriter->reads = ends && !waits;
	pool_run(pool, 2 + rewriter->current.count, run_task, rewriter);
	const struct failure *found = find_failure(rewriter);
	if (waits && found == NULL) {
		/* The next record may not be typed before this one is answered. */
		rewriter->write_result = write_window(rewriter, &rewriter->current);
		rewriter->read_result = reader_next(rewriter->reader, &rewriter->next, &rewriter->read_failure);
		found = find_failure(rewriter);
	}
	if (found == NULL)
		return 1;
	*failure = *found;
	return -1;
}

static void free_shares(struct window *window) {
	for (size_t i = 0; i < window->capacity; i++) {
		free(window->shares[i].lists.first);
		free(window->shares[i].lists.second);
	}
	free(window->shares);
}

void rewriter_destroy(struct rewriter *rewriter) {
	/* After a failure the windows may still hold a batch: one for both, or one each. */
	if (rewriter->before.count > 0 && rewriter->before.batch != rewriter->current.batch)
		batch_free(rewriter->before.batch);
	if (rewriter->current.count > 0)
		batch_free(rewriter->current.batch);
	batch_free(rewriter->next);
	free_shares(&rewriter->current);
	free_shares(&rewriter->before);
	carried_destroy(rewriter->carried);
	schema_clear(&rewriter->schema);
	free(rewriter);
}
