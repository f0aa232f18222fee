/* foreign_options: the table of options of the Trainer, run_mlm.py and the Hugging Face course, and of ours. */
#include "cli/foreign_options.h"

#include <stddef.h>
#include <string.h>

static const struct foreign_option options[] = {
	{ "model-name-or-path", "model", "train-step" },
	{ "pretrained-model-name-or-path", "model", "train-step" },
	{ "tokenizer-name", "model", "wordpiece" },
	{ "output-dir", "out", "train-step" },
	{ "overwrite-output-dir", "force", "train-step" },
	{ "resume-from-checkpoint", "resume", "train-step" },
	{ "learning-rate", "lr", "train-step" },
	{ "lr-scheduler", "lr-scheduler-type", "train-step" },
	{ "num-warmup-steps", "warmup-steps", "train-step" },
	{ "num-train-epochs", "epochs", "shuffle-records" },
	{ "num-epochs", "epochs", "shuffle-records" },
	{ "max-train-steps", "max-steps", "train-step" },
	{ "per-device-train-batch-size", "batch-size", "train-step" },
	{ "train-batch-size", "batch-size", "train-step" },
	{ "per-device-eval-batch-size", "eval-batch-size", "train-step" },
	{ "fp16", "dtype bf16", "train-step" },
	{ "bf16", "dtype bf16", "train-step" },
	{ "eval-strategy", "eval-epochs", "train-step" },
	{ "evaluation-strategy", "eval-epochs", "train-step" },
	{ "validation-file", "eval", "train-step" },
	{ "do-eval", "eval", "train-step" },
	{ "mlm-probability", "mlm-probability", "random-mask" },
	{ "wwm-probability", "wwm-probability", "wwm-mask" },
	{ "max-seq-length", "chunk-size", "group-texts" },
	{ "block-size", "chunk-size", "group-texts" },
	{ "chunk-size", "chunk-size", "group-texts" },
	{ "line-by-line", "per-document", "group-texts" },
	{ "validation-split-percentage", "test-size", "split-records" },
	{ "epochs", "epochs", "shuffle-records" },
	{ "top-k", "top-k", "fill-mask" },
	{ "preprocessing-num-workers", "threads", "wordpiece" },
	{ "dataloader-num-workers", "threads", "train-step" },
};

const struct foreign_option *foreign_option_find(const char *name) {
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}
