/* columns: carrying the columns that a stage does not know from its input to its output.
 *
 *     struct carried *carried = carried_create(reader_schema(in), (const char *[]){ "input_ids", "labels", NULL });
 *     carried_add_fields(carried, &schema);          // after the stage's own fields
 *     ...
 *     carried_append(carried, batch, row, writer);   // a row */
#ifndef CLOZE_RECORD_COLUMNS_H
#define CLOZE_RECORD_COLUMNS_H

#include "record/stream.h"

struct carried;

/* All columns of the schema, which is borrowed, except those in `known`, a list that ends with NULL. A name in it
 * that the schema does not have is ignored. */
struct carried *carried_create(const struct schema *schema, const char *const *known);
/* Adds their fields to the output's schema, and remembers where they start there. */
void carried_add_fields(struct carried *carried, struct schema *schema);
/* Appends a row's values to the writer's columns. */
void carried_append(const struct carried *carried, const struct batch *batch, int64_t row, struct writer *writer);

/* A copy of a row's values for carried_append_kept(), as one builder for each column. carried_forget() frees it. */
struct builder **carried_keep(const struct carried *carried, const struct batch *batch, int64_t row);
void carried_append_kept(const struct carried *carried, struct builder *const *kept, struct writer *writer);
void carried_forget(const struct carried *carried, struct builder **kept);

void carried_destroy(struct carried *carried);

#endif
