/* aclimdb: a review is told by the last two folders of its path, whatever is above them. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "corpus/source.h"
#include "corpus/tar.h"
#include "corpus/text_files.h"

const char *const split_names[SPLITS] = { "train", "test", "unsupervised" };
static const char *const split_files[SPLITS] = { "train/neg/*.txt and train/pos/*.txt",
	"test/neg/*.txt and test/pos/*.txt", "train/unsup/*.txt" };

enum { CLASSES = 5 };
static const struct class { const char *folder; int split; int64_t label; } classes[CLASSES] = {
	{ "train/neg/", 0, 0 }, { "train/pos/", 0, 1 }, { "test/neg/", 1, 0 }, { "test/pos/", 1, 1 },
	{ "train/unsup/", 2, -1 },
};

struct imdb_source {
	struct source source;
	const char *name;        /* of the archive or folder */
	struct splits splits;
	bool found[SPLITS];
	struct tar_reader *tar;
	/* Of a folder: */
	int class;               /* the one it is at, CLASSES after the last */
	DIR *directory;          /* NULL: the class is still to be begun */
	char *text, *member;     /* of the document at hand */
};

int splits_parse(const char *list, struct splits *splits, struct failure *failure) {
	int given = 0;
	splits->all = strcmp(list, "all") == 0;
	for (int split = 0; split < SPLITS; split++)
		splits->rank[split] = -1;
	for (const char *word = splits->all ? "train,test,unsupervised" : list; word != NULL;) {
		size_t length = strcspn(word, ",");
		int split = 0;
		while (split < SPLITS && !(strlen(split_names[split]) == length
			&& strncmp(word, split_names[split], length) == 0))
			split++;
		if (split == SPLITS)
			return fail(failure, EX_USAGE, "--split: %.*s is none of train, test, unsupervised, all (see --help)",
				(int)length, word);
		if (splits->rank[split] >= 0)
			return fail(failure, EX_USAGE, "--split: %s is named twice", split_names[split]);
		splits->rank[split] = given++;
		word = word[length] == ',' ? word + length + 1 : NULL;
	}
	return 0;
}

static struct imdb_source *imdb_source(struct source *source) {
	return (struct imdb_source *)source;
}

bool is_imdb_folder(const char *path) {
	bool found = false;
	for (int class = 0; class < CLASSES && !found; class++)
		found = file_exists(path, classes[class].folder);
	return found;
}

/* The class of a member; *name is where its last two folders begin. NULL: no document that was asked for. */
static const struct class *find_class(const struct imdb_source *source, const char *path, const char **name) {
	const char *slash = strrchr(path, '/');
	if (slash == NULL || !file_ends_in(slash + 1, ".txt"))
		return NULL;
	for (const struct class *class = classes; class < classes + CLASSES; class++) {
		size_t length = strlen(class->folder), before = (size_t)(slash + 1 - path);
		if (source->splits.rank[class->split] < 0 || before < length)
			continue;
		*name = slash + 1 - length;
		if (strncmp(*name, class->folder, length) == 0 && (*name == path || (*name)[-1] == '/'))
			return class;
	}
	return NULL;
}

static void describe(struct imdb_source *source, const struct class *class, const char *name,
	struct document *document) {
	source->found[class->split] = true;
	document->name = name;
	document->name_length = strlen(name);
	document->label = class->label;
	document->rank = source->splits.rank[class->split];
	document->replaced = 0;
}

/* Returns 0 where all that was asked for has been there. */
static int check_splits(const struct imdb_source *source, struct failure *failure) {
	bool any = false;
	for (int split = 0; split < SPLITS; split++) {
		any |= source->found[split];
		if (source->splits.rank[split] >= 0 && !source->found[split] && !source->splits.all)
			return fail(failure, EX_DATAERR, "%s: no documents of the split %s (looked for %s)", source->name,
				split_names[split], split_files[split]);
	}
	if (!any)
		return fail(failure, EX_DATAERR, "%s: no documents (looked for train/neg/*.txt and the like)", source->name);
	return 0;
}

static int next_member(struct source *base, struct document *document, struct failure *failure) {
	struct imdb_source *source = imdb_source(base);
	struct tar_member member;
	const struct class *class = NULL;
	const char *name = NULL;
	int result;
	while (class == NULL && (result = tar_next(source->tar, &member, failure)) == 1)
		if (member.kind != TAR_FOLDER)
			class = find_class(source, member.name, &name);
	if (class == NULL)
		return result < 0 ? -1 : check_splits(source, failure);
	if (member.kind != TAR_FILE)
		return fail(failure, EX_DATAERR, "%s: %s: %s (make the archive %s)", source->name, member.name,
			member.kind == TAR_LINK ? "a link, with no text of its own" : "not a regular file",
			member.kind == TAR_LINK ? "with --dereference --hard-dereference" : "without it");
	document->text = tar_content(source->tar, DOCUMENT_LIMIT, &document->text_length, failure);
	if (document->text == NULL)
		return -1;
	describe(source, class, name, document);
	return 1;
}

static void close_source(struct source *source) {
	tar_close(imdb_source(source)->tar);
	if (imdb_source(source)->directory != NULL)
		closedir(imdb_source(source)->directory);
	free(imdb_source(source)->text);
	free(imdb_source(source)->member);
	free(source);
}

/* The file of the current class that is next in its folder. Returns its name, NULL after the last; errno tells whether
 * the reading failed. */
static const char *next_entry(struct imdb_source *source) {
	struct dirent *entry;
	do {
		errno = 0;
		entry = readdir(source->directory);
	} while (entry != NULL && !file_ends_in(entry->d_name, ".txt"));
	return entry == NULL ? NULL : entry->d_name;
}

/* Opens the folder of the next class that was asked for and is there. Returns 1, 0 after the last class, -1. */
static int next_class(struct imdb_source *source, struct failure *failure) {
	for (; source->class < CLASSES; source->class++) {
		const struct class *class = &classes[source->class];
		if (source->splits.rank[class->split] < 0)
			continue;
		char *folder = format_text("%s/%s", source->name, class->folder);
		source->directory = opendir(folder);
		int error = source->directory == NULL && errno != ENOENT ? errno : 0;
		if (error != 0)
			fail(failure, EX_NOINPUT, "%s: %s", folder, strerror(error));
		free(folder);
		if (error != 0)
			return -1;
		if (source->directory != NULL)
			return 1;
	}
	return 0;
}

static int read_entry(struct imdb_source *source, const char *entry, struct document *document,
	struct failure *failure) {
	const struct class *class = &classes[source->class];
	free(source->text);
	free(source->member);
	source->member = format_text("%s%s", class->folder, entry);
	char *path = format_text("%s/%s", source->name, source->member);
	source->text = read_text_file(path, &document->text_length, failure);
	free(path);
	if (source->text == NULL)
		return -1;
	document->text = source->text;
	describe(source, class, source->member, document);
	return 1;
}

static int next_file(struct source *base, struct document *document, struct failure *failure) {
	struct imdb_source *source = imdb_source(base);
	for (;;) {
		int result = source->directory != NULL ? 1 : next_class(source, failure);
		if (result <= 0)
			return result < 0 ? -1 : check_splits(source, failure);
		const char *entry = next_entry(source);
		if (entry != NULL)
			return read_entry(source, entry, document, failure);
		if (errno != 0)
			return fail(failure, EX_IOERR, "%s/%s: %s", source->name, classes[source->class].folder, strerror(errno));
		closedir(source->directory);
		source->directory = NULL;
		source->class++;
	}
}

static struct imdb_source *create(const char *name, const struct splits *splits) {
	struct imdb_source *source = allocate(1, sizeof *source);
	source->source.close = close_source;
	source->name = name;
	source->splits = *splits;
	return source;
}

struct source *source_archive(struct inflate_reader *input, const char *name, const struct splits *splits) {
	struct imdb_source *source = create(name, splits);
	source->source.next = next_member;
	source->tar = tar_open(input, name);
	return &source->source;
}

struct source *source_folder(const char *path, const struct splits *splits) {
	struct imdb_source *source = create(path, splits);
	source->source.next = next_file;
	return &source->source;
}
