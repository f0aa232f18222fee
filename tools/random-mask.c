/* Each token but the special ones is a unit of its own, with its position for a number (stage/masking.h). */
#include "cli/options.h"
#include "stage/masking.h"

static struct masking masking = { .probability = 0.15, .mask_rate = 0.8, .random_rate = 0.1 };

static const struct option_entry options[] = {
	OPTION_NUMBER("mlm-probability", &masking.probability, 0, 1, "P", "chance of each token to be chosen"),
	MASKING_OPTIONS(masking),
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

static void number_tokens(const struct stream_info *info, const int32_t *input_ids, const int32_t *word_ids,
	int32_t *units, size_t count) {
	(void)word_ids;
	for (size_t i = 0; i < count; i++)
		units[i] = is_special(info, input_ids[i]) ? -1 : (int32_t)i;
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	return mask_stream(input, &masking, false, number_tokens);
}
