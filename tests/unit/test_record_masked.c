/* Rectangles of masked records, and the records that are refused. */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "record/masked.h"

enum { VOCAB_SIZE = 50, TYPES = 2, MAX_LENGTH = 6, PAD = 9 };

struct record {
	int count;
	int32_t input_ids[8], labels[8], attention_mask[8], token_type_ids[8];
	int label_count, epoch; /* label_count 0: count */
};

/* Columns that a stream need not have. */
enum { HAS_MASK = 1, HAS_TYPES = 2, HAS_EPOCH = 4 };

/* A reader of these records, for a model with `types` token types. */
static struct masked_reader *open_for(int64_t types, const struct record *records, size_t count, int has,
	struct failure *failure) {
	int descriptor = memfd_create("stream", 0);
	struct schema schema = { 0 };
	struct stream_info info;
	schema_add_int32_list(&schema, "input_ids");
	schema_add_int32_list(&schema, "labels");
	if (has & HAS_MASK)
		schema_add_int32_list(&schema, "attention_mask");
	if (has & HAS_TYPES)
		schema_add_int32_list(&schema, "token_type_ids");
	if (has & HAS_EPOCH)
		schema_add_int(&schema, "epoch", 32);
	stream_info_init(&info);
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, failure);
	for (size_t i = 0; i < count; i++) {
		const struct record *record = &records[i];
		size_t labels = (size_t)(record->label_count > 0 ? record->label_count : record->count), column = 2;
		builder_append_nullable_int32_list(writer_column(writer, 0), record->input_ids, (size_t)record->count, -7);
		builder_append_nullable_int32_list(writer_column(writer, 1), record->labels, labels, -7);
		if (has & HAS_MASK)
			builder_append_int32_list(writer_column(writer, column++), record->attention_mask, (size_t)record->count);
		if (has & HAS_TYPES)
			builder_append_nullable_int32_list(writer_column(writer, column++), record->token_type_ids,
				(size_t)record->count, -7);
		if (has & HAS_EPOCH)
			builder_append_integer(writer_column(writer, column), record->epoch);
		writer_end_row(writer, failure);
	}
	assert_int_equal(writer_close(writer, failure), 0);
	schema_clear(&schema);
	lseek(descriptor, 0, SEEK_SET);
	struct reader *reader = reader_open(descriptor, "stream", failure);
	assert_non_null(reader);
	return masked_reader_open(reader, VOCAB_SIZE, types, MAX_LENGTH, PAD, failure);
}

static struct masked_reader *open_records(const struct record *records, size_t count, int has,
	struct failure *failure) {
	return open_for(TYPES, records, count, has, failure);
}

static const struct record three[] = {
	{ 3, { 1, 2, 3 }, { -100, 20, -100 }, { 1, 1, 0 }, { 0, 1, 1 }, 0, 1 },
	{ 1, { 4 }, { -100 }, { 1 }, { 1 }, 0, 1 },
	{ 2, { 5, 6 }, { 0, 49 }, { 1, 1 }, { 1, 0 }, 0, 2 },
};

static void makes_rectangles(void **state) {
	(void)state;
	struct failure failure;
	struct masked_batch batch;
	struct masked_reader *masked = open_records(three, 3, HAS_MASK | HAS_TYPES | HAS_EPOCH, &failure);
	assert_int_equal(masked_reader_next(masked, 2, &batch, &failure), 1);
	assert_int_equal(batch.B, 2);
	assert_int_equal(batch.T, 3);
	assert_memory_equal(batch.input_ids, ((int32_t[]){ 1, 2, 3, 4, PAD, PAD }), 24);
	assert_memory_equal(batch.attention_mask, ((uint8_t[]){ 1, 1, 0, 1, 0, 0 }), 6);
	assert_memory_equal(batch.token_type_ids, ((int32_t[]){ 0, 1, 1, 1, 0, 0 }), 24);
	assert_int_equal(batch.M, 1);
	assert_int_equal(batch.positions[0], 1);
	assert_int_equal(batch.labels[0], 20);
	assert_memory_equal(batch.record_positions, ((int32_t[]){ 0, 1, 1 }), 12);
	assert_int_equal(batch.tokens, 3);
	assert_int_equal(batch.epoch, 1);
	assert_true(batch.epoch_ends);
	assert_int_equal(batch.first_record, 0);
	assert_int_equal(masked_reader_next(masked, 2, &batch, &failure), 1);
	assert_int_equal(batch.B, 1);
	assert_int_equal(batch.T, 2);
	assert_memory_equal(batch.token_type_ids, ((int32_t[]){ 1, 0 }), 8);
	assert_memory_equal(batch.positions, ((int32_t[]){ 0, 1 }), 8);
	assert_memory_equal(batch.labels, ((int32_t[]){ 0, 49 }), 8);
	assert_int_equal(batch.epoch, 2);
	assert_true(batch.epoch_ends);
	assert_int_equal(batch.first_record, 2);
	assert_int_equal(masked_reader_next(masked, 2, &batch, &failure), 0);
	masked_reader_close(masked);
}

/* Epochs of three records in batches of two: 11|1|22|2. */
static void ends_batches_with_epochs(void **state) {
	(void)state;
	struct record records[6];
	struct failure failure;
	struct masked_batch batch;
	for (int i = 0; i < 6; i++)
		records[i] = (struct record){ 1, { i }, { i }, { 1 }, { 0 }, 0, 1 + i / 3 };
	static const struct { size_t records; int epoch; bool ends; } expected[] = {
		{ 2, 1, false }, { 1, 1, true }, { 2, 2, false }, { 1, 2, true } };
	struct masked_reader *masked = open_records(records, 6, HAS_EPOCH, &failure);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(masked_reader_next(masked, 2, &batch, &failure), 1);
		assert_int_equal(batch.B, expected[i].records);
		assert_int_equal(batch.epoch, expected[i].epoch);
		assert_int_equal(batch.epoch_ends, expected[i].ends);
	}
	masked_reader_close(masked);
	masked = open_records(records, 6, 0, &failure);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(masked_reader_next(masked, 4, &batch, &failure), 1);
		assert_int_equal(batch.epoch, 1);
		assert_int_equal(batch.epoch_ends, i == 1);
	}
	masked_reader_close(masked);
}

/* Many batches of a stream of several Arrow batches, against the numbers that they were made of. */
static void crosses_arrow_batches(void **state) {
	(void)state;
	enum { RECORDS = 2345, BATCH = 7 };
	struct record *records = allocate(RECORDS, sizeof *records);
	struct failure failure;
	struct masked_batch batch;
	for (int i = 0; i < RECORDS; i++) {
		records[i].count = 1 + i % MAX_LENGTH;
		for (int t = 0; t < records[i].count; t++) {
			records[i].input_ids[t] = (i + t) % VOCAB_SIZE;
			records[i].labels[t] = (i + t) % 3 == 0 ? (i * t) % VOCAB_SIZE : -100;
		}
	}
	struct masked_reader *masked = open_records(records, RECORDS, 0, &failure);
	int64_t seen = 0;
	while (masked_reader_next(masked, BATCH, &batch, &failure) > 0) {
		assert_null(batch.token_type_ids);
		assert_int_equal(batch.first_record, seen);
		assert_int_equal(batch.B, RECORDS - seen < BATCH ? RECORDS - seen : BATCH);
		size_t m = 0;
		for (size_t b = 0; b < batch.B; b++)
			for (int t = 0; t < (int)batch.T; t++) {
				const struct record *record = &records[seen + (int64_t)b];
				size_t at = b * batch.T + (size_t)t;
				bool there = t < record->count;
				assert_int_equal(batch.input_ids[at], there ? record->input_ids[t] : PAD);
				assert_int_equal(batch.attention_mask[at], there);
				if (!there || record->labels[t] == -100)
					continue;
				assert_int_equal(batch.positions[m], at);
				assert_int_equal(batch.labels[m++], record->labels[t]);
			}
		assert_int_equal(batch.M, m);
		seen += (int64_t)batch.B;
	}
	assert_int_equal(seen, RECORDS);
	masked_reader_close(masked);
	free(records);
}

/* A DistilBERT takes any stream with types, and what it takes of it is the same as without them. */
static void model_without_types_ignores_them(void **state) {
	(void)state;
	struct failure failure;
	struct masked_batch batch;
	struct record records[] = { three[0], three[1], three[2] };
	uint32_t digests[2];
	records[1].token_type_ids[0] = 7;
	for (int i = 0; i < 2; i++) {
		struct masked_reader *masked = open_for(0, records, 3, i == 0 ? HAS_TYPES : 0, &failure);
		assert_int_equal(masked_reader_next(masked, 8, &batch, &failure), 1);
		assert_int_equal(batch.B, 3);
		assert_null(batch.token_type_ids);
		digests[i] = masked_reader_digest(masked);
		masked_reader_close(masked);
	}
	assert_int_equal(digests[0], digests[1]);
}

/* Of these records, taken `batch_size` at a time. */
static uint32_t digest_of(const struct record *records, size_t count, int has, size_t batch_size) {
	struct failure failure;
	struct masked_batch batch;
	struct masked_reader *masked = open_records(records, count, has, &failure);
	while (masked_reader_next(masked, batch_size, &batch, &failure) > 0)
		;
	uint32_t digest = masked_reader_digest(masked);
	masked_reader_close(masked);
	return digest;
}

static void digest_tells_inputs_apart(void **state) {
	(void)state;
	enum { ALL = HAS_MASK | HAS_TYPES | HAS_EPOCH };
	const uint32_t digest = digest_of(three, 3, ALL, 1);
	assert_int_equal(digest_of(three, 3, ALL, 2), digest);
	assert_int_equal(digest_of(three, 3, ALL, 8), digest);
	assert_int_not_equal(digest_of(three, 2, ALL, 8), digest);
	assert_int_not_equal(digest_of(three, 3, HAS_TYPES | HAS_EPOCH, 8), digest);
	assert_int_not_equal(digest_of(three, 3, HAS_MASK | HAS_EPOCH, 8), digest);
	for (int i = 0; i < 5; i++) {
		struct record changed[] = { three[0], three[1], three[2] };
		int32_t *values[] = { &changed[1].input_ids[0], &changed[1].labels[0], &changed[2].attention_mask[0],
			&changed[2].token_type_ids[0], &changed[2].epoch };
		*values[i] = i == 2 || i == 3 ? 0 : 3;
		assert_int_not_equal(digest_of(changed, 3, ALL, 8), digest);
	}
	/* Checkpoints hold it, so it may not change. */
	assert_int_equal(digest_of(three, 3, HAS_MASK | HAS_EPOCH, 8), 0xadfb2b18);

	/* It is that of what was taken, not of what was looked at. */
	struct failure failure;
	struct masked_batch batch;
	struct masked_reader *masked = open_records(three, 3, ALL, &failure);
	assert_int_equal(masked_reader_digest(masked), 0);
	assert_int_equal(masked_reader_next(masked, 2, &batch, &failure), 1);
	assert_int_equal(masked_reader_digest(masked), digest_of(three, 2, ALL, 2));
	masked_reader_close(masked);
}

static void refuses_bad_records(void **state) {
	(void)state;
	static const struct { struct record record; int has; const char *text; } cases[] = {
		{ { 2, { 1, 50 }, { -100, -100 }, { 1, 1 }, { 0 }, 0, 1 }, 0, "record 2: input_ids[1] is 50" },
		{ { 2, { -1, 5 }, { -100, -100 }, { 1, 1 }, { 0 }, 0, 1 }, 0, "record 2: input_ids[0] is -1" },
		{ { 2, { 1, 5 }, { -100, 50 }, { 1, 1 }, { 0 }, 0, 1 }, 0, "record 2: labels[1] is 50" },
		{ { 2, { 1, 5 }, { -1, -100 }, { 1, 1 }, { 0 }, 0, 1 }, 0, "record 2: labels[0] is -1" },
		{ { 2, { 1, -7 }, { -100, -100 }, { 1, 1 }, { 0 }, 0, 1 }, 0, "record 2: input_ids[1] is null" },
		{ { 2, { 1, 2 }, { -100, -100, -100 }, { 1, 1 }, { 0 }, 3, 1 }, 0, "record 2: 2 input_ids, but 3 labels" },
		{ { 0, { 0 }, { 0 }, { 0 }, { 0 }, 0, 1 }, 0, "record 2 has no tokens" },
		{ { 7, { 0 }, { 0 }, { 1 }, { 0 }, 0, 1 }, 0, "record 2 has 7 tokens" },
		{ { 2, { 1, 2 }, { 1, 2 }, { 0, 0 }, { 0 }, 0, 1 }, HAS_MASK, "record 2: attention_mask is 0" },
		{ { 2, { 1, 2 }, { 1, 2 }, { 1, 1 }, { 1, 2 }, 0, 1 }, HAS_TYPES, "record 2: token_type_ids[1] is 2" },
		{ { 2, { 1, 2 }, { 1, 2 }, { 1, 1 }, { -1, 0 }, 0, 1 }, HAS_TYPES, "record 2: token_type_ids[0] is -1" },
		{ { 2, { 1, 2 }, { 1, 2 }, { 1, 1 }, { 0, -7 }, 0, 1 }, HAS_TYPES, "record 2: token_type_ids[1] is null" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct record records[] = { { 1, { 1 }, { 1 }, { 1 }, { 1 }, 0, 1 }, cases[i].record };
		struct failure failure = { 0 };
		struct masked_batch batch;
		struct masked_reader *masked = open_records(records, 2, cases[i].has, &failure);
		assert_int_equal(masked_reader_next(masked, 4, &batch, &failure), -1);
		assert_int_equal(failure.status, EX_DATAERR);
		if (strstr(failure.text, cases[i].text) == NULL)
			assert_string_equal(failure.text, cases[i].text);
		masked_reader_close(masked);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_rectangles),
		cmocka_unit_test(ends_batches_with_epochs),
		cmocka_unit_test(crosses_arrow_batches),
		cmocka_unit_test(model_without_types_ignores_them),
		cmocka_unit_test(digest_tells_inputs_apart),
		cmocka_unit_test(refuses_bad_records),
	};
	return cmocka_run_group_tests_name("record/masked", tests, NULL, NULL);
}
