/* The chance of position i is one 32-bit number drawn for (seed, record, i) and nothing else, four positions to a
 * Philox block; what a chosen position becomes is drawn in a block of its own. */
#include "cli/cli.h"
#include "masking/masking.h"
#include "math/random.h"

static double mlm_probability = 0.15;
static const char *model;
static int64_t seed = 0;

static const struct option_entry options[] = {
	OPTION_NUMBER("mlm-probability", &mlm_probability, 0, 1, "P", "chance of each token to be chosen"),
	OPTION_TEXT("model", &model, "DIR", "take the vocabulary from this model folder, for a stream that does not tell"),
	OPTION_SEED(&seed),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Masks tokens: of those chosen, 80 % become [MASK], 10 % a random token, 10 % stay; all are to be"
		" predicted.",
	.example = "random-mask --seed 7 < chunks.arrows > masked.arrows",
};

static bool is_special(const struct stream_info *info, int32_t id) {
	return id == info->pad_id || id == info->unk_id || id == info->cls_id || id == info->sep_id || id == info->mask_id;
}

static void mask_tokens(const struct stream_info *info, int64_t record, int32_t *input_ids, const int32_t *word_ids,
	int32_t *labels, size_t count) {
	const uint64_t threshold = (uint64_t)(mlm_probability * 0x1p32);
	uint32_t chances[4], choice[4];
	(void)word_ids;
	for (size_t i = 0; i < count; i++) {
		if (i % 4 == 0)
			random_words((uint64_t)seed, RANDOM_MASK, (uint64_t)record, (uint32_t)(i / 4), chances);
		if (chances[i % 4] >= threshold || is_special(info, input_ids[i]))
			continue;
		labels[i] = input_ids[i];
		random_words((uint64_t)seed, RANDOM_REPLACE, (uint64_t)record, (uint32_t)i, choice);
		uint32_t tenth = random_below(choice[0], 10);
		if (tenth < 8)
			input_ids[i] = info->mask_id;
		else if (tenth == 8)
			input_ids[i] = (int32_t)random_below(choice[1], (uint32_t)info->vocab_size);
	}
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	return mask_stream(input, model, seed, false, mask_tokens);
}
