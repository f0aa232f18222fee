/* test_record_info: the `cloze` metadata are written and read back, and invalid ones are refused. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "record/info.h"

static void comes_back(void **state) {
	(void)state;
	struct stream_info info, copy, back;
	stream_info_init(&info);
	info.type = RECORD_MASKED;
	struct failure failure;
	assert_int_equal(stream_info_set_epochs(&info, 4, 250, &failure), 0);
	info.vocab_size = 30522;
	strcpy(info.vocab_fingerprint, "crc32:1c0588f4");
	info.pad_id = 0;
	info.mask_id = 103;
	info.chunk_size = 128;
	info.interactive = true;
	struct lineage_entry entry = { "split-records", "0.1.0", json_pack("[s, s]", "--test-size", "9"), 42 };
	stream_info_add_stage(&info, &entry);
	entry.seed = -1;
	stream_info_add_stage(&info, &entry);
	json_decref(entry.arguments);
	stream_info_copy(&copy, &info);
	char *text = stream_info_format(&copy);
	assert_int_equal(stream_info_parse(text, &back, &failure), 0);
	assert_int_equal(back.type, RECORD_MASKED);
	assert_int_equal(back.records, 1000);
	assert_int_equal(back.epochs, 4);
	assert_int_equal(back.records_per_epoch, 250);
	assert_int_equal(back.vocab_size, 30522);
	assert_string_equal(back.vocab_fingerprint, "crc32:1c0588f4");
	assert_int_equal(back.pad_id, 0);
	assert_int_equal(back.unk_id, -1);
	assert_int_equal(back.mask_id, 103);
	assert_int_equal(back.chunk_size, 128);
	assert_true(back.interactive);
	assert_int_equal(json_array_size(back.lineage), 2);
	json_t *stage = json_array_get(back.lineage, 0);
	assert_int_equal(json_integer_value(json_object_get(stage, "seed")), 42);
	assert_string_equal(json_string_value(json_object_get(stage, "version")), "0.1.0");
	assert_true(json_is_null(json_object_get(json_array_get(back.lineage, 1), "seed")));
	free(text);
	stream_info_clear(&info);
	stream_info_clear(&copy);
	stream_info_clear(&back);
}

static void lets_keys_be_missing(void **state) {
	(void)state;
	struct stream_info info;
	struct failure failure;
	static const char text[] = "{\"new key\": [1], \"type\": \"tensors\", \"records\": null}";
	assert_int_equal(stream_info_parse(text, &info, &failure), 0);
	assert_int_equal(info.type, RECORD_OTHER);
	assert_int_equal(info.records, -1);
	assert_int_equal(info.cls_id, -1);
	assert_null(info.lineage);
	char *formatted = stream_info_format(&info);
	assert_string_equal(formatted, "{}");
	free(formatted);
	stream_info_clear(&info);
}

/* Epochs that do not multiply to the number of records, which a stage from elsewhere may have changed, are not
 * known. */
static void forgets_epochs_that_do_not_fit(void **state) {
	(void)state;
	static const struct { const char *text; int64_t epochs; } cases[] = {
		{ "{\"records\": 12, \"epochs\": 3, \"records_per_epoch\": 4}", 3 },
		{ "{\"epochs\": 3, \"records_per_epoch\": 4}", 3 },
		{ "{\"records\": 11, \"epochs\": 3, \"records_per_epoch\": 4}", -1 }, { "{\"records\": 12, \"epochs\": 3}", -1 },
		{ "{\"epochs\": 9223372036854775807, \"records_per_epoch\": 2}", -1 } };
	struct stream_info info;
	struct failure failure;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(stream_info_parse(cases[i].text, &info, &failure), 0);
		assert_int_equal(info.epochs, cases[i].epochs);
		assert_int_equal(info.records_per_epoch, cases[i].epochs < 0 ? -1 : 4);
		stream_info_clear(&info);
	}
	assert_int_equal(stream_info_set_epochs(&info, 2, INT64_MAX, &failure), -1);
	assert_int_equal(failure.status, EX_USAGE);
	assert_int_equal(stream_info_set_epochs(&info, 2, 5, &failure), 0);
	stream_info_set_records(&info, 7);
	assert_int_equal(info.records, 7);
	assert_int_equal(info.epochs, -1);
	assert_int_equal(info.records_per_epoch, -1);
}

static void refuses_nonsense(void **state) {
	(void)state;
	static const char *const texts[] = { "", "{", "[]", "7", "{\"type\": 3}", "{\"records\": -2}",
		"{\"records\": \"9\"}", "{\"epochs\": -1}", "{\"records_per_epoch\": 0.5}", "{\"vocab_size\": 1.5}", "{\"special_ids\": {\"mask\": 4294967296}}",
		"{\"all_special_ids\": {}}", "{\"all_special_ids\": [1, -1]}", "{\"all_special_ids\": [2147483648]}", "{\"lineage\": {}}",
		"{\"vocab_fingerprint\": \"0123456789012345678901234567890123456789\"}", "{\"records\": 99999999999999999999}" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct stream_info info;
		struct failure failure = { 0 };
		assert_int_equal(stream_info_parse(texts[i], &info, &failure), -1);
		assert_int_equal(failure.status, EX_DATAERR);
		assert_non_null(strstr(failure.text, "cloze"));
		stream_info_clear(&info);
	}
}

static void holds_all_special_ids(void **state) {
	(void)state;
	struct stream_info info, copy;
	struct failure failure;
	static const char text[] = "{\"special_ids\": {\"pad\": 0, \"mask\": 4}, \"all_special_ids\": [9, 0, 9, 7]}";
	static const int32_t expected[] = { 0, 4, 7, 9 };
	assert_int_equal(stream_info_parse(text, &info, &failure), 0);
	stream_info_copy(&copy, &info);
	stream_info_clear(&info);
	assert_int_equal(copy.special_count, 4);
	assert_memory_equal(copy.all_special_ids, expected, sizeof expected);
	char *formatted = stream_info_format(&copy);
	assert_non_null(strstr(formatted, "\"all_special_ids\": [0, 4, 7, 9]"));
	free(formatted);
	stream_info_clear(&copy);

	/* Without the list, the named ones are all. */
	assert_int_equal(stream_info_parse("{\"special_ids\": {\"cls\": 8, \"sep\": 2}}", &info, &failure), 0);
	assert_int_equal(info.special_count, 2);
	assert_int_equal(info.all_special_ids[0], 2);
	assert_int_equal(info.all_special_ids[1], 8);
	stream_info_clear(&info);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(lets_keys_be_missing),
		cmocka_unit_test(holds_all_special_ids),
		cmocka_unit_test(forgets_epochs_that_do_not_fit),
		cmocka_unit_test(refuses_nonsense),
	};
	return cmocka_run_group_tests_name("record/info", tests, NULL, NULL);
}
