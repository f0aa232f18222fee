/* Descriptors in and out, each checked to its last byte. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *input_name(const char *path) {
	return path == NULL ? "standard input" : path;
}

volatile sig_atomic_t interrupted;

int open_input(const char *path) {
	if (path == NULL)
		return STDIN_FILENO;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		die(EX_NOINPUT, "%s: %s (name a file that can be read)", path, strerror(errno));
	return descriptor;
}

char *read_file(const char *path, size_t limit, size_t *length, struct failure *failure) {
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0) {
		fail(failure, EX_NOINPUT, "%s: %s", path, strerror(errno));
		return NULL;
	}
	struct stat status;
	size_t room = 4096;
	if (fstat(descriptor, &status) == 0 && status.st_size > 0 && (size_t)status.st_size < limit)
		room = (size_t)status.st_size + 1;
	char *bytes = grow(NULL, room, 1);
	ptrdiff_t got;
	*length = 0;
	while ((got = read(descriptor, bytes + *length, room - *length)) > 0) {
		*length += (size_t)got;
		if (*length > limit) {
			got = fail(failure, EX_DATAERR, "%s: larger than %zu bytes", path, limit);
			break;
		}
		if (*length == room)
			bytes = grow(bytes, room *= 2, 1);
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

static int write_status(int error) {
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

bool file_exists(const char *folder, const char *name) {
	char *path = format_text("%s/%s", folder, name);
	bool found = access(path, F_OK) == 0;
	free(path);
	return found;
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

void refuse_terminal(int descriptor) {
	if (isatty(descriptor))
		die(EX_USAGE, "standard output: a terminal cannot show binary records (pipe them into rec-dump, or a file)");
}

int finish_output(void) {
	errno = 0;
	if (fflush(stdout) != 0 || ferror(stdout) || fclose(stdout) != 0)
		die(write_status(errno), "standard output: %s", errno ? strerror(errno) : "a write failed");
	return EX_OK;
}
