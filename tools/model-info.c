/* Loads the folder as any other tool does, and prints the table of parameters: what is printed is what will be
 * computed with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "model/parameters.h"
#include "model/safetensors.h"
#include "text/tokenizer.h"

static bool json_output;

static const struct option_entry options[] = {
	OPTION_FLAG("json", &json_output, "print one JSON object"),
	OPTION_END
};

static const struct usage usage = {
	"DIR", "Prints what a model folder holds: its sizes, its parameters, its special tokens, how it was made.",
	"model-info --json imdb-distilbert | jq .total"
};

/* The sizes in config.json, under BERT's names. free by json_decref(). */
static json_t *architecture(const struct config *config) {
	json_t *json = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}",
		"vocab_size", (json_int_t)config->vocab_size,
		"max_position_embeddings", (json_int_t)config->max_position_embeddings,
		"hidden_size", (json_int_t)config->hidden_size,
		"num_hidden_layers", (json_int_t)config->num_hidden_layers,
		"num_attention_heads", (json_int_t)config->num_attention_heads,
		"intermediate_size", (json_int_t)config->intermediate_size);
	if (config->type_vocab_size > 0)
		json_object_set_new(json, "type_vocab_size", json_integer((json_int_t)config->type_vocab_size));
	json_object_set_new(json, "tie_word_embeddings", json_boolean(config->tie_word_embeddings));
	return json;
}

static json_t *parameter_list(const struct parameters *parameters) {
	json_t *list = json_array();
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		json_t *shape = json_array();
		for (size_t d = 0; d < parameter->dimensions; d++)
			json_array_append_new(shape, json_integer((json_int_t)parameter->shape[d]));
		json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:I, s:b}", "name", parameter->name, "shape", shape,
			"dtype", parameter->dtype, "count", (json_int_t)parameter->elements,
			"initialized", (int)parameter->initialized));
	}
	return list;
}

/* Bytes of the tensors as the folder's files hold them. */
static json_int_t stored_bytes(const char *folder) {
	struct failure failure;
	struct safetensors *file = safetensors_open(folder, &failure);
	if (file == NULL)
		die_failure(&failure);
	size_t bytes = 0;
	for (size_t i = 0; i < safetensors_count(file); i++)
		bytes += safetensors_at(file, i)->bytes;
	safetensors_close(file);
	return (json_int_t)bytes;
}

/* {"[PAD]": 0, ...}; null for a folder without a tokenizer, or with one that cannot be read. */
static json_t *special_tokens(const char *folder) {
	struct failure failure;
	struct tokenizer *tokenizer = tokenizer_load(folder, &failure);
	if (tokenizer == NULL) {
		if (failure.status != EX_NOINPUT)
			note("%s", failure.text);
		return json_null();
	}
	struct special_ids special = tokenizer_special_ids(tokenizer);
	const int32_t ids[] = { special.pad, special.unk, special.cls, special.sep, special.mask };
	json_t *tokens = json_object();
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		const char *token = vocabulary_token(tokenizer_vocabulary(tokenizer), ids[i]);
		if (token != NULL)
			json_object_set_new(tokens, token, json_integer(ids[i]));
	}
	tokenizer_free(tokenizer);
	return tokens;
}

static json_t *describe(const char *folder, const struct parameters *parameters) {
	size_t total = parameters_total(parameters);
	json_t *lineage = parameters->lineage == NULL ? json_null() : json_incref(parameters->lineage);
	return json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:o, s:o}",
		"model_type", model_type_name(parameters->config.model_type),
		"architecture", architecture(&parameters->config),
		"parameters", parameter_list(parameters),
		"total", (json_int_t)total, "bytes", (json_int_t)(total * sizeof(float)), "stored_bytes", stored_bytes(folder),
		"special_tokens", special_tokens(folder),
		"lineage", lineage);
}

/* `key  value` lines, the values as JSON has them. */
static void print_members(const json_t *object) {
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)object, key, value) {
		char *text = json_dumps(value, JSON_ENCODE_ANY);
		printf("%-24s %s\n", key, text);
		free(text);
	}
}

static void print_table(const struct parameters *parameters) {
	int width = 0;
	for (size_t i = 0; i < parameters->count; i++)
		width = (int)strlen(parameters->table[i].name) > width ? (int)strlen(parameters->table[i].name) : width;
	printf("\n%-*s  %-14s  %-5s  %10s\n", width, "name", "shape", "dtype", "count");
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		char *shape = parameter->dimensions == 1 ? format_text("[%zu]", parameter->shape[0])
			: format_text("[%zu, %zu]", parameter->shape[0], parameter->shape[1]);
		printf("%-*s  %-14s  %-5s  %10zu%s\n", width, parameter->name, shape, parameter->dtype, parameter->elements,
			parameter->initialized ? "  new" : "");
		free(shape);
	}
}

/* A model may come from a stranger: control characters are not sent to the terminal. */
static void print_word(const json_t *value) {
	const char *text = json_is_string(value) ? json_string_value(value) : "?";
	for (; *text != '\0'; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void print_lineage(const json_t *lineage) {
	size_t index, word;
	json_t *stage, *argument;
	printf("\nlineage\n");
	json_array_foreach((json_t *)lineage, index, stage) {
		printf("  ");
		print_word(json_object_get(stage, "tool"));
		putchar(' ');
		print_word(json_object_get(stage, "version"));
		json_array_foreach(json_object_get(stage, "arguments"), word, argument) {
			putchar(' ');
			print_word(argument);
		}
		putchar('\n');
	}
}

static void print_text(const json_t *description, const struct parameters *parameters) {
	printf("%-24s %s\n", "model_type", model_type_name(parameters->config.model_type));
	print_members(json_object_get(description, "architecture"));
	print_table(parameters);
	printf("\n");
	static const char *const sums[] = { "total", "bytes", "stored_bytes" };
	for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
		printf("%-24s %" JSON_INTEGER_FORMAT "\n", sums[i], json_integer_value(json_object_get(description, sums[i])));
	const json_t *tokens = json_object_get(description, "special_tokens");
	if (json_object_size(tokens) > 0) {
		printf("\n");
		print_members(tokens);
	}
	if (parameters->lineage != NULL)
		print_lineage(parameters->lineage);
}

int main(int argc, char **argv) {
	int operand = parse_options(argc, argv, &usage, options);
	if (argc - operand != 1)
		die(EX_USAGE, "%d operands: it takes one model folder (model-info DIR)", argc - operand);
	struct failure failure;
	struct parameters *parameters = parameters_load(argv[operand], 0, &failure);
	if (parameters == NULL)
		die_failure(&failure);
	json_t *description = describe(argv[operand], parameters);
	if (json_output) {
		char *text = json_dumps(description, 0);
		puts(text);
		free(text);
	} else
		print_text(description, parameters);
	json_decref(description);
	parameters_free(parameters);
	return finish_output();
}
