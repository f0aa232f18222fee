/* table: a whole stream held in memory, its rows within reach by number. For stages that must see all records before
 * they write the first. */
#ifndef CLOZE_RECORD_TABLE_H
#define CLOZE_RECORD_TABLE_H

#include "record/stream.h"

struct table;

/* Reads to the end. NULL: as reader_next(). The reader stays open and must outlive the table. */
struct table *table_read(struct reader *reader, struct failure *failure);
int64_t table_rows(const struct table *table);
/* Appends the row's values to the writer's first columns, which have the reader's schema; the caller adds any columns
 * of its own and ends the row. */
void table_append(const struct table *table, int64_t row, struct writer *writer);
void table_free(struct table *table);

#endif
