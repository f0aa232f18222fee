/* run_program: the program around a training run. */
#include "cli/run_program.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/streams.h"

/* The losses that were printed last; NaN: none yet. */
struct shown_losses { double train, eval; };

static int print_metrics(void *context, const json_t *line, struct failure *failure) {
	struct shown_losses *losses = context;
	const json_t *loss = json_object_get(line, "loss"), *eval_loss = json_object_get(line, "eval_loss");
	if (loss != NULL)
		losses->train = json_number_value(loss);
	if (eval_loss != NULL)
		losses->eval = json_number_value(eval_loss);
	progress_end();
	return print_json_line(line, failure);
}

static void show_steps(void *context, int64_t steps, int64_t total) {
	const struct shown_losses *losses = context;
	char text[64] = "";
	if (!isnan(losses->train))
		snprintf(text, sizeof text, "loss %.4f", losses->train);
	if (!isnan(losses->eval))
		snprintf(text + strlen(text), sizeof text - strlen(text), "%seval_loss %.4f", *text ? ", " : "", losses->eval);
	progress(steps, total, "steps", *text ? text : NULL);
}

/* What a signal has asked of the run. */
static enum run_request request(void *context) {
	(void)context;
	return signals_stop_asked() != 0 ? RUN_STOP : signals_save_asked() ? RUN_SAVE : RUN_GO_ON;
}

struct run_program run_program_begin(int64_t seed, int64_t threads) {
	static struct shown_losses losses = { NAN, NAN };
	struct failure failure;
	check(signals_ask(&failure), &failure);
	return (struct run_program){ .stage = this_stage(seed), .pool = create_pool(threads),
		.caller = { .context = &losses, .print = print_metrics, .progress = show_steps, .request = request,
			.wake = signals_descriptor(), .warnings = &print_warnings } };
}

int run_program_end(struct run_program *program, bool stopped) {
	progress_end();
	pool_destroy(program->pool);
	json_decref(program->stage.arguments);
	if (stopped)
		signals_end(signals_stop_asked());
	return finish_output();
}
