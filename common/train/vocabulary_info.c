/* vocabulary_info: copies a tokenizer's facts into a stream's metadata, and compares them. */
#include "train/vocabulary_info.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void stream_info_set_vocabulary(struct stream_info *info, const struct tokenizer *tokenizer) {
	const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
	struct special_ids ids = tokenizer_special_ids(tokenizer);
	size_t count;
	int32_t *all = tokenizer_all_special_ids(tokenizer, &count);
	info->vocab_size = (int64_t)vocabulary_size(vocabulary);
	vocabulary_fingerprint(vocabulary, info->vocab_fingerprint);
	info->pad_id = ids.pad;
	info->unk_id = ids.unk;
	info->cls_id = ids.cls;
	info->sep_id = ids.sep;
	info->mask_id = ids.mask;
	stream_info_set_special_ids(info, all, count);
	free(all);
}

int stream_info_check_vocabulary(const struct stream_info *info, const struct tokenizer *tokenizer, const char *input,
	struct failure *failure) {
	char fingerprint[16];
	if (info->vocab_fingerprint[0] == '\0')
		return 0;
	vocabulary_fingerprint(tokenizer_vocabulary(tokenizer), fingerprint);
	if (strcmp(info->vocab_fingerprint, fingerprint) == 0)
		return 0;
	return fail(failure, EX_DATAERR, "%s: made with vocabulary %s, but the model's is %s (tokenize with wordpiece"
		" --model and the model's folder)", input, info->vocab_fingerprint, fingerprint);
}

int stream_info_need_mask(struct stream_info *info, const struct tokenizer *tokenizer, const char *input,
	struct failure *failure) {
	if (tokenizer != NULL) {
		if (stream_info_check_vocabulary(info, tokenizer, input, failure) < 0)
			return -1;
		stream_info_set_vocabulary(info, tokenizer);
		if (info->mask_id < 0)
			return fail(failure, EX_DATAERR, "%s: the vocabulary of --model has no [MASK] (name the folder of a masked"
				" language model)", input);
	}
	if (info->mask_id < 0 || info->vocab_size < 0)
		return fail(failure, EX_DATAERR, "%s: the id of [MASK] and the vocabulary's size are not known (name the"
			" model's folder with --model)", input);
	if (info->vocab_size > INT32_MAX || info->mask_id >= info->vocab_size)
		return fail(failure, EX_DATAERR, "%s: the id of [MASK], %" PRId32 ", is outside the vocabulary, of %" PRId64
			" tokens (name the model's folder with --model)", input, info->mask_id, info->vocab_size);
	return 0;
}
