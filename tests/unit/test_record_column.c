/* test_record_column: builders and their columns are compared with plain arrays. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "record/column.h"

enum { ROWS = 300 };

static struct schema schema;

static int make_schema(void **state) {
	(void)state;
	schema_add_int(&schema, "int32", 32);
	schema_add_utf8(&schema, "utf8");
	schema_add_int32_list(&schema, "list");
	struct field child = schema.fields[1], field = { .name = child.name, .nullable = true };
	field.type.id = TYPE_NULL;
	schema_add(&schema, &field);
	field.type.id = TYPE_BOOL;
	schema_add(&schema, &field);
	field.type = (struct type){ .id = TYPE_FLOAT, .bit_width = 64 };
	schema_add(&schema, &field);
	field.type = (struct type){ .id = TYPE_LARGE_UTF8 };
	schema_add(&schema, &field);
	field.type = (struct type){ .id = TYPE_STRUCT };
	field.child_count = 1;
	child = schema.fields[0];
	field.children = &child;
	schema_add(&schema, &field);
	field.type = (struct type){ .id = TYPE_FIXED_SIZE_LIST, .size = 3 };
	schema_add(&schema, &field);
	field.type = (struct type){ .id = TYPE_LARGE_LIST };
	child = schema.fields[1];
	schema_add(&schema, &field);
	return 0;
}

static int clear_schema(void **state) {
	(void)state;
	schema_clear(&schema);
	return 0;
}

static bool is_null_row(int row) {
	return row % 7 == 3 || (row > 60 && row < 90);
}

/* A row whose values follow from its number. */
static void append_row(struct builder **builders, int row) {
	static const char text[] = "abcdefghijklmnopqrstuvwxyz";
	int32_t list[5] = { row, -row, -1, row * 1000, 7 };
	size_t length = (size_t)row % 5;
	if (is_null_row(row)) {
		for (size_t i = 0; i < schema.count; i++)
			builder_append_null(builders[i]);
		return;
	}
	builder_append_integer(builders[0], row - 5);
	builder_append_bytes(builders[1], text + row % 20, length);
	builder_append_nullable_int32_list(builders[2], list, length, -1);
	builder_append_null(builders[3]);
	builder_append_bool(builders[4], row % 3 == 0);
	builder_append_number(builders[5], row / 8.0);
	builder_append_bytes(builders[6], text, (size_t)row % 26);
	builder_append_integer(builder_child(builders[7], 0), row);
	builder_end_row(builders[7]);
	for (int i = 0; i < 3; i++)
		builder_append_integer(builder_child(builders[8], 0), row + i);
	builder_end_row(builders[8]);
	for (size_t i = 0; i < length; i++)
		builder_append_bytes(builder_child(builders[9], 0), text, i);
	builder_end_row(builders[9]);
}

static void assert_int32(const struct column *column, int64_t row, int expected) {
	assert_int_equal(column_integer(column, row, -999), expected);
}

/* Whether row `at` of the columns is the row with that number. */
static void assert_row(const struct column *columns, int64_t at, int row) {
	static const char text[] = "abcdefghijklmnopqrstuvwxyz";
	struct failure failure;
	struct int32_list list = { 0 };
	size_t length;
	int64_t first, count;
	const char *bytes;
	for (size_t i = 0; i < schema.count; i++)
		assert_int_equal(column_is_null(&columns[i], at), is_null_row(row) || i == 3);
	if (is_null_row(row)) {
		assert_int32(&columns[0], at, -999);
		column_bytes(&columns[1], at, &length);
		assert_int_equal(length, 0);
		assert_int_equal(column_int32_list(&columns[2], at, -1, &list, &failure), 0);
		assert_int_equal(list.count, 0);
		column_range(&columns[8], at, &first, &count);
		assert_int_equal(count, 0);
		free(list.values);
		return;
	}
	assert_int32(&columns[0], at, row - 5);
	bytes = column_bytes(&columns[1], at, &length);
	assert_int_equal(length, row % 5);
	assert_memory_equal(bytes, text + row % 20, length);
	assert_int_equal(column_int32_list(&columns[2], at, -1, &list, &failure), 0);
	assert_int_equal(list.count, row % 5);
	assert_memory_equal(list.values, ((int32_t[]){ row, -row, -1, row * 1000, 7 }), list.count * 4);
	column_range(&columns[2], at, &first, &count);
	for (int64_t i = 0; i < count; i++)
		assert_int_equal(column_is_null(&columns[2].children[0], first + i), list.values[i] == -1);
	assert_int_equal(columns[4].values[at / 8] >> at % 8 & 1, row % 3 == 0);
	double number;
	memcpy(&number, columns[5].values + 8 * at, 8);
	assert_true(number == row / 8.0);
	column_bytes(&columns[6], at, &length);
	assert_int_equal(length, row % 26);
	assert_int32(&columns[7].children[0], at, row);
	column_range(&columns[8], at, &first, &count);
	assert_int_equal(count, 3);
	assert_int32(&columns[8].children[0], first + 2, row + 2);
	column_range(&columns[9], at, &first, &count);
	assert_int_equal(count, row % 5);
	for (int64_t i = 0; i < count; i++) {
		column_bytes(&columns[9].children[0], first + i, &length);
		assert_int_equal(length, i);
	}
	free(list.values);
}

static struct builder **make_builders(void) {
	struct builder **builders = allocate(schema.count, sizeof *builders);
	for (size_t i = 0; i < schema.count; i++)
		builders[i] = builder_create(&schema.fields[i]);
	return builders;
}

static void free_builders(struct builder **builders) {
	for (size_t i = 0; i < schema.count; i++)
		builder_destroy(builders[i]);
	free(builders);
}

static struct column *view_all(struct builder **builders) {
	struct column *columns = allocate(schema.count, sizeof *columns);
	for (size_t i = 0; i < schema.count; i++)
		builder_view(builders[i], &columns[i]);
	return columns;
}

static void free_columns(struct column *columns) {
	for (size_t i = 0; i < schema.count; i++)
		column_clear(&columns[i]);
	free(columns);
}

static void shows_what_was_appended(void **state) {
	(void)state;
	struct builder **builders = make_builders();
	for (int again = 0; again < 2; again++) { /* after a reset as well */
		for (int row = 0; row < ROWS; row++)
			append_row(builders, row);
		struct column *columns = view_all(builders);
		for (int row = 0; row < ROWS; row++)
			assert_row(columns, row, row);
		free_columns(columns);
		for (size_t i = 0; i < schema.count; i++) {
			assert_int_equal(builder_length(builders[i]), ROWS);
			builder_reset(builders[i]);
			assert_int_equal(builder_length(builders[i]), 0);
		}
	}
	free_builders(builders);
}

/* Runs of every length from every start, and then the same rows one by one: equal columns. */
static void copies_rows_of_columns(void **state) {
	(void)state;
	struct builder **source = make_builders(), **runs = make_builders(), **twice = make_builders();
	int expected[ROWS * 40], count = 0;
	for (int row = 0; row < ROWS; row++)
		append_row(source, row);
	struct column *columns = view_all(source);
	for (int first = 0, run = 0; first + run <= ROWS; first = (first + run) % 281, run = (run + 7) % 53) {
		for (size_t i = 0; i < schema.count; i++)
			builder_append_rows(runs[i], &columns[i], first, run);
		for (int row = first; row < first + run; row++)
			expected[count++] = row;
		if (count > ROWS * 38)
			break;
	}
	struct column *copied = view_all(runs);
	for (int at = 0; at < count; at++)
		assert_row(copied, at, expected[at]);
	for (size_t i = 0; i < schema.count; i++) {
		builder_append_rows(twice[i], &copied[i], 1, count - 1);
		assert_int_equal(builder_length(twice[i]), count - 1);
	}
	struct column *last = view_all(twice);
	for (int at = 1; at < count; at++)
		assert_row(last, at - 1, expected[at]);
	free_columns(last);
	free_columns(copied);
	free_columns(columns);
	free_builders(twice);
	free_builders(runs);
	free_builders(source);
}

static void has_no_validity_without_nulls(void **state) {
	(void)state;
	struct builder *builder = builder_create(&schema.fields[2]);
	struct column column;
	builder_append_int32_list(builder, (int32_t[]){ 1, -1, 3 }, 3);
	builder_append_int32_list(builder, NULL, 0);
	builder_view(builder, &column);
	assert_null(column.validity);
	assert_null(column.children[0].validity);
	assert_int_equal(column.children[0].length, 3);
	column_clear(&column);
	builder_destroy(builder);
}

static void refuses_what_is_no_int32(void **state) {
	(void)state;
	struct { int bit_width; bool is_signed; int64_t value; int result; } cases[] = {
		{ 64, true, INT32_MAX, 0 }, { 64, true, (int64_t)INT32_MAX + 1, -1 }, { 64, true, (int64_t)INT32_MIN - 1, -1 },
		{ 32, false, 3000000000, -1 }, { 32, false, 5, 0 }, { 64, false, -1, -1 }, { 16, false, 65535, 0 },
		{ 8, true, -128, 0 }, { 8, false, 255, 0 }, { 16, true, -2, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct field item = schema.fields[0], field = schema.fields[2];
		struct int32_list list = { 0 };
		struct failure failure = { 0 };
		struct column column;
		item.type.bit_width = cases[i].bit_width;
		item.type.is_signed = cases[i].is_signed;
		field.children = &item;
		struct builder *builder = builder_create(&field);
		builder_append_integer(builder_child(builder, 0), 1);
		builder_append_integer(builder_child(builder, 0), cases[i].value);
		builder_end_row(builder);
		builder_view(builder, &column);
		assert_int_equal(column_int32_list(&column, 0, -1, &list, &failure), cases[i].result);
		if (cases[i].result == 0)
			assert_int_equal(list.values[1], cases[i].value);
		else
			assert_non_null(strstr(failure.text, "[1]"));
		free(list.values);
		column_clear(&column);
		builder_destroy(builder);
	}
}

/* Halves are floats rounded to the nearest, ties to even; what is read is what was written. */
static void test_float_lists(void **state) {
	(void)state;
	static const struct { float value, half; } rounded[] = { { 1, 1 }, { -2.5f, -2.5f }, { 65504, 65504 }, { 65519, 65504 },
		{ 2049, 2048 }, { 2051, 2052 }, { 0x1p-14f, 0x1p-14f }, { 0x1p-24f, 0x1p-24f }, { 0x1.8p-24f, 0x1p-23f },
		{ 0x1p-25f, 0 }, { 0x1.01p-25f, 0x1p-24f }, { 0x1.ffp-15f, 0x1.ffp-15f }, { 0x1.fffp-15f, 0x1p-14f }, { -0.0f, 0 } };
	enum { COUNT = sizeof rounded / sizeof *rounded };
	for (int width = 16; width <= 32; width += 16) {
		float values[COUNT], got[COUNT];
		struct schema lists = { 0 };
		struct failure failure;
		struct column column = { 0 };
		for (size_t i = 0; i < COUNT; i++)
			values[i] = rounded[i].value;
		schema_add_float_list(&lists, "x", width);
		struct builder *builder = builder_create(&lists.fields[0]);
		builder_append_float_list(builder, values, 2);
		builder_append_float_list(builder, values, 0);
		builder_append_float_list(builder, values, COUNT);
		builder_view(builder, &column);
		assert_int_equal(column_floats(&column, 1, got, &failure), 0);
		assert_int_equal(column_floats(&column, 2, got, &failure), 0);
		for (size_t i = 0; i < COUNT; i++)
			assert_true(got[i] == (width == 16 ? rounded[i].half : rounded[i].value));
		column_clear(&column);
		values[1] = 65520;
		builder_append_float_list(builder, values, 2);
		builder_append_null(builder_child(builder, 0));
		builder_end_row(builder);
		builder_view(builder, &column);
		assert_int_equal(column_floats(&column, 3, got, &failure), width == 16 ? -1 : 0);
		assert_int_equal(column_floats(&column, 4, got, &failure), -1);
		assert_non_null(strstr(failure.text, "x has a null"));
		column_clear(&column);
		builder_destroy(builder);
		schema_clear(&lists);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_float_lists),
		cmocka_unit_test(shows_what_was_appended),
		cmocka_unit_test(copies_rows_of_columns),
		cmocka_unit_test(has_no_validity_without_nulls),
		cmocka_unit_test(refuses_what_is_no_int32),
	};
	return cmocka_run_group_tests_name("record/column", tests, make_schema, clear_schema);
}
