/* wordpiece-train: learns a WordPiece vocabulary from documents. The distinct words and their counts are held in
 * memory, the documents are not. */
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "record/stream.h"
#include "text/trainer.h"

static int64_t vocab_size = 30522, min_frequency = 0;
static bool cased = false;

static const struct option_entry options[] = {
	OPTION_INTEGER("vocab-size", &vocab_size, 1, 1 << 30, "N", "tokens to learn; more if there are more characters"),
	OPTION_INTEGER("min-frequency", &min_frequency, 0, 9007199254740992.0, "N", "least frequency of a merged pair"),
	OPTION_FLAG("cased", &cased, "keep case and accents"),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Learns a WordPiece vocabulary from a stream of text and prints it as a vocab.txt.",
	.example = "imdb-read --split train aclImdb_v1.tar.gz | wordpiece-train --vocab-size 8000 > vocab.txt",
};

static void count_words(struct reader *reader, struct trainer *trainer) {
	struct failure failure;
	struct batch *batch;
	int text = check(reader_find_text(reader, "text", &failure), &failure);
	while (check(reader_next(reader, &batch, &failure), &failure)) {
		for (int64_t row = 0; row < batch->rows; row++) {
			size_t length;
			const char *bytes = column_bytes(&batch->columns[text], row, &length);
			trainer_add(trainer, bytes, length);
		}
		batch_free(batch);
		progress(reader_records(reader), reader_info(reader)->records, "documents", NULL);
	}
	progress_end();
}

/* Truncates a regular file to its length before the output: a partial vocabulary would pass for a smaller one. */
static void take_back(void *context) {
	const off_t *start = context;
	if (ftruncate(STDOUT_FILENO, *start) < 0)
		return; /* a pipe or a device */
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct failure failure;
	struct reader *reader = open_input_stream(input);
	struct trainer *trainer = trainer_create(cased);
	count_words(reader, trainer);
	reader_close(reader);
	struct vocabulary *vocabulary = trainer_learn(trainer, (size_t)vocab_size, min_frequency);
	trainer_free(trainer);
	off_t start = lseek(STDOUT_FILENO, 0, SEEK_CUR);
	on_failure(take_back, &start);
	check(vocabulary_write(vocabulary, STDOUT_FILENO, "standard output", &failure), &failure);
	vocabulary_free(vocabulary);
	on_failure(NULL, NULL);
	return finish_output();
}
