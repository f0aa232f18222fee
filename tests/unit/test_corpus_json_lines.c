/* The reader of JSON lines: what is valid is read, whatever numbers and escapes it has; what is not is refused by its
 * line; and a record may be cut by the end of a block at every place in it. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "corpus/json_lines.h"

/* Writes a value in a form of its own: strings in angle brackets, numbers as they are, keys before a colon. */
static void write_value(const struct value *value, char *out) {
	static const char *const words[] = { "null", "false", "true" };
	const struct value *member = value + 1;
	if (value->key != NULL)
		sprintf(out + strlen(out), "%.*s:", (int)value->key_length, value->key);
	if (value->kind <= VALUE_TRUE)
		strcat(out, words[value->kind]);
	else if (value->kind == VALUE_NUMBER)
		strcat(out, value->text);
	else if (value->kind == VALUE_STRING)
		sprintf(out + strlen(out), "<%.*s>", (int)value->length, value->text);
	else {
		strcat(out, value->kind == VALUE_ARRAY ? "[" : "{");
		for (size_t i = 0; i < value->count; i++, member = value_after(member)) {
			strcat(out, i > 0 ? " " : "");
			write_value(member, out);
		}
		strcat(out, value->kind == VALUE_ARRAY ? "]" : "}");
		assert_ptr_equal(member, value + value->size);
	}
}

/* Reads all of a text, and lists its records, each with its line and a semicolon. */
static int read_bytes(const char *text, size_t length, char *listing, struct failure *failure) {
	FILE *file = tmpfile();
	assert_int_equal(fwrite(text, 1, length, file), length);
	rewind(file);
	struct json_reader reader = { .input = inflate_open(fileno(file), "f", failure), .name = "f", .limit = 1 << 20 };
	struct json_record record = { 0 };
	int result;
	listing[0] = '\0';
	while ((result = json_next(&reader, &record, failure)) == 1) {
		sprintf(listing + strlen(listing), "%lld", (long long)record.line);
		write_value(record.values, listing);
		strcat(listing, ";");
		for (int64_t i = 0; i < record.replaced; i++)
			strcat(listing, "!");
	}
	json_record_clear(&record);
	free(reader.joined.data);
	inflate_close(reader.input);
	fclose(file);
	return result;
}

static void expect(const char *text, const char *expected) {
	char listing[20000];
	struct failure failure = { 0 };
	int result = read_bytes(text, strlen(text), listing, &failure);
	if (result != 0)
		fail_msg("%s: %s", text, failure.text);
	assert_string_equal(listing, expected);
}

static void refuse(const char *text, const char *reason) {
	char listing[20000];
	struct failure failure = { 0 };
	assert_int_equal(read_bytes(text, strlen(text), listing, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	if (strstr(failure.text, reason) == NULL)
		fail_msg("%s: %s", text, failure.text);
}

static void test_values(void **state) {
	(void)state;
	expect("", "");
	expect(" \n\r\n\t", "");
	expect("{}", "1{};");
	expect("{\"a\":null,\"b\" : [ true ,false ] , \"c\":{\"d\":\"x\"}}", "1{a:null b:[true false] c:{d:<x>}};");
	expect("{\"n\": [0, -0, 12, 1.50, 1e5, 1E+5, -1.0e-5, 123456789012345678901234567890, 1e999]}",
		"1{n:[0 -0 12 1.50 1e5 1E+5 -1.0e-5 123456789012345678901234567890 1e999]};");
	expect("{\"n\": [NaN, Infinity, -Infinity]}", "1{n:[NaN Infinity -Infinity]};");
	expect("{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00E9\\u6f22\\ud83d\\ude00\": \"caf\xc3\xa9\"}",
		"1{\"\\/\b\f\n\r\tA\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80:<caf\xc3\xa9>};");
	expect("{\"a\": 1, \"a\": 2}", "1{a:1 a:2};");
	expect("{\"a\": \"}{][\\\"\"}", "1{a:<}{][\">};");
}

static void test_halves_of_surrogate_pairs(void **state) {
	(void)state;
	expect("{\"a\": \"x\\ud800y\"}", "1{a:<x\xef\xbf\xbdy>};!");
	expect("{\"a\": \"\\udc00\\ud800\\ud83d\\ude00\"}", "1{a:<\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80>};!!");
	expect("{\"a\": \"\\ud800\\u0041\\ud800\\n\"}", "1{a:<\xef\xbf\xbd" "A\xef\xbf\xbd\n>};!!");
}

static void test_shapes(void **state) {
	(void)state;
	expect("{\"a\": 1}\n\n  {\"a\": 2}\r\n{\"a\": 3} {\"a\": 4}", "1{a:1};3{a:2};4{a:3};4{a:4};");
	expect("\xef\xbb\xbf{\"a\": 1}\n", "1{a:1};");
	expect("[{\"a\": 1},\n {\"a\": 2}]\n", "1{a:1};2{a:2};");
	expect("\n[\n]\n", "");
	expect("{\n  \"a\": [\n    1\n  ]\n}\n{\n  \"a\": 2\n}\n", "1{a:[1]};6{a:2};");
	refuse("[{\"a\": 1} {\"a\": 2}]", "line 1: no comma between two elements");
	refuse("[{\"a\": 1},\n]", "line 2: an element of the array is not a JSON object");
	refuse("[,{\"a\": 1}]", "line 1: an element of the array is not a JSON object");
	refuse("[{\"a\": 1},\n", "line 2: cut short within the array");
	refuse("[{\"a\": 1}]\n{\"a\": 2}", "line 2: more after the end of the array");
	refuse("{\"a\": 1}\n[{\"a\": 2}]", "line 2: not a JSON object");
	refuse("{\"a\": 1},{\"a\": 2}", "line 1: not a JSON object");
	refuse("hello", "line 1: not a JSON object");
	refuse("1", "line 1: not a JSON object");
}

static void test_what_is_not_json(void **state) {
	(void)state;
	static const struct { const char *text, *reason; } cases[] = {
		{ "{\"a\": }", "line 1: not JSON: a value that is none" },
		{ "{\"a\": 1", "it ends within an object" },
		{ "{\"a\": \"x", "it ends within a string" },
		{ "{\"a\": \"x\n\"}", "line 1: not JSON: a string that the line's end cuts off" },
		{ "{\"a\": \"x\ty\"}", "a control character in a string" },
		{ "{\"a\": \"\\x\"}", "an escape that JSON does not have" },
		{ "{\"a\": \"\\u12g4\"}", "four hexadecimal digits" },
		{ "{\"a\": \"\\u", "four hexadecimal digits" },
		{ "{\"a\": \"\\u00\1G\"}", "four hexadecimal digits" },
		{ "{\"a\": \"\\", "an escape" },
		{ "{\"a\" 1}", "a key without a colon" },
		{ "{a: 1}", "a key that is not a string" },
		{ "{\"a\": 1,}", "a key that is not a string" },
		{ "{\"a\": [1,]}", "a value that is none" },
		{ "{\"a\": [1 2]}", "no comma" },
		{ "{\"a\": [1}", "no comma" },
		{ "{\"a\": 1]", "no comma" },
		{ "{\"a\": 01}", "no comma" },
		{ "{\"a\": +1}", "a value that is none" },
		{ "{\"a\": .5}", "a value that is none" },
		{ "{\"a\": 1.}", "ends in a point" },
		{ "{\"a\": 1e}", "exponent of no digits" },
		{ "{\"a\": -NaN}", "a value that is none" },
		{ "{\"a\": nan}", "a value that is none" },
		{ "{\"a\": 'x'}", "a value that is none" },
		{ "{\"a\": tru", "a value that is none" },
		{ "{\n", "line 1: not JSON: it ends within an object" },
		{ "{\"a\":", "it ends within" },
		{ "{\n\n\"a\": \xff}", "line 3: not JSON: a value that is none" },
		{ "{\"a\": \"\xed\xa0\x80\"}", "bytes that are not UTF-8" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refuse(cases[i].text, cases[i].reason);
}

static void test_depth(void **state) {
	(void)state;
	char text[10000] = "{\"a\": ";
	memset(text + 6, '[', 2000);
	memset(text + 2006, ']', 2000);
	strcpy(text + 4006, "}");
	char listing[20000];
	struct failure failure;
	assert_int_equal(read_bytes(text, strlen(text), listing, &failure), 0);
	memset(text + 6, '[', 4000);
	refuse(text, "nested deeper than 2048");
}

static void test_numbers(void **state) {
	(void)state;
	static const struct { const char *text; bool whole, fits, fits_unsigned; double value; } cases[] = {
		{ "9223372036854775807", true, true, true, 9223372036854775807.0 },
		{ "9223372036854775808", true, false, true, 9223372036854775808.0 },
		{ "18446744073709551615", true, false, true, 18446744073709551615.0 },
		{ "18446744073709551616", true, false, false, 18446744073709551616.0 },
		{ "-9223372036854775808", true, true, false, -9223372036854775808.0 },
		{ "1.0", false, true, true, 1 }, { "1e2", false, true, true, 100 }, { "5e-324", false, true, true, 5e-324 },
		{ "-Infinity", false, true, true, -INFINITY },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct value number = { .kind = VALUE_NUMBER, .text = cases[i].text };
		int64_t integer;
		uint64_t natural;
		assert_int_equal(value_is_whole(&number), cases[i].whole);
		assert_true(value_double(&number) == cases[i].value);
		if (cases[i].whole) {
			assert_int_equal(value_int64(&number, &integer), cases[i].fits);
			assert_int_equal(value_uint64(&number, &natural), cases[i].fits_unsigned);
		}
	}
	struct value not_a_number = { .kind = VALUE_NUMBER, .text = "NaN" };
	assert_true(isnan(value_double(&not_a_number)));
}

static void test_keys(void **state) {
	(void)state;
	struct value object[] = { { .kind = VALUE_OBJECT, .size = 5, .count = 3 },
		{ .kind = VALUE_ARRAY, .size = 2, .count = 1, .key = "a", .key_length = 1 },
		{ .kind = VALUE_NULL, .size = 1 }, { .kind = VALUE_TRUE, .size = 1, .key = "b", .key_length = 1 },
		{ .kind = VALUE_FALSE, .size = 1, .key = "a", .key_length = 1 } };
	bool twice = false;
	assert_ptr_equal(value_find(object, "b", &twice), &object[3]);
	assert_false(twice);
	assert_null(value_find(object, "c", &twice));
	assert_ptr_equal(value_find(object, "a", &twice), &object[4]);
	assert_true(twice);
}

/* White space before a record pushes the rest across the end of the first block, a byte further each time. */
static void test_every_boundary(void **state) {
	(void)state;
	static const char record[] = "[{\"a\": \"\\\\\\\"\\u00e9 caf\xc3\xa9\", \"b\": [1.5e3, {}, -Infinity, null]} , "
		"{\"c\": true}\n]\n";
	const size_t length = sizeof record - 1;
	char *text = allocate(INFLATE_FIRST + length, 1);
	for (size_t over = 0; over <= length; over++) {
		size_t before = INFLATE_FIRST - length + over;
		char listing[1000];
		struct failure failure;
		memset(text, ' ', before);
		memcpy(text + before, record, length);
		assert_int_equal(read_bytes(text, before + length, listing, &failure), 0);
		assert_string_equal(listing, "1{a:<\\\"\xc3\xa9 caf\xc3\xa9> b:[1.5e3 {} -Infinity null]};1{c:true};");
	}
	free(text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values), cmocka_unit_test(test_halves_of_surrogate_pairs), cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_what_is_not_json), cmocka_unit_test(test_depth), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_keys), cmocka_unit_test(test_every_boundary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
