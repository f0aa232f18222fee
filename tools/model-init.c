/* model-init: makes a model folder, with new weights for a configuration, or with some layers of a teacher. */
#include <ctype.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/staged.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "model/head.h"
#include "model/parameters_file.h"
#include "record/info.h"
#include "text/tokenizer.h"

static const char *config_path, *vocabulary_path, *teacher, *kept, *out;
static int64_t seed;
static bool cased, force;

static const struct option_entry options[] = {
	OPTION_TEXT("config", &config_path, "FILE", "config.json of the model"),
	OPTION_TEXT("vocab", &vocabulary_path, "FILE", "vocab.txt to put into the folder as its tokenizer"),
	OPTION_FLAG("cased", &cased, "the tokenizer keeps case and accents, as bert-base-cased"),
	OPTION_TEXT("from", &teacher, "TEACHER", "take layers, embeddings, head and tokenizer from this model folder"),
	OPTION_TEXT("layers", &kept, "I,J,...", "the layers of TEACHER to take, counted from 0"),
	OPTION_TEXT("out", &out, "DIR", "the folder to make", .required = "the folder to make",
		.unrecorded = true),
	OPTION_FLAG("force", &force, "replace DIR when it exists", .unrecorded = true),
	OPTION_SEED(&seed),
	OPTION_END
};

static const struct usage usage = {
	"", "Makes a model folder with new weights, or with some layers of another model.",
	"model-init --config config.json --vocab vocab.txt --seed 1 --out small-bert"
};

/* Sets a missing vocab_size to the size of the vocabulary; refuses a different one. */
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

/* Sets the lineage: the stages that made the teacher, and this one. */
static void record_lineage(struct parameters *parameters, const json_t *before) {
	struct stream_info info;
	stream_info_init(&info);
	info.lineage = json_deep_copy(before);
	add_this_stage(&info, seed);
	parameters->lineage = json_incref(info.lineage);
	stream_info_clear(&info);
}

static void save(const struct parameters *parameters, const struct tokenizer *tokenizer) {
	struct failure failure;
	struct staged *folder = must(staged_folder(out, force, &failure), &failure);
	check(parameters_save(parameters, staged_path(folder), &failure), &failure);
	if (tokenizer != NULL)
		check(tokenizer_save(tokenizer, staged_path(folder), &failure), &failure);
	check(staged_commit(folder, &failure), &failure);
}

/* Makes new weights for --config, and the tokenizer of --vocab. */
static struct parameters *create(struct tokenizer **tokenizer) {
	struct failure failure;
	struct config config;
	check(config_read(config_path, &config, &failure), &failure);
	if (vocabulary_path != NULL) {
		*tokenizer = must(tokenizer_from_vocabulary(vocabulary_path, cased, &failure), &failure);
		fit_vocabulary(&config, *tokenizer);
	}
	struct parameters *parameters = parameters_create(&config, &masked_lm_head.layout);
	parameters_initialize(parameters, (uint64_t)seed);
	record_lineage(parameters, NULL);
	return parameters;
}

/* Parses --layers, numbers below `limit` separated by commas, into a new array. */
static size_t *read_layers(size_t limit, size_t *count) {
	size_t *layers = NULL;
	const char *at = kept;
	for (*count = 0;; at++) {
		char *end;
		unsigned long layer = strtoul(at, &end, 10);
		if (!isdigit((unsigned char)*at) || (*end != ',' && *end != '\0'))
			die(EX_USAGE, "--layers: '%s' is not a list of layers, such as 0,2,4", kept);
		if (layer >= limit)
			die(EX_USAGE, "--layers: %lu is not a layer of %s, whose layers are 0 to %zu", layer, teacher, limit - 1);
		for (size_t i = 0; i < *count; i++)
			if (layers[i] == layer)
				die(EX_USAGE, "--layers: %lu is named twice (take each layer once)", layer);
		layers = grow(layers, *count + 1, sizeof *layers);
		layers[(*count)++] = layer;
		at = end;
		if (*end == '\0')
			return layers;
	}
}

/* Takes the weights of --layers from the model --from, and its tokenizer if it has one. */
static struct parameters *take_layers(struct tokenizer **tokenizer) {
	struct failure failure;
	size_t count;
	struct parameters *whole = must(parameters_load(teacher, &masked_lm_head.layout, (uint64_t)seed, &print_warnings,
		&failure), &failure);
	size_t *layers = read_layers(whole->config.num_hidden_layers, &count);
	struct parameters *parameters = parameters_of_layers(whole, layers, count);
	record_lineage(parameters, whole->lineage);
	check(tokenizer_find(teacher, tokenizer, &failure), &failure);
	free(layers);
	parameters_free(whole);
	return parameters;
}

static void check_options(void) {
	if ((config_path == NULL) == (teacher == NULL))
		die(EX_USAGE, "%s (give --config, or --from with --layers)", teacher == NULL
			? "neither --config nor --from was given" : "--config and --from were both given");
	if ((teacher == NULL) != (kept == NULL))
		die(EX_USAGE, "--from and --layers go together (give both)");
	if (teacher != NULL && (vocabulary_path != NULL || cased))
		die(EX_USAGE, "--%s: the tokenizer is that of --from (leave it out)", cased ? "cased" : "vocab");
}

int main(int argc, char **argv) {
	if (parse_options(argc, argv, &usage, options) != argc)
		die(EX_USAGE, "%s: no operand is taken (name files by --config and --vocab)", argv[argc - 1]);
	check_options();
	struct tokenizer *tokenizer = NULL;
	struct parameters *parameters = teacher != NULL ? take_layers(&tokenizer) : create(&tokenizer);
	save(parameters, tokenizer);
	parameters_free(parameters);
	tokenizer_free(tokenizer);
	return finish_output();
}
