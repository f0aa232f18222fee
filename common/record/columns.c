/* Two lists of numbers: the columns carried, and where they go. */
#include "record/columns.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

struct carried {
	const struct schema *schema; /* of the input */
	size_t *columns, count;
	size_t first; /* the output's column that the first of them becomes */
};

static bool is_listed(const char *name, const char *const *names) {
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

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

void carried_destroy(struct carried *carried) {
	free(carried->columns);
	free(carried);
}
