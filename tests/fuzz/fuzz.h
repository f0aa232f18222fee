/* fuzz: gives the fuzzer's bytes as a file to functions that read files. */
#ifndef CLOZE_TESTS_FUZZ_H
#define CLOZE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/staged.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* libFuzzer calls it */

/* A descriptor of a file in memory with these bytes, at its beginning; valid until the next call. */
static inline int bytes_as_descriptor(const uint8_t *data, size_t size) {
	static int descriptor = -1;
	if (descriptor >= 0)
		close(descriptor);
	descriptor = memfd_create("fuzz", 0);
	if (descriptor < 0 || write(descriptor, data, size) != (ssize_t)size || lseek(descriptor, 0, SEEK_SET) != 0)
		abort();
	return descriptor;
}

/* A path of such a file. */
static inline const char *bytes_as_path(const uint8_t *data, size_t size) {
	static char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", bytes_as_descriptor(data, size));
	return path;
}

static char own_folder[] = "/tmp/cloze-fuzz.XXXXXX";

static inline void remove_own_folder(void) {
	remove_tree(own_folder);
}

/* The fuzzer's own folder, which goes when that ends. */
static inline const char *make_own_folder(void) {
	static bool made;
	if (!made && (mkdtemp(own_folder) == NULL || atexit(remove_own_folder) != 0))
		abort();
	made = true;
	return own_folder;
}

/* A folder in which such a file is called `name`. */
static inline const char *bytes_as_folder(const uint8_t *data, size_t size, const char *name) {
	char path[128];
	snprintf(path, sizeof path, "%s/%s", make_own_folder(), name);
	unlink(path);
	if (symlink(bytes_as_path(data, size), path) < 0)
		abort();
	return own_folder;
}

#endif
