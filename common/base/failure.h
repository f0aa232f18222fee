/* failure: describes why a function of common/ failed, and what it warns of.
 *
 * A function that can fail takes a `struct failure *` as its last argument and returns -1 (or NULL) after it
 * has called fail(). It prints nothing: the tool does, mostly by check() or must() of cli/cli.h.
 *
 * The text reads `what: why (what to do)`; the tool's name is put before it when it is printed.
 *
 * A comment that says "-1: 65" or "NULL: 65" means: the function returns -1 or NULL when it fails, and the failure has
 * the exit status 65 (EX_DATAERR of <sysexits.h>). */
#ifndef CLOZE_BASE_FAILURE_H
#define CLOZE_BASE_FAILURE_H

#include <stdarg.h>
#include <stddef.h>
#include <sysexits.h>

struct failure {
	int status;      /* the exit status for the program, from <sysexits.h> */
	char text[1024]; /* one line, no newline */
};

/* Describes a failure. Returns -1, so that a function can end with `return fail(failure, EX_DATAERR, ...)`. A text that
 * does not fit is cut in the middle, so that a long path does not push out the reason. The text is cleaned
 * (base/clean.h), so that it stays one line. */
__attribute__((format(printf, 3, 4)))
int fail(struct failure *failure, int status, const char *format, ...);
#ifdef __clang_analyzer__ /* which sees one file at a time, and has to be told what is returned */
#define fail(...) (fail(__VA_ARGS__), -1)
#endif

/* Formats one line of at most `size` - 1 bytes as fail() does: a line that does not fit is cut in the middle, and
 * control characters become '?'. `text` must not be among the arguments. */
__attribute__((format(printf, 3, 0)))
void format_line(char *text, size_t size, const char *format, va_list arguments);

/* Where a function that succeeds sends its warnings. `take` gets one line without a newline; a NULL `take` drops it. */
struct warnings {
	void (*take)(void *context, const char *line);
	void *context;
};

/* Formats a line, cleans it (base/clean.h) and hands it to the caller's warnings; NULL drops it. */
__attribute__((format(printf, 2, 3)))
void warn(const struct warnings *warnings, const char *format, ...);

#endif
