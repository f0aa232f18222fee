/* tar: the regular files of a tar archive, one after the other, in one pass.
 *
 * Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Interchange Format"; GNU tar's long names ('L').
 * A size that lies, a damaged header, an archive cut short are refused with the member's name. Links, devices and
 * folders are passed over: nothing is ever written to disk. */
#ifndef CLOZE_CORPUS_TAR_H
#define CLOZE_CORPUS_TAR_H

#include <stdint.h>

#include "corpus/inflate.h"

struct tar_reader;

struct tar_member {
	const char *name; /* as stored; valid until the next call */
	uint64_t size;    /* bytes of content */
};

struct tar_reader *tar_open(struct inflate_reader *input, const char *name);
/* Goes on to the next regular file. Returns 1, 0 at the archive's end, -1: 65 or 74. */
int tar_next(struct tar_reader *tar, struct tar_member *member, struct failure *failure);
/* The current member's whole content, at most `limit` bytes (65 past that), with a NUL after it that is not counted.
 * free() releases it. NULL: 65 or 74. */
char *tar_content(struct tar_reader *tar, size_t limit, size_t *length, struct failure *failure);
void tar_close(struct tar_reader *tar);

#endif
