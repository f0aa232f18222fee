/* streams: a filter's input and output, as streams of records on standard input and standard output. */
#ifndef CLOZE_CLI_STREAMS_H
#define CLOZE_CLI_STREAMS_H

#include <stdint.h>

#include "record/rewrite.h"
#include "record/stream.h"
#include "record/table.h"

#define OPTION_TABLE_MEMORY(value) \
	OPTION_TEXT("memory", value, "SIZE", "bytes of records to hold in memory (K, M, G); past it, a file in $TMPDIR", \
		.unrecorded = true)

/* This program as it was called, for a lineage; `seed` is -1 for a tool that has none. json_decref() releases the
 * arguments. */
struct lineage_entry this_stage(int64_t seed);

/* Adds this program to the lineage. */
void add_this_stage(struct stream_info *info, int64_t seed);

/* The writer of a filter on standard output: refuses a terminal, adds this tool to the lineage (seed -1: none),
 * opens, and registers writer_poison(). Ends the program where it cannot. */
struct writer *open_output_stream(const struct schema *schema, struct stream_info *info, int64_t seed);

/* The same for a stage that joins streams (record/join.h): `inputs`, if not NULL, goes into its entry. */
struct writer *open_joined_output_stream(const struct schema *schema, struct stream_info *info, json_t *inputs);
/* The same for a stage that leaves no trace: nothing is added to the lineage. */
struct writer *open_untold_output_stream(const struct schema *schema, const struct stream_info *info);

/* The reader of a filter: opens the path, NULL for standard input. Ends the program where it cannot, and with 64
 * where the input is a terminal. */
struct reader *open_input_stream(const char *path);

/* The table of a filter's whole input: open_input_stream(), then table_read() with the value of --memory. Refuses a terminal
 * as standard output. Ends the program where it cannot. */
struct table *open_input_table(const char *path, const char *memory, struct reader **reader);

/* A whole stage that makes two lists of each record, from the reader to the end of standard output: opens the output by
 * open_output_stream(), rewrites every record on the threads of the pool, shows progress, and closes. Returns main()'s
 * status. Ends the program where it cannot go on. */
int rewrite_stream(const struct rewrite *rewrite, struct reader *reader, struct stream_info *info, int64_t seed,
	struct pool *pool);

/* Closes the writer of open_output_stream() and unregisters writer_poison(), then closes standard output by
 * finish_output(). Returns main()'s status. */
int close_output_stream(struct writer *writer);

#endif
