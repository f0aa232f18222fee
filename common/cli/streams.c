/* streams: opens and closes the streams of records on a filter's standard input and standard output. */
#include "cli/streams.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "record/join.h"

struct lineage_entry this_stage(int64_t seed) {
	return (struct lineage_entry){ program_name(), program_version(), program_arguments(), seed };
}

void add_this_stage(struct stream_info *info, int64_t seed) {
	struct lineage_entry stage = this_stage(seed);
	stream_info_add_stage(info, &stage);
	json_decref(stage.arguments);
}

struct writer *open_output_stream(const struct schema *schema, struct stream_info *info, int64_t seed) {
	add_this_stage(info, seed);
	return open_untold_output_stream(schema, info);
}

struct writer *open_joined_output_stream(const struct schema *schema, struct stream_info *info, json_t *inputs) {
	add_this_stage(info, -1);
	if (inputs != NULL)
		stream_info_set_inputs(info, inputs);
	return open_untold_output_stream(schema, info);
}

struct writer *open_untold_output_stream(const struct schema *schema, const struct stream_info *info) {
	struct failure failure;
	refuse_terminal();
	struct writer *writer = must(writer_open(STDOUT_FILENO, "standard output", schema, info, &failure),
		&failure);
	on_failure(writer_poison, writer);
	return writer;
}

struct reader *open_stream(int descriptor, const char *path) {
	struct failure failure;
	if (isatty(descriptor))
		die(EX_USAGE, "%s: a terminal gives no binary records (pipe them in from another stage, or name a file; "
			"rec-load reads JSON lines, and imdb-read text)", input_name(path));
	return must(reader_open(descriptor, input_name(path), &failure), &failure);
}

struct reader *open_input_stream(const char *path) {
	return open_stream(open_input(path), path);
}

struct table *open_input_table(const char *path, const char *memory, struct reader **reader) {
	struct failure failure;
	size_t bytes, in_memory, in_file;
	check(table_parse_memory(memory, &bytes, &failure), &failure);
	*reader = open_input_stream(path);
	struct table *table = must(table_read(*reader, bytes, &failure), &failure);
	table_bytes(table, &in_memory, &in_file);
	if (verbose)
		note("%" PRId64 " records, %zu bytes in memory, %zu in a file", table_rows(table), in_memory, in_file);
	return table;
}

int close_output_stream(struct writer *writer) {
	struct failure failure;
	on_failure(NULL, NULL); /* a writer that fails to close is freed, and must not be poisoned */
	check(writer_close(writer, &failure), &failure);
	return finish_output();
}

int rewrite_stream(const struct rewrite *rewrite, struct reader *reader, struct stream_info *info, int64_t seed,
	struct pool *pool) {
	struct failure failure;
	struct rewriter *rewriter = rewriter_create(rewrite, reader);
	struct writer *writer = open_output_stream(rewriter_schema(rewriter), info, seed);
	while (check(rewriter_step(rewriter, writer, pool, &failure), &failure) == 1)
		progress(writer_records(writer), info->records, "records", NULL);
	progress_end();
	rewriter_destroy(rewriter);
	return close_output_stream(writer);
}
