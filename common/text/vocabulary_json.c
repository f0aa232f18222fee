/* Finds the object by the keys on the way to it, copies what is around it, and reads its members one by one. */
#include "text/vocabulary_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

#define SHORTEST_MEMBER 5 /* bytes, as `"":0,`: the file's length bounds the ids of tokens that are numbered from 0 up */

struct cursor { char *at, *end; };

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

static bool is_plain(char byte) {
	return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f;
}

/* A string, decoded in place: no escape is shorter than what it stands for. NULL: damaged. */
static const char *read_string(struct cursor *cursor) {
	if (!skip_character(cursor, '"'))
		return NULL;
	char *string = cursor->at, *at = string;
	while (at < cursor->end && is_plain(*at)) /* most are plain to their end */
		at++;
	char *to = cursor->at = at;
	while (cursor->at < cursor->end && *cursor->at != '"') {
		uint32_t point;
		if (*cursor->at == '\\') {
			cursor->at++;
			if (!read_escape(cursor, &point))
				return NULL;
			to += utf8_encode(point, to);
			continue;
		}
		size_t taken = utf8_decode(cursor->at, (size_t)(cursor->end - cursor->at), &point);
		if (point == UTF8_INVALID || point < 0x20)
			return NULL;
		memmove(to, cursor->at, taken);
		to += taken;
		cursor->at += taken;
	}
	if (cursor->at == cursor->end)
		return NULL;
	cursor->at++;
	*to = '\0';
	return string;
}

static bool read_id(struct cursor *cursor, size_t limit, size_t *id) {
	bool any = false;
	skip_space(cursor);
	for (*id = 0; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++, any = true)
		if ((*id = *id * 10 + (size_t)(*cursor->at - '0')) >= limit)
			return false;
	return any;
}

/* Reads up to the brace that ends the object, and moves the cursor to it. The list has room for ids below `room`. */
static int read_members(struct cursor *cursor, const char *name, struct token_list *list, size_t capacity,
	struct failure *failure) {
	size_t id;
	skip_space(cursor);
	while (cursor->at == cursor->end || *cursor->at != '}') {
		const char *token = read_string(cursor);
		if (token == NULL || !skip_character(cursor, ':') || !read_id(cursor, capacity, &id))
			return fail(failure, EX_DATAERR, "%s: model.vocab: damaged after the token with the id %zu (it gives "
				"each token, as a string, its id, from 0 up)", name, list->count - (list->count > 0));
		for (; list->count <= id; list->count++)
			list->tokens[list->count] = NULL;
		if (list->tokens[id] != NULL)
			return fail(failure, EX_DATAERR, "%s: model.vocab: two tokens have the id %zu", name, id);
		list->tokens[id] = token;
		skip_space(cursor);
		if (cursor->at == cursor->end || (*cursor->at != '}' && !skip_character(cursor, ',')))
			return fail(failure, EX_DATAERR, "%s: model.vocab: damaged after the token with the id %zu", name, id);
	}
	return 0;
}

int take_vocabulary(char *text, size_t length, const char *name, struct token_list *list, char **rest,
	size_t *rest_length, struct failure *failure) {
	size_t begin = find_vocabulary(text, length);
	struct cursor cursor = { text + begin, text + length };
	size_t capacity = length / SHORTEST_MEMBER + 1;
	*list = (struct token_list){ .tokens = grow(NULL, capacity, sizeof *list->tokens) };
	if (begin < length && read_members(&cursor, name, list, capacity, failure) < 0) {
		free(list->tokens);
		return -1;
	}
	size_t end = (size_t)(cursor.at - text);
	*rest_length = begin + length - end;
	*rest = copy_bytes(text, *rest_length);
	memcpy(*rest + begin, text + end, length - end);
	return 0;
}
