/* Diagnostics and memory. Options are in options.c, descriptors in files.c. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"

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
	snprintf(line, sizeof line, "%s: %s\n", program_name(), text);
	fputs(line, stderr);
}

void die_failure(const struct failure *failure) {
	void (*action)(void *) = failure_action;
	say(failure->text);
	failure_action = NULL; /* it may fail in its turn */
	if (action != NULL)
		action(failure_context);
	exit(failure->status);
}

void die(int status, const char *format, ...) {
	struct failure failure = { .status = status };
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(failure.text, sizeof failure.text, format, arguments);
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
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	say(text);
}

static _Noreturn void out_of_memory(void) {
	die(EX_OSERR, "memory: exhausted (use less: a smaller batch, or fewer records where a stage holds them all)");
}

void *allocate(size_t count, size_t size) {
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 64)
		out_of_memory();
	void *memory = aligned_alloc(64, bytes / 64 * 64 + 64);
	if (memory == NULL)
		out_of_memory();
	return memset(memory, 0, bytes);
}

void *grow(void *memory, size_t count, size_t size) {
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory();
	memory = realloc(memory, bytes ? bytes : 1);
	if (memory == NULL)
		out_of_memory();
	return memory;
}

char *copy_bytes(const char *bytes, size_t length) {
	char *copy = grow(NULL, length + 1, 1);
	if (length > 0)
		memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}

char *copy_text(const char *text) {
	return copy_bytes(text, strlen(text));
}

char *copy_path(const char *path) {
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	return copy_bytes(path, length);
}

char *format_text(const char *format, ...) {
	va_list arguments;
	char *text;
	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		out_of_memory();
	return text;
}
