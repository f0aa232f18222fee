/* schema: the columns of a stream, as the Arrow format describes them.
 *
 * Source: Apache Arrow columnar format, https://arrow.apache.org/docs/format/Columnar.html, and its Schema.fbs.
 * Every type whose layout is made of validity bits, fixed-width values, offsets and children passes through a stage
 * unchanged. Dictionaries and views of strings and bytes are read as the plain types of their values. Unions, run-end
 * encoding and views of lists are refused where a stream is opened. */
#ifndef CLOZE_RECORD_SCHEMA_H
#define CLOZE_RECORD_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

/* The numbers of the `Type` union in Schema.fbs. */
enum type_id {
	TYPE_NULL = 1, TYPE_INT = 2, TYPE_FLOAT = 3, TYPE_BINARY = 4, TYPE_UTF8 = 5, TYPE_BOOL = 6, TYPE_DECIMAL = 7,
	TYPE_DATE = 8, TYPE_TIME = 9, TYPE_TIMESTAMP = 10, TYPE_INTERVAL = 11, TYPE_LIST = 12, TYPE_STRUCT = 13,
	TYPE_UNION = 14, TYPE_FIXED_SIZE_BINARY = 15, TYPE_FIXED_SIZE_LIST = 16, TYPE_MAP = 17, TYPE_DURATION = 18,
	TYPE_LARGE_BINARY = 19, TYPE_LARGE_UTF8 = 20, TYPE_LARGE_LIST = 21, TYPE_RUN_END_ENCODED = 22,
	TYPE_BINARY_VIEW = 23, TYPE_UTF8_VIEW = 24, TYPE_LIST_VIEW = 25, TYPE_LARGE_LIST_VIEW = 26
};

struct type {
	enum type_id id;
	int bit_width;    /* of a value: int, float, decimal, time, ... */
	bool is_signed;   /* of an int */
	int unit;         /* of a date, time, timestamp, interval or duration, as Schema.fbs numbers it */
	int precision, scale; /* of a decimal */
	int32_t size;     /* of a fixed-size binary or list: bytes or elements a row */
	bool keys_sorted; /* of a map */
	char *timezone;   /* of a timestamp; NULL: none */
};

struct key_value { char *key, *value; size_t value_length; }; /* both end in NUL; a value may hold others */
struct key_values { size_t count; struct key_value *pairs; };

/* How the rows of a dictionary-encoded column are stored: as indices into a dictionary, which comes in messages of
 * its own. */
struct dictionary_encoding { int64_t id; int index_width; bool index_signed; }; /* width in bits; 0: not encoded */

struct field {
	char *name;
	bool nullable;
	struct type type;   /* of a dictionary-encoded column: that of the dictionary's values */
	struct dictionary_encoding dictionary; /* only in a stream's own schema, not in what reader_schema() returns */
	size_t child_count;
	struct field *children;
	struct key_values metadata; /* extension types live here */
};

struct schema {
	size_t count;
	struct field *fields;
	struct key_values metadata; /* keys other than `cloze`, which struct stream_info holds */
};

/* Makes a deep copy in `to`, which need not be initialized. */
void schema_copy(struct schema *to, const struct schema *from);
/* Frees what the schema points to, not the struct itself. */
void schema_clear(struct schema *schema);

/* Adds a deep copy of the field at the end. */
void schema_add(struct schema *schema, const struct field *field);
/* Add a nullable column of a type that cloze writes. */
void schema_add_int(struct schema *schema, const char *name, int bit_width);
void schema_add_utf8(struct schema *schema, const char *name);
void schema_add_int32_list(struct schema *schema, const char *name);
void schema_add_float_list(struct schema *schema, const char *name, int bit_width); /* 16 or 32 */

/* The index of the first column of that name; -1: there is none. */
int schema_find(const struct schema *schema, const char *name);

/* The type in words: "list<int32>", "timestamp[us, UTC]". free() releases it. */
char *type_text(const struct field *field);

#endif
