/* test_text_vocabulary: vocabularies are read, searched and written. */
#include "test.h"
#include "scratch_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "text/key.h"
#include "text/vocabulary.h"

/* A vocabulary of texts that end in NULs. */
static struct vocabulary *create(const char *const *tokens, size_t count) {
	struct token_text *texts = allocate(count, sizeof *texts);
	for (size_t i = 0; i < count; i++)
		if (tokens[i] != NULL)
			texts[i] = (struct token_text){ tokens[i], strlen(tokens[i]) };
	struct vocabulary *vocabulary = vocabulary_create(texts, count);
	free(texts);
	return vocabulary;
}

static int32_t id(const struct vocabulary *vocabulary, const char *token) {
	return vocabulary_id(vocabulary, token, strlen(token));
}

static void lines_are_tokens(void **state) {
	(void)state;
	struct failure failure;
	static const char text[] = "[UNK]\nthe\r\n##ing\n\n\xc3\xa9\nthe\nlast";
	struct vocabulary *vocabulary = vocabulary_parse(text, sizeof text - 1, "vocab.txt", &failure);
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
	assert_int_equal(vocabulary_repeated(vocabulary), 1);
	vocabulary_free(vocabulary);
}

/* What WordPiece.read_file() of tokenizers gives for these lines. */
static void ends_of_lines_are_trimmed(void **state) {
	(void)state;
	struct failure failure;
	static const char text[] = "a\t\r\nb \xc2\xa0\xe3\x80\x80\nc\x0c" "d\xc2\x85\n e\xe2\x80\xa8" "f\n\xe2\x80\x8b\n \n\xe4\xb8\xad\n##g\rh\r";
	static const char *const tokens[] = { "a", "b", "c\x0c" "d", " e\xe2\x80\xa8" "f", "\xe2\x80\x8b", "", "\xe4\xb8\xad", "##g\rh" };
	struct vocabulary *vocabulary = vocabulary_parse(text, sizeof text - 1, "vocab.txt", &failure);
	assert_non_null(vocabulary);
	assert_int_equal(vocabulary_size(vocabulary), sizeof tokens / sizeof *tokens);
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		assert_string_equal(vocabulary_token(vocabulary, (int32_t)i), tokens[i]);
	assert_int_equal(vocabulary_repeated(vocabulary), -1);
	vocabulary_free(vocabulary);
}

static void ids_may_have_no_token(void **state) {
	(void)state;
	static const char *const tokens[] = { "a", NULL, "b" };
	struct vocabulary *vocabulary = create(tokens, 3);
	assert_int_equal(vocabulary_size(vocabulary), 3);
	assert_int_equal(id(vocabulary, "b"), 2);
	assert_int_equal(id(vocabulary, ""), -1);
	assert_string_equal(vocabulary_token(vocabulary, 1), "");
	assert_false(vocabulary_whole(vocabulary));
	vocabulary_free(vocabulary);
	vocabulary = create(tokens, 1);
	assert_true(vocabulary_whole(vocabulary));
	vocabulary_free(vocabulary);
}

/* The pieces of a word, for which it makes no difference what follows it. */
static size_t cut(const struct vocabulary *vocabulary, int32_t below, const char *word, int32_t *pieces) {
	size_t length = strlen(word);
	char *readable = allocate(length + KEY_LENGTH, 1);
	memset(readable, 'b', length + KEY_LENGTH);
	memcpy(readable, word, length);
	size_t count = vocabulary_cut(vocabulary, below, readable, length, pieces);
	free(readable);
	return count;
}

static void check_cut(const struct vocabulary *vocabulary, int32_t below, const char *word, const char *expected) {
	char text[256] = "";
	int32_t pieces[64];
	size_t count = cut(vocabulary, below, word, pieces), used = 0;
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, i > 0 ? " %d" : "%d", (int)pieces[i]);
	assert_string_equal(text, expected);
}

static void cuts_the_longest_pieces(void **state) {
	(void)state;
	static const char *const tokens[] = { "a", "ab", "abcde", "##b", "##bc", "\xc3\xa9", "##\xc3\xa9\xc3\xa9", "##c",
		"##d", "abababababababababab", "##abababababababababab", "##a", "##abababababababab" };
	struct vocabulary *vocabulary = create(tokens, 13);
	check_cut(vocabulary, 13, "a", "0");
	check_cut(vocabulary, 13, "abcde", "2");
	check_cut(vocabulary, 2, "abcde", ""); /* neither abcde nor ##bc is below 2 */
	check_cut(vocabulary, 13, "abcd", "1 7 8");
	check_cut(vocabulary, 13, "abbcb", "1 4 3");
	check_cut(vocabulary, 13, "abcx", "");
	check_cut(vocabulary, 13, "b", "");
	check_cut(vocabulary, 13, "\xc3\xa8", "");
	check_cut(vocabulary, 13, "\xc3\xa9\xc3\xa9\xc3\xa9", "5 6");
	check_cut(vocabulary, 13, "\xc3\xa9\xc3\xa9", ""); /* not half a character */
	check_cut(vocabulary, 13, "abababababababababababababababababababab", "9 10"); /* past KEY_LENGTH */
	check_cut(vocabulary, 13, "ababababababababababababababababababab", "9 12 11 3");
	assert_int_equal(id(vocabulary, "##abababababababababab"), 10);
	assert_int_equal(id(vocabulary, "abababababababababac"), -1);
	vocabulary_free(vocabulary);
}

/* Cuts by looking every beginning up. */
static size_t cut_plainly(const struct vocabulary *vocabulary, const char *word, int32_t *pieces) {
	size_t count = 0, length = strlen(word), taken;
	for (size_t at = 0; at < length; at += taken) {
		char token[128] = "##";
		size_t prefix = at > 0 ? 2 : 0;
		for (taken = length - at; taken > 0; taken--) {
			memcpy(token + prefix, word + at, taken);
			pieces[count] = vocabulary_id(vocabulary, token, prefix + taken);
			if (pieces[count] >= 0)
				break;
		}
		if (taken == 0)
			return 0;
		count++;
	}
	return count;
}

static void random_string(char *text, size_t longest) {
	size_t length = 1 + (size_t)rand() % longest;
	for (size_t i = 0; i < length; i++)
		text[i] = "abc"[rand() % 3];
	text[length] = '\0';
}

static void cutting_is_looking_beginnings_up(void **state) {
	(void)state;
	enum { TOKENS = 3000 };
	char **tokens = allocate(TOKENS, sizeof *tokens), text[64];
	int32_t pieces[64], expected[64];
	srand(1);
	for (int i = 0; i < TOKENS; i++) {
		random_string(text, i % 3 ? 6 : 24);
		tokens[i] = format_text("%s%s", i % 2 ? "##" : "", text);
	}
	struct vocabulary *vocabulary = create((const char *const *)tokens, TOKENS);
	size_t covered = 0;
	for (int i = 0; i < 20000; i++) {
		random_string(text, i % 2 ? 16 : 40);
		size_t count = cut_plainly(vocabulary, text, expected);
		assert_int_equal(cut(vocabulary, TOKENS, text, pieces), count);
		assert_memory_equal(pieces, expected, count * sizeof *pieces);
		covered += count > 0;
	}
	assert_in_range(covered, 10000, 20000);
	vocabulary_free(vocabulary);
	for (int i = 0; i < TOKENS; i++)
		free(tokens[i]);
	free(tokens);
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
	struct vocabulary *vocabulary = create((const char *const *)tokens, 70000);
	for (int i = 0; i < 70000; i++)
		assert_int_equal(id(vocabulary, tokens[i]), i);
	vocabulary_fingerprint(vocabulary, fingerprint);
	int descriptor = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(vocabulary_write(vocabulary, descriptor, path, &failure), 0);
	close(descriptor);
	vocabulary_free(vocabulary);
	size_t length;
	char *text = read_file(path, 1 << 24, &length, &failure);
	vocabulary = vocabulary_parse(text, length, path, &failure);
	free(text);
	assert_int_equal(vocabulary_size(vocabulary), 70000);
	vocabulary_fingerprint(vocabulary, again);
	assert_string_equal(again, fingerprint);
	vocabulary_free(vocabulary);
	for (int i = 0; i < 70000; i++)
		free(tokens[i]);
	free(tokens);

	const char *const two[] = { "a", "b" };
	vocabulary = create(two, 2);
	vocabulary_fingerprint(vocabulary, fingerprint);
	assert_string_equal(fingerprint, "crc32:18572a97"); /* of "a\nb\n", by zlib.crc32() of Python */
	vocabulary_free(vocabulary);
}

static void refuses(const char *bytes, size_t length, int status, const char *part) {
	struct failure failure;
	assert_null(vocabulary_parse(bytes, length, "vocab.txt", &failure));
	assert_int_equal(failure.status, status);
	assert_non_null(strstr(failure.text, part));
}

static void damage_is_named_by_line(void **state) {
	(void)state;
	refuses("", 0, EX_DATAERR, "empty");
	refuses("a\nb\n\xff\n", 6, EX_DATAERR, "line 3");
	refuses("a\nb\0c\n", 6, EX_DATAERR, "line 2: a NUL byte");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_tokens),
		cmocka_unit_test(ends_of_lines_are_trimmed),
		cmocka_unit_test(ids_may_have_no_token),
		cmocka_unit_test(cuts_the_longest_pieces),
		cmocka_unit_test(cutting_is_looking_beginnings_up),
		cmocka_unit_test(comes_back_with_its_fingerprint),
		cmocka_unit_test(damage_is_named_by_line),
	};
	return cmocka_run_group_tests_name("vocabulary", tests, make_file, remove_file);
}
