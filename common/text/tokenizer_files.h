/* tokenizer_files: the files of a tokenizer, kept in memory as they were read, so that it can be saved with every
 * checkpoint even where its folder is gone. For this room's own use. */
#ifndef CLOZE_TEXT_TOKENIZER_FILES_H
#define CLOZE_TEXT_TOKENIZER_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/failure.h"

enum tokenizer_file { FILE_TOKENIZER, FILE_VOCABULARY, FILE_CONFIG, FILE_SPECIAL_TOKENS, FILE_ADDED_TOKENS,
	TOKENIZER_FILES };

/* The bytes of each file, with a NUL after them; NULL: there is no such file. */
struct tokenizer_files {
	char *path[TOKENIZER_FILES]; /* for messages */
	char *bytes[TOKENIZER_FILES];
	size_t length[TOKENIZER_FILES];
};

/* Whether the folder has a tokenizer, readable or not: a tokenizer.json or a vocab.txt. */
bool tokenizer_is_there(const char *folder);

/* Reads those that the folder has. -1: 66, 74 or 65 for one that is there and cannot be read, or is larger than 256
 * MiB. */
int tokenizer_files_read(const char *folder, struct tokenizer_files *files, struct failure *failure);

/* A vocab.txt, and the tokenizer_config.json that says how it is used: bert-base-uncased's rules, or bert-base-cased's.
 * -1: likewise. */
int tokenizer_files_from_vocabulary(const char *path, bool cased, struct tokenizer_files *files,
	struct failure *failure);

/* The object in one of the files; *json becomes NULL where there is no such file. The caller owns it. -1: 65. */
int tokenizer_files_parse(const struct tokenizer_files *files, enum tokenizer_file which, json_t **json,
	struct failure *failure);

/* Writes them into a folder. -1: 73, 74. */
int tokenizer_files_write(const struct tokenizer_files *files, const char *folder, struct failure *failure);

void tokenizer_files_clear(struct tokenizer_files *files);

#endif
