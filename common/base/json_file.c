/* json_file: reads JSON by jansson. If jansson refuses a text, it reads a copy in which the numbers that only Python
 * writes are rewritten. */
#include "base/json_file.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/files.h"
#include "base/memory.h"

#define LONGEST_INTEGER 18 /* digits that always fit into 64 bits */

size_t json_quoted_length(const char *text, size_t length) {
	for (size_t at = 1; at < length; at++) {
		if (text[at] == '"')
			return at + 1;
		at += text[at] == '\\';
	}
	return length;
}

/* The length of the number or word that the text begins with; 0 if it begins with neither. */
static size_t token_length(const char *text, size_t length) {
	size_t at = 0;
	while (at < length && (isalnum((unsigned char)text[at]) || text[at] == '-' || text[at] == '+' || text[at] == '.'))
		at++;
	return at;
}

static bool is_word(const char *token, size_t length, const char *word) {
	return length == strlen(word) && memcmp(token, word, length) == 0;
}

static bool is_not_finite(const char *token, size_t length) {
	return is_word(token, length, "NaN") || is_word(token, length, "Infinity") || is_word(token, length, "-Infinity");
}

static bool is_long_integer(const char *token, size_t length) {
	size_t digits = 0;
	while (digits < length && isdigit((unsigned char)token[length - digits - 1]))
		digits++;
	return digits > LONGEST_INTEGER && (digits == length || (digits + 1 == length && token[0] == '-'));
}

/* A copy of the text in which integers that may not fit into 64 bits become reals, by an exponent of 0, and NaN and the
 * infinities become strings. free() releases it. */
static char *rewrite_numbers(const char *text, size_t length, size_t *rewritten) {
	char *copy = grow(NULL, length + length / 2 + 2, 1), *to = copy; /* two bytes are added to a token of at least 3 */
	for (size_t at = 0, taken; at < length; at += taken) {
		const char *token = text + at;
		taken = *token == '"' ? json_quoted_length(token, length - at) : token_length(token, length - at);
		bool quote = is_not_finite(token, taken), exponent = is_long_integer(token, taken);
		if (taken == 0)
			taken = 1;
		if (quote)
			*to++ = '"';
		memcpy(to, token, taken);
		to += taken;
		if (quote)
			*to++ = '"';
		if (exponent)
			to = (char *)memcpy(to, "e0", 2) + 2;
	}
	*rewritten = (size_t)(to - copy);
	return copy;
}

json_t *json_object_parse(const char *text, size_t length, const char *name, struct failure *failure) {
	json_error_t error;
	size_t mark = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* of the byte order mark */
	size_t rewritten;
	json_t *json = json_loadb(text + mark, length - mark, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL) {
		char *copy = rewrite_numbers(text + mark, length - mark, &rewritten);
		json = json_loadb(copy, rewritten, JSON_REJECT_DUPLICATES, &error);
		free(copy);
	}
	if (json == NULL)
		fail(failure, EX_DATAERR, "%s: line %d: is not JSON: %s", name, error.line, error.text);
	else if (!json_is_object(json)) {
		fail(failure, EX_DATAERR, "%s: is not a JSON object", name);
		json_decref(json);
		json = NULL;
	}
	return json;
}

json_t *json_file_read(const char *path, size_t limit, struct failure *failure) {
	size_t length;
	char *text = read_file(path, limit, &length, failure);
	json_t *object = text == NULL || refuse_mistaken_file(path, text, length, failure) < 0 ? NULL
		: json_object_parse(text, length, path, failure);
	free(text);
	return object;
}

int json_file_find(const char *folder, const char *file, size_t limit, json_t **object, struct failure *failure) {
	*object = NULL;
	if (!file_exists(folder, file))
		return 0;
	char *path = format_text("%s/%s", folder, file);
	*object = json_file_read(path, limit, failure);
	free(path);
	return *object == NULL ? -1 : 0;
}

json_t *json_text(const char *text, size_t length) {
	json_t *json = json_stringn(text, length);
	if (json != NULL)
		return json;
	char *ascii = copy_bytes(text, length);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)ascii[i] >= 0x80)
			ascii[i] = '?';
	json = json_stringn(ascii, length);
	free(ascii);
	return json;
}

uint32_t json_crc(const json_t *value) {
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	uint32_t crc = crc32_extend(0, text, strlen(text));
	free(text);
	return crc;
}
