/* batches: a stream of masked records, as a model takes it. */
#ifndef CLOZE_TRAIN_BATCHES_H
#define CLOZE_TRAIN_BATCHES_H

#include "model/network.h"
#include "record/masked.h"
#include "text/tokenizer.h"

/* The tokenizer of a model folder into *tokenizer; NULL where the folder has none. -1: 65 for one that is damaged. */
int optional_tokenizer(const char *folder, struct tokenizer **tokenizer, struct failure *failure);

/* Takes over the reader and checks that the stream is for this model: its vocabulary's fingerprint against that of the
 * tokenizer (NULL: none), or its size against the model's, and the length of its chunks against the model's positions.
 * NULL: 65. */
struct masked_reader *batches_open(struct reader *reader, const struct config *config,
	const struct tokenizer *tokenizer, struct failure *failure);

/* The batch as the network's input, pointing into it. */
struct network_input batch_input(const struct masked_batch *batch);

/* Records first .. first + count - 1 of the batch, likewise. `positions` gets the labelled ones, counted from record
 * `first`; it has room for all of the batch's. */
struct network_input batch_slice(const struct masked_batch *batch, size_t first, size_t count, int32_t *positions);

#endif
