/* test_base_files: staged files appear whole or not at all, input is read up to a limit, and failures are one line. */
#include "scratch.h"
#include "test.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/staged.h"
#include "cli/cli.h"
#include "cli/signals.h"

static int entries(void) {
	int count = 0;
	DIR *directory = opendir(".");
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

static void expect_content(const char *path, const char *expected) {
	struct failure failure;
	size_t length;
	char *bytes = read_file(path, 1000, &length, &failure);
	assert_non_null(bytes);
	assert_string_equal(bytes, expected);
	assert_int_equal(length, strlen(expected));
	free(bytes);
}

static void put(const char *path, const char *content) {
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(content, file);
	assert_int_equal(fclose(file), 0);
}

static void test_failure_is_one_line(void **state) {
	(void)state;
	struct failure failure;
	assert_int_equal(fail(&failure, EX_DATAERR, "name\n%d\x1b[1m", 7), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_string_equal(failure.text, "name?7?[1m");
	char long_text[3000];
	memset(long_text, 'x', sizeof long_text);
	long_text[sizeof long_text - 1] = '\0';
	fail(&failure, EX_DATAERR, "%s", long_text);
	assert_int_equal(strlen(failure.text), sizeof failure.text - 1);
}

static void test_memory(void **state) {
	(void)state;
	for (size_t size = 0; size < 300; size += 7) {
		unsigned char *memory = allocate(size, 1);
		assert_int_equal((uintptr_t)memory % 64, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(memory[i], 0);
		free(memory);
	}
}

static void test_read_file_limit(void **state) {
	(void)state;
	struct failure failure;
	size_t length;
	put("ten", "0123456789");
	char *bytes = read_file("ten", 10, &length, &failure);
	assert_non_null(bytes);
	assert_int_equal(length, 10);
	free(bytes);
	assert_null(read_file("ten", 9, &length, &failure));
	assert_int_equal(failure.status, EX_DATAERR);
	assert_null(read_file("absent", 9, &length, &failure));
	assert_int_equal(failure.status, EX_NOINPUT);
	unlink("ten");
}

static void test_write_file(void **state) {
	(void)state;
	struct failure failure;
	assert_false(file_exists(".", "plain"));
	assert_int_equal(write_file("plain", "longer", 6, &failure), 0);
	assert_int_equal(write_file("plain", "text", 4, &failure), 0);
	assert_true(file_exists(".", "plain"));
	expect_content("plain", "text");
	unlink("plain");
	assert_int_equal(write_file("no/such/folder", "text", 4, &failure), -1);
	assert_int_equal(failure.status, EX_CANTCREAT);
	assert_int_equal(write_file("/dev/full", "text", 4, &failure), -1);
	assert_int_equal(failure.status, EX_CANTCREAT);
}

static void test_copy_path(void **state) {
	(void)state;
	static const char *const paths[][2] = { { "out", "out" }, { "out//", "out" }, { "a/out/", "a/out" }, { "/", "/" },
		{ "//", "/" }, { "", "" } };
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		char *copy = copy_path(paths[i][0]);
		assert_string_equal(copy, paths[i][1]);
		free(copy);
	}
}

static void test_staged_file(void **state) {
	(void)state;
	struct failure failure;
	put("file", "old");
	struct staged *staged = staged_file("file", &failure);
	assert_non_null(staged);
	assert_int_equal(write_all(staged_descriptor(staged), "new", 3, "file", &failure), 0);
	expect_content("file", "old");
	assert_int_equal(staged_commit(staged, &failure), 0);
	expect_content("file", "new");

	staged = staged_file("file", &failure);
	write_all(staged_descriptor(staged), "lost", 4, "file", &failure);
	staged_discard(staged);
	expect_content("file", "new");
	assert_int_equal(entries(), 1);

	assert_int_equal(symlink("file", "link"), 0);
	staged = staged_file("link", &failure);
	write_all(staged_descriptor(staged), "through", 7, "link", &failure);
	assert_int_equal(staged_commit(staged, &failure), 0);
	expect_content("file", "through");
	unlink("link");
	unlink("file");

	assert_null(staged_file("no/such/folder", &failure));
	assert_int_equal(failure.status, EX_CANTCREAT);
}

static void test_device_is_not_replaced(void **state) {
	(void)state;
	struct failure failure;
	struct stat status;
	struct staged *staged = staged_file("/dev/null", &failure);
	assert_non_null(staged);
	assert_int_equal(staged_commit(staged, &failure), 0);
	assert_int_equal(stat("/dev/null", &status), 0);
	assert_true(S_ISCHR(status.st_mode));
}

static void test_staged_folder(void **state) {
	(void)state;
	struct failure failure;
	for (int round = 0; round < 2; round++) {
		struct staged *staged = staged_folder("model/", round > 0, &failure);
		assert_non_null(staged);
		char *inside = format_text("%s/content", staged_path(staged));
		put(inside, round ? "second" : "first");
		free(inside);
		assert_int_equal(staged_commit(staged, &failure), 0);
		expect_content("model/content", round ? "second" : "first");
		assert_int_equal(entries(), 1);
	}
	assert_null(staged_folder("model", false, &failure));
	assert_int_equal(failure.status, EX_CANTCREAT);
	/* What the commit could not replace is known at the beginning. */
	static const char *const paths[] = { "", ".", "..", "model/.", "model/content", "/proc" };
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		assert_null(staged_folder(paths[i], true, &failure));
		assert_int_equal(failure.status, EX_CANTCREAT);
		assert_int_equal(entries(), 1);
	}
	unlink("model/content");
	rmdir("model");
}

static void put_in(const struct staged *staged, const char *name, const char *content) {
	char *path = format_text("%s/%s", staged_path(staged), name);
	put(path, content);
	free(path);
}

static void test_merge(void **state) {
	(void)state;
	struct failure failure;
	mkdir("there", 0700);
	put("there/kept", "kept");
	put("there/first", "old");
	struct staged *staged = staged_folder("there/staged", true, &failure);
	put_in(staged, "first", "new");
	put_in(staged, "last", "last");
	assert_int_equal(staged_merge(staged, "there", "last", &failure), 0);
	expect_content("there/kept", "kept");
	expect_content("there/first", "new");
	expect_content("there/last", "last");

	/* What fails before the last leaves the last one as it was. */
	mkdir("there/first.d", 0700);
	mkdir("there/first.d/inside", 0700);
	staged = staged_folder("there/staged", true, &failure);
	put_in(staged, "first.d", "a file over a folder");
	put_in(staged, "last", "newer");
	assert_int_equal(staged_merge(staged, "there", "last", &failure), -1);
	assert_int_equal(failure.status, EX_CANTCREAT);
	expect_content("there/last", "last");
	remove_tree("there");
	assert_int_equal(entries(), 0);
}

/* A folder that came into being meanwhile is not replaced unless that was asked for; the work is kept. */
static void test_late_target(void **state) {
	(void)state;
	struct failure failure;
	struct staged *staged = staged_folder("late", false, &failure);
	put_in(staged, "work", "work");
	mkdir("late", 0700);
	put("late/other", "other");
	assert_int_equal(staged_commit(staged, &failure), -1);
	assert_int_equal(failure.status, EX_CANTCREAT);
	expect_content("late/other", "other");
	char *kept = format_text("late.kept-%ld", (long)getpid()), *work = format_text("%s/work", kept);
	assert_non_null(strstr(failure.text, kept));
	expect_content(work, "work");
	remove_tree(kept);
	remove_tree("late");
	free(kept);
	free(work);
	assert_int_equal(entries(), 0);
}

/* The name that a folder is made under. */
static char *unfinished_name(const char *target) {
	return format_text("%s.unfinished-%08x", target, (unsigned)crc32_extend(0, target, strlen(target)));
}

static void test_left_behind(void **state) {
	(void)state;
	struct failure failure;
	struct staged *running = staged_folder("run", false, &failure);
	char *left = unfinished_name("walk"), *inside = format_text("%s/content", left);
	mkdir(left, 0700);
	put(inside, "left");
	mkdir("notes.unfinished-a1b2c3d4", 0700); /* of a user, to whom it looks like ours */
	assert_int_equal(remove_left_behind(".", "run"), 1);
	assert_int_equal(entries(), 3);
	assert_int_equal(remove_left_behind(".", NULL), 2);
	assert_int_equal(entries(), 2);
	assert_int_equal(access(staged_path(running), F_OK), 0);
	staged_discard(running);

	/* The next program takes over what one that was killed left. */
	mkdir(left, 0700);
	put(inside, "left");
	struct staged *next = staged_folder("walk", false, &failure);
	assert_string_equal(staged_path(next), left);
	assert_int_equal(access(inside, F_OK), -1);
	staged_discard(next);
	rmdir("notes.unfinished-a1b2c3d4");
	free(left);
	free(inside);
	assert_int_equal(entries(), 0);
}

/* Two programs do not write the same target at once, and the second is told of the first. */
static void test_rivals(void **state) {
	(void)state;
	struct failure failure;
	char *process = format_text("process %ld ", (long)getpid());
	struct staged *first = staged_folder("out", false, &failure), *file = staged_file("file", &failure);
	assert_null(staged_folder("out", false, &failure));
	assert_non_null(strstr(failure.text, process));
	assert_int_equal(failure.status, EX_CANTCREAT);
	assert_null(staged_file("file", &failure));
	assert_non_null(strstr(failure.text, process));
	staged_discard(file);
	assert_int_equal(staged_commit(first, &failure), 0);
	int held = lock_folder("out", &failure); /* as a run holds its folder */
	assert_null(staged_folder("out", true, &failure));
	assert_non_null(strstr(failure.text, process));
	close(held);
	staged_discard(staged_folder("out", true, &failure));
	remove_tree("out");
	free(process);
	assert_int_equal(entries(), 0);
}

static void expect_mode(const char *path, mode_t mode) {
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, mode);
}

static void test_mode_is_kept(void **state) {
	(void)state;
	struct failure failure;
	mode_t mask = umask(027);
	assert_int_equal(staged_commit(staged_file("file", &failure), &failure), 0);
	assert_int_equal(staged_commit(staged_folder("made", false, &failure), &failure), 0);
	expect_mode("file", 0640);
	expect_mode("made", 0750);
	chmod("file", 0604);
	chmod("made", 0511);
	assert_int_equal(staged_commit(staged_file("file", &failure), &failure), 0);
	assert_int_equal(staged_commit(staged_folder("made", true, &failure), &failure), 0);
	expect_mode("file", 0604);
	expect_mode("made", 0511);
	umask(mask);
	unlink("file");
	remove_tree("made");
	assert_int_equal(entries(), 0);
}

/* However the program ends, the suffixed name is gone. */
static int clean_up_at_signals(struct failure *failure) {
	return signals_take(remove_unfinished, failure);
}

static void expect_removed_after(void (*end)(void), bool by_signal, int number) {
	staged_on_first(clean_up_at_signals);
	pid_t child = fork();
	if (child == 0) {
		struct failure failure;
		struct staged *file = staged_file("unfinished", &failure);
		struct staged *made = staged_folder("unfinished-folder", false, &failure);
		char *inside = format_text("%s/content", staged_path(made));
		put(inside, "half");
		free(inside);
		inside = format_text("%s/checkpoint", staged_path(made));
		mkdir(inside, 0700);
		free(inside);
		inside = format_text("%s/checkpoint/content", staged_path(made));
		put(inside, "half");
		free(inside);
		if (file == NULL || entries() != 2 || freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		end();
		_exit(2);
	}
	int status;
	waitpid(child, &status, 0);
	if (by_signal) {
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), number);
	} else {
		assert_int_equal(WEXITSTATUS(status), number);
	}
	assert_int_equal(entries(), 0);
}

static void end_by_die(void) {
	die(EX_DATAERR, "the end");
}

static void end_by_terminate(void) {
	kill(getpid(), SIGTERM);
	pause();
}

/* The clean-up finds a descriptor where there is none left. */
static void end_without_descriptors(void) {
	while (dup(STDIN_FILENO) >= 0)
		;
	die(EX_OSERR, "no descriptors");
}

static void end_by_interrupt(void) {
	kill(getpid(), SIGINT);
	pause();
}

static void test_unfinished_is_removed(void **state) {
	(void)state;
	expect_removed_after(end_by_die, false, EX_DATAERR);
	expect_removed_after(end_without_descriptors, false, EX_OSERR);
	expect_removed_after(end_by_terminate, true, SIGTERM);
	expect_removed_after(end_by_interrupt, true, SIGINT);
}

static void test_full_disk(void **state) {
	(void)state;
	struct failure failure;
	FILE *file = fopen("/dev/full", "w");
	assert_non_null(file);
	assert_int_equal(write_all(fileno(file), "x", 1, "full", &failure), -1);
	assert_int_equal(failure.status, EX_CANTCREAT);
	fclose(file);
}

int main(void) {
	signal(SIGINT, SIG_DFL); /* a shell's background jobs ignore it */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failure_is_one_line),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_read_file_limit),
		cmocka_unit_test(test_write_file),
		cmocka_unit_test(test_copy_path),
		cmocka_unit_test(test_staged_file),
		cmocka_unit_test(test_device_is_not_replaced),
		cmocka_unit_test(test_staged_folder),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_late_target),
		cmocka_unit_test(test_left_behind),
		cmocka_unit_test(test_rivals),
		cmocka_unit_test(test_mode_is_kept),
		cmocka_unit_test(test_unfinished_is_removed),
		cmocka_unit_test(test_full_disk),
	};
	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
