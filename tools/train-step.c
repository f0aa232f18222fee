/* train-step: masked records in, a fine-tuned masked language model out. */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/run_program.h"
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

int main(int argc, char **argv) {
	struct failure failure;
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct run_program program = run_program_begin(run_settings.seed, run_settings.threads);
	const struct run_job job = { .settings = &run_settings, .options = options, .stage = &program.stage, .input = input,
		.task = head_task_create(&masked_lm_task), .pool = program.pool, .caller = program.caller };
	bool stopped = check(run_train(&job, &failure), &failure) == RUN_STOPPED;
	return run_program_end(&program, stopped);
}
