/* One pass: each code point goes through the steps on its own; only canonical ordering looks at its neighbours. */
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

static void append(struct code_points *to, uint32_t point) {
	if (to->count == to->capacity)
		to->points = grow(to->points, to->capacity = to->capacity * 2 + 256, sizeof *to->points);
	to->points[to->count++] = point;
}

/* Puts the code points from `first` on, all of a rank above 0, into canonical order: a counting sort, since it
 * must be stable and a run can be as long as the text. */
static void order(struct code_points *to, size_t first) {
	size_t count = to->count - first, place[UNICODE_RANK + 1] = { 0 };
	if (count < 2)
		return;
	if (to->capacity - to->count < count)
		to->points = grow(to->points, to->capacity = to->count + count, sizeof *to->points);
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
		order(to, *run);
	if (!(flags & UNICODE_MARK))
		append_lower(how, to, point, flags);
	if (!orders)
		*run = to->count;
}

static void append_stripped(const struct normalization *how, struct code_points *to, uint32_t point, size_t *run) {
	uint32_t parts[UNICODE_LONGEST] = { point };
	size_t count = 1;
	if (unicode_flags(point) & UNICODE_DECOMPOSES)
		count = unicode_decompose(point, parts);
	for (size_t i = 0; i < count; i++)
		append_decomposed(how, to, parts[i], run);
}

size_t normalize(const struct normalization *how, const char *text, size_t length, struct code_points *to) {
	size_t replaced = 0, run = 0, taken;
	to->count = 0;
	for (size_t at = 0; at < length; at += taken) {
		uint32_t point;
		taken = utf8_decode(text + at, length - at, &point);
		if (point == UTF8_INVALID) {
			point = REPLACEMENT;
			replaced++;
		}
		unsigned flags = unicode_flags(point);
		if (how->clean_text && (flags & UNICODE_REMOVED))
			continue;
		if (how->clean_text && (flags & UNICODE_SPACE)) {
			point = ' ';
			flags = UNICODE_SPACE;
		}
		bool alone = how->tokenize_chinese_chars && (flags & UNICODE_CJK);
		if (!how->strip_accents) {
			if (alone)
				append(to, ' ');
			append_lower(how, to, point, flags);
			if (alone)
				append(to, ' ');
		} else {
			if (alone)
				append_stripped(how, to, ' ', &run);
			append_stripped(how, to, point, &run);
			if (alone)
				append_stripped(how, to, ' ', &run);
		}
	}
	if (how->strip_accents)
		order(to, run);
	return replaced;
}

static void append_character(struct word *word, uint32_t point) {
	if (word->capacity - word->length < UTF8_LONGEST + KEY_LENGTH)
		word->bytes = grow(word->bytes, word->capacity = word->capacity * 2 + 64, 1);
	word->length += utf8_encode(point, word->bytes + word->length);
	word->characters++;
}

bool next_word(const struct code_points *text, size_t *at, struct word *word) {
	word->length = word->characters = 0;
	for (; *at < text->count; ++*at) {
		uint32_t point = text->points[*at];
		unsigned flags = unicode_flags(point);
		bool ends = flags & (UNICODE_SPACE | UNICODE_PUNCTUATION);
		if (ends && word->length > 0)
			return true;
		if (flags & UNICODE_SPACE)
			continue;
		append_character(word, point);
		if (flags & UNICODE_PUNCTUATION) {
			++*at;
			return true;
		}
	}
	return word->length > 0;
}
