/* options: parses the command line by a table of options (base/options.h). */
#ifndef CLOZE_CLI_OPTIONS_H
#define CLOZE_CLI_OPTIONS_H

#include <jansson.h>

#include "base/options.h"

struct usage {
	const char *operands; /* "[FILE]", "ARCHIVE" or "" */
	const char *summary;  /* one sentence */
	const char *example;  /* a command line that runs */
};

/* Parses the command line with getopt_long(): the options of the table, and --help, --version and --verbose, which
 * every tool has. A value that is out of range or not one of the words of a choice, an unknown option, and a missing
 * required option end the program with 64; the message names the option, and for an option of the Trainer it names
 * ours. --help and --version print and exit 0. Underscores in an option's name stand for hyphens, and -h for --help.
 * Also prepares the program for signals (signals_begin() of cli/signals.h). Returns the index in argv of the first
 * operand. */
int parse_options(int argc, char **argv, const struct usage *usage, const struct option_entry *options);

/* The same for a filter, whose one operand is the path of its input. Returns the path, or NULL for standard input: no
 * operand, or "-". A second operand ends the program with 64. */
const char *parse_options_with_input(int argc, char **argv, const struct usage *usage,
	const struct option_entry *options);

/* Ends the program with 66 when the folder does not exist and its name could be that of a model on the Hugging Face
 * hub: the message says how to fetch that model. parse_options() calls it for each option that is marked `model`; a
 * tool calls it for an operand. */
void check_model_folder(const char *folder);

extern bool verbose; /* --verbose was given */

/* The program's name and version, valid after parse_options(); borrowed. */
const char *program_name(void);
const char *program_version(void); /* "0.1.0" */

/* The arguments of the program for a lineage, as an array of strings that the caller owns: each recorded option that
 * was given, in the order of the table, by its whole name and followed by its value as option_text() writes it; then
 * the operands. In an argument that is not UTF-8, bytes beyond ASCII are replaced by '?'. */
json_t *program_arguments(void);

#endif
