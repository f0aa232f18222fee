/* teacher_columns: reads a teacher's answers record by record, and checks every number. */
#include "train/teacher_columns.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/memory.h"

/* Growable floats. */
struct floats { float *values; size_t count, capacity; };

struct teacher_columns {
	const struct reader *reader;
	const struct config *config;
	int logits, ids, rest, hidden_states;  /* columns; -1: not there, or not read */
	size_t K;                              /* 0: no record with a label was read yet */
	struct floats logit_values, rest_values, states;
	struct int32_list id_values;
	size_t last_logits, last_rest, last_states; /* where those of the last record begin */
	uint8_t *seen;                         /* [V] all 0 between two tokens */
};

static float *extend(struct floats *floats, size_t extra) {
	if (floats->values == NULL || floats->capacity - floats->count < extra)
		floats->values = grow(floats->values, floats->capacity = (floats->count + extra) * 2 + 16, sizeof *floats->values);
	floats->count += extra;
	return floats->values + floats->count - extra;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static bool has_column(const struct teacher_columns *columns, const char *name) {
	return schema_find(reader_schema(columns->reader), name) >= 0;
}

static int find_columns(struct teacher_columns *columns, bool hidden_states, struct failure *failure) {
	const struct reader *reader = columns->reader;
	columns->ids = columns->rest = columns->hidden_states = -1;
	if ((columns->logits = reader_find_float_list(reader, TEACHER_LOGITS, failure)) < 0)
		return -1;
	if (has_column(columns, TEACHER_IDS)
		&& ((columns->ids = reader_find_int_list(reader, TEACHER_IDS, failure)) < 0
			|| (columns->rest = reader_find_float_list(reader, TEACHER_REST, failure)) < 0))
		return -1;
	if (!hidden_states || !has_column(columns, TEACHER_HIDDEN_STATES))
		return 0;
	columns->hidden_states = reader_find_float_list(reader, TEACHER_HIDDEN_STATES, failure);
	return columns->hidden_states < 0 ? -1 : 0;
}

static int check_vocabulary(const struct teacher_columns *columns, struct failure *failure) {
	int64_t size = reader_info(columns->reader)->teacher_vocab_size;
	if (size < 0 || size == (int64_t)columns->config->vocab_size)
		return 0;
	return fail(failure, EX_DATAERR, "%s: the teacher's vocabulary has %" PRId64 " tokens, the model's %zu "
		"(a student needs the vocabulary of its teacher)", reader_name(columns->reader), size, columns->config->vocab_size);
}

struct teacher_columns *teacher_columns_open(const struct reader *reader, const struct config *config,
	bool hidden_states, struct failure *failure) {
	struct teacher_columns *columns = allocate(1, sizeof *columns);
	columns->reader = reader;
	columns->config = config;
	columns->seen = allocate(config->vocab_size, 1);
	if (check_vocabulary(columns, failure) == 0 && find_columns(columns, hidden_states, failure) == 0)
		return columns;
	teacher_columns_close(columns);
	return NULL;
}

void teacher_columns_close(struct teacher_columns *columns) {
	if (columns == NULL)
		return;
	free(columns->logit_values.values);
	free(columns->rest_values.values);
	free(columns->states.values);
	free(columns->id_values.values);
	free(columns->seen);
	free(columns);
}

void teacher_columns_begin(struct teacher_columns *columns) {
	columns->logit_values.count = columns->rest_values.count = columns->states.count = columns->id_values.count = 0;
}

/* ---- one record ---------------------------------------------------------------------------------------- */

static size_t length_of(const struct taught_record *record, int column) {
	int64_t first, count;
	column_range(&record->batch->columns[column], record->row, &first, &count);
	return (size_t)count;
}

/* Puts the reader's name and the record before the text of a failure. */
static int fail_record(const struct teacher_columns *columns, const struct taught_record *record,
	const struct failure *reason, struct failure *failure) {
	return fail(failure, reason->status, "%s: record %" PRId64 ": %s", reader_name(columns->reader), record->ordinal + 1,
		reason->text);
}

/* Appends a row of numbers, which are as many as `count`. */
static int append_floats(const struct taught_record *record, int column, struct floats *floats, size_t count,
	struct failure *failure) {
	const struct column *list = &record->batch->columns[column];
	size_t length = length_of(record, column);
	if (length != count)
		return fail(failure, EX_DATAERR, "%zu numbers in %s, not %zu", length, list->field->name, count);
	return column_floats(list, record->row, extend(floats, count), failure);
}

/* Finds K, the logits of a labelled token, or checks that it is the same as before. */
static int check_logit_count(struct teacher_columns *columns, const struct taught_record *record,
	struct failure *failure) {
	size_t length = length_of(record, columns->logits), M = record->labels, V = columns->config->vocab_size;
	size_t K = M > 0 ? length / M : 0;
	if (M == 0 ? length > 0 : length % M != 0 || K == 0)
		return fail(failure, EX_DATAERR, "%zu numbers in " TEACHER_LOGITS ", but %zu labelled tokens (give each as many)",
			length, M);
	if (M == 0)
		return 0;
	if (columns->ids < 0 && K != V)
		return fail(failure, EX_DATAERR, "%zu numbers a token in " TEACHER_LOGITS ", but the model's vocabulary has %zu "
			"(a student needs the vocabulary of its teacher; fewer go with " TEACHER_IDS ")", K, V);
	if (columns->ids >= 0 && K >= V)
		return fail(failure, EX_DATAERR, "%zu numbers a token in " TEACHER_LOGITS ", but the model's vocabulary has %zu "
			"(a whole row goes without " TEACHER_IDS ")", K, V);
	if (columns->K > 0 && columns->K != K)
		return fail(failure, EX_DATAERR, "%zu numbers a token in " TEACHER_LOGITS ", but %zu before", K, columns->K);
	columns->K = K;
	return 0;
}

/* Whether the ids of one token lie in the vocabulary and differ. */
static int check_ids(const struct teacher_columns *columns, const int32_t *ids, struct failure *failure) {
	size_t V = columns->config->vocab_size, k = 0;
	while (k < columns->K && ids[k] >= 0 && (size_t)ids[k] < V && !columns->seen[ids[k]])
		columns->seen[ids[k++]] = 1;
	for (size_t i = 0; i < k; i++)
		columns->seen[ids[i]] = 0;
	if (k == columns->K)
		return 0;
	if (ids[k] >= 0 && (size_t)ids[k] < V)
		return fail(failure, EX_DATAERR, TEACHER_IDS " has %" PRId32 " twice for one token", ids[k]);
	return fail(failure, EX_DATAERR, TEACHER_IDS " has %s, outside the vocabulary of %zu (a student needs the vocabulary "
		"of its teacher)", ids[k] == INT32_MIN ? "a null" : "an id", V);
}

static int append_ids(struct teacher_columns *columns, const struct taught_record *record, struct failure *failure) {
	const struct column *list = &record->batch->columns[columns->ids];
	size_t length = length_of(record, columns->ids), count = record->labels * columns->K;
	if (length != count)
		return fail(failure, EX_DATAERR, "%zu " TEACHER_IDS ", but %zu numbers in " TEACHER_LOGITS, length, count);
	int32_t *ids = int32_list_extend(&columns->id_values, count);
	if (column_int32_values(list, record->row, INT32_MIN, ids, failure) < 0)
		return -1;
	for (size_t m = 0; m < record->labels; m++)
		if (check_ids(columns, ids + m * columns->K, failure) < 0)
			return -1;
	return append_floats(record, columns->rest, &columns->rest_values, record->labels * REST_TEMPERATURES, failure);
}

/* The states come one after the other; from the last on, each goes to its row. Rows that are not attended are 0. */
static int append_states(struct teacher_columns *columns, const struct taught_record *record, struct failure *failure) {
	size_t C = columns->config->hidden_size, length = length_of(record, columns->hidden_states), A = 0;
	for (size_t n = 0; n < record->rows; n++)
		A += record->attended[n];
	if (length != A * C)
		return fail(failure, EX_DATAERR, "%zu numbers in " TEACHER_HIDDEN_STATES ", but %zu attended tokens, and the "
			"model's hidden_size is %zu (a teacher of another width goes with --alpha-cos 0, or without --hidden-states "
			"in teach)", length, A, C);
	float *states = extend(&columns->states, record->rows * C);
	if (column_floats(&record->batch->columns[columns->hidden_states], record->row, states, failure) < 0)
		return -1;
	for (size_t n = record->rows, a = A; n-- > a;) {
		if (record->attended[n])
			memmove(states + n * C, states + --a * C, C * sizeof *states);
		else
			memset(states + n * C, 0, C * sizeof *states);
	}
	return 0;
}

int teacher_columns_append(struct teacher_columns *columns, const struct taught_record *record,
	struct failure *failure) {
	struct failure reason;
	columns->last_logits = columns->logit_values.count;
	columns->last_rest = columns->rest_values.count;
	columns->last_states = columns->states.count;
	if (check_logit_count(columns, record, &reason) < 0
		|| append_floats(record, columns->logits, &columns->logit_values, record->labels * columns->K, &reason) < 0
		|| (columns->ids >= 0 && append_ids(columns, record, &reason) < 0)
		|| (columns->hidden_states >= 0 && append_states(columns, record, &reason) < 0))
		return fail_record(columns, record, &reason, failure);
	return 0;
}

/* ---- results ------------------------------------------------------------------------------------------- */

static uint32_t digest_floats(const struct floats *floats, size_t first, uint32_t digest) {
	return crc32_extend(digest, floats->values + first, (floats->count - first) * sizeof *floats->values);
}

uint32_t teacher_columns_digest(const struct teacher_columns *columns, uint32_t digest) {
	digest = digest_floats(&columns->logit_values, columns->last_logits, digest);
	if (columns->ids >= 0) {
		digest = crc32_extend(digest, columns->id_values.values + columns->last_logits,
			(columns->id_values.count - columns->last_logits) * sizeof *columns->id_values.values);
		digest = digest_floats(&columns->rest_values, columns->last_rest, digest);
	}
	return columns->hidden_states >= 0 ? digest_floats(&columns->states, columns->last_states, digest) : digest;
}

struct teacher_answers teacher_columns_show(const struct teacher_columns *columns) {
	return (struct teacher_answers){
		.K = columns->K,
		.logits = columns->logit_values.values,
		.ids = columns->ids >= 0 ? columns->id_values.values : NULL,
		.rest = columns->ids >= 0 ? columns->rest_values.values : NULL,
		.hidden_states = columns->hidden_states >= 0 ? columns->states.values : NULL,
		.C = columns->config->hidden_size,
	};
}
