/* fill-mask: what a model puts in place of [MASK], as transformers' fill-mask pipeline answers.
 *
 * A line in, its answer out, flushed, so that a program can hold a conversation with it. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/cli.h"
#include "model/network.h"
#include "text/tokenizer.h"

static const char *model;
static int64_t top_k = 5;
static bool as_json;
static int64_t seed = 42;
static int64_t threads;

static const struct option_entry options[] = {
	OPTION_TEXT("model", &model, "DIR", "folder of the model, with its tokenizer; required"),
	OPTION_INTEGER("top-k", &top_k, 1, 1 << 20, "N", "predictions for each mask"),
	OPTION_FLAG("json", &as_json, "print a line of JSON for each line of text"),
	OPTION_SEED(&seed),
	OPTION_THREADS(&threads),
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Predict the tokens behind [MASK] in lines of text.",
	"echo 'This is a great [MASK].' | fill-mask --model distilbert-base-uncased",
};

struct prediction { int32_t token; double score; };

/* What answering takes from line to line. */
struct filler {
	const struct config *config;
	struct network *network;
	const struct tokenizer *tokenizer;
	struct tokenizer_scratch *scratch;
	struct encoding encoding;
	int32_t *positions;              /* of the masks */
	float *logits;                   /* [masks, V] */
	size_t masks, masks_room;
	struct prediction *predictions;  /* [top_k] */
	int32_t *sequence;               /* a line's ids with one mask filled */
};

/* Finds the masks of a line and computes their logits. */
static void compute(struct filler *filler, const char *text, size_t length, const char *name, int64_t line) {
	int32_t mask = tokenizer_special_ids(filler->tokenizer).mask;
	struct encoding *encoding = &filler->encoding;
	tokenizer_encode(filler->tokenizer, filler->scratch, text, length, 0, encoding);
	if (encoding->count > filler->config->max_position_embeddings)
		die(EX_DATAERR, "%s: line %" PRId64 ": %zu tokens, but the model's max_position_embeddings is %zu (shorten it)",
			name, line, encoding->count, filler->config->max_position_embeddings);
	filler->masks = 0;
	for (size_t i = 0; i < encoding->count; i++)
		filler->masks += encoding->input_ids[i] == mask;
	if (filler->masks == 0)
		die(EX_DATAERR, "%s: line %" PRId64 ": no mask in it (put %s where a token is to be predicted)", name, line,
			vocabulary_token(tokenizer_vocabulary(filler->tokenizer), mask));
	if (filler->masks > filler->masks_room) {
		filler->masks_room = filler->masks;
		filler->positions = grow(filler->positions, filler->masks_room, sizeof *filler->positions);
		filler->logits = grow(filler->logits, filler->masks_room * filler->config->vocab_size, sizeof *filler->logits);
	}
	size_t found = 0;
	for (size_t i = 0; i < encoding->count; i++)
		if (encoding->input_ids[i] == mask)
			filler->positions[found++] = (int32_t)i;
	struct network_input input = { .B = 1, .T = encoding->count, .input_ids = encoding->input_ids,
		.M = filler->masks, .positions = filler->positions };
	network_logits(filler->network, &input, filler->logits);
}

/* The top_k tokens by softmax of a row of logits; of equals the lower id comes first. */
static void rank(const float *logits, size_t V, struct prediction *best, size_t count) {
	double highest = -INFINITY, sum = 0;
	for (size_t v = 0; v < V; v++)
		highest = fmax(highest, (double)logits[v]);
	for (size_t v = 0; v < V; v++)
		sum += exp((double)logits[v] - highest);
	size_t kept = 0;
	for (size_t v = 0; v < V; v++) {
		double score = (double)logits[v];
		if (kept == count && score <= best[kept - 1].score)
			continue;
		size_t at = kept < count ? kept++ : kept - 1;
		for (; at > 0 && best[at - 1].score < score; at--)
			best[at] = best[at - 1];
		best[at] = (struct prediction){ (int32_t)v, score };
	}
	for (size_t i = 0; i < kept; i++)
		best[i].score = exp(best[i].score - highest) / sum;
}

/* The line with one mask filled. Special tokens are left out where no other mask would go with them, as the
 * pipeline does. free() releases it. */
static char *filled_text(struct filler *filler, size_t position, int32_t token) {
	const struct encoding *encoding = &filler->encoding;
	int32_t pad = tokenizer_special_ids(filler->tokenizer).pad;
	size_t count = 0;
	filler->sequence = grow(filler->sequence, encoding->count, sizeof *filler->sequence);
	for (size_t i = 0; i < encoding->count; i++) {
		int32_t id = i == position ? token : encoding->input_ids[i];
		if (id != pad)
			filler->sequence[count++] = id;
	}
	return tokenizer_decode(filler->tokenizer, filler->sequence, count, filler->masks == 1);
}

static json_t *answer_mask(struct filler *filler, size_t mask, FILE *text) {
	size_t V = filler->config->vocab_size, position = (size_t)filler->positions[mask];
	json_t *answers = json_array();
	rank(filler->logits + mask * V, V, filler->predictions, (size_t)top_k);
	for (size_t i = 0; i < (size_t)top_k; i++) {
		const struct prediction *prediction = &filler->predictions[i];
		char *token_text = tokenizer_decode(filler->tokenizer, &prediction->token, 1, false);
		char *sequence = filled_text(filler, position, prediction->token);
		if (as_json)
			json_array_append_new(answers, json_pack("{s:f, s:i, s:s, s:s}", "score", prediction->score,
				"token", (int)prediction->token, "token_str", token_text, "sequence", sequence));
		else
			fprintf(text, "%.6f\t%s\t%s\n", prediction->score, token_text, sequence);
		free(token_text);
		free(sequence);
	}
	return answers;
}

/* In JSON one mask's answers are a list, several masks' a list of lists. */
static void answer(struct filler *filler) {
	struct failure failure;
	char *bytes = NULL;
	size_t length = 0;
	FILE *text = open_memstream(&bytes, &length);
	if (text == NULL)
		die(EX_OSERR, "memory: %s", strerror(errno));
	json_t *lists = json_array();
	for (size_t mask = 0; mask < filler->masks; mask++)
		json_array_append_new(lists, answer_mask(filler, mask, text));
	if (as_json) {
		json_dumpf(filler->masks == 1 ? json_array_get(lists, 0) : lists, text, JSON_REAL_PRECISION(9));
		fputc('\n', text);
	}
	json_decref(lists);
	if (fclose(text) != 0)
		die(EX_OSERR, "memory: %s", strerror(errno));
	check(write_all(STDOUT_FILENO, bytes, length, "standard output", &failure), &failure);
	free(bytes);
}

static void answer_lines(struct filler *filler, const char *path) {
	FILE *input = fdopen(open_input(path), "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	for (int64_t number = 1; (length = getline(&line, &room, input)) >= 0; number++) {
		if (length > 0 && line[length - 1] == '\n')
			length--;
		compute(filler, line, (size_t)length, input_name(path), number);
		answer(filler);
	}
	if (ferror(input))
		die(EX_IOERR, "%s: cannot read: %s", input_name(path), strerror(errno));
	free(line);
	fclose(input);
}

int main(int argc, char **argv) {
	struct failure failure;
	const char *path = parse_options_with_input(argc, argv, &usage, options);
	if (model == NULL)
		die(EX_USAGE, "--model is missing (give the folder of the model)");

	struct tokenizer *tokenizer = tokenizer_load(model, &failure);
	if (tokenizer == NULL)
		die_failure(&failure);
	struct parameters *parameters = parameters_load(model, (uint64_t)seed, &failure);
	if (parameters == NULL)
		die_failure(&failure);
	size_t V = parameters->config.vocab_size;
	size_t tokens = vocabulary_size(tokenizer_vocabulary(tokenizer));
	if (tokenizer_special_ids(tokenizer).mask < 0)
		die(EX_DATAERR, "%s: its tokenizer has no [MASK] (use a masked language model)", model);
	if (tokens > V)
		die(EX_DATAERR, "%s: its tokenizer has %zu tokens, but its vocab_size is %zu (bring together the files of "
			"one model)", model, tokens, V);
	if ((size_t)top_k > tokens)
		die(EX_USAGE, "--top-k: %" PRId64 " is more than the %zu tokens of the vocabulary (give less)", top_k, tokens);

	struct pool *pool = pool_create((int)threads);
	struct filler filler = { .config = &parameters->config, .network = network_create(parameters, pool),
		.tokenizer = tokenizer, .scratch = tokenizer_scratch_create(tokenizer),
		.predictions = allocate((size_t)top_k, sizeof *filler.predictions) };
	answer_lines(&filler, path);

	free(filler.positions);
	free(filler.logits);
	free(filler.predictions);
	free(filler.sequence);
	encoding_clear(&filler.encoding);
	tokenizer_scratch_free(filler.scratch);
	network_free(filler.network);
	pool_destroy(pool);
	parameters_free(parameters);
	tokenizer_free(tokenizer);
	return finish_output();
}
