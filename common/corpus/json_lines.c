/* json_lines: first the end of a record is found, by its braces; then the record, now in one piece, is parsed. */
#include "corpus/json_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "corpus/lines.h"

enum { DEPTH_LIMIT = 2048 };

/* ---- values ------------------------------------------------------------------------------------------------ */

const struct value *value_find(const struct value *object, const char *key, bool *twice) {
	const struct value *found = NULL, *member = value_first(object);
	size_t length = strlen(key);
	for (size_t i = 0; i < object->count; i++, member = value_after(member)) {
		if (member->key_length != length || memcmp(member->key, key, length) != 0)
			continue;
		if (found != NULL && twice != NULL)
			*twice = true;
		found = member;
	}
	return found;
}

bool value_is_whole(const struct value *number) {
	return strpbrk(number->text, ".eENI") == NULL;
}

bool value_int64(const struct value *number, int64_t *result) {
	errno = 0;
	*result = strtoll(number->text, NULL, 10);
	return errno == 0;
}

bool value_uint64(const struct value *number, uint64_t *result) {
	errno = 0;
	*result = strtoull(number->text, NULL, 10);
	return errno == 0 && number->text[0] != '-';
}

double value_double(const struct value *number) {
	return strtod(number->text, NULL);
}

/* ---- parsing ----------------------------------------------------------------------------------------------- */

struct parser {
	const char *at, *end;
	struct json_record *record;
	char *out;          /* where the next text goes in the record's buffer, which is as long as what is parsed */
	const char *reason; /* of a failure */
};

static bool refuse(struct parser *parser, const char *reason) {
	parser->reason = reason;
	return false;
}

static void skip_space(struct parser *parser) {
	while (parser->at < parser->end && is_space(*parser->at))
		parser->at++;
}

/* The character at hand; 0 at the end. */
static char peek(const struct parser *parser) {
	return parser->at < parser->end ? *parser->at : '\0';
}

static bool take(struct parser *parser, char wanted) {
	bool found = peek(parser) == wanted;
	parser->at += found;
	return found;
}

static bool take_word(struct parser *parser, const char *word) {
	size_t length = strlen(word);
	bool found = (size_t)(parser->end - parser->at) >= length && memcmp(parser->at, word, length) == 0;
	parser->at += found ? length : 0;
	return found;
}

static int hex_digit(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four hexadecimal digits of an escape; -1: there are none. */
static int32_t take_hex(struct parser *parser) {
	int32_t unit = 0;
	for (int i = 0; i < 4; i++, parser->at++) {
		char c = peek(parser);
		if (hex_digit(c) < 0)
			return -1;
		unit = unit * 16 + hex_digit(c);
	}
	return unit;
}

/* After \u: one code point of one unit, or of two where they are a surrogate pair. */
static bool take_code_point(struct parser *parser) {
	int32_t unit = take_hex(parser);
	if (unit < 0)
		return refuse(parser, "an escape \\u without four hexadecimal digits");
	uint32_t point = (uint32_t)unit;
	if (unit >= 0xd800 && unit < 0xe000) {
		const char *after = parser->at;
		int32_t low = unit < 0xdc00 && take_word(parser, "\\u") ? take_hex(parser) : -1;
		point = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
		if (low < 0xdc00 || low > 0xdfff) { /* half a pair; what follows it stands for itself */
			parser->at = after;
			parser->record->replaced++;
			point = 0xfffd;
		}
	}
	parser->out += utf8_encode(point, parser->out);
	return true;
}

static bool take_escape(struct parser *parser) {
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	if (take(parser, 'u'))
		return take_code_point(parser);
	const char *letter = peek(parser) != '\0' ? strchr(letters, peek(parser)) : NULL;
	if (letter == NULL)
		return refuse(parser, "an escape that JSON does not have");
	parser->at++;
	*parser->out++ = meanings[letter - letters];
	return true;
}

/* ASCII that stands for itself in a string. */
static bool is_plain(char c) {
	return (unsigned char)c >= ' ' && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

static bool take_character(struct parser *parser) {
	uint32_t point;
	if (take(parser, '\\'))
		return take_escape(parser);
	if (parser->at == parser->end)
		return refuse(parser, "it ends within a string");
	if ((unsigned char)*parser->at < ' ')
		return refuse(parser, *parser->at == '\n' ? "a string that the line's end cuts off (a quote is missing, or a "
			"line end in it is not escaped)" : "a control character in a string that is not escaped");
	size_t taken = utf8_decode(parser->at, (size_t)(parser->end - parser->at), &point);
	if (point == UTF8_INVALID)
		return refuse(parser, "bytes that are not UTF-8 (convert it: iconv -f WINDOWS-1252 -t UTF-8)");
	memcpy(parser->out, parser->at, taken);
	parser->out += taken;
	parser->at += taken;
	return true;
}

/* After the first quote, to the last. */
static bool take_string(struct parser *parser, const char **text, uint32_t *length) {
	*text = parser->out;
	while (!take(parser, '"')) {
		const char *run = parser->at;
		while (run < parser->end && is_plain(*run))
			run++;
		memcpy(parser->out, parser->at, (size_t)(run - parser->at));
		parser->out += run - parser->at;
		parser->at = run;
		if (peek(parser) != '"' && !take_character(parser))
			return false;
	}
	*length = (uint32_t)(parser->out - *text);
	*parser->out++ = '\0';
	return true;
}

static bool take_digits(struct parser *parser) {
	const char *first = parser->at;
	while (peek(parser) >= '0' && peek(parser) <= '9')
		parser->at++;
	return parser->at > first;
}

static bool take_number(struct parser *parser, struct value *value) {
	const char *first = parser->at;
	bool minus = take(parser, '-');
	if (!take_word(parser, "Infinity") && (minus || !take_word(parser, "NaN"))) {
		if (!take(parser, '0') && !take_digits(parser))
			return refuse(parser, "a value that is none of JSON's");
		if (take(parser, '.') && !take_digits(parser))
			return refuse(parser, "a number that ends in a point");
		if (take(parser, 'e') || take(parser, 'E')) {
			if (!take(parser, '+'))
				take(parser, '-');
			if (!take_digits(parser))
				return refuse(parser, "a number with an exponent of no digits");
		}
	}
	value->kind = VALUE_NUMBER;
	value->text = parser->out;
	value->length = (uint32_t)(parser->at - first);
	memcpy(parser->out, first, value->length);
	parser->out += value->length;
	*parser->out++ = '\0';
	return true;
}

static const char cut_short[] = "it ends within an object or array";
static bool parse_value(struct parser *parser, int depth, struct value start);

/* After the opening bracket or brace: elements or members to the closing one. The value is number `index`. */
static bool parse_inside(struct parser *parser, int depth, size_t index) {
	struct json_record *record = parser->record;
	bool object = record->values[index].kind == VALUE_OBJECT;
	char closing = object ? '}' : ']';
	skip_space(parser);
	for (bool first = true; !take(parser, closing); first = false) {
		struct value start = { .kind = VALUE_NULL };
		if (parser->at == parser->end)
			return refuse(parser, cut_short);
		if (!first && !take(parser, ','))
			return refuse(parser, "no comma where one is due");
		skip_space(parser);
		if (object) {
			if (!take(parser, '"'))
				return refuse(parser, "a key that is not a string");
			if (!take_string(parser, &start.key, &start.key_length))
				return false;
			skip_space(parser);
			if (!take(parser, ':'))
				return refuse(parser, "a key without a colon");
		}
		if (!parse_value(parser, depth + 1, start))
			return false;
		record->values[index].count++;
		skip_space(parser);
	}
	record->values[index].size = (uint32_t)(record->count - index);
	return true;
}

/* `start` holds the key, where there is one. */
static bool parse_value(struct parser *parser, int depth, struct value start) {
	struct json_record *record = parser->record;
	if (depth > DEPTH_LIMIT)
		return refuse(parser, "it is nested deeper than 2048");
	if (record->count == record->capacity)
		record->values = grow(record->values, record->capacity = record->capacity * 2 + 16, sizeof *record->values);
	size_t index = record->count++;
	struct value *value = &record->values[index];
	*value = start;
	value->size = 1;
	skip_space(parser);
	if (parser->at == parser->end)
		return refuse(parser, cut_short);
	if (take(parser, '{') || take(parser, '[')) {
		value->kind = parser->at[-1] == '{' ? VALUE_OBJECT : VALUE_ARRAY;
		return parse_inside(parser, depth, index);
	}
	if (take(parser, '"')) {
		value->kind = VALUE_STRING;
		return take_string(parser, &value->text, &value->length);
	}
	if (take_word(parser, "true"))
		value->kind = VALUE_TRUE;
	else if (take_word(parser, "false"))
		value->kind = VALUE_FALSE;
	else if (!take_word(parser, "null"))
		return take_number(parser, value);
	return true;
}

static int parse_record(struct json_reader *reader, struct json_record *record, const char *bytes, size_t length,
	struct failure *failure) {
	record->count = 0;
	record->replaced = 0;
	record->line = reader->line;
	record->text.size = 0; /* no text is longer than it is written, and quotes make up for NULs */
	struct parser parser = { .at = bytes, .end = bytes + length, .record = record,
		.out = (char *)bytes_extend(&record->text, length + 1) };
	bool parsed = parse_value(&parser, 0, (struct value){ .kind = VALUE_NULL });
	/* what is cut short is named by the line where it begins */
	int64_t line = reader->line + (parser.at < parser.end ? count_newlines(bytes, (size_t)(parser.at - bytes)) : 0);
	reader->line += count_newlines(bytes, length);
	return parsed ? 1 : fail(failure, EX_DATAERR, "%s: line %" PRId64 ": not JSON: %s", reader->name, line,
		parser.reason);
}

void json_record_clear(struct json_record *record) {
	free(record->values);
	free(record->text.data);
}

/* ---- where a record ends ----------------------------------------------------------------------------------- */

/* How far the search for the closing brace has come; what is wrong within is for the parser to tell. */
struct search { size_t depth; bool in_string, escaped; };

/* Returns how many of the bytes belong to the record. *found: it ends with them. */
static size_t find_end(struct search *search, const char *bytes, size_t length, bool *found) {
	for (size_t i = 0; i < length; i++) {
		char c = bytes[i];
		if (search->escaped) {
			search->escaped = false;
		} else if (search->in_string) {
			while (is_plain(c) && i + 1 < length)
				c = bytes[++i];
			search->escaped = c == '\\';
			search->in_string = c != '"';
		} else if (c == '"') {
			search->in_string = true;
		} else if (c == '{' || c == '[') {
			search->depth++;
		} else if (c == '}' || c == ']') {
			search->depth--;
		}
		if ((*found = search->depth == 0 || (search->in_string && c == '\n'))) /* no string goes past a line's end */
			return i + 1;
	}
	return length;
}

/* The input stands at an opening brace. Shows the record, in the block or, where it goes on in the next one, in
 * `joined`; *shown is what is to be skipped after it. */
static int find_record(struct json_reader *reader, const char **record, size_t *length, size_t *shown,
	struct failure *failure) {
	struct search search = { 0 };
	bool found = false;
	reader->joined.size = *shown = 0;
	while (!found) {
		const char *bytes;
		ptrdiff_t got = inflate_peek(reader->input, &bytes, failure);
		if (got < 0)
			return -1;
		size_t part = find_end(&search, bytes, (size_t)got, &found);
		if (reader->joined.size + part > reader->limit)
			return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": a record of more than %zu bytes (at most that are "
				"taken)", reader->name, reader->line, reader->limit);
		if (found && reader->joined.size == 0) {
			*record = bytes;
			*length = *shown = part;
			return 0;
		}
		if (got == 0)
			break;
		bytes_append(&reader->joined, bytes, part);
		inflate_skip(reader->input, part);
	}
	*record = bytes_text(&reader->joined);
	*length = reader->joined.size;
	return 0;
}

/* ---- what is between records ------------------------------------------------------------------------------- */

/* Takes a bracket or a comma around the records, where it may stand. */
static bool take_around(struct json_reader *reader, char c, bool first) {
	bool in_array = reader->around == JSON_ARRAY_BEGUN || reader->around == JSON_AFTER_ELEMENT;
	if (first && c == '[')
		reader->around = JSON_ARRAY_BEGUN;
	else if (c == ']' && in_array)
		reader->around = JSON_AFTER_ARRAY;
	else if (c == ',' && reader->around == JSON_AFTER_ELEMENT)
		reader->around = JSON_AFTER_COMMA;
	else
		return false;
	return true;
}

static int refuse_between(const struct json_reader *reader, struct failure *failure) {
	static const char *const reasons[] = {
		[JSON_BARE] = "not a JSON object (a record is an object, {\"key\": value})",
		[JSON_ARRAY_BEGUN] = "an element of the array is not a JSON object (a record is an object, {\"key\": value})",
		[JSON_AFTER_ELEMENT] = "no comma between two elements of the array",
		[JSON_AFTER_COMMA] = "an element of the array is not a JSON object (a record is an object, {\"key\": value})",
		[JSON_AFTER_ARRAY] = "more after the end of the array (give one array, or objects without one)",
	};
	return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": %s", reader->name, reader->line, reasons[reader->around]);
}

/* Goes to the opening brace of the next record. Returns 1, 0 at the end, -1. */
static int find_begin(struct json_reader *reader, bool first, struct failure *failure) {
	const char *bytes;
	ptrdiff_t got;
	while ((got = inflate_peek(reader->input, &bytes, failure)) > 0) {
		size_t at = 0;
		for (; at < (size_t)got && bytes[at] != '{'; at++) {
			char c = bytes[at];
			reader->line += c == '\n';
			if (is_space(c))
				continue;
			if (!take_around(reader, c, first))
				return refuse_between(reader, failure);
			first = false;
		}
		inflate_skip(reader->input, at);
		if (at == (size_t)got)
			continue;
		if (reader->around == JSON_AFTER_ARRAY || reader->around == JSON_AFTER_ELEMENT)
			return refuse_between(reader, failure);
		if (reader->around != JSON_BARE)
			reader->around = JSON_AFTER_ELEMENT;
		return 1;
	}
	if (got == 0 && reader->around != JSON_BARE && reader->around != JSON_AFTER_ARRAY)
		return fail(failure, EX_DATAERR, "%s: line %" PRId64 ": cut short within the array (no ] at its end)",
			reader->name, reader->line);
	return (int)got;
}

int json_next(struct json_reader *reader, struct json_record *record, struct failure *failure) {
	const char *bytes = NULL;
	size_t length = 0, shown = 0;
	bool first = reader->line == 0;
	if (first) {
		reader->line = 1;
		if (skip_byte_order_mark(reader->input, failure) < 0)
			return -1;
	}
	int result = find_begin(reader, first, failure);
	if (result <= 0)
		return result;
	if (find_record(reader, &bytes, &length, &shown, failure) < 0
		|| parse_record(reader, record, bytes, length, failure) < 0)
		return -1;
	inflate_skip(reader->input, shown);
	return 1;
}
