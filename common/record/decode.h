/* decode: dictionary-encoded columns and views made plain, for this room's own use.
 *
 * polars writes strings as views; polars, pandas and R write categories as dictionaries. Stages see neither:
 * reader_schema() has the plain types, and the reader hands out such a batch as slices whose columns are plain. A
 * slice is about as large as a batch that cloze writes, since a few bytes of indices or views can stand for many.
 *
 * Source: Columnar.html, "Dictionary-encoded Layout", "Variable-size Binary View Layout", "Dictionary Messages". */
#ifndef CLOZE_RECORD_DECODE_H
#define CLOZE_RECORD_DECODE_H

#include "record/message.h"
#include "record/stream.h"

/* The schema with a plain type in the place of each encoded one. `to` need not be initialized. */
void schema_copy_plain(struct schema *to, const struct schema *from);

struct decoder; /* the dictionaries of a stream, as plain columns */

/* NULL where no column of the schema, which is borrowed, is encoded. */
struct decoder *decoder_create(const struct schema *schema);
void decoder_destroy(struct decoder *decoder);

/* The dictionary of a field of the schema, however deep; valid until the next decoder_add(). */
const struct column *decoder_find(const struct decoder *decoder, const struct field *field);

/* The values of the dictionary with that id, as a field; NULL: no column has it. */
const struct field *decoder_values(const struct decoder *decoder, int64_t id);

/* Adds values, loaded for the field of decoder_values(), to the dictionary that the message is about, in the place of
 * those before unless it is a delta. All dictionaries together may hold `limit` bytes. -1: 65, they would hold more,
 * or another field with that dictionary has values of another type. */
int decoder_add(struct decoder *decoder, const struct message *message, const struct column *values, size_t limit,
	const char *where, struct failure *failure);

/* The next rows of a batch, from *row on, as a batch of plain columns of the schema; *row moves on. NULL: 65, one row
 * is larger than `limit` bytes. */
struct batch *decode_slice(const struct schema *plain, const struct batch *batch, int64_t *row, size_t limit,
	const char *where, struct failure *failure);

#endif
