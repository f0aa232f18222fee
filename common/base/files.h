/* files: reads and writes whole files, and checks each write to the last byte. */
#ifndef CLOZE_BASE_FILES_H
#define CLOZE_BASE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

/* Opens a file for reading. Returns its descriptor; -1: 66. */
int open_file(const char *path, struct failure *failure);

/* The same for a regular file: a folder, a FIFO, a socket or a device is refused without waiting for it. A path below
 * /dev, such as a shell makes of `<(command)`, may be any of these but a folder. */
int open_regular(const char *path, struct failure *failure);

/* The name to give an input in messages: its path, or "standard input" for NULL. */
const char *input_name(const char *path);

/* Reads the whole file, opened by open_regular(). The bytes are followed by a NUL that *length does not count; free()
 * releases them. NULL: 66 when the file cannot be opened, 71 for lack of descriptors or memory, 74 when it cannot be read, 65
 * when it has more than `limit` bytes. */
char *read_file(const char *path, size_t limit, size_t *length, struct failure *failure);

/* Refuses a file that is often found in place of a model's file: a git-lfs pointer, an HTML page, a zip archive, a
 * pickle. `bytes` are the first bytes of the file. 0: the file is none of these. -1: 65; the message says what the file
 * is and what to do. */
int refuse_mistaken_file(const char *path, const void *bytes, size_t length, struct failure *failure);

/* Whether the folder has an entry of that name. Only ENOENT means that it has none: an entry whose status cannot be
 * read counts as there, so that opening it reports the error. A symbolic link counts even if its target is missing. */
bool file_exists(const char *folder, const char *name);

/* Lists the folder: the names of its entries but "." and "..", in the order of their bytes, with a NULL at the end;
 * free_names() releases them. A folder of which a part cannot be read is not listed. NULL: 66, 71, 74. */
char **list_folder(const char *folder, struct failure *failure);
/* Releases what list_folder() returned; NULL is ignored. */
void free_names(char **names);

/* Creates a file, or empties an existing one. Returns its descriptor; -1: 73. */
int create_file(const char *path, struct failure *failure);
/* Closes what create_file() opened. -1: 74. */
int close_file(int descriptor, const char *path, struct failure *failure);
/* Creates the file with these bytes. The file is neither synced nor renamed (base/staged.h does both). -1: 73, 74. */
int write_file(const char *path, const void *bytes, size_t length, struct failure *failure);

/* Writes all bytes, by as many calls of write() as it takes. -1: the status of write_status(). */
int write_all(int descriptor, const void *bytes, size_t length, const char *name, struct failure *failure);

/* The exit status for a write that failed with this errno: 73 for a full disk; 153, which is 128 + SIGXFSZ, for a file
 * beyond the limit of `ulimit -f`, or 73 if SIGXFSZ is ignored; 141, which is 128 + SIGPIPE, for a pipe without a
 * reader while SIGPIPE is blocked (cli/signals.h); otherwise 74. */
int write_status(int error);

#endif
