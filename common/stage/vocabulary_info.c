#include "stage/vocabulary_info.h"

void stream_info_set_vocabulary(struct stream_info *info, const struct tokenizer *tokenizer) {
	const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
	struct special_ids ids = tokenizer_special_ids(tokenizer);
	info->vocab_size = (int64_t)vocabulary_size(vocabulary);
	vocabulary_fingerprint(vocabulary, info->vocab_fingerprint);
	info->pad_id = ids.pad;
	info->unk_id = ids.unk;
	info->cls_id = ids.cls;
	info->sep_id = ids.sep;
	info->mask_id = ids.mask;
}
