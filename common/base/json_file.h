/* json_file: the one reader of the JSON files in a model folder: configurations, indexes, states, tokenizers.
 *
 * It takes the JSON of RFC 8259 in UTF-8, with a byte order mark before it or not, and refuses what two readers could
 * understand differently: two members of one name in an object (names are compared after their escapes are decoded),
 * a NUL in a string (`\u0000`), half of a surrogate pair, anything after the value. The value of a file is an object.
 *
 * Python's `json` module writes two things that jansson does not take. They are read as follows, so that a file is
 * not refused for a member that nobody reads: an integer beyond 64 bits becomes a real number (the reference's
 * `model_max_length` of 10^30), and NaN, Infinity and -Infinity become strings of that spelling, which are no numbers
 * to whoever asks for one.
 *
 * Linking this file makes jansson's allocations end in memory_exhausted() where they fail (base/memory.h), so that
 * jansson never returns NULL or half of an object for want of memory. */
#ifndef CLOZE_BASE_JSON_FILE_H
#define CLOZE_BASE_JSON_FILE_H

#include <stddef.h>

#include <jansson.h>

#include "base/failure.h"

/* The object in a file of at most `limit` bytes. The caller owns it. NULL: 66 for a file that is not there or cannot be
 * opened, 74 where it cannot be read, 65 where it is too large, not JSON (the line is named) or not an object. */
json_t *json_file_read(const char *path, size_t limit, struct failure *failure);

/* The same for a file that a folder need not have: where there is no entry of that name (ENOENT and nothing else),
 * *object becomes NULL and the result is 0. -1: as above; *object is then NULL. */
int json_file_find(const char *folder, const char *file, size_t limit, json_t **object, struct failure *failure);

/* The object that a part of a file is; `name` says in messages where the text comes from. NULL: 65. */
json_t *json_object_parse(const char *text, size_t length, const char *name, struct failure *failure);

#endif
