/* streams: opens and closes the streams of records on a filter's standard input and standard output. */
#ifndef CLOZE_CLI_STREAMS_H
#define CLOZE_CLI_STREAMS_H

#include <stdint.h>

#include "record/rewrite.h"
#include "record/stream.h"
#include "record/table.h"

#define OPTION_TABLE_MEMORY(value) \
	OPTION_TEXT("memory", value, "SIZE", "bytes of records to hold in memory (K, M, G); past it, a file in $TMPDIR", \
		.unrecorded = true)

/* The lineage entry of this program: its name, version and arguments, and `seed`, -1 for a tool without one.
 * json_decref() releases the arguments. */
struct lineage_entry this_stage(int64_t seed);

/* Adds the entry of this program to the lineage. */
void add_this_stage(struct stream_info *info, int64_t seed);

/* Opens a filter's writer on standard output: refuses a terminal, adds this tool to the lineage (seed -1: none), and
 * registers writer_poison() with on_failure(). Ends the program when it fails. */
struct writer *open_output_stream(const struct schema *schema, struct stream_info *info, int64_t seed);

/* The same for a stage that joins streams (record/join.h): `inputs`, unless it is NULL, becomes part of the entry. */
struct writer *open_joined_output_stream(const struct schema *schema, struct stream_info *info, json_t *inputs);
/* The same without an entry in the lineage. */
struct writer *open_untold_output_stream(const struct schema *schema, const struct stream_info *info);

/* Opens a filter's reader on the path, NULL for standard input. Ends the program when it fails, and with 64 when the
 * input is a terminal. */
struct reader *open_input_stream(const char *path);

/* The same on an open descriptor; `path` is its path, for messages. */
struct reader *open_stream(int descriptor, const char *path);

/* Reads a filter's whole input into a table: open_input_stream(), then table_read() with the limit of --memory. Ends the
 * program when it fails. */
struct table *open_input_table(const char *path, const char *memory, struct reader **reader);

/* Runs a whole stage that makes two lists of each record (record/rewrite.h): opens the output by open_output_stream(),
 * rewrites every record on the threads of the pool, shows progress, and closes the output. Returns the status for
 * main() to return. Ends the program when it fails. */
int rewrite_stream(const struct rewrite *rewrite, struct reader *reader, struct stream_info *info, int64_t seed,
	struct pool *pool);

/* Closes the writer of open_output_stream(), and standard output by finish_output(). Returns the status for main() to
 * return. */
int close_output_stream(struct writer *writer);

#endif
