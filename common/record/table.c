/* The batches as they were read, and the number of the first row of each. */
#include "record/table.h"

#include <stdlib.h>

#include "cli/cli.h"

struct table {
	size_t column_count;
	size_t count, room;
	struct batch **batches;
	int64_t *starts; /* [count]; the row after the last is `rows` */
	int64_t rows;
};

struct table *table_read(struct reader *reader, struct failure *failure) {
	struct table *table = allocate(1, sizeof *table);
	struct batch *batch;
	int more;
	table->column_count = reader_schema(reader)->count;
	while ((more = reader_next(reader, &batch, failure)) > 0) {
		if (table->count == table->room) {
			table->room = table->room * 2 + 16;
			table->batches = grow(table->batches, table->room, sizeof *table->batches);
			table->starts = grow(table->starts, table->room, sizeof *table->starts);
		}
		table->batches[table->count] = batch;
		table->starts[table->count++] = table->rows;
		table->rows += batch->rows;
	}
	if (more == 0)
		return table;
	table_free(table);
	return NULL;
}

int64_t table_rows(const struct table *table) {
	return table->rows;
}

void table_append(const struct table *table, int64_t row, struct writer *writer) {
	size_t low = 0, high = table->count; /* the batch is in [low, high) */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (table->starts[middle] <= row)
			low = middle;
		else
			high = middle;
	}
	for (size_t i = 0; i < table->column_count; i++)
		builder_append_rows(writer_column(writer, i), &table->batches[low]->columns[i], row - table->starts[low], 1);
}

void table_free(struct table *table) {
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->count; i++)
		batch_free(table->batches[i]);
	free(table->batches);
	free(table->starts);
	free(table);
}
