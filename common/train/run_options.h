/* run_options: the settings of a training run, and the options that set them: the same words in every *-step tool.
 *
 *     static const struct option_entry options[] = {
 *         OPTION_TABLE(run_options),
 *         OPTION_FLAG("own", &own, "an option of this tool alone"),
 *         OPTION_END
 *     };
 */
#ifndef CLOZE_TRAIN_RUN_OPTIONS_H
#define CLOZE_TRAIN_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/options.h"
#include "train/groups.h"
#include "train/optimizer.h"
#include "train/schedule.h"

/* Each member is the option of that name. */
struct run_settings {
	const char *model, *out;
	bool force, resume;
	double lr;
	int lr_scheduler_type;               /* enum schedule_type */
	struct schedule schedule;            /* its options; `type` and `total` are set by the run */
	double warmup_ratio, lr_end, min_lr; /* min_lr -1: not given */
	struct group_plan groups;
	struct optimizer_options optimizer;
	double dropout;                      /* -1: as the configuration says */
	int64_t batch_size;                  /* records of a micro-batch */
	int64_t gradient_accumulation_steps; /* micro-batches of a step */
	bool reference_accumulation;
	int64_t max_steps;                   /* -1: to the input's end */
	int64_t logging_steps, save_steps, save_total_limit;
	const char *eval;                    /* NULL: no evaluation */
	int64_t eval_steps, eval_epochs;     /* -1: not given */
	int64_t eval_batch_size, early_stopping_patience;
	bool load_best_model_at_end;
	int dtype;                           /* fp32, bf16, auto; after run_settings_check() enum precision */
	int64_t seed, threads;
};

/* The settings of the command line, with the defaults before it is parsed, and the table that sets them. A run takes
 * its settings as an argument and does not look here. */
extern struct run_settings run_settings;
extern const struct option_entry run_options[];

/* Refuses settings that contradict each other, and puts what follows from others in place: an evaluation each epoch
 * where neither --eval-steps nor --eval-epochs is given, what --dtype auto comes to. -1: 64. */
int run_settings_check(struct run_settings *settings, const struct warnings *warnings, struct failure *failure);

#endif
