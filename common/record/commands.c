/* commands: walks the lineage part by part, and writes each stage as words of the shell. */
#include "record/commands.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/words.h"

/* The programs that a script may call. Other stages are not known to write nothing but their output. */
static const char *const tools[] = { "imdb-read", "select-records", "wordpiece", "group-texts", "split-records",
	"rec-cat", "shuffle-records", "wwm-mask", "random-mask", "teach", "classify", "rec-load", "train-step",
	"classify-step", "distill-step", "model-init", NULL };

/* The options of these tools that take no value. What follows another option is its value. */
static const char *const flags[] = { "--cased", "--per-document", "--keep-remainder", "--no-shuffle", "--keep-special",
	"--at-least-one", "--decay-all", "--reference-accumulation", "--load-best-model-at-end", "--half", "--hidden-states",
	NULL };

/* Options whose value is a file that the tool writes. */
static const char *const writes[] = { "--test-out", "--out", NULL };

/* The script so far. */
struct script {
	struct bytes text;
	int files;  /* names given to files in $work */
	char *test; /* the last file that a stage wrote beside its output, quoted; owned; NULL: none */
};

/* One part of a lineage: stages first to last, of which the last writes a model. */
struct part {
	const json_t *lineage;
	size_t first, last;
	const char *base;  /* the model that the part starts from, as the last stage was called; NULL: none */
	char *made;        /* where an earlier part has made it, quoted; NULL: none has */
};

static void add(struct script *script, const char *text) {
	bytes_append(&script->text, text, strlen(text));
}

/* A word of bash for the text. Where it has control characters, or any beyond ASCII, all such are written as \033, so that
 * they harm no terminal. */
static void add_quoted(struct script *script, const char *text) {
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,=+%@-";
	bool harmless = true;
	if (*text != '\0' && strspn(text, plain) == strlen(text)) {
		add(script, text);
		return;
	}
	for (const char *byte = text; *byte != '\0'; byte++)
		harmless &= *byte >= ' ' && *byte < 0x7f && *byte != '\'';
	add(script, harmless ? "'" : "$'");
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;
		bool escaped = !harmless && (byte < ' ' || byte >= 0x7f || byte == '\'' || byte == '\\');
		char *piece = escaped ? format_text("\\%03o", byte) : copy_bytes(text, 1);
		add(script, piece);
		free(piece);
	}
	add(script, "'");
}

/* A new file of the script's own, as a word of the shell. free() releases it. */
static char *new_file(struct script *script, const char *kind) {
	return format_text("\"$work/%s-%d\"", kind, ++script->files);
}

static const char *tool_of(const json_t *stage) {
	const char *tool = json_string_value(json_object_get(stage, "tool"));
	return tool == NULL ? "" : tool;
}

static bool makes_model(const json_t *stage) {
	const char *tool = tool_of(stage);
	size_t length = strlen(tool);
	return strcmp(tool, "model-init") == 0 || (length > 5 && strcmp(tool + length - 5, "-step") == 0);
}

/* Argument i of the stage; NULL past the last one. */
static const char *argument(const json_t *stage, size_t i) {
	return json_string_value(json_array_get(json_object_get(stage, "arguments"), i));
}

static bool takes_value(const char *option, const char *next) {
	return strncmp(option, "--", 2) == 0 && !is_listed(option, flags) && next != NULL;
}

/* The value of an option as the stage was called; NULL: not given. */
static const char *option_value(const json_t *stage, const char *option) {
	const char *word;
	for (size_t i = 0; (word = argument(stage, i)) != NULL; i++)
		if (takes_value(word, argument(stage, i + 1)) && strcmp(word, option) == 0)
			return argument(stage, i + 1);
		else if (takes_value(word, argument(stage, i + 1)))
			i++;
	return NULL;
}

/* ---- one stage --------------------------------------------------------------------------------------------- */

/* Whether the option is of no use: --eval without a lineage of its records decides nothing about the model. */
static bool is_left_out(const json_t *stage, const char *option) {
	bool decides = option_value(stage, "--early-stopping-patience") != NULL;
	for (size_t i = 0; argument(stage, i) != NULL; i++)
		decides |= strcmp(argument(stage, i), "--load-best-model-at-end") == 0;
	return !decides && strncmp(option, "--eval", 6) == 0;
}

/* An option and its value; `eval` is the file for --eval, quoted. */
static void add_option(struct script *script, const struct part *part, const char *option, const char *value,
	const char *eval) {
	bool is_model = strcmp(option, "--model") == 0 || strcmp(option, "--from") == 0;
	add(script, " ");
	add_quoted(script, option);
	add(script, " ");
	if (is_model && part->made != NULL && part->base != NULL && strcmp(value, part->base) == 0) {
		add(script, part->made);
	} else if (strcmp(option, "--eval") == 0 && eval != NULL) {
		add(script, eval);
	} else if (is_listed(option, writes)) {
		free(script->test);
		script->test = new_file(script, "test");
		add(script, script->test);
	} else {
		add_quoted(script, value);
	}
}

/* A stage as a command; its operands are kept where it is the first of a pipeline. */
static void add_stage(struct script *script, const struct part *part, const json_t *stage, bool keep_operands,
	const char *eval) {
	const char *word;
	add(script, tool_of(stage));
	for (size_t i = 0; (word = argument(stage, i)) != NULL; i++) {
		const char *next = argument(stage, i + 1);
		bool is_option = strncmp(word, "--", 2) == 0;
		if (takes_value(word, next)) {
			i++;
			if (!is_left_out(stage, word))
				add_option(script, part, word, next, eval);
		} else if (is_option || keep_operands) {
			add(script, " ");
			add_quoted(script, word);
		}
	}
}

/* ---- pipelines --------------------------------------------------------------------------------------------- */

static void add_records(struct script *script, const struct part *part, const json_t *stages, size_t first, size_t last,
	const char *input, const char *output);

/* The streams that a stage has joined, each made by a pipeline of its own. Returns the files, quoted, with a space
 * before each; free() releases it. NULL: it has joined none. */
static char *add_inputs(struct script *script, const struct part *part, const json_t *stage) {
	const json_t *inputs = json_object_get(stage, "inputs");
	size_t index;
	json_t *lineage;
	char *files = NULL;
	json_array_foreach((json_t *)inputs, index, lineage) {
		char *file = new_file(script, "input"), *longer = format_text("%s %s", files == NULL ? "" : files, file);
		add_records(script, part, lineage, 0, json_array_size(lineage), NULL, file);
		free(files);
		free(file);
		files = longer;
	}
	return files;
}

/* Stages first to last - 1 with pipes between them. `input`, quoted, is a file for the first one; NULL: the first one
 * reads what it was called with. */
static void add_pipeline(struct script *script, const struct part *part, const json_t *stages, size_t first,
	size_t last, const char *input) {
	for (size_t i = first; i < last; i++) {
		const json_t *stage = json_array_get(stages, i);
		char *files = i == first && input == NULL ? add_inputs(script, part, stage) : NULL;
		add(script, i == first ? "" : " \\\n\t| ");
		add_stage(script, part, stage, i == first && input == NULL && files == NULL, NULL);
		if (files != NULL)
			add(script, files);
		if (i == first && input != NULL) {
			add(script, " < ");
			add(script, input);
		}
		free(files);
	}
}

/* The same into a file. Without stages there is nothing to be done. */
static void add_records(struct script *script, const struct part *part, const json_t *stages, size_t first, size_t last,
	const char *input, const char *output) {
	if (first == last) {
		add(script, input == NULL ? "cat" : "cp ");
		add(script, input == NULL ? " > " : input);
		add(script, input == NULL ? "" : " ");
	} else {
		add_pipeline(script, part, stages, first, last, input);
		add(script, " > ");
	}
	add(script, output);
	add(script, "\n");
}

/* How many stages a part and a stream of evaluation have in common, up to a split-records that wrote test records,
 * which is the last of them; 0: there is none. */
static size_t common_split(const struct part *part, const json_t *eval) {
	size_t common = 0;
	for (size_t i = 0; part->first + i < part->last && i < json_array_size(eval); i++) {
		const json_t *stage = json_array_get(part->lineage, part->first + i);
		if (!json_equal(stage, json_array_get(eval, i)))
			break;
		if (strcmp(tool_of(stage), "split-records") == 0 && option_value(stage, "--test-out") != NULL)
			common = i + 1;
	}
	return common;
}

/* What has to be there before the last pipeline of a part: the records to evaluate on, into *eval, and where a split
 * made both, the records to train on, into *train. Both are NULL where there are none, and released by free(). Returns
 * how many stages of the part are done by then. */
static size_t add_evaluation(struct script *script, const struct part *part, char **train, char **eval) {
	const json_t *stages = json_object_get(json_array_get(part->lineage, part->last), "eval");
	*train = *eval = NULL;
	if (!json_is_array(stages) || json_array_size(stages) == 0)
		return 0;
	size_t common = common_split(part, stages);
	*eval = new_file(script, "eval");
	if (common > 0) {
		*train = new_file(script, "train");
		add_records(script, part, part->lineage, part->first, part->first + common, NULL, *train);
	}
	add_records(script, part, stages, common, json_array_size(stages), common > 0 ? script->test : NULL, *eval);
	return common;
}

/* Whether the number of records is not known before they are read, so that a run needs them in a file, as it had them. */
static bool is_uncounted(const struct part *part, size_t first) {
	for (size_t i = first; i < part->last; i++)
		if (strcmp(tool_of(json_array_get(part->lineage, i)), "rec-load") == 0)
			return true;
	return false;
}

static void add_part(struct script *script, const struct part *part, const char *out) {
	const json_t *maker = json_array_get(part->lineage, part->last);
	char *train, *eval;
	size_t first = part->first + add_evaluation(script, part, &train, &eval);
	if (is_uncounted(part, first)) {
		char *records = new_file(script, "records");
		add_records(script, part, part->lineage, first, part->last, train, records);
		free(train);
		train = records;
		first = part->last;
	}
	add_pipeline(script, part, part->lineage, first, part->last, train);
	add(script, first < part->last ? " \\\n\t| " : "");
	add_stage(script, part, maker, part->first == part->last, eval);
	if (first == part->last && train != NULL) {
		add(script, " < ");
		add(script, train);
	}
	add(script, " --out ");
	add(script, out);
	/* The lines of metrics are not what the script is for. */
	add(script, strcmp(tool_of(maker), "model-init") == 0 ? "\n" : " > /dev/null\n");
	free(train);
	free(eval);
}

/* ---- the script -------------------------------------------------------------------------------------------- */

static int check_stage(const json_t *stage, struct failure *failure) {
	const json_t *arguments = json_object_get(stage, "arguments"), *shard = json_object_get(stage, "shard");
	size_t index;
	json_t *item;
	if (!is_listed(tool_of(stage), tools))
		return fail(failure, EX_DATAERR, "lineage: \"%s\" is none of the tools that a script may call", tool_of(stage));
	if (!json_is_array(arguments))
		return fail(failure, EX_DATAERR, "lineage: %s: \"arguments\" is not an array", tool_of(stage));
	json_array_foreach((json_t *)arguments, index, item)
		if (!json_is_string(item))
			return fail(failure, EX_DATAERR, "lineage: %s: an argument is not a string", tool_of(stage));
	if (shard != NULL)
		return fail(failure, EX_DATAERR, "lineage: the model has seen one shard of %s, which commands cannot tell (join "
			"the shards with rec-cat)", tool_of(stage));
	return 0;
}

/* The lineage, and those within it, up to a depth that no honest one has. */
static int check_lineage(const json_t *lineage, int depth, struct failure *failure) {
	size_t index, input;
	json_t *stage, *inner;
	if (!json_is_array(lineage) || depth > 16)
		return fail(failure, EX_DATAERR, "lineage: %s", depth > 16 ? "streams joined too often" : "not an array");
	json_array_foreach((json_t *)lineage, index, stage) {
		const json_t *eval = json_object_get(stage, "eval");
		if (check_stage(stage, failure) < 0 || (eval != NULL && check_lineage(eval, depth + 1, failure) < 0))
			return -1;
		json_array_foreach(json_object_get(stage, "inputs"), input, inner)
			if (check_lineage(inner, depth + 1, failure) < 0)
				return -1;
	}
	return 0;
}

static void add_head(struct script *script, const json_t *maker) {
	const char *version = json_string_value(json_object_get(maker, "version"));
	add(script, "#!/bin/bash\n"
		"# Makes a model again, as model-info --commands tells from its lineage: bash FILE FOLDER_TO_MAKE\n"
		"# Names of files and folders are those of the folder where the model was first made. ");
	add(script, tool_of(maker));
	add(script, " was of version ");
	add_quoted(script, version == NULL ? "?" : version);
	add(script, ".\nset -euo pipefail\nout=${1:?the name of the folder to make is missing}\n"
		"work=$(mktemp -d)\ntrap 'rm -rf \"$work\"' EXIT\n\n");
}

char *lineage_commands(const json_t *lineage, struct failure *failure) {
	size_t count = json_array_size(lineage);
	struct script script = { 0 };
	struct part part = { .lineage = lineage };
	if (check_lineage(lineage, 0, failure) < 0)
		return NULL;
	if (count == 0 || !makes_model(json_array_get(lineage, count - 1))) {
		fail(failure, EX_DATAERR, "lineage: %s", count == 0 ? "empty" : "its last stage writes no model");
		return NULL;
	}
	add_head(&script, json_array_get(lineage, count - 1));
	for (size_t i = 0; i < count; i++) {
		const json_t *stage = json_array_get(lineage, i);
		if (!makes_model(stage))
			continue;
		char *out = i + 1 == count ? copy_text("\"$out\"") : new_file(&script, "model");
		part.last = i;
		part.base = option_value(stage, strcmp(tool_of(stage), "model-init") == 0 ? "--from" : "--model");
		add_part(&script, &part, out);
		free(part.made);
		part.made = out;
		part.first = i + 1;
	}
	free(part.made);
	free(script.test);
	bytes_append(&script.text, "", 1);
	return (char *)script.text.data;
}
