/* packed_examples: examples as one piece of memory, to be handed to another process of the same program. An array that struct
 * examples gets belongs into the list in the .c file as well. */
#ifndef CLOZE_TRAIN_PACKED_EXAMPLES_H
#define CLOZE_TRAIN_PACKED_EXAMPLES_H

#include "model/examples.h"

/* What says how the examples lie in the memory. It can be sent as it is. */
struct packed_header {
	struct examples examples; /* its numbers, and which of its pointers are NULL: no other pointer is used */
	size_t rows, labels;      /* N, M */
	size_t bytes;             /* of the memory */
};

/* Packs the examples, which are a whole batch (starts[0] and label_starts[0] are 0). The caller frees the result. */
void *examples_pack(const struct examples *examples, struct packed_header *header);

/* The examples that were packed; their arrays are in `bytes`, which is aligned as memory of allocate() is. */
struct examples examples_unpack(const struct packed_header *header, const void *bytes);

#endif
