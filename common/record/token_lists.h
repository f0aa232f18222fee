/* token_lists: stages that label the tokens of a record, by its lists that have one element for each token.
 *
 *     struct token_columns columns;
 *     check(token_columns_find(reader, TOKEN_WORD_IDS, &columns, &failure), &failure);
 *     struct labelling *labelling = labelling_create(&columns, pool_threads(pool), label, context);
 *     int status = rewrite_stream(labelling_rewrite(labelling), reader, &info, seed, pool);
 *     labelling_destroy(labelling); */
#ifndef CLOZE_RECORD_TOKEN_LISTS_H
#define CLOZE_RECORD_TOKEN_LISTS_H

#include "record/rewrite.h"

/* Lists beside input_ids, as bits. */
enum { TOKEN_WORD_IDS = 1, TOKEN_SPECIAL_MASK = 2 };

/* Where the lists are: indices of columns, -1 for a column that is not read. */
struct token_columns {
	const char *input;          /* what messages call the stream; owned by the reader */
	int64_t vocab_size;         /* ids are below it, at most 2^31; the caller sets it when it is known */
	int input_ids, word_ids, special_tokens_mask;
};

/* Finds `input_ids` and the wanted lists: `word_ids`, which must be there, and `special_tokens_mask` if the stream has
 * it. `vocab_size` becomes that of the stream's metadata. -1: 65, a column is missing or not a list of integers, or
 * the stream's metadata says that its records are masked. */
int token_columns_find(const struct reader *reader, unsigned wanted, struct token_columns *columns,
	struct failure *failure);

/* One record. The arrays are [count]; an array is NULL where its column is not read. */
struct token_record {
	int64_t ordinal;                    /* in the stream, from 0 */
	size_t count;                       /* tokens */
	int32_t *input_ids;                 /* in: the tokens, all in the vocabulary; out: those that are written */
	int32_t *labels;                    /* out */
	const int32_t *word_ids;            /* -1 for null */
	const int32_t *special_tokens_mask; /* not 0 at special tokens */
};

/* Labels the tokens of a record, and may change them. Any thread calls it, for any record: the result must depend on the
 * record alone. */
typedef void label_tokens(const void *context, const struct token_record *record);

struct labelling;

/* Prepares a rewrite by that many threads at most. Everything is borrowed, but for the columns. */
struct labelling *labelling_create(const struct token_columns *columns, int threads, label_tokens *label,
	const void *context);

/* The rewrite that makes the columns `input_ids` and `labels` in place of all that are read. It fails with 65 for lists
 * of unlike lengths, an id outside the vocabulary, a word id below -1, a null or negative element of
 * special_tokens_mask; the text names the record, counted from 1, and the position, from 0. */
const struct rewrite *labelling_rewrite(const struct labelling *labelling);

void labelling_destroy(struct labelling *labelling);

#endif
