/* info: the `cloze` metadata, written and read with jansson. */
#include "record/info.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const char *const type_names[] = { "records", "text", "tokens", "chunks", "masked" };

void stream_info_init(struct stream_info *info) {
	*info = (struct stream_info){ .records = -1, .epochs = -1, .records_per_epoch = -1, .vocab_size = -1, .pad_id = -1,
		.unk_id = -1, .cls_id = -1, .sep_id = -1, .mask_id = -1, .chunk_size = -1,
		.teacher_vocab_size = -1 };
}

void stream_info_copy(struct stream_info *to, const struct stream_info *from) {
	*to = *from;
	to->labels = json_deep_copy(from->labels);
	to->lineage = json_deep_copy(from->lineage);
	to->all_special_ids = NULL;
	stream_info_set_special_ids(to, from->all_special_ids, from->special_count);
}

void stream_info_clear(struct stream_info *info) {
	json_decref(info->labels);
	json_decref(info->lineage);
	free(info->all_special_ids);
	stream_info_init(info);
}

void stream_info_set_records(struct stream_info *info, int64_t records) {
	info->records = records;
	info->epochs = info->records_per_epoch = -1;
}

int stream_info_set_epochs(struct stream_info *info, int64_t epochs, int64_t records_per_epoch,
	struct failure *failure) {
	info->epochs = epochs;
	info->records_per_epoch = records_per_epoch;
	if (!__builtin_mul_overflow(epochs, records_per_epoch, &info->records))
		return 0;
	return fail(failure, EX_USAGE, "%" PRId64 " epochs of %" PRId64 " records are too many to count (give a smaller "
		"--epochs)", epochs, records_per_epoch);
}

static int compare_ids(const void *left, const void *right) {
	int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
	return (a > b) - (a < b);
}

void stream_info_set_special_ids(struct stream_info *info, const int32_t *ids, size_t count) {
	const int32_t five[] = { info->pad_id, info->unk_id, info->cls_id, info->sep_id, info->mask_id };
	int32_t *all = allocate(count + sizeof five / sizeof *five, sizeof *all);
	size_t kept = 0;
	if (count > 0)
		memcpy(all, ids, count * sizeof *all);
	memcpy(all + count, five, sizeof five);
	count += sizeof five / sizeof *five;
	qsort(all, count, sizeof *all, compare_ids);
	for (size_t i = 0; i < count; i++)
		if (all[i] >= 0 && (kept == 0 || all[kept - 1] != all[i]))
			all[kept++] = all[i];
	free(info->all_special_ids);
	info->all_special_ids = all;
	info->special_count = kept;
}

void stream_info_add_stage(struct stream_info *info, const struct lineage_entry *stage) {
	if (info->lineage == NULL)
		info->lineage = json_array();
	json_array_append_new(info->lineage, json_pack("{s:s, s:s, s:O, s:o}", "tool", stage->tool, "version",
		stage->version, "arguments", stage->arguments, "seed", stage->seed < 0 ? json_null() : json_integer(stage->seed)));
}

static void set_integer(json_t *object, const char *key, int64_t value) {
	if (value >= 0)
		json_object_set_new(object, key, json_integer(value));
}

/* The ids of the tokens that have a name, as an object. */
static json_t *named_ids(const struct stream_info *info) {
	json_t *ids = json_object();
	set_integer(ids, "pad", info->pad_id);
	set_integer(ids, "unk", info->unk_id);
	set_integer(ids, "cls", info->cls_id);
	set_integer(ids, "sep", info->sep_id);
	set_integer(ids, "mask", info->mask_id);
	return ids;
}

static json_t *all_ids(const struct stream_info *info) {
	json_t *ids = json_array();
	for (size_t i = 0; i < info->special_count; i++)
		json_array_append_new(ids, json_integer(info->all_special_ids[i]));
	return ids;
}

char *stream_info_format(const struct stream_info *info) {
	json_t *json = json_object(), *ids = named_ids(info);
	if (info->type != RECORD_OTHER)
		json_object_set_new(json, "type", json_string(type_names[info->type]));
	set_integer(json, "records", info->records);
	set_integer(json, "epochs", info->epochs);
	set_integer(json, "records_per_epoch", info->records_per_epoch);
	set_integer(json, "vocab_size", info->vocab_size);
	if (info->vocab_fingerprint[0] != '\0')
		json_object_set_new(json, "vocab_fingerprint", json_string(info->vocab_fingerprint));
	if (json_object_size(ids) > 0)
		json_object_set(json, "special_ids", ids);
	if (info->special_count > 0)
		json_object_set_new(json, "all_special_ids", all_ids(info));
	set_integer(json, "chunk_size", info->chunk_size);
	set_integer(json, "teacher_vocab_size", info->teacher_vocab_size);
	if (info->interactive)
		json_object_set_new(json, "interactive", json_true());
	if (info->labels != NULL)
		json_object_set(json, "labels", info->labels);
	if (info->lineage != NULL)
		json_object_set(json, "lineage", info->lineage);
	char *text = json_dumps(json, 0);
	json_decref(ids);
	json_decref(json);
	if (text == NULL)
		memory_exhausted();
	return text;
}

/* Leaves *value as it is where the key is missing or null. */
static int get_integer(const json_t *object, const char *key, int64_t maximum, int64_t *value,
	struct failure *failure) {
	const json_t *json = json_object_get(object, key);
	if (json == NULL || json_is_null(json))
		return 0;
	if (!json_is_integer(json) || json_integer_value(json) < 0 || json_integer_value(json) > maximum)
		return fail(failure, EX_DATAERR, "metadata `cloze`: \"%s\" is not an integer from 0 to %" PRId64
			" (a stage that rewrites it may leave the key out)", key, maximum);
	*value = json_integer_value(json);
	return 0;
}

static int get_id(const json_t *ids, const char *key, int32_t *id, struct failure *failure) {
	int64_t value = -1;
	if (get_integer(ids, key, INT32_MAX, &value, failure) < 0)
		return -1;
	*id = (int32_t)value;
	return 0;
}

static int get_special_ids(const json_t *json, struct stream_info *info, struct failure *failure) {
	const json_t *array = json_object_get(json, "all_special_ids"), *id;
	size_t i, count = json_array_size(array);
	if (array != NULL && !json_is_null(array) && !json_is_array(array))
		return fail(failure, EX_DATAERR, "metadata `cloze`: \"all_special_ids\" is not an array");
	int32_t *ids = allocate(count, sizeof *ids);
	json_array_foreach(array, i, id) {
		if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX) {
			free(ids);
			return fail(failure, EX_DATAERR, "metadata `cloze`: \"all_special_ids\"[%zu] is not an integer from 0 to %"
				PRId32, i, INT32_MAX);
		}
		ids[i] = (int32_t)json_integer_value(id);
	}
	stream_info_set_special_ids(info, ids, count);
	free(ids);
	return 0;
}

static int get_type(const json_t *json, struct stream_info *info, struct failure *failure) {
	const json_t *type = json_object_get(json, "type");
	if (type == NULL)
		return 0;
	if (!json_is_string(type))
		return fail(failure, EX_DATAERR, "metadata `cloze`: \"type\" is not a string (text, tokens, chunks, masked)");
	for (int i = RECORD_TEXT; i <= RECORD_MASKED; i++)
		if (strcmp(json_string_value(type), type_names[i]) == 0)
			info->type = (enum record_type)i;
	return 0;
}

static int get_fingerprint(const json_t *json, struct stream_info *info, struct failure *failure) {
	const json_t *text = json_object_get(json, "vocab_fingerprint");
	if (text == NULL || json_is_null(text))
		return 0;
	if (!json_is_string(text) || json_string_length(text) >= sizeof info->vocab_fingerprint)
		return fail(failure, EX_DATAERR, "metadata `cloze`: \"vocab_fingerprint\" is not a string of less than %zu"
			" bytes", sizeof info->vocab_fingerprint);
	memcpy(info->vocab_fingerprint, json_string_value(text), json_string_length(text) + 1);
	return 0;
}

/* A stage from elsewhere may change `records` and pass on the two others, which then are not true. */
static void check_epochs(struct stream_info *info) {
	int64_t product;
	bool overflow = __builtin_mul_overflow(info->epochs, info->records_per_epoch, &product);
	if (info->epochs < 0 || info->records_per_epoch < 0 || overflow || (info->records >= 0 && info->records != product))
		info->epochs = info->records_per_epoch = -1;
}

static int get_all(json_t *json, struct stream_info *info, struct failure *failure) {
	const json_t *ids = json_object_get(json, "special_ids");
	if (!json_is_object(json))
		return fail(failure, EX_DATAERR, "metadata `cloze`: not a JSON object");
	if (get_type(json, info, failure) < 0 || get_fingerprint(json, info, failure) < 0
			|| get_integer(json, "records", INT64_MAX, &info->records, failure) < 0
			|| get_integer(json, "epochs", INT64_MAX, &info->epochs, failure) < 0
			|| get_integer(json, "records_per_epoch", INT64_MAX, &info->records_per_epoch, failure) < 0
			|| get_integer(json, "vocab_size", INT32_MAX, &info->vocab_size, failure) < 0
			|| get_integer(json, "chunk_size", INT32_MAX, &info->chunk_size, failure) < 0
			|| get_integer(json, "teacher_vocab_size", INT32_MAX, &info->teacher_vocab_size, failure) < 0
			|| get_id(ids, "pad", &info->pad_id, failure) < 0 || get_id(ids, "unk", &info->unk_id, failure) < 0
			|| get_id(ids, "cls", &info->cls_id, failure) < 0 || get_id(ids, "sep", &info->sep_id, failure) < 0
			|| get_id(ids, "mask", &info->mask_id, failure) < 0 || get_special_ids(json, info, failure) < 0)
		return -1;
	check_epochs(info);
	info->interactive = json_is_true(json_object_get(json, "interactive"));
	json_t *labels = json_object_get(json, "labels"), *lineage = json_object_get(json, "lineage");
	if (labels != NULL && !json_is_array(labels))
		return fail(failure, EX_DATAERR, "metadata `cloze`: \"labels\" is not an array");
	if (lineage != NULL && !json_is_array(lineage))
		return fail(failure, EX_DATAERR, "metadata `cloze`: \"lineage\" is not an array");
	info->labels = json_incref(labels);
	info->lineage = json_incref(lineage);
	return 0;
}

int stream_info_parse(const char *text, struct stream_info *info, struct failure *failure) {
	json_error_t error;
	stream_info_init(info);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		return fail(failure, EX_DATAERR, "metadata `cloze`: not JSON: %s", error.text);
	int result = get_all(json, info, failure);
	json_decref(json);
	return result;
}
