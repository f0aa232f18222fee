/* masking: the filter that every masking stage is, from records with `input_ids` to masked records; a stage adds
 * only how it chooses the positions.
 *
 * Written are input_ids and labels; `word_ids` and `labels` that came in are dropped (the labels of chunks are a
 * copy of their input_ids), other columns are carried. */
#ifndef CLOZE_MASKING_MASKING_H
#define CLOZE_MASKING_MASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/info.h"

/* Masks one record: puts what the model is to see into input_ids[count], and into labels[count], all -100 when
 * called, the tokens it is to predict. word_ids[count] has -1 for null; NULL for a stage that does without. `record`
 * is the record's ordinal in the stream, from 0. Ids are below info->vocab_size, as is info->mask_id. */
typedef void mask_record(const struct stream_info *info, int64_t record, int32_t *input_ids, const int32_t *word_ids,
	int32_t *labels, size_t count);

/* The whole stage, from the input (a path; NULL: standard input) to standard output. The vocabulary's size and
 * special ids come from the stream, or from the folder `model` when it is not NULL. Returns main()'s status; ends
 * the program where it cannot go on. */
int mask_stream(const char *input, const char *model, int64_t seed, bool with_word_ids, mask_record *mask);

#endif
