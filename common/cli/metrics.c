/* metrics: what a training tool prints: lines of metrics, and progress with the latest losses. */
#include "cli/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/progress.h"

int print_metrics(void *context, const json_t *line, struct failure *failure) {
	struct shown_losses *losses = context;
	const json_t *loss = json_object_get(line, "loss"), *eval_loss = json_object_get(line, "eval_loss");
	if (loss != NULL)
		losses->train = json_number_value(loss);
	if (eval_loss != NULL)
		losses->eval = json_number_value(eval_loss);
	progress_end();
	return print_json_line(line, failure);
}

void show_steps(void *context, int64_t steps, int64_t total) {
	const struct shown_losses *losses = context;
	char text[64] = "";
	if (!isnan(losses->train))
		snprintf(text, sizeof text, "loss %.4f", losses->train);
	if (!isnan(losses->eval))
		snprintf(text + strlen(text), sizeof text - strlen(text), "%seval_loss %.4f", *text ? ", " : "", losses->eval);
	progress(steps, total, "steps", *text ? text : NULL);
}
