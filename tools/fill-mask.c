/* fill-mask: predicts masked tokens in texts, like the fill-mask pipeline of transformers.
 *
 * The predictions for a text are written before the next text is read, so that another program can use this one
 * interactively. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/bytes.h"
#include "base/clean.h"
#include "base/files.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/sandbox.h"
#include "corpus/json_lines.h"
#include "corpus/lines.h"
#include "corpus/source.h"
#include "model/logits.h"
#include "model/network.h"
#include "model/parameters_file.h"
#include "record/stream.h"
#include "text/tokenizer.h"

static const char *model, *target_words;
static int64_t top_k = 5;
static bool truncate_texts;
static bool as_json;
static int64_t seed = 42;
static int64_t threads;
static int dtype = PRECISION_FP32;

static const struct option_entry options[] = {
	OPTION_MODEL(&model, "folder of the model, with its tokenizer", .required = "the folder of the model"),
	OPTION_INTEGER("top-k", &top_k, 1, 1 << 20, "N", "predictions for each mask"),
	OPTION_TEXT("targets", &target_words, "WORDS", "choose among these words, separated by commas"),
	OPTION_FLAG("truncate", &truncate_texts, "cut a text that is too long for the model"),
	OPTION_FLAG("json", &as_json, "print a line of JSON for each text"),
	OPTION_CHOICE("dtype", &dtype, PRECISIONS, "precision of matrix products; auto: the faster"),
	OPTION_SEED(&seed),
	OPTION_THREADS(&threads),
	OPTION_SANDBOX,
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Predicts masked tokens in lines of text, JSON lines or text records.",
	"echo 'This is a great [MASK].' | fill-mask --model distilbert-base-uncased",
};

/* ---- texts --------------------------------------------------------------------------------------------- */

/* The input: a stream of text records, JSON lines, or lines of plain text. */
struct texts {
	const char *name;
	const char *unit;       /* "line" or "record" */
	int64_t number;         /* of the current text, counted from 1 */
	int (*next)(struct texts *texts, const char **text, size_t *length, struct failure *failure);

	struct reader *reader;  /* the stream of records; NULL: the input has lines */
	struct batch *batch;
	int column;
	int64_t row;            /* the row of the next record in the batch */

	struct inflate_reader *input; /* the input with lines */
	struct lines lines;
	struct json_reader json;
	struct json_record object;
	int64_t replaced;       /* number of halves of surrogate pairs */
};

/* Whether the input begins with the first byte of an Arrow stream, which no text begins with. The byte is not
 * consumed. */
static bool begins_a_stream(int descriptor) {
	unsigned char first = 0;
	off_t place = lseek(descriptor, 0, SEEK_CUR);
	int copy[2];
	if (place >= 0)
		return pread(descriptor, &first, 1, place) == 1 && first == 0xff;
	if (pipe(copy) < 0)
		die(EX_OSERR, "pipe: %s", strerror(errno));
	bool copied = tee(descriptor, copy[1], 1, 0) == 1 && read(copy[0], &first, 1) == 1;
	close(copy[0]);
	close(copy[1]);
	return copied && first == 0xff;
}

static int next_record(struct texts *texts, const char **text, size_t *length, struct failure *failure) {
	if (texts->batch == NULL || texts->row == texts->batch->rows) {
		batch_free(texts->batch);
		texts->row = 0;
		int result = reader_next(texts->reader, &texts->batch, failure);
		if (result <= 0)
			return result;
	}
	texts->number++;
	*text = column_bytes(&texts->batch->columns[texts->column], texts->row++, length);
	return 1;
}

static int next_line(struct texts *texts, const char **text, size_t *length, struct failure *failure) {
	int result = lines_next(&texts->lines, text, length, failure);
	texts->number = texts->lines.number;
	return result;
}

static int next_object(struct texts *texts, const char **text, size_t *length, struct failure *failure) {
	bool twice = false;
	int result = json_next(&texts->json, &texts->object, failure);
	if (result <= 0)
		return result;
	texts->number = texts->object.line;
	texts->replaced += texts->object.replaced;
	const struct value *value = value_find(texts->object.values, "text", &twice);
	if (twice || value == NULL || value->kind != VALUE_STRING)
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": %s", texts->name, texts->number,
			twice ? "has the key \"text\" twice (leave one out)" : "has no string \"text\"");
	*text = value->text;
	*length = value->length;
	return 1;
}

/* Whether the input is JSON: it begins with `{` and a quote, or with `[` before them, which is rare in text. */
static bool begins_json(const char *bytes, size_t length) {
	size_t i = length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	i += i < length && bytes[i] == '[';
	while (i < length && strchr(" \t\r\n", bytes[i]) != NULL && bytes[i] != '\0')
		i++;
	bool brace = i < length && bytes[i] == '{';
	for (i++; i < length && strchr(" \t\r\n", bytes[i]) != NULL && bytes[i] != '\0';)
		i++;
	return brace && i < length && bytes[i] == '"';
}

static void open_lines(struct texts *texts, int descriptor) {
	struct failure failure;
	const char *bytes;
	texts->unit = "line";
	texts->input = must(inflate_open_prompt(descriptor, texts->name, &failure), &failure);
	ptrdiff_t got = check((int)inflate_peek(texts->input, &bytes, &failure), &failure);
	texts->next = begins_json(bytes, (size_t)got) ? next_object : next_line;
	texts->lines = (struct lines){ .input = texts->input, .name = texts->name };
	texts->json = (struct json_reader){ .input = texts->input, .name = texts->name, .limit = DOCUMENT_LIMIT };
}

static void open_texts(struct texts *texts, int descriptor, const char *path) {
	struct failure failure;
	*texts = (struct texts){ .name = input_name(path) };
	if (!begins_a_stream(descriptor)) {
		open_lines(texts, descriptor);
		return;
	}
	texts->unit = "record";
	texts->next = next_record;
	texts->reader = must(reader_open(descriptor, texts->name, &failure), &failure);
	texts->column = check(reader_find_text(texts->reader, "text", &failure), &failure);
}

/* Gets the next text, which is valid until the next call. Returns false at the end. */
static bool next_text(struct texts *texts, const char **text, size_t *length) {
	struct failure failure;
	return check(texts->next(texts, text, length, &failure), &failure) > 0;
}

static void close_texts(struct texts *texts) {
	if (texts->replaced > 0)
		note("%s: %" PRId64 " halves of surrogate pairs became U+FFFD", texts->name, texts->replaced);
	batch_free(texts->batch);
	if (texts->reader != NULL)
		reader_close(texts->reader);
	inflate_close(texts->input);
	json_record_clear(&texts->object);
	free(texts->json.joined.data);
	free(texts->lines.joined.data);
}

/* ---- predictions --------------------------------------------------------------------------------------- */

/* The model, and memory that is kept from text to text. */
struct filler {
	const struct config *config;
	struct network *network;
	const struct tokenizer *tokenizer;
	struct tokenizer_scratch *scratch;
	struct encoding encoding;
	int32_t *targets;                /* the ids of --targets, ascending; NULL: the whole vocabulary */
	size_t target_count;
	int32_t *positions;              /* the positions of the masks */
	int32_t *places;                 /* the positions of all tokens: 0, 1, 2, ... */
	float *logits;                   /* [masks, V] */
	size_t masks, masks_capacity;
	size_t count;                    /* number of predictions for each mask */
	int32_t *predictions;            /* [count] the best first */
	int32_t *sequence;               /* the ids of a text with one mask filled */
};

/* The id of a target, as in the pipeline: of the word, or else of its first piece; -1: there is none. */
static int32_t target_id(struct filler *filler, const char *word, size_t length) {
	const struct vocabulary *vocabulary = tokenizer_vocabulary(filler->tokenizer);
	struct encoding *encoding = &filler->encoding;
	int32_t id = vocabulary_id(vocabulary, word, length);
	if (id >= 0)
		return id;
	tokenizer_encode(filler->tokenizer, filler->scratch, word, length, 0, encoding);
	if (encoding->count <= 2) { /* [CLS] and [SEP] */
		note("--targets: %.*s: not in the vocabulary, ignored", (int)length, word);
		return -1;
	}
	id = encoding->input_ids[1];
	note("--targets: %.*s: not in the vocabulary, replaced by %s", (int)length, word,
		vocabulary_token(vocabulary, id));
	return id;
}

static int compare_ids(const void *left, const void *right) {
	const int32_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

static void find_targets(struct filler *filler) {
	size_t found = 0, kept = 0;
	for (const char *word = target_words, *end; word != NULL; word = *end == ',' ? end + 1 : NULL) {
		end = word + strcspn(word, ",");
		int32_t id = target_id(filler, word, (size_t)(end - word));
		filler->targets = grow(filler->targets, found + 1, sizeof *filler->targets);
		if (id >= 0)
			filler->targets[found++] = id;
	}
	if (found == 0)
		die(EX_USAGE, "--targets: none of %s is in the vocabulary", target_words);
	qsort(filler->targets, found, sizeof *filler->targets, compare_ids);
	for (size_t i = 0; i < found; i++)
		if (i == 0 || filler->targets[i] != filler->targets[i - 1])
			filler->targets[kept++] = filler->targets[i];
	filler->target_count = kept;
}

/* Finds the masks of a text and computes their logits. */
static void compute(struct filler *filler, const char *text, size_t length, const struct texts *from) {
	int32_t mask = tokenizer_special_ids(filler->tokenizer).mask;
	struct encoding *encoding = &filler->encoding;
	size_t limit = filler->config->max_position_embeddings;
	tokenizer_encode(filler->tokenizer, filler->scratch, text, length, truncate_texts && limit > 1 ? limit : 0,
		encoding);
	if (encoding->count > limit)
		die(EX_DATAERR, "%s: %s %" PRId64 ": %zu tokens, but the model's max_position_embeddings is %zu (shorten it, "
			"or give --truncate)", from->name, from->unit, from->number, encoding->count, limit);
	filler->masks = 0;
	for (size_t i = 0; i < encoding->count; i++)
		filler->masks += encoding->input_ids[i] == mask;
	if (filler->masks == 0)
		die(EX_DATAERR, "%s: %s %" PRId64 ": no mask in %s (put %s where a token is to be predicted)", from->name,
			from->unit, from->number, truncate_texts && encoding->count == limit ? "its first tokens" : "it",
			vocabulary_token(tokenizer_vocabulary(filler->tokenizer), mask));
	if (filler->masks > filler->masks_capacity) {
		filler->masks_capacity = filler->masks;
		filler->positions = grow(filler->positions, filler->masks_capacity, sizeof *filler->positions);
		filler->logits = grow(filler->logits, filler->masks_capacity * filler->config->vocab_size,
			sizeof *filler->logits);
	}
	size_t found = 0;
	for (size_t i = 0; i < encoding->count; i++)
		if (encoding->input_ids[i] == mask)
			filler->positions[found++] = (int32_t)i;
	const int32_t starts[] = { 0, (int32_t)encoding->count }, label_starts[] = { 0, (int32_t)filler->masks };
	const struct examples one = { .B = 1, .starts = starts, .input_ids = encoding->input_ids,
		.positions = filler->places, .label_starts = label_starts, .labelled = filler->positions };
	network_logits(filler->network, &one, filler->logits);
	size_t answers = filler->masks * filler->config->vocab_size;
	if (find_not_finite(filler->logits, answers) < answers)
		die(EX_DATAERR, "%s: the scores are not finite (the model's weights are damaged)", model);
}

/* The text with one mask filled. Special tokens are omitted if there are no other masks, as in the pipeline. free()
 * releases it. */
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

static void append_text(struct bytes *lines, char *text) {
	bytes_append(lines, text, strlen(text));
	free(text);
}

static json_t *answer_mask(struct filler *filler, size_t mask, struct bytes *lines) {
	size_t V = filler->config->vocab_size, position = (size_t)filler->positions[mask];
	const float *logits = filler->logits + mask * V;
	const struct softmax_sum sum = logits_sum(logits, V);
	json_t *answers = json_array();
	logits_best(logits, filler->targets, filler->targets != NULL ? filler->target_count : V, filler->count,
		filler->predictions);
	for (size_t i = 0; i < filler->count; i++) {
		int32_t token = filler->predictions[i];
		double score = logits_probability(sum, logits[token]);
		char *token_text = tokenizer_decode(filler->tokenizer, &token, 1, false);
		char *sequence = filled_text(filler, position, token);
		if (as_json)
			json_array_append_new(answers, json_pack("{s:f, s:i, s:s, s:s}", "score", score, "token", (int)token,
				"token_str", token_text, "sequence", sequence));
		else
			append_text(lines, format_text("%.6f\t%s\t%s\n", score, clean(token_text), clean(sequence)));
		free(token_text);
		free(sequence);
	}
	return answers;
}

/* Prints the predictions for a text, all at once. In JSON they are a list for one mask, and a list of lists for
 * several. */
static void answer(struct filler *filler) {
	struct failure failure;
	struct bytes lines = { 0 };
	json_t *lists = json_array();
	for (size_t mask = 0; mask < filler->masks; mask++)
		json_array_append_new(lists, answer_mask(filler, mask, &lines));
	if (as_json) {
		append_text(&lines, json_dumps(filler->masks == 1 ? json_array_get(lists, 0) : lists, JSON_REAL_PRECISION(9)));
		bytes_append(&lines, "\n", 1);
	}
	json_decref(lists);
	check(write_all(STDOUT_FILENO, lines.data, lines.size, "standard output", &failure), &failure);
	free(lines.data);
}

/* Checks that the model and the tokenizer of the folder have the same vocabulary, with a mask. */
static void check_vocabulary(const struct tokenizer *tokenizer, const struct config *config) {
	size_t tokens = vocabulary_size(tokenizer_vocabulary(tokenizer));
	if (tokenizer_special_ids(tokenizer).mask < 0)
		die(EX_DATAERR, "%s: its tokenizer has no [MASK] (use a masked language model)", model);
	if (tokens > config->vocab_size)
		die(EX_DATAERR, "%s: its tokenizer has %zu tokens, but its vocab_size is %zu (use the files of one model)",
			model, tokens, config->vocab_size);
	if ((size_t)top_k > tokens)
		die(EX_USAGE, "--top-k: %" PRId64 " is more than the %zu tokens of the vocabulary (give less)", top_k, tokens);
}

int main(int argc, char **argv) {
	struct failure failure;
	const char *path = parse_options_with_input(argc, argv, &usage, options);

	sandbox_reading();
	struct tokenizer *tokenizer = must(tokenizer_load(model, &failure), &failure);
	struct parameters *parameters = must(parameters_open(model, &masked_lm_head.layout, (uint64_t)seed, &print_warnings,
		&failure), &failure);
	check_vocabulary(tokenizer, &parameters->config);

	int input = open_last_input(path);
	struct pool *pool = create_pool(threads);
	struct filler filler = { .config = &parameters->config,
		.network = network_create(parameters, &masked_lm_head, NULL, pool), .tokenizer = tokenizer,
		.scratch = tokenizer_scratch_create(), .count = (size_t)top_k };
	network_set_precision(filler.network, (enum precision)dtype);
	if (target_words != NULL) {
		find_targets(&filler);
		filler.count = filler.target_count < filler.count ? filler.target_count : filler.count;
	}
	filler.predictions = allocate(filler.count, sizeof *filler.predictions);
	filler.places = allocate(parameters->config.max_position_embeddings, sizeof *filler.places);
	for (size_t i = 0; i < parameters->config.max_position_embeddings; i++)
		filler.places[i] = (int32_t)i;

	struct texts texts;
	const char *text = NULL;
	size_t length = 0;
	open_texts(&texts, input, path);
	while (next_text(&texts, &text, &length)) {
		compute(&filler, text, length, &texts);
		answer(&filler);
	}

	close_texts(&texts);
	free(filler.targets);
	free(filler.positions);
	free(filler.places);
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
