/* cli: how every program of cloze speaks, ends, and treats standard input and output.
 *
 * A tool's main() reads:
 *
 *     int main(int argc, char **argv) {
 *         const char *input = parse_options_with_input(argc, argv, &usage, options);   (cli/options.h)
 *         ...
 *         return finish_output();
 *     }
 *
 * Functions here that say so end the program: they print one line, `tool: what: why (what to do)`, run what
 * on_failure() was given, remove unfinished files (base/staged.h) and exit with a status from <sysexits.h>. */
#ifndef CLOZE_CLI_CLI_H
#define CLOZE_CLI_CLI_H

#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"

/* ---- diagnostics --------------------------------------------------------------------------------------- */

/* Prints `tool: ` and the text, one line, on standard error, and ends the program with `status`. A status above 128
 * (see write_status() in base/files.h) ends it by the signal of that number instead; SIGPIPE prints nothing, because a
 * reader of a pipe that has gone is no error. */
__attribute__((noreturn, format(printf, 2, 3)))
void die(int status, const char *format, ...);
__attribute__((noreturn))
void die_failure(const struct failure *failure);

/* Ends the program by die_failure() when `result` is negative; returns it otherwise:
 * `check(reader_next(reader, &batch, &failure), &failure)`. */
int check(int result, const struct failure *failure);

/* Prints `tool: ` and the text, one line, on standard error, and goes on. */
__attribute__((format(printf, 1, 2)))
void note(const char *format, ...);

/* Warnings of common/, printed as by note(). */
extern const struct warnings print_warnings;

/* A result that is NULL ends the program by die_failure(): `must(tokenizer_load(folder, &failure), &failure)`. */
void *must(void *result, const struct failure *failure);

/* Registers what die() runs before it exits: a stage poisons its output stream here. One action at a time; NULL
 * takes it back. */
void on_failure(void (*action)(void *context), void *context);

/* ---- input and output ---------------------------------------------------------------------------------- */

/* Opens a file for reading; NULL is standard input. Ends the program with 66 when it cannot, naming the path. */
int open_input(const char *path);

/* Ends the program with 64 when standard output is a terminal: no tool writes binary records to one. */
void refuse_terminal(void);

/* Writes a line of JSON to standard output at once, not by way of stdout's buffer. -1: 73, 74. */
int print_json_line(const json_t *json, struct failure *failure);

/* Flushes and closes standard output and returns 0, the status for main() to return. What could not be written
 * ends the program with 74 (73 for a full disk). Every successful path ends here, --help included. */
int finish_output(void);

/* ---- threads ------------------------------------------------------------------------------------------- */

struct pool;

/* pool_create() (base/pool.h) for the option --threads: tells the number of threads under --verbose, and ends the
 * program where they cannot be had. pool_destroy() frees it. */
struct pool *create_pool(int64_t threads);

#endif
