/* A new model folder: parameters of the configuration's shapes, filled by chance. */
#include <stdlib.h>

#include "base/staged.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "model/head.h"
#include "model/parameters_file.h"
#include "record/info.h"
#include "text/tokenizer.h"

static const char *config_path, *vocabulary_path, *out;
static int64_t seed;
static bool cased, force;

static const struct option_entry options[] = {
	OPTION_TEXT("config", &config_path, "FILE", "config.json of the model", .required = "the config.json of the model"),
	OPTION_TEXT("vocab", &vocabulary_path, "FILE", "vocab.txt to put into the folder as its tokenizer"),
	OPTION_FLAG("cased", &cased, "the tokenizer keeps case and accents, as bert-base-cased"),
	OPTION_TEXT("out", &out, "DIR", "the folder to make", .required = "the folder to make",
		.unrecorded = true),
	OPTION_FLAG("force", &force, "replace DIR when it exists", .unrecorded = true),
	OPTION_SEED(&seed),
	OPTION_END
};

static const struct usage usage = {
	"", "Makes a model folder with newly initialized weights, ready for train-step and for transformers.",
	"model-init --config config.json --vocab vocab.txt --seed 1 --out small-bert"
};

/* A vocab_size that config.json leaves out is the vocabulary's. */
static void fit_vocabulary(struct config *config, const struct tokenizer *tokenizer) {
	size_t size = vocabulary_size(tokenizer_vocabulary(tokenizer));
	if (json_object_get(config->json, "vocab_size") == NULL)
		config->vocab_size = size;
	if (config->vocab_size != size)
		die(EX_DATAERR, "%s: vocab_size is %zu, but %s has %zu tokens (they must be equal, or vocab_size left out)",
			config_path, config->vocab_size, vocabulary_path, size);
	if (config->pad_token_id >= 0 && (size_t)config->pad_token_id >= size)
		die(EX_DATAERR, "%s: pad_token_id is %d, but %s has %zu tokens", config_path, config->pad_token_id,
			vocabulary_path, size);
}

static void record_lineage(struct parameters *parameters) {
	struct stream_info info;
	stream_info_init(&info);
	add_this_stage(&info, seed);
	parameters->lineage = json_incref(info.lineage);
	stream_info_clear(&info);
}

static void save(const struct parameters *parameters, const struct tokenizer *tokenizer) {
	struct failure failure;
	struct staged *folder = staged_folder(out, force, &failure);
	if (folder == NULL)
		die_failure(&failure);
	check(parameters_save(parameters, staged_path(folder), &failure), &failure);
	if (tokenizer != NULL)
		check(tokenizer_save(tokenizer, staged_path(folder), &failure), &failure);
	check(staged_commit(folder, &failure), &failure);
}

int main(int argc, char **argv) {
	if (parse_options(argc, argv, &usage, options) != argc)
		die(EX_USAGE, "%s: no operand is taken (name files by --config and --vocab)", argv[argc - 1]);
	struct failure failure;
	struct config config;
	struct tokenizer *tokenizer = NULL;
	check(config_read(config_path, &config, &failure), &failure);
	if (vocabulary_path != NULL) {
		tokenizer = tokenizer_from_vocabulary(vocabulary_path, cased, &failure);
		if (tokenizer == NULL)
			die_failure(&failure);
		fit_vocabulary(&config, tokenizer);
	}
	struct parameters *parameters = parameters_create(&config, &masked_lm_head.layout);
	parameters_initialize(parameters, (uint64_t)seed);
	record_lineage(parameters);
	save(parameters, tokenizer);
	parameters_free(parameters);
	tokenizer_free(tokenizer);
	return finish_output();
}
