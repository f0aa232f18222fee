/* options: the command line, parsed by a table (base/options.h). */
#ifndef CLOZE_CLI_OPTIONS_H
#define CLOZE_CLI_OPTIONS_H

#include <jansson.h>

#include "base/options.h"

struct usage {
	const char *operands; /* "[FILE]", "ARCHIVE" or "" */
	const char *summary;  /* a sentence */
	const char *example;  /* a command line that works */
};

/* Parses the command line with getopt_long, each long option from the table, and --help, --version and
 * --verbose, which every tool has. A choice takes its words, an integer or number is checked against its range,
 * a required option must be there; what is refused is named and ends the program with 64. --help and --version print and
 * exit 0. Underscores in an option's name stand for hyphens, and -h for --help; an option that is the reference's is
 * answered with ours. Also prepares the program for signals (signals_begin() of cli/signals.h). Returns the index in argv
 * of the first operand. */
int parse_options(int argc, char **argv, const struct usage *usage, const struct option_entry *options);

/* The same for a filter: at most one operand, the input's path. Returns it, or NULL for standard input ("-"
 * means that too). A second operand ends the program with 64. */
const char *parse_options_with_input(int argc, char **argv, const struct usage *usage,
	const struct option_entry *options);

/* Ends the program (66) where there is no such folder and the name could be a model's on the Hugging Face hub, telling how
 * to fetch that. Called for every option that is marked `model`; for operands by the tool. */
void check_model_folder(const char *folder);

extern bool verbose; /* --verbose was given */

/* The program's name and version, valid after parse_options(); borrowed. */
const char *program_name(void);
const char *program_version(void); /* "0.1.0" */

/* How the program was called, for lineages: the options that were given and are recorded, in the order of the table, by
 * their whole names, each followed by its value as option_text() writes it; then the operands. An array of strings, which
 * the caller owns. Bytes that are not UTF-8 are shown as '?'. */
json_t *program_arguments(void);

#endif
