/* folder: what a folder that is not an IMDB one holds: the shards of a data set, or files of plain text. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/files.h"
#include "base/json_file.h"
#include "base/memory.h"
#include "corpus/source.h"
#include "corpus/text_files.h"

enum { LARGEST_STATE = 16 << 20 };

/* ---- names ------------------------------------------------------------------------------------------------- */

static bool is_text(const char *name) {
	return file_ends_in(name, ".txt");
}

static bool is_stream(const char *name) {
	return file_ends_in(name, ".arrow") || file_ends_in(name, ".arrows");
}

static void add_path(char ***paths, size_t *count, char *path) {
	*paths = grow(*paths, *count + 2, sizeof **paths);
	(*paths)[(*count)++] = path;
	(*paths)[*count] = NULL;
}

/* Adds the paths of the folder's files that are wanted, in the byte order of their names. -1: 66, 71, 74. */
static int list_files(const char *folder, bool (*wanted)(const char *name), char ***paths, size_t *count,
	struct failure *failure) {
	char **names = list_folder(folder, failure);
	for (char **name = names; name != NULL && *name != NULL; name++)
		if (wanted(*name))
			add_path(paths, count, format_text("%s/%s", folder, *name));
	free_names(names);
	return names == NULL ? -1 : 0;
}

/* ---- shards ------------------------------------------------------------------------------------------------ */

/* The files that state.json lists. */
static int list_state(const char *folder, const json_t *state, char ***paths, size_t *count, struct failure *failure) {
	const json_t *files = json_object_get(state, "_data_files");
	size_t i;
	json_t *file;
	if (!json_is_array(files))
		return fail(failure, EX_DATAERR, "%s/state.json: no list \"_data_files\" (not one of Dataset.save_to_disk)",
			folder);
	json_array_foreach((json_t *)(uintptr_t)files, i, file) {
		const char *name = json_string_value(json_object_get(file, "filename"));
		if (name == NULL || strchr(name, '/') != NULL)
			return fail(failure, EX_DATAERR, "%s/state.json: \"_data_files\" has an entry without the \"filename\" of "
				"a file in the folder", folder);
		add_path(paths, count, format_text("%s/%s", folder, name));
	}
	return 0;
}

static int list_shards(const char *folder, char ***paths, size_t *count, struct failure *failure) {
	json_t *state;
	if (json_file_find(folder, "state.json", LARGEST_STATE, &state, failure) < 0)
		return -1;
	int result = state != NULL ? list_state(folder, state, paths, count, failure)
		: list_files(folder, is_stream, paths, count, failure);
	json_decref(state);
	return result;
}

static bool is_listed(const json_t *splits, const char *name) {
	size_t i;
	json_t *split;
	json_array_foreach((json_t *)(uintptr_t)splits, i, split)
		if (json_is_string(split) && strcmp(json_string_value(split), name) == 0)
			return true;
	return false;
}

static int list_split(const char *folder, const char *split, char ***paths, size_t *count, struct failure *failure) {
	char *path = format_text("%s/%s", folder, split);
	int result = list_shards(path, paths, count, failure);
	free(path);
	return result;
}

/* The shards of a DatasetDict: of the splits asked for, in that order, or of all that it lists. */
static int list_splits(const char *folder, const json_t *listed, const struct splits *splits, char ***paths,
	size_t *count, struct failure *failure) {
	size_t i;
	json_t *split;
	if (splits->all)
		json_array_foreach((json_t *)(uintptr_t)listed, i, split)
			if (!json_is_string(split) || list_split(folder, json_string_value(split), paths, count, failure) < 0)
				return json_is_string(split) ? -1
					: fail(failure, EX_DATAERR, "%s/dataset_dict.json: a split without a name", folder);
	for (int rank = 0; rank < SPLITS && !splits->all; rank++)
		for (int wanted = 0; wanted < SPLITS; wanted++) {
			if (splits->rank[wanted] != rank)
				continue;
			if (!is_listed(listed, split_names[wanted]))
				return fail(failure, EX_DATAERR, "%s: no split %s (dataset_dict.json does not list it)", folder,
					split_names[wanted]);
			if (list_split(folder, split_names[wanted], paths, count, failure) < 0)
				return -1;
		}
	return 0;
}

char **find_shards(const char *folder, const struct splits *splits, struct failure *failure) {
	char **paths = allocate(1, sizeof *paths);
	size_t count = 0;
	json_t *dict;
	int result = json_file_find(folder, "dataset_dict.json", LARGEST_STATE, &dict, failure);
	if (result == 0 && dict != NULL)
		result = list_splits(folder, json_object_get(dict, "splits"), splits, &paths, &count, failure);
	else if (result == 0)
		result = list_shards(folder, &paths, &count, failure);
	json_decref(dict);
	if (result < 0) {
		free_names(paths);
		return NULL;
	}
	return paths;
}

/* ---- plain text -------------------------------------------------------------------------------------------- */

struct text_source {
	struct source source;
	char **paths, **next;
	char *text; /* of the document at hand */
};

static int next_text(struct source *base, struct document *document, struct failure *failure) {
	struct text_source *source = (struct text_source *)base;
	const char *path = *source->next;
	free(source->text);
	source->text = NULL;
	if (path == NULL)
		return 0;
	source->next++;
	*document = (struct document){ .label = -1, .name = strrchr(path, '/') + 1 };
	document->name_length = strlen(document->name);
	document->text = source->text = read_text_file(path, &document->text_length, failure);
	return source->text != NULL ? 1 : -1;
}

static void close_texts(struct source *base) {
	struct text_source *source = (struct text_source *)base;
	free_names(source->paths);
	free(source->text);
	free(source);
}

struct source *source_texts(const char *folder, struct failure *failure) {
	char **paths = allocate(1, sizeof *paths);
	size_t count = 0;
	int result = list_files(folder, is_text, &paths, &count, failure);
	if (result == 0 && count == 0)
		result = fail(failure, EX_DATAERR, "%s: no documents (looked for train/neg/*.txt and the like, *.arrow and "
			"*.txt)", folder);
	if (result < 0) {
		free_names(paths);
		return NULL;
	}
	struct text_source *source = allocate(1, sizeof *source);
	*source = (struct text_source){ { next_text, close_texts }, .paths = paths, .next = paths };
	return &source->source;
}
