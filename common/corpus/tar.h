/* tar: the members of a tar archive, one after the other, in one pass.
 *
 * Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Interchange Format"; GNU tar's long names ('L', 'K').
 * A size that lies, a damaged header, a sparse file, an archive cut short are refused with the member's name. Nothing
 * is ever written to disk, so that a name or a link cannot lead anywhere.
 *
 * Why not libarchive: fed by our inflater, its version 3.6 takes an archive without an end marker, bytes after the
 * end and sparse files without a word, each of which we refuse because documents may be missing or invented, and the
 * train split of aclImdb takes it 1.25 times as long compressed, and 2.1 times uncompressed (measured side by side on
 * one machine). */
#ifndef CLOZE_CORPUS_TAR_H
#define CLOZE_CORPUS_TAR_H

#include <stdbool.h>
#include <stdint.h>

#include "corpus/inflate.h"

struct tar_reader;

/* Links are hard or symbolic; devices are among what else there is. */
enum tar_kind { TAR_FILE, TAR_FOLDER, TAR_LINK, TAR_OTHER };

struct tar_member {
	const char *name; /* as stored; valid until the next call */
	enum tar_kind kind;
	uint64_t size;    /* bytes of content */
};

/* `name`, borrowed, is the archive's in messages. */
struct tar_reader *tar_open(struct inflate_reader *input, const char *name);
/* Goes on to the next member. Returns 1, 0 at the archive's end, -1: 65 or 74. */
int tar_next(struct tar_reader *tar, struct tar_member *member, struct failure *failure);
/* The current member's whole content, at most `limit` bytes (65 past that), with a NUL after it that is not counted.
 * Valid until the next call. NULL: 65 or 74. */
const char *tar_content(struct tar_reader *tar, size_t limit, size_t *length, struct failure *failure);
void tar_close(struct tar_reader *tar);

/* Whether the first bytes of a file are an archive's: a header whose checksum holds, or the end of an empty one. */
bool tar_begins(const char *bytes, size_t length);

#endif
