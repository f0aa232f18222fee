/* optimizer: AdamW over the table of parameters, with clipping by the global norm.
 *
 * Sources: Loshchilov & Hutter 2019; torch.optim.AdamW and torch.nn.utils.clip_grad_norm_, whose arithmetic it follows. */
#ifndef CLOZE_TRAIN_OPTIMIZER_H
#define CLOZE_TRAIN_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "model/parameters.h"

struct optimizer_options {
	double beta1, beta2, epsilon, weight_decay; /* 0.9, 0.999, 1e-8, 0.01 */
	double max_grad_norm;                       /* 0: no clipping */
	bool decay_all;                             /* biases and layer norms too, as plain AdamW(model.parameters()) */
	const char *freeze;                         /* fnmatch(3) pattern, extended, of the names of tensors that stay as
	                                               they are, and do not count for the norm; NULL: none */
};

struct optimizer;

struct optimizer *optimizer_create(struct parameters *parameters, const struct optimizer_options *options,
	struct pool *pool);
void optimizer_free(struct optimizer *optimizer);

/* What AdamW remembers from step to step, in place: for checkpoints. */
struct optimizer_state {
	float *exp_avg, *exp_avg_sq; /* means of gradients and of their squares, blocks like parameters->values */
	int64_t steps;
};
struct optimizer_state *optimizer_state(struct optimizer *optimizer);

/* Tensors that `freeze` matches. */
size_t optimizer_frozen(const struct optimizer *optimizer);

/* Clips the gradients, updates the parameters in place, and returns the norm before clipping. When the norm is not
 * finite it returns it and changes nothing. */
double optimizer_step(struct optimizer *optimizer, const float *gradients, double learning_rate);

#endif
