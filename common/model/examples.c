/* examples: records in the form that the network takes: one after the other, without padding. */
#include "model/examples.h"

static void slice_teacher(struct teacher_answers *teacher, size_t row, size_t label) {
	if (teacher->K > 0)
		teacher->logits += label * teacher->K;
	if (teacher->ids != NULL) {
		teacher->ids += label * teacher->K;
		teacher->rest += label * REST_TEMPERATURES;
	}
	if (teacher->hidden_states != NULL)
		teacher->hidden_states += row * teacher->C;
}

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
		slice_teacher(&slice.teacher, row, label);
	}
	if (slice.classes != NULL)
		slice.classes += first;
	return slice;
}

size_t examples_attended(const struct examples *examples) {
	size_t rows = examples_rows(examples), attended = 0;
	for (size_t n = 0; n < rows; n++)
		attended += examples_attend(examples, n);
	return attended;
}

size_t examples_longest(const struct examples *examples) {
	size_t longest = 0;
	for (size_t b = 0; b < examples->B; b++) {
		size_t length = (size_t)(examples->starts[b + 1] - examples->starts[b]);
		longest = length > longest ? length : longest;
	}
	return longest;
}
