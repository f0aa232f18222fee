/* foreign_options: options as the Trainer, run_mlm.py and the Hugging Face course name them, and what they are called
 * here. */
#ifndef CLOZE_CLI_FOREIGN_OPTIONS_H
#define CLOZE_CLI_FOREIGN_OPTIONS_H

struct foreign_option {
	const char *name;   /* with hyphens: "learning-rate" */
	const char *option; /* ours, with the value where that says the same: "lr", "dtype bf16" */
	const char *tool;   /* a tool that has it: "train-step" */
};

/* The entry of that name; NULL: none. */
const struct foreign_option *foreign_option_find(const char *name);

#endif
