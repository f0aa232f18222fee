/* wordpiece: documents to tokens, each document by one thread (record/rewrite.h). */
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/pool.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/sandbox.h"
#include "cli/streams.h"
#include "record/stream.h"
#include "text/tokenizer.h"
#include "train/vocabulary_info.h"

static const char *vocab, *model;
static int64_t max_length = 0, threads = 0;
static bool cased = false;

static const struct option_entry options[] = {
	OPTION_TEXT("vocab", &vocab, "FILE", "the vocab.txt to use, with bert-base-uncased's rules"),
	OPTION_MODEL(&model, "the model folder to take the tokenizer from"),
	OPTION_INTEGER("max-length", &max_length, 0, 1 << 30, "N", "tokens a document is cut to, [CLS] and [SEP] "
		"included; 0: none is cut"),
	OPTION_FLAG("cased", &cased, "with --vocab: bert-base-cased's rules, which keep case and accents"),
	OPTION_THREADS(&threads),
	OPTION_SANDBOX,
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Turns a stream of text into WordPiece tokens, as Hugging Face tokenizers do for BERT.",
	.example = "imdb-read --split train aclImdb_v1.tar.gz | wordpiece --model distilbert-base-uncased > tokens.arrows",
};

/* What one thread works with, and what it counts. */
struct worker {
	struct tokenizer_scratch *scratch;
	int64_t replaced, damaged; /* invalid UTF-8 sequences, and documents that had any */
};

struct stage {
	const struct tokenizer *tokenizer;
	int text; /* the column */
	struct worker *workers;
};

static int encode_document(void *context, const struct record_row *row, struct list_pair *made, int worker,
	struct failure *failure) {
	const struct stage *stage = context;
	struct worker *own = &stage->workers[worker];
	struct encoding encoding = { .input_ids = made->first, .word_ids = made->second, .count = made->count,
		.capacity = made->capacity };
	size_t length;
	const char *text = column_bytes(&row->batch->columns[stage->text], row->row, &length);
	(void)failure;
	tokenizer_append(stage->tokenizer, own->scratch, text, length, (size_t)max_length, &encoding);
	*made = (struct list_pair){ encoding.input_ids, encoding.word_ids, encoding.count, encoding.capacity };
	own->replaced += (int64_t)encoding.replaced;
	own->damaged += encoding.replaced > 0;
	return 0;
}

/* Warns where more than one token in a hundred can never be found, because the text is lower case by then. */
static void warn_of_case(const struct vocabulary *vocabulary) {
	size_t size = vocabulary_size(vocabulary), upper = 0;
	for (size_t id = 0; id < size; id++) {
		char first = *vocabulary_token(vocabulary, (int32_t)id);
		upper += first >= 'A' && first <= 'Z';
	}
	if (upper > size / 100)
		note("%s: %zu of its %zu tokens begin with an upper-case letter, and the text is made lower case (give --cased "
			"for a cased vocabulary)", vocab, upper, size);
}

static struct tokenizer *load(void) {
	struct failure failure;
	if ((vocab == NULL) == (model == NULL))
		die(EX_USAGE, "--vocab, --model: %s (give one of the two)", vocab ? "both given" : "neither given");
	if (cased && vocab == NULL)
		die(EX_USAGE, "--cased: only with --vocab (the folder of --model says how to tokenize)");
	if (max_length == 1)
		die(EX_USAGE, "--max-length: 1 is too small for [CLS] and [SEP] (give 2 or more, or 0 to cut nothing)");
	struct tokenizer *tokenizer = must(vocab ? tokenizer_from_vocabulary(vocab, cased, &failure)
		: tokenizer_load(model, &failure), &failure);
	if (vocab != NULL && !cased)
		warn_of_case(tokenizer_vocabulary(tokenizer));
	return tokenizer;
}

static struct worker *create_workers(int count) {
	struct worker *workers = allocate((size_t)count, sizeof *workers);
	for (int i = 0; i < count; i++)
		workers[i].scratch = tokenizer_scratch_create();
	return workers;
}

/* Frees the workers, and tells what they replaced. */
static void end_workers(struct worker *workers, int count, const char *input) {
	int64_t replaced = 0, damaged = 0;
	for (int i = 0; i < count; i++) {
		replaced += workers[i].replaced;
		damaged += workers[i].damaged;
		tokenizer_scratch_free(workers[i].scratch);
	}
	free(workers);
	if (replaced > 0)
		note("%s: %" PRId64 " invalid UTF-8 sequences in %" PRId64 " documents, each read as U+FFFD", input, replaced,
			damaged);
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	sandbox_reading();
	struct tokenizer *tokenizer = load();
	struct reader *reader = open_stream(open_last_input(input), input);
	struct failure failure;
	struct stream_info info;
	struct stage stage = { .tokenizer = tokenizer };
	stage.text = check(reader_find_text(reader, "text", &failure), &failure);
	stream_info_copy(&info, reader_info(reader));
	info.type = RECORD_TOKENS;
	stream_info_set_vocabulary(&info, tokenizer);

	struct pool *pool = create_pool(threads);
	stage.workers = create_workers(pool_threads(pool));
	const struct rewrite rewrite = { .names = { "input_ids", "word_ids" }, .nulls = true, .column = stage.text,
		.dropped = (const char *const[]){ "text", "name", "input_ids", "word_ids", NULL }, .make = encode_document,
		.context = &stage };
	int status = rewrite_stream(&rewrite, reader, &info, -1, pool);
	end_workers(stage.workers, pool_threads(pool), reader_name(reader));
	pool_destroy(pool);
	stream_info_clear(&info);
	reader_close(reader);
	tokenizer_free(tokenizer);
	return status;
}
