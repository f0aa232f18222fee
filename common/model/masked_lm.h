/* masked_lm: what the heads have in common that predict tokens: dense, activation, layer norm, and the decoder over the
 * vocabulary.
 *
 * V is vocab_size, C hidden_size, M the rows that have logits. Logits exist for LOGIT_ROWS rows at a time: a head turns
 * a block of them into losses and, in place, into their gradient, which goes on to the decoder's weights and inputs
 * before the next block takes the memory. Source: Devlin et al. 2018, section 3.1. */
#ifndef CLOZE_MODEL_MASKED_LM_H
#define CLOZE_MODEL_MASKED_LM_H

#include "model/head.h"

/* Rows that have their logits in memory at a time: 512 of BERT's vocabulary take 62 MB. */
enum { LOGIT_ROWS = 512 };

/* Fills the tensors of the head; of struct head_layout. */
size_t masked_lm_tensors(const struct config *config, struct head_tensor tensors[MAX_HEAD_TENSORS]);

/* The layout of BertForMaskedLM and DistilBertForMaskedLM. */
#define MASKED_LM_LAYOUT { \
	.task = "masked language model", \
	.architectures = { [MODEL_DISTILBERT] = "DistilBertForMaskedLM", [MODEL_BERT] = "BertForMaskedLM" }, \
	.tied_weights = { [MODEL_DISTILBERT] = "vocab_projector.weight", [MODEL_BERT] = "cls.predictions.decoder.weight" }, \
	.left_aside = (const char *const[]){ "pooler.", "cls.seq_relationship.", NULL }, \
	.tensors = masked_lm_tensors, \
}

struct masked_lm {
	const struct compute *compute;
	size_t C, V;
	struct dense transform, decoder;
	struct norm norm;            /* [M, C] */

	/* Of the pass at hand. */
	size_t M;
	float *before_activation;    /* [M, C] */
	struct matrix logits;        /* a block of them, [LOGIT_ROWS, V]; bf16: of their gradient */
	float *dnorm;                /* [M, C] the gradient of the norm's output, then of its input */
	struct norm_scratch norm_scratch;
};

/* Borrows `compute`. Nothing is to be freed. */
void masked_lm_init(struct masked_lm *lm, const struct compute *compute);

/* Takes the arrays of a pass over M rows; of `between`, see struct head_class. */
void masked_lm_lay_out(struct masked_lm *lm, struct arena *arena, struct arena_range between, size_t M);

/* A pass over M rows of the encoder. */
struct masked_lm_pass {
	struct matrix rows;      /* [M, C] */
	float *drows;            /* [M, C] where the gradient of the rows goes; NULL: it is not needed */
	/* Takes the loss of row m, whose logits [V] it may write over; where compute->gradients is not NULL, it replaces them
	 * by their gradient. Any thread calls it, for the rows in any order. */
	void (*lose)(void *context, size_t m, float *logits);
	void *context;
};

/* Computes the logits of every row and hands them to pass->lose(); then, where compute->gradients is not NULL, adds to
 * the gradients of the parameters and writes drows. */
void masked_lm_run(struct masked_lm *lm, const struct masked_lm_pass *pass);

/* The sum of the cross-entropies of the labelled tokens, whose rows pass->rows are; fills pass->losses and pass->ranks.
 * Where compute->gradients is not NULL, the same as masked_lm_run() for the sum divided by the first of the totals. */
double masked_lm_cross_entropy(struct masked_lm *lm, const struct head_pass *pass);

/* The logits of the rows [M, C], all at once: [M, V]. */
void masked_lm_logits(struct masked_lm *lm, struct matrix rows, float *logits);

#endif
