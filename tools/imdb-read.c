/* Documents come from the archive or the folder in any order, are held, sorted and written. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "corpus/inflate.h"
#include "corpus/tar.h"
#include "record/stream.h"
#include "text/utf8.h"

enum { DOCUMENT_LIMIT = 64 << 20 }; /* bytes: no review, and no bomb that fills the memory by itself */

static const char *split_list = "all";
static int64_t limit = 0;

static const struct option_entry options[] = {
	OPTION_TEXT("split", &split_list, "LIST", "train, test, unsupervised, several with commas between, or all"),
	OPTION_INTEGER("limit", &limit, 1, INT64_C(1) << 53, "N", "only the first N documents"),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[ARCHIVE|FOLDER]",
	.summary = "Reads the reviews of an aclImdb archive or folder as text records.",
	.example = "imdb-read --split train aclImdb_v1.tar.gz | rec-dump | head -n 1",
};

/* Where documents of a class are, and where they stand in the output. */
enum { SPLITS = 3, CLASSES = 5 };
static const char *const split_names[SPLITS] = { "train", "test", "unsupervised" };
static const struct class { const char *folder; int split; int64_t label; } classes[CLASSES] = {
	{ "train/neg/", 0, 0 }, { "train/pos/", 0, 1 }, { "test/neg/", 1, 0 }, { "test/pos/", 1, 1 },
	{ "train/unsup/", 2, -1 },
};

struct document {
	char *name; /* "train/neg/0_3.txt" */
	char *text;
	size_t length;
	const struct class *class;
};

struct corpus {
	const char *source;
	int rank[SPLITS]; /* the place of a split in the output, -1 if it was not asked for */
	bool all;
	struct document *documents;
	size_t count, room;
};

static void parse_splits(struct corpus *corpus) {
	int given = 0;
	for (int split = 0; split < SPLITS; split++)
		corpus->rank[split] = -1;
	corpus->all = strcmp(split_list, "all") == 0;
	for (const char *word = corpus->all ? "train,test,unsupervised" : split_list; word != NULL;) {
		size_t length = strcspn(word, ",");
		int split = 0;
		while (split < SPLITS && !(strlen(split_names[split]) == length
			&& strncmp(word, split_names[split], length) == 0))
			split++;
		if (split == SPLITS)
			die(EX_USAGE, "--split: %.*s is none of train, test, unsupervised, all (see --help)", (int)length, word);
		if (corpus->rank[split] >= 0)
			die(EX_USAGE, "--split: %s is named twice", split_names[split]);
		corpus->rank[split] = given++;
		word = word[length] == ',' ? word + length + 1 : NULL;
	}
}

/* Whether a file of that name is a review. */
static bool is_review(const char *file) {
	size_t length = strlen(file);
	return file[0] != '.' && length > 4 && strcmp(file + length - 4, ".txt") == 0;
}

/* The class of a member by the last two folders of its path; *name is where they begin. NULL: no document that
 * was asked for. */
static const struct class *find_class(const struct corpus *corpus, const char *path, const char **name) {
	const char *slash = strrchr(path, '/');
	if (slash == NULL || !is_review(slash + 1))
		return NULL;
	for (const struct class *class = classes; class < classes + CLASSES; class++) {
		size_t length = strlen(class->folder), before = (size_t)(slash + 1 - path);
		if (corpus->rank[class->split] < 0 || before < length)
			continue;
		*name = slash + 1 - length;
		if (strncmp(*name, class->folder, length) == 0 && (*name == path || (*name)[-1] == '/'))
			return class;
	}
	return NULL;
}

static void keep(struct corpus *corpus, const struct class *class, char *name, char *text, size_t length) {
	if (corpus->count == corpus->room)
		corpus->documents = grow(corpus->documents, corpus->room = corpus->room * 2 + 1024,
			sizeof *corpus->documents);
	corpus->documents[corpus->count++] = (struct document){ name, text, length, class };
	progress((int64_t)corpus->count, -1, "documents");
}

static void read_archive(struct corpus *corpus, const char *path) {
	struct failure failure;
	struct tar_member member;
	int descriptor = open_input(path);
	struct inflate_reader *input = inflate_open(descriptor, corpus->source);
	struct tar_reader *tar = tar_open(input, corpus->source);
	while (check(tar_next(tar, &member, &failure), &failure) == 1) {
		const char *name;
		const struct class *class = find_class(corpus, member.name, &name);
		if (class == NULL)
			continue;
		size_t length;
		char *text = tar_content(tar, DOCUMENT_LIMIT, &length, &failure);
		if (text == NULL)
			die_failure(&failure);
		keep(corpus, class, copy_text(name), text, length);
	}
	tar_close(tar);
	inflate_close(input);
	close(descriptor);
}

static void read_class(struct corpus *corpus, const struct class *class) {
	char *folder = format_text("%s/%s", corpus->source, class->folder);
	DIR *directory = opendir(folder);
	if (directory == NULL && errno != ENOENT)
		die(EX_NOINPUT, "%s: %s", folder, strerror(errno));
	for (struct dirent *entry; directory != NULL && (errno = 0, entry = readdir(directory)) != NULL;) {
		struct failure failure;
		struct stat status;
		size_t length;
		char *path = format_text("%s%s", folder, entry->d_name);
		if (is_review(entry->d_name) && stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
			char *text = read_file(path, DOCUMENT_LIMIT, &length, &failure);
			if (text == NULL)
				die_failure(&failure);
			keep(corpus, class, format_text("%s%s", class->folder, entry->d_name), text, length);
		}
		free(path);
	}
	if (directory != NULL && errno != 0)
		die(EX_IOERR, "%s: %s", folder, strerror(errno));
	if (directory != NULL)
		closedir(directory);
	free(folder);
}

static const struct corpus *compared;

static int in_order(const void *left, const void *right) {
	const struct document *a = left, *b = right;
	int rank_a = compared->rank[a->class->split], rank_b = compared->rank[b->class->split];
	return rank_a != rank_b ? (rank_a > rank_b) - (rank_a < rank_b) : strcmp(a->name, b->name);
}

/* By split, then by name: neg comes before pos. */
static void sort_documents(struct corpus *corpus) {
	compared = corpus;
	if (corpus->count > 0)
		qsort(corpus->documents, corpus->count, sizeof *corpus->documents, in_order);
	for (size_t i = 1; i < corpus->count; i++)
		if (strcmp(corpus->documents[i].name, corpus->documents[i - 1].name) == 0)
			die(EX_DATAERR, "%s: %s is there twice (make an archive that has it once)", corpus->source,
				corpus->documents[i].name);
}

static void check_splits(const struct corpus *corpus) {
	bool found[SPLITS] = { false };
	for (size_t i = 0; i < corpus->count; i++)
		found[corpus->documents[i].class->split] = true;
	for (int split = 0; split < SPLITS && !corpus->all; split++)
		if (corpus->rank[split] >= 0 && !found[split])
			die(EX_DATAERR, "%s: no documents of the split %s (looked for %s)", corpus->source, split_names[split],
				split == 0 ? "train/neg/*.txt and train/pos/*.txt"
				: split == 1 ? "test/neg/*.txt and test/pos/*.txt" : "train/unsup/*.txt");
	if (corpus->count == 0)
		die(EX_DATAERR, "%s: no documents (looked for train/neg/*.txt and the like)", corpus->source);
}

/* How many of the first bytes are ASCII, counted by eights. */
static size_t ascii_run(const char *text, size_t length) {
	size_t run = 0;
	for (uint64_t eight; run + sizeof eight <= length; run += sizeof eight) {
		memcpy(&eight, text + run, sizeof eight);
		if (eight & UINT64_C(0x8080808080808080))
			break;
	}
	return run;
}

static int64_t count_invalid(const char *text, size_t length) {
	int64_t invalid = 0;
	for (size_t i = ascii_run(text, length); i < length; i += ascii_run(text + i, length - i)) {
		uint32_t point;
		i += utf8_decode(text + i, length - i, &point);
		invalid += point == UTF8_INVALID;
	}
	return invalid;
}

/* Puts U+FFFD for what is not UTF-8, as Python's errors="replace" does. Returns how many. */
static int64_t repair(struct document *document) {
	int64_t invalid = count_invalid(document->text, document->length);
	if (invalid == 0)
		return 0;
	char *text = allocate(document->length + (size_t)invalid * UTF8_LONGEST, 1);
	size_t written = 0;
	for (size_t i = 0, taken; i < document->length; i += taken) {
		uint32_t point;
		taken = utf8_decode(document->text + i, document->length - i, &point);
		written += utf8_encode(point == UTF8_INVALID ? 0xfffd : point, text + written);
	}
	free(document->text);
	document->text = text;
	document->length = written;
	return invalid;
}

static void write_documents(const struct corpus *corpus, size_t count, struct writer *out) {
	int64_t replaced = 0, damaged = 0;
	const char *first_damaged = NULL;
	struct failure failure;
	for (size_t i = 0; i < count; i++) {
		struct document *document = &corpus->documents[i];
		int64_t here = repair(document);
		replaced += here;
		damaged += here > 0;
		if (here > 0 && first_damaged == NULL)
			first_damaged = document->name;
		builder_append_bytes(writer_column(out, 0), document->text, document->length);
		builder_append_integer(writer_column(out, 1), document->class->label);
		builder_append_bytes(writer_column(out, 2), document->name, strlen(document->name));
		check(writer_end_row(out, &failure), &failure);
	}
	if (replaced > 0)
		note("%s: %lld invalid UTF-8 sequences became U+FFFD, in %lld of %zu documents, first in %s", corpus->source,
			(long long)replaced, (long long)damaged, count, first_damaged);
}

static void free_documents(struct corpus *corpus) {
	for (size_t i = 0; i < corpus->count; i++) {
		free(corpus->documents[i].name);
		free(corpus->documents[i].text);
	}
	free(corpus->documents);
}

int main(int argc, char **argv) {
	const char *path = parse_options_with_input(argc, argv, &usage, options);
	struct corpus corpus = { .source = input_name(path) };
	struct stat status;
	parse_splits(&corpus);
	refuse_terminal(STDOUT_FILENO);
	if (path != NULL && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
		for (const struct class *class = classes; class < classes + CLASSES; class++)
			if (corpus.rank[class->split] >= 0)
				read_class(&corpus, class);
	} else {
		read_archive(&corpus, path);
	}
	progress_end();
	sort_documents(&corpus);
	check_splits(&corpus);

	size_t count = limit > 0 && (uint64_t)limit < corpus.count ? (size_t)limit : corpus.count;
	struct schema schema = { 0 };
	schema_add_utf8(&schema, "text");
	schema_add_int(&schema, "label", 64);
	schema_add_utf8(&schema, "name");
	struct stream_info info;
	stream_info_init(&info);
	info.type = RECORD_TEXT;
	info.records = (int64_t)count;
	struct writer *out = open_output_stream(&schema, &info, -1);
	write_documents(&corpus, count, out);

	free_documents(&corpus);
	stream_info_clear(&info);
	schema_clear(&schema);
	return close_output_stream(out);
}
