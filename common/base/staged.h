/* staged: builds files and folders that appear whole or not at all.
 *
 * The content is made beside the target, under the target's name with `.unfinished-` and a checksum of the name, and is
 * renamed to the target when it is complete and synced. Until then it is locked by flock(2): a second program that
 * begins the same target is refused, with the process id of the first one. A program that ends early, by die() or by a
 * signal (cli/signals.h), removes the unfinished content. kill -9 leaves it behind, and the target as it was; the next
 * program that begins the same target empties and reuses it. */
#ifndef CLOZE_BASE_STAGED_H
#define CLOZE_BASE_STAGED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

struct staged;

/* Begins a file that is to appear at `path`. If `path` is a pipe or a device, such as a shell makes of `>(command)`, it
 * is written to directly. An existing file is replaced by one of the same mode. NULL: 73; 71, there is no thread for
 * signals. */
struct staged *staged_file(const char *path, struct failure *failure);

/* Begins a folder that is to appear at `path`. An existing `path` is refused unless `replace`: then the old folder is
 * locked too, and the commit gives its mode and its name to the new folder and removes it. The new folder stays locked
 * for as long as its descriptor, or a copy of it, is open. NULL: 73; 71. */
struct staged *staged_folder(const char *path, bool replace, struct failure *failure);

/* The descriptor of the file, open for writing, or of the folder. Owned by `staged`. */
int staged_descriptor(const struct staged *staged);

/* The path of the content until the commit: the folder to create files in. Owned by `staged`. */
const char *staged_path(const struct staged *staged);

/* Syncs the content, renames it into place, syncs the folder that contains it, and frees `staged` in any case. -1: 74
 * or 73; the content is then removed, except for a folder that could be synced but not renamed: it is kept under
 * another name, which the failure reports. */
int staged_commit(struct staged *staged, struct failure *failure);

/* Moves the files of a staged folder one by one into another folder of the same file system, which keeps its other
 * files; the file called `last` is moved when all others are there and synced. Frees `staged`. -1: 74 or 73; some files
 * may then be in place, but `last` is not. */
int staged_merge(struct staged *staged, const char *folder, const char *last, struct failure *failure);

/* Locks an existing folder for as long as the returned descriptor, or a copy of it, is open. -1: 73, there is no such
 * folder, or another process, whose id the failure reports, has locked it. */
int lock_folder(const char *path, struct failure *failure);

/* Removes the content and frees `staged`. */
void staged_discard(struct staged *staged);

/* Sets a function that is called before each file or folder is begun. It arranges that remove_unfinished() runs when a
 * signal ends the program (cli/signals.h). If it returns -1, nothing is begun. */
void staged_on_first(int (*prepare)(struct failure *failure));

/* Removes every unfinished file and folder, and keeps the list of them locked, because the program is ending. Any
 * thread may call it. */
void remove_unfinished(void);

/* Removes a file, or a folder with all it holds. */
void remove_tree(const char *path);

/* Removes the unfinished folders in `folder` that no running program has locked: those of `target`, or all for NULL.
 * Returns how many unfinished folders there were; a folder that cannot be read has none. */
size_t remove_left_behind(const char *folder, const char *target);

#endif
