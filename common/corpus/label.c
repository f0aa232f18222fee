/* label: words are compared with the list, or with the usual ones; what is not a word is read as a number. */
#include "corpus/label.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

/* ---- words ------------------------------------------------------------------------------------------------- */

static int find_word(const struct label_words *words, const char *text, size_t length) {
	for (size_t i = 0; i < words->count; i++)
		if (strlen(words->words[i]) == length && memcmp(words->words[i], text, length) == 0)
			return (int)i;
	return -1;
}

/* Adds a word. False: it is empty, or there. */
static bool add_word(struct label_words *words, const char *text, size_t length) {
	if (length == 0 || find_word(words, text, length) >= 0)
		return false;
	words->words = grow(words->words, words->count + 1, sizeof *words->words);
	words->words[words->count++] = copy_bytes(text, length);
	return true;
}

int label_words_parse(struct label_words *words, const char *list, struct failure *failure) {
	*words = (struct label_words){ .count = 0 };
	for (const char *word = list; word != NULL;) {
		size_t length = strcspn(word, ",");
		if (!add_word(words, word, length)) {
			label_words_clear(words);
			return fail(failure, EX_USAGE, "--labels: %.*s is empty, or there twice (give a word for each label: "
				"ham,spam)", (int)length, word);
		}
		word = word[length] == ',' ? word + length + 1 : NULL;
	}
	return 0;
}

int label_words_copy(struct label_words *words, const json_t *array, struct failure *failure) {
	size_t i;
	json_t *word;
	*words = (struct label_words){ .count = 0 };
	json_array_foreach((json_t *)(uintptr_t)array, i, word)
		if (!json_is_string(word) || !add_word(words, json_string_value(word), json_string_length(word))) {
			label_words_clear(words);
			return fail(failure, EX_DATAERR, "metadata `cloze`: \"labels\" is not a list of different words");
		}
	return 0;
}

json_t *label_words_json(const struct label_words *words) {
	json_t *array = words->count > 0 ? json_array() : NULL;
	for (size_t i = 0; i < words->count; i++)
		json_array_append_new(array, json_string(words->words[i]));
	return array;
}

void label_words_clear(struct label_words *words) {
	for (size_t i = 0; i < words->count; i++)
		free(words->words[i]);
	free(words->words);
	*words = (struct label_words){ .count = 0 };
}

/* ---- labels ------------------------------------------------------------------------------------------------ */

bool label_from_integer(const struct label_words *words, int64_t number, int64_t *label) {
	*label = number;
	return words->count == 0 || (number >= -1 && number < (int64_t)words->count);
}

/* Up to 2^53 a double holds every integer. */
bool label_from_double(const struct label_words *words, double number, int64_t *label) {
	if (trunc(number) != number || fabs(number) > 9007199254740992.0)
		return false;
	return label_from_integer(words, (int64_t)number, label);
}

static bool is_word(const char *text, size_t length, const char *word) {
	return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

static bool parse_usual(const struct label_words *words, const char *text, size_t length, int64_t *label) {
	static const struct { const char *word; int64_t label; bool listed; } usual[] = {
		{ "", -1, false }, { "unsup", -1, false }, { "unsupervised", -1, false }, { "false", 0, false },
		{ "true", 1, false }, { "neg", 0, true }, { "negative", 0, true }, { "pos", 1, true }, { "positive", 1, true },
	}; /* listed: not where there is a list of other words */
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		if (is_word(text, length, usual[i].word) && !(usual[i].listed && words->count > 0))
			return label_from_integer(words, usual[i].label, label);
	return false;
}

static bool parse_number(const struct label_words *words, const char *text, size_t length, int64_t *label) {
	char digits[64], *end;
	if (length == 0 || length >= sizeof digits)
		return false;
	memcpy(digits, text, length);
	digits[length] = '\0';
	char first = digits[digits[0] == '-' || digits[0] == '+'];
	if (first < '0' || first > '9' || strspn(digits, "+-.0123456789eE") < length)
		return false;
	errno = 0;
	long long whole = strtoll(digits, &end, 10);
	if (*end == '\0')
		return errno == 0 && label_from_integer(words, whole, label);
	double number = strtod(digits, &end);
	return *end == '\0' && label_from_double(words, number, label);
}

bool label_parse(const struct label_words *words, const char *text, size_t length, int64_t *label) {
	int word = find_word(words, text, length);
	if (word < 0)
		return parse_usual(words, text, length, label) || parse_number(words, text, length, label);
	*label = word;
	return true;
}

int label_refuse(const struct label_words *words, struct label_place place, const char *text, size_t length,
	struct failure *failure) {
	enum { SHOWN = 80 };
	int shown = length < SHOWN ? (int)length : SHOWN;
	if (words->count == 0)
		return fail(failure, EX_DATAERR, "%s: %s %" PRId64 ": the label %.*s is neither a whole number nor neg, pos "
			"or unsup (--labels gives the words their numbers; --label-column names another column, or none)",
			place.name, place.unit, place.number, shown, text);
	return fail(failure, EX_DATAERR, "%s: %s %" PRId64 ": the label %.*s is neither one of the %zu names of --labels "
		"nor a number below %zu", place.name, place.unit, place.number, shown, text, words->count, words->count);
}
