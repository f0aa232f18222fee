/* wwm-mask: masks whole words (mask/mask.h), record by record on several threads (record/rewrite.h). */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "mask/mask.h"
#include "record/token_lists.h"
#include "train/vocabulary_info.h"

static struct masking masking = { .probability = 0.2, .mask_rate = 1 };
static bool keep_special;
static const char *model;
static int64_t threads;

static const struct option_entry options[] = {
	OPTION_NUMBER("wwm-probability", &masking.probability, 0, 1, "P", "chance of each word to be chosen"),
	OPTION_FLAG("keep-special", &keep_special, "never choose special tokens that stand in the text, such as [UNK]"),
	MASKING_OPTIONS(masking),
	OPTION_MODEL(&model, "take the vocabulary from this model folder, for a stream that does not tell"),
	OPTION_THREADS(&threads),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Masks whole words: each token of a chosen word becomes [MASK], and is to be predicted.",
	.example = "wwm-mask --seed 7 < chunks.arrows > masked.arrows",
};

static void mask_record(const void *context, const struct token_record *record) {
	const struct mask_record masked = { .ordinal = record->ordinal, .count = record->count,
		.input_ids = record->input_ids, .labels = record->labels, .word_ids = record->word_ids,
		.special_tokens_mask = record->special_tokens_mask };
	mask_words(context, &masked, keep_special);
}

/* The rules, by the vocabulary that the stream or --model tells, which `info` then has. */
static struct mask *create_mask(struct stream_info *info, const char *input) {
	struct failure failure;
	struct tokenizer *tokenizer = model != NULL ? must(tokenizer_load(model, &failure), &failure) : NULL;
	check(stream_info_need_mask(info, tokenizer, input, &failure), &failure);
	const struct mask_vocabulary vocabulary = { .mask_id = info->mask_id, .size = info->vocab_size,
		.special_ids = info->all_special_ids, .special_count = info->special_count,
		.tokens = tokenizer != NULL ? tokenizer_vocabulary(tokenizer) : NULL };
	struct mask *mask = must(mask_create(&masking, &vocabulary, &failure), &failure);
	tokenizer_free(tokenizer);
	return mask;
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct failure failure;
	struct stream_info info;
	struct token_columns columns;
	check(mask_check_options(&masking, model != NULL, &failure), &failure);
	struct reader *in = open_input_stream(input);
	check(token_columns_find(in, TOKEN_WORD_IDS | (keep_special ? TOKEN_SPECIAL_MASK : 0), &columns, &failure),
		&failure);
	stream_info_copy(&info, reader_info(in));
	struct mask *mask = create_mask(&info, reader_name(in));
	columns.vocab_size = info.vocab_size;
	info.type = RECORD_MASKED;

	struct pool *pool = create_pool(threads);
	struct labelling *labelling = labelling_create(&columns, pool_threads(pool), mask_record, mask);
	int status = rewrite_stream(labelling_rewrite(labelling), in, &info, masking.seed, pool);
	labelling_destroy(labelling);
	pool_destroy(pool);
	mask_destroy(mask);
	stream_info_clear(&info);
	reader_close(in);
	return status;
}
