/* flatbuffer: the serialization of Arrow's metadata, as far as Arrow uses it.
 *
 * Source: https://flatbuffers.dev/internals/. An offset leads to a table. The table begins with the distance to its
 * vtable, which gives the place of each field in the table, or 0 for a missing field. Integers are little-endian.
 *
 * The reader is made for untrusted bytes. Each function checks the offsets that it follows. The first one that leads
 * outside the bytes is described in `damage`, and everything that is damaged reads as missing, so that a caller may
 * check `damage` once at the end. Offsets may share a target, so that a few bytes could describe a tree of any size;
 * a budget in proportion to the size bounds the cost of a walk. */
#ifndef CLOZE_RECORD_FLATBUFFER_H
#define CLOZE_RECORD_FLATBUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* ---- reading ------------------------------------------------------------------------------------------- */

struct flat_reader {
	const uint8_t *bytes;
	size_t size;
	size_t budget;      /* bytes that may still be visited */
	const char *damage; /* what is wrong, in words; NULL: nothing so far */
};

struct flat_table { struct flat_reader *reader; size_t at, size, vtable, vtable_size; }; /* at 0: missing */
struct flat_vector { struct flat_reader *reader; size_t at, count; };                    /* at: of element 0 */

/* The bytes are borrowed for the reader's life. */
void flat_reader_init(struct flat_reader *reader, const void *bytes, size_t size);
struct flat_table flat_root(struct flat_reader *reader);

/* The value of an integer or boolean field of `width` bytes; one byte is unsigned, others are signed. `missing` where
 * the table does not have the field. */
int64_t flat_integer(const struct flat_table *table, int field, int width, int64_t missing);
/* A string field, which points into the reader's bytes and has no NUL at its end. NULL: missing. */
const char *flat_text(const struct flat_table *table, int field, size_t *length);
struct flat_table flat_table(const struct flat_table *table, int field);
/* A vector of structs, of scalars, or of tables (4 bytes each). All its elements lie within the bytes. */
struct flat_vector flat_vector(const struct flat_table *table, int field, size_t element_size);
struct flat_table flat_element(const struct flat_vector *vector, size_t index);

/* The 64-bit integer at a place within the bytes, such as a member of a vector's struct. */
int64_t flat_int64_at(const uint8_t *place);

/* ---- writing ------------------------------------------------------------------------------------------- */

/* A table is appended before the things that it points to, and linked to each when it is appended. Places are offsets
 * from the start of `out`, and alignment is relative to it. */

/* A table whose field i takes widths[i] bytes (1, 2, 4 or 8; 0: missing), all zero. Returns its place. */
size_t flat_add_table(struct bytes *out, const uint8_t *widths, size_t count);
void flat_set(struct bytes *out, size_t table, int field, int64_t value, int width);
/* The place of a field that will hold an offset. */
size_t flat_slot(const struct bytes *out, size_t table, int field);
/* Sets the offset at `slot` so that it leads to `target`. */
void flat_link(struct bytes *out, size_t slot, size_t target);
size_t flat_add_text(struct bytes *out, const char *text, size_t length);
/* A vector of zeros. Its elements begin 4 bytes after the place returned, aligned to their size, at most 8. */
size_t flat_add_vector(struct bytes *out, size_t count, size_t element_size);

#endif
