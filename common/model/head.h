/* head: the interface of a head, which computes a loss from rows of the encoder, and the gradient of those rows.
 *
 * A head is one file, head_NAME.c, that defines a `struct head_class`, and one line at the end of this header. The
 * class says which tensors the head has, which rows of a batch it wants, and how the loss is computed. The run, the
 * network and the tools use a head only through its class. */
#ifndef CLOZE_MODEL_HEAD_H
#define CLOZE_MODEL_HEAD_H

#include "model/encoder.h"

/* A loss may have parts, each with its own denominator. */
enum { LOSS_PARTS = 3 };

/* The denominators of a loss, counted over all examples of a step before its first backward pass. */
struct totals { double of[LOSS_PARTS]; };

/* The loss of a step, or a share of it. `value` is differentiated; a loss without parts has parts[0] = value. */
struct loss { double value; double parts[LOSS_PARTS]; };

/* A pass of the head. Each of `losses` and `ranks` may be NULL. */
struct head_pass {
	const struct examples *examples;
	const struct totals *totals;
	struct matrix rows;         /* [R, C] the wanted rows, also in bf16 if products are in bfloat16 */
	float *drows;               /* [R, C] the gradient of the rows is written here; NULL: it is not needed */
	float *losses;              /* [items] the loss of each labelled token or record, in nats */
	int32_t *ranks;             /* [items] rank of the label: logits greater, or equal with a lower id */
};

/* The head of a network; the file of each head defines a struct that begins with it. */
struct head;

struct head_class {
	struct head_layout layout;                /* its tensors */
	bool couples_records;                     /* a record's loss depends on the rest of its batch (batch norm) */
	const char *part_names[LOSS_PARTS];       /* of the parts in the metrics: "loss_ce"; NULL: no such part */

	/* Checks the options against the configuration of a model that is to be trained, and changes the configuration as
	 * they ask, before the table of parameters is made. NULL: there is nothing to check. `folder` is the name of the
	 * model in messages. -1: 64, 65. */
	int (*configure)(const void *options, const char *folder, struct config *config, struct failure *failure);
	/* Creates the head. Borrows `compute`; `options` is of the type that the head's own header declares, or NULL. */
	struct head *(*create)(const struct compute *compute, const void *options);
	void (*free)(struct head *head);

	/* Adds the share of the examples to the totals of their step. */
	void (*count)(const struct head *head, const struct examples *examples, struct totals *totals);
	/* Sets *wanted to the rows that the loss of the examples reads. Its arrays belong to the examples or the head. */
	void (*want)(struct head *head, const struct examples *examples, struct wanted *wanted);
	/* Takes the arrays of a pass over the examples of want() from the arena or from its range `between`. */
	void (*lay_out)(struct head *head, struct arena *arena, struct arena_range between);
	/* Computes the loss. If compute->gradients is not NULL, adds to the gradients of the head's parameters and writes
	 * drows. */
	struct loss (*loss)(struct head *head, const struct head_pass *pass);
	/* The number of logits of an item: the size of the vocabulary, or the number of classes. */
	size_t (*width)(const struct head *head);
	/* Takes over what a step has changed in running statistics: the optimizer has taken the step whose passes went
	 * before. NULL: the head has none. */
	void (*end_step)(struct head *head);
	/* Computes the logits of the wanted rows: [M, V] for tokens, [B, K] for records. */
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
