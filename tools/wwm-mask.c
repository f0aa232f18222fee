/* A record's words are numbered in their order; the chance of word w is one 32-bit number drawn for (seed, record, w)
 * and nothing else. Four words share one Philox block. */
#include "cli/cli.h"
#include "masking/masking.h"
#include "math/random.h"

static double wwm_probability = 0.2;
static const char *model;
static int64_t seed = 0;

static const struct option_entry options[] = {
	OPTION_NUMBER("wwm-probability", &wwm_probability, 0, 1, "P", "chance of each word to be masked"),
	OPTION_TEXT("model", &model, "DIR", "take the vocabulary from this model folder, for a stream that does not tell"),
	OPTION_SEED(&seed),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Masks whole words: each token of a chosen word becomes [MASK], and is to be predicted.",
	.example = "wwm-mask --seed 7 < chunks.arrows > masked.arrows",
};

/* A word is a run of equal word ids; a null ends it. */
static void mask_words(const struct stream_info *info, int64_t record, int32_t *input_ids, const int32_t *word_ids,
	int32_t *labels, size_t count) {
	const uint64_t threshold = (uint64_t)(wwm_probability * 0x1p32);
	uint32_t chances[4], words = 0;
	int32_t current = -1;
	bool chosen = false;
	for (size_t i = 0; i < count; i++) {
		if (word_ids[i] != current) {
			current = word_ids[i];
			chosen = false;
			if (current >= 0) {
				if (words % 4 == 0)
					random_words((uint64_t)seed, RANDOM_MASK, (uint64_t)record, words / 4, chances);
				chosen = chances[words++ % 4] < threshold;
			}
		}
		if (chosen) {
			labels[i] = input_ids[i];
			input_ids[i] = info->mask_id;
		}
	}
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	return mask_stream(input, model, seed, true, mask_words);
}
