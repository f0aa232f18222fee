/* json_file: reads the JSON files of a model folder: configurations, indexes, states, tokenizers.
 *
 * The reader takes the JSON of RFC 8259 in UTF-8, with or without a byte order mark, and refuses what two readers could
 * understand differently: two members of one name in an object (names are compared after their escapes are decoded),
 * a NUL in a string (`\u0000`), half of a surrogate pair, and anything after the value. The value of a file is an
 * object.
 *
 * Python's `json` module writes two kinds of value that jansson does not take. So that a file is not refused for a
 * member that no program uses, an integer beyond 64 bits (the reference's `model_max_length` of 10^30) is read as a
 * real number, and NaN, Infinity and -Infinity are read as strings of that spelling, which every use as a number
 * refuses. */
#ifndef CLOZE_BASE_JSON_FILE_H
#define CLOZE_BASE_JSON_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"

/* The object in a file of at most `limit` bytes. The caller owns it. NULL: 66 if the file does not exist or cannot be
 * opened, 74 if it cannot be read, 65 if it is too large, not JSON (the message names the line) or not an object. */
json_t *json_file_read(const char *path, size_t limit, struct failure *failure);

/* The same for a file that a folder need not have: without an entry of that name (file_exists()), *object becomes NULL
 * and the result is 0. -1: as above; *object is then NULL. */
int json_file_find(const char *folder, const char *file, size_t limit, json_t **object, struct failure *failure);

/* Parses a text that holds an object; `name` says in messages where the text comes from. NULL: 65. */
json_t *json_object_parse(const char *text, size_t length, const char *name, struct failure *failure);

/* The text as a JSON string, which the caller owns. JSON cannot hold bytes that are not UTF-8: in a text with such bytes
 * every byte that is not ASCII becomes '?'. */
json_t *json_text(const char *text, size_t length);

/* The CRC-32 of a value's compact text with sorted members, which does not depend on the layout of the file. */
uint32_t json_crc(const json_t *value);

/* The length of the string that a text begins with, both quotes included; of the whole text if the string has no end. */
size_t json_quoted_length(const char *text, size_t length);

#endif
