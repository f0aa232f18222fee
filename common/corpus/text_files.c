/* text_files: only regular files are documents; anything else under such a name is a mistake that is told. */
#include "corpus/text_files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "corpus/source.h"

bool file_ends_in(const char *name, const char *ending) {
	size_t length = strlen(name), width = strlen(ending);
	return name[0] != '.' && length > width && strcmp(name + length - width, ending) == 0;
}

char *read_text_file(const char *path, size_t *length, struct failure *failure) {
	struct stat status;
	if (stat(path, &status) < 0)
		fail(failure, EX_NOINPUT, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(status.st_mode))
		fail(failure, EX_DATAERR, "%s: not a regular file (remove it)", path);
	else
		return read_file(path, DOCUMENT_LIMIT, length, failure);
	return NULL;
}
