/* test_cli_signals: signals that clean up, that are requests, and that stay ignored. Each case runs in its own
 * process. */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/thread.h"
#include "cli/signals.h"

static char folder[] = "/tmp/cloze-signals.XXXXXX";

static int make_folder(void **state) {
	(void)state;
	return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int remove_folder(void **state) {
	(void)state;
	unlink("said");
	unlink("mapped");
	return rmdir(folder);
}

/* Runs `body` in a child, its standard error in the file "said"; returns how it ended, as a shell tells it. */
static int run(void (*body)(void)) {
	pid_t child = fork();
	if (child == 0) {
		int file = open("said", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(file, STDERR_FILENO);
		close(file);
		body();
		_exit(99);
	}
	int status;
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What the last child said, until the next call. */
static const char *said(void) {
	static char text[2000];
	int file = open("said", O_RDONLY);
	ssize_t length = read(file, text, sizeof text - 1);
	close(file);
	text[length < 0 ? 0 : length] = '\0';
	return text;
}

static void say_clean(void) {
	dprintf(STDERR_FILENO, "clean");
}

static void take(void) {
	struct failure failure;
	if (signals_take(say_clean, &failure) < 0)
		_exit(98);
}

static int number; /* of the case */

static void wait_for_signal(void) {
	signal(number, SIG_DFL);
	take();
	kill(getpid(), number);
	for (;;)
		pause();
}

static void test_cleans_up(void **state) {
	(void)state;
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	for (size_t i = 0; i < 4; i++) {
		number = numbers[i];
		assert_int_equal(run(wait_for_signal), 128 + number);
		assert_memory_equal(said(), "clean", 5); /* qemu-user adds that SIGQUIT ended the child */
	}
}

static void ignore_hangup(void) {
	signal(SIGHUP, SIG_IGN);
	take();
	kill(getpid(), SIGHUP);
	kill(getpid(), SIGHUP);
	number = SIGTERM;
	wait_for_signal();
}

static void test_ignored_stays_ignored(void **state) {
	(void)state;
	assert_int_equal(run(ignore_hangup), 128 + SIGTERM);
}

/* Blocked from before main() on. */
static void save_without_a_taker(void) {
	kill(getpid(), SIGUSR1);
	raise(SIGUSR1);
	_exit(0);
}

static void test_save_kills_no_one(void **state) {
	(void)state;
	assert_int_equal(run(save_without_a_taker), 0);
}

static bool readable(int milliseconds) {
	return poll(&(struct pollfd){ signals_descriptor(), POLLIN, 0 }, 1, milliseconds) == 1;
}

#define REQUIRE(condition) do { if (!(condition)) { dprintf(STDERR_FILENO, "%s", #condition); _exit(1); } } while (0)

static void ask(void) {
	struct failure failure;
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	take();
	REQUIRE(signals_ask(&failure) == 0);
	REQUIRE(!readable(0) && signals_stop_asked() == 0 && !signals_save_asked());
	kill(getpid(), SIGUSR1);
	REQUIRE(readable(-1) && signals_save_asked() && !readable(0));
	REQUIRE(!signals_save_asked() && signals_stop_asked() == 0);
	kill(getpid(), SIGTERM);
	REQUIRE(readable(-1) && signals_stop_asked() == SIGTERM && !signals_save_asked());
	kill(getpid(), SIGUSR1);
	while (!signals_save_asked())
		;
	REQUIRE(readable(0)); /* a stop stays */
	kill(getpid(), SIGHUP);
	for (;;)
		pause();
}

static void test_requests(void **state) {
	(void)state;
	assert_int_equal(run(ask), 128 + SIGHUP);
	assert_string_equal(said(), "clean");
}

static void save_before_asking(void) {
	struct failure failure;
	kill(getpid(), SIGUSR1);
	REQUIRE(signals_ask(&failure) == 0);
	REQUIRE(readable(-1) && signals_save_asked() && !readable(0));
	_exit(0);
}

static void test_early_save_is_kept(void **state) {
	(void)state;
	assert_int_equal(run(save_before_asking), 0);
}

static void end_by_pipe(void) {
	int ends[2];
	struct failure failure;
	signal(SIGPIPE, SIG_DFL);
	take();
	REQUIRE(pipe(ends) == 0);
	close(ends[0]);
	REQUIRE(write_all(ends[1], "x", 1, "pipe", &failure) < 0 && failure.status == 128 + SIGPIPE);
	signals_end(SIGPIPE);
}

static void test_closed_pipe(void **state) {
	(void)state;
	assert_int_equal(run(end_by_pipe), 128 + SIGPIPE);
	assert_string_equal(said(), "clean");
}

/* ---- threads ------------------------------------------------------------------------------------------- */

static void *blocked_signals(void *set) {
	pthread_sigmask(SIG_BLOCK, NULL, set);
	return NULL;
}

static void test_threads_take_none(void **state) {
	(void)state;
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE, SIGALRM, SIGCHLD };
	sigset_t set;
	pthread_t thread;
	sigemptyset(&set);
	assert_int_equal(thread_create(&thread, NULL, blocked_signals, &set), 0);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		assert_int_equal(sigismember(&set, numbers[i]), 1);
	assert_int_equal(sigismember(&set, SIGBUS), 0);
}

static void *read_cut_file(void *unused) {
	int descriptor = open("mapped", O_RDWR | O_CREAT, 0600);
	REQUIRE(ftruncate(descriptor, 1) == 0);
	/* Far from the program's image: what lies next to it qemu-user calls the heap, and not by its name. */
	void *far = (void *)(uintptr_t)0x40000000;
	const char *bytes = mmap(far, 1, PROT_READ, MAP_PRIVATE, descriptor, 0);
	REQUIRE(ftruncate(descriptor, 0) == 0);
	_exit(*(const volatile char *)bytes);
	return unused;
}

static void read_in_main(void) {
	signals_begin("tool");
	read_cut_file(NULL);
}

static void read_in_thread(void) {
	pthread_t thread;
	signals_begin("tool");
	take();
	thread_create(&thread, NULL, read_cut_file, NULL);
	pthread_join(thread, NULL);
}

static void expect_bus(void (*body)(void), const char *after) {
	char line[600], here[200];
	assert_non_null(getcwd(here, sizeof here));
	assert_int_equal(run(body), EX_IOERR);
	snprintf(line, sizeof line, "tool: %s/mapped: cannot be read any more (it was cut or written to while it was in use, "
		"or its disk fails)\n%s", here, after);
	assert_string_equal(said(), line);
}

static void test_cut_mapping(void **state) {
	(void)state;
	expect_bus(read_in_main, "");
	expect_bus(read_in_thread, "clean");
}

/* ---- descriptors --------------------------------------------------------------------------------------- */

static void close_standard(void) {
	char byte;
	int copy = fcntl(STDERR_FILENO, F_DUPFD, 10);
	for (int i = 0; i < 3; i++)
		close(i);
	signals_begin("tool");
	int next = open("/dev/null", O_RDONLY);
	dup2(copy, STDERR_FILENO);
	REQUIRE(next > STDERR_FILENO);
	REQUIRE(read(STDIN_FILENO, &byte, 1) < 0 && write(STDOUT_FILENO, "x", 1) < 0);
	_exit(0);
}

static void test_standard_descriptors_stay_ours(void **state) {
	(void)state;
	assert_int_equal(run(close_standard), 0);
}

static void write_too_much(void) {
	struct failure failure;
	signals_begin("tool");
	REQUIRE(write_all(STDERR_FILENO, "", 0, "said", &failure) == 0);
	raise(SIGXFSZ);
	_exit(0);
}

static void test_file_size_is_an_error(void **state) {
	(void)state;
	assert_int_equal(run(write_too_much), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cleans_up),
		cmocka_unit_test(test_ignored_stays_ignored),
		cmocka_unit_test(test_save_kills_no_one),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_early_save_is_kept),
		cmocka_unit_test(test_closed_pipe),
		cmocka_unit_test(test_threads_take_none),
		cmocka_unit_test(test_cut_mapping),
		cmocka_unit_test(test_standard_descriptors_stay_ours),
		cmocka_unit_test(test_file_size_is_an_error),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
