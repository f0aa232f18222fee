/* train-step: masked records in, a fine-tuned masked language model out. */
#include <signal.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "train/masked_task.h"
#include "train/run.h"

static const struct option_entry options[] = {
	OPTION_TABLE(run_options),
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Fine-tune a masked language model on masked records.",
	"wwm-mask < train.arrows | train-step --model distilbert-base-uncased --out tuned > metrics.jsonl",
};

static volatile sig_atomic_t stop_signal, save_requested;

/* A second signal to stop does so at once. */
static void take_signal(int number) {
	if (number == SIGUSR1) {
		save_requested = 1;
		return;
	}
	stop_signal = number;
	reader_interrupted = 1;
	signal(number, SIG_DFL);
}

static void catch_signals(void) {
	static const int signals[] = { SIGINT, SIGTERM, SIGUSR1 };
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction action = { .sa_handler = take_signal }, before;
		sigaction(signals[i], NULL, &before);
		if (before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

static enum run_request request(void *context) {
	(void)context;
	enum run_request asked = stop_signal != 0 ? RUN_STOP : save_requested ? RUN_SAVE : RUN_GO_ON;
	save_requested = 0;
	return asked;
}

static int print_metrics(void *context, const json_t *line, struct failure *failure) {
	(void)context;
	return print_json_line(line, failure);
}

static void show_progress(void *context, int64_t steps, int64_t total) {
	(void)context;
	progress(steps, total, "steps");
}

int main(int argc, char **argv) {
	struct failure failure;
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct lineage_entry stage = this_stage(run_settings.seed);
	struct run_job job = { .settings = &run_settings, .options = options, .stage = &stage, .input = input,
		.task = masked_task_create(), .pool = create_pool(run_settings.threads),
		.caller = { .print = print_metrics, .progress = show_progress, .request = request, .warnings = &print_warnings } };
	catch_signals();
	int end = check(run_train(&job, &failure), &failure);
	progress_end();
	pool_destroy(job.pool);
	json_decref(stage.arguments);
	if (end == RUN_STOPPED) {
		signal(stop_signal, SIG_DFL);
		raise(stop_signal);
	}
	return finish_output();
}
