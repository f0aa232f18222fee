/* test_record_table: rows are read from a table in any order, from memory and from its file. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "record/columns.h"
#include "record/table.h"

static const char *const every_column[] = { NULL };

/* A stream of `rows` rows, written to a file in memory: texts, lists with nulls, a nested list and booleans. */
static int make_stream(int rows) {
	struct field inner = { .name = (char *)"item", .nullable = true, .type = { .id = TYPE_UTF8 } };
	struct field nested = { .name = (char *)"nested", .nullable = true, .type = { .id = TYPE_LARGE_LIST },
		.child_count = 1, .children = &inner };
	struct field truth = { .name = (char *)"truth", .nullable = true, .type = { .id = TYPE_BOOL } };
	int descriptor = memfd_create("stream", 0);
	struct schema schema = { 0 };
	struct stream_info info;
	struct failure failure;
	schema_add_utf8(&schema, "text");
	schema_add_int32_list(&schema, "list");
	schema_add(&schema, &nested);
	schema_add(&schema, &truth);
	stream_info_init(&info);
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, &failure);
	for (int row = 0; row < rows; row++) {
		int32_t list[4] = { row, -1, row + 2, 5 };
		char text[32];
		int length = snprintf(text, sizeof text, "row %d", row);
		builder_append_bytes(writer_column(writer, 0), text, (size_t)length);
		if (row % 5 == 4)
			builder_append_null(writer_column(writer, 1));
		else
			builder_append_nullable_int32_list(writer_column(writer, 1), list, (size_t)row % 4, -1);
		for (int i = 0; i < row % 3; i++)
			builder_append_bytes(builder_child(writer_column(writer, 2), 0), text, (size_t)i);
		builder_end_row(writer_column(writer, 2));
		builder_append_bool(writer_column(writer, 3), row % 7 == 0);
		assert_int_equal(writer_end_row(writer, &failure), 0);
	}
	assert_int_equal(writer_close(writer, &failure), 0);
	schema_clear(&schema);
	return descriptor;
}

struct file { char *bytes; size_t size; };

static struct file take_file(int descriptor) {
	struct file file = { .size = (size_t)lseek(descriptor, 0, SEEK_END) };
	file.bytes = malloc(file.size);
	assert_int_equal(pread(descriptor, file.bytes, file.size, 0), file.size);
	return file;
}

/* The stream's rows in reverse, through a table of that much memory. */
static int reverse(int input, size_t memory) {
	int output = memfd_create("stream", 0);
	struct failure failure;
	assert_int_equal(lseek(input, 0, SEEK_SET), 0);
	struct reader *reader = reader_open(input, "input", &failure);
	struct table *table = table_read(reader, memory, &failure);
	assert_non_null(table);
	struct carried *carried = carried_create(reader_schema(reader), every_column);
	struct writer *writer = writer_open(output, "output", reader_schema(reader), reader_info(reader), &failure);
	for (int64_t row = table_rows(table); row-- > 0;) {
		carried_append(carried, table_row(table, row, &failure), 0, writer);
		assert_int_equal(writer_end_row(writer, &failure), 0);
	}
	assert_int_equal(writer_close(writer, &failure), 0);
	carried_destroy(carried);
	table_free(table);
	reader_close(reader);
	return output;
}

static void holds_rows_wherever_they_are(void **state) {
	static const size_t memories[] = { 0, 1, 3000, 100000, 1 << 28 };
	int stream = make_stream(2500);
	struct file original = take_file(stream), first = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
		int once = reverse(stream, memories[i]), twice = reverse(once, memories[i]);
		struct file reversed = take_file(once), back = take_file(twice);
		assert_int_equal(back.size, original.size);
		assert_memory_equal(back.bytes, original.bytes, original.size);
		if (i == 0)
			first = reversed;
		assert_int_equal(reversed.size, first.size);
		assert_memory_equal(reversed.bytes, first.bytes, first.size);
		if (i > 0)
			free(reversed.bytes);
		free(back.bytes);
		close(once);
		close(twice);
	}
	assert_memory_not_equal(first.bytes, original.bytes, original.size);
	free(first.bytes);
	free(original.bytes);
	close(stream);
}

static void holds_no_rows(void **state) {
	int stream = make_stream(0), reversed = reverse(stream, 0);
	struct file before = take_file(stream), after = take_file(reversed);
	(void)state;
	assert_int_equal(before.size, after.size);
	assert_memory_equal(before.bytes, after.bytes, before.size);
	free(before.bytes);
	free(after.bytes);
	close(stream);
	close(reversed);
}

static void says_where_it_cannot_keep_rows(void **state) {
	int stream = make_stream(3);
	struct failure failure;
	(void)state;
	assert_int_equal(lseek(stream, 0, SEEK_SET), 0);
	struct reader *reader = reader_open(stream, "input", &failure);
	assert_int_equal(setenv("TMPDIR", "/no/such/folder", 1), 0);
	assert_null(table_read(reader, 100, &failure));
	assert_int_equal(unsetenv("TMPDIR"), 0);
	assert_int_equal(failure.status, EX_CANTCREAT);
	assert_non_null(strstr(failure.text, "/no/such/folder"));
	assert_non_null(strstr(failure.text, "TMPDIR"));
	reader_close(reader);
	close(stream);
}

static void sizes_have_suffixes(void **state) {
	static const struct { const char *text; size_t bytes; } good[] = {
		{ "0", 0 }, { "17", 17 }, { "3K", 3 << 10 }, { "256M", 256 << 20 }, { "5G", (size_t)5 << 30 },
		{ "9223372036854775807", PTRDIFF_MAX }, { "8589934591G", (size_t)8589934591 << 30 },
	};
	static const char *const bad[] = { "", "M", "-1", "+1", " 1", "1m", "1MB", "1.5G", "0x10", "9223372036854775808",
		"8589934592G", "99999999999999999999" };
	struct failure failure;
	size_t bytes;
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(table_parse_memory(good[i].text, &bytes, &failure), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(table_parse_memory(bad[i], &bytes, &failure), -1);
		assert_int_equal(failure.status, EX_USAGE);
		assert_non_null(strstr(failure.text, "--memory"));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_rows_wherever_they_are),
		cmocka_unit_test(holds_no_rows),
		cmocka_unit_test(says_where_it_cannot_keep_rows),
		cmocka_unit_test(sizes_have_suffixes),
	};
	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
