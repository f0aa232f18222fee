/* examples: records in the form that the network takes: one after the other, without padding.
 *
 * A row is a token; rows are numbered through a whole batch. Record b has the rows from starts[b] up to but excluding
 * starts[b + 1], and row r is element r - starts[0] of the arrays of rows. So a part of a batch is described by
 * pointers into the arrays of the batch (examples_slice()). A token that is neither attended to nor labelled has no
 * row; the other tokens keep their position in the record. */
#ifndef CLOZE_MODEL_EXAMPLES_H
#define CLOZE_MODEL_EXAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers beside a token's logits where a teacher keeps some of them: the logarithm of the sum of exp(z / T) over the
 * logits z that are left out, at as many temperatures T: 1, 2, 4. */
enum { REST_TEMPERATURES = 3 };

/* A teacher's answers, for distillation. */
struct teacher_answers {
	size_t K;                       /* logits of each labelled token; 0: there are no answers */
	const float *logits;            /* [M, K] */
	const int32_t *ids;             /* [M, K] of which tokens, none twice; NULL: K is vocab_size, and they go by id */
	const float *rest;              /* [M, REST_TEMPERATURES] where there are ids */
	const float *hidden_states;     /* [N, C] of the last layer; rows that are not attended are 0; NULL: none */
	size_t C;                       /* their width, the model's hidden_size */
};

struct examples {
	size_t B;                       /* records */
	const int32_t *starts;          /* [B + 1] ascending; no record is empty */
	const int32_t *input_ids;       /* [N] below vocab_size; N = examples_rows() */
	const int32_t *positions;       /* [N] position in the record, below max_position_embeddings */
	const int32_t *token_type_ids;  /* [N] below type_vocab_size; NULL: all 0 */
	const uint8_t *attended;        /* [N] 0: no token attends to this one; NULL: all 1. Every record has a 1 */

	/* Labels of tokens, for a masked language model. */
	const int32_t *label_starts;    /* [B + 1] record b has the labels from label_starts[b] up to label_starts[b + 1] */
	const int32_t *labelled;        /* [M] rows with a label, ascending; M = examples_labels() */
	const int32_t *labels;          /* [M] below vocab_size */

	struct teacher_answers teacher;

	/* Labels of records, for a classifier. */
	const int32_t *classes;         /* [B]; NULL: none */
};

/* The number of rows, N. */
static inline size_t examples_rows(const struct examples *examples) {
	return (size_t)(examples->starts[examples->B] - examples->starts[0]);
}

/* The number of tokens with a label, M; 0 if labels belong to records. */
static inline size_t examples_labels(const struct examples *examples) {
	const int32_t *starts = examples->label_starts;
	return starts != NULL ? (size_t)(starts[examples->B] - starts[0]) : 0;
}

/* Whether other tokens attend to that of a row. */
static inline bool examples_attend(const struct examples *examples, size_t row) {
	return examples->attended == NULL || examples->attended[row] != 0;
}

/* The number of tokens that are attended to, A. */
size_t examples_attended(const struct examples *examples);

/* The number of items that a loss is a mean over: of tokens with a label, or of records. */
static inline size_t examples_targets(const struct examples *examples) {
	return examples->label_starts != NULL ? examples_labels(examples) : examples->B;
}

/* The `count` records from record `first` on, in the same arrays. */
struct examples examples_slice(const struct examples *examples, size_t first, size_t count);

/* The number of rows of the longest record. */
size_t examples_longest(const struct examples *examples);

#endif
