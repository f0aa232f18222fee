/* vocabulary_info: what a tokenizer has a stream say of its vocabulary. */
#ifndef CLOZE_STAGE_VOCABULARY_INFO_H
#define CLOZE_STAGE_VOCABULARY_INFO_H

#include "record/info.h"
#include "text/tokenizer.h"

/* Sets the vocabulary's size and fingerprint and the special ids; the rest of `info` stays as it is. */
void stream_info_set_vocabulary(struct stream_info *info, const struct tokenizer *tokenizer);

#endif
