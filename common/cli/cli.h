/* cli: diagnostics, exit statuses, and standard input and output, the same for every program of cloze.
 *
 * A tool's main() reads:
 *
 *     int main(int argc, char **argv) {
 *         const char *input = parse_options_with_input(argc, argv, &usage, options);   (cli/options.h)
 *         ...
 *         return finish_output();
 *     }
 *
 * A function that "ends the program" prints one line, `tool: what: why (what to do)`, runs the action registered by
 * on_failure(), removes unfinished files (base/staged.h) and exits with a status from <sysexits.h>. */
#ifndef CLOZE_CLI_CLI_H
#define CLOZE_CLI_CLI_H

#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"

/* ---- diagnostics --------------------------------------------------------------------------------------- */

/* Prints `tool: ` and the text as one line on standard error, and ends the program with `status`. A status above 128
 * (see write_status() in base/files.h) ends it by signal `status` - 128 instead. For SIGPIPE nothing is printed: it is
 * no error when the reader of a pipe has exited. */
__attribute__((noreturn, format(printf, 2, 3)))
void die(int status, const char *format, ...);
__attribute__((noreturn))
void die_failure(const struct failure *failure);

/* Ends the program by die_failure() when `result` is negative; returns it otherwise:
 * `check(reader_next(reader, &batch, &failure), &failure)`. */
int check(int result, const struct failure *failure);

/* Prints `tool: ` and the text as one line on standard error, and returns. */
__attribute__((format(printf, 1, 2)))
void note(const char *format, ...);

/* Prints each warning of a function of common/ as note() does. */
extern const struct warnings print_warnings;

/* Ends the program by die_failure() when `result` is NULL; returns it otherwise:
 * `must(tokenizer_load(folder, &failure), &failure)`. */
void *must(void *result, const struct failure *failure);

/* Registers the action that die() runs before it exits, in place of an earlier one; NULL registers none. A stage
 * registers writer_poison() for its output stream. */
void on_failure(void (*action)(void *context), void *context);

/* ---- input and output ---------------------------------------------------------------------------------- */

/* Opens a file for reading; NULL is standard input. Ends the program with 66 when the file cannot be opened. */
int open_input(const char *path);

/* Ends the program with 64 when standard output is a terminal: no tool writes binary records to one. */
void refuse_terminal(void);

/* Prints an object as a line of JSON on standard output, to be checked by finish_output(), and frees it. */
void print_object(json_t *object);

/* Writes a line of JSON to standard output at once, without stdio's buffer. -1: 73, 74. */
int print_json_line(const json_t *json, struct failure *failure);

/* Flushes and closes standard output and returns 0, the status for main() to return. A failed write ends the program
 * with 74 (73 for a full disk). Every successful run ends with this call, --help included. */
int finish_output(void);

/* ---- threads ------------------------------------------------------------------------------------------- */

struct pool;

/* Creates the pool (base/pool.h) for the option --threads. Prints the number of threads under --verbose; ends the
 * program when they cannot be created. pool_destroy() frees the pool. */
struct pool *create_pool(int64_t threads);

#endif
