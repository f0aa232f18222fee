/* Documents are put end to end in a window, and chunks are cut off its front as soon as they are full; where a
 * document or a batch of them ends, what is left in the window is dropped or kept. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "record/stream.h"

static int64_t chunk_size = 128;
static int64_t batch_size = 1000;
static bool per_document;
static bool keep_remainder;

static const struct option_entry options[] = {
	OPTION_INTEGER("chunk-size", &chunk_size, 1, 1 << 20, "N", "tokens a chunk"),
	OPTION_INTEGER("batch-size", &batch_size, 0, 1 << 30, "N",
		"documents after which the remainder is dropped; 0: only at the end"),
	OPTION_FLAG("per-document", &per_document, "cut each document by itself, so that no chunk mixes two"),
	OPTION_FLAG("keep-remainder", &keep_remainder, "keep remainders, as shorter chunks"),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Puts tokenized documents end to end and cuts them into chunks of equal length.",
	.example = "wordpiece --vocab vocab.txt < text.arrows | group-texts --chunk-size 128 > chunks.arrows",
};

/* What is not yet cut: ids and word_ids side by side; -1 is a null word id. */
struct window {
	struct int32_list input_ids, word_ids;
	bool has_word_ids;
};

struct totals { int64_t tokens, chunks, dropped; };

static void list_drop_front(struct int32_list *list, size_t count) {
	list->count -= count;
	if (list->count > 0)
		memmove(list->values, list->values + count, list->count * sizeof *list->values);
}

static void write_chunk(const struct window *window, size_t first, size_t count, struct writer *out,
	struct totals *totals) {
	struct failure failure;
	builder_append_int32_list(writer_column(out, 0), window->input_ids.values + first, count);
	if (window->has_word_ids)
		builder_append_nullable_int32_list(writer_column(out, 1), window->word_ids.values + first, count, -1);
	check(writer_end_row(out, &failure), &failure);
	totals->chunks++;
}

static void cut_full_chunks(struct window *window, struct writer *out, struct totals *totals) {
	size_t size = (size_t)chunk_size, first = 0;
	for (; window->input_ids.count - first >= size; first += size)
		write_chunk(window, first, size, out, totals);
	list_drop_front(&window->input_ids, first);
	if (window->has_word_ids)
		list_drop_front(&window->word_ids, first);
}

static void end_window(struct window *window, struct writer *out, struct totals *totals) {
	size_t left = window->input_ids.count;
	if (keep_remainder && left > 0)
		write_chunk(window, 0, left, out, totals);
	else
		totals->dropped += (int64_t)left;
	window->input_ids.count = window->word_ids.count = 0;
}

/* Appends a row to the list. */
static void append_row(const struct reader *in, int64_t record, const struct column *column, int64_t row,
	struct int32_list *list) {
	struct failure failure;
	int64_t first, count;
	column_range(column, row, &first, &count);
	if (column_int32_values(column, row, -1, int32_list_extend(list, (size_t)count), &failure) < 0)
		die(failure.status, "%s: record %lld: %s", reader_name(in), (long long)record + 1, failure.text);
}

/* Appends a document to the window. word_ids is NULL where the stream has none. Returns its tokens. */
static size_t append_document(struct window *window, const struct reader *in, int64_t record,
	const struct column *input_ids, const struct column *word_ids, int64_t row) {
	size_t before = window->input_ids.count;
	append_row(in, record, input_ids, row, &window->input_ids);
	size_t count = window->input_ids.count - before;
	for (size_t i = 0; i < count; i++)
		if (window->input_ids.values[before + i] < 0)
			die(EX_DATAERR, "%s: record %lld: input_ids[%zu] is null or negative (every token has an id)",
				reader_name(in), (long long)record + 1, i);
	if (word_ids == NULL)
		return count;
	append_row(in, record, word_ids, row, &window->word_ids);
	if (window->word_ids.count != window->input_ids.count)
		die(EX_DATAERR, "%s: record %lld: %zu word_ids for %zu input_ids (give one a token, null where there is none)",
			reader_name(in), (long long)record + 1, window->word_ids.count - before, count);
	return count;
}

static void group(struct reader *in, int id_column, int word_column, struct writer *out, struct totals *totals) {
	struct window window = { .has_word_ids = word_column >= 0 };
	struct batch *batch;
	struct failure failure;
	int64_t record = 0;
	while (check(reader_next(in, &batch, &failure), &failure) == 1) {
		const struct column *input_ids = &batch->columns[id_column];
		const struct column *word_ids = window.has_word_ids ? &batch->columns[word_column] : NULL;
		for (int64_t row = 0; row < batch->rows; row++, record++) {
			totals->tokens += (int64_t)append_document(&window, in, record, input_ids, word_ids, row);
			cut_full_chunks(&window, out, totals);
			if (per_document || (batch_size > 0 && (record + 1) % batch_size == 0))
				end_window(&window, out, totals);
		}
		batch_free(batch);
	}
	end_window(&window, out, totals);
	free(window.input_ids.values);
	free(window.word_ids.values);
}

int main(int argc, char **argv) {
	struct reader *in = open_input_stream(parse_options_with_input(argc, argv, &usage, options));
	struct failure failure;
	struct totals totals = { 0 };
	int id_column = check(reader_find_int_list(in, "input_ids", &failure), &failure);
	int word_column = schema_find(reader_schema(in), "word_ids");
	if (word_column >= 0)
		word_column = check(reader_find_int_list(in, "word_ids", &failure), &failure);

	struct schema schema = { 0 };
	schema_add_int32_list(&schema, "input_ids");
	if (word_column >= 0)
		schema_add_int32_list(&schema, "word_ids");
	struct stream_info info;
	stream_info_copy(&info, reader_info(in));
	info.type = RECORD_CHUNKS;
	stream_info_set_records(&info, -1);
	info.chunk_size = chunk_size;
	struct writer *out = open_output_stream(&schema, &info, -1);

	group(in, id_column, word_column, out, &totals);
	if (verbose)
		note("%lld documents, %lld tokens, %lld chunks, %lld tokens dropped", (long long)reader_records(in),
			(long long)totals.tokens, (long long)totals.chunks, (long long)totals.dropped);
	stream_info_clear(&info);
	schema_clear(&schema);
	reader_close(in);
	return close_output_stream(out);
}
