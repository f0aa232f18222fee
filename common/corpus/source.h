/* source: documents from a file of any of the formats that are read, one after the other.
 *
 * A source yields what the file holds, in its order, and holds nothing but the document at hand, at most
 * DOCUMENT_LIMIT bytes of it. Texts and names are bytes as they are stored: whether they are UTF-8 is for the caller
 * to see to. Positions in messages, and in the names of documents that have none, are lines counted from 1. */
#ifndef CLOZE_CORPUS_SOURCE_H
#define CLOZE_CORPUS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/failure.h"
#include "corpus/inflate.h"
#include "corpus/label.h"

enum { DOCUMENT_LIMIT = 16 << 20 }; /* bytes: longer than any review, and short enough to hold */

struct document {
	const char *text, *name; /* no NUL after them */
	size_t text_length, name_length;
	int64_t label;           /* 0 negative, 1 positive, -1 unknown, or any other number that the file gives */
	int rank;                /* of an archive or folder: the place of its split among those asked for, from 0 */
	int64_t replaced;        /* sequences of the text that could not be decoded and are U+FFFD already */
};

/* Names a document that has no name of its own "FILE:LINE", where FILE is the last part of the path, "-" for NULL. The
 * text is kept in `name` and valid until its next change. */
void document_name_by_line(struct document *document, struct bytes *name, const char *path, int64_t line);

/* What every source begins with; made by the functions below, or by a caller's own. */
struct source {
	/* Goes on to the next document, whose bytes are valid until the next call. Returns 1, 0 at the end, -1. */
	int (*next)(struct source *source, struct document *document, struct failure *failure);
	void (*close)(struct source *source);
};

/* ---- how a file is to be read ---------------------------------------------------------------------------- */

/* All zero: as usual. It is borrowed for the life of a source. */
struct reading {
	/* The names of the columns or keys to take. NULL: the first there is of the usual ones, which are `text` or
	 * `review`, and `label` or `sentiment`. The label "none": every label is -1. The name is always taken from
	 * `name`. */
	const char *text, *label;
	struct label_words words;
	/* Of delimited files: */
	char delimiter;   /* 0: a comma, or a tab for FORMAT_TSV */
	bool no_quotes;   /* a quote is a character as any other */
	bool no_header;   /* the columns are called 1, 2, ... */
	struct warnings warnings;
};
extern const char *const usual_text_columns[], *const usual_label_columns[]; /* ended by NULL */

/* Whether labels are left aside. */
bool without_labels(const struct reading *reading);

/* ---- formats ------------------------------------------------------------------------------------------- */

/* In the order of --format's words. */
enum format { FORMAT_AUTO, FORMAT_IMDB, FORMAT_CSV, FORMAT_TSV, FORMAT_JSONL, FORMAT_LINES, FORMAT_PARAGRAPHS,
	FORMAT_ARROW };

/* Tells the format by the file's first bytes and, where they may be several, by its name (NULL: it has none, as a
 * pipe); where both say nothing and `reading` tells how a delimited file is to be read, it is one. Returns an enum
 * format, or -1: 65 for what cannot be told or is known not to be read. */
int find_format(struct inflate_reader *input, const char *path, const struct reading *reading,
	struct failure *failure);

/* The documents of an inflated file; `path` is NULL for standard input. The input stays the caller's, and is to outlive
 * the source. The format is none of FORMAT_AUTO, FORMAT_IMDB and FORMAT_ARROW. Never NULL. */
struct source *source_open(enum format format, struct inflate_reader *input, const char *path,
	const struct reading *reading);
/* The same for one format each: FORMAT_JSONL; FORMAT_CSV and FORMAT_TSV, by the delimiter. */
struct source *source_json(struct inflate_reader *input, const char *path, const struct reading *reading);
struct source *source_delimited(char delimiter, struct inflate_reader *input, const char *path,
	const struct reading *reading);

/* ---- archives and folders in the layout of aclImdb -------------------------------------------------------- */

enum { SPLITS = 3 }; /* train, test, unsupervised */
extern const char *const split_names[SPLITS];
struct splits {
	bool all;         /* those that are there; otherwise each one asked for has to be */
	int rank[SPLITS]; /* the place of a split in the list, -1 when it is not in it */
};

/* "train,unsupervised", or "all". -1: 64. */
int splits_parse(const char *list, struct splits *splits, struct failure *failure);

/* The reviews of those splits. At the end, 65 when a split that was asked for had none, or there were none at all.
 * Never NULL. */
struct source *source_archive(struct inflate_reader *input, const char *name, const struct splits *splits);
struct source *source_folder(const char *path, const struct splits *splits);

/* ---- other folders ----------------------------------------------------------------------------------------- */

/* Whether a folder has one of the folders that source_folder() reads. */
bool is_imdb_folder(const char *path);

/* Every file of the folder whose name ends in .txt and does not begin with a dot, in the byte order of their names: a
 * document each, without a label, named as the file. NULL: 66 where the folder cannot be read. */
struct source *source_texts(const char *path, struct failure *failure);

/* The paths of the Arrow streams that make up a data set in a folder, in order, ended by NULL: those that state.json
 * of Dataset.save_to_disk() lists or, where there is none, every file that ends in .arrow or .arrows, in the byte
 * order of their names. Of a DatasetDict (dataset_dict.json): those of the splits asked for. An empty list where the
 * folder has none. free() releases each path, and the list. NULL: 65, 66. */
char **find_shards(const char *path, const struct splits *splits, struct failure *failure);

#endif
