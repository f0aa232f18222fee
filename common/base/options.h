/* options: the table that describes a program's command line (parsed by cli/options.h), and its values as text and
 * JSON.
 *
 *     static int64_t chunk_size = 128;
 *     static const struct option_entry options[] = {
 *         OPTION_INTEGER("chunk-size", &chunk_size, 1, 1 << 20, "N", "tokens in each chunk"),
 *         OPTION_MODEL(&model, "folder of the model", .required = "the folder with the vocabulary"),
 *         OPTION_TABLE(run_options),
 *         OPTION_THREADS(&threads),
 *         OPTION_END
 *     };
 */
#ifndef CLOZE_BASE_OPTIONS_H
#define CLOZE_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum option_kind { OPTION_KIND_END, OPTION_KIND_FLAG, OPTION_KIND_INTEGER, OPTION_KIND_NUMBER, OPTION_KIND_TEXT,
	OPTION_KIND_CHOICE, OPTION_KIND_TABLE };

/* One long option. `value` points to the variable it sets, which holds the default before parsing. A default outside
 * [minimum, maximum], or a NULL text, means "not given": --help then shows no default. */
struct option_entry {
	const char *name;         /* "chunk-size" */
	enum option_kind kind;
	void *value;              /* bool *, int64_t *, double *, const char **; int * for a choice; a table's entries */
	double minimum, maximum;  /* of an integer or a number, both included */
	const char *argument;     /* "N", "FILE"; for a choice its words: "linear|constant|cosine" */
	const char *help;         /* one phrase, no capital, no full stop */

	/* The fields below are false or NULL unless set after the help: OPTION_TEXT(..., "input", .required = "a file") */
	const char *required;     /* the option, a text, must be given; the message asks for this: "a file" */
	bool unrecorded;          /* the option does not change the output: not in lineages, and may differ on --resume */
	bool changeable;          /* the option changes the output, but may differ on --resume from the run's beginning */
	bool model;               /* the text names a model's folder: check_model_folder() of cli/options.h */
};

#define OPTION_FLAG(option, variable, ...) \
	{ .name = option, .kind = OPTION_KIND_FLAG, .value = variable, .help = __VA_ARGS__ }
#define OPTION_INTEGER(option, variable, low, high, placeholder, ...) \
	{ .name = option, .kind = OPTION_KIND_INTEGER, .value = variable, .minimum = low, .maximum = high, \
		.argument = placeholder, .help = __VA_ARGS__ }
#define OPTION_NUMBER(option, variable, low, high, placeholder, ...) \
	{ .name = option, .kind = OPTION_KIND_NUMBER, .value = variable, .minimum = low, .maximum = high, \
		.argument = placeholder, .help = __VA_ARGS__ }
#define OPTION_TEXT(option, variable, placeholder, ...) \
	{ .name = option, .kind = OPTION_KIND_TEXT, .value = variable, .argument = placeholder, .help = __VA_ARGS__ }
/* The variable, an int, becomes the index of the word chosen. */
#define OPTION_CHOICE(option, variable, words, ...) \
	{ .name = option, .kind = OPTION_KIND_CHOICE, .value = variable, .argument = words, .help = __VA_ARGS__ }
#define OPTION_MODEL(variable, ...) OPTION_TEXT("model", variable, "DIR", __VA_ARGS__, .model = true)
#define OPTION_SEED(value) OPTION_INTEGER("seed", value, 0, 9007199254740992.0, "N", "seed of every random choice")
#define OPTION_THREADS(value) \
	OPTION_INTEGER("threads", value, 0, 1024, "N", "threads to use; 0: every core", .unrecorded = true)
/* Stands for the entries of another table. */
#define OPTION_TABLE(entries) { .name = "", .kind = OPTION_KIND_TABLE, .value = (void *)(uintptr_t)(entries) }
#define OPTION_END { .name = NULL, .kind = OPTION_KIND_END }

/* Calls `visit` for every option of a table and of the tables in it, in order. */
void options_visit(const struct option_entry *options, void (*visit)(void *context, const struct option_entry *option),
	void *context);

/* The option's value as JSON: a boolean, an integer, a real, a string (for a choice its word), or null for no value.
 * The caller owns the result. */
json_t *option_json(const struct option_entry *option);

/* The value as the text that sets it on a command line: the shortest text that reads back as the same number, the word
 * of a choice, the text itself; empty for a flag. NULL: no value. free() releases it. */
char *option_text(const struct option_entry *option);

/* The word that a choice's variable stands for: *length bytes of the option's `argument`. NULL: it is out of range. */
const char *choice_word(const struct option_entry *option, size_t *length);

#endif
