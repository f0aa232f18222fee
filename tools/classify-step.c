/* classify-step: tokens with a label in, a classifier out. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/run_program.h"
#include "corpus/label.h"
#include "model/classifier.h"
#include "train/head_task.h"
#include "train/run.h"

enum { POOLING_CLS, POOLING_CONCAT };

static int pooling = POOLING_CLS;
static const char *labels;
static const char *class_weights;
static double label_smoothing;

static const struct option_entry options[] = {
	OPTION_CHOICE("pooling", &pooling, "cls|concat",
		"states that the classifier reads: the first; the last, maximum and mean"),
	OPTION_TEXT("labels", &labels, "LIST", "names of the labels 0, 1, ..., such as neg,pos; else those of the model"),
	OPTION_TEXT("class-weights", &class_weights, "LIST", "weight of each label's records in the loss, such as 1,2.5"),
	OPTION_NUMBER("label-smoothing", &label_smoothing, 0, 1, "S", "share of each record's label that all labels have"),
	OPTION_TABLE(run_options),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Fine-tune a classifier on tokens with a label.",
	"wordpiece --model tuned --max-length 256 < text.arrows | classify-step --model tuned --out sentiment",
};

/* One number for each label; how many they are goes into *count. */
static float *parse_weights(const char *list, size_t *count) {
	float *weights = NULL;
	for (const char *next = list; *count == 0 || *next++ == ',';) {
		char *end;
		errno = 0;
		double weight = strtod(next, &end);
		if (end == next || errno != 0 || !(weight >= 0 && isfinite((float)weight)) || (*end != ',' && *end != '\0'))
			die(EX_USAGE, "--class-weights %s: not a list of numbers from 0 on (such as 1,2.5)", list);
		weights = grow(weights, *count + 1, sizeof *weights);
		weights[(*count)++] = (float)weight;
		next = end;
	}
	return weights;
}

static struct classifier_options parse_classifier_options(void) {
	struct failure failure;
	struct label_words words = { 0 };
	struct classifier_options parsed = { .label_smoothing = label_smoothing };
	check(label_words_parse(&words, labels, &failure), &failure);
	parsed.labels = label_words_json(&words);
	label_words_clear(&words);
	if (class_weights != NULL)
		parsed.class_weights = parse_weights(class_weights, &parsed.weight_count);
	return parsed;
}

int main(int argc, char **argv) {
	struct failure failure;
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	const struct classifier_options classifier = parse_classifier_options();
	struct head_task kind = classifier_task;
	kind.head = pooling == POOLING_CLS ? &classifier_head : &pooled_classifier_head;
	kind.head_options = &classifier;
	struct run_program program = run_program_begin(run_settings.seed, run_settings.threads);
	const struct run_job job = { .settings = &run_settings, .options = options, .stage = &program.stage, .input = input,
		.task = head_task_create(&kind), .pool = program.pool, .caller = program.caller };
	bool stopped = check(run_train(&job, &failure), &failure) == RUN_STOPPED;
	json_decref((json_t *)classifier.labels);
	free((float *)classifier.class_weights);
	return run_program_end(&program, stopped);
}
