/* split-records: splits records into a train and a test set, or into shards.
 *
 * All records are held in a table. The test records are written first, so that their file is in place before the first
 * train record is written. Sizes are rounded and refused as by datasets.Dataset.train_test_split(). */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/staged.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "math/random.h"
#include "record/columns.h"
#include "record/join.h"
#include "record/stream.h"
#include "record/table.h"

static const char *train_size_text;
static const char *test_size_text;
static const char *test_out;
static const char *memory = TABLE_MEMORY;
static int64_t seed = 0;
static bool no_shuffle;
static const char *stratify;
static int64_t shards = 0;
static const char *prefix;

/* Shards end at batches of group-texts, so that it drops the same remainders as for the whole input. */
enum { SHARD_UNIT = 1000, MOST_SHARDS = 512 };

static const struct option_entry options[] = {
	OPTION_TEXT("train-size", &train_size_text, "N|FRACTION",
		"train records, a count or a fraction; by default all but the test records"),
	OPTION_TEXT("test-size", &test_size_text, "N|FRACTION",
		"test records, a count or a fraction; 0.25 if neither size is given"),
	OPTION_TEXT("test-out", &test_out, "FILE", "file for the test records; required without --shards"),
	OPTION_TABLE_MEMORY(&memory),
	OPTION_SEED(&seed),
	OPTION_FLAG("no-shuffle", &no_shuffle, "take the first records for training, and the next ones for the test"),
	OPTION_TEXT("stratify", &stratify, "NAME", "keep the distribution of this column's values in both sets"),
	OPTION_INTEGER("shards", &shards, 1, MOST_SHARDS, "N", "write all records to N files, in their order"),
	OPTION_TEXT("out", &prefix, "PREFIX", "beginning of the names of the shards"),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Splits records at random into train records, on standard output, and test records, in a file; "
		"or into shards.",
	.example = "split-records --train-size 1000 --test-size 100 --seed 42 --test-out test.arrows < chunks.arrows"
		" > train.arrows",
};

/* The value of a size option. As in Python, 1 is a count and 1.0 is a fraction. */
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
	if (records == 0) /* both sets are empty, as in the reference */
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

/* ---- strata ---------------------------------------------------------------------------------------------- */

struct labeled { int64_t label, row; };

/* The records sorted by class, with classes ascending, and in their order within each class. */
struct strata { struct labeled *rows; int64_t *sizes; size_t count; };

static int by_label(const void *left, const void *right) {
	const struct labeled *a = left, *b = right;
	return a->label != b->label ? (a->label > b->label) - (a->label < b->label)
		: (a->row > b->row) - (a->row < b->row);
}

/* Sorts the records by the column; a null counts as -1. */
static struct strata sort_strata(struct table *table, int column, int64_t records) {
	struct strata strata = { .rows = allocate((size_t)records, sizeof *strata.rows) };
	struct failure failure;
	for (int64_t i = 0; i < records; i++) {
		const struct batch *row = must((void *)(uintptr_t)table_row(table, i, &failure), &failure);
		strata.rows[i] = (struct labeled){ column_integer(&row->columns[column], 0, -1), i };
	}
	qsort(strata.rows, (size_t)records, sizeof *strata.rows, by_label);
	for (int64_t i = 0; i < records; i++) {
		if (i == 0 || strata.rows[i].label != strata.rows[i - 1].label) {
			strata.sizes = grow(strata.sizes, strata.count + 1, sizeof *strata.sizes);
			strata.sizes[strata.count++] = 0;
		}
		strata.sizes[strata.count - 1]++;
	}
	return strata;
}

static void check_strata(const struct strata *strata, struct counts counts) {
	int64_t row = 0;
	for (size_t i = 0; i < strata->count; row += strata->sizes[i++])
		if (strata->sizes[i] < 2)
			die(EX_DATAERR, "--stratify: only one record has the %s %" PRId64 " (each value needs two; select-records "
				"leaves it out)", stratify, strata->rows[row].label);
	if (counts.train < (int64_t)strata->count || counts.test < (int64_t)strata->count)
		die(EX_DATAERR, "--train-size, --test-size: %lld and %lld records for the %zu values of %s (each needs one in "
			"both)", (long long)counts.train, (long long)counts.test, strata->count, stratify);
}

/* Gives one more record to each class whose share has this remainder; if there are fewer records left than such
 * classes, to randomly chosen ones. Returns how many records are then left. */
static int64_t give_to_ties(struct pcg64 *generator, const double *remainders, size_t count, double remainder,
	int64_t left, int64_t *drawn) {
	size_t *ties = allocate(count, sizeof *ties), found = 0;
	int64_t *chosen = allocate(count, sizeof *chosen);
	for (size_t i = 0; i < count; i++)
		if (remainders[i] == remainder)
			ties[found++] = i;
	int64_t now = (int64_t)found < left ? (int64_t)found : left;
	pcg64_choose(generator, chosen, now, (int64_t)found);
	for (int64_t i = 0; i < now; i++)
		drawn[ties[chosen[i]]]++;
	free(ties);
	free(chosen);
	return left - now;
}

/* Computes how many of `draws` records to take from each class: its share rounded down, and one more for the largest
 * remainders. Source: approximate_mode() of scikit-learn, which datasets uses. */
static void share_out(struct pcg64 *generator, const int64_t *sizes, size_t count, int64_t draws, int64_t *drawn) {
	double *remainders = allocate(count, sizeof *remainders);
	int64_t total = 0, left = draws;
	for (size_t i = 0; i < count; i++)
		total += sizes[i];
	for (size_t i = 0; i < count; i++) {
		double share = (double)(draws * sizes[i]) / (double)total;
		drawn[i] = (int64_t)floor(share);
		remainders[i] = share - floor(share);
		left -= drawn[i];
	}
	for (double last = 2, largest; left > 0; last = largest) {
		largest = -1;
		for (size_t i = 0; i < count; i++)
			if (remainders[i] < last && remainders[i] > largest)
				largest = remainders[i];
		left = give_to_ties(generator, remainders, count, largest, left, drawn);
	}
	free(remainders);
}

static void shuffle(struct pcg64 *generator, int64_t *rows, int64_t count) {
	int64_t *order = allocate((size_t)count, sizeof *order), *copy = allocate((size_t)count, sizeof *copy);
	pcg64_permutation(generator, order, count);
	if (count > 0)
		memcpy(copy, rows, (size_t)count * sizeof *copy);
	for (int64_t i = 0; i < count; i++)
		rows[i] = copy[order[i]];
	free(order);
	free(copy);
}

/* Fills `order` with the test records, then the train records, as selected by
 * train_test_split(stratify_by_column=...). */
static void order_strata(const struct strata *strata, struct counts counts, struct pcg64 *generator, int64_t *order) {
	int64_t *train = allocate(strata->count, sizeof *train), *test = allocate(strata->count, sizeof *test);
	int64_t *left = allocate(strata->count, sizeof *left), *test_end = order, *train_end = order + counts.test;
	share_out(generator, strata->sizes, strata->count, counts.train, train);
	for (size_t i = 0; i < strata->count; i++)
		left[i] = strata->sizes[i] - train[i];
	share_out(generator, left, strata->count, counts.test, test);
	const struct labeled *rows = strata->rows;
	for (size_t i = 0; i < strata->count; rows += strata->sizes[i++]) {
		int64_t *permutation = allocate((size_t)strata->sizes[i], sizeof *permutation);
		pcg64_permutation(generator, permutation, strata->sizes[i]);
		for (int64_t j = 0; j < train[i]; j++)
			*train_end++ = rows[permutation[j]].row;
		for (int64_t j = train[i]; j < train[i] + test[i]; j++)
			*test_end++ = rows[permutation[j]].row;
		free(permutation);
	}
	shuffle(generator, order + counts.test, counts.train);
	shuffle(generator, order, counts.test);
	free(train);
	free(test);
	free(left);
}

/* Orders the records. Test records come first if they are selected at random, and last otherwise. */
static int64_t *order_records(struct table *table, const struct reader *in, struct counts counts) {
	int64_t records = table_rows(table);
	int64_t *order = allocate((size_t)records, sizeof *order);
	struct pcg64 generator;
	struct failure failure;
	pcg64_seed(&generator, (uint64_t)seed);
	if (stratify != NULL) {
		struct strata strata = sort_strata(table, check(reader_find_int(in, stratify, &failure), &failure), records);
		check_strata(&strata, counts);
		order_strata(&strata, counts, &generator, order);
		free(strata.rows);
		free(strata.sizes);
	} else if (!no_shuffle) {
		pcg64_permutation(&generator, order, records);
	} else {
		for (int64_t i = 0; i < records; i++)
			order[i] = i;
	}
	return order;
}

/* ---- output ---------------------------------------------------------------------------------------------- */

static void write_rows(struct table *table, const int64_t *order, int64_t count, const struct carried *carried,
	struct writer *writer) {
	struct failure failure;
	for (int64_t i = 0; i < count; i++) {
		const struct batch *row = must((void *)(uintptr_t)table_row(table, order[i], &failure), &failure);
		carried_append(carried, row, 0, writer);
		check(writer_end_row(writer, &failure), &failure);
	}
}

/* Writes records to a file that is staged until the caller commits it. */
static struct staged *write_file_of(struct table *table, const char *path, const int64_t *order, int64_t count,
	const struct carried *carried, const struct reader *in, const struct stream_info *info) {
	struct failure failure;
	struct staged *file = must(staged_file(path, &failure), &failure);
	struct writer *writer = must(writer_open(staged_descriptor(file), path, reader_schema(in), info, &failure),
		&failure);
	write_rows(table, order, count, carried, writer);
	check(writer_close(writer, &failure), &failure);
	return file;
}

static int write_split(struct table *table, struct reader *in, struct size train, struct size test) {
	struct counts counts = count_records(train, test, table_rows(table));
	int64_t *order = order_records(table, in, counts);
	const int64_t *train_order = order + (no_shuffle ? 0 : counts.test);
	const int64_t *test_order = order + (no_shuffle ? counts.train : 0);
	struct carried *carried = carried_create(reader_schema(in), (const char *const[]){ NULL }); /* every column */
	struct stream_info info;
	struct failure failure;
	stream_info_copy(&info, reader_info(in));
	stream_info_set_records(&info, counts.train);
	struct writer *out = open_output_stream(reader_schema(in), &info, no_shuffle ? -1 : seed);
	stream_info_set_records(&info, counts.test);
	check(staged_commit(write_file_of(table, test_out, test_order, counts.test, carried, in, &info), &failure),
		&failure);
	write_rows(table, train_order, counts.train, carried, out);
	free(order);
	carried_destroy(carried);
	stream_info_clear(&info);
	return close_output_stream(out);
}

/* The first record of a shard. Units of SHARD_UNIT records are distributed evenly. */
static int64_t shard_start(int64_t shard, int64_t records) {
	int64_t units = (records + SHARD_UNIT - 1) / SHARD_UNIT, start = units * shard / shards * SHARD_UNIT;
	return start < records ? start : records;
}

static struct staged *write_shard(struct table *table, struct reader *in, int64_t shard, const int64_t *order,
	const struct carried *carried) {
	int64_t first = shard_start(shard, table_rows(table)), count = shard_start(shard + 1, table_rows(table)) - first;
	struct lineage_entry stage = this_stage(-1);
	struct stream_info info;
	stream_info_copy(&info, reader_info(in));
	/* A count that the input does not have would make the joined shards differ from the input. */
	stream_info_set_records(&info, reader_info(in)->records < 0 ? -1 : count);
	stream_info_add_shard(&info, &stage, shard, shards);
	char *path = format_text("%s-%05lld-of-%05lld.arrows", prefix, (long long)shard, (long long)shards);
	struct staged *file = write_file_of(table, path, order + first, count, carried, in, &info);
	json_decref(stage.arguments);
	stream_info_clear(&info);
	free(path);
	return file;
}

/* Writes the shards, which appear when all of them are written. */
static int write_shards(struct table *table, struct reader *in) {
	struct carried *carried = carried_create(reader_schema(in), (const char *const[]){ NULL });
	int64_t *order = allocate((size_t)table_rows(table), sizeof *order);
	struct staged *files[MOST_SHARDS];
	struct failure failure;
	for (int64_t i = 0; i < table_rows(table); i++)
		order[i] = i;
	for (int64_t shard = 0; shard < shards; shard++)
		files[shard] = write_shard(table, in, shard, order, carried);
	for (int64_t shard = 0; shard < shards; shard++)
		check(staged_commit(files[shard], &failure), &failure);
	carried_destroy(carried);
	free(order);
	return finish_output();
}

/* ---- options --------------------------------------------------------------------------------------------- */

static void check_options(struct size train, struct size test) {
	bool splitting = test_out != NULL || train.kind != SIZE_UNSAID || test.kind != SIZE_UNSAID || no_shuffle
		|| stratify != NULL;
	if (shards > 0 && splitting)
		die(EX_USAGE, "--shards: the records stay in order, and all are written (leave out the options of the train "
			"and test set)");
	if ((shards > 0) != (prefix != NULL))
		die(EX_USAGE, shards > 0 ? "--out is missing (give what the names of the shards begin with)"
			: "--out: only with --shards (standard output has the train records)");
	if (shards == 0 && test_out == NULL)
		die(EX_USAGE, "--test-out is missing (give a file for the test records)");
	if (stratify != NULL && no_shuffle)
		die(EX_USAGE, "--stratify, --no-shuffle: strata are drawn by chance (leave one out)");
	if (train.kind == SIZE_FRACTION && test.kind == SIZE_FRACTION && train.fraction + test.fraction > 1)
		die(EX_USAGE, "--train-size, --test-size: %s and %s sum to more than 1 (reduce either)", train_size_text,
			test_size_text);
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct size train = parse_size("train-size", train_size_text), test = parse_size("test-size", test_size_text);
	check_options(train, test);
	if (train.kind == SIZE_UNSAID && test.kind == SIZE_UNSAID)
		test = (struct size){ SIZE_FRACTION, 0, 0.25 };
	struct reader *in;
	if (shards == 0) /* which are written to files */
		refuse_terminal();
	struct table *table = open_input_table(input, memory, &in);
	int status = shards > 0 ? write_shards(table, in) : write_split(table, in, train, test);
	table_free(table);
	reader_close(in);
	return status;
}
