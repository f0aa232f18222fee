/* foreign_options: the names that options of the Trainer, run_mlm.py and the Hugging Face course have here.
 *
 * A user who types one of theirs is told which option of which tool does the same. */
#ifndef CLOZE_CLI_FOREIGN_OPTIONS_H
#define CLOZE_CLI_FOREIGN_OPTIONS_H

struct foreign_option {
	const char *name;   /* with hyphens: "learning-rate" */
	const char *option; /* our name, followed by a value where one is needed: "lr", "dtype bf16" */
	const char *tool;   /* a tool that has our option: "train-step" */
};

/* Finds the entry of that name. NULL: there is none. */
const struct foreign_option *foreign_option_find(const char *name);

#endif
