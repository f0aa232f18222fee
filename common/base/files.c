/* files: reads and writes whole files, and checks each write to the last byte. */
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/thread.h"

/* What cannot be opened for want of descriptors or memory is there all the same. */
static int open_status(int error) {
	return error == EMFILE || error == ENFILE || error == ENOMEM ? EX_OSERR : error == EIO ? EX_IOERR : EX_NOINPUT;
}

int open_file(const char *path, struct failure *failure) {
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	return descriptor < 0 ? fail(failure, open_status(errno), "%s: %s", path, strerror(errno)) : descriptor;
}

int open_regular(const char *path, struct failure *failure) {
	struct stat status;
	int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* opening a FIFO must not wait for a writer */
	if (descriptor < 0)
		return fail(failure, open_status(errno), "%s: %s", path, strerror(errno));
	if (fstat(descriptor, &status) == 0 && !S_ISREG(status.st_mode)
			&& (S_ISDIR(status.st_mode) || strncmp(path, "/dev/", 5) != 0)) {
		close(descriptor);
		return fail(failure, EX_NOINPUT, "%s: is not a file (name a regular file)", path);
	}
	fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
	return descriptor;
}

const char *input_name(const char *path) {
	return path == NULL ? "standard input" : path;
}

/* Asks the system to back all pages of a large buffer with memory at once: page faults, one for each page when it is
 * first written to, take several times as long. A refusal does no harm. */
static void populate(char *bytes, size_t length) {
#ifdef MADV_POPULATE_WRITE
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = ((uintptr_t)bytes + page - 1) / page * page;
	uintptr_t past = ((uintptr_t)bytes + length) / page * page;
	if (first < past && past - first >= 16 * page)
		(void)madvise((void *)first, past - first, MADV_POPULATE_WRITE);
#else
	(void)bytes;
	(void)length;
#endif
}

char *read_file(const char *path, size_t limit, size_t *length, struct failure *failure) {
	int descriptor = open_regular(path, failure);
	if (descriptor < 0)
		return NULL;
	struct stat status;
	size_t capacity = 4096;
	if (fstat(descriptor, &status) == 0 && status.st_size > 0 && (size_t)status.st_size < limit)
		capacity = (size_t)status.st_size + 1;
	char *bytes = grow(NULL, capacity, 1);
	populate(bytes, capacity);
	ptrdiff_t got;
	*length = 0;
	while ((got = read(descriptor, bytes + *length, capacity - *length)) > 0) {
		*length += (size_t)got;
		if (*length > limit) {
			got = fail(failure, EX_DATAERR, "%s: larger than %zu bytes", path, limit);
			break;
		}
		if (*length == capacity)
			bytes = grow(bytes, capacity *= 2, 1);
	}
	if (got < 0 && *length <= limit)
		fail(failure, EX_IOERR, "%s: %s", path, strerror(errno));
	close(descriptor);
	if (got < 0) {
		free(bytes);
		return NULL;
	}
	bytes[*length] = '\0';
	return bytes;
}

int write_status(int error) {
	if (error == EPIPE)
		return 128 + SIGPIPE;
	if (error == EFBIG && !signal_is_ignored(SIGXFSZ))
		return 128 + SIGXFSZ;
	return error == ENOSPC || error == EDQUOT || error == EFBIG ? EX_CANTCREAT : EX_IOERR;
}

int write_all(int descriptor, const void *bytes, size_t length, const char *file, struct failure *failure) {
	const char *next = bytes;
	while (length > 0) {
		ssize_t wrote = write(descriptor, next, length);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return fail(failure, write_status(errno), "%s: %s", file, strerror(errno));
		next += wrote;
		length -= (size_t)wrote;
	}
	return 0;
}

static bool begins_with(const char *bytes, size_t length, const char *words) {
	return length >= strlen(words) && strncasecmp(bytes, words, strlen(words)) == 0;
}

int refuse_mistaken_file(const char *path, const void *bytes, size_t length, struct failure *failure) {
	static const struct { const char *begins, *what; } kinds[] = {
		{ "version https://git-lfs", "a git-lfs pointer, not the file itself (run `git lfs pull` in its folder)" },
		{ "<!doctype html", "an HTML page (download the file again, by its address for downloads)" },
		{ "<html", "an HTML page (download the file again, by its address for downloads)" },
		{ "PK\3\4",
			"a zip archive, as PyTorch writes (save the model as safetensors: save_pretrained() of transformers)" },
		{ "\x80\2", "a pickle of PyTorch (save the model as safetensors: save_pretrained() of transformers)" },
	};
	const char *text = bytes;
	while (length > 0 && strchr(" \t\r\n", *text) != NULL && *text != '\0')
		text++, length--;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (begins_with(text, length, kinds[i].begins))
			return fail(failure, EX_DATAERR, "%s: is %s", path, kinds[i].what);
	return 0;
}

bool file_exists(const char *folder, const char *name) {
	char *path = format_text("%s/%s", folder, name);
	struct stat status;
	bool missing = lstat(path, &status) < 0 && errno == ENOENT;
	free(path);
	return !missing;
}

static int is_entry(const struct dirent *entry) {
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **left, const struct dirent **right) {
	return strcmp((*left)->d_name, (*right)->d_name);
}

char **list_folder(const char *folder, struct failure *failure) {
	struct dirent **entries;
	int count = scandir(folder, &entries, is_entry, by_bytes);
	if (count < 0) {
		fail(failure, open_status(errno), "%s: %s", folder, strerror(errno));
		return NULL;
	}
	char **names = allocate((size_t)count + 1, sizeof *names);
	for (int i = 0; i < count; i++) {
		names[i] = copy_text(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return names;
}

void free_names(char **names) {
	for (char **name = names; name != NULL && *name != NULL; name++)
		free(*name);
	free(names);
}

int create_file(const char *path, struct failure *failure) {
	int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return descriptor < 0 ? fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno)) : descriptor;
}

int close_file(int descriptor, const char *path, struct failure *failure) {
	return close(descriptor) < 0 ? fail(failure, EX_IOERR, "%s: %s", path, strerror(errno)) : 0;
}

int write_file(const char *path, const void *bytes, size_t length, struct failure *failure) {
	int descriptor = create_file(path, failure);
	if (descriptor < 0)
		return -1;
	if (write_all(descriptor, bytes, length, path, failure) < 0) {
		close(descriptor);
		return -1;
	}
	return close_file(descriptor, path, failure);
}
