/* failure: one formatted line in a fixed buffer, because a failure must be describable when memory cannot be had. */
#include "base/failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clean.h"

int fail(struct failure *failure, int status, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(failure->text, sizeof failure->text, format, arguments);
	va_end(arguments);
	clean(failure->text);
	failure->status = status;
	return -1;
}

void warn(const struct warnings *warnings, const char *format, ...) {
	char line[sizeof ((struct failure *)NULL)->text];
	va_list arguments;
	if (warnings == NULL || warnings->take == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	clean(line);
	warnings->take(warnings->context, line);
}
