/* faults: a library for LD_PRELOAD that makes a file operation fail.
 *
 * Operations that change something at a path that begins with FAULT_PATH are counted from 1. The file FAULT_LOG gets a
 * line for each: number, call, path. At operation number FAULT_AT the fault FAULT_KIND occurs:
 *
 *     kill     the process ends before the operation, as by kill -9
 *     between  as kill, but between two writes: no part of the write happens
 *     error    the operation fails with EIO; later ones do not
 *     full     the operation, and every later one that needs disk space, fails with ENOSPC
 *     early    the power fails, before it: changes to a folder since the folder was last synced never happened, and
 *              files keep half of what was written since they were last synced
 *     mixed    as early, but the very last change to a folder has happened: a disk keeps no order
 *     late     the power fails: all changes to folders have happened, and what was written to files since they
 *              were last synced is lost, to the last byte
 *
 * For the last three, every file written to is held open, and every file that loses its name is kept by a second one
 * below FAULT_GRAVE (a folder of the same file system), so that the process can bring about that state before it
 * ends. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fs.h>

enum { KILLED = 137, LIMIT = 4096 };

/* The C library's own function of that name; dlsym() returns an object pointer, which ISO C does not convert. */
#define REAL(name) \
	static __typeof__(name) *real_##name; \
	if (real_##name == NULL) \
		*(void **)&real_##name = dlsym(RTLD_NEXT, #name)

static long operations;

static bool kind_is(const char *kind) {
	const char *chosen = getenv("FAULT_KIND");
	return chosen != NULL && strcmp(chosen, kind) == 0;
}

static bool power(void) {
	return kind_is("early") || kind_is("mixed") || kind_is("late");
}

/* ---- what a power cut would take back ------------------------------------------------------------------ */

/* Files written to since they were last synced. */
static struct written { int descriptor; dev_t device; ino_t inode; } written[LIMIT];
static size_t written_count;

enum change_kind { CREATED, MADE, RENAMED, EXCHANGED, UNLINKED, REMOVED };

/* Changes to folders, `parent` being the one that has the name. */
static struct change {
	enum change_kind what;
	char path[PATH_MAX], from[PATH_MAX];
	char grave[PATH_MAX];   /* of the file that lost its name; empty: none did */
	dev_t device;
	ino_t parent;
	bool synced;
} *changes;
static size_t change_count;

static void note_written(int descriptor) {
	struct stat status;
	if (!power() || fstat(descriptor, &status) < 0)
		return;
	for (size_t i = 0; i < written_count; i++)
		if (written[i].device == status.st_dev && written[i].inode == status.st_ino)
			return;
	if (written_count == LIMIT)
		abort();
	written[written_count++] = (struct written){ fcntl(descriptor, F_DUPFD_CLOEXEC, 500), status.st_dev, status.st_ino };
}

static void note_synced(int descriptor) {
	REAL(close);
	struct stat status;
	if (!power() || fstat(descriptor, &status) < 0)
		return;
	for (size_t i = 0; i < change_count; i++)
		if (changes[i].device == status.st_dev && changes[i].parent == status.st_ino)
			changes[i].synced = true;
	for (size_t i = written_count; i-- > 0;)
		if (written[i].device == status.st_dev && written[i].inode == status.st_ino) {
			real_close(written[i].descriptor);
			written[i] = written[--written_count];
		}
}

/* Before the change. */
static struct change *note_change(enum change_kind what, const char *path, const char *from) {
	struct stat status;
	char parent[PATH_MAX + 4];
	static struct change unused;
	if (!power())
		return &unused;
	if (changes == NULL)
		changes = calloc(LIMIT, sizeof *changes);
	if (changes == NULL || change_count == LIMIT)
		abort();
	struct change *change = &changes[change_count++];
	change->what = what;
	snprintf(change->path, sizeof change->path, "%s", path);
	snprintf(change->from, sizeof change->from, "%s", from);
	snprintf(parent, sizeof parent, "%s", path);
	char *slash = strrchr(parent, '/');
	if (slash != NULL)
		slash[1] = '\0';
	if (stat(slash == NULL ? "." : parent, &status) == 0)
		change->device = status.st_dev, change->parent = status.st_ino;
	if ((what == RENAMED || what == UNLINKED) && stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
		snprintf(change->grave, sizeof change->grave, "%s/%zu", getenv("FAULT_GRAVE"), change_count);
		if (link(path, change->grave) < 0)
			abort();
	}
	return change;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
	(void)status, (void)walk;
	REAL(unlink);
	REAL(rmdir);
	return kind == FTW_DP ? real_rmdir(path) : real_unlink(path);
}

static void take_back(const struct change *change) {
	REAL(rename);
	REAL(renameat2);
	REAL(mkdir);
	switch (change->what) {
	case CREATED:
	case MADE:
		nftw(change->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
		break;
	case RENAMED:
		real_rename(change->path, change->from);
		break;
	case EXCHANGED:
		real_renameat2(AT_FDCWD, change->path, AT_FDCWD, change->from, RENAME_EXCHANGE);
		break;
	case REMOVED:
		real_mkdir(change->path, 0777);
		break;
	case UNLINKED:
		break;
	}
	if (change->grave[0] != '\0')
		real_rename(change->grave, change->path);
}

static void cut_power(void) {
	bool late = kind_is("late");
	size_t lost = late ? 0 : kind_is("mixed") && change_count > 0 ? change_count - 1 : change_count;
	for (size_t i = 0; i < written_count; i++) {
		struct stat status;
		if (fstat(written[i].descriptor, &status) < 0 || ftruncate(written[i].descriptor, late ? 0 : status.st_size / 2) < 0)
			abort();
	}
	for (size_t i = lost; i-- > 0;)
		if (!changes[i].synced)
			take_back(&changes[i]);
}

/* ---- the fault ----------------------------------------------------------------------------------------- */

static bool is_watched(const char *path) {
	const char *watched = getenv("FAULT_PATH");
	return watched != NULL && path != NULL && strncmp(path, watched, strlen(watched)) == 0;
}

static void log_operation(const char *call, const char *path) {
	REAL(write);
	static int descriptor = -1;
	const char *name = getenv("FAULT_LOG");
	char line[PATH_MAX + 64];
	if (name == NULL)
		return;
	if (descriptor < 0) {
		REAL(open);
		descriptor = real_open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	}
	int length = snprintf(line, sizeof line, "%ld %s %s\n", operations, call, path);
	if (real_write(descriptor, line, (size_t)length) < 0)
		abort();
}

/* Whether the operation must fail; errno is then set. */
static bool fails(const char *call, const char *path, bool takes_room) {
	if (!is_watched(path))
		return false;
	operations++;
	log_operation(call, path);
	long at = getenv("FAULT_AT") == NULL ? 0 : atol(getenv("FAULT_AT"));
	if (at == 0 || operations < at)
		return false;
	if (operations == at && power())
		cut_power();
	if (operations == at && (power() || kind_is("kill") || kind_is("between")))
		_exit(KILLED);
	errno = kind_is("full") ? ENOSPC : EIO;
	return kind_is("full") ? takes_room : operations == at;
}

/* The path that a descriptor was opened by, relative to the working folder if it is below it, as the tools name paths;
 * NULL: not watched. */
static const char *path_of(int descriptor, char path[static PATH_MAX]) {
	char link_name[64], here[PATH_MAX];
	snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", descriptor);
	ssize_t length = readlink(link_name, path, PATH_MAX - 1);
	if (length <= 0 || getcwd(here, sizeof here) == NULL)
		return NULL;
	path[length] = '\0';
	size_t prefix = strlen(here);
	const char *relative = strncmp(path, here, prefix) == 0 && path[prefix] == '/' ? path + prefix + 1 : path;
	return is_watched(relative) ? relative : NULL;
}

/* ---- the calls ----------------------------------------------------------------------------------------- */

int open(const char *path, int flags, ...) {
	REAL(open);
	va_list arguments;
	va_start(arguments, flags);
	mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	bool creates = (flags & O_CREAT) != 0 && access(path, F_OK) < 0;
	if ((flags & (O_CREAT | O_WRONLY | O_RDWR)) != 0 && fails("open", path, creates))
		return -1;
	if (creates && is_watched(path))
		note_change(CREATED, path, "");
	int descriptor = real_open(path, flags, mode);
	if (descriptor >= 0 && (flags & O_TRUNC) != 0 && is_watched(path))
		note_written(descriptor);
	return descriptor;
}

int mkdir(const char *path, mode_t mode) {
	REAL(mkdir);
	if (fails("mkdir", path, true))
		return -1;
	int result = real_mkdir(path, mode);
	if (result == 0 && is_watched(path))
		note_change(MADE, path, "");
	return result;
}

/* Half of what is asked for is written before a fault: a write is no atom. */
static bool write_fails(const char *call, int descriptor, const void *bytes, size_t length) {
	REAL(write);
	char path[PATH_MAX];
	const char *watched = path_of(descriptor, path);
	if (watched == NULL)
		return false;
	note_written(descriptor);
	const char *at = getenv("FAULT_AT");
	bool half = !kind_is("between");
	if (at != NULL && half && operations + 1 == atol(at) && real_write(descriptor, bytes, length / 2) < 0)
		abort();
	return fails(call, watched, true);
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
	REAL(write);
	return write_fails("write", descriptor, bytes, length) ? -1 : real_write(descriptor, bytes, length);
}

ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
	REAL(writev);
	return write_fails("writev", descriptor, "", 0) ? -1 : real_writev(descriptor, pieces, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
	REAL(pwrite);
	return write_fails("pwrite", descriptor, "", 0) ? -1 : real_pwrite(descriptor, bytes, length, offset);
}

int fsync(int descriptor) {
	REAL(fsync);
	char path[PATH_MAX];
	const char *watched = path_of(descriptor, path);
	if (fails("fsync", watched, false))
		return -1;
	int result = real_fsync(descriptor);
	/* The folder above is synced for the sake of the watched one: every folder counts. */
	if (result == 0)
		note_synced(descriptor);
	return result;
}

int close(int descriptor) {
	REAL(close);
	char path[PATH_MAX];
	int flags = fcntl(descriptor, F_GETFL);
	const char *watched = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY ? path_of(descriptor, path) : NULL;
	bool failed = fails("close", watched, false);
	int error = errno, result = real_close(descriptor);
	if (failed)
		errno = error;
	return failed ? -1 : result;
}

int rename(const char *from, const char *to) {
	REAL(rename);
	if (fails("rename", to, false))
		return -1;
	struct change *change = is_watched(to) ? note_change(RENAMED, to, from) : NULL;
	int result = real_rename(from, to);
	if (result < 0 && change != NULL)
		change->synced = true; /* it never happened */
	return result;
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
	REAL(renameat2);
	if (fails("renameat2", to, false))
		return -1;
	int result = real_renameat2(from_folder, from, to_folder, to, flags);
	if (result == 0 && is_watched(to))
		note_change(EXCHANGED, to, from);
	return result;
}

/* Relative to an open folder, which is how the tools remove what is in one. */
int unlinkat(int folder, const char *name, int flags) {
	REAL(unlinkat);
	char path[PATH_MAX], whole[2 * PATH_MAX];
	const char *parent = folder == AT_FDCWD ? NULL : path_of(folder, path);
	snprintf(whole, sizeof whole, "%s%s%s", parent == NULL ? "" : parent, parent == NULL ? "" : "/", name);
	if (folder != AT_FDCWD && parent == NULL)
		return real_unlinkat(folder, name, flags);
	struct stat status;
	bool is_folder = lstat(whole, &status) == 0 && S_ISDIR(status.st_mode);
	if (is_folder && flags == 0) {
		errno = EISDIR;
		return -1;
	}
	if (fails(flags == 0 ? "unlink" : "rmdir", whole, false))
		return -1;
	struct change *change = is_watched(whole) ? note_change(flags == 0 ? UNLINKED : REMOVED, whole, "") : NULL;
	int result = real_unlinkat(folder, name, flags);
	if (result < 0 && change != NULL)
		change->synced = true; /* it never happened */
	return result;
}

int unlink(const char *path) {
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path) {
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}
