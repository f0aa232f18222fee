/* group-texts: concatenates documents in a window and cuts chunks from its front as soon as they are full. At the end
 * of a batch of documents, or of each document, the remainder in the window is dropped or written. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "record/stream.h"

static int64_t chunk_size = 128;
static int64_t batch_size = 1000;
static bool per_document;
static bool keep_remainder;

static const struct option_entry options[] = {
	OPTION_INTEGER("chunk-size", &chunk_size, 1, 1 << 20, "N", "tokens in each chunk"),
	OPTION_INTEGER("batch-size", &batch_size, 0, 1 << 30, "N",
		"documents after which the remainder is dropped; 0: only at the end"),
	OPTION_FLAG("per-document", &per_document, "cut each document separately, so that no chunk mixes two"),
	OPTION_FLAG("keep-remainder", &keep_remainder, "keep remainders, as shorter chunks"),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Concatenates tokenized documents and cuts them into chunks of equal length.",
	.example = "wordpiece --vocab vocab.txt < text.arrows | group-texts --chunk-size 128 > chunks.arrows",
};

/* Another list with one element for each token, such as attention_mask. */
struct list_column {
	size_t column;                  /* index in the input */
	struct builder *elements;       /* the elements of the tokens in the window */
	struct builder *spare;          /* exchanged with `elements` when its front is dropped */
};

/* The tokens that are not yet cut into chunks; a word id of -1 is null. */
struct window {
	struct int32_list input_ids, word_ids;
	bool has_word_ids;
	size_t list_count;
	struct list_column *lists;
};

enum { INPUT_IDS, WORD_IDS }; /* columns of the input; WORD_IDS is -1 where there are none */

struct totals { int64_t tokens, chunks, dropped; };

static void list_drop_front(struct int32_list *list, size_t count) {
	list->count -= count;
	if (list->count > 0)
		memmove(list->values, list->values + count, list->count * sizeof *list->values);
}

static void lists_drop_front(const struct window *window, size_t count) {
	for (size_t i = 0; i < window->list_count; i++) {
		struct list_column *list = &window->lists[i];
		struct builder *elements = list->elements;
		struct column view;
		builder_view(elements, &view);
		builder_append_rows(list->spare, &view, (int64_t)count, view.length - (int64_t)count);
		column_clear(&view);
		builder_reset(elements);
		list->elements = list->spare;
		list->spare = elements;
	}
}

static void append_elements(struct builder *out, const struct builder *elements, size_t first, size_t count) {
	struct column view;
	builder_view(elements, &view);
	builder_append_rows(builder_child(out, 0), &view, (int64_t)first, (int64_t)count);
	builder_end_row(out);
	column_clear(&view);
}

static void write_chunk(const struct window *window, size_t first, size_t count, struct writer *out,
	struct totals *totals) {
	struct failure failure;
	builder_append_int32_list(writer_column(out, 0), window->input_ids.values + first, count);
	if (window->has_word_ids)
		builder_append_nullable_int32_list(writer_column(out, 1), window->word_ids.values + first, count, -1);
	for (size_t i = 0; i < window->list_count; i++)
		append_elements(writer_column(out, 1 + (size_t)window->has_word_ids + i), window->lists[i].elements, first,
			count);
	check(writer_end_row(out, &failure), &failure);
	totals->chunks++;
}

static void cut_full_chunks(struct window *window, struct writer *out, struct totals *totals) {
	size_t size = (size_t)chunk_size, first = 0;
	for (; window->input_ids.count - first >= size; first += size)
		write_chunk(window, first, size, out, totals);
	if (first == 0)
		return;
	list_drop_front(&window->input_ids, first);
	if (window->has_word_ids)
		list_drop_front(&window->word_ids, first);
	lists_drop_front(window, first);
}

static void end_window(struct window *window, struct writer *out, struct totals *totals) {
	size_t left = window->input_ids.count;
	if (keep_remainder && left > 0)
		write_chunk(window, 0, left, out, totals);
	else
		totals->dropped += (int64_t)left;
	window->input_ids.count = window->word_ids.count = 0;
	for (size_t i = 0; i < window->list_count; i++)
		builder_reset(window->lists[i].elements);
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

static void check_length(const struct reader *in, int64_t record, const char *name, int64_t count, size_t tokens) {
	if (count != (int64_t)tokens)
		die(EX_DATAERR, "%s: record %lld: %lld %s for %zu input_ids (the list is cut into chunks with the tokens: give "
			"one element for each token, or leave the column out)", reader_name(in), (long long)record + 1,
			(long long)count, name, tokens);
}

/* Appends a document, a row of the batch, to the window. Returns the number of its tokens. */
static size_t append_document(struct window *window, const struct reader *in, const int *columns,
	const struct batch *batch, int64_t row) {
	int64_t record = reader_records(in) - batch->rows + row, first, length;
	size_t before = window->input_ids.count;
	append_row(in, record, &batch->columns[columns[INPUT_IDS]], row, &window->input_ids);
	size_t count = window->input_ids.count - before;
	for (size_t i = 0; i < count; i++)
		if (window->input_ids.values[before + i] < 0)
			die(EX_DATAERR, "%s: record %lld: input_ids[%zu] is null or negative (every token has an id)",
				reader_name(in), (long long)record + 1, i);
	if (window->has_word_ids) {
		append_row(in, record, &batch->columns[columns[WORD_IDS]], row, &window->word_ids);
		check_length(in, record, "word_ids", (int64_t)(window->word_ids.count - before), count);
	}
	for (size_t i = 0; i < window->list_count; i++) {
		const struct column *column = &batch->columns[window->lists[i].column];
		column_range(column, row, &first, &length);
		check_length(in, record, column->field->name, length, count);
		builder_append_rows(window->lists[i].elements, &column->children[0], first, length);
	}
	return count;
}

/* The next batch; NULL at the end. */
static struct batch *next_batch(struct reader *in) {
	struct batch *batch;
	struct failure failure;
	check(reader_next(in, &batch, &failure), &failure);
	return batch;
}

/* Groups the documents of `batch`, which is the first one, and of all batches after it. */
static void group(struct reader *in, const int *columns, struct batch *batch, struct window *window,
	struct writer *out, struct totals *totals) {
	for (int64_t record = 0; batch != NULL; batch = next_batch(in)) {
		for (int64_t row = 0; row < batch->rows; row++, record++) {
			totals->tokens += (int64_t)append_document(window, in, columns, batch, row);
			cut_full_chunks(window, out, totals);
			if (per_document || (batch_size > 0 && (record + 1) % batch_size == 0))
				end_window(window, out, totals);
		}
		batch_free(batch);
	}
	end_window(window, out, totals);
}

/* Whether a list has one element for each token in the first document of the batch that has tokens. */
static bool is_as_long(const struct batch *batch, const struct column *input_ids, const struct column *list) {
	int64_t first, tokens = 0, length = -1;
	for (int64_t row = 0; row < batch->rows && tokens == 0; row++) {
		column_range(input_ids, row, &first, &tokens);
		column_range(list, row, &first, &length);
	}
	return tokens > 0 && length == tokens;
}

/* Whether a column may be cut into chunks with the tokens: a list other than `labels`, which the reference replaces. */
static bool is_other_list(const struct field *field) {
	static const char *const others[] = { "input_ids", "word_ids", "labels" };
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcmp(field->name, others[i]) == 0)
			return false;
	return field->type.id == TYPE_LIST || field->type.id == TYPE_LARGE_LIST || field->type.id == TYPE_FIXED_SIZE_LIST;
}

/* Finds the lists that are as long as input_ids, and adds their fields to the output's schema. */
static void open_lists(struct window *window, const struct schema *in, const struct batch *batch, int id_column,
	struct schema *schema) {
	window->lists = allocate(in->count, sizeof *window->lists);
	for (size_t i = 0; i < in->count; i++) {
		struct field field = in->fields[i];
		if (!is_other_list(&field) || batch == NULL
				|| !is_as_long(batch, &batch->columns[id_column], &batch->columns[i]))
			continue;
		if (field.type.id == TYPE_FIXED_SIZE_LIST)
			field.type = (struct type){ .id = TYPE_LIST };
		schema_add(schema, &field);
		window->lists[window->list_count++] = (struct list_column){ i, builder_create(&in->fields[i].children[0]),
			builder_create(&in->fields[i].children[0]) };
	}
}

static void close_window(struct window *window) {
	for (size_t i = 0; i < window->list_count; i++) {
		builder_destroy(window->lists[i].elements);
		builder_destroy(window->lists[i].spare);
	}
	free(window->lists);
	free(window->input_ids.values);
	free(window->word_ids.values);
}

int main(int argc, char **argv) {
	struct reader *in = open_input_stream(parse_options_with_input(argc, argv, &usage, options));
	struct failure failure;
	struct totals totals = { 0 };
	const int columns[] = { [INPUT_IDS] = check(reader_find_int_list(in, "input_ids", &failure), &failure),
		[WORD_IDS] = schema_find(reader_schema(in), "word_ids") };
	struct window window = { .has_word_ids = columns[WORD_IDS] >= 0 };
	struct schema schema = { 0 };
	schema_add_int32_list(&schema, "input_ids");
	if (window.has_word_ids) {
		check(reader_find_int_list(in, "word_ids", &failure), &failure);
		schema_add_int32_list(&schema, "word_ids");
	}
	struct batch *batch = next_batch(in);
	open_lists(&window, reader_schema(in), batch, columns[INPUT_IDS], &schema);
	struct stream_info info;
	stream_info_copy(&info, reader_info(in));
	info.type = RECORD_CHUNKS;
	stream_info_set_records(&info, -1);
	info.chunk_size = chunk_size;
	struct writer *out = open_output_stream(&schema, &info, -1);

	group(in, columns, batch, &window, out, &totals);
	if (verbose)
		note("%lld documents, %lld tokens, %lld chunks, %lld tokens dropped", (long long)reader_records(in),
			(long long)totals.tokens, (long long)totals.chunks, (long long)totals.dropped);
	close_window(&window);
	stream_info_clear(&info);
	schema_clear(&schema);
	reader_close(in);
	return close_output_stream(out);
}
