/* distill-step: masked records with a teacher's answers in, a masked language model, the student, out
 * (model/head_distillation.h). */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/run_program.h"
#include "model/head_distillation.h"
#include "train/head_task.h"
#include "train/run.h"

static struct distillation_options distillation = { .temperature = 2, .alpha_ce = 5, .alpha_mlm = 2, .alpha_cos = 1 };

static const struct option_entry options[] = {
	OPTION_TABLE(run_options),
	OPTION_NUMBER("temperature", &distillation.temperature, 0.01, 1e6, "T",
		"what logits are divided by before their softmax"),
	OPTION_NUMBER("alpha-ce", &distillation.alpha_ce, 0, 1e6, "A",
		"weight of the divergence from the teacher's probabilities"),
	OPTION_NUMBER("alpha-mlm", &distillation.alpha_mlm, 0, 1e6, "A", "weight of the cross-entropy at the labels"),
	OPTION_NUMBER("alpha-cos", &distillation.alpha_cos, 0, 1e6, "A", "weight of 1 - cosine of the hidden states"),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Train a masked language model, the student, on the answers that teach added to masked records.",
	"teach --model teacher --hidden-states < masked.arrows | distill-step --model student --out distilled > metrics.jsonl",
};

int main(int argc, char **argv) {
	struct failure failure;
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	if (distillation.alpha_ce + distillation.alpha_mlm + distillation.alpha_cos <= 0)
		die(EX_USAGE, "--alpha-ce, --alpha-mlm and --alpha-cos are 0 (one at least has to be more)");
	struct head_task kind = masked_lm_task;
	kind.head = &distillation_head;
	kind.head_options = &distillation;
	kind.labels = distillation.alpha_cos > 0 ? LABELS_AND_STATES : LABELS_AND_LOGITS;
	struct run_program program = run_program_begin(run_settings.seed, run_settings.threads);
	const struct run_job job = { .settings = &run_settings, .options = options, .stage = &program.stage, .input = input,
		.task = head_task_create(&kind), .pool = program.pool, .caller = program.caller };
	bool stopped = check(run_train(&job, &failure), &failure) == RUN_STOPPED;
	return run_program_end(&program, stopped);
}
