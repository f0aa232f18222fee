/* test_base_json_file: which JSON files are read, which are refused and how, and that a missing file is distinguished
 * from an unreadable one. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json_file.h"
#include "base/memory.h"

static json_t *parse(const char *text) {
	struct failure failure;
	json_t *object = json_object_parse(text, strlen(text), "x.json", &failure);
	if (object == NULL)
		fail_msg("%s", failure.text);
	return object;
}

static void expect_refused(const char *text, const char *why) {
	struct failure failure;
	assert_null(json_object_parse(text, strlen(text), "x.json", &failure));
	assert_int_equal(failure.status, EX_DATAERR);
	if (strncmp(failure.text, "x.json: ", 8) != 0 || strstr(failure.text, why) == NULL)
		fail_msg("%s is refused by \"%s\", expected \"%s\"", text, failure.text, why);
}

static void test_integers(void **state) {
	(void)state;
	json_t *object = parse("{\"a\": 9223372036854775807, \"b\": -999999999999999999, \"c\": 12}");
	assert_true(json_integer_value(json_object_get(object, "a")) == INT64_MAX);
	assert_true(json_integer_value(json_object_get(object, "b")) == -999999999999999999);
	json_decref(object);
	object = parse("{\"a\": 1000000000000000019884624838656, \"b\":-99999999999999999999,\"c\": 12,\"d\":[0.5]}");
	assert_true(json_real_value(json_object_get(object, "a")) == 1e30);
	assert_true(json_real_value(json_object_get(object, "b")) == -1e20);
	assert_true(json_integer_value(json_object_get(object, "c")) == 12);
	json_decref(object);
}

static void test_not_finite(void **state) {
	(void)state;
	json_t *object = parse("{\"a\":[NaN,Infinity,-Infinity],\"b\":\"NaN \\\" 99999999999999999999\"}"), *list;
	list = json_object_get(object, "a");
	assert_string_equal(json_string_value(json_array_get(list, 0)), "NaN");
	assert_string_equal(json_string_value(json_array_get(list, 1)), "Infinity");
	assert_string_equal(json_string_value(json_array_get(list, 2)), "-Infinity");
	assert_string_equal(json_string_value(json_object_get(object, "b")), "NaN \" 99999999999999999999");
	json_decref(object);
}

static void test_text(void **state) {
	(void)state;
	json_t *object = parse("\xef\xbb\xbf{\"\\u0061\": \"\\ud83d\\ude00\"}\n");
	assert_string_equal(json_string_value(json_object_get(object, "a")), "\xf0\x9f\x98\x80");
	json_decref(object);
}

static void test_refused(void **state) {
	(void)state;
	static const char *const cases[][2] = {
		{ "", "line 1" }, { "{", "line 1" }, { "{\n\"a\": 1,\n}", "line 3" }, { "[1]", "is not a JSON object" },
		{ "\"a\"", "line 1" }, { "{\"a\": 1, \"a\": 2}", "duplicate" }, { "{\"a\": 1, \"\\u0061\": 2}", "duplicate" },
		{ "{\"a\": NaN, \"a\": 2}", "duplicate" }, { "{\"a\": \"\\u0000\"}", "\\u0000" }, { "{\"a\": \"\\ud800\"}", "line 1" },
		{ "{\"a\": \"\xff\"}", "byte 0xff" }, { "{} {}", "end of file expected" }, { "{\"a\": 01}", "line 1" },
		{ "{\"a\": nan}", "line 1" }, { "{\"a\": 1e999}", "line 1" }, { "{\"a\": \"", "line 1" }, { "{\"a\": \"\\", "line 1" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect_refused(cases[i][0], cases[i][1]);
}

static void test_missing_is_not_unreadable(void **state) {
	(void)state;
	struct failure failure;
	json_t *object = (json_t *)"", *const none = NULL;
	char folder[] = "/tmp/cloze-test.XXXXXX";
	assert_non_null(mkdtemp(folder));
	assert_int_equal(json_file_find(folder, "a.json", 1000, &object, &failure), 0);
	assert_ptr_equal(object, none);
	char *path = format_text("%s/a.json", folder);
	assert_int_equal(write_file(path, "{\"a\": 1}", 8, &failure), 0);
	assert_int_equal(json_file_find(folder, "a.json", 1000, &object, &failure), 0);
	assert_int_equal(json_object_size(object), 1);
	json_decref(object);
	assert_int_equal(json_file_find(folder, "a.json", 4, &object, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0); /* is there, and cannot be opened */
	assert_int_equal(json_file_find(folder, "a.json", 1000, &object, &failure), -1);
	assert_int_equal(failure.status, EX_NOINPUT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(json_file_find(folder, "a.json", 1000, &object, &failure), -1);
	assert_ptr_equal(object, none);
	rmdir(path);
	rmdir(folder);
	free(path);
}

static _Noreturn void end_with_seven(void) {
	_exit(7);
}

static void test_jansson_never_returns_null(void **state) {
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	report_skipped("a malloc() that fails ends a program under AddressSanitizer");
	return;
#endif
	json_malloc_t allocate_text;
	int status;
	json_get_alloc_funcs(&allocate_text, NULL);
	if (fork() == 0) {
		memory_on_exhausted(end_with_seven);
		void *volatile memory = allocate_text(SIZE_MAX / 2);
		_exit(memory == NULL ? 1 : 2);
	}
	assert_int_not_equal(wait(&status), -1);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers), cmocka_unit_test(test_not_finite), cmocka_unit_test(test_text),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_missing_is_not_unreadable),
		cmocka_unit_test(test_jansson_never_returns_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
