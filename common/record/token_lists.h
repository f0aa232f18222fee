/* token_lists: the lists of one record that have one element for each of its tokens.
 *
 *     struct token_columns columns;
 *     struct token_lists lists = { 0 };
 *     check(token_columns_find(reader, TOKEN_WORD_IDS, &columns, &failure), &failure);
 *     ... with capacity in input_ids for token_count(&columns, &row) of them:
 *     check(token_lists_read(&columns, &row, input_ids, &lists, &failure), &failure);
 *     token_lists_clear(&lists); */
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

/* One record's lists beside input_ids, with an element for each token. A list is NULL where its column is not read. */
struct token_lists {
	size_t capacity;
	int32_t *word_ids;            /* -1 for null */
	int32_t *special_tokens_mask; /* not 0 at special tokens */
};

/* Finds `input_ids` and the wanted lists: `word_ids`, which must be there, and `special_tokens_mask` if the stream has
 * it. `vocab_size` becomes that of the stream's metadata. -1: 65, a column is missing or not a list of integers, or
 * the stream's metadata says that its records are masked. */
int token_columns_find(const struct reader *reader, unsigned wanted, struct token_columns *columns,
	struct failure *failure);

/* The number of tokens in a row. */
size_t token_count(const struct token_columns *columns, const struct record_row *row);

/* Reads the lists of a row into `input_ids` and into `lists`, which begins as zeros and is reused from row to row. -1:
 * 65 for lists of unlike lengths, an id outside the vocabulary, a word id below -1, a null or negative element of
 * special_tokens_mask; the text names the record, counted from 1, and the position, from 0. */
int token_lists_read(const struct token_columns *columns, const struct record_row *row, int32_t *input_ids,
	struct token_lists *lists, struct failure *failure);

void token_lists_clear(struct token_lists *lists);

#endif
