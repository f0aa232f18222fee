/* text_files: documents that are files of their own. For this room's own use. */
#ifndef CLOZE_CORPUS_TEXT_FILES_H
#define CLOZE_CORPUS_TEXT_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

/* Whether a file's name ends in `ending`, such as ".txt", with something before it other than a dot. */
bool file_ends_in(const char *name, const char *ending);

/* Reads a document that is a file of its own, at most DOCUMENT_LIMIT bytes. free() releases it. NULL: 66 for a file that
 * is not there, 65 for one that is no regular file or too long, or as read_file(). */
char *read_text_file(const char *path, size_t *length, struct failure *failure);

#endif
