/* parts: the gradients of a step cut into parts, in the order in which a backward pass completes them. */
#include "train/parts.h"

#include <stdlib.h>

#include "base/memory.h"

/* Adds the numbers from `first` on up to `end` to a part. */
static void add_range(struct part *part, size_t first, size_t end) {
	for (size_t count; first < end; first += count) {
		count = end - first < SPAN_FLOATS ? end - first : SPAN_FLOATS;
		if (part->count % 64 == 0)
			part->spans = grow(part->spans, part->count + 64, sizeof *part->spans);
		part->spans[part->count++] = (struct span){ first, count };
	}
}

/* Which of the V words are tokens of the step. */
static bool *mark_words(const struct examples *step, size_t V) {
	bool *marks = allocate(V, sizeof *marks);
	for (size_t n = 0; n < examples_rows(step); n++)
		marks[step->input_ids[n]] = true;
	return marks;
}

/* Divides the embeddings into the rows of words that are not in the step, and all else. */
static void divide_embeddings(const struct blocks *gradients, const struct examples *step, struct part *absent,
	struct part *others) {
	const struct parameter *words = parameters_find(gradients->parameters, ROLE_WORD_EMBEDDINGS, 0);
	const float *rows = blocks_of(gradients, words);
	size_t size = gradients->sizes[EMBEDDINGS_GROUP], end = 0;
	if (rows != NULL) {
		size_t V = words->shape[0], C = words->shape[1], first = (size_t)(rows - gradients->groups[EMBEDDINGS_GROUP]);
		bool *present = mark_words(step, V);
		for (size_t v = 0, next; v < V; v = next) {
			for (next = v + 1; next < V && present[next] == present[v];)
				next++;
			if (present[v])
				continue;
			add_range(others, end, first + v * C);
			add_range(absent, first + v * C, end = first + next * C);
		}
		free(present);
	}
	add_range(others, end, size);
}

struct parts parts_create(const struct blocks *gradients, const struct examples *step) {
	size_t groups = gradients->parameters->group_count;
	struct parts parts = { allocate(groups + 1, sizeof *parts.of), groups + 1 };
	for (size_t i = 1; i <= groups; i++) {
		struct part *part = &parts.of[i];
		part->group = groups - i;
		if (part->group != EMBEDDINGS_GROUP)
			add_range(part, 0, gradients->sizes[part->group]);
	}
	parts.of[0].group = EMBEDDINGS_GROUP;
	divide_embeddings(gradients, step, &parts.of[0], &parts.of[groups]);
	return parts;
}

void parts_clear(struct parts *parts) {
	for (size_t i = 0; i < parts->count; i++)
		free(parts->of[i].spans);
	free(parts->of);
	*parts = (struct parts){ 0 };
}

size_t parts_complete(const struct parts *parts, size_t group) {
	return parts->count - group;
}
