/* One formatted line in a fixed buffer: a failure must be describable when memory is not to be had. */
#include "cli/failure.h"

#include <stdarg.h>
#include <stdio.h>

int fail(struct failure *failure, int status, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(failure->text, sizeof failure->text, format, arguments);
	va_end(arguments);
	for (char *c = failure->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	failure->status = status;
	return -1;
}
