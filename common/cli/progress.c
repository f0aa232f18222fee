/* progress: prints how far long work has come; the line is made of parts, and parts that do not fit are left out. */
#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/options.h"

#define REDRAW 0.1       /* seconds between two drawings of the line on a terminal */
#define REPEAT 30        /* seconds between two lines elsewhere */
#define LONGEST_LINE 256 /* columns */

bool progress_asked;

/* The work in progress, and when its progress was last printed. */
static struct {
	const char *unit;       /* NULL: no work yet */
	int64_t first, done;    /* units done at the first call, and at the last one */
	double start, printed;  /* seconds */
	int terminal;           /* whether standard error is one; -1: not asked since the last progress_end() */
	bool on_terminal;       /* the line is on the terminal now */
} work = { .printed = -REPEAT, .terminal = -1 };

struct line { char text[LONGEST_LINE]; size_t length, width; };

/* Adds a part to the line if the whole part fits; otherwise neither this part nor any later one is added. */
__attribute__((format(printf, 2, 3)))
static void add(struct line *line, const char *format, ...) {
	size_t left = line->width - line->length;
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(line->text + line->length, left + 1, format, arguments);
	va_end(arguments);
	if (length > 0 && (size_t)length <= left)
		line->length += (size_t)length;
	else
		line->width = line->length;
	line->text[line->length] = '\0';
}

static void add_time_left(struct line *line, double left) {
	long long whole = (long long)(left + 0.5);
	if (whole >= 3600)
		add(line, ", %lld:%02lld:%02lld left", whole / 3600, whole / 60 % 60, whole % 60);
	else
		add(line, ", %lld:%02lld left", whole / 60, whole % 60);
}

static void make_line(struct line *line, double now, int64_t total, const char *text) {
	double rate = now > work.start ? (double)(work.done - work.first) / (now - work.start) : 0;
	add(line, "%s: %lld", program_name(), (long long)work.done);
	if (total > 0)
		add(line, " of %lld", (long long)total);
	add(line, " %s", work.unit);
	if (total > 0)
		add(line, " (%lld %%)", (long long)(100 * (double)work.done / (double)total));
	if (rate > 0 && total >= work.done)
		add_time_left(line, (double)(total - work.done) / rate);
	if (text != NULL)
		add(line, ", %s", text);
	if (rate > 0)
		add(line, ", %.*f/s", rate < 10 ? 2 : rate < 100 ? 1 : 0, rate);
}

/* The columns of the terminal without the last one: a character there would move the cursor to the next line. */
static size_t terminal_width(void) {
	struct winsize size;
	size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
	return columns < LONGEST_LINE ? columns - 1 : LONGEST_LINE - 1;
}

void progress(int64_t done, int64_t total, const char *unit, const char *text) {
	if (work.terminal < 0)
		work.terminal = isatty(STDERR_FILENO);
	bool terminal = work.terminal > 0;
	if (!terminal && !progress_asked)
		return;
	double now = clock_seconds();
	if (work.unit == NULL || strcmp(work.unit, unit) != 0 || done < work.done) {
		work.unit = unit;
		work.first = done;
		work.start = now;
	}
	work.done = done;
	if (now - work.printed < (terminal ? REDRAW : REPEAT))
		return;
	struct line line = { .width = terminal ? terminal_width() : LONGEST_LINE - 1 };
	make_line(&line, now, total, text);
	fprintf(stderr, terminal ? "\r%s\033[K" : "%s\n", line.text);
	work.printed = now;
	work.on_terminal = terminal;
}

void progress_end(void) {
	if (work.on_terminal)
		fputs("\r\033[K", stderr);
	work.on_terminal = false;
	work.terminal = -1;
}
