/* shuffle-records: writes records in random order. It holds them in a table and follows a permutation of their
 * numbers. */
#include <stdlib.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "math/random.h"
#include "record/columns.h"
#include "record/stream.h"
#include "record/table.h"

static int64_t epochs = 1;
static const char *memory = TABLE_MEMORY;
static int64_t seed = 0;

static const struct option_entry options[] = {
	OPTION_INTEGER("epochs", &epochs, 1, INT32_MAX, "N", "times to repeat the records, each time in a new order"),
	OPTION_TABLE_MEMORY(&memory),
	OPTION_SEED(&seed),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Writes records in a random order, once or several times.",
	.example = "shuffle-records --epochs 3 --seed 1 < train.arrows > epochs.arrows",
};

static void write_epochs(struct table *table, const struct carried *carried, size_t epoch_column,
	struct writer *out) {
	int64_t rows = table_rows(table);
	int64_t *order = allocate((size_t)rows, sizeof *order);
	struct pcg64 generator;
	struct failure failure;
	pcg64_seed(&generator, (uint64_t)seed);
	for (int64_t epoch = 1; epoch <= epochs; epoch++) {
		pcg64_permutation(&generator, order, rows);
		for (int64_t i = 0; i < rows; i++) {
			const struct batch *row = must((void *)(uintptr_t)table_row(table, order[i], &failure), &failure);
			carried_append(carried, row, 0, out);
			builder_append_integer(writer_column(out, epoch_column), epoch);
			check(writer_end_row(out, &failure), &failure);
		}
	}
	free(order);
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct reader *in;
	refuse_terminal(); /* before the input is read, which may take long */
	struct table *table = open_input_table(input, memory, &in);

	/* The columns of the input, except an `epoch` of an earlier shuffle, then our `epoch`. */
	struct carried *carried = carried_create(reader_schema(in), (const char *const[]){ "epoch", NULL });
	struct schema schema = { 0 };
	carried_add_fields(carried, &schema);
	schema_add_int(&schema, "epoch", 32);
	struct stream_info info;
	struct failure failure;
	stream_info_copy(&info, reader_info(in));
	check(stream_info_set_epochs(&info, epochs, table_rows(table), &failure), &failure);
	struct writer *out = open_output_stream(&schema, &info, seed);

	write_epochs(table, carried, schema.count - 1, out);
	carried_destroy(carried);
	stream_info_clear(&info);
	schema_clear(&schema);
	table_free(table);
	reader_close(in);
	return close_output_stream(out);
}
