/* failure: why a function of common/ did not do what it was asked, and what it warns of.
 *
 * A function that can fail takes a `struct failure *` as its last argument and returns -1 (or NULL) after it
 * has called fail(). It prints nothing: the tool decides, mostly by check() or die_failure() of cli/cli.h.
 *
 * The text reads `what: why (what to do)`; the tool's name is put before it when it is printed. */
#ifndef CLOZE_BASE_FAILURE_H
#define CLOZE_BASE_FAILURE_H

#include <stdarg.h>
#include <stddef.h>
#include <sysexits.h>

struct failure {
	int status;      /* the exit status it calls for, from <sysexits.h> */
	char text[1024]; /* one line, no newline */
};

/* Describes a failure. Returns -1, so that `return fail(failure, EX_DATAERR, ...)` says it all. A text that does
 * not fit is cut in the middle, so that a long path does not cost the reason. The text is cleaned (base/clean.h), so that it stays one line. */
__attribute__((format(printf, 3, 4)))
int fail(struct failure *failure, int status, const char *format, ...);

/* Formats one line of at most `size` - 1 bytes as fail() does: cut in the middle where it does not fit, control characters
 * shown as '?'. `text` must not be among the arguments. */
__attribute__((format(printf, 3, 0)))
void format_line(char *text, size_t size, const char *format, va_list arguments);

/* Where a function that succeeds tells what the user should know all the same. `take` gets one line without a newline;
 * a NULL `take` drops it. */
struct warnings {
	void (*take)(void *context, const char *line);
	void *context;
};

/* Hands a line to the caller's warnings; NULL drops it. The line is cleaned (base/clean.h). */
__attribute__((format(printf, 2, 3)))
void warn(const struct warnings *warnings, const char *format, ...);

#endif
