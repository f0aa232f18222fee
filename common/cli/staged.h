/* staged: files and folders that appear whole or not at all.
 *
 * The content is made beside the target, under its name with a suffix of a dot and random letters, and renamed
 * to it when it is complete and synced. A program that ends in any other way (die(), a signal it can catch)
 * removes it; kill -9 leaves the suffixed name behind, and the target as it was. */
#ifndef CLOZE_CLI_STAGED_H
#define CLOZE_CLI_STAGED_H

#include <stdbool.h>

#include "cli/failure.h"

struct staged;

/* Begins a file that is to appear at `path`. A pipe or a device that is there already, such as a shell's
 * `>(command)`, is written to as it is. NULL: 73. */
struct staged *staged_file(const char *path, struct failure *failure);

/* Begins a folder that is to appear at `path`. An existing `path` is refused unless `replace`; the old folder is
 * then exchanged for the new one at the commit, and removed. NULL: 73. */
struct staged *staged_folder(const char *path, bool replace, struct failure *failure);

/* The descriptor of a file, open for writing; -1 for a folder. Owned by `staged`. */
int staged_descriptor(const struct staged *staged);

/* Where the content is until the commit: the folder to create files in. Owned by `staged`. */
const char *staged_path(const struct staged *staged);

/* Syncs the content, renames it into place, syncs the folder around it, and frees `staged`. -1: 74 or 73; the
 * content is then gone, and `staged` freed. */
int staged_commit(struct staged *staged, struct failure *failure);

/* Removes the content and frees `staged`. */
void staged_discard(struct staged *staged);

#endif
