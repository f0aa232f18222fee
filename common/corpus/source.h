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

enum { DOCUMENT_LIMIT = 16 << 20 }; /* bytes: longer than any review, and no bomb */

struct document {
	const char *text, *name; /* no NUL after them */
	size_t text_length, name_length;
	int64_t label;           /* 0 negative, 1 positive, -1 unknown, or any other number that the file gives */
	int rank;                /* of an archive or folder: the place of its split among those asked for, from 0 */
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

/* ---- columns ------------------------------------------------------------------------------------------- */

/* The names of the columns or keys to take. NULL: the first there is of the usual ones, which are `text` or `review`,
 * and `label` or `sentiment`. The name is always taken from `name`. */
struct columns { const char *text, *label; };
extern const char *const usual_text_columns[], *const usual_label_columns[]; /* ended by NULL */

/* A label as text: a whole number ("1", "-1", "1.0"), or neg, negative, pos, positive, unsup, unsupervised in any
 * case; an empty one is -1. False: neither. */
bool label_parse(const char *text, size_t length, int64_t *label);

/* ---- formats ------------------------------------------------------------------------------------------- */

/* In the order of --format's words. */
enum format { FORMAT_AUTO, FORMAT_IMDB, FORMAT_CSV, FORMAT_TSV, FORMAT_JSONL, FORMAT_LINES, FORMAT_PARAGRAPHS,
	FORMAT_ARROW };

/* Tells the format by the file's first bytes and, where they may be several, by its name (NULL: it has none, as a
 * pipe). Returns an enum format, or -1: 65 for what cannot be told or is known not to be read. */
int find_format(struct inflate_reader *input, const char *path, const struct columns *columns,
	struct failure *failure);

/* The documents of an inflated file; `path` is NULL for standard input. The input stays the caller's, and is to outlive
 * the source. The format is none of FORMAT_AUTO, FORMAT_IMDB and FORMAT_ARROW. Never NULL. */
struct source *source_open(enum format format, struct inflate_reader *input, const char *path,
	const struct columns *columns);

/* ---- archives and folders in the layout of aclImdb -------------------------------------------------------- */

enum { SPLITS = 3 }; /* train, test, unsupervised */
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

#endif
