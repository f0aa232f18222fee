/* encoder: runs the passes over the layers and lays out their arrays.
 *
 * The inputs of the layers alternate between two arrays. A layer that the backward pass reaches has its own arrays for
 * its other activations, except the outputs of layer norms, which the backward pass recomputes. The layers below, and
 * all layers of an evaluation, share one set of arrays. */
#include "model/encoder_parts.h"

#include <stdlib.h>

#include "base/memory.h"

static struct dense dense_of(const struct parameters *parameters, size_t layer, enum role weight, enum role bias,
	size_t parts) {
	return dense_layer(parameters_find(parameters, weight, layer), parameters_find(parameters, bias, layer), parts);
}

static void name_parameters(const struct parameters *p, struct layer *layer, size_t index) {
	layer->projection = dense_of(p, index, ROLE_QUERY_WEIGHT, ROLE_QUERY_BIAS, 3);
	layer->query = dense_of(p, index, ROLE_QUERY_WEIGHT, ROLE_QUERY_BIAS, 1);
	layer->key_value = dense_of(p, index, ROLE_KEY_WEIGHT, ROLE_KEY_BIAS, 2);
	layer->attention_output = dense_of(p, index, ROLE_ATTENTION_OUTPUT_WEIGHT, ROLE_ATTENTION_OUTPUT_BIAS, 1);
	layer->intermediate = dense_of(p, index, ROLE_INTERMEDIATE_WEIGHT, ROLE_INTERMEDIATE_BIAS, 1);
	layer->output = dense_of(p, index, ROLE_OUTPUT_WEIGHT, ROLE_OUTPUT_BIAS, 1);
	layer->attention_norm.weight = parameters_find(p, ROLE_ATTENTION_NORM_WEIGHT, index);
	layer->attention_norm.bias = parameters_find(p, ROLE_ATTENTION_NORM_BIAS, index);
	layer->output_norm.weight = parameters_find(p, ROLE_OUTPUT_NORM_WEIGHT, index);
	layer->output_norm.bias = parameters_find(p, ROLE_OUTPUT_NORM_BIAS, index);
	layer->site = (uint32_t)(1 + 3 * index);
}

struct encoder *encoder_create(const struct compute *compute) {
	struct encoder *encoder = allocate(1, sizeof *encoder);
	const struct parameters *parameters = compute->parameters;
	encoder->compute = compute;
	encoder->config = &parameters->config;
	encoder->C = encoder->config->hidden_size;
	encoder->H = encoder->config->num_attention_heads;
	encoder->F = encoder->config->intermediate_size;
	encoder->L = encoder->config->num_hidden_layers;
	encoder->layers = allocate(encoder->L, sizeof *encoder->layers);
	for (size_t l = 0; l < encoder->L; l++)
		name_parameters(parameters, &encoder->layers[l], l);
	encoder->embedding_norm.weight = parameters_find(parameters, ROLE_EMBEDDING_NORM_WEIGHT, 0);
	encoder->embedding_norm.bias = parameters_find(parameters, ROLE_EMBEDDING_NORM_BIAS, 0);
	return encoder;
}

void encoder_free(struct encoder *encoder) {
	if (encoder == NULL)
		return;
	free(encoder->layers);
	free(encoder);
}

/* ---- the arrays ---------------------------------------------------------------------------------------- */

static void take_norm(struct arena *arena, struct norm *norm, size_t rows, struct matrix y) {
	norm->x = arena_take(arena, rows * norm->weight->elements);
	norm->mean = arena_take(arena, rows);
	norm->rstd = arena_take(arena, rows);
	norm->y = y;
}

/* Whether the backward pass reaches the layer. */
static bool is_reached(const struct encoder *encoder, size_t layer) {
	return encoder->lowest_group <= layer_group(layer);
}

/* Takes a matrix that only products and, in bfloat16, loops on rounded numbers read. */
static struct matrix take_operand(const struct encoder *encoder, struct arena *arena, size_t rows, size_t columns) {
	if (encoder->compute->rounded == NULL)
		return arena_take_matrix(arena, rows, columns, false);
	return (struct matrix){ .bf16 = arena_take_bf16(arena, rows * columns), .stride = columns };
}

/* The stride of the rows of the intermediate layer. In bfloat16, their products are fastest without gaps. */
static size_t wide_stride(const struct encoder *encoder) {
	return encoder->compute->rounded != NULL ? encoder->F : fast_stride(encoder->F);
}

/* Takes a matrix [rows, F] whose memory has room for `columns` columns. */
static struct matrix take_wide(const struct encoder *encoder, struct arena *arena, size_t rows, size_t columns) {
	size_t stride = wide_stride(encoder);
	struct matrix wide = take_operand(encoder, arena, rows, columns > stride ? columns : stride);
	wide.stride = stride;
	return wide;
}

/* Takes the arrays of a layer. Queries, keys and values are one array [N, 3 C]; in a layer of wanted rows the queries
 * are [R, C], and keys and values are [N, 2 C]. */
static void take_layer(struct encoder *encoder, struct arena *arena, struct layer *layer, struct matrix y) {
	size_t C = encoder->C, N = encoder->N, R = layer->R;
	bool rounded = encoder->compute->rounded != NULL;
	layer->residual = layer->x;
	if (layer->wanted != NULL) {
		layer->residual = arena_take_matrix(arena, R, C, rounded);
		layer->queries = take_operand(encoder, arena, R, C);
		layer->keys = take_operand(encoder, arena, N, 2 * C);
	} else {
		layer->queries = take_operand(encoder, arena, N, 3 * C);
		layer->keys = matrix_at(layer->queries, 0, C);
	}
	layer->values = matrix_at(layer->keys, 0, C);
	layer->context = take_operand(encoder, arena, R, C);
	take_norm(arena, &layer->attention_norm, R, encoder->attended);
	layer->before_activation = take_wide(encoder, arena, R, encoder->F);
	layer->activated = rounded ? take_wide(encoder, arena, R, C) : encoder->activated;
	take_norm(arena, &layer->output_norm, R, y);
}

/* Takes the arrays that are free between the passes: for the activated rows in single precision, which the forward pass
 * reads faster without gaps, and for the gradient of the intermediate layer. */
static struct arena_range take_between(struct encoder *encoder, struct arena *arena) {
	struct arena_range between = { .start = arena->used };
	if (encoder->compute->rounded == NULL) {
		encoder->activated = take_wide(encoder, arena, encoder->N, encoder->F);
		encoder->activated.stride = encoder->F;
	}
	if (encoder_trains(encoder))
		encoder->wide = take_wide(encoder, arena, encoder->N, 3 * encoder->C);
	between.end = arena->used;
	return between;
}

static void take_gradients(struct encoder *encoder, struct arena *arena) {
	size_t C = encoder->C, N = encoder->N;
	encoder->gradients[0] = arena_take(arena, N * C);
	encoder->gradients[1] = arena_take(arena, N * C);
	encoder->norm_scratch.branch = arena_take_matrix(arena, N, C, encoder->compute->rounded != NULL);
	encoder->norm_scratch.partials = arena_take(arena, (N + NORM_ROWS - 1) / NORM_ROWS * 2 * C);
}

/* Takes the input arrays of the layers. The lowest layer that the backward pass reaches has its own array, because
 * nothing recomputes its input; if the pass goes on to the embeddings, those are recomputed. */
static void take_inputs(struct encoder *encoder, struct arena *arena) {
	bool rounded = encoder->compute->rounded != NULL;
	struct matrix pair[2];
	for (size_t l = 0; l < encoder->L && l < 2; l++)
		pair[l] = arena_take_matrix(arena, encoder->N, encoder->C, rounded);
	for (size_t l = 0; l < encoder->L; l++) {
		bool lowest = l > 0 && encoder->lowest_group == layer_group(l);
		encoder->layers[l].x = lowest ? arena_take_matrix(arena, encoder->N, encoder->C, rounded) : pair[l % 2];
	}
}

struct arena_range encoder_lay_out(struct encoder *encoder, struct arena *arena) {
	size_t C = encoder->C, N = encoder->N, L = encoder->L;
	bool rounded = encoder->compute->rounded != NULL;
	take_inputs(encoder, arena);
	take_norm(arena, &encoder->embedding_norm, N, encoder->layers[0].x);
	encoder->encoded = arena_take_matrix(arena, encoder->layers[L - 1].R, C, rounded);
	encoder->attended = arena_take_matrix(arena, N, C, rounded);
	struct arena_range between = take_between(encoder, arena);
	encoder->scores = arena_take(arena, (size_t)pool_threads(encoder->compute->pool) * scores_size(encoder));
	if (encoder_trains(encoder))
		take_gradients(encoder, arena);
	for (size_t l = 0, shared = arena->used; l < L; l++) {
		if (l == 0 || !is_reached(encoder, l - 1))
			arena->used = shared;
		take_layer(encoder, arena, &encoder->layers[l], l == L - 1 ? encoder->encoded : encoder->layers[l + 1].x);
	}
	arena->used = arena->peak;
	return between;
}

/* ---- the passes ---------------------------------------------------------------------------------------- */

/* DistilBERT has no dropout between the attention output and the residual. */
static struct dropout attention_output_dropout(const struct encoder *encoder, const struct layer *layer) {
	if (encoder->config->model_type == MODEL_DISTILBERT)
		return (struct dropout){ 0 };
	return hidden_dropout(encoder->compute, layer->site + 1);
}

void encoder_begin(struct encoder *encoder, const struct examples *examples, const struct wanted *wanted) {
	encoder->examples = examples;
	encoder->wanted = wanted;
	encoder->N = examples_rows(examples);
	encoder->longest = examples_longest(examples);
	const struct blocks *gradients = encoder->compute->gradients;
	encoder->lowest_group = gradients != NULL ? blocks_lowest_group(gradients) : SIZE_MAX;
	for (size_t l = 0; l < encoder->L; l++) {
		struct layer *layer = &encoder->layers[l];
		layer->wanted = l == encoder->L - 1 && wanted->rows != NULL ? wanted : NULL;
		layer->R = layer->wanted != NULL ? wanted->count : encoder->N;
		layer->attention_norm.dropout = attention_output_dropout(encoder, layer);
		layer->output_norm.dropout = hidden_dropout(encoder->compute, layer->site + 2);
	}
}

struct matrix encoder_forward(struct encoder *encoder) {
	embeddings_forward(encoder);
	for (size_t l = 0; l < encoder->L; l++)
		layer_forward(encoder, &encoder->layers[l]);
	return encoder->encoded;
}

bool encoder_trains(const struct encoder *encoder) {
	return encoder->lowest_group <= layer_group(encoder->L - 1);
}

float *encoder_gradient(struct encoder *encoder) {
	return encoder_trains(encoder) ? encoder->gradients[0] : NULL;
}

/* Recomputes the input of the layer, which later layers have overwritten. */
static void restore_input(struct encoder *encoder, size_t index) {
	if (index == 0)
		embeddings_forward(encoder);
	else if (encoder->lowest_group < layer_group(index))
		norm_again(encoder->compute, &encoder->layers[index - 1].output_norm, encoder->N);
}

void encoder_backward(struct encoder *encoder) {
	float *dy = encoder->gradients[0], *dx = encoder->gradients[1];
	for (size_t l = encoder->L; l-- > 0 && is_reached(encoder, l);) {
		restore_input(encoder, l);
		layer_backward(encoder, l, dy, dx, encoder->lowest_group < layer_group(l));
		tell_complete(encoder->compute, layer_group(l));
		float *done = dy;
		dy = dx;
		dx = done;
	}
	if (encoder->lowest_group == EMBEDDINGS_GROUP)
		embeddings_backward(encoder, dy);
}
