/* parts: the gradients of a step cut into parts, in the order in which a backward pass completes them (network_set_listener()
 * of model/network.h): from the head down to the embeddings, a part for each group, so that the first parts can travel
 * between ranks (train/exchange.h) while the others are still at work.
 *
 * The embeddings are complete last, and are a third of DistilBERT. But to the row of a word that no token of the step is,
 * only a tied decoder adds, which comes first: these rows are the first part of all. */
#ifndef CLOZE_TRAIN_PARTS_H
#define CLOZE_TRAIN_PARTS_H

#include "model/blocks.h"
#include "model/examples.h"

/* Numbers of a group's block that lie one after the other: at most SPAN_FLOATS. */
enum { SPAN_FLOATS = 1 << 16 };
struct span { size_t first, count; };

struct part {
	size_t group;
	struct span *spans; /* ascending */
	size_t count;
};

struct parts {
	struct part *of;
	size_t count;
};

/* The parts of the gradients of a step. Every number of a group that trains is in one of them. */
struct parts parts_create(const struct blocks *gradients, const struct examples *step);
void parts_clear(struct parts *parts);

/* How many of the parts are complete when the backward pass has told that `group` is. */
size_t parts_complete(const struct parts *parts, size_t group);

#endif
