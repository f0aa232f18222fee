/* table: a whole stream, whose rows are read by number, in bounded memory. For stages that must see all records
 * before they write the first.
 *
 * Rows are kept in memory up to a number of bytes, and beyond it in a temporary file in $TMPDIR (/tmp if that is not
 * set) that no other program sees. In both cases 8 bytes for each row are in memory. Where a row is kept affects only
 * the time to reach it. */
#ifndef CLOZE_RECORD_TABLE_H
#define CLOZE_RECORD_TABLE_H

#include "record/stream.h"

struct table;

#define TABLE_MEMORY "256M" /* a default for --memory */

/* Parses a SIZE: digits, then nothing or K, M or G for 1024, 1024^2 or 1024^3 bytes. -1: 64; the text names --memory.
 */
int table_parse_memory(const char *text, size_t *bytes, struct failure *failure);

/* Reads the stream to its end. `memory` bounds the bytes of rows held in memory. NULL: as reader_next(), and 73 or 74
 * for the temporary file. The reader stays open and must outlive the table. */
struct table *table_read(struct reader *reader, size_t memory, struct failure *failure);
/* Bytes of rows held in memory and in the temporary file. */
void table_bytes(const struct table *table, size_t *in_memory, size_t *in_file);
int64_t table_rows(const struct table *table);
/* A row, as a batch of one, with the reader's schema. It belongs to the table and lasts until the next call. NULL:
 * 74. */
const struct batch *table_row(struct table *table, int64_t row, struct failure *failure);
void table_free(struct table *table);

#endif
