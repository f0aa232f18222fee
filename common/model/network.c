/* network: runs an encoder with a head, forward and backward. All arrays of a pass are in one arena. */
#include "model/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct network {
	struct parameters *parameters;
	struct compute compute;
	struct encoder *encoder;
	const struct head_class *class;
	struct head *head;
	struct arena arena;
	struct group_listener listener;
	struct wanted wanted; /* the rows that the head wants in the current pass */
};

struct network *network_create(struct parameters *parameters, const struct head_class *class, const void *options,
	struct pool *pool) {
	struct network *network = allocate(1, sizeof *network);
	network->parameters = parameters;
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
	free(network);
}

void network_set_dropout(struct network *network, float hidden, float attention, uint64_t seed) {
	network->compute.hidden_dropout = hidden;
	network->compute.attention_dropout = attention;
	network->compute.seed = seed;
}

void network_set_head_dropout(struct network *network, float probability) {
	network->compute.head_dropout = probability;
}

enum precision resolve_precision(enum precision precision) {
	return precision != PRECISION_AUTO ? precision : bf16_is_fast() ? PRECISION_BF16 : PRECISION_FP32;
}

void network_set_precision(struct network *network, enum precision precision) {
	struct parameters *parameters = network->parameters;
	bool rounded = resolve_precision(precision) == PRECISION_BF16;
	if (rounded)
		parameters_make_rounded(parameters);
	network->compute.rounded = rounded ? parameters->rounded : NULL;
}

/* Rounds the weights if products are in bfloat16 and the weights have changed since they were rounded. */
static void round_changed_weights(struct network *network) {
	struct parameters *parameters = network->parameters;
	if (network->compute.rounded == NULL || parameters->rounded_version == parameters->version)
		return;
	round_weights(&network->compute);
	parameters->rounded_version = parameters->version;
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
	pass->examples = examples;
	pass->rows = encoder_forward(network->encoder);
	pass->drows = encoder_gradient(network->encoder);
	return true;
}

/* ---- pieces -------------------------------------------------------------------------------------------- */

/* Examples are computed in pieces of at most this number of rows, or of one record that has more, so that activations
 * do not grow with the batch. Products of more rows are not faster. */
enum { PIECE_ROWS = 2048 };

/* Walks through the pieces of some examples, which are cut by their shape alone. */
struct pieces {
	const struct examples *whole;
	struct examples piece;
	size_t first;    /* the first record of the piece */
	size_t targets;  /* the number of items in the pieces before it */
	uint32_t number;
};

/* Advances to the next piece; false: there is none. */
static bool next_piece(const struct network *network, struct pieces *pieces) {
	const struct examples *whole = pieces->whole;
	if (pieces->piece.B > 0) {
		pieces->first += pieces->piece.B;
		pieces->targets += examples_targets(&pieces->piece);
		pieces->number++;
	}
	size_t count = pieces->first < whole->B;
	const int32_t *starts = whole->starts + pieces->first;
	while (pieces->first + count < whole->B
			&& (network->class->couples_records || starts[count + 1] - starts[0] <= PIECE_ROWS))
		count++;
	if (count > 0)
		pieces->piece = examples_slice(whole, pieces->first, count);
	return count > 0;
}

static void add_loss(struct loss *sum, struct loss loss) {
	sum->value += loss.value;
	for (size_t i = 0; i < LOSS_PARTS; i++)
		sum->parts[i] += loss.parts[i];
}

void network_set_listener(struct network *network, struct group_listener listener) {
	network->listener = listener;
}

static bool is_last(const struct pieces *pieces) {
	return pieces->first + pieces->piece.B == pieces->whole->B;
}

struct loss network_gradients(struct network *network, const struct examples *examples, uint64_t pass,
	const struct totals *totals, const struct blocks *gradients) {
	struct loss sum = { 0 };
	struct head_pass head_pass = { .totals = totals };
	network->compute.pass = pass;
	round_changed_weights(network);
	for (struct pieces pieces = { .whole = examples }; next_piece(network, &pieces);) {
		network->compute.piece = pieces.number;
		if (!encode(network, &pieces.piece, gradients, &head_pass))
			continue;
		network->compute.listener = is_last(&pieces) ? network->listener : (struct group_listener){ 0 };
		add_loss(&sum, network->class->loss(network->head, &head_pass));
		tell_complete(&network->compute, head_group(network->compute.parameters));
		if (encoder_trains(network->encoder))
			encoder_backward(network->encoder);
	}
	return sum;
}

void network_end_step(struct network *network) {
	if (network->class->end_step != NULL)
		network->class->end_step(network->head);
}

double network_loss(struct network *network, const struct examples *examples, float *losses, int32_t *ranks) {
	static const struct totals sums = { { 1, 1, 1 } };
	double sum = 0;
	round_changed_weights(network);
	for (struct pieces pieces = { .whole = examples }; next_piece(network, &pieces);) {
		struct head_pass pass = { .totals = &sums, .losses = losses != NULL ? losses + pieces.targets : NULL,
			.ranks = ranks != NULL ? ranks + pieces.targets : NULL };
		if (encode(network, &pieces.piece, NULL, &pass))
			sum += network->class->loss(network->head, &pass).value;
	}
	return sum;
}

void network_logits(struct network *network, const struct examples *examples, float *logits) {
	network_answer(network, examples, logits, NULL);
}

/* Copies the rows that were wanted in a piece. Returns the place behind them, for the next piece. */
static float *copy_rows(const struct network *network, struct matrix rows, float *to) {
	size_t C = network->compute.parameters->config.hidden_size;
	for (size_t r = 0; r < network->wanted.count; r++, to += C)
		memcpy(to, rows.fp32 + r * rows.stride, C * sizeof *to);
	return to;
}

void network_answer(struct network *network, const struct examples *examples, float *logits, float *rows) {
	round_changed_weights(network);
	for (struct pieces pieces = { .whole = examples }; next_piece(network, &pieces);) {
		struct head_pass pass = { 0 };
		if (!encode(network, &pieces.piece, NULL, &pass))
			continue;
		rows = rows != NULL ? copy_rows(network, pass.rows, rows) : NULL;
		network->class->logits(network->head, &pass,
			logits + pieces.targets * network->class->width(network->head));
	}
}
