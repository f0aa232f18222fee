/* batches: opens a stream of records for a model. */
#ifndef CLOZE_TRAIN_BATCHES_H
#define CLOZE_TRAIN_BATCHES_H

#include "text/tokenizer.h"
#include "train/example_reader.h"

/* The tokenizer of a model folder into *tokenizer; NULL where the folder has none. -1: 65, 66, 71 or 74
 * for one that is damaged or cannot be read. */
int optional_tokenizer(const char *folder, struct tokenizer **tokenizer, struct failure *failure);

/* Takes over the reader, and checks that the stream is for this model: its vocabulary's fingerprint against that of the
 * tokenizer (NULL: none), or its size against the model's, and the length of its chunks against the model's positions.
 * `labels` and `classes` as in example_reader_open(). NULL: 65. */
struct example_reader *batches_open(struct reader *reader, const struct config *config,
	const struct tokenizer *tokenizer, enum label_kind labels, int64_t classes, struct failure *failure);

#endif
