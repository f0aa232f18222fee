/* examples: records as the network takes them, one after the other without padding. */
#include "model/examples.h"

struct examples examples_slice(const struct examples *examples, size_t first, size_t count) {
	struct examples slice = *examples;
	size_t row = (size_t)(examples->starts[first] - examples->starts[0]);
	slice.B = count;
	slice.starts += first;
	slice.input_ids += row;
	slice.positions += row;
	if (slice.token_type_ids != NULL)
		slice.token_type_ids += row;
	if (slice.attended != NULL)
		slice.attended += row;
	if (slice.label_starts != NULL) {
		size_t label = (size_t)(examples->label_starts[first] - examples->label_starts[0]);
		slice.label_starts += first;
		slice.labelled += label;
		slice.labels += label;
	}
	if (slice.classes != NULL)
		slice.classes += first;
	return slice;
}

size_t examples_longest(const struct examples *examples) {
	size_t longest = 0;
	for (size_t b = 0; b < examples->B; b++) {
		size_t length = (size_t)(examples->starts[b + 1] - examples->starts[b]);
		longest = length > longest ? length : longest;
	}
	return longest;
}
