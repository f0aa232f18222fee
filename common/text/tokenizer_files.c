/* tokenizer_files: whole files in, and the same bytes out. */
#include "text/tokenizer_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json_file.h"
#include "base/memory.h"
#include "text/tokenizer.h"

#define LARGEST_FILE ((size_t)256 << 20)

static const char *const names[TOKENIZER_FILES] = { [FILE_TOKENIZER] = "tokenizer.json",
	[FILE_VOCABULARY] = "vocab.txt", [FILE_CONFIG] = "tokenizer_config.json",
	[FILE_SPECIAL_TOKENS] = "special_tokens_map.json", [FILE_ADDED_TOKENS] = "added_tokens.json" };

static int read_one(struct tokenizer_files *files, enum tokenizer_file which, struct failure *failure) {
	files->bytes[which] = read_file(files->path[which], LARGEST_FILE, &files->length[which], failure);
	return files->bytes[which] == NULL ? -1
		: refuse_mistaken_file(files->path[which], files->bytes[which], files->length[which], failure);
}

bool tokenizer_is_there(const char *folder) {
	return file_exists(folder, names[FILE_TOKENIZER]) || file_exists(folder, names[FILE_VOCABULARY]);
}

int tokenizer_files_read(const char *folder, struct tokenizer_files *files, struct failure *failure) {
	*files = (struct tokenizer_files){ 0 };
	for (enum tokenizer_file i = 0; i < TOKENIZER_FILES; i++) {
		files->path[i] = format_text("%s/%s", folder, names[i]);
		if (file_exists(folder, names[i]) && read_one(files, i, failure) < 0) {
			tokenizer_files_clear(files);
			return -1;
		}
	}
	return 0;
}

int tokenizer_files_from_vocabulary(const char *path, bool cased, struct tokenizer_files *files,
	struct failure *failure) {
	*files = (struct tokenizer_files){ .path = { [FILE_VOCABULARY] = copy_text(path) } };
	if (read_one(files, FILE_VOCABULARY, failure) < 0) {
		tokenizer_files_clear(files);
		return -1;
	}
	files->path[FILE_CONFIG] = copy_text(names[FILE_CONFIG]);
	files->bytes[FILE_CONFIG] = format_text("{\n  \"tokenizer_class\": \"BertTokenizer\",\n  \"do_lower_case\": %s,\n"
		"  \"strip_accents\": null,\n  \"tokenize_chinese_chars\": true\n}\n", cased ? "false" : "true");
	files->length[FILE_CONFIG] = strlen(files->bytes[FILE_CONFIG]);
	return 0;
}

int tokenizer_files_parse(const struct tokenizer_files *files, enum tokenizer_file which, json_t **json,
	struct failure *failure) {
	*json = NULL;
	if (files->bytes[which] == NULL)
		return 0;
	*json = json_object_parse(files->bytes[which], files->length[which], files->path[which], failure);
	return *json == NULL ? -1 : 0;
}

int tokenizer_files_write(const struct tokenizer_files *files, const char *folder, struct failure *failure) {
	for (int i = 0; i < TOKENIZER_FILES; i++) {
		if (files->bytes[i] == NULL)
			continue;
		char *path = format_text("%s/%s", folder, names[i]);
		int result = write_file(path, files->bytes[i], files->length[i], failure);
		free(path);
		if (result < 0)
			return -1;
	}
	return 0;
}

void tokenizer_files_clear(struct tokenizer_files *files) {
	for (int i = 0; i < TOKENIZER_FILES; i++) {
		free(files->path[i]);
		free(files->bytes[i]);
	}
	*files = (struct tokenizer_files){ 0 };
}
