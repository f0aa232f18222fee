/* example_reader: reads batches of examples for a head from a stream of records. */
#ifndef CLOZE_TRAIN_EXAMPLE_READER_H
#define CLOZE_TRAIN_EXAMPLE_READER_H

#include <stdbool.h>

#include "model/config.h"
#include "model/examples.h"
#include "record/stream.h"

struct example_batch {
	struct examples examples;
	int32_t epoch;            /* 1 if the stream has no `epoch` column */
	bool epoch_ends;          /* the batch holds the last record of the epoch */
	size_t tokens;            /* that are attended to: what throughput counts */
	int64_t first_record;     /* ordinal in the stream of record 0 */
};

/* The labels that a head learns from. */
enum label_kind {
	LABELS_OF_TOKENS,         /* `labels`, a list as long as input_ids with -100 where there is no loss */
	LABELS_AND_LOGITS,        /* the same, and a teacher's answers but for hidden states (train/teacher_columns.h) */
	LABELS_AND_STATES,        /* the same, with hidden states where the stream has them */
	LABELS_OF_RECORDS,        /* `label`, an integer from 0 to classes - 1 */
	NO_LABELS
};

struct example_reader;

/* Takes over the reader (closes it at the end, and on failure). Needs `input_ids` and the labels; `attention_mask` and
 * `token_type_ids` are read where they are there, the latter where the model has types. The configuration bounds ids,
 * types and lengths, `classes` the labels of records. NULL: 65. */
struct example_reader *example_reader_open(struct reader *reader, const struct config *config, enum label_kind labels,
	int64_t classes, struct failure *failure);
void example_reader_close(struct example_reader *reader);

/* The next `batch_size` records in stream order, fewer at the end of an epoch or of the stream: a batch never crosses
 * an epoch, as a DataLoader's does not. The arrays belong to the reader and last until the next call. Returns 1, 0 at
 * the end, or -1: 65 for a record that is empty or too long, a value out of range (the record named, counted from 1,
 * and the position, from 0), lists of unlike lengths; and whatever reader_next() gives. */
int example_reader_next(struct example_reader *reader, size_t batch_size, struct example_batch *batch,
	struct failure *failure);

/* Calls `take` for each record that example_reader_next() puts into a batch, with the row that it comes from. */
typedef void take_row(void *context, const struct batch *batch, int64_t row);
void example_reader_set_take(struct example_reader *reader, take_row *take, void *context);

/* Ends batches also where the input has no more records ready (reader_ready() of record/stream.h), so that none waits
 * for those that follow. epoch_ends is then not to be relied upon. */
void example_reader_set_eager(struct example_reader *reader);

/* Whether example_reader_next() need not wait. */
bool example_reader_ready(const struct example_reader *reader);

/* The CRC-32 of the values of the records read so far and of the names of the columns. It identifies the input,
 * whatever its batches are. */
uint32_t example_reader_digest(const struct example_reader *reader);

const char *example_reader_name(const struct example_reader *reader); /* the name of the input in messages */

#endif
