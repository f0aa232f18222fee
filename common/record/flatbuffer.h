/* flatbuffer: the serialization that Arrow's metadata is in, as far as Arrow needs it.
 *
 * Source: https://flatbuffers.dev/internals/. A table is reached by an offset; in front of its fields it has the
 * distance to its vtable, which tells where each field lies, or that it is missing. Integers are little-endian.
 *
 * The reader is made for bytes that nobody vouches for. Each function checks what it follows; what lies outside the
 * bytes is reported once, in `damage`, and read as missing from then on, so that a caller may look only at the end.
 * What a walk can cost is bounded by a budget in proportion to the size: offsets may share a target, so that a few
 * bytes could otherwise describe a tree without end. */
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

/* The field with that number: a signed integer (or boolean) of `width` bytes, `missing` where it is not there. */
int64_t flat_integer(const struct flat_table *table, int field, int width, int64_t missing);
/* A string's bytes, not ended by NUL, within the reader's bytes. NULL where it is not there. */
const char *flat_text(const struct flat_table *table, int field, size_t *length);
struct flat_table flat_table(const struct flat_table *table, int field);
/* A vector of structs, scalars or (4 bytes each) tables; its elements lie within the bytes. */
struct flat_vector flat_vector(const struct flat_table *table, int field, size_t element_size);
struct flat_table flat_element(const struct flat_vector *vector, size_t index);

/* The 64-bit integer that lies at a place within the bytes: parts of a vector's structs. */
int64_t flat_int64_at(const uint8_t *place);

/* ---- writing ------------------------------------------------------------------------------------------- */

/* Tables are appended in front of what they point to, and linked to it when it is there. Places are offsets from the
 * start of `out`; alignment counts from there too. */

/* A table whose field i takes widths[i] bytes (1, 2, 4 or 8; 0: missing), all zero. Returns its place. */
size_t flat_add_table(struct bytes *out, const uint8_t *widths, size_t count);
void flat_set(struct bytes *out, size_t table, int field, int64_t value, int width);
/* The place of a field that is to hold an offset. */
size_t flat_slot(const struct bytes *out, size_t table, int field);
/* Makes the offset at `slot` lead to `target`. */
void flat_link(struct bytes *out, size_t slot, size_t target);
size_t flat_add_text(struct bytes *out, const char *text, size_t length);
/* A vector of zeros. Its elements begin 4 bytes after the place returned, aligned to their size, at most 8. */
size_t flat_add_vector(struct bytes *out, size_t count, size_t element_size);

#endif
