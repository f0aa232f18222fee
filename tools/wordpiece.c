/* wordpiece: documents to tokens.
 *
 * A window of documents is shared out to the threads. While they encode it, two more tasks of the same round write
 * the window before and read the batch after, so that neither waits for the other. */
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/pool.h"
#include "cli/progress.h"
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

#define WINDOW 512                      /* documents */
#define WINDOW_BYTES ((size_t)2 << 20)  /* of their text, but for the last */
#define SHARE 8                         /* documents a task */

/* Consecutive rows of one batch. */
struct window {
	struct batch *batch;
	int64_t first;
	size_t rows;
	bool ends_batch;
	struct encoding encodings[WINDOW];
};

struct stage {
	const struct tokenizer *tokenizer;
	struct tokenizer_scratch **scratch; /* one a thread */
	struct reader *reader;
	struct writer *writer;
	struct carried *carried;
	int text;                           /* the column */
	struct batch *next;                 /* the batch after the current window's, when that ends its batch */
	bool reads;                         /* this round reads it */
	struct window *current, *before;    /* rows 0: none */
	struct failure read_failure, write_failure;
	int read_result, write_result;
	int64_t replaced, damaged;          /* invalid sequences, and documents that had any */
};

static void encode_share(struct stage *stage, size_t share, int worker) {
	struct window *window = stage->current;
	for (size_t i = share * SHARE; i < window->rows && i < (share + 1) * SHARE; i++) {
		size_t length;
		const char *text = column_bytes(&window->batch->columns[stage->text], window->first + (int64_t)i, &length);
		tokenizer_encode(stage->tokenizer, stage->scratch[worker], text, length, (size_t)max_length,
			&window->encodings[i]);
	}
}

static int write_window(struct stage *stage, struct window *window) {
	for (size_t i = 0; i < window->rows; i++) {
		const struct encoding *encoding = &window->encodings[i];
		builder_append_int32_list(writer_column(stage->writer, 0), encoding->input_ids, encoding->count);
		builder_append_nullable_int32_list(writer_column(stage->writer, 1), encoding->word_ids, encoding->count, -1);
		carried_append(stage->carried, window->batch, window->first + (int64_t)i, stage->writer);
		if (writer_end_row(stage->writer, &stage->write_failure) < 0)
			return -1;
		stage->replaced += (int64_t)encoding->replaced;
		stage->damaged += encoding->replaced > 0;
	}
	if (window->ends_batch)
		batch_free(window->batch);
	window->rows = 0;
	return 0;
}

static void run_task(void *context, size_t index, int worker) {
	struct stage *stage = context;
	if (index == 0)
		stage->write_result = write_window(stage, stage->before);
	else if (index > 1)
		encode_share(stage, index - 2, worker);
	else if (stage->reads)
		stage->read_result = reader_next(stage->reader, &stage->next, &stage->read_failure);
}

/* Takes the rows after the current window's, of its batch or of the next one. False at the end. */
static bool take_window(struct stage *stage, struct window *window) {
	const struct window *last = stage->current;
	bool continues = last->rows > 0 && !last->ends_batch;
	size_t bytes = 0, length;
	window->batch = continues ? last->batch : stage->next;
	window->first = continues ? last->first + (int64_t)last->rows : 0;
	window->rows = 0;
	if (window->batch == NULL)
		return false;
	int64_t left = window->batch->rows - window->first;
	while (window->rows < WINDOW && (int64_t)window->rows < left && bytes < WINDOW_BYTES) {
		column_bytes(&window->batch->columns[stage->text], window->first + (int64_t)window->rows++, &length);
		bytes += length;
	}
	window->ends_batch = (int64_t)window->rows == left;
	return true;
}

static void tokenize(struct stage *stage, struct pool *pool) {
	struct window *windows = allocate(2, sizeof *windows);
	int64_t total = reader_info(stage->reader)->records;
	stage->current = &windows[0];
	stage->before = &windows[1];
	stage->read_result = check(reader_next(stage->reader, &stage->next, &stage->read_failure), &stage->read_failure);
	while (take_window(stage, stage->before)) {
		struct window *window = stage->before;
		stage->before = stage->current;
		stage->current = window;
		stage->reads = window->ends_batch && stage->read_result > 0;
		if (window->ends_batch)
			stage->next = NULL;
		pool_run(pool, 2 + (window->rows + SHARE - 1) / SHARE, run_task, stage);
		check(stage->write_result, &stage->write_failure);
		check(stage->read_result, &stage->read_failure);
		progress(writer_records(stage->writer), total, "documents");
	}
	check(write_window(stage, stage->current), &stage->write_failure);
	for (size_t i = 0; i < 2 * WINDOW; i++)
		encoding_clear(&windows[i / WINDOW].encodings[i % WINDOW]);
	free(windows);
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
	struct schema schema = { 0 };
	struct stream_info info;
	static const char *const used[] = { "text", "name", "input_ids", "word_ids", NULL };

	schema_add_int32_list(&schema, "input_ids");
	schema_add_int32_list(&schema, "word_ids");
	stage->carried = carried_create(reader_schema(stage->reader), used);
	carried_add_fields(stage->carried, &schema);
	stream_info_copy(&info, reader_info(stage->reader));
	info.type = RECORD_TOKENS;
	stream_info_set_vocabulary(&info, stage->tokenizer);
	stage->writer = open_output_stream(&schema, &info, -1);
	stream_info_clear(&info);
	schema_clear(&schema);
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct tokenizer *tokenizer = load();
	struct stage stage = { .tokenizer = tokenizer, .reader = open_input_stream(input) };
	stage.text = check(reader_find_text(stage.reader, "text", &stage.read_failure), &stage.read_failure);
	open_output(&stage);

	struct pool *pool = pool_create((int)threads);
	stage.scratch = allocate((size_t)pool_threads(pool), sizeof *stage.scratch);
	for (int i = 0; i < pool_threads(pool); i++)
		stage.scratch[i] = tokenizer_scratch_create(tokenizer);
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
	reader_close(stage.reader);
	tokenizer_free(tokenizer);
	return status;
}
