/* head_for_folder: which head a folder's tensors are of. */
#include "model/head.h"
#include "model/parameters_file.h"

static const struct head_class *const heads[] = { &masked_lm_head, &classifier_head, &pooled_classifier_head };
enum { HEADS = sizeof heads / sizeof *heads };

int head_for_folder(const char *folder, const struct head_class **head, struct failure *failure) {
	const struct head_layout *layouts[HEADS];
	size_t found;
	for (size_t i = 0; i < HEADS; i++)
		layouts[i] = &heads[i]->layout;
	if (folder_find_head(folder, layouts, HEADS, &found, failure) < 0)
		return -1;
	*head = found < HEADS ? heads[found] : NULL;
	return 0;
}
