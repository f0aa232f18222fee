/* vocabulary_json: finds the object by the keys on the way to it, copies what is around it, and reads its members one
 * by one. An object whose key is written with escapes is left to the general reader. */
#include "text/vocabulary_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "base/memory.h"
#include "base/utf8.h"

/* ---- finding it ------------------------------------------------------------------------------------------ */

/* Past the string that begins at `at`; its raw content is what lies between the quotes. */
static size_t skip_string(const char *text, size_t length, size_t at) {
	for (at++; at < length && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at < length ? at + 1 : length;
}

static bool is_key(const char *text, size_t from, size_t to, const char *key) {
	return to - from == strlen(key) + 2 && memcmp(text + from + 1, key, strlen(key)) == 0;
}

/* Where the content of the object `model.vocab` begins, past its brace; `length` where there is none. */
static size_t find_vocabulary(const char *text, size_t length) {
	int depth = 0;
	bool model = false, vocabulary = false; /* the last string at depth 1, or 2, was that key */
	for (size_t at = 0; at < length;) {
		if (text[at] == '"') {
			size_t past = skip_string(text, length, at);
			if (depth == 1)
				model = is_key(text, at, past, "model");
			if (depth == 2)
				vocabulary = model && is_key(text, at, past, "vocab");
			at = past;
			continue;
		}
		depth += (text[at] == '{' || text[at] == '[') - (text[at] == '}' || text[at] == ']');
		if (text[at++] == '{' && depth == 3 && vocabulary)
			return at;
	}
	return length;
}

/* ---- reading it ------------------------------------------------------------------------------------------ */

#define SHORTEST_MEMBER 5    /* bytes, as `"":0,`: the file's length bounds the ids of tokens that are numbered from 0 up */
#define MOST_GAPS (1 << 17)  /* ids that need not have a token: they take memory that the file does not pay for */

/* What is left to read, the list it goes into, and where the next text that has escapes is decoded to. */
struct cursor {
	const char *at, *end;
	struct token_list *list;
	size_t capacity; /* of list->tokens */
	char *decoded;
};

static void skip_space(struct cursor *cursor) {
	while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\r'
		|| *cursor->at == '\t'))
		cursor->at++;
}

static bool skip_character(struct cursor *cursor, char character) {
	skip_space(cursor);
	if (cursor->at == cursor->end || *cursor->at != character)
		return false;
	cursor->at++;
	return true;
}

static bool read_hex(struct cursor *cursor, uint32_t *value) {
	*value = 0;
	if (cursor->end - cursor->at < 4)
		return false;
	for (int i = 0; i < 4; i++, cursor->at++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = *cursor->at == '\0' ? NULL : strchr(digits, *cursor->at >= 'A' && *cursor->at <= 'F'
			? *cursor->at | 0x20 : *cursor->at);
		if (digit == NULL)
			return false;
		*value = *value << 4 | (uint32_t)(digit - digits);
	}
	return true;
}

/* The code point of the escape after a backslash; a NUL is refused. */
static bool read_escape(struct cursor *cursor, uint32_t *point) {
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	if (cursor->at == cursor->end || *cursor->at == '\0')
		return false;
	char name = *cursor->at++;
	uint32_t low;
	if (name != 'u') {
		const char *found = strchr(names, name);
		*point = found ? (unsigned char)values[found - names] : 0;
		return found != NULL;
	}
	if (!read_hex(cursor, point))
		return false;
	if (*point >= 0xd800 && *point < 0xdc00) {
		if (cursor->end - cursor->at < 2 || cursor->at[0] != '\\' || cursor->at[1] != 'u')
			return false;
		cursor->at += 2;
		if (!read_hex(cursor, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		*point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
	}
	return *point != 0 && (*point < 0xd800 || *point > 0xdfff);
}

#define EACH(byte) ((byte) * 0x0101010101010101u)

/* The first of eight bytes that is not plain ASCII, counted from the first in memory: a control character, a quote, a
 * backslash, or one past 0x7f; 8: all are plain. The subtractions can only be wrong about bytes after that one. */
static inline size_t first_not_plain(const char *bytes) {
	uint64_t eight, quote, backslash;
	memcpy(&eight, bytes, sizeof eight);
	quote = eight ^ EACH('"');
	backslash = eight ^ EACH('\\');
	uint64_t found = (((quote - EACH(1)) & ~quote) | ((backslash - EACH(1)) & ~backslash)
		| ((eight - EACH(0x20)) & ~eight) | eight) & EACH(0x80);
	return found == 0 ? 8 : (size_t)__builtin_ctzll(found) / 8;
}

static bool is_plain(char byte) {
	return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x80 && byte != '"' && byte != '\\';
}

/* Past the code points that are plain, or not ASCII and valid. */
static const char *skip_plain(const char *at, const char *end) {
	uint32_t point;
	for (size_t taken;; at += taken) {
		while (end - at >= 8 && (taken = first_not_plain(at)) > 0)
			at += taken;
		while (end - at < 8 && at < end && is_plain(*at))
			at++;
		if (at == end || (unsigned char)*at < 0x80)
			return at;
		taken = utf8_decode(at, (size_t)(end - at), &point);
		if (point == UTF8_INVALID)
			return at;
	}
}

/* Decodes the rest of a string that has something other than plain characters. False: damaged. */
static bool decode_string(struct cursor *cursor, size_t plain, struct token_text *string) {
	struct token_list *list = cursor->list;
	uint32_t point;
	if (list->decoded == NULL) /* no escape is shorter than what it stands for */
		list->decoded = cursor->decoded = grow(NULL, (size_t)(cursor->end - string->text), 1);
	char *to = cursor->decoded;
	memcpy(to, string->text, plain);
	for (to += plain; cursor->at < cursor->end && *cursor->at != '"';) {
		size_t taken = utf8_decode(cursor->at, (size_t)(cursor->end - cursor->at), &point);
		if (point == UTF8_INVALID || point < 0x20)
			return false;
		cursor->at += taken;
		if (point == '\\' && !read_escape(cursor, &point))
			return false;
		to += utf8_encode(point, to);
	}
	*string = (struct token_text){ cursor->decoded, (size_t)(to - cursor->decoded) };
	cursor->decoded = to;
	return true;
}

static bool read_string(struct cursor *cursor, struct token_text *string) {
	if (!skip_character(cursor, '"'))
		return false;
	const char *past = skip_plain(cursor->at, cursor->end);
	*string = (struct token_text){ cursor->at, (size_t)(past - cursor->at) };
	cursor->at = past;
	if ((past == cursor->end || *past != '"') && !decode_string(cursor, string->length, string))
		return false;
	return skip_character(cursor, '"');
}

static bool read_id(struct cursor *cursor, size_t *id) {
	bool any = false;
	skip_space(cursor);
	for (*id = 0; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++, any = true)
		if ((*id = *id * 10 + (size_t)(*cursor->at - '0')) >= cursor->capacity)
			return false;
	return any;
}

static inline int put_token(struct token_list *list, size_t id, struct token_text token, const char *name,
	struct failure *failure) {
	for (; list->count <= id; list->count++)
		list->tokens[list->count] = (struct token_text){ 0 };
	if (list->tokens[id].text != NULL)
		return fail(failure, EX_DATAERR, "%s: model.vocab: two tokens have the id %zu", name, id);
	list->tokens[id] = token;
	return 0;
}

static int read_member(struct cursor *cursor, const char *name, struct failure *failure) {
	struct token_text token;
	size_t id;
	if (!read_string(cursor, &token) || !skip_character(cursor, ':') || !read_id(cursor, &id))
		return fail(failure, EX_DATAERR, "%s: model.vocab: damaged after the token with the id %zu (each member is a "
			"token, as a string, and its id, from 0 up)", name, cursor->list->count - (cursor->list->count > 0));
	return put_token(cursor->list, id, token, name, failure);
}

/* Reads up to the brace that ends the object, and moves the cursor to it. */
static int read_members(struct cursor *cursor, const char *name, struct failure *failure) {
	skip_space(cursor);
	if (cursor->at < cursor->end && *cursor->at == '}')
		return 0;
	do {
		if (read_member(cursor, name, failure) < 0)
			return -1;
	} while (skip_character(cursor, ','));
	if (cursor->at == cursor->end || *cursor->at != '}')
		return fail(failure, EX_DATAERR, "%s: model.vocab: damaged after the token with the id %zu", name,
			cursor->list->count - 1);
	return 0;
}

/* Takes the members of an object that the general reader has read. */
static int take_members(json_t *vocabulary, struct cursor *cursor, const char *name, struct failure *failure) {
	const char *token;
	json_t *value;
	json_object_foreach(vocabulary, token, value) {
		json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
		if (id < 0 || (size_t)id >= cursor->capacity)
			return fail(failure, EX_DATAERR, "%s: model.vocab: %s has no id from 0 up", name, token);
		if (put_token(cursor->list, (size_t)id, (struct token_text){ token, strlen(token) }, name, failure) < 0)
			return -1;
	}
	return 0;
}

/* The text without what lies between `begin` and `end`. free() releases it. */
static char *copy_around(const char *text, size_t length, size_t begin, size_t end) {
	char *copy = copy_bytes(text, begin + length - end);
	memcpy(copy + begin, text + end, length - end);
	return copy;
}

json_t *tokenizer_json_parse(const char *text, size_t length, const char *name, struct token_list *list,
	struct failure *failure) {
	size_t begin = find_vocabulary(text, length);
	struct cursor cursor = { .at = text + begin, .end = text + length, .list = list,
		.capacity = length / SHORTEST_MEMBER + MOST_GAPS };
	*list = (struct token_list){ .tokens = grow(NULL, cursor.capacity, sizeof *list->tokens) };
	json_t *root = NULL;
	if (begin == length || read_members(&cursor, name, failure) == 0) {
		size_t end = (size_t)(cursor.at - text);
		char *rest = copy_around(text, length, begin, end);
		root = json_object_parse(rest, begin + length - end, name, failure);
		free(rest);
	}
	json_t *vocabulary = json_object_get(json_object_get(root, "model"), "vocab");
	if (root != NULL && take_members(vocabulary, &cursor, name, failure) < 0) {
		json_decref(root);
		root = NULL;
	}
	if (root == NULL)
		token_list_clear(list);
	return root;
}

void token_list_clear(struct token_list *list) {
	free(list->tokens);
	free(list->decoded);
	*list = (struct token_list){ 0 };
}
