/* cli: what every program of cloze does the same way: options, diagnostics, exit statuses, standard input and
 * output.
 *
 * A tool's main() reads:
 *
 *     static int64_t chunk_size = 128;
 *     static const struct option_entry options[] = {
 *         OPTION_INTEGER("chunk-size", &chunk_size, 1, 1 << 20, "N", "tokens a chunk"),
 *         OPTION_END
 *     };
 *     int main(int argc, char **argv) {
 *         const char *input = parse_options_with_input(argc, argv, &usage, options);
 *         ...
 *         return finish_output();
 *     }
 *
 * Functions here that say so end the program: they print one line, `tool: what: why (what to do)`, run what
 * on_failure() was given, remove unfinished files (cli/staged.h) and exit with a status from <sysexits.h>. */
#ifndef CLOZE_CLI_CLI_H
#define CLOZE_CLI_CLI_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/failure.h"

/* ---- options ------------------------------------------------------------------------------------------- */

enum option_kind { OPTION_KIND_END, OPTION_KIND_FLAG, OPTION_KIND_INTEGER, OPTION_KIND_NUMBER,
	OPTION_KIND_TEXT, OPTION_KIND_CHOICE };

/* One long option. `value` points to the variable it sets, which holds the default before parsing. A default
 * outside [minimum, maximum], or a NULL text, means "not given": --help then shows no default. */
struct option_entry {
	const char *name;         /* "chunk-size" */
	enum option_kind kind;
	void *value;              /* bool *, int64_t *, double *, const char **, or for a choice int * */
	double minimum, maximum;  /* of an integer or a number, both included */
	const char *argument;     /* "N", "FILE"; for a choice its words: "linear|constant|cosine" */
	const char *help;         /* one phrase, no capital, no full stop */
};

#define OPTION_FLAG(name, value, help) { name, OPTION_KIND_FLAG, value, 0, 0, NULL, help }
#define OPTION_INTEGER(name, value, minimum, maximum, argument, help) \
	{ name, OPTION_KIND_INTEGER, value, minimum, maximum, argument, help }
#define OPTION_NUMBER(name, value, minimum, maximum, argument, help) \
	{ name, OPTION_KIND_NUMBER, value, minimum, maximum, argument, help }
#define OPTION_TEXT(name, value, argument, help) { name, OPTION_KIND_TEXT, value, 0, 0, argument, help }
/* The variable, an int, becomes the index of the word chosen. */
#define OPTION_CHOICE(name, value, words, help) { name, OPTION_KIND_CHOICE, value, 0, 0, words, help }
#define OPTION_SEED(value) OPTION_INTEGER("seed", value, 0, 9007199254740992.0, "N", "seed of every random choice")
#define OPTION_THREADS(value) OPTION_INTEGER("threads", value, 0, 1024, "N", "threads to use; 0: every core")
#define OPTION_END { NULL, OPTION_KIND_END, NULL, 0, 0, NULL, NULL }

struct usage {
	const char *operands; /* "[FILE]", "ARCHIVE" or "" */
	const char *summary;  /* a sentence */
	const char *example;  /* a command line that works */
};

/* Parses the command line with getopt_long, each long option from the table, and --help, --version and
 * --verbose, which every tool has. A choice takes its words, an integer or number is checked against its range;
 * what is refused is named and ends the program with 64. --help and --version print and exit 0. Also sets
 * SIGPIPE to end the program, whatever it inherited. Returns the index in argv of the first operand. */
int parse_options(int argc, char **argv, const struct usage *usage, const struct option_entry *options);

/* The same for a filter: at most one operand, the input's path. Returns it, or NULL for standard input ("-"
 * means that too). A second operand ends the program with 64. */
const char *parse_options_with_input(int argc, char **argv, const struct usage *usage,
	const struct option_entry *options);

/* The word that a choice's variable stands for, `length` bytes of the option's `argument`; NULL where it is out of range. */
const char *choice_word(const struct option_entry *option, size_t *length);

extern bool verbose; /* --verbose was given */

/* How the program was called, for lineages. Valid after parse_options(); borrowed, not to be freed. */
const char *program_name(void);
const char *program_version(void); /* "0.1.0" */
char *const *program_arguments(void); /* argv[1] and on, ended by NULL */

/* ---- diagnostics --------------------------------------------------------------------------------------- */

/* Prints `tool: ` and the text, one line, on standard error, and ends the program with `status`. */
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

/* Registers what die() runs before it exits: a stage poisons its output stream here. One action at a time; NULL
 * takes it back. */
void on_failure(void (*action)(void *context), void *context);

/* ---- memory -------------------------------------------------------------------------------------------- */

/* Zeroed memory for count elements of size bytes each, aligned to 64 bytes; free() releases it. Never NULL: a
 * product that overflows and memory that is not to be had end the program with 71. That is the one thing common/
 * decides alone: no caller could do better. */
void *allocate(size_t count, size_t size);

/* realloc() to count elements of size bytes, never NULL, likewise. What is added is not zeroed, and the result
 * is aligned as malloc() does. For growth by doubling: `if (n == room) p = grow(p, room = room * 2 + 16, sizeof *p)`. */
void *grow(void *memory, size_t count, size_t size);

/* A copy of the text. free() releases it. */
char *copy_text(const char *text);
/* The first `length` bytes, with a NUL added. */
char *copy_bytes(const char *bytes, size_t length);
/* A copy of a path without the slashes at its end. */
char *copy_path(const char *path);
/* printf into memory of its own. free() releases it. */
__attribute__((format(printf, 1, 2)))
char *format_text(const char *format, ...);

/* ---- input and output ---------------------------------------------------------------------------------- */

/* Set by a program's own handler of signals: a stream's read that the signal cut short then fails, rather than wait
 * for more. */
extern volatile sig_atomic_t interrupted;

/* Opens a file for reading; NULL is standard input. Ends the program with 66 when it cannot, naming the path. */
int open_input(const char *path);
/* The name to give an input in messages: its path, or "standard input". */
const char *input_name(const char *path);

/* The whole file as bytes, with a NUL after them that *length does not count. At most `limit` bytes (65 past
 * that). NULL: 66 when it cannot be opened, 74 when it cannot be read. free() releases it. */
char *read_file(const char *path, size_t limit, size_t *length, struct failure *failure);

/* Whether the folder has something of that name. */
bool file_exists(const char *folder, const char *name);

/* Creates a file, or empties it. Returns its descriptor; -1: 73. */
int create_file(const char *path, struct failure *failure);
/* Closes what create_file() opened. -1: 74. */
int close_file(int descriptor, const char *path, struct failure *failure);
/* Creates the file with these bytes. It is neither synced nor renamed (cli/staged.h does that). -1: 73, 74. */
int write_file(const char *path, const void *bytes, size_t length, struct failure *failure);

/* Writes all bytes, however write() cuts them. -1: 74, or 73 for a full disk or a file too large. */
int write_all(int descriptor, const void *bytes, size_t length, const char *name, struct failure *failure);

/* Ends the program with 64 when the descriptor is a terminal: no tool writes binary records to one. */
void refuse_terminal(int descriptor);

/* Flushes and closes standard output and returns 0, the status for main() to return. What could not be written
 * ends the program with 74 (73 for a full disk). Every successful path ends here, --help included. */
int finish_output(void);

#endif
