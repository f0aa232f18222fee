/* test_train_example_reader: examples from a stream: records of several lengths, labels, ends of epochs, and records
 * that are refused. */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "train/example_reader.h"

enum { VOCAB_SIZE = 50, TYPES = 2, MAX_LENGTH = 6, CLASSES = 3 };

struct record {
	int count;
	int32_t input_ids[8], labels[8], attention_mask[8], token_type_ids[8];
	int label_count, epoch; /* label_count 0: count */
	int64_t label;          /* of the record */
};

/* Columns that a stream need not have. */
enum { HAS_MASK = 1, HAS_TYPES = 2, HAS_EPOCH = 4, HAS_LABEL = 8 };

static const struct config typed = { .vocab_size = VOCAB_SIZE, .type_vocab_size = TYPES,
	.max_position_embeddings = MAX_LENGTH };
static const struct config untyped = { .vocab_size = VOCAB_SIZE, .max_position_embeddings = MAX_LENGTH };

/* A reader of these records for a model, and a head that learns from `labels`. */
static struct example_reader *open_for(const struct config *config, enum label_kind labels, const struct record *records,
	size_t count, int has, struct failure *failure) {
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
	if (has & HAS_LABEL)
		schema_add_int(&schema, "label", 64);
	stream_info_init(&info);
	struct writer *writer = writer_open(descriptor, "stream", &schema, &info, failure);
	for (size_t i = 0; i < count; i++) {
		const struct record *record = &records[i];
		size_t label_count = (size_t)(record->label_count > 0 ? record->label_count : record->count), column = 2;
		builder_append_nullable_int32_list(writer_column(writer, 0), record->input_ids, (size_t)record->count, -7);
		builder_append_nullable_int32_list(writer_column(writer, 1), record->labels, label_count, -7);
		if (has & HAS_MASK)
			builder_append_int32_list(writer_column(writer, column++), record->attention_mask, (size_t)record->count);
		if (has & HAS_TYPES)
			builder_append_nullable_int32_list(writer_column(writer, column++), record->token_type_ids,
				(size_t)record->count, -7);
		if (has & HAS_EPOCH)
			builder_append_integer(writer_column(writer, column++), record->epoch);
		if (has & HAS_LABEL)
			builder_append_integer(writer_column(writer, column), record->label);
		writer_end_row(writer, failure);
	}
	assert_int_equal(writer_close(writer, failure), 0);
	schema_clear(&schema);
	lseek(descriptor, 0, SEEK_SET);
	struct reader *reader = reader_open(descriptor, "stream", failure);
	assert_non_null(reader);
	return example_reader_open(reader, config, labels, CLASSES, failure);
}

static struct example_reader *open_records(const struct record *records, size_t count, int has,
	struct failure *failure) {
	return open_for(&typed, LABELS_OF_TOKENS, records, count, has, failure);
}

static const struct record three[] = {
	{ 3, { 1, 2, 3 }, { -100, 20, -100 }, { 1, 1, 0 }, { 0, 1, 1 }, 0, 1, 2 },
	{ 1, { 4 }, { -100 }, { 1 }, { 1 }, 0, 1, 0 },
	{ 2, { 5, 6 }, { 0, 49 }, { 1, 1 }, { 1, 0 }, 0, 2, 1 },
};

/* Everything of a batch that is made of rows. */
static void expect_rows(const struct examples *examples, size_t N, const int32_t *input_ids, const int32_t *positions,
	const int32_t *types) {
	assert_int_equal(examples_rows(examples), N);
	assert_memory_equal(examples->input_ids, input_ids, N * sizeof *input_ids);
	assert_memory_equal(examples->positions, positions, N * sizeof *positions);
	assert_memory_equal(examples->token_type_ids, types, N * sizeof *types);
}

static void leaves_out_what_has_no_row(void **state) {
	(void)state;
	struct failure failure;
	struct example_batch batch;
	const struct examples *examples = &batch.examples;
	struct example_reader *reader = open_records(three, 3, HAS_MASK | HAS_TYPES | HAS_EPOCH, &failure);
	assert_string_equal(example_reader_name(reader), "stream");
	assert_int_equal(example_reader_next(reader, 2, &batch, &failure), 1);
	assert_int_equal(examples->B, 2);
	assert_memory_equal(examples->starts, ((int32_t[]){ 0, 2, 3 }), 12);
	expect_rows(examples, 3, (int32_t[]){ 1, 2, 4 }, (int32_t[]){ 0, 1, 0 }, (int32_t[]){ 0, 1, 1 });
	assert_null(examples->attended); /* all are */
	assert_int_equal(examples_labels(examples), 1);
	assert_int_equal(examples->labelled[0], 1);
	assert_int_equal(examples->labels[0], 20);
	assert_memory_equal(examples->label_starts, ((int32_t[]){ 0, 1, 1 }), 12);
	assert_null(examples->classes);
	assert_int_equal(batch.tokens, 3);
	assert_int_equal(batch.epoch, 1);
	assert_true(batch.epoch_ends);
	assert_int_equal(batch.first_record, 0);
	assert_int_equal(example_reader_next(reader, 2, &batch, &failure), 1);
	assert_int_equal(examples->B, 1);
	assert_memory_equal(examples->starts, ((int32_t[]){ 0, 2 }), 8);
	expect_rows(examples, 2, (int32_t[]){ 5, 6 }, (int32_t[]){ 0, 1 }, (int32_t[]){ 1, 0 });
	assert_memory_equal(examples->labelled, ((int32_t[]){ 0, 1 }), 8);
	assert_memory_equal(examples->labels, ((int32_t[]){ 0, 49 }), 8);
	assert_int_equal(batch.epoch, 2);
	assert_true(batch.epoch_ends);
	assert_int_equal(batch.first_record, 2);
	assert_int_equal(example_reader_next(reader, 2, &batch, &failure), 0);
	example_reader_close(reader);
}

/* Tokens that are neither attended to nor labelled are at the beginning, in the middle and at the end; those that have
 * a label alone have a row, which no other attends to. */
static void keeps_positions(void **state) {
	(void)state;
	static const struct record holes[] = {
		{ 6, { 1, 2, 3, 4, 5, 6 }, { -100, -100, 7, -100, 8, -100 }, { 0, 1, 0, 0, 1, 0 }, { 0, 1, 0, 1, 0, 1 }, 0, 1, 0 },
		{ 2, { 7, 8 }, { -100, -100 }, { 0, 1 }, { 1, 1 }, 0, 1, 0 },
	};
	struct failure failure;
	struct example_batch batch;
	const struct examples *examples = &batch.examples;
	struct example_reader *reader = open_records(holes, 2, HAS_MASK | HAS_TYPES, &failure);
	assert_int_equal(example_reader_next(reader, 9, &batch, &failure), 1);
	assert_memory_equal(examples->starts, ((int32_t[]){ 0, 3, 4 }), 12);
	expect_rows(examples, 4, (int32_t[]){ 2, 3, 5, 8 }, (int32_t[]){ 1, 2, 4, 1 }, (int32_t[]){ 1, 0, 0, 1 });
	assert_memory_equal(examples->attended, ((uint8_t[]){ 1, 0, 1, 1 }), 4);
	assert_memory_equal(examples->label_starts, ((int32_t[]){ 0, 2, 2 }), 12);
	assert_memory_equal(examples->labelled, ((int32_t[]){ 1, 2 }), 8);
	assert_memory_equal(examples->labels, ((int32_t[]){ 7, 8 }), 8);
	assert_int_equal(batch.tokens, 3);
	example_reader_close(reader);
}

/* Epochs of three records in batches of two: 11|1|22|2. */
static void ends_batches_with_epochs(void **state) {
	(void)state;
	struct record records[6];
	struct failure failure;
	struct example_batch batch;
	for (int i = 0; i < 6; i++)
		records[i] = (struct record){ 1, { i }, { i }, { 1 }, { 0 }, 0, 1 + i / 3, 0 };
	static const struct { int first; size_t records; int epoch; bool ends; } expected[] = {
		{ 0, 2, 1, false }, { 2, 1, 1, true }, { 3, 2, 2, false }, { 5, 1, 2, true } };
	struct example_reader *reader = open_records(records, 6, HAS_EPOCH, &failure);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(example_reader_next(reader, 2, &batch, &failure), 1);
		assert_int_equal(batch.first_record, expected[i].first);
		assert_int_equal(batch.examples.B, expected[i].records);
		assert_int_equal(batch.examples.input_ids[0], expected[i].first);
		assert_int_equal(batch.epoch, expected[i].epoch);
		assert_int_equal(batch.epoch_ends, expected[i].ends);
	}
	assert_int_equal(example_reader_next(reader, 2, &batch, &failure), 0);
	example_reader_close(reader);
	reader = open_records(records, 6, 0, &failure);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(example_reader_next(reader, 4, &batch, &failure), 1);
		assert_int_equal(batch.epoch, 1);
		assert_int_equal(batch.epoch_ends, i == 1);
	}
	example_reader_close(reader);
}

/* Many batches of a stream of several Arrow batches, against the numbers that they were made of. */
static void crosses_arrow_batches(void **state) {
	(void)state;
	enum { RECORDS = 2345, BATCH = 7 };
	struct record *records = allocate(RECORDS, sizeof *records);
	struct failure failure;
	struct example_batch batch;
	for (int i = 0; i < RECORDS; i++) {
		records[i].count = 1 + i % MAX_LENGTH;
		for (int t = 0; t < records[i].count; t++) {
			records[i].input_ids[t] = (i + t) % VOCAB_SIZE;
			records[i].labels[t] = (i + t) % 3 == 0 ? (i * t) % VOCAB_SIZE : -100;
		}
	}
	struct example_reader *reader = open_records(records, RECORDS, 0, &failure);
	const struct examples *examples = &batch.examples;
	int64_t seen = 0;
	while (example_reader_next(reader, BATCH, &batch, &failure) > 0) {
		assert_null(examples->token_type_ids);
		assert_null(examples->attended);
		assert_int_equal(batch.first_record, seen);
		assert_int_equal(examples->B, RECORDS - seen < BATCH ? RECORDS - seen : BATCH);
		int32_t row = 0, m = 0;
		for (size_t b = 0; b < examples->B; b++) {
			const struct record *record = &records[seen + (int64_t)b];
			assert_int_equal(examples->starts[b], row);
			assert_int_equal(examples->label_starts[b], m);
			for (int t = 0; t < record->count; t++, row++) {
				assert_int_equal(examples->input_ids[row], record->input_ids[t]);
				assert_int_equal(examples->positions[row], t);
				if (record->labels[t] == -100)
					continue;
				assert_int_equal(examples->labelled[m], row);
				assert_int_equal(examples->labels[m++], record->labels[t]);
			}
		}
		assert_int_equal(examples_rows(examples), row);
		assert_int_equal(examples_labels(examples), m);
		assert_int_equal(batch.tokens, row);
		seen += (int64_t)examples->B;
	}
	assert_int_equal(seen, RECORDS);
	example_reader_close(reader);
	free(records);
}

/* A DistilBERT takes any stream with types, and what it takes of it is the same as without them. */
static void model_without_types_ignores_them(void **state) {
	(void)state;
	struct failure failure;
	struct example_batch batch;
	struct record records[] = { three[0], three[1], three[2] };
	uint32_t digests[2];
	records[1].token_type_ids[0] = 7;
	for (int i = 0; i < 2; i++) {
		struct example_reader *reader = open_for(&untyped, LABELS_OF_TOKENS, records, 3, i == 0 ? HAS_TYPES : 0, &failure);
		assert_int_equal(example_reader_next(reader, 8, &batch, &failure), 1);
		assert_int_equal(batch.examples.B, 3);
		assert_null(batch.examples.token_type_ids);
		digests[i] = example_reader_digest(reader);
		example_reader_close(reader);
	}
	assert_int_equal(digests[0], digests[1]);
}

/* Of these records, taken `batch_size` at a time. */
static uint32_t digest_of(const struct record *records, size_t count, int has, size_t batch_size) {
	struct failure failure;
	struct example_batch batch;
	struct example_reader *reader = open_records(records, count, has, &failure);
	while (example_reader_next(reader, batch_size, &batch, &failure) > 0)
		;
	uint32_t digest = example_reader_digest(reader);
	example_reader_close(reader);
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
	assert_int_equal(digest_of(three, 3, HAS_MASK | HAS_EPOCH, 8), 0x72079608);

	/* It is that of what was taken, not of what was looked at. */
	struct failure failure;
	struct example_batch batch;
	struct example_reader *reader = open_records(three, 3, ALL, &failure);
	assert_int_equal(example_reader_digest(reader), digest_of(three, 0, ALL, 2));
	assert_int_not_equal(example_reader_digest(reader), digest_of(three, 0, HAS_MASK | HAS_EPOCH, 2));
	assert_int_equal(example_reader_next(reader, 2, &batch, &failure), 1);
	assert_int_equal(example_reader_digest(reader), digest_of(three, 2, ALL, 2));
	example_reader_close(reader);
}

static void refuses_bad_records(void **state) {
	(void)state;
	static const struct { struct record record; int has; const char *text; } cases[] = {
		{ { 2, { 1, 50 }, { -100, -100 }, { 1, 1 }, { 0 }, 0, 1, 0 }, 0, "record 2: input_ids[1] is 50" },
		{ { 2, { -1, 5 }, { -100, -100 }, { 1, 1 }, { 0 }, 0, 1, 0 }, 0, "record 2: input_ids[0] is -1" },
		{ { 2, { 1, 5 }, { -100, 50 }, { 1, 1 }, { 0 }, 0, 1, 0 }, 0, "record 2: labels[1] is 50" },
		{ { 2, { 1, 5 }, { -1, -100 }, { 1, 1 }, { 0 }, 0, 1, 0 }, 0, "record 2: labels[0] is -1" },
		{ { 2, { 1, -7 }, { -100, -100 }, { 1, 1 }, { 0 }, 0, 1, 0 }, 0, "record 2: input_ids[1] is null" },
		{ { 2, { 1, 2 }, { -100, -100, -100 }, { 1, 1 }, { 0 }, 3, 1, 0 }, 0, "record 2: 2 input_ids, but 3 labels" },
		{ { 0, { 0 }, { 0 }, { 0 }, { 0 }, 0, 1, 0 }, 0, "record 2 has no tokens" },
		{ { 7, { 0 }, { 0 }, { 1 }, { 0 }, 0, 1, 0 }, 0, "record 2 has 7 tokens" },
		{ { 2, { 1, 2 }, { 1, 2 }, { 0, 0 }, { 0 }, 0, 1, 0 }, HAS_MASK, "record 2: attention_mask is 0" },
		{ { 2, { 1, 2 }, { 1, 2 }, { 1, 1 }, { 1, 2 }, 0, 1, 0 }, HAS_TYPES, "record 2: token_type_ids[1] is 2" },
		{ { 2, { 1, 2 }, { 1, 2 }, { 1, 1 }, { -1, 0 }, 0, 1, 0 }, HAS_TYPES, "record 2: token_type_ids[0] is -1" },
		{ { 2, { 1, 2 }, { 1, 2 }, { 1, 1 }, { 0, -7 }, 0, 1, 0 }, HAS_TYPES, "record 2: token_type_ids[1] is null" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct record records[] = { { 1, { 1 }, { 1 }, { 1 }, { 1 }, 0, 1, 0 }, cases[i].record };
		struct failure failure = { 0 };
		struct example_batch batch;
		struct example_reader *reader = open_records(records, 2, cases[i].has, &failure);
		assert_int_equal(example_reader_next(reader, 4, &batch, &failure), -1);
		assert_int_equal(failure.status, EX_DATAERR);
		if (strstr(failure.text, cases[i].text) == NULL)
			assert_string_equal(failure.text, cases[i].text);
		example_reader_close(reader);
	}
}

/* A classifier's head reads `label`; `labels` may be there or not. */
static void reads_labels_of_records(void **state) {
	(void)state;
	struct failure failure;
	struct example_batch batch;
	struct example_reader *reader = open_for(&typed, LABELS_OF_RECORDS, three, 3, HAS_MASK | HAS_LABEL, &failure);
	assert_int_equal(example_reader_next(reader, 5, &batch, &failure), 1);
	assert_memory_equal(batch.examples.classes, ((int32_t[]){ 2, 0, 1 }), 12);
	assert_null(batch.examples.label_starts);
	assert_int_equal(examples_labels(&batch.examples), 0);
	assert_memory_equal(batch.examples.starts, ((int32_t[]){ 0, 2, 3, 5 }), 16);
	uint32_t digest = example_reader_digest(reader);
	example_reader_close(reader);

	struct record changed[] = { three[0], three[1], three[2] };
	changed[1].label = 1;
	reader = open_for(&typed, LABELS_OF_RECORDS, changed, 3, HAS_MASK | HAS_LABEL, &failure);
	assert_int_equal(example_reader_next(reader, 5, &batch, &failure), 1);
	assert_int_not_equal(example_reader_digest(reader), digest);
	example_reader_close(reader);

	static const struct { int64_t label; const char *text; } refused[] = {
		{ -1, "record 2: label is -1, which means unlabelled" },
		{ 3, "record 2: label is 3, but the model's labels are 0 to 2" },
		{ -2, "record 2: label is -2" }, { INT64_MAX, "record 2: label is 9223372036854775807" },
	};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		changed[1].label = refused[i].label;
		reader = open_for(&typed, LABELS_OF_RECORDS, changed, 3, HAS_LABEL, &failure);
		assert_int_equal(example_reader_next(reader, 5, &batch, &failure), -1);
		assert_int_equal(failure.status, EX_DATAERR);
		assert_non_null(strstr(failure.text, refused[i].text));
		example_reader_close(reader);
	}
	assert_null(open_for(&typed, LABELS_OF_RECORDS, three, 3, 0, &failure));
	assert_int_equal(failure.status, EX_DATAERR);
}

static void reads_no_labels(void **state) {
	(void)state;
	struct failure failure;
	struct example_batch batch;
	struct record records[] = { three[0], three[1], three[2] };
	records[1].labels[0] = 700; /* not looked at */
	records[2].label = -1;
	struct example_reader *reader = open_for(&typed, NO_LABELS, records, 3, HAS_MASK | HAS_LABEL, &failure);
	assert_int_equal(example_reader_next(reader, 5, &batch, &failure), 1);
	assert_int_equal(batch.examples.B, 3);
	assert_null(batch.examples.label_starts);
	assert_null(batch.examples.classes);
	example_reader_close(reader);
}

/* A classifier may read a record's first token, whatever attends to it. */
static void keeps_the_first_token_of_a_class(void **state) {
	(void)state;
	static const struct record left[] = {
		{ 5, { 1, 2, 3, 4, 5 }, { 0 }, { 0, 0, 1, 1, 0 }, { 0 }, 0, 1, 2 },
		{ 2, { 7, 8 }, { 0 }, { 1, 1 }, { 0 }, 0, 1, 0 },
	};
	struct failure failure;
	struct example_batch batch;
	const struct examples *examples = &batch.examples;
	struct example_reader *reader = open_for(&untyped, LABELS_OF_RECORDS, left, 2, HAS_MASK | HAS_LABEL, &failure);
	assert_int_equal(example_reader_next(reader, 9, &batch, &failure), 1);
	assert_memory_equal(examples->starts, ((int32_t[]){ 0, 3, 5 }), 12);
	assert_memory_equal(examples->input_ids, ((int32_t[]){ 1, 3, 4, 7, 8 }), 20);
	assert_memory_equal(examples->positions, ((int32_t[]){ 0, 2, 3, 0, 1 }), 20);
	assert_memory_equal(examples->attended, ((uint8_t[]){ 0, 1, 1, 1, 1 }), 5);
	assert_int_equal(batch.tokens, 4);
	example_reader_close(reader);
}

/* The rows that a reader has taken, in order. */
struct taken { int64_t labels[8]; size_t count; };

static void take(void *context, const struct batch *batch, int64_t row) {
	struct taken *taken = context;
	taken->labels[taken->count++] = column_integer(&batch->columns[2], row, -7);
}

static void shows_the_rows_it_takes(void **state) {
	(void)state;
	struct failure failure;
	struct example_batch batch;
	struct taken taken = { .count = 0 };
	struct example_reader *reader = open_for(&untyped, NO_LABELS, three, 3, HAS_LABEL, &failure);
	example_reader_set_take(reader, take, &taken);
	assert_int_equal(example_reader_next(reader, 2, &batch, &failure), 1);
	assert_int_equal(taken.count, 2);
	assert_true(example_reader_ready(reader));
	assert_int_equal(example_reader_next(reader, 2, &batch, &failure), 1);
	assert_memory_equal(taken.labels, ((int64_t[]){ 2, 0, 1 }), 24);
	example_reader_close(reader);
}

static void write_row(struct writer *writer, int32_t id) {
	struct failure failure;
	builder_append_int32_list(writer_column(writer, 0), &id, 1);
	assert_int_equal(writer_end_row(writer, &failure), 0);
}

/* An eager reader gives what a pipe holds, and waits only for a first record. */
static void eager_batches_end_where_the_input_does(void **state) {
	(void)state;
	int ends[2];
	struct failure failure;
	struct schema schema = { 0 };
	struct stream_info info;
	struct example_batch batch;
	assert_int_equal(pipe(ends), 0);
	schema_add_int32_list(&schema, "input_ids");
	stream_info_init(&info);
	struct writer *writer = writer_open(ends[1], "pipe", &schema, &info, &failure);
	write_row(writer, 4);
	write_row(writer, 5);
	assert_int_equal(writer_flush(writer, &failure), 0);
	assert_int_equal(writer_flush(writer, &failure), 0); /* nothing is left to write */
	struct example_reader *reader = example_reader_open(reader_open(ends[0], "pipe", &failure), &untyped, NO_LABELS, 0,
		&failure);
	example_reader_set_eager(reader);
	assert_int_equal(example_reader_next(reader, 9, &batch, &failure), 1);
	assert_int_equal(batch.examples.B, 2);
	assert_false(example_reader_ready(reader));
	write_row(writer, 6);
	assert_int_equal(writer_flush(writer, &failure), 0);
	assert_true(example_reader_ready(reader));
	assert_int_equal(example_reader_next(reader, 9, &batch, &failure), 1);
	assert_int_equal(batch.examples.B, 1);
	assert_int_equal(writer_close(writer, &failure), 0);
	close(ends[1]);
	assert_true(example_reader_ready(reader));
	assert_int_equal(example_reader_next(reader, 9, &batch, &failure), 0);
	example_reader_close(reader);
	schema_clear(&schema);
	close(ends[0]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_out_what_has_no_row),
		cmocka_unit_test(keeps_positions),
		cmocka_unit_test(ends_batches_with_epochs),
		cmocka_unit_test(crosses_arrow_batches),
		cmocka_unit_test(model_without_types_ignores_them),
		cmocka_unit_test(digest_tells_inputs_apart),
		cmocka_unit_test(refuses_bad_records),
		cmocka_unit_test(reads_labels_of_records),
		cmocka_unit_test(reads_no_labels),
		cmocka_unit_test(keeps_the_first_token_of_a_class),
		cmocka_unit_test(shows_the_rows_it_takes),
		cmocka_unit_test(eager_batches_end_where_the_input_does),
	};
	return cmocka_run_group_tests_name("train/example_reader", tests, NULL, NULL);
}
