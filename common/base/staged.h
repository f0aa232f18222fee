/* staged: files and folders that appear whole or not at all.
 *
 * The content is made beside the target, under its name with `.unfinished-` and a checksum of the name, and renamed to the
 * target when it is complete and synced. It is locked by flock(2) until then: a second program that begins the same target is
 * refused and told the first one's process id, and what a killed program left there is taken over, emptied. A program that ends in any other way (die(), a signal that it does not handle itself)
 * removes it (cli/signals.h takes the signals); kill -9 leaves the unfinished name behind, and the target as it was. */
#ifndef CLOZE_BASE_STAGED_H
#define CLOZE_BASE_STAGED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

struct staged;

/* Begins a file that is to appear at `path`. A pipe or a device that is there already, such as a shell's
 * `>(command)`, is written to as it is. An existing file is replaced by one of the same mode. NULL: 73; 71 where no thread can be had for
 * signals. */
struct staged *staged_file(const char *path, struct failure *failure);

/* Begins a folder that is to appear at `path`. An existing `path` is refused unless `replace`; the old folder is then
 * exchanged for the new one at the commit, which takes its mode, and removed; until then the old folder is locked as well. The
 * new folder stays locked for as long as its descriptor, or a copy of it, is open. NULL: 73; 71. */
struct staged *staged_folder(const char *path, bool replace, struct failure *failure);

/* The descriptor of a file, open for writing, or of a folder. Owned by `staged`. */
int staged_descriptor(const struct staged *staged);

/* Where the content is until the commit: the folder to create files in. Owned by `staged`. */
const char *staged_path(const struct staged *staged);

/* Syncs the content, renames it into place, syncs the folder around it, and frees `staged`. -1: 74 or 73; the content is
 * then gone, but for a folder that could be synced and not renamed: it is kept under another name, which the failure tells.
 * `staged` is freed in any case. */
int staged_commit(struct staged *staged, struct failure *failure);

/* Moves the files of a staged folder into another one, of the same file system, which keeps what else it holds: one by
 * one, the one called `last` when all others are there and synced. Frees `staged`. -1: 74 or 73; some files may then
 * be in place, `last` is not. */
int staged_merge(struct staged *staged, const char *folder, const char *last, struct failure *failure);

/* Locks a folder that exists, for as long as the descriptor that it returns, or a copy of it, is open. -1: 73, there is no
 * such folder, or another process has locked it, whose id the failure tells. */
int lock_folder(const char *path, struct failure *failure);

/* Removes the content and frees `staged`. */
void staged_discard(struct staged *staged);

/* Sets what is called before a file or folder is begun, so that the program sees to it that remove_unfinished() runs when a
 * signal ends it (cli/signals.h). -1: nothing is begun. */
void staged_on_first(int (*prepare)(struct failure *failure));

/* Removes all that is unfinished, and keeps the list of it locked: the program ends. From any thread. */
void remove_unfinished(void);

/* Removes a file, or a folder with all it holds. */
void remove_tree(const char *path);

/* Removes the unfinished folders in `folder` that no running program has locked: all, or those that were to be called
 * `target`. Returns how many there were. */
size_t remove_left_behind(const char *folder, const char *target);

#endif
