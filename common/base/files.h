/* files: whole files in and out, each write checked to the last byte. */
#ifndef CLOZE_BASE_FILES_H
#define CLOZE_BASE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

/* Opens a file for reading. Returns its descriptor; -1: 66. */
int open_file(const char *path, struct failure *failure);

/* The same for a file that must be one: a folder, a FIFO, a socket or a device is refused, and not waited for. A path below
 * /dev, as a shell's `<(command)` makes it, may be any of them but a folder. */
int open_regular(const char *path, struct failure *failure);

/* The name to give an input in messages: its path, or "standard input" for NULL. */
const char *input_name(const char *path);

/* The whole file, opened by open_regular(), as bytes, with a NUL after them that *length does not count. At most `limit` bytes (65 past that).
 * NULL: 66 when it cannot be opened, 74 when it cannot be read. free() releases it. */
char *read_file(const char *path, size_t limit, size_t *length, struct failure *failure);

/* Refuses what is often found in place of a model's file: a git-lfs pointer, an HTML page, a zip archive, a pickle. 0: the
 * bytes, the first of the file, are none of these. -1: 65, saying what they are and what to do. */
int refuse_mistaken_file(const char *path, const void *bytes, size_t length, struct failure *failure);

/* Whether the folder has an entry of that name. Only ENOENT means that it has none: an entry that cannot be looked at is
 * there, so that opening it says what is wrong. A link is there whatever it names. */
bool file_exists(const char *folder, const char *name);

/* Creates a file, or empties an existing one. Returns its descriptor; -1: 73. */
int create_file(const char *path, struct failure *failure);
/* Closes what create_file() opened. -1: 74. */
int close_file(int descriptor, const char *path, struct failure *failure);
/* Creates the file with these bytes. It is neither synced nor renamed (base/staged.h does that). -1: 73, 74. */
int write_file(const char *path, const void *bytes, size_t length, struct failure *failure);

/* Writes all bytes, however many write() takes at a time. -1: as write_status() says. */
int write_all(int descriptor, const void *bytes, size_t length, const char *name, struct failure *failure);

/* The exit status for a write that failed with this errno: 73 for a full disk; 153, which is 128 + SIGXFSZ, for a file
 * beyond the limit of `ulimit -f`, or 73 where SIGXFSZ is ignored; 141, which is 128 + SIGPIPE, for a pipe that nobody
 * reads any more, where SIGPIPE is blocked (cli/signals.h); otherwise 74. */
int write_status(int error);

#endif
