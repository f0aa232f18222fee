/* A list of what is unfinished, removed by an exit handler and by a handler of the signals that end a program. */
#include "cli/staged.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

struct staged {
	char *target, *path;
	int descriptor; /* -1: a folder */
	bool direct;    /* a pipe or a device, written to as it is: `path` is the target */
	struct staged *next;
};

static struct staged *unfinished;

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
	(void)status, (void)kind, (void)walk;
	remove(path);
	return 0;
}

static void remove_tree(const char *path) {
	nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void remove_unfinished(void) {
	for (struct staged *staged = unfinished; staged != NULL; staged = staged->next)
		if (!staged->direct)
			remove_tree(staged->path);
}

/* nftw() is not async-signal-safe by the letter of POSIX; the process ends here, and what could go wrong is that
 * the suffixed name stays behind. */
static void end_by_signal(int number) {
	remove_unfinished();
	signal(number, SIG_DFL);
	raise(number);
}

static void register_cleanup(void) {
	static bool done;
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ };
	if (done)
		return;
	done = true;
	atexit(remove_unfinished);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction action = { .sa_handler = end_by_signal }, before;
		sigaction(signals[i], NULL, &before);
		if (before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

/* Takes over `target` and `path`. */
static struct staged *begin(char *target, char *path, int descriptor, bool direct) {
	struct staged *staged = allocate(1, sizeof *staged);
	*staged = (struct staged){ target, path, descriptor, direct, unfinished };
	unfinished = staged;
	register_cleanup();
	return staged;
}

/* The permissions that a new file or folder would have had without mkostemp() or mkdtemp(), which make it private. */
static mode_t usual_mode(mode_t mode) {
	mode_t mask = umask(0);
	umask(mask);
	return mode & ~mask;
}

struct staged *staged_file(const char *path, struct failure *failure) {
	struct stat status;
	bool exists = stat(path, &status) == 0, direct = exists && !S_ISREG(status.st_mode);
	char *target = exists && !direct ? realpath(path, NULL) : NULL; /* a link stays one: what it names is replaced */
	if (target == NULL)
		target = copy_text(path);
	char *beside = direct ? copy_text(path) : format_text("%s.XXXXXX", target);
	int descriptor = direct ? open(path, O_WRONLY | O_CLOEXEC) : mkostemp(beside, O_CLOEXEC);
	if (descriptor < 0) {
		fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno));
		free(target);
		free(beside);
		return NULL;
	}
	if (!direct)
		fchmod(descriptor, usual_mode(0666));
	return begin(target, beside, descriptor, direct);
}

struct staged *staged_folder(const char *path, bool replace, struct failure *failure) {
	if (!replace && access(path, F_OK) == 0) {
		fail(failure, EX_CANTCREAT, "%s: exists already (remove it, name another, or give --force)", path);
		return NULL;
	}
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	char *target = copy_bytes(path, length), *beside = format_text("%s.XXXXXX", target);
	if (mkdtemp(beside) == NULL) {
		fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno));
		free(target);
		free(beside);
		return NULL;
	}
	chmod(beside, usual_mode(0777));
	return begin(target, beside, -1, false);
}

int staged_descriptor(const struct staged *staged) {
	return staged->descriptor;
}

const char *staged_path(const struct staged *staged) {
	return staged->path;
}

static void forget(struct staged *staged) {
	struct staged **link = &unfinished;
	while (*link != staged)
		link = &(*link)->next;
	*link = staged->next;
	free(staged->target);
	free(staged->path);
	free(staged);
}

void staged_discard(struct staged *staged) {
	if (staged->descriptor >= 0)
		close(staged->descriptor);
	if (!staged->direct)
		remove_tree(staged->path);
	forget(staged);
}

/* A rename is durable when the folder that holds the name is synced. */
static void sync_parent(const char *path) {
	char *copy = copy_text(path);
	int descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (descriptor >= 0) {
		fsync(descriptor);
		close(descriptor);
	}
}

static int sync_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
	(void)status, (void)kind, (void)walk;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return -1;
	int result = fsync(descriptor);
	close(descriptor);
	return result;
}

static int sync_content(struct staged *staged) {
	if (staged->descriptor < 0)
		return nftw(staged->path, sync_entry, 8, FTW_PHYS);
	int result = staged->direct ? 0 : fsync(staged->descriptor);
	result |= close(staged->descriptor);
	staged->descriptor = -1;
	return result;
}

/* A folder cannot be renamed over one that holds files: the two names are exchanged, and the old content, now
 * under the suffixed name, removed. */
static int put_into_place(const struct staged *staged) {
	struct stat status;
	if (staged->direct)
		return 0;
	if (stat(staged->target, &status) == 0 && S_ISDIR(status.st_mode)) {
		if (renameat2(AT_FDCWD, staged->path, AT_FDCWD, staged->target, RENAME_EXCHANGE) < 0)
			return -1;
		remove_tree(staged->path);
		return 0;
	}
	return rename(staged->path, staged->target);
}

int staged_commit(struct staged *staged, struct failure *failure) {
	if (sync_content(staged) != 0) {
		fail(failure, errno == ENOSPC ? EX_CANTCREAT : EX_IOERR, "%s: %s", staged->target, strerror(errno));
		staged_discard(staged);
		return -1;
	}
	if (put_into_place(staged) < 0) {
		fail(failure, EX_CANTCREAT, "%s: %s", staged->target, strerror(errno));
		staged_discard(staged);
		return -1;
	}
	sync_parent(staged->target);
	forget(staged);
	return 0;
}
