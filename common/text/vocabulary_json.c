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

static bool is_key(const char *text, size_t from, size_t to, const char *key) {
	return to - from == strlen(key) + 2 && memcmp(text + from + 1, key, strlen(key)) == 0;
}

/* Where the content of the object `model.vocab` begins, past its brace; `length` where there is none. */
static size_t find_vocabulary(const char *text, size_t length) {
	int depth = 0;
	bool model = false, vocabulary = false; /* the last string at depth 1, or 2, was that key */
	for (size_t at = 0; at < length;) {
		if (text[at] == '"') {
			size_t past = at + json_quoted_length(text + at, length - at);
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

/* What is read, the list it goes into, and where the next text that has escapes is decoded to. */
struct members {
	const char *end;
	struct token_list *list;
	size_t capacity; /* of list->tokens */
	char *decoded;
};

/* The functions that read take the place where they begin, and return the one past what they have read; NULL: it is
 * not there, or damaged. */

static inline const char *skip_space(const char *at, const char *end) {
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* Reads a character after white space. */
static inline const char *read_character(const char *at, const char *end, char character) {
	at = skip_space(at, end);
	return at < end && *at == character ? at + 1 : NULL;
}

static const char *read_hex(const char *at, const char *end, uint32_t *value) {
	*value = 0;
	if (end - at < 4)
		return NULL;
	for (int i = 0; i < 4; i++, at++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = *at == '\0' ? NULL : strchr(digits, *at >= 'A' && *at <= 'F' ? *at | 0x20 : *at);
		if (digit == NULL)
			return NULL;
		*value = *value << 4 | (uint32_t)(digit - digits);
	}
	return at;
}

/* The code point of the escape after a backslash; a NUL is refused. */
static const char *read_escape(const char *at, const char *end, uint32_t *point) {
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	if (at == end || *at == '\0')
		return NULL;
	char name = *at++;
	uint32_t low;
	if (name != 'u') {
		const char *found = strchr(names, name);
		*point = found ? (unsigned char)values[found - names] : 0;
		return found ? at : NULL;
	}
	at = read_hex(at, end, point);
	if (at != NULL && *point >= 0xd800 && *point < 0xdc00) {
		if (end - at < 2 || at[0] != '\\' || at[1] != 'u')
			return NULL;
		at = read_hex(at + 2, end, &low);
		if (at == NULL || low < 0xdc00 || low > 0xdfff)
			return NULL;
		*point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
	}
	return at != NULL && *point != 0 && (*point < 0xd800 || *point > 0xdfff) ? at : NULL;
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
static inline const char *skip_plain(const char *at, const char *end) {
	uint32_t point;
	for (size_t taken;; at += taken) {
		for (taken = 8; taken == 8 && end - at >= 8; at += taken)
			taken = first_not_plain(at);
		while (end - at < 8 && at < end && is_plain(*at))
			at++;
		if (at == end || (unsigned char)*at < 0x80)
			return at;
		taken = utf8_decode(at, (size_t)(end - at), &point);
		if (point == UTF8_INVALID)
			return at;
	}
}

/* Decodes the rest of a string, from `at` on, that has something other than plain characters, up to its quote. */
__attribute__((noinline)) /* few are */
static const char *decode_string(struct members *members, const char *at, struct token_text *string) {
	struct token_list *list = members->list;
	uint32_t point;
	if (members->decoded == NULL) /* no escape is shorter than what it stands for */
		list->decoded = members->decoded = grow(NULL, (size_t)(members->end - string->text), 1);
	char *to = members->decoded;
	memcpy(to, string->text, (size_t)(at - string->text));
	for (to += at - string->text; at < members->end && *at != '"';) {
		at += utf8_decode(at, (size_t)(members->end - at), &point);
		if (point == UTF8_INVALID || point < 0x20)
			return NULL;
		if (point == '\\' && (at = read_escape(at, members->end, &point)) == NULL)
			return NULL;
		to += utf8_encode(point, to);
	}
	*string = (struct token_text){ members->decoded, (size_t)(to - members->decoded) };
	members->decoded = to;
	return at;
}

static inline const char *read_string(struct members *members, const char *at, struct token_text *string) {
	const char *end = members->end;
	if ((at = read_character(at, end, '"')) == NULL)
		return NULL;
	string->text = at;
	at = skip_plain(at, end);
	string->length = (size_t)(at - string->text);
	if ((at == end || *at != '"') && (at = decode_string(members, at, string)) == NULL)
		return NULL;
	return at == end ? NULL : at + 1;
}

/* Reads an id below `limit`. */
static inline const char *read_id(const char *at, const char *end, size_t limit, size_t *id) {
	const char *first = at = skip_space(at, end);
	size_t value = 0;
	for (unsigned digit; at < end && (digit = (unsigned)*at - '0') <= 9; at++)
		if ((value = value * 10 + digit) >= limit)
			return NULL;
	*id = value;
	return at == first ? NULL : at;
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

static inline const char *read_member(struct members *members, const char *at, const char *name,
	struct failure *failure) {
	struct token_list *list = members->list;
	struct token_text token;
	size_t id;
	if ((at = read_string(members, at, &token)) == NULL || (at = read_character(at, members->end, ':')) == NULL
		|| (at = read_id(at, members->end, members->capacity, &id)) == NULL) {
		fail(failure, EX_DATAERR, "%s: model.vocab: damaged after the token with the id %zu (each member is a token, as "
			"a string, and its id, from 0 up)", name, list->count - (list->count > 0));
		return NULL;
	}
	return put_token(list, id, token, name, failure) < 0 ? NULL : at;
}

/* Reads up to the brace that ends the object, and returns where that is. */
static const char *read_members(struct members *members, const char *at, const char *name, struct failure *failure) {
	const char *end = members->end, *next = at = skip_space(at, end);
	if (at < end && *at == '}')
		return at;
	do {
		if ((at = read_member(members, next, name, failure)) == NULL)
			return NULL;
	} while ((next = read_character(at, end, ',')) != NULL);
	at = skip_space(at, end);
	if (at < end && *at == '}')
		return at;
	fail(failure, EX_DATAERR, "%s: model.vocab: damaged after the token with the id %zu", name,
		members->list->count - 1);
	return NULL;
}

/* Takes the members of an object that the general reader has read. */
static int take_members(json_t *vocabulary, struct members *members, const char *name, struct failure *failure) {
	const char *token;
	json_t *value;
	json_object_foreach(vocabulary, token, value) {
		json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
		if (id < 0 || (size_t)id >= members->capacity)
			return fail(failure, EX_DATAERR, "%s: model.vocab: %s has no id from 0 up", name, token);
		if (put_token(members->list, (size_t)id, (struct token_text){ token, strlen(token) }, name, failure) < 0)
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
	struct members members = { .end = text + length, .list = list, .capacity = length / SHORTEST_MEMBER + MOST_GAPS };
	*list = (struct token_list){ .tokens = grow(NULL, members.capacity, sizeof *list->tokens) };
	json_t *root = NULL;
	const char *past = begin == length ? members.end : read_members(&members, text + begin, name, failure);
	if (past != NULL) {
		size_t end = (size_t)(past - text);
		char *rest = copy_around(text, length, begin, end);
		root = json_object_parse(rest, begin + length - end, name, failure);
		free(rest);
	}
	json_t *vocabulary = json_object_get(json_object_get(root, "model"), "vocab");
	if (root != NULL && take_members(vocabulary, &members, name, failure) < 0) {
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
