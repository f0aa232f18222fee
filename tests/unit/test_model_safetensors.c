/* test_model_safetensors: round trips, every number of the 16-bit types, shards, and invalid files. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "model/safetensors.h"

static char folder[] = "/tmp/test_model_safetensors.XXXXXX";
static const char single[] = "model.safetensors", shards[] = "model.safetensors.index.json";

static int make_folder(void **state) {
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int empty_folder(void **state) {
	static const char *const names[] = { "model.safetensors", "model.safetensors.index.json", "a", "b",
		"pytorch_model.bin" };
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = format_text("%s/%s", folder, names[i]);
		unlink(path);
		free(path);
	}
	return 0;
}

static int remove_folder(void **state) {
	empty_folder(state);
	return rmdir(folder);
}

static void put(const char *name, const void *bytes, size_t length) {
	char *path = format_text("%s/%s", folder, name);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
	free(path);
}

/* A file of the header and `data_length` bytes of data, 0, 1, 2, ... Returns its length. */
static size_t put_tensors(const char *name, const char *header, size_t data_length) {
	uint64_t length = strlen(header);
	size_t total = sizeof length + length + data_length;
	unsigned char *bytes = allocate(total, 1);
	memcpy(bytes, &length, sizeof length);
	memcpy(bytes + sizeof length, header, length);
	for (size_t i = 0; i < data_length; i++)
		bytes[sizeof length + length + i] = (unsigned char)i;
	put(name, bytes, total);
	free(bytes);
	return total;
}

static void assert_refused(int status, const char *named, const char *what) {
	struct failure failure = { 0 };
	struct safetensors *file = safetensors_open(folder, &failure);
	if (file != NULL || failure.status != status || strstr(failure.text, named) == NULL)
		fail_msg("%s: %s, status %d, %s", what, file == NULL ? "refused" : "taken", failure.status, failure.text);
}

static void written_and_read(void **state) {
	(void)state;
	static const float matrix[2][3] = { { 1, -2, 3e-40f }, { INFINITY, 0.1f, -0.0f } }, scalar = 7;
	const struct tensor_source sources[] = {
		{ "z", 2, { 2, 3 }, &matrix[0][0] }, { "a", 0, { 0 }, &scalar }, { "nothing", 2, { 0, 5 }, NULL },
	};
	struct failure failure;
	json_t *metadata = json_pack("{s:s}", "cloze", "{\"lineage\":[]}");
	char *path = format_text("%s/%s", folder, single);
	assert_int_equal(safetensors_write(path, sources, 3, metadata, &failure), 0);
	free(path);
	assert_int_equal(json_object_size(metadata), 1); /* the caller's is left as it was */
	json_decref(metadata);
	struct safetensors *file = safetensors_open(folder, &failure);
	assert_non_null(file);
	assert_int_equal(safetensors_count(file), 3);
	const struct tensor *z = safetensors_find(file, "z");
	assert_non_null(z);
	assert_string_equal(z->dtype, "F32");
	assert_int_equal(z->dimensions, 2);
	assert_int_equal(z->shape[0], 2);
	assert_int_equal(z->shape[1], 3);
	assert_int_equal(z->elements, 6);
	assert_int_equal(z->bytes, sizeof matrix);
	assert_memory_equal(z->data, matrix, sizeof matrix);
	assert_int_equal((uintptr_t)z->data % 64, 0);
	float values[6];
	assert_int_equal(tensor_to_floats(z, values, &failure), 0);
	assert_memory_equal(values, matrix, sizeof matrix);
	assert_int_equal(safetensors_find(file, "a")->elements, 1);
	assert_int_equal(safetensors_find(file, "nothing")->elements, 0);
	assert_null(safetensors_find(file, "zz"));
	assert_string_equal(json_string_value(json_object_get(safetensors_metadata(file), "format")), "pt");
	assert_string_equal(json_string_value(json_object_get(safetensors_metadata(file), "cloze")), "{\"lineage\":[]}");
	safetensors_close(file);
	assert_int_equal(safetensors_write("/nonexistent/x", sources, 3, NULL, &failure), -1);
	assert_int_equal(failure.status, EX_CANTCREAT);
}

/* The value of half bits with `fraction` fraction bits and an exponent bias, from the definition. */
static float half_value(uint16_t bits, int fraction, int bias) {
	int exponent = (bits & 0x7fff) >> fraction, mantissa = bits & ((1 << fraction) - 1);
	int largest = 0x7fff >> fraction;
	double value = exponent == largest ? (mantissa ? (double)NAN : (double)INFINITY)
		: exponent == 0 ? ldexp(mantissa, 1 - bias - fraction)
		: ldexp(mantissa + (1 << fraction), exponent - bias - fraction);
	return (float)(bits & 0x8000 ? -value : value);
}

/* From an odd address: the format does not promise alignment. */
static void every_half(void **state) {
	(void)state;
	unsigned char *bytes = allocate(2 * 65536 + 1, 1);
	float *values = allocate(65536, sizeof *values);
	for (uint32_t i = 0; i < 65536; i++)
		memcpy(bytes + 1 + 2 * i, &(uint16_t){ (uint16_t)i }, 2);
	for (int brain = 0; brain < 2; brain++) {
		struct tensor tensor = { .name = copy_text("t"), .elements = 65536, .data = bytes + 1, .bytes = 2 * 65536 };
		struct failure failure;
		strcpy(tensor.dtype, brain ? "BF16" : "F16");
		assert_int_equal(tensor_to_floats(&tensor, values, &failure), 0);
		for (uint32_t i = 0; i < 65536; i++) {
			float expected = brain ? half_value((uint16_t)i, 7, 127) : half_value((uint16_t)i, 10, 15);
			if (isnan(expected) ? !isnan(values[i]) : memcmp(&values[i], &expected, sizeof expected) != 0)
				fail_msg("%s %04x: %a, expected %a", tensor.dtype, i, (double)values[i], (double)expected);
		}
		strcpy(tensor.dtype, "I64");
		assert_int_equal(tensor_to_floats(&tensor, values, &failure), -1);
		assert_int_equal(failure.status, EX_DATAERR);
		free(tensor.name);
	}
	free(values);
	free(bytes);
}

/* Doubles are rounded to floats; those beyond their range become infinite. */
static void doubles(void **state) {
	(void)state;
	const double numbers[] = { 0.1, -3, 1e300, -1e300, 1e-300 };
	float values[5];
	struct failure failure;
	struct tensor tensor = { .name = "t", .dtype = "F64", .elements = 5, .data = numbers, .bytes = sizeof numbers };
	assert_int_equal(tensor_to_floats(&tensor, values, &failure), 0);
	assert_float_equal(values[0], 0.1f, 0);
	assert_float_equal(values[1], -3, 0);
	assert_true(isinf(values[2]) && values[2] > 0 && isinf(values[3]) && values[3] < 0);
	assert_float_equal(values[4], 0, 0);
}

#define ENTRY(name, dtype, shape, begin, end) \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void files_that_lie(void **state) {
	(void)state;
	static const struct { const char *header; size_t data; const char *named; } cases[] = {
		{ "[]", 0, "JSON object" },
		{ " {}", 0, "JSON object" },
		{ "{", 0, "header" },
		{ "{}", 1, "after the last tensor" },
		{ "{\"t\":3}", 0, "dtype" },
		{ "{\"__metadata__\":[]}", 0, "__metadata__" },
		{ "{" ENTRY("t", "F16_AND_SO_ON_AND", "[1]", "0", "4") "}", 4, "tensor t: its dtype" },
		{ "{" ENTRY("t", "F32", "1", "0", "4") "}", 4, "tensor t: its shape" },
		{ "{" ENTRY("t", "F32", "[-1]", "0", "4") "}", 4, "tensor t: its shape" },
		{ "{" ENTRY("t", "F32", "[1.0]", "0", "4") "}", 4, "tensor t: its shape" },
		{ "{" ENTRY("t", "F32", "[1,1,1,1,1,1,1,1,2]", "0", "4") "}", 4, "tensor t: 4 bytes" },
		{ "{" ENTRY("t", "F32", "[4294967296,4294967296]", "0", "4") "}", 4, "tensor t: its shape" },
		{ "{" ENTRY("t", "F32", "[4611686018427387905]", "0", "4") "}", 4, "tensor t: 4 bytes" },
		{ "{" ENTRY("t", "F32", "[2]", "0", "4") "}", 4, "tensor t: 4 bytes" },
		{ "{" ENTRY("t", "F32", "[1]", "-4", "0") "}", 4, "tensor t: its data_offsets" },
		{ "{" ENTRY("t", "F32", "[1]", "4", "0") "}", 4, "tensor t: its data_offsets" },
		{ "{" ENTRY("t", "F32", "[1]", "0", "4,4") "}", 4, "tensor t: its data_offsets" },
		{ "{" ENTRY("t", "F32", "[1]", "0", "9223372036854775807") "}", 4, "tensor t: its data end" },
		{ "{" ENTRY("t", "F32", "[1]", "4", "8") "}", 4, "tensor t: its data end" },
		{ "{" ENTRY("t", "F32", "[1]", "4", "8") "}", 8, "a gap" },
		{ "{" ENTRY("t", "F32", "[1]", "0", "4") "}", 5, "1 bytes after" },
		{ "{" ENTRY("t", "F32", "[1]", "0", "4") "," ENTRY("t", "F32", "[1]", "4", "8") "}", 8, "duplicate" },
		{ "{" ENTRY("t", "F32", "[1]", "0", "4") "," ENTRY("u", "F32", "[1]", "0", "4") "}", 4, "an overlap" },
		{ "{" ENTRY("t", "F32", "[2]", "0", "8") "," ENTRY("u", "F32", "[1]", "4", "8") "}", 8, "an overlap" },
		{ "{" ENTRY("t", "F32", "[1]", "0", "4") "," ENTRY("u", "F32", "[1]", "8", "12") "}", 12, "a gap" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		put_tensors(single, cases[i].header, cases[i].data);
		assert_refused(EX_DATAERR, cases[i].named, cases[i].header);
	}
	put(single, "short", 5);
	assert_refused(EX_DATAERR, "less than 8 bytes", "a file of five bytes");
	put(single, "\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10);
	assert_refused(EX_DATAERR, "header of 9223372036854775807 bytes", "a vast header");
	put(single, &(uint64_t){ 100000000000 }, sizeof(uint64_t));
	assert_refused(EX_DATAERR, "header of 100000000000 bytes in a file of 8", "a header of 100 GB");
	const uint64_t too_long = 100000001;
	put(single, &too_long, sizeof too_long);
	char *path = format_text("%s/%s", folder, single);
	assert_int_equal(truncate(path, 8 + 100000001), 0); /* a hole: it takes no room */
	free(path);
	assert_refused(EX_DATAERR, "header of 100000001 bytes", "a header over the limit");
}

static const char good[] = "{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("a.weight", "F32", "[2,3]", "2", "26") ","
	ENTRY("b", "BF16", "[1]", "0", "2") "," ENTRY("none", "F32", "[0]", "26", "26") "}  ";

/* What was given back is read again, and the neighbours are as they were. */
static void released(void **state) {
	(void)state;
	enum { COUNT = 40000 };
	float *values = allocate(COUNT, sizeof *values), *read = allocate(COUNT, sizeof *read);
	for (size_t i = 0; i < COUNT; i++)
		values[i] = (float)i;
	const struct tensor_source sources[] = {
		{ "a", 1, { 1000 }, values }, { "b", 1, { COUNT - 2000 }, values + 1000 }, { "c", 1, { 1000 }, values + COUNT - 1000 },
	};
	struct failure failure;
	char *path = format_text("%s/%s", folder, single);
	assert_int_equal(safetensors_write(path, sources, 3, NULL, &failure), 0);
	free(path);
	struct safetensors *file = safetensors_open(folder, &failure);
	assert_non_null(file);
	for (size_t i = 0; i < 3; i++)
		tensor_release(safetensors_at(file, i));
	for (size_t i = 0, first = 0; i < 3; i++) {
		const struct tensor *tensor = safetensors_at(file, i);
		assert_int_equal(tensor_to_floats(tensor, read + first, &failure), 0);
		first += tensor->elements;
	}
	assert_memory_equal(read, values, COUNT * sizeof *values);
	safetensors_close(file);
	free(values);
	free(read);
}

/* What nobody needs may be of any dtype and of any number of dimensions; the metadata may be null. */
static void strange_tensors_are_let_be(void **state) {
	(void)state;
	struct failure failure;
	float value;
	put_tensors(single, "{\"__metadata__\":null," ENTRY("t", "F4_E2M1", "[8]", "0", "4") ","
		ENTRY("u", "F32", "[1,1,1,1,1,1,1,1,1]", "4", "8") "}", 8);
	struct safetensors *file = safetensors_open(folder, &failure);
	assert_non_null(file);
	assert_null(safetensors_metadata(file));
	assert_int_equal(safetensors_find(file, "u")->dimensions, 9);
	assert_int_equal(tensor_to_floats(safetensors_find(file, "t"), &value, &failure), -1);
	safetensors_close(file);
}

static void other_files_are_named(void **state) {
	(void)state;
	static const struct { const char *bytes, *named; } files[] = {
		{ "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 8\n", "git lfs pull" },
		{ "\n <!DOCTYPE html><html>", "HTML" },
		{ "<HTML><head>", "HTML" },
		{ "PK\3\4\n\n\n\n\n", "zip archive" },
		{ "\x80\2\x8a\nl\xfc\x9c\x46\xf9", "pickle" },
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		put(single, files[i].bytes, strlen(files[i].bytes));
		assert_refused(EX_DATAERR, files[i].named, files[i].bytes);
	}
}

static void cut_at_every_byte(void **state) {
	(void)state;
	size_t length = put_tensors(single, good, 26);
	struct failure failure;
	struct safetensors *file = safetensors_open(folder, &failure);
	assert_non_null(file);
	const unsigned char *bytes = safetensors_find(file, "b")->data;
	assert_memory_equal(bytes, "\0\1", 2); /* in the order of the offsets, not of the header */
	float values[6];
	assert_int_equal(tensor_to_floats(safetensors_find(file, "a.weight"), values, &failure), 0); /* not aligned */
	assert_memory_equal(values, bytes + 2, sizeof values);
	safetensors_close(file);
	char *path = format_text("%s/%s", folder, single);
	while (length-- > 0) {
		assert_int_equal(truncate(path, (off_t)length), 0);
		assert_refused(EX_DATAERR, "", "a file cut short");
	}
	free(path);
}

/* Each byte before the data, changed: taken or refused, but never read out of bounds, which the sanitizers see. */
static void changed_bytes(void **state) {
	(void)state;
	static const unsigned char changes[] = { 0x01, 0x10, 0x80, 0xff };
	unsigned char bytes[sizeof(uint64_t) + sizeof good - 1 + 26] = { 0 };
	uint64_t length = sizeof good - 1;
	memcpy(bytes, &length, sizeof length);
	memcpy(bytes + sizeof length, good, sizeof good - 1);
	size_t refused = 0;
	for (size_t i = 0; i < sizeof length + sizeof good - 1; i++)
		for (size_t c = 0; c < sizeof changes; c++) {
			struct failure failure;
			bytes[i] ^= changes[c];
			put(single, bytes, sizeof bytes);
			bytes[i] ^= changes[c];
			struct safetensors *file = safetensors_open(folder, &failure);
			refused += file == NULL;
			for (size_t t = 0; file != NULL && t < safetensors_count(file); t++) {
				const struct tensor *tensor = safetensors_at(file, t);
				float *values = allocate(tensor->elements, sizeof *values);
				tensor_to_floats(tensor, values, &failure);
				free(values);
			}
			safetensors_close(file);
		}
	assert_true(refused > sizeof good);
}

static void put_text(const char *name, const char *text) {
	put(name, text, strlen(text));
}

static void shards_by_index(void **state) {
	(void)state;
	struct failure failure;
	put_tensors("a", "{" ENTRY("t", "F32", "[1]", "0", "4") "}", 4);
	put_tensors("b", "{" ENTRY("s", "F32", "[1]", "0", "4") "," ENTRY("u", "F32", "[1]", "4", "8") "}", 8);
	put_text(shards, "{\"metadata\":{},\"weight_map\":{\"u\":\"b\",\"t\":\"a\",\"s\":\"b\"}}");
	struct safetensors *file = safetensors_open(folder, &failure);
	assert_non_null(file);
	assert_int_equal(safetensors_count(file), 3);
	assert_memory_equal(safetensors_find(file, "u")->data, "\4\5\6\7", 4);
	assert_memory_equal(safetensors_find(file, "t")->data, "\0\1\2\3", 4);
	void *behind;
	char *range = safetensors_gather(file, 5000, &behind, &failure);
	assert_non_null(range);
	char *end = (char *)behind + 5000;
	static const char *const names[] = { "s", "t", "u" }, *const values[] = { "\0\1\2\3", "\0\1\2\3", "\4\5\6\7" };
	for (size_t i = 0; i < 3; i++) {
		const char *data = safetensors_find(file, names[i])->data;
		assert_true(data > range && data < (char *)behind);
		assert_memory_equal(data, values[i], 4);
	}
	for (char *byte = behind; byte < end; byte++) {
		assert_int_equal(*byte, 0);
		*byte = 1;
	}
	safetensors_close(file);
	static const struct { const char *text, *named; int status; } cases[] = {
		{ "{\"weight_map\":{\"t\":\"../a\"}}", "../a", EX_DATAERR },
		{ "{\"weight_map\":{\"t\":\"/etc/passwd\"}}", "/etc/passwd", EX_DATAERR },
		{ "{\"weight_map\":{\"t\":\"..\"}}", "tensor t", EX_DATAERR },
		{ "{\"weight_map\":{\"t\":\".\"}}", "is not a file", EX_NOINPUT },
		{ "{\"weight_map\":{\"t\":3}}", "tensor t", EX_DATAERR },
		{ "{\"weight_map\":{\"t\":\"c\"}}", "/c:", EX_NOINPUT },
		{ "{\"weight_map\":{\"t\":\"b\"}}", "tensor t: is not in b", EX_DATAERR },
		{ "{\"weight_map\":[]}", "weight_map", EX_DATAERR },
		{ "{\"weight_map\":{}", "index.json", EX_DATAERR },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		put_text(shards, cases[i].text);
		assert_refused(cases[i].status, cases[i].named, cases[i].text);
	}
	put_tensors("b", "{" ENTRY("s", "F32", "[1]", "0", "4") "," ENTRY("t", "F32", "[1]", "4", "8") "}", 8);
	put_text(shards, "{\"weight_map\":{\"t\":\"a\",\"s\":\"b\"}}");
	assert_refused(EX_DATAERR, "tensor t: is in two files", "a tensor in two shards");
}

static void folders_without_tensors(void **state) {
	(void)state;
	assert_refused(EX_NOINPUT, "has no model.safetensors", "an empty folder");
	put_text("pytorch_model.bin", "PK");
	assert_refused(EX_DATAERR, "convert it", "a folder of the old format");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(written_and_read, empty_folder),
		cmocka_unit_test(every_half),
		cmocka_unit_test_teardown(released, empty_folder),
		cmocka_unit_test_teardown(files_that_lie, empty_folder),
		cmocka_unit_test(doubles),
		cmocka_unit_test_teardown(strange_tensors_are_let_be, empty_folder),
		cmocka_unit_test_teardown(other_files_are_named, empty_folder),
		cmocka_unit_test_teardown(cut_at_every_byte, empty_folder),
		cmocka_unit_test_teardown(changed_bytes, empty_folder),
		cmocka_unit_test_teardown(shards_by_index, empty_folder),
		cmocka_unit_test_teardown(folders_without_tensors, empty_folder),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
