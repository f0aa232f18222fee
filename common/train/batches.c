/* batches: opens a stream of records for a model, after comparing the stream's metadata, if it has any, with the
 * model. */
#include "train/batches.h"

#include <inttypes.h>

#include "train/vocabulary_info.h"

static int check_stream(const struct reader *reader, const struct config *config,
	const struct tokenizer *tokenizer, struct failure *failure) {
	const struct stream_info *info = reader_info(reader);
	if (tokenizer != NULL && stream_info_check_vocabulary(info, tokenizer, reader_name(reader), failure) < 0)
		return -1;
	if (info->vocab_size > (int64_t)config->vocab_size)
		return fail(failure, EX_DATAERR, "%s: made with a vocabulary of %" PRId64 " tokens, but the model has %zu "
			"(tokenize with wordpiece --model and the model's folder)", reader_name(reader), info->vocab_size,
			config->vocab_size);
	if (info->chunk_size > (int64_t)config->max_position_embeddings)
		return fail(failure, EX_DATAERR, "%s: its chunks are of %" PRId64 " tokens, but the model's "
			"max_position_embeddings is %zu (a smaller --chunk-size in group-texts)", reader_name(reader),
			info->chunk_size, config->max_position_embeddings);
	return 0;
}

struct example_reader *batches_open(struct reader *reader, const struct config *config,
	const struct tokenizer *tokenizer, enum label_kind labels, int64_t classes, struct failure *failure) {
	if (check_stream(reader, config, tokenizer, failure) < 0) {
		reader_close(reader);
		return NULL;
	}
	return example_reader_open(reader, config, labels, classes, failure);
}
