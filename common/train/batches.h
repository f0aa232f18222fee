/* batches: opens a stream of records for a model. */
#ifndef CLOZE_TRAIN_BATCHES_H
#define CLOZE_TRAIN_BATCHES_H

#include "text/tokenizer.h"
#include "train/example_reader.h"

/* Opens a stream of records for a model. Takes over the reader, and checks that the stream fits the model: the
 * fingerprint of its vocabulary equals that of the tokenizer (NULL: none), its vocabulary is not larger than the
 * model's, and its chunks are not longer than the model's positions. `labels` and `classes` as in
 * example_reader_open(). NULL: 65. */
struct example_reader *batches_open(struct reader *reader, const struct config *config,
	const struct tokenizer *tokenizer, enum label_kind labels, int64_t classes, struct failure *failure);

#endif
