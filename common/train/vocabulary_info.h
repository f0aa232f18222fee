/* vocabulary_info: what a stream's metadata says of the vocabulary that its ids belong to. This file is in train/, the
 * lowest room that may use both record/ and text/. */
#ifndef CLOZE_TRAIN_VOCABULARY_INFO_H
#define CLOZE_TRAIN_VOCABULARY_INFO_H

#include "record/info.h"
#include "text/tokenizer.h"

/* Sets the vocabulary's size and fingerprint and the ids of the special tokens; the rest of `info` stays as it is. */
void stream_info_set_vocabulary(struct stream_info *info, const struct tokenizer *tokenizer);

/* -1: the stream was made with another vocabulary than the tokenizer's, by its fingerprint (65). `input` is what the
 * message calls the stream. */
int stream_info_check_vocabulary(const struct stream_info *info, const struct tokenizer *tokenizer, const char *input,
	struct failure *failure);

/* For stages that need the id of [MASK]: sets the vocabulary to the tokenizer's, where there is one, and checks what
 * is then known. -1: 65, another vocabulary than the tokenizer's; the id of [MASK] or the size not known, or the id
 * not below the size. */
int stream_info_need_mask(struct stream_info *info, const struct tokenizer *tokenizer, const char *input,
	struct failure *failure);

#endif
