/* packed_examples: examples as one piece of memory. Its arrays follow one another, each on a cache line. */
#include "train/packed_examples.h"

#include <string.h>

#include "base/memory.h"

enum { ARRAYS = 9, CACHE_LINE = 64 };

/* An array of the examples: where its pointer is, and its size. */
struct array { const void *start; size_t bytes; };

static void list_arrays(const struct packed_header *header, struct array arrays[ARRAYS]) {
	const struct examples *examples = &header->examples;
	size_t rows = header->rows * sizeof(int32_t), labels = header->labels * sizeof(int32_t);
	size_t starts = (examples->B + 1) * sizeof(int32_t);
	const struct array all[ARRAYS] = {
		{ examples->starts, starts },
		{ examples->input_ids, rows },
		{ examples->positions, rows },
		{ examples->token_type_ids, rows },
		{ examples->attended, header->rows },
		{ examples->label_starts, starts },
		{ examples->labelled, labels },
		{ examples->labels, labels },
		{ examples->classes, examples->B * sizeof(int32_t) },
	};
	memcpy(arrays, all, sizeof all);
}

/* Where each array begins in the memory. Returns the memory's size. */
static size_t place_arrays(const struct array arrays[ARRAYS], size_t places[ARRAYS]) {
	size_t end = 0;
	for (size_t i = 0; i < ARRAYS; i++) {
		places[i] = end;
		if (arrays[i].start != NULL)
			end += (arrays[i].bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	}
	return end;
}

void *examples_pack(const struct examples *examples, struct packed_header *header) {
	struct array arrays[ARRAYS];
	size_t places[ARRAYS];
	*header = (struct packed_header){ .examples = *examples, .rows = examples_rows(examples),
		.labels = examples_labels(examples) };
	list_arrays(header, arrays);
	header->bytes = place_arrays(arrays, places);
	unsigned char *bytes = allocate(header->bytes, 1);
	for (size_t i = 0; i < ARRAYS; i++)
		if (arrays[i].start != NULL && arrays[i].bytes > 0)
			memcpy(bytes + places[i], arrays[i].start, arrays[i].bytes);
	return bytes;
}

/* The array that was at `packed` in the other process. */
static const void *unpack(const void *packed, const void *bytes, size_t place) {
	return packed != NULL ? (const unsigned char *)bytes + place : NULL;
}

struct examples examples_unpack(const struct packed_header *header, const void *bytes) {
	struct examples examples = header->examples;
	struct array arrays[ARRAYS];
	size_t places[ARRAYS];
	list_arrays(header, arrays);
	place_arrays(arrays, places);
	examples.starts = unpack(examples.starts, bytes, places[0]);
	examples.input_ids = unpack(examples.input_ids, bytes, places[1]);
	examples.positions = unpack(examples.positions, bytes, places[2]);
	examples.token_type_ids = unpack(examples.token_type_ids, bytes, places[3]);
	examples.attended = unpack(examples.attended, bytes, places[4]);
	examples.label_starts = unpack(examples.label_starts, bytes, places[5]);
	examples.labelled = unpack(examples.labelled, bytes, places[6]);
	examples.labels = unpack(examples.labels, bytes, places[7]);
	examples.classes = unpack(examples.classes, bytes, places[8]);
	return examples;
}
