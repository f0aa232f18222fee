/* optimizer: AdamW over the tensors that train, with a learning rate for each group and clipping by the global norm.
 *
 * The optimizer owns the gradients and the moments, and with them says which tensors train: those of the groups that were
 * thawed, but for tensors whose name matches `freeze`. A frozen tensor has no gradient and no moments, and does not count
 * for the norm.
 *
 * Sources: Loshchilov & Hutter 2019; torch.optim.AdamW and torch.nn.utils.clip_grad_norm_, whose arithmetic it follows;
 * Howard & Ruder 2018 for groups that thaw one after the other. */
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

/* No group trains yet. Borrows the parameters and the pool. Never NULL. */
struct optimizer *optimizer_create(struct parameters *parameters, const struct optimizer_options *options,
	struct pool *pool);
void optimizer_free(struct optimizer *optimizer);

/* Lets a group train from the next step on, with moments of 0 and a step count of its own for their bias. Does nothing
 * where the group trains already. */
void optimizer_thaw(struct optimizer *optimizer, size_t group);

/* Where passes add their gradients: a block for each tensor that trains. Owned by the optimizer. */
struct blocks *optimizer_gradients(struct optimizer *optimizer);

/* What AdamW remembers from step to step, in place: for checkpoints. */
struct optimizer_state {
	struct blocks *exp_avg, *exp_avg_sq; /* means of gradients and of their squares, for the tensors that train */
	int64_t *steps;                      /* [group_count] that each group has taken; 0: frozen so far */
};
const struct optimizer_state *optimizer_state(struct optimizer *optimizer);

/* Tensors that `freeze` matches. */
size_t optimizer_frozen(const struct optimizer *optimizer);

/* Clips the gradients, updates the parameters of the groups that train in place, each at its rate of `learning_rates`
 * [group_count], and returns the norm before clipping. When the norm is not finite it returns it and changes nothing. */
double optimizer_step(struct optimizer *optimizer, const double *learning_rates);

#endif
