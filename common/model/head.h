/* head: what turns rows of the encoder into a loss, and its gradient into one of those rows.
 *
 * A head is one file, head_NAME.c, with a `struct head_class` in it, and one line below. It says which tensors it has, which
 * rows it wants of a batch, and how their loss is computed. The run, the network and the tools know it by this struct alone. */
#ifndef CLOZE_MODEL_HEAD_H
#define CLOZE_MODEL_HEAD_H

#include "model/encoder.h"

/* A loss may have parts, each with its own denominator. */
enum { LOSS_PARTS = 3 };

/* What the sums of a loss are divided by: counted over all the examples of a step before its first backward pass. */
struct totals { double of[LOSS_PARTS]; };

/* A share of a step's loss. `value` is what is differentiated; a loss without parts has parts[0] equal to it. */
struct loss { double value; double parts[LOSS_PARTS]; };

/* A pass of the head. Each of `losses` and `ranks` may be NULL. */
struct head_pass {
	const struct examples *examples;
	const struct totals *totals;
	struct matrix rows;         /* [R, C] those that it wanted; bf16 beside them where products are rounded */
	float *drows;               /* [R, C] where the gradient of the rows goes; NULL: it is not needed */
	float *losses;              /* [items] the loss of each labelled token or record, in nats */
	int32_t *ranks;             /* [items] how many logits come before the label's: greater ones, and equal ones of lower ids */
};

/* Of a network; each head's file has its own struct behind it. */
struct head;

struct head_class {
	struct head_layout layout;                /* its tensors */
	bool couples_records;                     /* the loss of a record depends on the others of its batch (batch norm) */
	const char *part_names[LOSS_PARTS];       /* of the parts in the metrics: "loss_ce"; NULL: no such part */

	/* Checks the options against the configuration of a model to be trained, and changes it where they ask for that,
	 * before the table of parameters is made. NULL: there is nothing to check. -1: 64, 65; `folder` is what messages
	 * call the model. */
	int (*configure)(const void *options, const char *folder, struct config *config, struct failure *failure);
	/* Borrows `compute`; `options` is what the head's own header says, or NULL. */
	struct head *(*create)(const struct compute *compute, const void *options);
	void (*free)(struct head *head);

	/* Adds what the examples count for to the totals. */
	void (*count)(const struct head *head, const struct examples *examples, struct totals *totals);
	/* Which rows the loss of the examples reads. Arrays belong to the examples or the head. */
	void (*want)(struct head *head, const struct examples *examples, struct wanted *wanted);
	/* Takes the arrays of a pass over the examples of want(), of which `between` may be used too. */
	void (*lay_out)(struct head *head, struct arena *arena, struct arena_range between);
	/* The loss. Where compute->gradients is not NULL, adds to the gradients of the head's parameters and writes drows. */
	struct loss (*loss)(struct head *head, const struct head_pass *pass);
	/* Logits of a target: the vocabulary, or the classes. */
	size_t (*width)(const struct head *head);
	/* Takes over what a step has changed in running statistics: the optimizer has taken the step whose passes went
	 * before. NULL: the head has none. */
	void (*end_step)(struct head *head);
	/* The logits of the rows that were wanted: [M, V] of tokens, [B, K] of records. */
	void (*logits)(struct head *head, const struct head_pass *pass, float *logits);
};

/* BertForMaskedLM and DistilBertForMaskedLM: cross-entropy over the vocabulary at labelled tokens. No options. */
extern const struct head_class masked_lm_head;

/* The same with a loss against a teacher's answers. Options: model/head_distillation.h. */
extern const struct head_class distillation_head;

/* BertForSequenceClassification and DistilBertForSequenceClassification, on the state at the first token. Options:
 * struct classifier_options (model/classifier.h), or NULL. */
extern const struct head_class classifier_head;

/* The classifier of ULMFiT (Howard and Ruder 2018, section 3.3), on the last state and the maximum and mean over all
 * states; two batch norms. transformers has none of the kind, and opens the folder as an encoder. Options as above. */
extern const struct head_class pooled_classifier_head;

/* Finds which of these heads a folder has: the first of which every tensor is there. *head is NULL where it has none.
 * -1: 65, 66. */
int head_for_folder(const char *folder, const struct head_class **head, struct failure *failure);

#endif
