/* classifier: what the heads of classifiers share: their options, and the loss of their logits.
 *
 * K is the number of labels, config.num_labels; B are the records of a pass. With weights w and smoothing s, as
 * torch.nn.CrossEntropyLoss has them, the loss of a record with label y is the sum over c of a[c] (-log
 * softmax(z)[c]), where a[c] = w[c] ((1 - s) [c = y] + s / K), and the loss of a step is the sum over its records
 * divided by the sum of w[y]. */
#ifndef CLOZE_MODEL_CLASSIFIER_H
#define CLOZE_MODEL_CLASSIFIER_H

#include "model/head.h"

struct classifier_options {
	const json_t *labels;       /* the names of all labels, an array of strings; NULL: as the configuration has them */
	const float *class_weights; /* [weight_count], one for each label; NULL: all 1 */
	size_t weight_count;
	double label_smoothing;     /* from 0 to 1 */
};

/* The loss of a head. */
struct classifier {
	const struct compute *compute;
	size_t K;
	struct classifier_options options;
};

/* `options` may be NULL: no weights, no smoothing. What they point to is borrowed. */
struct classifier classifier_create(const struct compute *compute, const struct classifier_options *options);

/* configure() of a head; without options also the check of a model that is only used: names the labels as the options do. -1: 64 for options that do not fit the number of labels;
 * 65 for a model with fewer than two labels, or of another problem_type than single_label_classification. */
int classifier_configure(const void *options, const char *folder, struct config *config, struct failure *failure);

/* Adds the sum of w[y] to totals->of[0]. */
void classifier_count(const struct classifier *classifier, const struct examples *examples, struct totals *totals);

/* The loss of the records' logits [B, K]. In a pass with gradients they are replaced by their gradient. */
struct loss classifier_loss(const struct classifier *classifier, const struct head_pass *pass, float *logits);

#endif
