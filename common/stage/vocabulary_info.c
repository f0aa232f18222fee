#include "stage/vocabulary_info.h"

#include <string.h>

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

int stream_info_check_vocabulary(const struct stream_info *info, const struct tokenizer *tokenizer, const char *input,
	struct failure *failure) {
	char fingerprint[16];
	if (info->vocab_fingerprint[0] == '\0')
		return 0;
	vocabulary_fingerprint(tokenizer_vocabulary(tokenizer), fingerprint);
	if (strcmp(info->vocab_fingerprint, fingerprint) == 0)
		return 0;
	return fail(failure, EX_DATAERR, "%s: made with vocabulary %s, but the model's is %s (tokenize with wordpiece --model"
		" and the model's folder)", input, info->vocab_fingerprint, fingerprint);
}
