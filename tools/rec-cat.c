/* rec-cat: the records of several streams become one stream.
 *
 * All inputs are opened first, so that columns, vocabularies and lineages are compared before the first record is
 * written. */
#include <stdlib.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "record/join.h"
#include "record/stream.h"

static const struct option_entry options[] = { OPTION_PROGRESS, OPTION_END };

static const struct usage usage = {
	.operands = "[FILE]...",
	.summary = "Joins streams of the same columns and the same vocabulary, one after the other.",
	.example = "rec-cat chunks-*.arrows > chunks.arrows",
};

struct input {
	struct reader *reader;
	size_t *columns; /* where the columns of the first stream are in this one */
};

static void open_input_streams(char **paths, struct input *inputs, size_t count) {
	struct failure failure;
	for (size_t i = 0; i < count; i++) {
		bool standard = paths[i] == NULL || (paths[i][0] == '-' && paths[i][1] == '\0');
		inputs[i].reader = open_input_stream(standard ? NULL : paths[i]);
		const struct schema *first = reader_schema(inputs[0].reader);
		inputs[i].columns = allocate(first->count, sizeof *inputs[i].columns);
		check(match_columns(first, reader_schema(inputs[i].reader), reader_name(inputs[i].reader), inputs[i].columns,
			&failure), &failure);
	}
}

/* A stream that split-records --shards had cut is whole again, as if it had never been: this stage leaves no trace. */
static struct writer *open_output(const struct input *inputs, size_t count) {
	struct stream_info *infos = allocate(count, sizeof *infos);
	const char **names = allocate(count, sizeof *names);
	const struct schema *schema = reader_schema(inputs[0].reader);
	struct joined joined;
	struct failure failure;
	for (size_t i = 0; i < count; i++) {
		infos[i] = *reader_info(inputs[i].reader); /* borrowed */
		names[i] = reader_name(inputs[i].reader);
	}
	check(join_infos(infos, names, count, &joined, &failure), &failure);
	struct writer *out = joined.whole ? open_untold_output_stream(schema, &joined.info)
		: open_joined_output_stream(schema, &joined.info, joined.inputs);
	joined_clear(&joined);
	free(infos);
	free(names);
	return out;
}

static void copy_records(const struct input *input, struct writer *out) {
	size_t columns = reader_schema(input->reader)->count;
	struct batch *batch;
	struct failure failure;
	while (check(reader_next(input->reader, &batch, &failure), &failure) > 0) {
		for (int64_t row = 0; row < batch->rows; row++) {
			for (size_t i = 0; i < columns; i++)
				builder_append_rows(writer_column(out, i), &batch->columns[input->columns[i]], row, 1);
			check(writer_end_row(out, &failure), &failure);
		}
		batch_free(batch);
		progress(writer_records(out), -1, "records", NULL);
	}
}

int main(int argc, char **argv) {
	int first = parse_options(argc, argv, &usage, options);
	size_t count = first < argc ? (size_t)(argc - first) : 1; /* argv ends in NULL, which is standard input */
	struct input *inputs = allocate(count, sizeof *inputs);
	refuse_terminal();
	open_input_streams(argv + first, inputs, count);
	struct writer *out = open_output(inputs, count);
	for (size_t i = 0; i < count; i++)
		copy_records(&inputs[i], out);
	progress_end();
	for (size_t i = 0; i < count; i++) {
		reader_close(inputs[i].reader);
		free(inputs[i].columns);
	}
	free(inputs);
	return close_output_stream(out);
}
