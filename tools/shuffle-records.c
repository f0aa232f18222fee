/* All batches are held in memory; an order is a permutation of the numbers of their rows. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "math/random.h"
#include "record/columns.h"
#include "record/stream.h"

static int64_t epochs = 1;
static int64_t seed = 0;

static const struct option_entry options[] = {
	OPTION_INTEGER("epochs", &epochs, 1, INT32_MAX, "N", "times to repeat the records, each time in a new order"),
	OPTION_SEED(&seed),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Writes records in a random order, once or several times over.",
	.example = "shuffle-records --epochs 3 --seed 1 < train.arrows > epochs.arrows",
};

/* The batches of a stream; rows of batch b are numbered from starts[b]. */
struct batches { struct batch **held; int64_t *starts; size_t count, room; int64_t rows; };

static struct batches read_batches(struct reader *in) {
	struct batches batches = { 0 };
	struct batch *batch;
	struct failure failure;
	while (check(reader_next(in, &batch, &failure), &failure) == 1) {
		if (batches.count == batches.room) {
			batches.room = batches.room * 2 + 16;
			batches.held = grow(batches.held, batches.room, sizeof *batches.held);
			batches.starts = grow(batches.starts, batches.room, sizeof *batches.starts);
		}
		batches.held[batches.count] = batch;
		batches.starts[batches.count++] = batches.rows;
		batches.rows += batch->rows;
	}
	return batches;
}

static void free_batches(struct batches *batches) {
	for (size_t i = 0; i < batches->count; i++)
		batch_free(batches->held[i]);
	free(batches->held);
	free(batches->starts);
}

/* The batch that holds the row. */
static size_t find_batch(const struct batches *batches, int64_t row) {
	size_t low = 0, high = batches->count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (batches->starts[middle] <= row)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void write_epochs(const struct batches *batches, const struct carried *carried, size_t epoch_column,
	struct writer *out) {
	int64_t *order = allocate((size_t)batches->rows, sizeof *order);
	struct pcg64 generator;
	struct failure failure;
	pcg64_seed(&generator, (uint64_t)seed);
	for (int64_t epoch = 1; epoch <= epochs; epoch++) {
		pcg64_permutation(&generator, order, batches->rows);
		for (int64_t i = 0; i < batches->rows; i++) {
			size_t b = find_batch(batches, order[i]);
			carried_append(carried, batches->held[b], order[i] - batches->starts[b], out);
			builder_append_integer(writer_column(out, epoch_column), epoch);
			check(writer_end_row(out, &failure), &failure);
		}
	}
	free(order);
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	refuse_terminal(STDOUT_FILENO); /* before the long read */
	struct reader *in = open_input_stream(input);
	struct batches batches = read_batches(in);

	/* The input's columns first, without an `epoch` from an earlier shuffle, then ours. */
	struct carried *carried = carried_create(reader_schema(in), (const char *const[]){ "epoch", NULL });
	struct schema schema = { 0 };
	carried_add_fields(carried, &schema);
	schema_add_int(&schema, "epoch", 32);
	struct stream_info info;
	stream_info_copy(&info, reader_info(in));
	if (__builtin_mul_overflow(batches.rows, epochs, &info.records))
		die(EX_USAGE, "--epochs: %lld times %lld records are too many to count (ask for fewer)", (long long)epochs,
			(long long)batches.rows);
	struct writer *out = open_output_stream(&schema, &info, seed);

	write_epochs(&batches, carried, schema.count - 1, out);
	carried_destroy(carried);
	stream_info_clear(&info);
	schema_clear(&schema);
	free_batches(&batches);
	reader_close(in);
	return close_output_stream(out);
}
