/* json_lines: records of JSON, one after the other, from a file of any length.
 *
 * A record is an object. Objects may stand a line each (JSON Lines), over several lines (a file printed for people),
 * or as the elements of one array around them all; whatever white space is between them says nothing. Every valid
 * JSON text of that shape is read (RFC 8259), and what Python's json module writes besides: NaN, Infinity and
 * -Infinity for numbers.
 *
 * A parser of our own, because jansson refuses numbers beyond int64, NaN and halves of surrogate pairs wherever they
 * stand, even where nobody asks for the value, and because it takes one text at a time, which cuts no array into
 * records. Here a number stays as it is written until somebody asks for it as an integer or a float, and a half of a
 * surrogate pair becomes U+FFFD, which is counted. Keys that stand twice in an object are refused where the key is
 * read: value_find(). */
#ifndef CLOZE_CORPUS_JSON_LINES_H
#define CLOZE_CORPUS_JSON_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/failure.h"
#include "corpus/inflate.h"

/* ---- values ------------------------------------------------------------------------------------------------ */

enum value_kind { VALUE_NULL, VALUE_FALSE, VALUE_TRUE, VALUE_NUMBER, VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT };

/* One value. The values of a record stand one after the other in an array: after an array or an object come its
 * elements or members, each with all that is in it. */
struct value {
	enum value_kind kind;
	uint32_t size;       /* values, this one and all that is in it: the next one is `size` further on */
	uint32_t count;      /* elements or members */
	uint32_t key_length, length;
	const char *key;     /* of a member of an object: key_length bytes and a NUL; there may be others in it */
	const char *text;    /* of a string its bytes, UTF-8, of a number its digits as written: `length` bytes and a NUL */
};

/* The first element or member of an array or object that has one, and the one after another. */
static inline const struct value *value_first(const struct value *value) {
	return value + 1;
}
static inline const struct value *value_after(const struct value *value) {
	return value + value->size;
}

/* The member of that name, NULL where there is none. *twice, if not NULL, becomes true where there are two. */
const struct value *value_find(const struct value *object, const char *key, bool *twice);

/* Whether a number is written without a point and an exponent, and is none of NaN and Infinity. */
bool value_is_whole(const struct value *number);
/* Such a number, where it fits. False: it does not. */
bool value_int64(const struct value *number, int64_t *result);
bool value_uint64(const struct value *number, uint64_t *result);
/* Any number, rounded to the nearest double: infinite where it is too large. */
double value_double(const struct value *number);

/* ---- records ----------------------------------------------------------------------------------------------- */

/* A record. Zero-initialize; json_record_clear() frees it. */
struct json_record {
	struct value *values; /* the first is the object */
	size_t count, capacity;
	struct bytes text;    /* what the values point to */
	int64_t line;         /* where it begins, from 1 */
	int64_t replaced;     /* halves of surrogate pairs that became U+FFFD */
};
void json_record_clear(struct json_record *record);

/* Set `input`, `name` (for messages) and `limit`, and zero the rest; free(joined.data) at the end. */
struct json_reader {
	struct inflate_reader *input;
	const char *name;
	size_t limit;         /* bytes of a record, at most; below 2^32 */
	int64_t line;         /* where the reader is; 0: at the beginning */
	enum { JSON_BARE, JSON_ARRAY_BEGUN, JSON_AFTER_ELEMENT, JSON_AFTER_COMMA, JSON_AFTER_ARRAY } around;
	struct bytes joined;  /* a record that lies in two blocks */
};

/* Reads the next record, replacing what was there, and not a byte more. A byte order mark before the first is passed
 * over. Returns 1, 0 at the end, -1: 65 for what is not JSON, not an object, longer than the limit, or cut short; or
 * as inflate_peek(). */
int json_next(struct json_reader *reader, struct json_record *record, struct failure *failure);

#endif
