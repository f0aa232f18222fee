/* CSV, lines, paragraphs, JSON lines, labels, and telling the formats apart: cases by hand, each read with the
 * boundary between two blocks of the input at every place in it. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "corpus/source.h"

static struct inflate_reader *open_bytes(const void *bytes, size_t length, FILE **file) {
	*file = tmpfile();
	assert_non_null(*file);
	assert_int_equal(fwrite(bytes, 1, length, *file), length);
	rewind(*file);
	return inflate_open(fileno(*file), "input", &(struct failure){ 0 });
}

/* Describes the documents as "name[text]label;". Returns the last result. */
static int describe(struct source *source, char *listing, size_t capacity, struct failure *failure) {
	struct document document;
	size_t written = 0;
	int result;
	listing[0] = '\0';
	while ((result = source->next(source, &document, failure)) == 1) {
		written += (size_t)snprintf(listing + written, capacity - written, "%.*s[%.*s]%lld;", (int)document.name_length,
			document.name, (int)document.text_length, document.text, (long long)document.label);
		assert_true(written < capacity);
	}
	return result;
}

static int read_text(enum format format, const char *text, const struct reading *columns, char *listing,
	size_t capacity, struct failure *failure) {
	FILE *file;
	struct inflate_reader *input = open_bytes(text, strlen(text), &file);
	struct source *source = source_open(format, input, "a/f", columns);
	int result = describe(source, listing, capacity, failure);
	source->close(source);
	inflate_close(input);
	fclose(file);
	return result;
}

static void expect_documents(enum format format, const char *text, const char *expected) {
	char listing[1000];
	struct failure failure = { 0 };
	struct reading columns = { 0 };
	assert_int_equal(read_text(format, text, &columns, listing, sizeof listing, &failure), 0);
	assert_string_equal(listing, expected);
}

static void expect_refused(enum format format, const char *text, const char *reason) {
	char listing[1000];
	struct failure failure = { 0 };
	struct reading columns = { 0 };
	assert_int_equal(read_text(format, text, &columns, listing, sizeof listing, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_non_null(strstr(failure.text, reason));
}

static void test_csv(void **state) {
	(void)state;
	expect_documents(FORMAT_CSV, "review,sentiment\n\"a \"\"b\"\",\r\nc\",positive\nd,negative\n",
		"f:2[a \"b\",\r\nc]1;f:4[d]0;");
	expect_documents(FORMAT_CSV, "\xef\xbb\xbftext\r\n\r\nx\r\n\"\"\r\ny", "f:3[x]-1;f:4[]-1;f:5[y]-1;");
	expect_documents(FORMAT_CSV, "label,name,text\r1,n,a\r-1,,b\r", "n[a]1;[b]-1;");
	expect_documents(FORMAT_CSV, "sentiment,label,review,text\n0,1,no,yes\n", "f:2[yes]1;");
	expect_documents(FORMAT_CSV, "text\na\"b\"\n b\"\n", "f:2[a\"b\"]-1;f:3[ b\"]-1;");
	expect_documents(FORMAT_CSV, "text\n", "");
	expect_documents(FORMAT_TSV, "text\tlabel\na,b\t2.0\n\"c\td\"\t\n", "f:2[a,b]2;f:3[c\td]-1;");
	expect_refused(FORMAT_CSV, "", "empty");
	expect_refused(FORMAT_CSV, "a,b\n1,2\n", "no column text or review (the header has a, b;");
	expect_refused(FORMAT_CSV, "text\n\"a\nb", "line 2: a quote that is never closed");
	expect_refused(FORMAT_CSV, "text\nx\n\"a\nb\"c\n", "line 4: a quote within a quoted field");
	expect_refused(FORMAT_CSV, "text,label\na\n", "line 2: 1 fields, where the header has 2");
	expect_refused(FORMAT_CSV, "text\na,b\n", "line 2: 2 fields, where the header has 1");
	expect_refused(FORMAT_CSV, "text,label\na,good\n", "line 2: the label good is neither");
}

static void test_lines(void **state) {
	(void)state;
	expect_documents(FORMAT_LINES, "\xef\xbb\xbf" "a b\r\n\nc\rd\ne", "f:1[a b]-1;f:2[]-1;f:3[c\rd]-1;f:4[e]-1;");
	expect_documents(FORMAT_LINES, "", "");
	expect_documents(FORMAT_LINES, "\n", "f:1[]-1;");
	expect_documents(FORMAT_PARAGRAPHS, "\n \na\nb\r\n\r\n\t\n\nc \nd", "f:3[a\nb]-1;f:8[c \nd]-1;");
	expect_documents(FORMAT_PARAGRAPHS, "\n\n", "");
	expect_documents(FORMAT_PARAGRAPHS, "a\n\n\n", "f:1[a]-1;");
}

static void test_json(void **state) {
	(void)state;
	expect_documents(FORMAT_JSONL,
		"{\"text\": \"a\\nb\", \"label\": 1}\n\n{\"review\": \"c\", \"sentiment\": \"Negative\"}\r\n",
		"f:1[a\nb]1;f:3[c]0;");
	expect_documents(FORMAT_JSONL, "{\"text\": \"a\", \"label\": null, \"name\": \"n\", \"id\": "
		"123456789012345678901234567890}", "n[a]-1;");
	expect_documents(FORMAT_JSONL, "{\"text\": \"a\", \"label\": 4.0, \"name\": 3}", "f:1[a]4;");
	expect_refused(FORMAT_JSONL, "{\"text\": \"a\"}\n{\"text\": 1}\n", "line 2: \"text\" is no string");
	expect_refused(FORMAT_JSONL, "{}\n", "line 1: no key text or review");
	expect_refused(FORMAT_JSONL, "{\"text\": \"a\", \"label\": 0.5}\n", "line 1: the label 0.5 is neither");
	expect_refused(FORMAT_JSONL, "{\"text\": \"a\", \"label\": \"x\"}\n", "line 1: the label x is neither");
	expect_refused(FORMAT_JSONL, "{\"text\": \"a\", \"label\": [1]}\n", "line 1: the label [...] is neither");
	expect_refused(FORMAT_JSONL, "{\"text\": \"a\", \"label\": NaN}\n", "line 1: the label NaN is neither");
	expect_refused(FORMAT_JSONL, "{\"text\": \"a\", \"label\": 9223372036854775808}\n",
		"line 1: the label 9223372036854775808 is neither");
	expect_refused(FORMAT_JSONL, "{\"text\": \"a\"\n", "line 1: not JSON: it ends within an object");
	expect_refused(FORMAT_JSONL, "[1]\n", "line 1: an element of the array is not a JSON object");
	expect_refused(FORMAT_JSONL, "{\"text\": \"\xff\"}\n", "line 1: not JSON: bytes that are not UTF-8");
	expect_refused(FORMAT_JSONL, "{\"text\": \"a\"}\n{\"text\": \"b\", \"text\": \"c\"}",
		"line 2: the key \"text\" is there twice");
	expect_documents(FORMAT_JSONL, "{\"text\": \"a\", \"label\": true}{\"x\": 1, \"x\": 2, \"text\": \"b\", "
		"\"label\": false}", "f:1[a]1;f:1[b]0;");
	expect_documents(FORMAT_JSONL, "\xef\xbb\xbf[{\"text\": \"a\", \"score\": NaN},\n {\n \"text\": \"b\"}\n]\n",
		"f:1[a]-1;f:2[b]-1;");
}

static void test_columns_by_name(void **state) {
	(void)state;
	char listing[100];
	struct failure failure = { 0 };
	struct reading columns = { .text = "body", .label = "stars" };
	assert_int_equal(read_text(FORMAT_CSV, "text,body,stars\nno,yes,5\n", &columns, listing, sizeof listing, &failure),
		0);
	assert_string_equal(listing, "f:2[yes]5;");
	assert_int_equal(read_text(FORMAT_JSONL, "{\"body\": \"yes\", \"stars\": 5}", &columns, listing, sizeof listing,
		&failure), 0);
	assert_string_equal(listing, "f:1[yes]5;");
	assert_int_equal(read_text(FORMAT_CSV, "text,body\nno,yes\n", &columns, listing, sizeof listing, &failure), -1);
	assert_non_null(strstr(failure.text, "no column stars (the header has text, body; --label-column names it)"));
	assert_int_equal(read_text(FORMAT_JSONL, "{\"text\": \"no\"}", &columns, listing, sizeof listing, &failure), -1);
	assert_non_null(strstr(failure.text, "line 1: no key body"));
	assert_int_equal(read_text(FORMAT_JSONL, "{\"body\": \"no\"}", &columns, listing, sizeof listing, &failure), -1);
	assert_non_null(strstr(failure.text, "line 1: no key \"stars\""));
}

/* A long first field pushes the rest of the text across the end of the first block, a byte further each time. */
static void test_every_boundary(void **state) {
	(void)state;
	static const struct { enum format format; const char *before, *after, *expected; } cases[] = {
		{ FORMAT_CSV, "text,label\n", ",1\r\n\"a \"\"b\"\"\n\",0\r\n\r\nend,\r\n", "f:3[a \"b\"\n]0;f:6[end]-1;" },
		{ FORMAT_LINES, "", "\r\nb\r\n\r\nlast", "f:2[b]-1;f:3[]-1;f:4[last]-1;" },
		{ FORMAT_PARAGRAPHS, "", "\n\nb\r\nc\r\n \r\nlast", "f:3[b\nc]-1;f:6[last]-1;" },
		{ FORMAT_JSONL, "[{\"text\": \"", "\", \"a\": [{}, \"]\\\"\"]},\n{\"text\": \"\\\\\\u00e9}\"}\n,{\"text\": "
			"\"b\"}]\n", "f:2[\\\xc3\xa9}]-1;f:3[b]-1;" },
	};
	char *text = allocate(INFLATE_FIRST + 100, 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t before = strlen(cases[i].before), after = strlen(cases[i].after);
		for (size_t over = 0; over <= after; over++) {
			size_t filler = INFLATE_FIRST - before - after + over;
			FILE *file;
			struct failure failure;
			struct document document;
			char listing[1000];
			memcpy(text, cases[i].before, before);
			memset(text + before, 'x', filler);
			memcpy(text + before + filler, cases[i].after, after);
			struct inflate_reader *input = open_bytes(text, before + filler + after, &file);
			struct source *source = source_open(cases[i].format, input, "a/f", &(struct reading){ 0 });
			assert_int_equal(source->next(source, &document, &failure), 1);
			assert_int_equal(document.text_length, filler);
			assert_int_equal(describe(source, listing, sizeof listing, &failure), 0);
			assert_string_equal(listing, cases[i].expected);
			source->close(source);
			inflate_close(input);
			fclose(file);
		}
	}
	free(text);
}

static void test_limits(void **state) {
	(void)state;
	static const struct { enum format format; const char *before, *reason; } cases[] = {
		{ FORMAT_LINES, "a\n", "line 2: more than" }, { FORMAT_PARAGRAPHS, "a\n", "line 2: more than" },
		{ FORMAT_JSONL, "\n{\"", "line 2: a record of more than" },
		{ FORMAT_CSV, "text\n\"", "line 2: a record of more than" },
		{ FORMAT_CSV, "text\n", "line 2: a record of more than" },
	};
	const size_t length = DOCUMENT_LIMIT + 2 * INFLATE_FIRST;
	char *text = allocate(length + 1, 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		memset(text, 'x', length);
		memcpy(text, cases[i].before, strlen(cases[i].before));
		expect_refused(cases[i].format, text, cases[i].reason);
	}
	/* a bomb of fields rather than of bytes, and a paragraph of many lines */
	memset(text, ',', length);
	expect_refused(FORMAT_CSV, text, "line 1: a record of more than");
	for (size_t i = 0; i < length; i++)
		text[i] = i % 100 == 99 ? '\n' : 'x';
	expect_refused(FORMAT_PARAGRAPHS, text, "line 1: a paragraph of more than");
	free(text);
}

static void test_labels(void **state) {
	(void)state;
	static const struct { const char *text; int64_t label; } cases[] = {
		{ "neg", 0 }, { "NEGATIVE", 0 }, { "pos", 1 }, { "Positive", 1 }, { "unsup", -1 }, { "unsupervised", -1 },
		{ "", -1 }, { "0", 0 }, { "1", 1 }, { "-1", -1 }, { "+1", 1 }, { "1.0", 1 }, { "-1.", -1 }, { "10", 10 },
		{ "9223372036854775807", INT64_MAX },
		{ "1e3", 1000 }, { "2.50e1", 25 }, { "true", 1 }, { "False", 0 },
	};
	static const char *const refused[] = { " ", "-", "1.5", "1e-1", "1e30", "nan", "inf", "good", "posi",
		"9223372036854775808", "1 ", ".0", "--1" };
	const struct label_words usual = { 0 };
	int64_t label;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(label_parse(&usual, cases[i].text, strlen(cases[i].text), &label));
		assert_int_equal(label, cases[i].label);
	}
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		assert_false(label_parse(&usual, refused[i], strlen(refused[i]), &label));
	assert_true(label_from_double(&usual, -1.0, &label));
	assert_int_equal(label, -1);
	assert_false(label_from_double(&usual, 0.5, &label));
	assert_false(label_from_double(&usual, 1e300, &label));
	assert_false(label_from_double(&usual, (double)NAN, &label));
}

static void test_labels_by_name(void **state) {
	(void)state;
	struct label_words words;
	struct failure failure;
	int64_t label;
	assert_int_equal(label_words_parse(&words, "ham,spam,pos", &failure), 0);
	static const struct { const char *text; int64_t label; } cases[] = {
		{ "ham", 0 }, { "spam", 1 }, { "pos", 2 }, { "", -1 }, { "unsup", -1 }, { "-1", -1 }, { "2", 2 }, { "1.0", 1 },
			{ "true", 1 },
	};
	static const char *const refused[] = { "neg", "Ham", "3", "-2", "ham ", "3.0" };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(label_parse(&words, cases[i].text, strlen(cases[i].text), &label));
		assert_int_equal(label, cases[i].label);
	}
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		assert_false(label_parse(&words, refused[i], strlen(refused[i]), &label));
	json_t *names = label_words_json(&words);
	label_words_clear(&words);
	assert_int_equal(label_words_copy(&words, names, &failure), 0);
	assert_int_equal(words.count, 3);
	assert_string_equal(words.words[1], "spam");
	label_words_clear(&words);
	json_decref(names);
	assert_int_equal(label_words_parse(&words, "ham,", &failure), -1);
	assert_int_equal(failure.status, EX_USAGE);
	assert_int_equal(label_words_parse(&words, "ham,ham", &failure), -1);
	names = json_pack("[s, i]", "ham", 1);
	assert_int_equal(label_words_copy(&words, names, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	json_decref(names);
}

static int read_with(enum format format, const char *text, const struct reading *reading, char *listing,
	struct failure *failure) {
	return read_text(format, text, reading, listing, 1000, failure);
}

static void keep_line(void *context, const char *line) {
	strcat(context, line);
}

static void test_delimited_as_found(void **state) {
	(void)state;
	char listing[1000], warned[1000] = "";
	struct failure failure = { 0 };
	struct reading semicolon = { .delimiter = ';' }, bare = { .no_quotes = true }, numbered = { .no_header = true,
		.text = "2", .label = "1", .words = { (char *[]){ (char[]){ "ham" }, (char[]){ "spam" } }, 2 } };
	assert_int_equal(read_with(FORMAT_CSV, "text;label\na, b;pos\n\"c;d\";0\n", &semicolon, listing, &failure), 0);
	assert_string_equal(listing, "f:2[a, b]1;f:3[c;d]0;");
	assert_int_equal(read_with(FORMAT_TSV, "text\tlabel\n\"Second\t0\nsaid \"\t1\n\"\"\t\n", &bare, listing, &failure),
		0);
	assert_string_equal(listing, "f:2[\"Second]0;f:3[said \"]1;f:4[\"\"]-1;");
	assert_int_equal(read_with(FORMAT_TSV, "ham\thello\nspam\twin\n", &numbered, listing, &failure), 0);
	assert_string_equal(listing, "f:1[hello]0;f:2[win]1;");
	assert_int_equal(read_with(FORMAT_TSV, "ham\thello\neggs\twin\n", &numbered, listing, &failure), -1);
	assert_non_null(strstr(failure.text, "line 2: the label eggs is neither one of the 2 names"));
	numbered.text = "3";
	assert_int_equal(read_with(FORMAT_TSV, "ham\thello\n", &numbered, listing, &failure), -1);
	assert_non_null(strstr(failure.text, "no column 3 (without a header the columns are 1 to 2;"));
	numbered.text = NULL;
	assert_int_equal(read_with(FORMAT_TSV, "ham\thello\n", &numbered, listing, &failure), -1);
	assert_int_equal(failure.status, EX_USAGE);
	assert_int_equal(read_with(FORMAT_CSV, "one\ntwo\n", &(struct reading){ .no_header = true }, listing, &failure), 0);
	assert_string_equal(listing, "f:1[one]-1;f:2[two]-1;");
	assert_int_equal(read_with(FORMAT_CSV, "text,label\na,ham\n", &(struct reading){ .label = "none" }, listing,
		&failure), 0);
	assert_string_equal(listing, "f:2[a]-1;");

	char text[500] = "text\n\"";
	for (int line = 0; line < 101; line++)
		strcat(text, "x\n");
	strcat(text, "\"\ny\n");
	struct reading telling = { .warnings = { keep_line, warned } };
	assert_int_equal(read_with(FORMAT_CSV, text, &telling, listing, &failure), 0);
	assert_non_null(strstr(warned, "line 2: a record of 102 lines, which a quote holds together"));
	warned[0] = '\0';
	assert_int_equal(read_with(FORMAT_CSV, "text\n\"a\nb\"\n", &telling, listing, &failure), 0);
	assert_string_equal(warned, "");
}

static int format_of(const char *bytes, size_t length, const char *path, const struct reading *columns,
	struct failure *failure) {
	FILE *file;
	struct inflate_reader *input = open_bytes(bytes, length, &file);
	int format = find_format(input, path, columns, failure);
	inflate_close(input);
	fclose(file);
	return format;
}

static void test_formats_told_apart(void **state) {
	(void)state;
	static const struct { const char *bytes, *path; enum format format; } cases[] = {
		{ "\xff\xff\xff\xff....", NULL, FORMAT_ARROW }, { "\xff\xff\xff\xff", "a.csv", FORMAT_ARROW },
		{ "ARROW1", NULL, FORMAT_ARROW }, { "anything", "a.csv", FORMAT_CSV }, { "anything", "a/B.CSV.GZ", FORMAT_CSV },
		{ "anything", "a.tsv", FORMAT_TSV }, { "anything", "a.jsonl.gz", FORMAT_JSONL },
		{ "anything", "a.txt", FORMAT_LINES },
		{ "anything", "a.tar.gz", FORMAT_IMDB }, { "", "empty.txt", FORMAT_LINES },
		{ "review,sentiment\nx,1", NULL, FORMAT_CSV }, { "\xef\xbb\xbf\"label\",\"text\"\r\n", "a", FORMAT_CSV },
		{ "id\treview\n", NULL, FORMAT_TSV }, { "text", NULL, FORMAT_CSV }, { " \n{\"text\"", NULL, FORMAT_JSONL },
	};
	static const struct { const char *bytes, *path, *reason; } refused[] = {
		{ "", NULL, "empty" }, { "", "a", "empty" }, { "a text, of words\n", NULL, "neither" },
		{ "\n\n", "a.md", "neither" },
		{ "context,texts\n", NULL, "neither" }, { "PK\3\4", "a.csv", "a zip archive (unzip -p" },
		{ "BZh9", NULL, "bzip2" }, { "PAR1", "a.parquet", "Parquet" }, { "\xff\xfe" "a", "a.csv", "UTF-16" },
	};
	struct failure failure;
	struct reading columns = { 0 };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(format_of(cases[i].bytes, strlen(cases[i].bytes), cases[i].path, &columns, &failure),
			cases[i].format);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		assert_int_equal(format_of(refused[i].bytes, strlen(refused[i].bytes), refused[i].path, &columns, &failure),
			-1);
		assert_int_equal(failure.status, EX_DATAERR);
		assert_non_null(strstr(failure.text, refused[i].reason));
	}
	columns.text = "body";
	assert_int_equal(format_of("text\tbody\n", 10, NULL, &columns, &failure), FORMAT_TSV);
	assert_int_equal(format_of("text\tx\n", 7, NULL, &columns, &failure), -1);
	assert_int_equal(format_of((char[1024]){ 0 }, 1024, NULL, &columns, &failure), FORMAT_IMDB);
}

/* Damage anywhere ends in documents or a reason, never in a crash. */
static void test_random_text(void **state) {
	(void)state;
	static const char alphabet[] = "ab,,\t\"\"\"\n\n\r{}[]:\\u0\xc3";
	uint32_t number = 5;
	for (int round = 0; round < 2000; round++) {
		char text[64] = "text,b\n", listing[4096];
		struct failure failure = { 0 };
		for (size_t i = round % 2 == 0 ? 7 : 0; i < sizeof text - 1; i++) {
			number = number * 1664525 + 1013904223;
			text[i] = alphabet[(number >> 16) % (sizeof alphabet - 1)];
		}
		enum format format = (enum format)(FORMAT_CSV + round / 2 % 5);
		if (read_text(format, text, &(struct reading){ 0 }, listing, sizeof listing, &failure) < 0)
			assert_int_equal(failure.status, EX_DATAERR);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_columns_by_name),
		cmocka_unit_test(test_every_boundary),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_labels), cmocka_unit_test(test_labels_by_name),
		cmocka_unit_test(test_delimited_as_found),
		cmocka_unit_test(test_formats_told_apart),
		cmocka_unit_test(test_random_text),
	};
	return cmocka_run_group_tests_name("corpus/formats", tests, NULL, NULL);
}
