/* A record's words are its units, numbered in their order (stage/masking.h). */
#include "cli/options.h"
#include "stage/masking.h"

static struct masking masking = { .probability = 0.2, .mask_rate = 1 };

static const struct option_entry options[] = {
	OPTION_NUMBER("wwm-probability", &masking.probability, 0, 1, "P", "chance of each word to be chosen"),
	MASKING_OPTIONS(masking),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Masks whole words: each token of a chosen word becomes [MASK], and is to be predicted.",
	.example = "wwm-mask --seed 7 < chunks.arrows > masked.arrows",
};

/* A word is a run of equal word ids; a null ends it. */
static void number_words(const struct stream_info *info, const int32_t *input_ids, const int32_t *word_ids,
	int32_t *units, size_t count) {
	int32_t words = 0;
	(void)info;
	(void)input_ids;
	for (size_t i = 0; i < count; i++) {
		if (word_ids[i] >= 0 && (i == 0 || word_ids[i] != word_ids[i - 1]))
			words++;
		units[i] = word_ids[i] >= 0 ? words - 1 : -1;
	}
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	return mask_stream(input, &masking, true, number_words);
}
