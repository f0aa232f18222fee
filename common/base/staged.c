/* staged: builds files and folders under temporary names. A list holds the unfinished ones, which are removed when the
 * program exits or a signal ends it. */
#include "base/staged.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/files.h"
#include "base/memory.h"

struct staged {
	char *target, *path;
	int descriptor;
	int target_lock; /* descriptor of the folder that is to be replaced; -1: there is none */
	bool folder, replace;
	bool direct;     /* the target is a pipe or a device and is written to directly: `path` is the target */
	bool placed;     /* the content has the target's name; what it replaced, if anything, is at `path` */
	struct staged *next;
};

static struct staged *unfinished;

/* Held while the list or a name in the file system changes. Recursive: when memory is exhausted, the thread that holds
 * the lock removes what is unfinished. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

/* A descriptor that is closed before the clean-up, so that the clean-up can open one when all others are in use. */
static int spare = -1;

static const char infix[] = ".unfinished-";
enum { HEX_DIGITS = 8 };

/* ---- names --------------------------------------------------------------------------------------------- */

/* The temporary name of `target`. It is the same for every program, so that two programs that write one target find
 * out; it ends with a checksum of the target's name, so that no file of the user is mistaken for ours. free() releases
 * it. */
static char *name_beside(const char *target) {
	const char *slash = strrchr(target, '/'), *name = slash == NULL ? target : slash + 1;
	return format_text("%s%s%08" PRIx32, target, infix, crc32_extend(0, name, strlen(name)));
}

/* Whether the name of a folder's entry is the temporary name of `target`; NULL: of any target. */
static bool is_unfinished(const char *name, const char *target) {
	size_t length = strlen(name), end = sizeof infix - 1 + HEX_DIGITS;
	if (length <= end)
		return false;
	char *of = copy_bytes(name, length - end), *expected = name_beside(of);
	bool same = strcmp(name, expected) == 0 && (target == NULL || strcmp(of, target) == 0);
	free(expected);
	free(of);
	return same;
}

/* ---- removing ------------------------------------------------------------------------------------------ */

/* Removes a file, or a folder with everything in it. Allocates nothing: memory may be exhausted. */
static void remove_at(int parent, const char *name);

/* Removes what is in an open folder, repeatedly until nothing is found: another thread may still be writing. */
static void remove_entries(int folder) {
	enum { PASSES = 10 };
	_Alignas(struct dirent64) char entries[2048];
	bool found = true;
	for (int pass = 0; pass < PASSES && found; pass++) {
		ssize_t got;
		found = false;
		lseek(folder, 0, SEEK_SET);
		while ((got = getdents64(folder, entries, sizeof entries)) > 0)
			for (ssize_t at = 0; at < got; at += ((struct dirent64 *)(void *)(entries + at))->d_reclen) {
				const char *name = ((struct dirent64 *)(void *)(entries + at))->d_name;
				if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
					continue;
				remove_at(folder, name);
				found = true;
			}
	}
}

static void remove_at(int parent, const char *name) {
	if (unlinkat(parent, name, 0) == 0 || errno != EISDIR)
		return;
	int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder >= 0) {
		remove_entries(folder);
		close(folder);
	}
	unlinkat(parent, name, AT_REMOVEDIR);
}

void remove_tree(const char *path) {
	remove_at(AT_FDCWD, path);
}

static void remove_content(const struct staged *staged) {
	if (staged->direct || staged->placed)
		return;
	if (!staged->folder) {
		unlink(staged->path);
		return;
	}
	remove_entries(staged->descriptor);
	rmdir(staged->path);
}

/* Does not release the lock: the program ends, and no other thread may change the list any more. */
void remove_unfinished(void) {
	pthread_mutex_lock(&lock);
	close(spare);
	for (struct staged *staged = unfinished; staged != NULL; staged = staged->next)
		remove_content(staged);
}

static int (*prepare_program)(struct failure *failure);

void staged_on_first(int (*prepare)(struct failure *failure)) {
	prepare_program = prepare;
}

static int register_cleanup(struct failure *failure) {
	if (spare < 0) {
		spare = open("/", O_PATH | O_CLOEXEC);
		atexit(remove_unfinished);
	}
	return prepare_program != NULL ? prepare_program(failure) : 0;
}

/* ---- locks --------------------------------------------------------------------------------------------- */

/* The process that has locked the file, from a line of /proc/locks: "1: FLOCK ADVISORY WRITE pid major:minor:inode 0
 * EOF"; 0: not known. On some file systems the device number there differs from that of stat(2). */
static long lock_holder(int descriptor) {
	FILE *locks = fopen("/proc/locks", "re");
	struct stat status;
	char line[200];
	long pid, found = 0;
	unsigned major_number, minor_number;
	unsigned long inode;
	if (fstat(descriptor, &status) < 0)
		status.st_ino = 0;
	while (locks != NULL && fgets(line, sizeof line, locks) != NULL)
		if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%lu", &pid, &major_number, &minor_number, &inode) == 4
				&& inode == status.st_ino
				&& (found == 0 || makedev(major_number, minor_number) == status.st_dev))
			found = pid;
	if (locks != NULL)
		fclose(locks);
	return found;
}

/* Locks an open file or folder for as long as the descriptor or a copy of it is open. On a file system without locks
 * nothing is locked. -1: 73, another process has locked it. */
static int take_lock(int descriptor, const char *target, struct failure *failure) {
	char holder[32] = "another process";
	if (flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0;
	long pid = lock_holder(descriptor);
	if (pid > 0)
		snprintf(holder, sizeof holder, "process %ld", pid);
	return fail(failure, EX_CANTCREAT, "%s: %s is writing it (wait for that process, or give another name)", target,
		holder);
}

int lock_folder(const char *path, struct failure *failure) {
	int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (descriptor < 0)
		return fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno));
	if (take_lock(descriptor, path, failure) == 0)
		return descriptor;
	close(descriptor);
	return -1;
}

/* ---- beginning ----------------------------------------------------------------------------------------- */

/* What cannot be looked at counts as there. */
static bool is_still_at(int descriptor, const char *path) {
	struct stat opened, named;
	if (fstat(descriptor, &opened) < 0 || lstat(path, &named) < 0)
		return errno != ENOENT;
	return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

static int open_beside(const struct staged *staged) {
	if (!staged->folder)
		return open(staged->path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
	bool made = mkdir(staged->path, 0777) == 0;
	if (!made && errno != EEXIST)
		return -1;
	int descriptor = open(staged->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (descriptor < 0 && made) {
		int reason = errno;
		rmdir(staged->path);
		errno = reason;
	}
	return descriptor;
}

/* Creates the temporary file or folder and locks it: one that a killed program left there is used. */
static int create_beside(struct staged *staged, struct failure *failure) {
	do {
		if (staged->descriptor >= 0)
			close(staged->descriptor); /* removed by another process before it was locked */
		staged->descriptor = open_beside(staged);
		if (staged->descriptor < 0)
			return fail(failure, EX_CANTCREAT, "%s: %s", staged->target, strerror(errno));
		if (take_lock(staged->descriptor, staged->target, failure) < 0)
			return -1;
	} while (!is_still_at(staged->descriptor, staged->path));
	return 0;
}

/* Gives the content the mode of the target that it replaces, and the bits `besides`; a file system without modes refuses
 * that. -1: the mode is not known. */
static int keep_mode(const struct staged *staged, mode_t besides) {
	struct stat status;
	if (staged->direct || (staged->folder && !staged->replace))
		return 0;
	if (stat(staged->target, &status) < 0)
		return errno == ENOENT ? 0 : -1;
	fchmod(staged->descriptor, (status.st_mode & 07777) | besides);
	return 0;
}

/* Empties what a killed program left, and gives it its mode. */
static int prepare_content(const struct staged *staged, struct failure *failure) {
	if (staged->folder)
		remove_entries(staged->descriptor);
	if ((!staged->folder && !staged->direct && ftruncate(staged->descriptor, 0) < 0)
			|| keep_mode(staged, staged->folder ? S_IRWXU : 0) < 0)
		return fail(failure, EX_CANTCREAT, "%s: %s", staged->target, strerror(errno));
	return 0;
}

static void release(struct staged *staged) {
	if (staged->descriptor >= 0)
		close(staged->descriptor);
	if (staged->target_lock >= 0)
		close(staged->target_lock);
	free(staged->target);
	free(staged->path);
	free(staged);
}

/* Creates and registers what *begun describes, and takes over its strings. NULL: 71, 73. */
static struct staged *begin(struct staged begun, struct failure *failure) {
	struct staged *staged = allocate(1, sizeof *staged);
	*staged = begun;
	pthread_mutex_lock(&lock);
	int result = register_cleanup(failure);
	if (result == 0 && staged->descriptor < 0)
		result = create_beside(staged, failure);
	if (result == 0) {
		staged->next = unfinished;
		unfinished = staged;
	} else {
		release(staged);
		staged = NULL;
	}
	if (staged != NULL && prepare_content(staged, failure) < 0) {
		staged_discard(staged);
		staged = NULL;
	}
	pthread_mutex_unlock(&lock);
	return staged;
}

struct staged *staged_file(const char *path, struct failure *failure) {
	struct stat status;
	bool exists = stat(path, &status) == 0;
	if (!exists && errno != ENOENT) {
		fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno));
		return NULL;
	}
	struct staged staged = { .descriptor = -1, .target_lock = -1, .direct = exists && !S_ISREG(status.st_mode) };
	if (staged.direct) {
		staged.descriptor = open(path, O_WRONLY | O_CLOEXEC);
		if (staged.descriptor < 0) {
			fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno));
			return NULL;
		}
	}
	/* A symbolic link stays: the file that it names is replaced. */
	staged.target = exists && !staged.direct ? realpath(path, NULL) : copy_text(path);
	if (staged.target == NULL) {
		fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno));
		return NULL;
	}
	staged.path = staged.direct ? copy_text(path) : name_beside(staged.target);
	return begin(staged, failure);
}

/* Refuses at once a target that could not be replaced at the commit, and locks a folder that is to be replaced. -1:
 * 73. */
static int check_target(struct staged *staged, struct failure *failure) {
	struct stat status, parent_status;
	const char *target = staged->target, *slash = strrchr(target, '/'), *name = slash == NULL ? target : slash + 1;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail(failure, EX_CANTCREAT, "%s: is not a name for a new folder (give another name)", target);
	if (stat(target, &status) < 0)
		return errno == ENOENT ? 0 : fail(failure, EX_CANTCREAT, "%s: %s", target, strerror(errno));
	if (!staged->replace)
		return fail(failure, EX_CANTCREAT, "%s: exists already (remove it, give another name, or give --force)",
			target);
	if (!S_ISDIR(status.st_mode))
		return fail(failure, EX_CANTCREAT, "%s: is not a folder (remove it, or give another name)", target);
	char *copy = copy_text(target);
	bool root = lstat(target, &status) == 0 && stat(dirname(copy), &parent_status) == 0
		&& status.st_dev != parent_status.st_dev;
	free(copy);
	if (root)
		return fail(failure, EX_CANTCREAT,
			"%s: is the root of a file system, which cannot be replaced (name a folder in it)", target);
	staged->target_lock = lock_folder(target, failure);
	return staged->target_lock < 0 ? -1 : 0;
}

struct staged *staged_folder(const char *path, bool replace, struct failure *failure) {
	struct staged staged = { .target = copy_path(path), .descriptor = -1, .target_lock = -1, .folder = true,
		.replace = replace };
	if (check_target(&staged, failure) < 0) {
		free(staged.target);
		return NULL;
	}
	staged.path = name_beside(staged.target);
	return begin(staged, failure);
}

int staged_descriptor(const struct staged *staged) {
	return staged->descriptor;
}

const char *staged_path(const struct staged *staged) {
	return staged->path;
}

static void forget(struct staged *staged) {
	struct staged **link = &unfinished;
	pthread_mutex_lock(&lock);
	while (*link != staged)
		link = &(*link)->next;
	*link = staged->next;
	pthread_mutex_unlock(&lock);
	release(staged);
}

void staged_discard(struct staged *staged) {
	pthread_mutex_lock(&lock);
	remove_content(staged);
	forget(staged);
	pthread_mutex_unlock(&lock);
}

/* ---- into place ---------------------------------------------------------------------------------------- */

/* A file system that cannot sync a folder fails with EINVAL, which is ignored. */
static int sync_path(const char *path) {
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return -1;
	int result = fsync(descriptor) < 0 && errno != EINVAL ? -1 : 0;
	close(descriptor);
	return result;
}

/* Syncs the folder that holds the name, which makes a rename durable. */
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
	return staged->direct ? 0 : fsync(staged->descriptor);
}

static int exchange(struct staged *staged) {
	if (renameat2(AT_FDCWD, staged->path, AT_FDCWD, staged->target, RENAME_EXCHANGE) < 0)
		return -1;
	staged->placed = !staged->placed;
	return 0;
}

/* A folder cannot be renamed over one that holds files. So the two names are exchanged, and when that is durable the
 * old folder, now under the temporary name, is removed. */
static int replace_folder(struct staged *staged) {
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

static int put_into_place(struct staged *staged) {
	struct stat status;
	if (staged->direct)
		return 0;
	if (keep_mode(staged, 0) < 0)
		return -1;
	if (staged->replace && stat(staged->target, &status) == 0 && S_ISDIR(status.st_mode))
		return replace_folder(staged);
	if (rename(staged->path, staged->target) < 0)
		return -1;
	staged->placed = true;
	return sync_parent(staged->target);
}

static int fail_to_commit(struct staged *staged, struct failure *failure) {
	fail(failure, errno == EIO ? EX_IOERR : EX_CANTCREAT, "%s: %s", staged->target, strerror(errno));
	staged_discard(staged);
	return -1;
}

/* A complete folder may be the work of days: if it cannot get its name, it is kept under another one. */
static int fail_to_place(struct staged *staged, struct failure *failure) {
	int error = errno;
	char *kept = format_text("%s.kept-%ld", staged->target, (long)getpid());
	if (staged->folder && !staged->placed && rename(staged->path, kept) == 0) {
		fail(failure, error == EIO ? EX_IOERR : EX_CANTCREAT, "%s: %s (what was written is kept in %s)", staged->target,
			strerror(error), kept);
		forget(staged);
	} else {
		errno = error;
		fail_to_commit(staged, failure);
	}
	free(kept);
	return -1;
}

int staged_commit(struct staged *staged, struct failure *failure) {
	if (sync_content(staged) != 0)
		return fail_to_commit(staged, failure);
	pthread_mutex_lock(&lock);
	int result = put_into_place(staged);
	if (result < 0)
		fail_to_place(staged, failure);
	else
		forget(staged);
	pthread_mutex_unlock(&lock);
	return result;
}

/* Renames every named file but `last` into the folder; with `only`, renames `last` alone. */
static int move_files(const struct staged *staged, char **names, const char *folder, const char *last, bool only) {
	int result = 0;
	for (char **name = names; result == 0 && *name != NULL; name++) {
		if (**name == '.' || (strcmp(*name, last) == 0) != only)
			continue;
		char *from = format_text("%s/%s", staged->path, *name);
		char *to = format_text("%s/%s", folder, *name);
		result = rename(from, to);
		free(from);
		free(to);
	}
	return result < 0 ? -1 : sync_path(folder);
}

int staged_merge(struct staged *staged, const char *folder, const char *last, struct failure *failure) {
	char **names = list_folder(staged->path, failure);
	if (names == NULL) {
		staged_discard(staged);
		return -1;
	}
	int result = sync_content(staged) != 0 || sync_parent(staged->path) < 0
			|| move_files(staged, names, folder, last, false) < 0 || move_files(staged, names, folder, last, true) < 0
		? fail_to_commit(staged, failure) : 0;
	free_names(names);
	if (result == 0)
		staged_discard(staged);
	return result;
}

/* ---- what was left behind ------------------------------------------------------------------------------ */

static void remove_if_left(const char *path) {
	int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (descriptor < 0)
		return;
	if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
		remove_tree(path);
	close(descriptor);
}

size_t remove_left_behind(const char *folder, const char *target) {
	struct failure unlisted;
	size_t found = 0;
	char **names = list_folder(folder, &unlisted);
	for (char **name = names; name != NULL && *name != NULL; name++) {
		if (!is_unfinished(*name, target))
			continue;
		char *path = format_text("%s/%s", folder, *name);
		remove_if_left(path);
		free(path);
		found++;
	}
	free_names(names);
	return found;
}
