/* teacher_columns: a teacher's answers in the columns of masked records, as cloze-records(5) has them.
 *
 * A record has M labelled tokens and A attended ones, in the order of their positions. Its answers are
 *
 *     teacher_logits          M K floats: K logits of each labelled token
 *     teacher_ids             M K integers: which tokens of the vocabulary; without the column all of them, by id
 *     teacher_rest            3 M floats, beside teacher_ids (struct teacher_answers in model/examples.h)
 *     teacher_hidden_states   A C floats: the last layer's state of each attended token
 *
 * K and C are the same in every record. */
#ifndef CLOZE_TRAIN_TEACHER_COLUMNS_H
#define CLOZE_TRAIN_TEACHER_COLUMNS_H

#include <stdbool.h>

#include "model/config.h"
#include "model/examples.h"
#include "record/stream.h"

/* The columns' names. */
#define TEACHER_LOGITS "teacher_logits"
#define TEACHER_IDS "teacher_ids"
#define TEACHER_REST "teacher_rest"
#define TEACHER_HIDDEN_STATES "teacher_hidden_states"

struct teacher_columns;

/* Finds the columns; that of hidden states is read where it is there and `hidden_states` asks for it. The reader and
 * the configuration, that of the student, are borrowed. NULL: 65, a column is missing or of another type, or the
 * stream's metadata tells of a teacher with another vocabulary. */
struct teacher_columns *teacher_columns_open(const struct reader *reader, const struct config *config,
	bool hidden_states, struct failure *failure);
void teacher_columns_close(struct teacher_columns *columns); /* NULL is allowed */

/* Forgets the records that were appended. */
void teacher_columns_begin(struct teacher_columns *columns);

/* A record whose answers are to be appended: where they are, and its rows. */
struct taught_record {
	const struct batch *batch;
	int64_t row, ordinal;
	size_t labels;            /* M */
	size_t rows;              /* tokens that have a row */
	const uint8_t *attended;  /* [rows] */
};

/* Appends the answers of one record. -1: 65, naming the record, for lists of wrong lengths, numbers that are not
 * finite, ids that are outside the vocabulary or there twice. */
int teacher_columns_append(struct teacher_columns *columns, const struct taught_record *record,
	struct failure *failure);

/* CRC-32 of what the last record appended holds, begun with `digest`. */
uint32_t teacher_columns_digest(const struct teacher_columns *columns, uint32_t digest);

/* All answers since teacher_columns_begin(). The arrays belong to the columns and last until the next call. */
struct teacher_answers teacher_columns_show(const struct teacher_columns *columns);

#endif
