/* cli: prints diagnostics, ends programs, and opens and closes standard input and output. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/files.h"
#include "base/launcher.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/staged.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/signals.h"

static void (*failure_action)(void *);
static void *failure_context;

void on_failure(void (*action)(void *context), void *context) {
	failure_action = action;
	failure_context = context;
}

/* One line in one write, so that lines of stages that share a terminal do not mix. */
static void say(const char *text) {
	char line[1200];
	progress_end();
	snprintf(line, sizeof line - 1, "%s: %s", program_name(), text);
	strcat(clean(line), "\n");
	fputs(line, stderr);
}

/* Of the processes that mpirun started with one command line all find the same wrong with it, and with the build. The first
 * says so, and the launcher then ends the others: which wait for that, since the first to end ends all. */
static bool is_said_by_first(int status) {
	enum { SECONDS_FOR_THE_FIRST = 2 };
	bool said = (status == EX_USAGE || status == EX_UNAVAILABLE) && launched_number() > 0;
	if (said)
		sleep(SECONDS_FOR_THE_FIRST);
	return said;
}

/* One thread ends the program, and any other one that fails meanwhile waits for that. */
static void end_alone(void) {
	static _Atomic pid_t ending;
	pid_t none = 0, own = gettid();
	if (!atomic_compare_exchange_strong(&ending, &none, own) && none != own)
		for (;;)
			pause();
}

/* As exit(), but that no destructor of a library runs: other threads may be computing in it. */
static _Noreturn void end_at_once(int status) {
	fflush(stdout);
	remove_unfinished();
	_exit(status);
}

void die_failure(const struct failure *failure) {
	void (*action)(void *) = failure_action;
	int number = failure->status - 128;
	signals_wait_for_end();
	end_alone();
	if (number != SIGPIPE && !is_said_by_first(failure->status))
		say(failure->text);
	failure_action = NULL; /* the action itself may call die() */
	if (action != NULL)
		action(failure_context);
	if (number > 0)
		signals_end(number);
	end_at_once(failure->status);
}

void die(int status, const char *format, ...) {
	struct failure failure = { .status = status };
	va_list arguments;
	va_start(arguments, format);
	format_line(failure.text, sizeof failure.text, format, arguments);
	va_end(arguments);
	die_failure(&failure);
}

int check(int result, const struct failure *failure) {
	if (result < 0)
		die_failure(failure);
	return result;
}

void note(const char *format, ...) {
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	format_line(text, sizeof text, format, arguments);
	va_end(arguments);
	say(text);
}

void *must(void *result, const struct failure *failure) {
	if (result == NULL)
		die_failure(failure);
	return result;
}

static void print_warning(void *context, const char *line) {
	(void)context;
	say(line);
}

const struct warnings print_warnings = { .take = print_warning };

/* ---- input and output ---------------------------------------------------------------------------------- */

int open_input(const char *path) {
	struct failure failure;
	return path == NULL ? STDIN_FILENO : check(open_file(path, &failure), &failure);
}

void refuse_terminal(void) {
	if (isatty(STDOUT_FILENO))
		die(EX_USAGE, "standard output: a terminal cannot show binary records (pipe them into rec-dump, or a file)");
}

void print_object(json_t *object) {
	json_dumpf(object, stdout, JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(object);
}

int print_json_line(const json_t *json, struct failure *failure) {
	char *text = json_dumps(json, JSON_REAL_PRECISION(12)), *line = format_text("%s\n", text);
	int result = write_all(STDOUT_FILENO, line, strlen(line), "standard output", failure);
	free(text);
	free(line);
	return result;
}

int finish_output(void) {
	errno = 0;
	if (fflush(stdout) != 0 || ferror(stdout) || fclose(stdout) != 0)
		die(write_status(errno), "standard output: %s", errno ? strerror(errno) : "a write failed");
	return EX_OK;
}

/* ---- threads ------------------------------------------------------------------------------------------- */

struct pool *create_pool(int64_t threads) {
	struct failure failure;
	struct pool *pool = must(pool_create((int)threads, &failure), &failure);
	if (verbose)
		note("%d threads", pool_threads(pool));
	return pool;
}
