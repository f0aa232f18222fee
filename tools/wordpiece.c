/* wordpiece: documents to tokens.
 *
 * A window of documents is shared out to the threads. While they encode it, two more tasks of the same round write
 * the window before and read the batch after, so that neither waits for the other. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/pool.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "record/columns.h"
#include "record/stream.h"
#include "stage/vocabulary_info.h"
#include "text/tokenizer.h"

static const char *vocab, *model;
static int64_t max_length = 0, threads = 0;
static bool cased = false;

static const struct option_entry options[] = {
	OPTION_TEXT("vocab", &vocab, "FILE", "the vocab.txt to use, with bert-base-uncased's rules"),
	OPTION_TEXT("model", &model, "DIR", "the model folder to take the tokenizer from"),
	OPTION_INTEGER("max-length", &max_length, 0, 1 << 30, "N", "tokens a document is cut to, [CLS] and [SEP] "
		"included; 0: none is cut"),
	OPTION_FLAG("cased", &cased, "with --vocab: bert-base-cased's rules, which keep case and accents"),
	OPTION_THREADS(&threads),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Turns a stream of text into WordPiece tokens, as Hugging Face tokenizers do for BERT.",
	.example = "imdb-read --split train aclImdb_v1.tar.gz | wordpiece --model distilbert-base-uncased > tokens.arrows",
};

#define SHARE_ROWS 64                     /* documents of a share, at most, */
#define SHARE_BYTES ((size_t)32 << 10)    /* and bytes of their text, but for the last */
#define SHARES 8                          /* of a window, a thread */

/* Consecutive rows of a batch, for one task, and what they became: row i ends at ends[i] in the encoding. */
struct share {
	int64_t first;
	size_t rows, damaged;       /* how many of them had invalid bytes */
	struct encoding encoding;
	size_t ends[SHARE_ROWS];
};

/* Consecutive shares of one batch. */
struct window {
	struct batch *batch;
	int64_t past;               /* the first row of the batch after it */
	struct share *shares;
	size_t count, capacity;
};

struct stage {
	const struct tokenizer *tokenizer;
	struct tokenizer_scratch **scratch; /* one a thread */
	struct reader *reader;
	struct writer *writer;
	struct schema schema;               /* of the output */
	struct carried *carried;
	int text;                           /* the column */
	struct batch *next;                 /* the batch after the current window's, when that ends its batch */
	bool reads;                         /* this round reads it */
	struct window *current, *before;    /* of 0 shares: none */
	struct failure read_failure, write_failure;
	int read_result, write_result;
	int64_t replaced, damaged;          /* invalid sequences, and documents that had any */
};

static bool ends_batch(const struct window *window) {
	return window->past == window->batch->rows;
}

static void encode_share(struct stage *stage, struct share *share, int worker) {
	const struct column *column = &stage->current->batch->columns[stage->text];
	share->encoding.count = share->encoding.replaced = 0;
	for (size_t i = 0; i < share->rows; i++) {
		size_t length, replaced = share->encoding.replaced;
		const char *text = column_bytes(column, share->first + (int64_t)i, &length);
		tokenizer_append(stage->tokenizer, stage->scratch[worker], text, length, (size_t)max_length,
			&share->encoding);
		share->ends[i] = share->encoding.count;
		share->damaged += share->encoding.replaced > replaced;
	}
}

/* Appends a document's word ids; [CLS] and [SEP], the first and the last, have none. */
static void append_word_ids(struct builder *list, const struct column *word_ids, size_t first, size_t past) {
	struct builder *elements = builder_child(list, 0);
	builder_append_null(elements);
	builder_append_rows(elements, word_ids, (int64_t)first + 1, (int64_t)(past - first) - 2);
	builder_append_null(elements);
	builder_end_row(list);
}

static int write_share(struct stage *stage, const struct window *window, const struct share *share) {
	struct builder *input_ids = writer_column(stage->writer, 0), *word_ids = writer_column(stage->writer, 1);
	const struct encoding *encoding = &share->encoding;
	const struct column all_word_ids = { .field = &stage->schema.fields[1].children[0],
		.length = (int64_t)encoding->count, .values = (const uint8_t *)encoding->word_ids };
	for (size_t i = 0, at = 0; i < share->rows; at = share->ends[i++]) {
		builder_append_int32_list(input_ids, encoding->input_ids + at, share->ends[i] - at);
		append_word_ids(word_ids, &all_word_ids, at, share->ends[i]);
		carried_append(stage->carried, window->batch, share->first + (int64_t)i, stage->writer);
		if (writer_end_row(stage->writer, &stage->write_failure) < 0)
			return -1;
	}
	stage->replaced += (int64_t)encoding->replaced;
	stage->damaged += (int64_t)share->damaged;
	return 0;
}

static int write_window(struct stage *stage, struct window *window) {
	for (size_t i = 0; i < window->count; i++)
		if (write_share(stage, window, &window->shares[i]) < 0)
			return -1;
	if (window->count > 0 && ends_batch(window))
		batch_free(window->batch);
	window->count = 0;
	return 0;
}

static void run_task(void *context, size_t index, int worker) {
	struct stage *stage = context;
	if (index == 0)
		stage->write_result = write_window(stage, stage->before);
	else if (index > 1)
		encode_share(stage, &stage->current->shares[index - 2], worker);
	else if (stage->reads)
		stage->read_result = reader_next(stage->reader, &stage->next, &stage->read_failure);
}

/* Takes the next rows of the window's batch. */
static void take_share(const struct stage *stage, struct window *window, struct share *share) {
	const struct column *column = &window->batch->columns[stage->text];
	size_t bytes = 0, length;
	share->first = window->past;
	share->rows = share->damaged = 0;
	while (share->rows < SHARE_ROWS && window->past < window->batch->rows && bytes < SHARE_BYTES) {
		column_bytes(column, window->past++, &length);
		bytes += length;
		share->rows++;
	}
}

/* Takes the rows after the current window's, of its batch or of the next one. False at the end. */
static bool take_window(struct stage *stage, struct window *window) {
	const struct window *last = stage->current;
	bool continues = last->count > 0 && !ends_batch(last);
	window->batch = continues ? last->batch : stage->next;
	window->past = continues ? last->past : 0;
	window->count = 0;
	if (window->batch == NULL)
		return false;
	while (window->count < window->capacity && !ends_batch(window))
		take_share(stage, window, &window->shares[window->count++]);
	return true;
}

static struct window *create_window(size_t capacity) {
	struct window *window = allocate(1, sizeof *window);
	*window = (struct window){ .shares = allocate(capacity, sizeof *window->shares), .capacity = capacity };
	return window;
}

static void free_window(struct window *window) {
	for (size_t i = 0; i < window->capacity; i++)
		encoding_clear(&window->shares[i].encoding);
	free(window->shares);
	free(window);
}

static void tokenize(struct stage *stage, struct pool *pool) {
	int64_t total = reader_info(stage->reader)->records;
	stage->current = create_window(SHARES * (size_t)pool_threads(pool));
	stage->before = create_window(SHARES * (size_t)pool_threads(pool));
	stage->read_result = check(reader_next(stage->reader, &stage->next, &stage->read_failure), &stage->read_failure);
	while (take_window(stage, stage->before)) {
		struct window *window = stage->before;
		stage->before = stage->current;
		stage->current = window;
		stage->reads = ends_batch(window) && stage->read_result > 0;
		if (ends_batch(window))
			stage->next = NULL;
		pool_run(pool, 2 + window->count, run_task, stage);
		check(stage->write_result, &stage->write_failure);
		check(stage->read_result, &stage->read_failure);
		progress(writer_records(stage->writer), total, "documents");
	}
	check(write_window(stage, stage->current), &stage->write_failure);
	free_window(stage->current);
	free_window(stage->before);
	progress_end();
}

static struct tokenizer *load(void) {
	struct failure failure;
	if ((vocab == NULL) == (model == NULL))
		die(EX_USAGE, "--vocab, --model: %s (give one of the two)", vocab ? "both given" : "neither given");
	if (cased && vocab == NULL)
		die(EX_USAGE, "--cased: only with --vocab (the folder of --model says how to tokenize)");
	if (max_length == 1)
		die(EX_USAGE, "--max-length: 1 is too small for [CLS] and [SEP] (give 2 or more, or 0 to cut nothing)");
	struct tokenizer *tokenizer = vocab ? tokenizer_from_vocabulary(vocab, cased, &failure)
		: tokenizer_load(model, &failure);
	if (tokenizer == NULL)
		die_failure(&failure);
	return tokenizer;
}

/* Opens the output: the tokens, the columns that are carried, and what is to be known of the tokenizer. */
static void open_output(struct stage *stage) {
	struct schema *schema = &stage->schema;
	struct stream_info info;
	static const char *const used[] = { "text", "name", "input_ids", "word_ids", NULL };

	schema_add_int32_list(schema, "input_ids");
	schema_add_int32_list(schema, "word_ids");
	stage->carried = carried_create(reader_schema(stage->reader), used);
	carried_add_fields(stage->carried, schema);
	stream_info_copy(&info, reader_info(stage->reader));
	info.type = RECORD_TOKENS;
	stream_info_set_vocabulary(&info, stage->tokenizer);
	stage->writer = open_output_stream(schema, &info, -1);
	stream_info_clear(&info);
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct tokenizer *tokenizer = load();
	struct stage stage = { .tokenizer = tokenizer, .reader = open_input_stream(input) };
	stage.text = check(reader_find_text(stage.reader, "text", &stage.read_failure), &stage.read_failure);
	open_output(&stage);

	struct pool *pool = create_pool(threads);
	stage.scratch = allocate((size_t)pool_threads(pool), sizeof *stage.scratch);
	for (int i = 0; i < pool_threads(pool); i++)
		stage.scratch[i] = tokenizer_scratch_create();
	tokenize(&stage, pool);

	int status = close_output_stream(stage.writer);
	if (stage.replaced > 0)
		note("%s: %lld invalid UTF-8 sequences in %lld documents, each read as U+FFFD", reader_name(stage.reader),
			(long long)stage.replaced, (long long)stage.damaged);
	for (int i = 0; i < pool_threads(pool); i++)
		tokenizer_scratch_free(stage.scratch[i]);
	free(stage.scratch);
	pool_destroy(pool);
	carried_destroy(stage.carried);
	schema_clear(&stage.schema);
	reader_close(stage.reader);
	tokenizer_free(tokenizer);
	return status;
}
