/* join: what the streams agree on is kept, what they contradict each other in is refused. */
#include "record/join.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- lineage ----------------------------------------------------------------------------------------------- */

void stream_info_add_shard(struct stream_info *info, const struct lineage_entry *stage, int64_t shard, int64_t shards) {
	stream_info_add_stage(info, stage);
	json_t *entry = json_array_get(info->lineage, json_array_size(info->lineage) - 1);
	json_object_set_new(entry, "shard", json_integer(shard));
	json_object_set_new(entry, "shards", json_integer(shards));
}

void stream_info_set_inputs(struct stream_info *info, json_t *inputs) {
	json_object_set(json_array_get(info->lineage, json_array_size(info->lineage) - 1), "inputs", inputs);
}

/* Whether an entry tells of the shard of that number, of so many. */
static bool is_shard(const json_t *entry, size_t shard, size_t shards) {
	const json_t *number = json_object_get(entry, "shard"), *count = json_object_get(entry, "shards");
	return json_is_integer(number) && json_is_integer(count) && json_integer_value(number) == (json_int_t)shard
		&& json_integer_value(count) == (json_int_t)shards;
}

/* Whether the streams' entries at that place are those of all shards, in order. */
static bool are_shards(const struct stream_info *infos, size_t count, size_t place) {
	for (size_t i = 0; i < count; i++)
		if (!is_shard(json_array_get(infos[i].lineage, place), i, count))
			return false;
	return true;
}

static bool are_equal(const struct stream_info *infos, size_t count, size_t place) {
	for (size_t i = 1; i < count; i++)
		if (!json_equal(json_array_get(infos[i].lineage, place), json_array_get(infos[0].lineage, place)))
			return false;
	return true;
}

static void keep_inputs(const struct stream_info *infos, size_t count, struct joined *joined) {
	json_decref(joined->info.lineage);
	joined->info.lineage = NULL;
	joined->inputs = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(joined->inputs,
			infos[i].lineage != NULL ? json_deep_copy(infos[i].lineage) : json_array());
}

static void join_lineages(const struct stream_info *infos, size_t count, struct joined *joined) {
	size_t length = json_array_size(infos[0].lineage);
	bool same = true;
	joined->info.lineage = json_array();
	for (size_t i = 1; i < count; i++)
		same &= json_array_size(infos[i].lineage) == length;
	for (size_t place = 0; place < length && same; place++) {
		if (!joined->whole && are_shards(infos, count, place)) {
			joined->whole = true;
			continue;
		}
		same = are_equal(infos, count, place);
		json_array_append_new(joined->info.lineage, json_deep_copy(json_array_get(infos[0].lineage, place)));
	}
	if (same)
		return;
	joined->whole = false;
	keep_inputs(infos, count, joined);
}

/* ---- what else is known ------------------------------------------------------------------------------------ */

/* Joins two numbers of the vocabulary. -1 is what is not known. False: they differ. */
static bool join_number(int64_t *number, int64_t other) {
	bool same = *number == other || *number < 0 || other < 0;
	*number = *number == other ? other : -1;
	return same;
}

static bool join_id(int32_t *id, int32_t other) {
	int64_t number = *id;
	bool same = join_number(&number, other);
	*id = (int32_t)number;
	return same;
}

static bool join_vocabularies(struct stream_info *info, const struct stream_info *other) {
	bool known = info->vocab_fingerprint[0] != '\0' && other->vocab_fingerprint[0] != '\0';
	bool equal = strcmp(info->vocab_fingerprint, other->vocab_fingerprint) == 0;
	if (!equal)
		info->vocab_fingerprint[0] = '\0';
	size_t bytes = info->special_count * sizeof *info->all_special_ids;
	if (info->special_count != other->special_count
		|| (bytes > 0 && memcmp(info->all_special_ids, other->all_special_ids, bytes) != 0))
		stream_info_set_special_ids(info, NULL, 0);
	/* Each is joined, whether or not those before it are the same. */
	bool same = equal || !known;
	same = join_number(&info->vocab_size, other->vocab_size) && same;
	same = join_number(&info->teacher_vocab_size, other->teacher_vocab_size) && same;
	same = join_id(&info->pad_id, other->pad_id) && same;
	same = join_id(&info->unk_id, other->unk_id) && same;
	same = join_id(&info->cls_id, other->cls_id) && same;
	same = join_id(&info->sep_id, other->sep_id) && same;
	return join_id(&info->mask_id, other->mask_id) && same;
}

static int join_labels(struct stream_info *info, const struct stream_info *other) {
	if (info->labels == NULL)
		info->labels = json_deep_copy(other->labels);
	return other->labels == NULL || json_equal(info->labels, other->labels) ? 0 : -1;
}

static int join_info(struct stream_info *info, const struct stream_info *other, const char *const names[2],
	struct failure *failure) {
	int64_t records;
	if (!join_vocabularies(info, other))
		return fail(failure, EX_DATAERR, "%s: its vocabulary is another one than that of %s (make both with one "
			"--model)", names[1], names[0]);
	if (join_labels(info, other) < 0)
		return fail(failure, EX_DATAERR, "%s: its labels have other names than those of %s (make both with one "
			"--labels)", names[1], names[0]);
	if (info->type != other->type)
		info->type = RECORD_OTHER;
	if (info->chunk_size != other->chunk_size)
		info->chunk_size = -1;
	bool known = info->records >= 0 && other->records >= 0 && !__builtin_add_overflow(info->records, other->records,
		&records);
	stream_info_set_records(info, known ? records : -1);
	return 0;
}

int join_infos(const struct stream_info *infos, const char *const *names, size_t count, struct joined *joined,
	struct failure *failure) {
	*joined = (struct joined){ .whole = false };
	stream_info_copy(&joined->info, &infos[0]);
	json_decref(joined->info.lineage);
	joined->info.lineage = NULL;
	for (size_t i = 1; i < count; i++)
		if (join_info(&joined->info, &infos[i], (const char *const[]){ names[0], names[i] }, failure) < 0) {
			joined_clear(joined);
			return -1;
		}
	join_lineages(infos, count, joined);
	return 0;
}

void joined_clear(struct joined *joined) {
	stream_info_clear(&joined->info);
	json_decref(joined->inputs);
	joined->inputs = NULL;
}

/* ---- columns ----------------------------------------------------------------------------------------------- */

int match_columns(const struct schema *first, const struct schema *other, const char *name, size_t *columns,
	struct failure *failure) {
	for (size_t i = 0; i < first->count; i++) {
		int found = schema_find(other, first->fields[i].name);
		if (found < 0)
			return fail(failure, EX_DATAERR, "%s: no column %s, which the first stream has", name,
				first->fields[i].name);
		columns[i] = (size_t)found;
		char *wanted = type_text(&first->fields[i]), *type = type_text(&other->fields[found]);
		bool same = strcmp(wanted, type) == 0;
		if (!same)
			fail(failure, EX_DATAERR, "%s: column %s is %s, and %s in the first stream", name, first->fields[i].name,
				type, wanted);
		free(wanted);
		free(type);
		if (!same)
			return -1;
	}
	for (size_t i = 0; i < other->count; i++)
		if (schema_find(first, other->fields[i].name) < 0)
			return fail(failure, EX_DATAERR, "%s: a column %s, which the first stream does not have", name,
				other->fields[i].name);
	return 0;
}
