/* All records are held in a table; the test records are written first, so that their file is in place before the
 * first train record leaves. Sizes are taken, rounded and refused as datasets.Dataset.train_test_split does. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/staged.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "math/random.h"
#include "record/columns.h"
#include "record/stream.h"
#include "record/table.h"

static const char *train_size_text;
static const char *test_size_text;
static const char *test_out;
static const char *memory = TABLE_MEMORY;
static int64_t seed = 0;
static bool no_shuffle;

static const struct option_entry options[] = {
	OPTION_TEXT("train-size", &train_size_text, "N|FRACTION",
		"records on standard output, a count or a fraction; without it, all but the test records"),
	OPTION_TEXT("test-size", &test_size_text, "N|FRACTION",
		"records in FILE, a count or a fraction; without either size, 0.25"),
	OPTION_TEXT("test-out", &test_out, "FILE", "where the test records go", .required = "a file for the test records"),
	OPTION_TABLE_MEMORY(&memory),
	OPTION_SEED(&seed),
	OPTION_FLAG("no-shuffle", &no_shuffle, "take the train records from the front, the test records after them"),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Splits records at random into train records, on standard output, and test records, in a file.",
	.example = "split-records --train-size 1000 --test-size 100 --seed 42 --test-out test.arrows < chunks.arrows"
		" > train.arrows",
};

/* A size as it was asked for. As in Python, 1 is a count and 1.0 a fraction. */
struct size { enum { SIZE_UNSAID, SIZE_COUNT, SIZE_FRACTION } kind; int64_t count; double fraction; };

static struct size parse_size(const char *option, const char *text) {
	struct size size = { SIZE_UNSAID, 0, 0 };
	char *end;
	if (text == NULL)
		return size;
	errno = 0;
	size.count = strtoll(text, &end, 10);
	size.kind = SIZE_COUNT;
	if (end == text || *end != '\0') {
		size.fraction = strtod(text, &end);
		size.kind = SIZE_FRACTION;
	}
	if (end == text || *end != '\0')
		die(EX_USAGE, "--%s: %s is neither a count nor a fraction (give 1000 or 0.1)", option, text);
	if (errno != 0 || (size.kind == SIZE_COUNT ? size.count <= 0 : !(size.fraction > 0 && size.fraction < 1)))
		die(EX_USAGE, "--%s: %s is out of range (a count above 0, or a fraction between 0 and 1)", option, text);
	return size;
}

static void check_count(const char *option, struct size size, int64_t records) {
	if (size.kind == SIZE_COUNT && size.count >= records)
		die(EX_DATAERR, "--%s: %lld is not less than the %lld records of the input (ask for fewer)", option,
			(long long)size.count, (long long)records);
}

struct counts { int64_t train, test; };

static struct counts count_records(struct size train, struct size test, int64_t records) {
	struct counts counts = { 0, 0 };
	if (records == 0) /* both empty, as the reference has it */
		return counts;
	check_count("test-size", test, records);
	check_count("train-size", train, records);
	counts.test = test.kind == SIZE_COUNT ? test.count : (int64_t)ceil(test.fraction * (double)records);
	counts.train = train.kind == SIZE_COUNT ? train.count : (int64_t)floor(train.fraction * (double)records);
	if (train.kind == SIZE_UNSAID)
		counts.train = records - counts.test;
	else if (test.kind == SIZE_UNSAID)
		counts.test = records - counts.train;
	if (counts.train > records - counts.test)
		die(EX_DATAERR, "--train-size, --test-size: %lld and %lld records are more than the %lld of the input"
			" (reduce either)", (long long)counts.train, (long long)counts.test, (long long)records);
	if (counts.train == 0)
		die(EX_DATAERR, "--train-size, --test-size: no train records are left of %lld (change either)",
			(long long)records);
	return counts;
}

static void write_rows(struct table *table, const int64_t *order, int64_t count, const struct carried *carried,
	struct writer *writer) {
	struct failure failure;
	for (int64_t i = 0; i < count; i++) {
		const struct batch *row = table_row(table, order[i], &failure);
		if (row == NULL)
			die_failure(&failure);
		carried_append(carried, row, 0, writer);
		check(writer_end_row(writer, &failure), &failure);
	}
}

static void write_test_file(struct table *table, const int64_t *order, const struct carried *carried,
	const struct schema *schema, const struct stream_info *info) {
	struct failure failure;
	struct staged *file = staged_file(test_out, &failure);
	if (file == NULL)
		die_failure(&failure);
	struct writer *writer = writer_open(staged_descriptor(file), test_out, schema, info, &failure);
	if (writer == NULL)
		die_failure(&failure);
	write_rows(table, order, info->records, carried, writer);
	check(writer_close(writer, &failure), &failure);
	check(staged_commit(file, &failure), &failure);
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct size train = parse_size("train-size", train_size_text), test = parse_size("test-size", test_size_text);
	if (train.kind == SIZE_FRACTION && test.kind == SIZE_FRACTION && train.fraction + test.fraction > 1)
		die(EX_USAGE, "--train-size, --test-size: %s and %s sum to more than 1 (reduce either)", train_size_text,
			test_size_text);
	if (train.kind == SIZE_UNSAID && test.kind == SIZE_UNSAID)
		test = (struct size){ SIZE_FRACTION, 0, 0.25 };

	struct reader *in;
	struct table *table = open_input_table(input, memory, &in);
	int64_t records = table_rows(table);
	struct counts counts = count_records(train, test, records);

	/* Shuffled, the test records come first in the permutation; unshuffled, last. */
	int64_t *order = allocate((size_t)records, sizeof *order);
	const int64_t *train_order = order + (no_shuffle ? 0 : counts.test);
	const int64_t *test_order = order + (no_shuffle ? counts.train : 0);
	struct pcg64 generator;
	pcg64_seed(&generator, (uint64_t)seed);
	if (!no_shuffle)
		pcg64_permutation(&generator, order, records);
	else
		for (int64_t i = 0; i < records; i++)
			order[i] = i;

	struct carried *carried = carried_create(reader_schema(in), (const char *const[]){ NULL }); /* every column */
	struct stream_info info;
	stream_info_copy(&info, reader_info(in));
	stream_info_set_records(&info, counts.train);
	struct writer *out = open_output_stream(reader_schema(in), &info, no_shuffle ? -1 : seed);
	stream_info_set_records(&info, counts.test);
	write_test_file(table, test_order, carried, reader_schema(in), &info);
	write_rows(table, train_order, counts.train, carried, out);

	free(order);
	carried_destroy(carried);
	stream_info_clear(&info);
	table_free(table);
	reader_close(in);
	return close_output_stream(out);
}
