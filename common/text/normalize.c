/* normalize: one pass, in which each code point goes through the steps on its own; only canonical ordering looks at its
 * neighbours. ASCII, which is most of most texts, takes two steps only. */
#include "text/normalize.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "text/key.h"
#include "text/unicode.h"

#define REPLACEMENT 0xfffd

struct normalization bert_normalization(bool cased) {
	return (struct normalization){ .clean_text = true, .tokenize_chinese_chars = true,
		.strip_accents = !cased, .lowercase = !cased };
}

static void reserve(struct code_points *to, size_t more) {
	if (to->capacity - to->count < more)
		to->points = grow(to->points, to->capacity = to->capacity * 2 + more + 256, sizeof *to->points);
}

static void append(struct code_points *to, uint32_t point) {
	reserve(to, 1);
	to->points[to->count++] = point;
}

/* Puts `count` code points from `first` on, all of a rank above 0, into canonical order: a counting sort, since it must
 * be stable and a run can be as long as the text. */
static void sort_run(struct code_points *to, size_t first, size_t count) {
	size_t place[UNICODE_RANK + 1] = { 0 };
	reserve(to, count);
	uint32_t *run = to->points + first, *unordered = to->points + to->count;
	memcpy(unordered, run, count * sizeof *run);
	for (size_t i = 0; i < count; i++)
		place[unicode_flags(run[i]) & UNICODE_RANK]++;
	for (size_t rank = 0, sum = 0; rank <= UNICODE_RANK; rank++) {
		size_t next = sum + place[rank];
		place[rank] = sum;
		sum = next;
	}
	for (size_t i = 0; i < count; i++)
		run[place[unicode_flags(unordered[i]) & UNICODE_RANK]++] = unordered[i];
}

/* Puts the code points from `first` up to `past` into canonical order. Most runs have less than two, which are in order. */
static inline void order(struct code_points *to, size_t first, size_t past) {
	if (past - first >= 2)
		sort_run(to, first, past - first);
}

/* Appends the ASCII characters that the text begins with, which neither decompose nor combine. Returns how many they
 * are. */
static size_t append_ascii(const struct normalization *how, const char *text, size_t length, struct code_points *to) {
	const unsigned removed = how->clean_text ? UNICODE_REMOVED : 0, space = how->clean_text ? UNICODE_SPACE : 0;
	const unsigned lowers = how->lowercase ? UNICODE_LOWERS : 0;
	size_t at = 0;
	reserve(to, length);
	uint32_t *end = to->points + to->count;
	for (; at < length && (unsigned char)text[at] < 0x80; at++) {
		uint32_t point = (unsigned char)text[at];
		unsigned flags = unicode_flags(point);
		*end = flags & space ? ' ' : flags & lowers ? point | 0x20 : point;
		end += !(flags & removed);
	}
	to->count = (size_t)(end - to->points);
	return at;
}

static void append_lower(const struct normalization *how, struct code_points *to, uint32_t point, unsigned flags) {
	uint32_t lower[UNICODE_LONGEST];
	size_t count = 0;
	if (how->lowercase && (flags & UNICODE_LOWERS))
		count = unicode_lower(point, lower);
	else
		append(to, point);
	for (size_t i = 0; i < count; i++)
		append(to, lower[i]);
}

/* Appends a code point past decomposition; *run is where the combining characters that end `to` begin. */
static void append_decomposed(const struct normalization *how, struct code_points *to, uint32_t point, size_t *run) {
	unsigned flags = unicode_flags(point);
	bool orders = flags & UNICODE_RANK;
	if (!orders)
		order(to, *run, to->count);
	if (!(flags & UNICODE_MARK))
		append_lower(how, to, point, flags);
	if (!orders)
		*run = to->count;
}

/* Appends a code point that the cleaning has left. */
static void append_cleaned(const struct normalization *how, struct code_points *to, uint32_t point, size_t *run) {
	uint32_t parts[UNICODE_LONGEST] = { point };
	size_t count = 1;
	if (!how->strip_accents) {
		append_lower(how, to, point, unicode_flags(point));
		*run = to->count;
		return;
	}
	if (unicode_flags(point) & UNICODE_DECOMPOSES)
		count = unicode_decompose(point, parts);
	for (size_t i = 0; i < count; i++)
		append_decomposed(how, to, parts[i], run);
}

/* Appends a code point that is not ASCII. *run is as in append_decomposed(). */
static void append_point(const struct normalization *how, struct code_points *to, uint32_t point, size_t *run) {
	unsigned flags = unicode_flags(point);
	if (how->clean_text && (flags & UNICODE_REMOVED))
		return;
	if (how->clean_text && (flags & UNICODE_SPACE))
		point = ' ';
	bool alone = how->tokenize_chinese_chars && (flags & UNICODE_CJK);
	if (alone)
		append_cleaned(how, to, ' ', run);
	append_cleaned(how, to, point, run);
	if (alone)
		append_cleaned(how, to, ' ', run);
}

size_t normalize(const struct normalization *how, const char *text, size_t length, struct code_points *to) {
	size_t replaced = 0, run = 0, taken;
	to->count = 0;
	for (size_t at = 0; at < length; at += taken) {
		uint32_t point;
		size_t before = to->count;
		taken = append_ascii(how, text + at, length - at, to);
		if (to->count > before) {
			order(to, run, before);
			run = to->count;
		}
		if (taken > 0)
			continue;
		taken = utf8_decode(text + at, length - at, &point);
		if (point == UTF8_INVALID) {
			point = REPLACEMENT;
			replaced++;
		}
		append_point(how, to, point, &run);
	}
	order(to, run, to->count);
	return replaced;
}

/* Puts code points into the word as UTF-8. */
static void encode(struct word *word, const uint32_t *points, size_t count) {
	size_t longest = count * UTF8_LONGEST + KEY_LENGTH;
	if (word->capacity < longest)
		word->bytes = grow(word->bytes, word->capacity = longest * 2, 1);
	char *end = word->bytes;
	for (size_t i = 0; i < count; i++) {
		if (points[i] < 0x80)
			*end++ = (char)points[i];
		else
			end += utf8_encode(points[i], end);
	}
	word->length = (size_t)(end - word->bytes);
	word->characters = count;
}

bool next_word(const struct code_points *text, size_t *at, struct word *word) {
	size_t first = *at;
	while (first < text->count && (unicode_flags(text->points[first]) & UNICODE_SPACE))
		first++;
	size_t past = first;
	while (past < text->count && !(unicode_flags(text->points[past]) & (UNICODE_SPACE | UNICODE_PUNCTUATION)))
		past++;
	if (past == first && past < text->count)
		past++; /* a punctuation character */
	*at = past;
	encode(word, text->points + first, past - first);
	return past > first;
}
