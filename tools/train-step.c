/* train-step: masked records in, a fine-tuned masked language model out. */
#include <math.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/metrics.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/streams.h"
#include "train/head_task.h"
#include "train/run.h"

static const struct option_entry options[] = {
	OPTION_TABLE(run_options),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Fine-tune a masked language model on masked records.",
	"wwm-mask < train.arrows | train-step --model distilbert-base-uncased --out tuned > metrics.jsonl",
};

static enum run_request request(void *context) {
	(void)context;
	return signals_stop_asked() != 0 ? RUN_STOP : signals_save_asked() ? RUN_SAVE : RUN_GO_ON;
}

int main(int argc, char **argv) {
	struct failure failure;
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	check(signals_ask(&failure), &failure);
	struct shown_losses losses = NO_LOSSES;
	struct lineage_entry stage = this_stage(run_settings.seed);
	struct run_job job = { .settings = &run_settings, .options = options, .stage = &stage, .input = input,
		.task = head_task_create(&masked_lm_task), .pool = create_pool(run_settings.threads),
		.caller = { .context = &losses, .print = print_metrics, .progress = show_steps, .request = request,
			.wake = signals_descriptor(), .warnings = &print_warnings } };
	int end = check(run_train(&job, &failure), &failure);
	progress_end();
	pool_destroy(job.pool);
	json_decref(stage.arguments);
	if (end == RUN_STOPPED)
		signals_end(signals_stop_asked());
	return finish_output();
}
