/* test_text_tokenizer: encoding and decoding are compared with the reference's results (tests/fixtures/text, made by
 * its make.py); and the folders that a tokenizer is read from and saved to. */
#include "test.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "text/tokenizer.h"

#define TEXT "tests/fixtures/text/"
#define VOCABULARY TEXT "vocab.txt"

static struct failure failure;

static struct tokenizer *open_tokenizer(const char *name) {
	if (strcmp(name, "uncased") == 0 || strcmp(name, "cased") == 0)
		return tokenizer_from_vocabulary(VOCABULARY, *name == 'c', &failure);
	char *folder = format_text(TEXT "%s", name);
	struct tokenizer *tokenizer = tokenizer_load(folder, &failure);
	free(folder);
	return tokenizer;
}

static void check_ids(json_t *line, const char *key, const int32_t *ids, size_t count) {
	json_t *expected = json_object_get(line, key);
	bool same = json_array_size(expected) == count;
	for (size_t i = 0; same && i < count; i++)
		same = json_integer_value(json_array_get(expected, i)) == ids[i];
	if (!same) {
		char *text = json_dumps(line, JSON_ENSURE_ASCII);
		print_message("%s of %s\n", key, text);
		for (size_t i = 0; i < count; i++)
			print_message(" %d", (int)ids[i]);
		print_message("\n");
		assert_true(same);
	}
}

/* Calls `use` for every line of the golden strings. */
static void each_string(void (*use)(const struct tokenizer *, struct tokenizer_scratch *, json_t *)) {
	FILE *lines = fopen(TEXT "strings.jsonl", "r");
	assert_non_null(lines);
	char *line = NULL, name[32] = "";
	size_t capacity = 0, count = 0;
	struct tokenizer *tokenizer = NULL;
	struct tokenizer_scratch *scratch = NULL;
	while (getline(&line, &capacity, lines) > 0) {
		json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);
		const char *wanted = json_string_value(json_object_get(json, "tokenizer"));
		assert_non_null(wanted);
		if (strcmp(wanted, name) != 0) {
			tokenizer_scratch_free(scratch);
			tokenizer_free(tokenizer);
			snprintf(name, sizeof name, "%s", wanted);
			tokenizer = open_tokenizer(name);
			assert_non_null(tokenizer);
			scratch = tokenizer_scratch_create();
		}
		use(tokenizer, scratch, json);
		json_decref(json);
		count++;
	}
	assert_true(count >= 700);
	tokenizer_scratch_free(scratch);
	tokenizer_free(tokenizer);
	free(line);
	fclose(lines);
}

static void encode_one(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, json_t *line) {
	struct encoding encoding = { 0 };
	json_t *text = json_object_get(line, "text");
	/* Twice: the second time the words are in the cache. In memory of its exact length, for AddressSanitizer. */
	size_t length = json_string_length(text);
	char *bytes = malloc(length + !length);
	memcpy(bytes, json_string_value(text), length);
	for (int i = 0; i < 2; i++) {
		tokenizer_encode(tokenizer, scratch, bytes, length, 0, &encoding);
		check_ids(line, "input_ids", encoding.input_ids, encoding.count);
		check_ids(line, "word_ids", encoding.word_ids, encoding.count);
		assert_int_equal(encoding.replaced, 0);
	}
	free(bytes);
	encoding_clear(&encoding);
}

static void decode_one(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, json_t *line) {
	(void)scratch;
	json_t *array = json_object_get(line, "input_ids");
	size_t count = json_array_size(array);
	int32_t *ids = allocate(count, sizeof *ids);
	for (size_t i = 0; i < count; i++)
		ids[i] = (int32_t)json_integer_value(json_array_get(array, i));
	char *text = tokenizer_decode(tokenizer, ids, count, false);
	assert_string_equal(text, json_string_value(json_object_get(line, "decoded")));
	free(text);
	text = tokenizer_decode(tokenizer, ids, count, true);
	assert_string_equal(text, json_string_value(json_object_get(line, "decoded_plain")));
	free(text);
	free(ids);
}

static void encodes_as_the_reference(void **state) {
	(void)state;
	each_string(encode_one);
}

static void decodes_as_the_reference(void **state) {
	(void)state;
	each_string(decode_one);
}

static void cuts_at_the_end(void **state) {
	(void)state;
	struct tokenizer *tokenizer = open_tokenizer("uncased");
	struct tokenizer_scratch *scratch = tokenizer_scratch_create();
	struct special_ids ids = tokenizer_special_ids(tokenizer);
	struct encoding whole = { 0 }, cut = { 0 };
	static const char text[] = "this is a great film and a lowland story";
	tokenizer_encode(tokenizer, scratch, text, sizeof text - 1, 0, &whole);
	for (size_t length = 2; length <= whole.count + 2; length++) {
		size_t kept = length < whole.count ? length : whole.count;
		tokenizer_encode(tokenizer, scratch, text, sizeof text - 1, length, &cut);
		assert_int_equal(cut.count, kept);
		assert_memory_equal(cut.input_ids, whole.input_ids, (kept - 1) * sizeof *cut.input_ids);
		assert_int_equal(cut.input_ids[kept - 1], ids.sep);
		assert_int_equal(cut.word_ids[kept - 1], -1);
	}
	encoding_clear(&whole);
	encoding_clear(&cut);
	tokenizer_scratch_free(scratch);
	tokenizer_free(tokenizer);
}

/* Appends a document as the continuation of the last one: without its [CLS], and with word ids that go on. */
static void continue_document(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const char *text,
	size_t length, struct encoding *encoding) {
	struct encoding part = { 0 };
	tokenizer_encode(tokenizer, scratch, text, length, 0, &part);
	int32_t word = encoding->count > 2 ? encoding->word_ids[encoding->count - 2] + 1 : 0;
	tokenizer_append(tokenizer, scratch, text, length, 0, encoding);
	size_t first = encoding->count - part.count - 1; /* where the [SEP] before is */
	for (size_t i = 1; i < part.count; i++) {
		encoding->input_ids[first + i - 1] = part.input_ids[i];
		encoding->word_ids[first + i - 1] = part.word_ids[i] < 0 ? -1 : part.word_ids[i] + word;
	}
	encoding->count -= 2;
	encoding_clear(&part);
}

/* White space separates, so a text is its parts, wherever the scans of it end and however long its runs are. */
static void long_texts_are_their_parts(void **state) {
	(void)state;
	struct tokenizer *tokenizer = open_tokenizer("uncased");
	struct tokenizer_scratch *scratch = tokenizer_scratch_create();
	static const char *const words[] = { "this", "Film,", "unfilmable", "caf\xc3\xa9", "\xe4\xb8\xad", "...", "THE",
		"aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa", "a\314\201b", "\x01", "lowlands" };
	char *text = allocate(40000, 1);
	struct encoding whole = { 0 }, parts = { 0 };
	srand(2);
	for (int round = 0; round < 30; round++) {
		size_t length = 0;
		parts.count = 0;
		tokenizer_append(tokenizer, scratch, "", 0, 0, &parts);
		while (length < 20000) {
			size_t begin = length, run = rand() % 300 ? 0 : (size_t)rand() % 9000;
			memset(text + begin, 'a', run);
			length += run + (size_t)sprintf(text + begin + run, "%s ", words[rand() % 12]);
			continue_document(tokenizer, scratch, text + begin, length - begin, &parts);
		}
		tokenizer_encode(tokenizer, scratch, text, length, 0, &whole);
		assert_int_equal(whole.count, parts.count);
		assert_memory_equal(whole.input_ids, parts.input_ids, whole.count * sizeof *whole.input_ids);
		assert_memory_equal(whole.word_ids, parts.word_ids, whole.count * sizeof *whole.word_ids);
	}
	free(text);
	encoding_clear(&whole);
	encoding_clear(&parts);
	tokenizer_scratch_free(scratch);
	tokenizer_free(tokenizer);
}

static void invalid_bytes_are_counted(void **state) {
	(void)state;
	struct tokenizer *tokenizer = open_tokenizer("uncased");
	struct tokenizer_scratch *scratch = tokenizer_scratch_create();
	struct encoding bad = { 0 }, good = { 0 };
	static const char broken[] = "gre\xff" "at \xe2\x82 film [MASK]\xf0\x90", sound[] = "great film [MASK]";
	tokenizer_encode(tokenizer, scratch, broken, sizeof broken - 1, 0, &bad);
	tokenizer_encode(tokenizer, scratch, sound, sizeof sound - 1, 0, &good);
	assert_int_equal(bad.replaced, 3); /* U+FFFD is taken out by cleaning */
	assert_int_equal(good.replaced, 0);
	assert_int_equal(bad.count, good.count);
	assert_memory_equal(bad.input_ids, good.input_ids, good.count * sizeof *good.input_ids);
	encoding_clear(&bad);
	encoding_clear(&good);
	tokenizer_scratch_free(scratch);
	tokenizer_free(tokenizer);
}

/* ---- folders --------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/cloze-tokenizer-XXXXXX";

static void put(const char *file, const char *text) {
	char *path = format_text("%s/%s", folder, file);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	free(path);
}

static void empty_folder(void) {
	DIR *directory = opendir(folder);
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
		char *path = format_text("%s/%s", folder, entry->d_name);
		unlink(path);
		free(path);
	}
	closedir(directory);
}

static void refused(int status, const char *part) {
	assert_null(tokenizer_load(folder, &failure));
	assert_int_equal(failure.status, status);
	if (strstr(failure.text, part) == NULL)
		print_message("%s\n", failure.text);
	assert_non_null(strstr(failure.text, part));
}

#define WHOLE(model, normalizer, before, after, added) "{\"added_tokens\": " added ", \"model\": " model \
	", \"normalizer\": " normalizer ", \"pre_tokenizer\": " before ", \"post_processor\": " after "}"
#define MODEL(vocab) "{\"type\": \"WordPiece\", \"vocab\": " vocab "}"
#define VOCAB "{\"[UNK]\": 0, \"a\": 1, \"[SEP]\": 3, \"[CLS]\": 2}"
#define BERT "{\"type\": \"BertNormalizer\"}"
#define BERT_WORDS "{\"type\": \"BertPreTokenizer\"}"
#define AROUND "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 2]}"

static void folders_are_refused_by_what_is_wrong(void **state) {
	(void)state;
	empty_folder();
	refused(EX_NOINPUT, "no tokenizer.json and no vocab.txt");
	put("vocab.txt", "[UNK]\n[CLS]\na\n");
	refused(EX_DATAERR, "no token [SEP]");
	put("tokenizer.json", "{\"model\": {\"vocab\": {\"a\": 0, \"b\"");
	refused(EX_DATAERR, "model.vocab: damaged");
	put("tokenizer.json", "[1]");
	refused(EX_DATAERR, "is not a JSON object");
	put("tokenizer.json", "{}");
	refused(EX_DATAERR, "model is missing");
	put("tokenizer.json", "{\"a\": ");
	refused(EX_DATAERR, "is not JSON");
	put("tokenizer.json", WHOLE("{\"type\": \"BPE\"}", BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "model is BPE, not WordPiece");
	put("tokenizer.json", WHOLE(MODEL(VOCAB), "{\"type\": \"NFC\"}", BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "normalizer is NFC");
	put("tokenizer.json", WHOLE(MODEL(VOCAB), BERT, "{\"type\": \"Whitespace\"}", AROUND, "[]"));
	refused(EX_DATAERR, "pre-tokenizer is Whitespace");
	put("tokenizer.json", WHOLE(MODEL(VOCAB), BERT, BERT_WORDS, "null", "[]"));
	refused(EX_DATAERR, "post-processor is missing");
	put("tokenizer.json", WHOLE(MODEL(VOCAB), BERT, BERT_WORDS, "{\"type\": \"BertProcessing\", \"sep\": [\"x\", 9], "
		"\"cls\": [\"y\", 2]}", "[]"));
	refused(EX_DATAERR, "an id that no token has");
	put("tokenizer.json", WHOLE(MODEL("{\"[UNK]\": 0, \"a\": 0}"), BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "two tokens have the id 0");
	put("tokenizer.json", WHOLE(MODEL("{\"[UNK]\": 0, \"a\": 9}"), BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "an id that no token has");
	put("tokenizer.json", WHOLE(MODEL("{\"[UNK]\": 0, \"a\": 1, \"\\u0061\": 2}"), BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "model.vocab has a twice");
	put("tokenizer.json", WHOLE("{\"type\": \"WordPiece\", \"vocab\": [[\"a\", 1]]}", BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "model.vocab is missing, or not an object");
	put("tokenizer.json", WHOLE("{\"type\": \"WordPiece\"}", BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "model.vocab is missing, or not an object");
	put("tokenizer.json", WHOLE(MODEL(VOCAB), BERT, BERT_WORDS, AROUND, "[], \"model\": {}"));
	refused(EX_DATAERR, "duplicate");
	put("tokenizer.json", WHOLE("{\"vocab\": {}, \"\\u0076ocab\": {}}", BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "duplicate");
	put("tokenizer.json", WHOLE("{\"vocab\": " VOCAB "}", BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "its model is missing, not WordPiece");
	put("tokenizer.json", WHOLE(MODEL(VOCAB), BERT, BERT_WORDS, "{\"type\": \"BertProcessing\", \"sep\": "
		"[\"[SEP]\", 3], \"cls\": [\"[CLS]\", 4294967298]}", "[]"));
	refused(EX_DATAERR, "an id that is not from 0");
	put("tokenizer.json", WHOLE(MODEL("{\"[UNK]\": 0, \"a\": 4000000000}"), BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "damaged after the token with the id 0");
	put("tokenizer.json", WHOLE(MODEL("{\"a\\u0000b\": 0}"), BERT, BERT_WORDS, AROUND, "[]"));
	refused(EX_DATAERR, "damaged");
	put("tokenizer.json", WHOLE(MODEL(VOCAB), BERT, BERT_WORDS, AROUND, "[{\"content\": \"b\"}]"));
	refused(EX_DATAERR, "b has no id");
	put("tokenizer.json", WHOLE(MODEL(VOCAB), BERT, BERT_WORDS, AROUND, "[{\"content\": \"b\", \"id\": 4294967297}]"));
	refused(EX_DATAERR, "b has no id");
}

/* As in `tokenizers`, an added token that is no piece gets the id after the last one, whatever its file gives it. */
static void added_tokens_are_numbered_from_the_end(void **state) {
	(void)state;
	empty_folder();
	put("tokenizer.json", WHOLE(MODEL(VOCAB), BERT, BERT_WORDS, AROUND,
		"[{\"content\": \"b\", \"id\": 1}, {\"content\": \"c\", \"id\": 1000000000}, {\"content\": \"a\", \"id\": 9}]"));
	struct tokenizer *tokenizer = tokenizer_load(folder, &failure);
	assert_non_null(tokenizer);
	const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
	assert_int_equal(vocabulary_size(vocabulary), 6);
	assert_int_equal(vocabulary_id(vocabulary, "a", 1), 1);
	assert_int_equal(vocabulary_id(vocabulary, "b", 1), 4);
	assert_int_equal(vocabulary_id(vocabulary, "c", 1), 5);
	tokenizer_free(tokenizer);
}

static void json_escapes_are_read(void **state) {
	(void)state;
	empty_folder();
	put("tokenizer.json", WHOLE(MODEL("{ \"[UNK]\" :0,\n\"[CLS]\":2, \"[SEP]\":3,"
		"\"\\u00e9\\ud83d\\uDE00\\\"\\\\\\/\\n\" : 1, \"b\": 5 }"), BERT, BERT_WORDS, AROUND,
		"[{\"content\": \"more\", \"id\": 4}]"));
	struct tokenizer *tokenizer = tokenizer_load(folder, &failure);
	assert_non_null(tokenizer);
	const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
	assert_int_equal(vocabulary_size(vocabulary), 6);
	assert_string_equal(vocabulary_token(vocabulary, 1), "é😀\"\\/\n");
	assert_string_equal(vocabulary_token(vocabulary, 4), "more");
	assert_string_equal(vocabulary_token(vocabulary, 5), "b");
	assert_int_equal(tokenizer_special_ids(tokenizer).mask, -1);
	tokenizer_free(tokenizer);
}

static void expect_file(const char *file, const char *expected) {
	char *path = format_text("%s/%s", folder, file);
	size_t length;
	char *bytes = read_file(path, 1 << 20, &length, &failure);
	free(path);
	assert_non_null(bytes);
	assert_string_equal(bytes, expected);
	free(bytes);
}

/* The files are saved as they were read, though the folder is empty by then. */
static void saving_needs_no_folder(void **state) {
	(void)state;
	static const char *const files[][2] = { { "vocab.txt", "[UNK]\r\n[CLS] \n[SEP]\na" },
		{ "tokenizer_config.json", "{ \"do_lower_case\" : false }" }, { "special_tokens_map.json", "{\n}\n" },
		{ "added_tokens.json", "{\"b\": 4}" },
		{ "tokenizer.json", WHOLE(MODEL("{\"[UNK]\": 0, \"\\u00e9\": 1, \"[SEP]\": 3, \"[CLS]\": 2}"), BERT, BERT_WORDS, AROUND,
			"[]") } };
	empty_folder();
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		put(files[i][0], files[i][1]);
	struct tokenizer *tokenizer = tokenizer_load(folder, &failure);
	assert_non_null(tokenizer);
	empty_folder();
	assert_int_equal(tokenizer_save(tokenizer, folder, &failure), 0);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		expect_file(files[i][0], files[i][1]);
	tokenizer_free(tokenizer);
}

static void what_cannot_be_read_is_not_missing(void **state) {
	(void)state;
	static const char *const files[] = { "tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json",
		"added_tokens.json", "config.json" };
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		empty_folder();
		put(i == 1 ? "tokenizer.json" : "vocab.txt", i == 1 ? WHOLE(MODEL(VOCAB), BERT, BERT_WORDS, AROUND, "[]")
			: "[UNK]\n[CLS]\n[SEP]\n");
		char *path = format_text("%s/%s", folder, files[i]);
		assert_int_equal(symlink("nowhere", path), 0);
		free(path);
		refused(EX_NOINPUT, files[i]);
	}
}

static void another_tokenizer_is_refused_by_name(void **state) {
	(void)state;
	static const char *const cases[][3] = {
		{ "tokenizer_config.json", "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", "BertJapaneseTokenizer" },
		{ "config.json", "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", "BertJapaneseTokenizer" },
		{ "tokenizer_config.json", "{\"tokenizer_class\": \"RobertaTokenizerFast\"}", "RobertaTokenizer" },
		{ "config.json", "{\"model_type\": \"roberta\"}", "of type roberta" },
		{ "tokenizer_config.json", "{\"word_tokenizer_type\": \"mecab\"}", "word_tokenizer_type is mecab" },
		{ "tokenizer_config.json", "{\"subword_tokenizer_type\": \"character\"}", "subword_tokenizer_type is character" },
		{ "tokenizer_config.json", "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}", "there is none" },
		{ "tokenizer_config.json", "{\"do_lower_case\": 1}", "do_lower_case" },
		{ "tokenizer_config.json", "{\"strip_accents\": \"yes\"}", "strip_accents" },
		{ "tokenizer_config.json", "{\"added_tokens_decoder\": []}", "added_tokens_decoder" },
		{ "tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"a\"}}}", "no id" },
		{ "tokenizer_config.json", "{\"extra_special_tokens\": \"a\"}", "extra_special_tokens" },
		{ "tokenizer_config.json", "{\"mask_token\": 1}", "added tokens" },
		{ "tokenizer_config.json", "{\"sep_token\": null}", "sep_token" },
		{ "added_tokens.json", "{\"a\": \"b\"}", "a has no id" },
		{ "added_tokens.json", "{\"a\": 1, \"a\": 2}", "duplicate" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		empty_folder();
		put("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n");
		put(cases[i][0], cases[i][1]);
		refused(EX_DATAERR, cases[i][2]);
	}
}

/* A bound cuts the beginning off where the folder says so. */
static void truncation_side_is_followed(void **state) {
	(void)state;
	empty_folder();
	put("vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\nb\nc\n");
	put("tokenizer_config.json", "{\"truncation_side\": \"left\"}");
	struct tokenizer *tokenizer = tokenizer_load(folder, &failure);
	assert_non_null(tokenizer);
	struct tokenizer_scratch *scratch = tokenizer_scratch_create();
	struct encoding encoding = { 0 };
	static const int32_t expected[] = { 1, 4, 5, 2 }, words[] = { -1, 1, 2, -1 };
	tokenizer_encode(tokenizer, scratch, "a b c", 5, 4, &encoding);
	assert_int_equal(encoding.count, 4);
	assert_memory_equal(encoding.input_ids, expected, sizeof expected);
	assert_memory_equal(encoding.word_ids, words, sizeof words);
	tokenizer_encode(tokenizer, scratch, "a b c", 5, 2, &encoding);
	assert_int_equal(encoding.count, 2);
	encoding_clear(&encoding);
	tokenizer_scratch_free(scratch);
	tokenizer_free(tokenizer);
}

static void saving_keeps_everything(void **state) {
	(void)state;
	static const char text[] = "Été <extra> yesterday, MOVIES films [MASK] Straße";
	static const char *const names[] = { "cased", "uncased", "added" };
	for (size_t i = 0; i < 3; i++) {
		empty_folder();
		struct tokenizer *first = open_tokenizer(names[i]);
		assert_int_equal(tokenizer_save(first, folder, &failure), 0);
		struct tokenizer *second = tokenizer_load(folder, &failure);
		assert_non_null(second);
		struct tokenizer_scratch *scratch = tokenizer_scratch_create();
		struct tokenizer_scratch *other = tokenizer_scratch_create();
		struct encoding a = { 0 }, b = { 0 };
		tokenizer_encode(first, scratch, text, sizeof text - 1, 0, &a);
		tokenizer_encode(second, other, text, sizeof text - 1, 0, &b);
		assert_int_equal(a.count, b.count);
		assert_memory_equal(a.input_ids, b.input_ids, a.count * sizeof *a.input_ids);
		struct special_ids ids = tokenizer_special_ids(first), again = tokenizer_special_ids(second);
		assert_memory_equal(&ids, &again, sizeof ids);
		encoding_clear(&a);
		encoding_clear(&b);
		tokenizer_scratch_free(scratch);
		tokenizer_scratch_free(other);
		tokenizer_free(first);
		tokenizer_free(second);
	}
	struct tokenizer *tokenizer = open_tokenizer("added");
	assert_int_equal(tokenizer_save(tokenizer, "/nonexistent/folder", &failure), -1);
	assert_int_equal(failure.status, EX_CANTCREAT);
	tokenizer_free(tokenizer);
}

static int begin(void **state) {
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int end(void **state) {
	(void)state;
	empty_folder();
	return rmdir(folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_as_the_reference),
		cmocka_unit_test(decodes_as_the_reference),
		cmocka_unit_test(cuts_at_the_end),
		cmocka_unit_test(long_texts_are_their_parts),
		cmocka_unit_test(invalid_bytes_are_counted),
		cmocka_unit_test(folders_are_refused_by_what_is_wrong),
		cmocka_unit_test(added_tokens_are_numbered_from_the_end),
		cmocka_unit_test(json_escapes_are_read),
		cmocka_unit_test(another_tokenizer_is_refused_by_name),
		cmocka_unit_test(what_cannot_be_read_is_not_missing),
		cmocka_unit_test(truncation_side_is_followed),
		cmocka_unit_test(saving_needs_no_folder),
		cmocka_unit_test(saving_keeps_everything),
	};
	return cmocka_run_group_tests_name("tokenizer", tests, begin, end);
}
