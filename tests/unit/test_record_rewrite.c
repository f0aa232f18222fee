/* test_record_rewrite: a rewritten stream has the same bytes on any number of threads, and the failure of the first bad
 * record is reported. */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "record/columns.h"
#include "record/rewrite.h"
#include "record/token_lists.h"

enum { ROWS = 5000 };

/* A stream of lists of 0 to 39 ids, and a column to carry. `bad` is the row with an id outside the vocabulary, of 1000;
 * `cut` leaves the end-of-stream marker out. */
static int make_stream(int bad, bool cut) {
	int descriptor = memfd_create("stream", 0);
	struct schema schema = { 0 };
	struct stream_info info;
	struct failure failure;
	schema_add_int(&schema, "epoch", 32);
	schema_add_int32_list(&schema, "input_ids");
	stream_info_init(&info);
	info.vocab_size = 1000;
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, &failure);
	for (int row = 0; row < ROWS; row++) {
		int32_t list[40];
		for (int i = 0; i < row % 40; i++)
			list[i] = row == bad ? 1000 : (row * 7 + i) % 1000;
		builder_append_integer(writer_column(writer, 0), row);
		builder_append_int32_list(writer_column(writer, 1), list, (size_t)row % 40);
		assert_int_equal(writer_end_row(writer, &failure), 0);
	}
	assert_int_equal(writer_close(writer, &failure), 0);
	schema_clear(&schema);
	if (cut)
		assert_int_equal(ftruncate(descriptor, lseek(descriptor, 0, SEEK_END) - 8), 0);
	lseek(descriptor, 0, SEEK_SET);
	return descriptor;
}

/* Labels are the ids plus the record's ordinal; -1 for the first one. */
static void add_ordinal(const void *context, const struct token_record *record) {
	(void)context;
	for (size_t i = 0; i < record->count; i++)
		record->labels[i] = i == 0 ? -1 : record->input_ids[i] + (int32_t)record->ordinal;
}

/* Rewrites to a file in memory. Returns its descriptor; -1: `failure`. */
static int rewrite(int input, int threads, struct failure *failure) {
	struct token_columns columns;
	struct reader *reader = reader_open(input, "stream", failure);
	assert_int_equal(token_columns_find(reader, 0, &columns, failure), 0);
	struct labelling *labelling = labelling_create(&columns, threads, add_ordinal, NULL);
	struct rewrite rewrite = *labelling_rewrite(labelling);
	rewrite.nulls = true;
	struct rewriter *rewriter = rewriter_create(&rewrite, reader);
	int output = memfd_create("output", 0), result;
	struct stream_info info;
	struct failure unused;
	stream_info_init(&info);
	struct writer *writer = writer_open(output, "output", rewriter_schema(rewriter), &info, failure);
	struct pool *pool = pool_create(threads, failure);
	while ((result = rewriter_step(rewriter, writer, pool, failure)) == 1)
		;
	rewriter_destroy(rewriter);
	labelling_destroy(labelling);
	assert_int_equal(writer_close(writer, &unused), 0);
	pool_destroy(pool);
	reader_close(reader);
	close(input);
	if (result == 0)
		return output;
	close(output);
	return -1;
}

static void gives_the_same_on_any_number_of_threads(void **state) {
	(void)state;
	struct failure failure;
	size_t size = 0;
	char *first = NULL;
	for (int threads = 1; threads <= 5; threads += 2) {
		int output = rewrite(make_stream(-1, false), threads, &failure);
		assert_true(output >= 0);
		size_t length = (size_t)lseek(output, 0, SEEK_END);
		char *bytes = malloc(length);
		assert_int_equal(pread(output, bytes, length, 0), length);
		close(output);
		if (first != NULL) {
			assert_int_equal(length, size);
			assert_memory_equal(bytes, first, size);
			free(first);
		}
		first = bytes;
		size = length;
	}
	free(first);
}

static void writes_every_record_in_order(void **state) {
	(void)state;
	struct failure failure;
	struct batch *batch;
	int output = rewrite(make_stream(-1, false), 3, &failure);
	int64_t record = 0, first, count;
	lseek(output, 0, SEEK_SET);
	struct reader *reader = reader_open(output, "output", &failure);
	assert_int_equal(schema_find(reader_schema(reader), "epoch"), 2);
	while (reader_next(reader, &batch, &failure) == 1) {
		for (int64_t row = 0; row < batch->rows; row++, record++) {
			column_range(&batch->columns[1], row, &first, &count);
			assert_int_equal(count, record % 40);
			assert_int_equal(column_integer(&batch->columns[2], row, -1), record);
			if (count > 0)
				assert_true(column_is_null(&batch->columns[1].children[0], first));
			if (count > 1)
				assert_int_equal(column_integer(&batch->columns[1].children[0], first + 1, -1),
					(record * 7 + 1) % 1000 + record);
		}
		batch_free(batch);
	}
	assert_int_equal(record, ROWS);
	reader_close(reader);
	close(output);
}

static void fails_by_the_first_record_that_fails(void **state) {
	(void)state;
	struct failure failure;
	for (int threads = 1; threads <= 3; threads++) {
		assert_int_equal(rewrite(make_stream(2031, false), threads, &failure), -1);
		assert_string_equal(failure.text,
			"stream: record 2032: input_ids[0] is 1000, outside the vocabulary of 1000 tokens");
		assert_int_equal(failure.status, EX_DATAERR);
	}
}

static void fails_where_the_input_is_cut_short(void **state) {
	(void)state;
	struct failure failure;
	assert_int_equal(rewrite(make_stream(-1, true), 2, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_non_null(strstr(failure.text, "5000"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_same_on_any_number_of_threads),
		cmocka_unit_test(writes_every_record_in_order),
		cmocka_unit_test(fails_by_the_first_record_that_fails),
		cmocka_unit_test(fails_where_the_input_is_cut_short),
	};
	return cmocka_run_group_tests_name("record/rewrite", tests, NULL, NULL);
}
