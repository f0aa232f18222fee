/* Reading, finding and writing tokens. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "text/vocabulary.h"

static char path[] = "/tmp/cloze-vocabulary-XXXXXX";

static void put_file(const char *bytes, size_t length) {
	struct failure failure;
	int descriptor = open(path, O_WRONLY | O_TRUNC);
	assert_true(descriptor >= 0);
	assert_int_equal(write_all(descriptor, bytes, length, path, &failure), 0);
	close(descriptor);
}

static int32_t id(const struct vocabulary *vocabulary, const char *token) {
	return vocabulary_id(vocabulary, token, strlen(token));
}

static void lines_are_tokens(void **state) {
	(void)state;
	struct failure failure;
	static const char text[] = "[UNK]\nthe\r\n##ing\n\n\xc3\xa9\nthe\nlast";
	put_file(text, sizeof text - 1);
	struct vocabulary *vocabulary = vocabulary_read(path, &failure);
	assert_non_null(vocabulary);
	assert_int_equal(vocabulary_size(vocabulary), 7);
	assert_int_equal(id(vocabulary, "[UNK]"), 0);
	assert_int_equal(id(vocabulary, "the"), 5); /* the last of two, as the reference has it */
	assert_int_equal(id(vocabulary, "##ing"), 2);
	assert_int_equal(id(vocabulary, "ing"), -1);
	assert_int_equal(id(vocabulary, ""), -1);
	assert_int_equal(id(vocabulary, "\xc3\xa9"), 4);
	assert_int_equal(id(vocabulary, "last"), 6);
	assert_string_equal(vocabulary_token(vocabulary, 1), "the");
	assert_string_equal(vocabulary_token(vocabulary, 3), "");
	assert_null(vocabulary_token(vocabulary, 7));
	assert_null(vocabulary_token(vocabulary, -1));
	vocabulary_free(vocabulary);
}

/* The pieces of a word as "1 4"; "" where there are none. */
static const char *cut(const struct vocabulary *vocabulary, int32_t below, const char *word) {
	static char text[64];
	char padded[64] = { 0 };
	int32_t pieces[64];
	size_t length = strlen(word), used = 0;
	memcpy(padded, word, length);
	size_t count = vocabulary_cut(vocabulary, below, padded, length, pieces);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, i > 0 ? " %d" : "%d", (int)pieces[i]);
	return text;
}

static void cuts_the_longest_pieces(void **state) {
	(void)state;
	static const char *const tokens[] = { "a", "ab", "abcde", "##b", "##bc", "\xc3\xa9", "##\xc3\xa9\xc3\xa9",
		"##c", "##d" };
	struct vocabulary *vocabulary = vocabulary_create(tokens, 9);
	assert_string_equal(cut(vocabulary, 9, "a"), "0");
	assert_string_equal(cut(vocabulary, 9, "abcde"), "2");
	assert_string_equal(cut(vocabulary, 2, "abcde"), "");
	assert_string_equal(cut(vocabulary, 9, "abcd"), "1 7 8");
	assert_string_equal(cut(vocabulary, 9, "abbcb"), "1 4 3");
	assert_string_equal(cut(vocabulary, 9, "abca"), "");
	assert_string_equal(cut(vocabulary, 9, "b"), "");
	assert_string_equal(cut(vocabulary, 9, "\xc3\xa8"), "");
	assert_string_equal(cut(vocabulary, 9, "\xc3\xa9\xc3\xa9\xc3\xa9"), "5 6");
	vocabulary_free(vocabulary);
}

static void comes_back_with_its_fingerprint(void **state) {
	(void)state;
	struct failure failure;
	char name[16], fingerprint[16], again[16];
	char **tokens = allocate(70000, sizeof *tokens);
	for (int i = 0; i < 70000; i++) {
		snprintf(name, sizeof name, i % 3 ? "t%d" : "##%d", i);
		tokens[i] = copy_text(name);
	}
	struct vocabulary *vocabulary = vocabulary_create((const char *const *)tokens, 70000);
	for (int i = 0; i < 70000; i++)
		assert_int_equal(id(vocabulary, tokens[i]), i);
	vocabulary_fingerprint(vocabulary, fingerprint);
	int descriptor = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(vocabulary_write(vocabulary, descriptor, path, &failure), 0);
	close(descriptor);
	vocabulary_free(vocabulary);
	vocabulary = vocabulary_read(path, &failure);
	assert_int_equal(vocabulary_size(vocabulary), 70000);
	vocabulary_fingerprint(vocabulary, again);
	assert_string_equal(again, fingerprint);
	vocabulary_free(vocabulary);
	for (int i = 0; i < 70000; i++)
		free(tokens[i]);
	free(tokens);

	const char *const two[] = { "a", "b" };
	vocabulary = vocabulary_create(two, 2);
	vocabulary_fingerprint(vocabulary, fingerprint);
	assert_string_equal(fingerprint, "crc32:18572a97"); /* of "a\nb\n", by zlib.crc32() of Python */
	vocabulary_free(vocabulary);
}

static void refuses(const char *bytes, size_t length, int status, const char *part) {
	struct failure failure;
	put_file(bytes, length);
	assert_null(vocabulary_read(path, &failure));
	assert_int_equal(failure.status, status);
	assert_non_null(strstr(failure.text, part));
}

static void damage_is_named_by_line(void **state) {
	(void)state;
	struct failure failure;
	refuses("", 0, EX_DATAERR, "empty");
	refuses("a\nb\n\xff\n", 6, EX_DATAERR, "line 3");
	refuses("a\nb\0c\n", 6, EX_DATAERR, "line 2: a NUL byte");
	assert_null(vocabulary_read("/nonexistent/vocab.txt", &failure));
	assert_int_equal(failure.status, EX_NOINPUT);
}

static int begin(void **state) {
	(void)state;
	int descriptor = mkstemp(path);
	return descriptor < 0 ? -1 : close(descriptor);
}

static int end(void **state) {
	(void)state;
	return unlink(path);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_tokens),
		cmocka_unit_test(cuts_the_longest_pieces),
		cmocka_unit_test(comes_back_with_its_fingerprint),
		cmocka_unit_test(damage_is_named_by_line),
	};
	return cmocka_run_group_tests_name("vocabulary", tests, begin, end);
}
