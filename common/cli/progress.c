#include "cli/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static bool shown;

void progress(int64_t done, int64_t total, const char *unit) {
	static int terminal = -1;
	static struct timespec last;
	if (terminal < 0)
		terminal = isatty(STDERR_FILENO);
	if (!terminal)
		return;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (shown && (now.tv_sec - last.tv_sec) * 10 + (now.tv_nsec - last.tv_nsec) / 100000000 < 1)
		return;
	last = now;
	shown = true;
	if (total > 0)
		fprintf(stderr, "\r%lld of %lld %s (%lld %%)\033[K", (long long)done, (long long)total, unit,
			(long long)(100 * done / total));
	else
		fprintf(stderr, "\r%lld %s\033[K", (long long)done, unit);
}

void progress_end(void) {
	if (shown)
		fputs("\r\033[K", stderr);
	shown = false;
}
