/* optimizer: AdamW on the tensors that train, with a learning rate for each group and clipping by the global norm.
 *
 * The optimizer owns the gradients and the moments, and so decides which tensors train: those of the thawed groups,
 * except tensors whose names match `freeze`. A frozen tensor has no gradient and no moments, and does not count for the
 * norm.
 *
 * Sources: Loshchilov & Hutter 2019; torch.optim.AdamW and torch.nn.utils.clip_grad_norm_, whose arithmetic is the
 * same; Howard & Ruder 2018 for groups that thaw one after the other. */
#ifndef CLOZE_TRAIN_OPTIMIZER_H
#define CLOZE_TRAIN_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "model/blocks.h"

struct optimizer_options {
	double beta1, beta2, epsilon, weight_decay; /* 0.9, 0.999, 1e-8, 0.01 */
	double max_grad_norm;                       /* 0: no clipping */
	bool decay_all;                             /* biases and norms too, as plain AdamW(model.parameters()) */
	const char *freeze;                         /* fnmatch(3) pattern, extended, of the names of tensors that stay as
	                                               they are; NULL: none */
};

struct optimizer;

/* Creates an optimizer in which no group trains yet. Borrows the parameters and the pool. Never NULL. */
struct optimizer *optimizer_create(struct parameters *parameters, const struct optimizer_options *options,
	struct pool *pool);
void optimizer_free(struct optimizer *optimizer);

/* Lets a group train from the next step on, with moments of 0 and its own step count for the bias correction. Does
 * nothing if the group trains already. */
void optimizer_thaw(struct optimizer *optimizer, size_t group);

/* The gradients that passes add to, for each tensor that trains. Owned by the optimizer. */
struct blocks *optimizer_gradients(struct optimizer *optimizer);

/* The state of AdamW, for checkpoints; owned by the optimizer, and may be changed. */
struct optimizer_state {
	struct blocks *exp_avg, *exp_avg_sq; /* moving averages of the gradients and of their squares */
	int64_t *steps;                      /* [group_count] the steps that each group has taken; 0: frozen so far */
};
const struct optimizer_state *optimizer_state(struct optimizer *optimizer);

/* The number of tensors that `freeze` matches. */
size_t optimizer_frozen(const struct optimizer *optimizer);

/* Clips the gradients, updates the parameters of each group that trains at its rate in `learning_rates` [group_count],
 * and returns the norm before clipping. If the norm is not finite, nothing is changed. */
double optimizer_step(struct optimizer *optimizer, const double *learning_rates);

#endif
