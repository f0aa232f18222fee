/* optimizer: AdamW on the tensors that train.
 *
 * The tensors are cut into slices, which the pool processes for the norm and for the update. The sums of squares of the
 * slices are added in order, so that the norm does not depend on the number of threads. */
#include "train/optimizer.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/kernels.h"

enum { SLICE_FLOATS = 1 << 16 };

struct slice { const struct parameter *parameter; size_t first, count; };

struct optimizer {
	struct parameters *parameters;
	struct optimizer_options options;
	struct pool *pool;
	const struct kernels *kernels;
	bool *trains;                /* [count] the tensor trains once its group is thawed */
	bool *thawed;                /* [group_count] */
	struct blocks *gradients;
	struct optimizer_state state;
	struct slice *slices;        /* slices of the tensors that train now, in the order of the table */
	size_t slice_count, frozen;
	double *squares;             /* [slice_count] */
	struct adamw_step *steps;    /* [group_count] the settings of the current step */
};

struct optimizer *optimizer_create(struct parameters *parameters, const struct optimizer_options *options,
	struct pool *pool) {
	struct optimizer *optimizer = allocate(1, sizeof *optimizer);
	optimizer->parameters = parameters;
	optimizer->options = *options;
	optimizer->pool = pool;
	optimizer->kernels = kernels();
	optimizer->trains = allocate(parameters->count, sizeof *optimizer->trains);
	for (size_t i = 0; i < parameters->count; i++) {
		bool frozen = options->freeze != NULL && fnmatch(options->freeze, parameters->table[i].name, FNM_EXTMATCH) == 0;
		optimizer->frozen += frozen;
		optimizer->trains[i] = !frozen && !parameters->table[i].is_statistic;
	}
	optimizer->thawed = allocate(parameters->group_count, sizeof *optimizer->thawed);
	optimizer->gradients = blocks_create(parameters);
	optimizer->state.exp_avg = blocks_create(parameters);
	optimizer->state.exp_avg_sq = blocks_create(parameters);
	optimizer->state.steps = allocate(parameters->group_count, sizeof *optimizer->state.steps);
	optimizer->steps = allocate(parameters->group_count, sizeof *optimizer->steps);
	return optimizer;
}

void optimizer_free(struct optimizer *optimizer) {
	if (optimizer == NULL)
		return;
	blocks_free(optimizer->gradients);
	blocks_free(optimizer->state.exp_avg);
	blocks_free(optimizer->state.exp_avg_sq);
	free(optimizer->state.steps);
	free(optimizer->steps);
	free(optimizer->trains);
	free(optimizer->thawed);
	free(optimizer->slices);
	free(optimizer->squares);
	free(optimizer);
}

static void add_slices(struct optimizer *optimizer, const struct parameter *parameter) {
	for (size_t first = 0; first < parameter->elements; first += SLICE_FLOATS) {
		size_t left = parameter->elements - first, count = optimizer->slice_count++;
		if (count % 64 == 0)
			optimizer->slices = grow(optimizer->slices, count + 64, sizeof *optimizer->slices);
		optimizer->slices[count] = (struct slice){ parameter, first, left < SLICE_FLOATS ? left : SLICE_FLOATS };
	}
}

static void cut_slices(struct optimizer *optimizer) {
	optimizer->slice_count = 0;
	for (size_t i = 0; i < optimizer->parameters->count; i++)
		if (optimizer->gradients->of[i] != NULL)
			add_slices(optimizer, &optimizer->parameters->table[i]);
	optimizer->squares = grow(optimizer->squares, optimizer->slice_count, sizeof *optimizer->squares);
}

void optimizer_thaw(struct optimizer *optimizer, size_t group) {
	if (optimizer->thawed[group])
		return;
	optimizer->thawed[group] = true;
	blocks_add_group(optimizer->gradients, group, optimizer->trains);
	blocks_add_group(optimizer->state.exp_avg, group, optimizer->trains);
	blocks_add_group(optimizer->state.exp_avg_sq, group, optimizer->trains);
	/* All threads write to the new memory at once: the system makes a page twice that is read before it is written to. */
	blocks_zero_group(optimizer->state.exp_avg, group, optimizer->pool);
	blocks_zero_group(optimizer->state.exp_avg_sq, group, optimizer->pool);
	cut_slices(optimizer);
}

struct blocks *optimizer_gradients(struct optimizer *optimizer) {
	return optimizer->gradients;
}

const struct optimizer_state *optimizer_state(struct optimizer *optimizer) {
	return &optimizer->state;
}

size_t optimizer_frozen(const struct optimizer *optimizer) {
	return optimizer->frozen;
}

static float *slice_of(const struct blocks *blocks, const struct slice *slice) {
	return blocks_of(blocks, slice->parameter) + slice->first;
}

static void square_slice(void *context, size_t index, int worker) {
	struct optimizer *optimizer = context;
	const struct slice *slice = &optimizer->slices[index];
	(void)worker;
	optimizer->squares[index] = optimizer->kernels->sum_of_squares(slice_of(optimizer->gradients, slice), slice->count);
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
	const struct parameters *parameters = optimizer->parameters;
	struct adamw_step step = optimizer->steps[slice->parameter->group];
	size_t at = slice->parameter->offset + slice->first;
	(void)worker;
	if (!slice->parameter->decays && !optimizer->options.decay_all)
		step.weight_decay = 0;
	optimizer->kernels->adamw(parameters->values + at, slice_of(optimizer->state.exp_avg, slice),
		slice_of(optimizer->state.exp_avg_sq, slice), slice_of(optimizer->gradients, slice), slice->count, &step);
	if (parameters->rounded != NULL && is_rounded(slice->parameter))
		optimizer->kernels->round_to_bf16(parameters->rounded + at, parameters->values + at, 1, slice->count, slice->count);
}

/* Equals clip_grad_norm_: max_norm / (norm + 1e-6), at most 1. */
static double clip_factor(double norm, double max_norm) {
	return max_norm > 0 ? fmin(1, max_norm / (norm + 1e-6)) : 1;
}

static struct adamw_step group_step(const struct optimizer *optimizer, size_t group, double learning_rate,
	double scale) {
	const struct optimizer_options *options = &optimizer->options;
	double t = (double)optimizer->state.steps[group];
	return (struct adamw_step){
		.learning_rate = learning_rate,
		.beta1 = options->beta1,
		.beta2 = options->beta2,
		.epsilon = options->epsilon,
		.weight_decay = options->weight_decay,
		.bias_correction1 = 1 - pow(options->beta1, t),
		.bias_correction2 = 1 - pow(options->beta2, t),
		.gradient_scale = scale,
	};
}

double optimizer_step(struct optimizer *optimizer, const double *learning_rates) {
	double norm = global_norm(optimizer);
	if (!isfinite(norm))
		return norm;
	double scale = clip_factor(norm, optimizer->options.max_grad_norm);
	for (size_t g = 0; g < optimizer->parameters->group_count; g++) {
		optimizer->state.steps[g] += optimizer->gradients->groups[g] != NULL;
		optimizer->steps[g] = group_step(optimizer, g, learning_rates[g], scale);
	}
	pool_run(optimizer->pool, optimizer->slice_count, update_slice, optimizer);
	struct parameters *parameters = optimizer->parameters;
	if (parameters->rounded_version == parameters->version)
		parameters->rounded_version++;
	parameters->version++;
	return norm;
}
