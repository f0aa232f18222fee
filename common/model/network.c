/* network: an encoder with a head on it, forward and backward. All arrays of a pass lie in one arena. */
#include "model/network.h"

#include <stdlib.h>

#include "base/memory.h"

struct network {
	struct compute compute;
	struct encoder *encoder;
	const struct head_class *class;
	struct head *head;
	struct arena arena;
	struct wanted wanted; /* of the pass at hand */
};

struct network *network_create(const struct parameters *parameters, const struct head_class *class, const void *options,
	struct pool *pool) {
	struct network *network = allocate(1, sizeof *network);
	network->compute = (struct compute){ .parameters = parameters, .pool = pool, .kernels = kernels() };
	network->encoder = encoder_create(&network->compute);
	network->class = class;
	network->head = class->create(&network->compute, options);
	return network;
}

void network_free(struct network *network) {
	if (network == NULL)
		return;
	network->class->free(network->head);
	encoder_free(network->encoder);
	arena_free(&network->arena);
	free(network->compute.rounded);
	free(network);
}

void network_set_dropout(struct network *network, float hidden, float attention, uint64_t seed) {
	network->compute.hidden_dropout = hidden;
	network->compute.attention_dropout = attention;
	network->compute.seed = seed;
}

void network_set_precision(struct network *network, enum precision precision) {
	free(network->compute.rounded);
	network->compute.rounded = precision == PRECISION_BF16
		? allocate(network->compute.parameters->size, sizeof *network->compute.rounded) : NULL;
}

void network_count(const struct network *network, const struct examples *examples, struct totals *totals) {
	network->class->count(network->head, examples, totals);
}

static void lay_out(void *context) {
	struct network *network = context;
	struct arena_range between = encoder_lay_out(network->encoder, &network->arena);
	network->class->lay_out(network->head, &network->arena, between);
}

/* Runs the encoder. False where the head wants no row. */
static bool encode(struct network *network, const struct examples *examples, const struct blocks *gradients,
	struct head_pass *pass) {
	network->compute.training = gradients != NULL;
	network->compute.gradients = gradients;
	network->class->want(network->head, examples, &network->wanted);
	if (network->wanted.count == 0)
		return false;
	encoder_begin(network->encoder, examples, &network->wanted);
	arena_lay_out(&network->arena, lay_out, network);
	round_weights(&network->compute);
	pass->examples = examples;
	pass->rows = encoder_forward(network->encoder);
	pass->drows = encoder_gradient(network->encoder);
	return true;
}

struct loss network_gradients(struct network *network, const struct examples *examples, uint64_t pass,
	const struct totals *totals, const struct blocks *gradients) {
	struct head_pass head_pass = { .totals = totals };
	network->compute.pass = pass;
	if (!encode(network, examples, gradients, &head_pass))
		return (struct loss){ 0 };
	struct loss loss = network->class->loss(network->head, &head_pass);
	if (encoder_trains(network->encoder))
		encoder_backward(network->encoder);
	return loss;
}

double network_loss(struct network *network, const struct examples *examples, float *losses, int32_t *ranks) {
	static const struct totals sums = { { 1, 1, 1 } };
	struct head_pass pass = { .totals = &sums, .losses = losses, .ranks = ranks };
	return encode(network, examples, NULL, &pass) ? network->class->loss(network->head, &pass).value : 0;
}

void network_logits(struct network *network, const struct examples *examples, float *logits) {
	struct head_pass pass = { 0 };
	if (encode(network, examples, NULL, &pass))
		network->class->logits(network->head, &pass, logits);
}
