/* run_options: the settings of a training run, and the options that set them. */
#include "train/run_options.h"

#include "math/matrix.h"
#include "model/network.h"

struct run_settings run_settings = {
	.lr = 5e-5, .lr_scheduler_type = SCHEDULE_LINEAR, .lr_end = 1e-7, .min_lr = -1,
	.schedule = { .num_cycles = 1, .power = 1, .cut_fraction = 0.1, .ratio = 32 },
	.groups = { .layer_lr_decay = 1 },
	.optimizer = { .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .max_grad_norm = 1 },
	.dropout = -1, .batch_size = 8, .gradient_accumulation_steps = 1, .max_steps = -1,
	.logging_steps = 1, .save_steps = 500, .eval_steps = -1, .eval_epochs = -1, .eval_batch_size = 8,
	.dtype = PRECISION_FP32, .seed = 42,
};

#define SETTING(member) &run_settings.member

const struct option_entry run_options[] = {
	OPTION_MODEL(SETTING(model), "folder of the model to start from", .changeable = true,
		.required = "the folder of the model to start from"),
	OPTION_TEXT("out", SETTING(out), "DIR", "folder to write the trained model to", .unrecorded = true,
		.required = "the folder to write the trained model to"),
	OPTION_FLAG("force", SETTING(force), "replace --out if it exists", .unrecorded = true),
	OPTION_FLAG("resume", SETTING(resume), "go on from the newest checkpoint in --out, if there is one",
		.unrecorded = true),
	OPTION_NUMBER("lr", SETTING(lr), 0, 1000, "R", "peak learning rate"),
	OPTION_CHOICE("lr-scheduler-type", SETTING(lr_scheduler_type), SCHEDULE_TYPES, "shape of the learning rate"),
	OPTION_INTEGER("warmup-steps", SETTING(schedule.warmup_steps), 0, 1e15, "N", "steps in which it rises from 0"),
	OPTION_NUMBER("warmup-ratio", SETTING(warmup_ratio), 0, 1, "R", "the same as a share of all steps"),
	OPTION_INTEGER("num-cycles", SETTING(schedule.num_cycles), 1, 1e6, "N",
		"cosine_with_restarts: falls from the peak"),
	OPTION_NUMBER("power", SETTING(schedule.power), 0, 1000, "P", "polynomial: its power"),
	OPTION_NUMBER("lr-end", SETTING(lr_end), 0, 1000, "R", "polynomial: the last learning rate"),
	OPTION_NUMBER("min-lr", SETTING(min_lr), 0, 1000, "R", "cosine_with_min_lr, warmup_stable_decay: the lowest rate"),
	OPTION_INTEGER("num-decay-steps", SETTING(schedule.num_decay_steps), 1, 1e15, "N",
		"warmup_stable_decay: the last steps, which fall"),
	OPTION_INTEGER("timescale", SETTING(schedule.timescale), 1, 1e15, "N",
		"inverse_sqrt: its time scale in steps; else the warm-up's, or 10,000"),
	OPTION_NUMBER("cut-fraction", SETTING(schedule.cut_fraction), 0.000001, 1, "R",
		"slanted_triangular: the share of the steps that rise"),
	OPTION_NUMBER("ratio", SETTING(schedule.ratio), 1, 1e9, "R",
		"slanted_triangular: the peak divided by the first rate"),
	OPTION_NUMBER("layer-lr-decay", SETTING(groups.layer_lr_decay), 0.001, 1000, "D",
		"divide the rate by this from each group to the one below: head, layers from the top, embeddings"),
	OPTION_TEXT("unfreeze-every", SETTING(groups.unfreeze_every), "N|epoch",
		"train the head first, then one group more after each N steps or each epoch"),
	OPTION_NUMBER("weight-decay", SETTING(optimizer.weight_decay), 0, 1000, "W", "AdamW's decoupled weight decay"),
	OPTION_FLAG("decay-all", SETTING(optimizer.decay_all), "decay biases and layer norms too"),
	OPTION_NUMBER("adam-beta1", SETTING(optimizer.beta1), 0, 0.999999, "B", "decay of the mean of gradients"),
	OPTION_NUMBER("adam-beta2", SETTING(optimizer.beta2), 0, 0.999999, "B", "decay of the mean of squared gradients"),
	OPTION_NUMBER("adam-epsilon", SETTING(optimizer.epsilon), 1e-30, 1, "E", "what is added to the root of that mean"),
	OPTION_NUMBER("max-grad-norm", SETTING(optimizer.max_grad_norm), 0, 1e30, "G",
		"clip gradients to this norm; 0: never"),
	OPTION_TEXT("freeze", SETTING(optimizer.freeze), "GLOB", "tensors to leave as they are"),
	OPTION_NUMBER("dropout", SETTING(dropout), 0, 0.999, "P", "dropout everywhere, in place of the configuration's"),
	OPTION_INTEGER("batch-size", SETTING(batch_size), 1, 1 << 20, "N", "records computed at a time"),
	OPTION_INTEGER("gradient-accumulation-steps", SETTING(gradient_accumulation_steps), 1, 1 << 20, "N",
		"batches a step"),
	OPTION_FLAG("reference-accumulation", SETTING(reference_accumulation),
		"average the batches' means, whatever their tokens"),
	OPTION_INTEGER("max-steps", SETTING(max_steps), 1, 1e15, "N", "stop after so many steps"),
	OPTION_INTEGER("logging-steps", SETTING(logging_steps), 1, 1e15, "N", "steps for each line of metrics",
		.unrecorded = true),
	OPTION_INTEGER("save-steps", SETTING(save_steps), 0, 1e15, "N", "steps for each checkpoint; 0: none",
		.changeable = true),
	OPTION_INTEGER("save-total-limit", SETTING(save_total_limit), 0, 1e6, "N", "checkpoints to keep; 0: all",
		.unrecorded = true),
	OPTION_TEXT("eval", SETTING(eval), "FILE", "records to evaluate on", .changeable = true),
	OPTION_INTEGER("eval-steps", SETTING(eval_steps), 1, 1e15, "N", "steps for each evaluation"),
	OPTION_INTEGER("eval-epochs", SETTING(eval_epochs), 1, 1e6, "N",
		"epochs for each; 1 where --eval-steps is not given"),
	OPTION_INTEGER("eval-batch-size", SETTING(eval_batch_size), 1, 1 << 20, "N", "records evaluated at a time",
		.changeable = true),
	OPTION_INTEGER("early-stopping-patience", SETTING(early_stopping_patience), 0, 1e6, "N",
		"stop after so many evaluations without a better one; 0: never"),
	OPTION_FLAG("load-best-model-at-end", SETTING(load_best_model_at_end), "write the model of the best evaluation"),
	OPTION_CHOICE("dtype", SETTING(dtype), PRECISIONS, "numbers that matrix products take; auto: the faster"),
	OPTION_SEED(SETTING(seed)),
	OPTION_THREADS(SETTING(threads)),
	OPTION_END
};

static int check_evaluation(const struct run_settings *settings, struct failure *failure) {
	const char *needs = settings->eval != NULL ? NULL
		: settings->eval_steps > 0 ? "--eval-steps"
		: settings->eval_epochs > 0 ? "--eval-epochs"
		: settings->early_stopping_patience > 0 ? "--early-stopping-patience"
		: settings->load_best_model_at_end ? "--load-best-model-at-end" : NULL;
	return needs == NULL ? 0 : fail(failure, EX_USAGE, "%s needs evaluations (give --eval)", needs);
}

static int check_schedule(const struct run_settings *settings, struct failure *failure) {
	if (settings->lr_scheduler_type == SCHEDULE_CONSTANT
			&& (settings->schedule.warmup_steps > 0 || settings->warmup_ratio > 0))
		return fail(failure, EX_USAGE, "--lr-scheduler-type constant has no warm-up (give constant_with_warmup)");
	if (settings->lr_scheduler_type == SCHEDULE_POLYNOMIAL && settings->lr_end >= settings->lr)
		return fail(failure, EX_USAGE, "--lr-end %g is not below --lr %g, and a polynomial falls (give less)",
			settings->lr_end, settings->lr);
	if (settings->lr_scheduler_type == SCHEDULE_COSINE_WITH_MIN_LR && settings->min_lr < 0)
		return fail(failure, EX_USAGE, "--lr-scheduler-type cosine_with_min_lr must know the lowest rate (give --min-lr)");
	if (settings->lr_scheduler_type == SCHEDULE_WARMUP_STABLE_DECAY && settings->schedule.num_decay_steps == 0)
		return fail(failure, EX_USAGE, "--lr-scheduler-type warmup_stable_decay must know how many steps fall (give "
			"--num-decay-steps)");
	return 0;
}

int run_settings_check(struct run_settings *settings, const struct warnings *warnings, struct failure *failure) {
	if (settings->force && settings->resume)
		return fail(failure, EX_USAGE, "--force and --resume: one replaces --out, the other goes on with it (give one)");
	if (check_evaluation(settings, failure) < 0 || check_schedule(settings, failure) < 0
			|| group_plan_check(&settings->groups, failure) < 0)
		return -1;
	if (settings->eval_steps < 0 && settings->eval_epochs < 0)
		settings->eval_epochs = 1;
	settings->dtype = (int)resolve_precision((enum precision)settings->dtype);
	if (settings->dtype == PRECISION_BF16 && !bf16_is_fast())
		warn(warnings, "--dtype bf16 is slower than fp32 here (it needs a processor with bfloat16 products, and oneDNN)");
	return 0;
}
