/* calls: a library to preload (LD_PRELOAD), in which the nth call of a kind fails.
 *
 * Calls of the kind FAULT_CALL are counted, from 1; number FAULT_AT fails, and with FAULT_ON each one after it too. When
 * the program ends by exit(), FAULT_LOG gets a line with the number of calls. The kinds, and the error that each gives:
 *
 *     malloc  every function that allocates: ENOMEM     open    open a file or a pipe: EMFILE
 *     read    read and pread: EIO                       folder  read a folder, or walk through it: EIO
 *     write   write, writev and pwrite, but for those   stat    ask for a file's kind, size or rights: EIO
 *             to standard error: ENOSPC                 seek    lseek and ftruncate: EIO
 *     close   close, after closing: EIO                 mmap    ENOMEM
 *     rename  rename and mkdir: EACCES                  fsync   EIO
 *     thread  pthread_create: EAGAIN
 *
 * Memory for the libraries that compute, and for those that they bring along, does not count: they crash without it, so the
 * tools ask for it beforehand (common/math/matrix.c; tests/fault/memory.t). Nor does memory count in regexec() with
 * FAULT_ON: glibc's then does not return (tools/select-records.c). */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <link.h>
#include <pthread.h>
#include <regex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) \
	static __typeof__(name) *real_##name; \
	if (real_##name == NULL) \
		*(void **)&real_##name = dlsym(RTLD_NEXT, #name)

static const char *call;
static int log_descriptor = -1;
static long at;
static bool on;
static atomic_long calls;

__attribute__((constructor))
static void begin(void) {
	const char *number = getenv("FAULT_AT");
	/* Opened at once: a program in a sandbox (common/cli/sandbox.h) opens no file at its end. */
	if (getenv("FAULT_LOG") != NULL)
		log_descriptor = open(getenv("FAULT_LOG"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	call = getenv("FAULT_CALL");
	at = number == NULL ? 0 : atol(number);
	on = getenv("FAULT_ON") != NULL;
}

__attribute__((destructor))
static void end(void) {
	long total = calls;
	call = NULL;
	if (log_descriptor >= 0)
		dprintf(log_descriptor, "%ld\n", total);
}

/* For a debugger to stop at. */
__attribute__((noinline))
static bool happen(int error) {
	errno = error;
	return true;
}

static bool fails(const char *kind, int error) {
	if (call == NULL || strcmp(kind, call) != 0)
		return false;
	long number = ++calls;
	if (at == 0 || (on ? number < at : number != at))
		return false;
	return happen(error);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

/* The C library's own, by the names that do not depend on what is preloaded: dlsym() itself allocates. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

/* Asked at every allocation: dladdr() would look for the name of the caller's function too, among all that a library has. */
static bool is_counted(const void *caller) {
	static const char *const others[] = { "/libdnnl.", "/libopenblas", "/libgomp.", "/libgfortran.", "/libstdc++.", "/ld-linux" };
	struct dl_find_object object;
	if (_dl_find_object((void *)(uintptr_t)caller, &object) != 0)
		return false; /* code that was generated */
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strstr(object.dlfo_link_map->l_name, others[i]) != NULL)
			return false;
	return true;
}

static bool in_regexec;

#define NO_MEMORY (call != NULL && *call == 'm' && call[1] == 'a' && !(in_regexec && on) && is_counted(__builtin_return_address(0)) \
	&& fails("malloc", ENOMEM))

void *malloc(size_t size) {
	return NO_MEMORY ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
	return NO_MEMORY ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
	return NO_MEMORY ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
	return NO_MEMORY ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
	if (NO_MEMORY)
		return ENOMEM;
	*memory = __libc_memalign(alignment, size);
	return *memory == NULL ? ENOMEM : 0;
}

/* dlsym() finds the newest version of it, which is the one that takes REG_STARTEND. */
int regexec(const regex_t *regex, const char *text, size_t count, regmatch_t matches[restrict count], int flags) {
	REAL(regexec);
	in_regexec = true;
	int result = real_regexec(regex, text, count, matches, flags);
	in_regexec = false;
	return result;
}

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
	REAL(mmap);
	return is_counted(__builtin_return_address(0)) && fails("mmap", ENOMEM) ? MAP_FAILED : real_mmap(address, length, protection, flags, descriptor, offset);
}

/* ---- files --------------------------------------------------------------------------------------------- */

static mode_t mode_of(int flags, va_list arguments) {
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
	REAL(open);
	va_list arguments;
	va_start(arguments, flags);
	mode_t mode = mode_of(flags, arguments);
	va_end(arguments);
	return fails("open", EMFILE) ? -1 : real_open(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
	REAL(openat);
	va_list arguments;
	va_start(arguments, flags);
	mode_t mode = mode_of(flags, arguments);
	va_end(arguments);
	return fails("open", EMFILE) ? -1 : real_openat(folder, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
	REAL(fopen);
	return fails("open", EMFILE) ? NULL : real_fopen(path, mode);
}

int pipe2(int descriptors[2], int flags) {
	REAL(pipe2);
	return fails("open", EMFILE) ? -1 : real_pipe2(descriptors, flags);
}

int pipe(int descriptors[2]) {
	return pipe2(descriptors, 0);
}

int eventfd(unsigned count, int flags) {
	REAL(eventfd);
	return fails("open", EMFILE) ? -1 : real_eventfd(count, flags);
}

int mkstemp(char *path) {
	REAL(mkstemp);
	return fails("open", EMFILE) ? -1 : real_mkstemp(path);
}

int close(int descriptor) {
	REAL(close);
	int result = real_close(descriptor);
	return fails("close", EIO) ? -1 : result;
}

ssize_t read(int descriptor, void *bytes, size_t length) {
	REAL(read);
	return fails("read", EIO) ? -1 : real_read(descriptor, bytes, length);
}

ssize_t pread(int descriptor, void *bytes, size_t length, off_t offset) {
	REAL(pread);
	return fails("read", EIO) ? -1 : real_pread(descriptor, bytes, length, offset);
}

/* What a program that was compiled with _FORTIFY_SOURCE calls in their place. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags) {
	return open(path, flags);
}

int __openat_2(int folder, const char *path, int flags);
int __openat_2(int folder, const char *path, int flags) {
	return openat(folder, path, flags);
}

ssize_t __read_chk(int descriptor, void *bytes, size_t length, size_t capacity);
ssize_t __read_chk(int descriptor, void *bytes, size_t length, size_t capacity) {
	if (length > capacity)
		abort();
	return read(descriptor, bytes, length);
}

ssize_t __pread_chk(int descriptor, void *bytes, size_t length, off_t offset, size_t capacity);
ssize_t __pread_chk(int descriptor, void *bytes, size_t length, off_t offset, size_t capacity) {
	if (length > capacity)
		abort();
	return pread(descriptor, bytes, length, offset);
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
	REAL(write);
	return descriptor != STDERR_FILENO && fails("write", ENOSPC) ? -1 : real_write(descriptor, bytes, length);
}

ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
	REAL(writev);
	return descriptor != STDERR_FILENO && fails("write", ENOSPC) ? -1 : real_writev(descriptor, pieces, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
	REAL(pwrite);
	return fails("write", ENOSPC) ? -1 : real_pwrite(descriptor, bytes, length, offset);
}

int fsync(int descriptor) {
	REAL(fsync);
	return fails("fsync", EIO) ? -1 : real_fsync(descriptor);
}

int rename(const char *from, const char *to) {
	REAL(rename);
	return fails("rename", EACCES) ? -1 : real_rename(from, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
	REAL(renameat2);
	return fails("rename", EACCES) ? -1 : real_renameat2(from_folder, from, to_folder, to, flags);
}

int mkdir(const char *path, mode_t mode) {
	REAL(mkdir);
	return fails("rename", EACCES) ? -1 : real_mkdir(path, mode);
}

off_t lseek(int descriptor, off_t offset, int from) {
	REAL(lseek);
	return fails("seek", EIO) ? -1 : real_lseek(descriptor, offset, from);
}

int ftruncate(int descriptor, off_t length) {
	REAL(ftruncate);
	return fails("seek", EIO) ? -1 : real_ftruncate(descriptor, length);
}

/* ---- folders, and what is known of files ---------------------------------------------------------------- */

DIR *opendir(const char *path) {
	REAL(opendir);
	return fails("folder", EIO) ? NULL : real_opendir(path);
}

struct dirent *readdir(DIR *folder) {
	REAL(readdir);
	return fails("folder", EIO) ? NULL : real_readdir(folder);
}

int scandir(const char *path, struct dirent ***entries, int (*wanted)(const struct dirent *),
	int (*compare)(const struct dirent **, const struct dirent **)) {
	REAL(scandir);
	return fails("folder", EIO) ? -1 : real_scandir(path, entries, wanted, compare);
}

int nftw(const char *path, int (*visit)(const char *, const struct stat *, int, struct FTW *), int descriptors, int flags) {
	REAL(nftw);
	return fails("folder", EIO) ? -1 : real_nftw(path, visit, descriptors, flags);
}

int stat(const char *path, struct stat *status) {
	REAL(stat);
	return fails("stat", EIO) ? -1 : real_stat(path, status);
}

int lstat(const char *path, struct stat *status) {
	REAL(lstat);
	return fails("stat", EIO) ? -1 : real_lstat(path, status);
}

int fstat(int descriptor, struct stat *status) {
	REAL(fstat);
	return fails("stat", EIO) ? -1 : real_fstat(descriptor, status);
}

int access(const char *path, int rights) {
	REAL(access);
	return fails("stat", EIO) ? -1 : real_access(path, rights);
}

/* ---- threads ------------------------------------------------------------------------------------------- */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
	REAL(pthread_create);
	return fails("thread", EAGAIN) ? EAGAIN : real_pthread_create(thread, attributes, run, argument);
}
