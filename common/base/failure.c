/* failure: formats a failure into a fixed buffer, so that it can be described even when memory is exhausted. */
#include "base/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clean.h"

void format_line(char *text, size_t size, const char *format, va_list arguments) {
	static const char gap[] = " ... ";
	char whole[3 * 4096]; /* two paths and a reason */
	vsnprintf(whole, sizeof whole, format, arguments);
	size_t length = strlen(whole), head = (size - sizeof gap) / 2, tail = size - sizeof gap - head;
	if (length < size)
		memcpy(text, whole, length + 1);
	else
		snprintf(text, size, "%.*s%s%s", (int)head, whole, gap, whole + length - tail);
	clean(text);
}

#undef fail
int fail(struct failure *failure, int status, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	format_line(failure->text, sizeof failure->text, format, arguments);
	va_end(arguments);
	failure->status = status;
	return -1;
}

void warn(const struct warnings *warnings, const char *format, ...) {
	char line[sizeof ((struct failure *)NULL)->text];
	va_list arguments;
	if (warnings == NULL || warnings->take == NULL)
		return;
	va_start(arguments, format);
	format_line(line, sizeof line, format, arguments);
	va_end(arguments);
	warnings->take(warnings->context, line);
}
