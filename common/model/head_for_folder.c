/* head_for_folder: which head a folder's tensors are of. */
#include "model/head.h"
#include "model/parameters_file.h"

static const struct head_class *const heads[] = { &masked_lm_head, &classifier_head, &pooled_classifier_head };

int head_for_folder(const char *folder, const struct head_class **head, struct failure *failure) {
	*head = NULL;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		int found = folder_has_head(folder, &heads[i]->layout, failure);
		if (found < 0)
			return -1;
		if (found > 0) {
			*head = heads[i];
			return 0;
		}
	}
	return 0;
}
