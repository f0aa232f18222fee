/* vocabulary_info: what a stream says of the vocabulary that it was made with. */
#ifndef CLOZE_STAGE_VOCABULARY_INFO_H
#define CLOZE_STAGE_VOCABULARY_INFO_H

#include "record/info.h"
#include "text/tokenizer.h"

/* Sets the vocabulary's size and fingerprint and the special ids; the rest of `info` stays as it is. */
void stream_info_set_vocabulary(struct stream_info *info, const struct tokenizer *tokenizer);

/* -1: the stream, `input` in the message, tells of another vocabulary than the tokenizer's (65). */
int stream_info_check_vocabulary(const struct stream_info *info, const struct tokenizer *tokenizer, const char *input,
	struct failure *failure);

#endif
