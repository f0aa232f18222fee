/* test_cli_progress: the parts and width of the progress line, and when it is printed, by a clock that the test
 * sets. */
#include "test.h"

#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cli/progress.h"

static double now = 1000;

/* The program's clock, in place of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *time) {
	(void)clock;
	*time = (struct timespec){ .tv_sec = (time_t)now, .tv_nsec = (long)((now - (double)(time_t)now) * 1e9) };
	return 0;
}

static int own_stderr = -1;

/* Makes the descriptor standard error. */
static void take_stderr(int descriptor) {
	own_stderr = dup(STDERR_FILENO);
	dup2(descriptor, STDERR_FILENO);
}

static void give_stderr_back(void) {
	dup2(own_stderr, STDERR_FILENO);
	close(own_stderr);
}

static const char *contents(int descriptor) {
	static char text[4096];
	ssize_t length = pread(descriptor, text, sizeof text - 1, 0);
	text[length > 0 ? length : 0] = '\0';
	return text;
}

static void is_silent_without_a_terminal(void **state) {
	(void)state;
	int file = memfd_create("stderr", 0);
	take_stderr(file);
	progress(1, 10, "records", NULL);
	progress_end();
	give_stderr_back();
	assert_string_equal(contents(file), "");
	close(file);
}

static void writes_a_line_every_half_minute_when_asked(void **state) {
	(void)state;
	int file = memfd_create("stderr", 0);
	progress_asked = true;
	take_stderr(file);
	for (int second = 0; second < 95; second++) {
		progress(second, 7200, "steps", second < 60 ? NULL : "loss 2.5000");
		now += 1;
	}
	progress_end();
	now += 30;
	progress(0, -1, "records", NULL); /* other work */
	now += 40;
	progress(1000, -1, "records", NULL);
	progress_end();
	give_stderr_back();
	progress_asked = false;
	assert_string_equal(contents(file),
		"cloze: 0 of 7200 steps (0 %)\n"
		"cloze: 30 of 7200 steps (0 %), 1:59:30 left, 1.00/s\n"
		"cloze: 60 of 7200 steps (0 %), 1:59:00 left, loss 2.5000, 1.00/s\n"
		"cloze: 90 of 7200 steps (1 %), 1:58:30 left, loss 2.5000, 1.00/s\n"
		"cloze: 0 records\n"
		"cloze: 1000 records, 25.0/s\n");
	close(file);
}

/* What a terminal of that width is given for 50 of 200 records after 10 seconds. */
static const char *on_terminal(unsigned short columns) {
	static char text[1024];
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	int master, slave;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
	take_stderr(slave);
	now += 100;
	progress(0, 200, "records", NULL);
	now += 0.05;
	progress(1, 200, "records", NULL); /* too early to draw */
	now += 9.95;
	progress(50, 200, "records", "loss 3.2000");
	progress_end();
	progress_end();
	give_stderr_back();
	close(slave); /* the master then gives what there is, and an error after it */
	size_t length = 0;
	for (ssize_t got; (got = read(master, text + length, sizeof text - 1 - length)) > 0;)
		length += (size_t)got;
	text[length] = '\0';
	close(master);
	return text;
}

static void draws_one_line_as_wide_as_the_terminal(void **state) {
	(void)state;
	if (access("/dev/pts/ptmx", F_OK) != 0) {
		report_skipped("no /dev/pts, and so no terminals");
		return;
	}
	assert_string_equal(on_terminal(80), "\rcloze: 0 of 200 records (0 %)\033[K"
		"\rcloze: 50 of 200 records (25 %), 0:30 left, loss 3.2000, 5.00/s\033[K\r\033[K");
	assert_string_equal(on_terminal(60), "\rcloze: 0 of 200 records (0 %)\033[K"
		"\rcloze: 50 of 200 records (25 %), 0:30 left, loss 3.2000\033[K\r\033[K");
	assert_string_equal(on_terminal(32), "\rcloze: 0 of 200 records (0 %)\033[K"
		"\rcloze: 50 of 200 records (25 %)\033[K\r\033[K");
	assert_string_equal(on_terminal(31), "\rcloze: 0 of 200 records (0 %)\033[K"
		"\rcloze: 50 of 200 records\033[K\r\033[K");
	assert_string_equal(on_terminal(5), "\r\033[K\r\033[K\r\033[K");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_silent_without_a_terminal),
		cmocka_unit_test(writes_a_line_every_half_minute_when_asked),
		cmocka_unit_test(draws_one_line_as_wide_as_the_terminal),
	};
	return cmocka_run_group_tests_name("cli/progress", tests, NULL, NULL);
}
