/* test_model_digests: no bit of a file that cloze wrote can be flipped unseen, and a file without digests is read. */
#include "test.h"
#include "scratch_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/files.h"
#include "base/memory.h"
#include "model/digests.h"
#include "model/head.h"
#include "model/parameters_file.h"

static struct failure failure;

static void put(const void *bytes, size_t length) {
	assert_int_equal(write_file(path, bytes, length, &failure), 0);
}

/* The bytes of a file of three tensors, one of them empty. free() releases them. */
static char *written(size_t *length) {
	static const float matrix[2][3] = { { 1, -2, 3 }, { 4, 0.1f, -0.0f } }, vector[3] = { 7, 8, 9 };
	const struct tensor_source sources[] = {
		{ "z", 2, { 2, 3 }, &matrix[0][0] }, { "nothing", 2, { 0, 5 }, NULL }, { "a", 1, { 3 }, vector },
	};
	json_t *metadata = json_pack("{s:s}", "cloze", "{\"lineage\":[{\"tool\":\"model-init\",\"seed\":17}]}");
	assert_int_equal(safetensors_write(path, sources, 3, metadata, &failure), 0);
	json_decref(metadata);
	char *bytes = read_file(path, 1 << 20, length, &failure);
	assert_non_null(bytes);
	return bytes;
}

/* The number of tensors that match their digests; -1: the file is refused. */
static ptrdiff_t verified(void) {
	struct safetensors *file = safetensors_open_file(path, &failure);
	ptrdiff_t result = file == NULL ? -1 : digests_verify(file, path, &failure);
	safetensors_close(file);
	return result;
}

static void every_bit(void **state) {
	(void)state;
	size_t length;
	char *bytes = written(&length);
	assert_int_equal(verified(), 3);
	for (size_t bit = 0; bit < 8 * length; bit++) {
		bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
		put(bytes, length);
		if (verified() >= 0)
			fail_msg("bit %zu of byte %zu: flipped, and not seen", bit % 8, bit / 8);
		assert_int_equal(failure.status, EX_DATAERR);
		bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
	}
	put(bytes, length);
	assert_int_equal(verified(), 3);
	free(bytes);
}

/* Replaces the first `text` in the file's header by another one of the same length. */
static void replace(const char *text, const char *by) {
	size_t length;
	char *bytes = written(&length);
	char *place = memmem(bytes, length, text, strlen(text));
	assert_non_null(place);
	assert_int_equal(strlen(text), strlen(by));
	memcpy(place, by, strlen(by));
	put(bytes, length);
	free(bytes);
}

static void changed_headers(void **state) {
	(void)state;
	replace("\"seed\\\":17", "\"seed\\\":71");
	assert_int_equal(verified(), -1);
	assert_non_null(strstr(failure.text, "its header does not match its digest"));
	replace("cloze_tensors_crc32", "other_tensors_crc32");
	assert_int_equal(verified(), -1);
	replace("\"cloze_header_crc32\":", "\"other_header_crc32\":");
	assert_int_equal(verified(), -1);
}

static void without_digests(void **state) {
	(void)state;
	static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
	uint64_t length = sizeof header - 1;
	char bytes[sizeof length + sizeof header - 1 + sizeof(float)] = { 0 };
	memcpy(bytes, &length, sizeof length);
	memcpy(bytes + sizeof length, header, sizeof header - 1);
	put(bytes, sizeof bytes);
	assert_int_equal(verified(), 0);
}

static void no_tensors(void **state) {
	(void)state;
	assert_int_equal(safetensors_write(path, NULL, 0, NULL, &failure), 0);
	assert_int_equal(verified(), 0);
}

/* A mapped model is compared where that costs little; a model in memory always is. */
static void loaded_models(void **state) {
	(void)state;
	char folder[] = "/tmp/test_model_digests.XXXXXX";
	assert_non_null(mkdtemp(folder));
	struct parameters *parameters = parameters_load("tests/fixtures/model/distilbert", &masked_lm_head.layout, 0, NULL,
		&failure);
	assert_non_null(parameters);
	assert_int_equal(parameters_save(parameters, folder, &failure), 0);
	parameters_free(parameters);
	size_t length;
	char *model = format_text("%s/model.safetensors", folder), *config = format_text("%s/config.json", folder);
	char *bytes = read_file(model, 1 << 20, &length, &failure);
	assert_non_null(bytes);
	bytes[length - 1] ^= 1;
	assert_int_equal(write_file(model, bytes, length, &failure), 0);
	free(bytes);

	assert_null(parameters_load(folder, &masked_lm_head.layout, 0, NULL, &failure));
	assert_int_equal(failure.status, EX_DATAERR);
	assert_non_null(strstr(failure.text, "does not match its digest"));
	parameters = parameters_map(folder, &masked_lm_head.layout, 0, NULL, &failure);
	assert_non_null(parameters);
	assert_int_equal(parameters_check(parameters, folder, &failure), crc32_is_cheap() ? -1 : 0);
	parameters_free(parameters);
	unlink(model);
	unlink(config);
	rmdir(folder);
	free(model);
	free(config);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit),
		cmocka_unit_test(changed_headers),
		cmocka_unit_test(without_digests),
		cmocka_unit_test(no_tensors),
		cmocka_unit_test(loaded_models),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
