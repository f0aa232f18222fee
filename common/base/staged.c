/* staged: a list of what is unfinished, removed when the program exits and by the thread that takes signals. */
#include "base/staged.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/signals.h"

struct staged {
	char *target, *path;
	int descriptor;
	bool folder, replace;
	bool direct;    /* a pipe or a device, written to as it is: `path` is the target */
	struct staged *next;
};

static struct staged *unfinished;

/* Held while the list or a name in the file system changes, by the same thread more than once where memory is exhausted. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static const char infix[] = ".unfinished-";
enum { RANDOM_LETTERS = 6 };

/* The name to build `target` under, for mkostemp() and mkdtemp(). free() releases it. */
static char *name_beside(const char *target) {
	return format_text("%s%sXXXXXX", target, infix);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
	(void)status, (void)kind, (void)walk;
	remove(path);
	return 0;
}

void remove_tree(const char *path) {
	nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Keeps the lock: the program ends, and whoever waits for the lock has nothing more to do. */
static void remove_unfinished(void) {
	pthread_mutex_lock(&lock);
	for (struct staged *staged = unfinished; staged != NULL; staged = staged->next)
		if (!staged->direct)
			remove_tree(staged->path);
}

static int register_cleanup(struct failure *failure) {
	static bool done;
	if (!done)
		atexit(remove_unfinished);
	done = true;
	return signals_take(remove_unfinished, failure);
}

static struct staged *begin(struct staged begun) {
	struct staged *staged = allocate(1, sizeof *staged);
	*staged = begun;
	pthread_mutex_lock(&lock);
	staged->next = unfinished;
	unfinished = staged;
	pthread_mutex_unlock(&lock);
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
	if (register_cleanup(failure) < 0)
		return NULL;
	bool exists = stat(path, &status) == 0, direct = exists && !S_ISREG(status.st_mode);
	char *target = exists && !direct ? realpath(path, NULL) : NULL; /* a link stays one: what it names is replaced */
	if (target == NULL)
		target = copy_text(path);
	char *beside = direct ? copy_text(path) : name_beside(target);
	int descriptor = direct ? open(path, O_WRONLY | O_CLOEXEC) : mkostemp(beside, O_CLOEXEC);
	if (descriptor < 0) {
		fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno));
		free(target);
		free(beside);
		return NULL;
	}
	if (!direct)
		fchmod(descriptor, usual_mode(0666));
	return begin((struct staged){ .target = target, .path = beside, .descriptor = descriptor, .direct = direct });
}

/* What could not be replaced at the commit is refused at once. -1: 73. */
static int check_target(const char *target, bool replace, struct failure *failure) {
	struct stat status, parent_status;
	const char *slash = strrchr(target, '/'), *name = slash == NULL ? target : slash + 1;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail(failure, EX_CANTCREAT, "%s: is no name for a new folder", target);
	if (stat(target, &status) < 0)
		return 0;
	if (!replace)
		return fail(failure, EX_CANTCREAT, "%s: exists already (remove it, name another, or give --force)", target);
	if (!S_ISDIR(status.st_mode))
		return fail(failure, EX_CANTCREAT, "%s: is not a folder (remove it, or name another)", target);
	char *copy = copy_text(target);
	bool root = lstat(target, &status) == 0 && stat(dirname(copy), &parent_status) == 0
		&& status.st_dev != parent_status.st_dev;
	free(copy);
	return !root ? 0 : fail(failure, EX_CANTCREAT,
		"%s: is a file system of its own, which cannot be replaced (name a folder in it)", target);
}

struct staged *staged_folder(const char *path, bool replace, struct failure *failure) {
	if (register_cleanup(failure) < 0)
		return NULL;
	char *target = copy_path(path), *beside = name_beside(target);
	int descriptor = -1;
	if (check_target(target, replace, failure) == 0) {
		descriptor = mkdtemp(beside) == NULL ? -1 : open(beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (descriptor < 0)
			fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno));
	}
	if (descriptor < 0) {
		rmdir(beside);
		free(target);
		free(beside);
		return NULL;
	}
	flock(descriptor, LOCK_EX | LOCK_NB);
	fchmod(descriptor, usual_mode(0777));
	return begin((struct staged){ .target = target, .path = beside, .descriptor = descriptor, .folder = true,
		.replace = replace });
}

int staged_descriptor(const struct staged *staged) {
	return staged->descriptor;
}

const char *staged_path(const struct staged *staged) {
	return staged->path;
}

static void forget(struct staged *staged) {
	pthread_mutex_lock(&lock);
	struct staged **link = &unfinished;
	while (*link != staged)
		link = &(*link)->next;
	*link = staged->next;
	pthread_mutex_unlock(&lock);
	if (staged->descriptor >= 0)
		close(staged->descriptor);
	free(staged->target);
	free(staged->path);
	free(staged);
}

void staged_discard(struct staged *staged) {
	if (!staged->direct)
		remove_tree(staged->path);
	forget(staged);
}

/* ---- into place ---------------------------------------------------------------------------------------- */

/* Some file systems cannot sync a folder, and say so by EINVAL: there is nothing to be done about it. */
static int sync_path(const char *path) {
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return -1;
	int result = fsync(descriptor) < 0 && errno != EINVAL ? -1 : 0;
	close(descriptor);
	return result;
}

/* A rename is durable when the folder that holds the name is synced. */
static int sync_parent(const char *path) {
	char *copy = copy_text(path);
	int result = sync_path(dirname(copy));
	free(copy);
	return result;
}

static int sync_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
	(void)status, (void)kind, (void)walk;
	return sync_path(path);
}

static int sync_content(struct staged *staged) {
	if (staged->folder)
		return nftw(staged->path, sync_entry, 8, FTW_PHYS);
	int result = staged->direct ? 0 : fsync(staged->descriptor);
	result |= close(staged->descriptor);
	staged->descriptor = -1;
	return result;
}

static int exchange(const struct staged *staged) {
	return renameat2(AT_FDCWD, staged->path, AT_FDCWD, staged->target, RENAME_EXCHANGE);
}

/* A folder cannot be renamed over one that holds files: the two names are exchanged, and the old content, now under the
 * unfinished one's name, removed when that is durable. */
static int replace_folder(const struct staged *staged) {
	if (exchange(staged) < 0)
		return -1;
	if (sync_parent(staged->target) < 0) {
		int error = errno;
		exchange(staged);
		errno = error;
		return -1;
	}
	remove_tree(staged->path);
	return 0;
}

static int put_into_place(const struct staged *staged) {
	struct stat status;
	if (staged->direct)
		return 0;
	if (staged->replace && stat(staged->target, &status) == 0 && S_ISDIR(status.st_mode))
		return replace_folder(staged);
	return rename(staged->path, staged->target) < 0 ? -1 : sync_parent(staged->target);
}

static int fail_to_commit(struct staged *staged, struct failure *failure) {
	fail(failure, errno == EIO ? EX_IOERR : EX_CANTCREAT, "%s: %s", staged->target, strerror(errno));
	staged_discard(staged);
	return -1;
}

int staged_commit(struct staged *staged, struct failure *failure) {
	if (sync_content(staged) != 0 || put_into_place(staged) < 0)
		return fail_to_commit(staged, failure);
	forget(staged);
	return 0;
}

/* Renames every file but `last`, or with `only` that one alone, into the folder. */
static int move_files(const struct staged *staged, const char *folder, const char *last, bool only) {
	DIR *entries = opendir(staged->path);
	int result = entries == NULL ? -1 : 0;
	for (struct dirent *entry; result == 0 && (entry = readdir(entries)) != NULL;) {
		if (entry->d_name[0] == '.' || (strcmp(entry->d_name, last) == 0) != only)
			continue;
		char *from = format_text("%s/%s", staged->path, entry->d_name);
		char *to = format_text("%s/%s", folder, entry->d_name);
		result = rename(from, to);
		free(from);
		free(to);
	}
	if (entries != NULL)
		closedir(entries);
	return result < 0 ? -1 : sync_path(folder);
}

int staged_merge(struct staged *staged, const char *folder, const char *last, struct failure *failure) {
	if (sync_content(staged) != 0 || sync_parent(staged->path) < 0 || move_files(staged, folder, last, false) < 0
			|| move_files(staged, folder, last, true) < 0)
		return fail_to_commit(staged, failure);
	staged_discard(staged);
	return 0;
}

/* ---- what was left behind ------------------------------------------------------------------------------ */

/* Whether the name is that of `target` unfinished; NULL: of any. */
static bool is_unfinished(const char *name, const char *target) {
	size_t length = strlen(name), end = sizeof infix - 1 + RANDOM_LETTERS;
	return length > end && strncmp(name + length - end, infix, sizeof infix - 1) == 0
		&& (target == NULL || (strncmp(name, target, length - end) == 0 && target[length - end] == '\0'));
}

static void remove_if_left(const char *path) {
	int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (descriptor < 0)
		return;
	if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
		remove_tree(path);
	close(descriptor);
}

size_t remove_left_behind(const char *folder, const char *target) {
	size_t found = 0;
	DIR *entries = opendir(folder);
	for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
		if (!is_unfinished(entry->d_name, target))
			continue;
		char *path = format_text("%s/%s", folder, entry->d_name);
		remove_if_left(path);
		free(path);
		found++;
	}
	if (entries != NULL)
		closedir(entries);
	return found;
}
