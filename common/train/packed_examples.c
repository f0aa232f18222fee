/* packed_examples: examples as one piece of memory. Its arrays follow one another, each on a cache line. */
#include "train/packed_examples.h"

#include <string.h>

#include "base/memory.h"

enum { ARRAYS = 13, CACHE_LINE = 64 };

/* An array of the examples: where its pointer is in the struct, and its size. */
struct array { size_t pointer, bytes; };
#define ARRAY(member, bytes) { offsetof(struct examples, member), bytes }

static void list_arrays(const struct packed_header *header, struct array arrays[ARRAYS]) {
	const struct teacher_answers *teacher = &header->examples.teacher;
	size_t B = header->examples.B, N = header->rows, M = header->labels, number = sizeof(int32_t);
	const struct array all[ARRAYS] = {
		ARRAY(starts, (B + 1) * number),
		ARRAY(input_ids, N * number),
		ARRAY(positions, N * number),
		ARRAY(token_type_ids, N * number),
		ARRAY(attended, N),
		ARRAY(label_starts, (B + 1) * number),
		ARRAY(labelled, M * number),
		ARRAY(labels, M * number),
		ARRAY(teacher.logits, M * teacher->K * sizeof(float)),
		ARRAY(teacher.ids, M * teacher->K * number),
		ARRAY(teacher.rest, teacher->ids != NULL ? M * REST_TEMPERATURES * sizeof(float) : 0),
		ARRAY(teacher.hidden_states, N * teacher->C * sizeof(float)),
		ARRAY(classes, B * number),
	};
	memcpy(arrays, all, sizeof all);
}

static const void *pointer_of(const struct examples *examples, const struct array *array) {
	const void *pointer;
	memcpy(&pointer, (const char *)examples + array->pointer, sizeof pointer);
	return pointer;
}

/* Where the array that follows an array at `place` begins. */
static size_t next_place(const struct examples *examples, const struct array *array, size_t place) {
	size_t lines = (array->bytes + CACHE_LINE - 1) / CACHE_LINE;
	return pointer_of(examples, array) != NULL ? place + lines * CACHE_LINE : place;
}

void *examples_pack(const struct examples *examples, struct packed_header *header) {
	struct array arrays[ARRAYS];
	*header = (struct packed_header){ .examples = *examples, .rows = examples_rows(examples),
		.labels = examples_labels(examples) };
	list_arrays(header, arrays);
	for (size_t i = 0; i < ARRAYS; i++)
		header->bytes = next_place(examples, &arrays[i], header->bytes);
	char *bytes = allocate(header->bytes, 1);
	for (size_t i = 0, place = 0; i < ARRAYS; place = next_place(examples, &arrays[i++], place))
		if (pointer_of(examples, &arrays[i]) != NULL && arrays[i].bytes > 0)
			memcpy(bytes + place, pointer_of(examples, &arrays[i]), arrays[i].bytes);
	return bytes;
}

struct examples examples_unpack(const struct packed_header *header, const void *bytes) {
	struct examples examples = header->examples;
	struct array arrays[ARRAYS];
	list_arrays(header, arrays);
	for (size_t i = 0, place = 0; i < ARRAYS; place = next_place(&header->examples, &arrays[i++], place)) {
		const void *here = (const char *)bytes + place;
		if (pointer_of(&examples, &arrays[i]) != NULL)
			memcpy((char *)&examples + arrays[i].pointer, &here, sizeof here);
	}
	return examples;
}
