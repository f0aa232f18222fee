/* model-info: prints the parameters of a model folder, or compares two folders. The folder is opened as by every other
 * tool, so that the table shows what they compute with. The weights stay in their mapped files, and are read only for a
 * comparison, with another folder or with their digests. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"
#include "base/files.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/sandbox.h"
#include "model/digests.h"
#include "model/head.h"
#include "model/parameters_file.h"
#include "model/safetensors.h"
#include "record/commands.h"
#include "text/tokenizer.h"
#include "train/checkpoint.h"

static bool commands, diff, json_output, verify;

static const struct option_entry options[] = {
	OPTION_FLAG("commands", &commands, "print a script for bash that makes the model again, from its lineage"),
	OPTION_FLAG("diff", &diff, "print what differs between two model folders; exit 1 when something does"),
	OPTION_FLAG("json", &json_output, "print one JSON object"),
	OPTION_FLAG("verify", &verify, "compare weights and files with the digests that were written with them"),
	OPTION_SANDBOX,
	OPTION_END
};

static const struct usage usage = {
	"DIR [DIR]", "Prints what a model folder holds: its sizes, its parameters, its special tokens, how it was made.",
	"model-info --json imdb-distilbert | jq .total"
};

/* The sizes in config.json, under BERT's names. json_decref() releases it. */
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

static json_t *shape_of(const struct parameter *parameter) {
	json_t *shape = json_array();
	for (size_t d = 0; d < parameter->dimensions; d++)
		json_array_append_new(shape, json_integer((json_int_t)parameter->shape[d]));
	return shape;
}

static json_t *parameter_list(const struct parameters *parameters) {
	json_t *list = json_array();
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:I, s:b}", "name", parameter->name,
			"shape", shape_of(parameter), "dtype", parameter->dtype, "count", (json_int_t)parameter->elements,
			"initialized", (int)parameter->initialized));
	}
	return list;
}

/* The size of the tensors in the folder's files. */
static json_int_t stored_bytes(const struct safetensors *file) {
	size_t bytes = 0;
	for (size_t i = 0; i < safetensors_count(file); i++)
		bytes += safetensors_at(file, i)->bytes;
	return (json_int_t)bytes;
}

/* {"[PAD]": 0, ...}; null for a folder without a tokenizer, and, which is told, for one whose tokenizer is refused. */
static json_t *special_tokens(const char *folder) {
	struct failure failure;
	struct tokenizer *tokenizer;
	if (tokenizer_find(folder, &tokenizer, &failure) < 0) {
		if (failure.status != EX_DATAERR && failure.status != EX_NOINPUT)
			die_failure(&failure);
		note("%s", failure.text);
		return json_null();
	}
	if (tokenizer == NULL)
		return json_null();
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
		"total", (json_int_t)total, "bytes", (json_int_t)total * (json_int_t)sizeof(float),
		"stored_bytes", stored_bytes(parameters->file),
		"special_tokens", special_tokens(folder),
		"lineage", lineage);
}

/* Prints text from a model folder, cleaned (base/clean.h): the folder may come from a stranger. */
static void print_safely(const char *text) {
	char *copy = clean(copy_text(text));
	fputs(copy, stdout);
	free(copy);
}

static void print_word(const json_t *value) {
	print_safely(json_is_string(value) ? json_string_value(value) : "?");
}

static void print_json(const json_t *object) {
	char *text = json_dumps(object, JSON_REAL_PRECISION(15));
	puts(text);
	free(text);
}

/* Prints a line for each member: the key, and the value in JSON. */
static void print_members(const json_t *object) {
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)object, key, value) {
		char *text = json_dumps(value, JSON_ENCODE_ANY);
		printf("%-24s ", key);
		print_safely(text);
		putchar('\n');
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

/* ---- comparing ----------------------------------------------------------------------------------------- */

/* Describes a difference: {kind: name, "left": value, "right": value}. A NULL value is omitted. Takes over the
 * values. */
static json_t *difference_of(const char *kind, const char *name, json_t *left, json_t *right) {
	json_t *difference = json_pack("{s:s}", kind, name);
	if (left != NULL)
		json_object_set_new(difference, "left", left);
	if (right != NULL)
		json_object_set_new(difference, "right", right);
	return difference;
}

static json_t *config_differences(json_t *left, json_t *right) {
	json_t *list = json_array();
	const char *key;
	json_t *value;
	json_object_foreach(left, key, value) {
		json_t *other = json_object_get(right, key);
		if (other == NULL || !json_equal(value, other))
			json_array_append_new(list, difference_of("key", key, json_incref(value), json_incref(other)));
	}
	json_object_foreach(right, key, value)
		if (json_object_get(left, key) == NULL)
			json_array_append_new(list, difference_of("key", key, NULL, json_incref(value)));
	return list;
}

/* Finds the parameter of that name, beginning at index `place`, where it should be. NULL: there is none. */
static const struct parameter *find(const struct parameters *parameters, const char *name, size_t place) {
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[(place + i) % parameters->count];
		if (strcmp(parameter->name, name) == 0)
			return parameter;
	}
	return NULL;
}

/* The parameter if it is in the model's files, NULL otherwise. */
static const struct parameter *stored(const struct parameter *parameter) {
	return parameter != NULL && !parameter->initialized ? parameter : NULL;
}

/* Compares two parameters of the same shape; NULL if all elements are equal. A difference that is not finite is
 * null. */
static json_t *value_difference(const struct parameter *parameter, const float *left, const float *right) {
	double largest = 0, sum = 0;
	bool equal = true;
	for (size_t i = 0; i < parameter->elements; i++) {
		/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): the same bits of what is not a number are equal */
		if (left[i] == right[i] || memcmp(&left[i], &right[i], sizeof *left) == 0)
			continue;
		double difference = fabs((double)left[i] - (double)right[i]);
		equal = false;
		sum += difference;
		if (isnan(difference) || difference > largest)
			largest = difference;
	}
	if (equal)
		return NULL;
	/* A difference that is not finite is null: json_real() makes nothing of it. */
	return json_pack("{s:s, s:o, s:o?, s:o?}", "name", parameter->name, "shape", shape_of(parameter), "max_difference",
		json_real(largest), "mean_difference", json_real(sum / (double)parameter->elements));
}

/* Compares a parameter of two models, where one may be missing (NULL). Returns NULL if there is no difference. */
static json_t *parameter_difference(const struct parameters *left, const struct parameter *a,
	const struct parameters *right, const struct parameter *b) {
	if (a == NULL && b == NULL)
		return NULL;
	bool same_shape = a != NULL && b != NULL && a->dimensions == b->dimensions
		&& memcmp(a->shape, b->shape, a->dimensions * sizeof *a->shape) == 0;
	if (same_shape)
		return value_difference(a, left->values + a->offset, right->values + b->offset);
	return difference_of("name", a != NULL ? a->name : b->name, a != NULL ? shape_of(a) : NULL,
		b != NULL ? shape_of(b) : NULL);
}

/* The differences in parameters of the left model, then the parameters that only the right model has. */
static json_t *parameter_differences(const struct parameters *left, const struct parameters *right) {
	json_t *list = json_array();
	for (size_t i = 0; i < left->count + right->count; i++) {
		size_t place = i < left->count ? i : i - left->count;
		const char *name = i < left->count ? left->table[place].name : right->table[place].name;
		const struct parameter *a = find(left, name, place), *b = find(right, name, place);
		json_t *difference = i < left->count || a == NULL
			? parameter_difference(left, stored(a), right, stored(b)) : NULL;
		if (difference != NULL)
			json_array_append_new(list, difference);
	}
	return list;
}

static void print_side(const json_t *object, const char *side) {
	const json_t *value = json_object_get(object, side);
	char *text = value == NULL ? copy_text("absent") : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	print_safely(text);
	free(text);
}

static void print_difference_number(const json_t *object, const char *name) {
	const json_t *number = json_object_get(object, name);
	printf("  %11.6g", json_is_null(number) ? (double)NAN : json_real_value(number));
}

static void print_differences(const json_t *comparison) {
	size_t index;
	int width = 0;
	json_t *difference;
	const json_t *parameters = json_object_get(comparison, "parameters");
	json_array_foreach(json_object_get(comparison, "config"), index, difference) {
		printf("config.json: ");
		print_word(json_object_get(difference, "key"));
		printf(": ");
		print_side(difference, "left");
		printf(" | ");
		print_side(difference, "right");
		putchar('\n');
	}
	json_array_foreach((json_t *)parameters, index, difference) {
		int length = (int)json_string_length(json_object_get(difference, "name"));
		width = length > width ? length : width;
	}
	if (width > 0)
		printf("%-*s  %11s  %11s  shape\n", width, "name", "max", "mean");
	json_array_foreach((json_t *)parameters, index, difference) {
		printf("%-*s", width, json_string_value(json_object_get(difference, "name")));
		if (json_object_get(difference, "shape") != NULL) {
			print_difference_number(difference, "max_difference");
			print_difference_number(difference, "mean_difference");
			printf("  ");
			print_side(difference, "shape");
		} else {
			printf("  %11s  %11s  ", "", "");
			print_side(difference, "left");
			printf(" | ");
			print_side(difference, "right");
		}
		putchar('\n');
	}
}

/* Of the head that the folder has; an encoder alone is shown as a masked language model that lacks its head. */
static const struct head_layout *layout_of(const char *folder) {
	struct failure failure;
	const struct head_class *head;
	check(head_for_folder(folder, &head, &failure), &failure);
	return head != NULL ? &head->layout : &masked_lm_head.layout;
}

static struct parameters *map_model(const char *folder) {
	struct failure failure;
	return must(parameters_map(folder, layout_of(folder), 0, &print_warnings, &failure), &failure);
}

/* Returns the status for main() to return. */
static int compare_models(const char *left_folder, const char *right_folder) {
	struct parameters *left = map_model(left_folder), *right = map_model(right_folder);
	json_t *config = config_differences(left->config.json, right->config.json);
	json_t *parameters = parameter_differences(left, right);
	bool same = json_array_size(config) == 0 && json_array_size(parameters) == 0;
	json_t *comparison = json_pack("{s:b, s:o, s:o}", "same", (int)same, "config", config, "parameters", parameters);
	if (json_output)
		print_json(comparison);
	else
		print_differences(comparison);
	json_decref(comparison);
	parameters_free(left);
	parameters_free(right);
	finish_output();
	return same ? EX_OK : 1;
}

/* ---- making it again ----------------------------------------------------------------------------------- */

static int print_commands(const char *folder, const struct parameters *parameters) {
	struct failure failure;
	if (parameters->lineage == NULL)
		die(EX_DATAERR, "%s: it has no lineage, so nothing tells how it was made", folder);
	char *script = must(lineage_commands(parameters->lineage, &failure), &failure);
	fputs(script, stdout);
	free(script);
	return finish_output();
}

/* ---- comparing with the digests ------------------------------------------------------------------------ */

static int verify_folder(const char *folder) {
	struct failure failure;
	struct safetensors *file = must(safetensors_open(folder, &failure), &failure);
	ptrdiff_t tensors = digests_verify(file, folder, &failure);
	check((int)tensors, &failure);
	if (tensors == 0)
		die(EX_DATAERR, "%s: its weights have no digests, so nothing tells whether they are as they were written (those "
			"that cloze writes have them)", folder);
	int files = file_exists(folder, "trainer_state.json") ? check(folder_verify(folder, &failure), &failure) : 0;
	print_safely(folder);
	printf(": %td tensors and %d files are as they were written\n", tensors, files);
	safetensors_close(file);
	return finish_output();
}

/* Ends the program if two options ask for different things to be printed. */
static void refuse_contradictions(void) {
	const char *first = commands ? "commands" : verify ? "verify" : NULL;
	const char *second = diff ? "diff" : json_output ? "json" : commands && verify ? "verify" : NULL;
	if (first != NULL && second != NULL)
		die(EX_USAGE, "--%s and --%s: each prints something else (give one)", first, second);
}

int main(int argc, char **argv) {
	int operand = parse_options(argc, argv, &usage, options);
	refuse_contradictions();
	if (argc - operand != (diff ? 2 : 1))
		die(EX_USAGE, "%d operands: it takes one model folder, and with --diff two", argc - operand);
	for (int i = operand; i < argc; i++)
		check_model_folder(argv[i]);
	sandbox_reading();
	if (diff)
		return compare_models(argv[operand], argv[operand + 1]);
	if (verify)
		return verify_folder(argv[operand]);
	struct failure failure;
	const struct head_layout *head = layout_of(argv[operand]);
	struct parameters *parameters = must(parameters_describe(argv[operand], head, &print_warnings, &failure), &failure);
	if (commands)
		return print_commands(argv[operand], parameters);
	json_t *description = describe(argv[operand], parameters);
	if (json_output)
		print_json(description);
	else
		print_text(description, parameters);
	json_decref(description);
	parameters_free(parameters);
	return finish_output();
}
