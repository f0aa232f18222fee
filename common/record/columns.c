/* columns.c: the numbers of the columns carried, in the input and in the output. */
#include "record/columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/words.h"

struct carried {
	const struct schema *schema; /* of the input */
	size_t *columns, count;
	size_t first; /* the number of the first one in the output; the others follow it */
};

struct carried *carried_create(const struct schema *schema, const char *const *known) {
	struct carried *carried = allocate(1, sizeof *carried);
	*carried = (struct carried){ .schema = schema, .columns = allocate(schema->count, sizeof *carried->columns) };
	for (size_t i = 0; i < schema->count; i++)
		if (!is_listed(schema->fields[i].name, known))
			carried->columns[carried->count++] = i;
	return carried;
}

void carried_add_fields(struct carried *carried, struct schema *schema) {
	carried->first = schema->count;
	for (size_t i = 0; i < carried->count; i++)
		schema_add(schema, &carried->schema->fields[carried->columns[i]]);
}

void carried_append(const struct carried *carried, const struct batch *batch, int64_t row, struct writer *writer) {
	for (size_t i = 0; i < carried->count; i++)
		builder_append_rows(writer_column(writer, carried->first + i), &batch->columns[carried->columns[i]], row, 1);
}

struct builder **carried_keep(const struct carried *carried, const struct batch *batch, int64_t row) {
	struct builder **kept = allocate(carried->count, sizeof *kept);
	for (size_t i = 0; i < carried->count; i++) {
		kept[i] = builder_create(&carried->schema->fields[carried->columns[i]]);
		builder_append_rows(kept[i], &batch->columns[carried->columns[i]], row, 1);
	}
	return kept;
}

void carried_append_kept(const struct carried *carried, struct builder *const *kept, struct writer *writer) {
	for (size_t i = 0; i < carried->count; i++) {
		struct column column;
		builder_view(kept[i], &column);
		builder_append_rows(writer_column(writer, carried->first + i), &column, 0, 1);
		column_clear(&column);
	}
}

void carried_forget(const struct carried *carried, struct builder **kept) {
	for (size_t i = 0; i < carried->count; i++)
		builder_destroy(kept[i]);
	free(kept);
}

void carried_destroy(struct carried *carried) {
	free(carried->columns);
	free(carried);
}
