/* masked: batches of masked records as the network takes them, rectangular arrays of B records by T positions. */
#ifndef CLOZE_RECORD_MASKED_H
#define CLOZE_RECORD_MASKED_H

#include "record/stream.h"

struct masked_batch {
	size_t B, T;              /* records, positions of the longest */
	int32_t *input_ids;       /* [B, T]; pad_id beyond a record's end */
	uint8_t *attention_mask;  /* [B, T]; 0 beyond a record's end, and where an `attention_mask` column has 0 */
	int32_t *token_type_ids;  /* [B, T]; 0 beyond a record's end; NULL: no such column, or a model without types */
	size_t M;                 /* positions with a label */
	int32_t *positions;       /* [M] b * T + t, ascending */
	int32_t *labels;          /* [M] the vocabulary's ids */
	int32_t *record_positions;/* [B + 1] the labels of record b are positions record_positions[b] up to [b + 1] */
	int32_t epoch;            /* of its records; 1 where the stream has no `epoch` column */
	bool epoch_ends;          /* it holds an epoch's last record: the next one is of another epoch, or there is none */
	size_t tokens;            /* positions with attention: what throughput counts */
	int64_t first_record;     /* ordinal in the stream of record 0 */
};

struct masked_reader;

/* Takes over the reader (closes it at the end). Needs `input_ids` and `labels`. `vocab_size` bounds ids and labels;
 * `type_vocab_size` bounds `token_type_ids`, a column that is not looked at where it is 0; `max_length` bounds a record
 * (the model's max_position_embeddings). NULL: 65. */
struct masked_reader *masked_reader_open(struct reader *reader, int64_t vocab_size, int64_t type_vocab_size,
	int64_t max_length, int32_t pad_id, struct failure *failure);

/* The next `batch_size` records in stream order, or those that are left of the epoch: no batch has records of two epochs,
 * as no batch of a DataLoader has. The arrays belong to the reader and
 * last until the next call. Returns 1, 0 at the end, or -1: 65 for a record that is empty or too long, an id, a label or
 * a token type out of range (the record named, counted from 1, and the position, from 0), lists of unlike lengths; and
 * whatever reader_next() gives. */
int masked_reader_next(struct masked_reader *masked, size_t batch_size, struct masked_batch *batch,
	struct failure *failure);

/* CRC-32 of what the records taken so far hold: lengths, epochs, ids, labels, and attention masks and token types where
 * there are any. It tells one input from another whatever batches it came in. */
uint32_t masked_reader_digest(const struct masked_reader *masked);

void masked_reader_close(struct masked_reader *masked);

#endif
