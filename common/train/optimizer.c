/* The table of parameters is cut into slices once; the norm and the update each walk them on the pool. A slice's sum of
 * squares is kept and the sums are added in order, so that the norm does not depend on the number of threads. */
#include "train/optimizer.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/kernels.h"

enum { SLICE_FLOATS = 1 << 16 };

struct slice { size_t offset, count; bool decays; };

struct optimizer {
	struct parameters *parameters;
	struct optimizer_options options;
	struct pool *pool;
	const struct kernels *kernels;
	struct optimizer_state state;
	struct slice *slices;
	size_t slice_count, frozen;
	double *squares;             /* [slice_count] */
	/* The step at hand. */
	const float *gradients;
	struct adamw_step step;
};

static void cut_slices(struct optimizer *optimizer) {
	const struct parameters *parameters = optimizer->parameters;
	const char *freeze = optimizer->options.freeze;
	size_t capacity = 0;
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		if (freeze != NULL && fnmatch(freeze, parameter->name, FNM_EXTMATCH) == 0) {
			optimizer->frozen++;
			continue;
		}
		for (size_t done = 0; done < parameter->elements; done += SLICE_FLOATS) {
			size_t left = parameter->elements - done;
			if (optimizer->slice_count == capacity)
				optimizer->slices = grow(optimizer->slices, capacity = capacity * 2 + 16, sizeof *optimizer->slices);
			optimizer->slices[optimizer->slice_count++] = (struct slice){ parameter->offset + done,
				left < SLICE_FLOATS ? left : SLICE_FLOATS, parameter->decays || optimizer->options.decay_all };
		}
	}
}

struct optimizer *optimizer_create(struct parameters *parameters, const struct optimizer_options *options,
	struct pool *pool) {
	struct optimizer *optimizer = allocate(1, sizeof *optimizer);
	optimizer->parameters = parameters;
	optimizer->options = *options;
	optimizer->pool = pool;
	optimizer->kernels = kernels();
	optimizer->state.exp_avg = allocate(parameters->size, sizeof(float));
	optimizer->state.exp_avg_sq = allocate(parameters->size, sizeof(float));
	cut_slices(optimizer);
	optimizer->squares = allocate(optimizer->slice_count, sizeof *optimizer->squares);
	return optimizer;
}

void optimizer_free(struct optimizer *optimizer) {
	if (optimizer == NULL)
		return;
	free(optimizer->state.exp_avg);
	free(optimizer->state.exp_avg_sq);
	free(optimizer->slices);
	free(optimizer->squares);
	free(optimizer);
}

struct optimizer_state *optimizer_state(struct optimizer *optimizer) {
	return &optimizer->state;
}

size_t optimizer_frozen(const struct optimizer *optimizer) {
	return optimizer->frozen;
}

static void square_slice(void *context, size_t index, int worker) {
	struct optimizer *optimizer = context;
	const struct slice *slice = &optimizer->slices[index];
	(void)worker;
	optimizer->squares[index] = optimizer->kernels->sum_of_squares(optimizer->gradients + slice->offset, slice->count);
}

static double global_norm(struct optimizer *optimizer) {
	double sum = 0;
	pool_run(optimizer->pool, optimizer->slice_count, square_slice, optimizer);
	for (size_t i = 0; i < optimizer->slice_count; i++)
		sum += optimizer->squares[i];
	return sqrt(sum);
}

static void update_slice(void *context, size_t index, int worker) {
	struct optimizer *optimizer = context;
	const struct slice *slice = &optimizer->slices[index];
	struct adamw_step step = optimizer->step;
	(void)worker;
	if (!slice->decays)
		step.weight_decay = 0;
	optimizer->kernels->adamw(optimizer->parameters->values + slice->offset, optimizer->state.exp_avg + slice->offset,
		optimizer->state.exp_avg_sq + slice->offset, optimizer->gradients + slice->offset, slice->count, &step);
}

/* As clip_grad_norm_: max_norm / (norm + 1e-6), never above 1. */
static double clip_factor(double norm, double max_norm) {
	return max_norm > 0 ? fmin(1, max_norm / (norm + 1e-6)) : 1;
}

double optimizer_step(struct optimizer *optimizer, const float *gradients, double learning_rate) {
	const struct optimizer_options *options = &optimizer->options;
	optimizer->gradients = gradients;
	double norm = global_norm(optimizer);
	if (!isfinite(norm))
		return norm;
	double t = (double)++optimizer->state.steps;
	optimizer->step = (struct adamw_step){
		.learning_rate = learning_rate,
		.beta1 = options->beta1,
		.beta2 = options->beta2,
		.epsilon = options->epsilon,
		.weight_decay = options->weight_decay,
		.bias_correction1 = 1 - pow(options->beta1, t),
		.bias_correction2 = 1 - pow(options->beta2, t),
		.gradient_scale = clip_factor(norm, options->max_grad_norm),
	};
	pool_run(optimizer->pool, optimizer->slice_count, update_slice, optimizer);
	return norm;
}
