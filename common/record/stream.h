/* stream: reading and writing the streams that tools exchange, Apache Arrow's IPC streaming format.
 *
 * Source: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc,
 * Message.fbs. cloze-records(5) describes what cloze adds. In short: a schema message, record batches with checksums,
 * an empty last batch with the number of records, the end-of-stream marker. A stream without the marker was cut
 * short, and is refused. */
#ifndef CLOZE_RECORD_STREAM_H
#define CLOZE_RECORD_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "record/column.h"
#include "record/info.h"
#include "record/schema.h"

/* ---- reading ------------------------------------------------------------------------------------------- */

struct batch {
	int64_t rows;
	struct column *columns; /* one a field of the reader's schema */
};
void batch_free(struct batch *batch); /* with the memory its columns point into; NULL is allowed */

struct reader;

/* Reads the schema from the descriptor. `name` is the input's name in messages. NULL: 65 for anything but a stream
 * that stages take, 74 for a failed read. */
struct reader *reader_open(int descriptor, const char *name, struct failure *failure);
void reader_close(struct reader *reader);

const char *reader_name(const struct reader *reader);
const struct schema *reader_schema(const struct reader *reader);     /* owned by the reader */
const struct stream_info *reader_info(const struct reader *reader);  /* owned by the reader */

/* Reads the next batch that has rows; the caller frees it by batch_free(). Returns 1 with a batch, or 0 with *batch
 * NULL at the end-of-stream marker. -1: 65, with the number of records before it in the text, 74, or 69 for
 * compressed batches where cloze was built without the library. */
int reader_next(struct reader *reader, struct batch **batch, struct failure *failure);

/* Lets something else interrupt a wait for input: when `descriptor` is readable before or while the reader waits,
 * `woken` is called; it must make the descriptor unreadable, or return -1, described in *failure, for the read to
 * fail. 0 goes on reading: nothing is lost. (cli/signals.h has such a descriptor.) A descriptor of -1: nothing
 * interrupts. */
struct reader_wake {
	int descriptor;
	int (*woken)(void *context, struct failure *failure);
	void *context;
};
void reader_set_wake(struct reader *reader, struct reader_wake wake);

/* Whether reader_next() need not wait: more has arrived than the start of a message, which is sent along with the
 * message before it, or the input has ended. */
bool reader_ready(const struct reader *reader);

/* Records read so far: in the batches that reader_next() returned. */
int64_t reader_records(const struct reader *reader);

/* How many records the whole stream holds: counted, by reading the headers ahead, for a regular file; for another
 * input what its metadata claims, which a stage of another writer may pass on although it drops records. -1: not
 * known before the end. */
int64_t reader_total(struct reader *reader);

/* How many batches of at most `size` records the whole stream makes when no batch holds records of two epochs: the
 * sum, over the runs of records with an equal value in the column `epoch`, of records / size rounded up. A stream
 * without that column is one epoch. The runs of a regular file are counted, by reading it once more from where the
 * stream begins; those of another input are taken from the metadata. -1: not known before the end. */
int64_t reader_batches(struct reader *reader, int64_t size);

/* The index of the column of that name, which must be a list of integers or of floats, an integer, or a string. -1: 65;
 * the text gives the column, the type that was found, and which tools write it. */
int reader_find_int_list(const struct reader *reader, const char *name, struct failure *failure);
int reader_find_float_list(const struct reader *reader, const char *name, struct failure *failure);
int reader_find_int(const struct reader *reader, const char *name, struct failure *failure);
int reader_find_text(const struct reader *reader, const char *name, struct failure *failure);

/* ---- writing ------------------------------------------------------------------------------------------- */

struct writer;

/* Writes the schema. Schema and info are copied. NULL: 74 or 73; 65 for a schema beyond the limits in
 * cloze-records(5). */
struct writer *writer_open(int descriptor, const char *name, const struct schema *schema,
	const struct stream_info *info, struct failure *failure);

/* The builder of a column. A row is made by appending one value to each builder, then calling writer_end_row(). */
struct builder *writer_column(struct writer *writer, size_t column);

/* Ends a row. Batches are cut by rows and bytes alone, so that the bytes written do not depend on how the input
 * was batched. -1: 74 or 73; 65 for a record of more than 2 GiB. */
int writer_end_row(struct writer *writer, struct failure *failure);

/* Writes the rows that were ended and not written yet, for a stage whose input has no more for the moment. How the
 * stream is cut into batches then depends on the time. -1: 74 or 73. */
int writer_flush(struct writer *writer, struct failure *failure);

/* Rows written so far. */
int64_t writer_records(const struct writer *writer);

/* Writes the remaining rows, the totals and the end-of-stream marker, and frees the writer; the descriptor stays
 * open. Must be called only after the stage has read its own input to the end-of-stream marker. -1: 74 or 73. */
int writer_close(struct writer *writer, struct failure *failure);

/* For on_failure(): writes, where it still can, the length of a message that does not follow, so that readers tell a
 * stage that failed from one that was killed. `writer` is a struct writer *; it is not freed. */
void writer_poison(void *writer);

#endif
