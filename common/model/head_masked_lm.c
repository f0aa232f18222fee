/* head_masked_lm: cross-entropy over the vocabulary at labelled tokens (model/masked_lm.h). */
#include <stdlib.h>

#include "base/memory.h"
#include "model/masked_lm.h"

struct head {
	struct masked_lm lm;
	size_t M;   /* of the pass at hand */
};

static struct head *create(const struct compute *compute, const void *options) {
	struct head *head = allocate(1, sizeof *head);
	(void)options;
	masked_lm_init(&head->lm, compute);
	return head;
}

static void count(const struct head *head, const struct examples *examples, struct totals *totals) {
	(void)head;
	totals->of[0] += (double)examples_labels(examples);
}

static void want(struct head *head, const struct examples *examples, struct wanted *wanted) {
	head->M = examples_labels(examples);
	*wanted = (struct wanted){ head->M, examples->labelled, examples->label_starts };
}

static void lay_out(struct head *head, struct arena *arena, struct arena_range between) {
	masked_lm_lay_out(&head->lm, arena, between, head->M);
}

static struct loss loss(struct head *head, const struct head_pass *pass) {
	double mean = masked_lm_cross_entropy(&head->lm, pass) / pass->totals->of[0];
	return (struct loss){ mean, { mean } };
}

static size_t width(const struct head *head) {
	return head->lm.V;
}

static void write_logits(struct head *head, const struct head_pass *pass, float *logits) {
	masked_lm_logits(&head->lm, pass->rows, logits);
}

static void free_head(struct head *head) {
	free(head);
}

const struct head_class masked_lm_head = {
	.layout = MASKED_LM_LAYOUT,
	.create = create,
	.free = free_head,
	.count = count,
	.want = want,
	.lay_out = lay_out,
	.loss = loss,
	.width = width,
	.logits = write_logits,
};
