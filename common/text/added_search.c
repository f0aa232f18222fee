/* added_search: the tokens are sorted by content. Along the text, the stretch of those that begin as it does is
 * narrowed down, a byte or a code point at a time. */
#include "text/added_search.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

/* The code point that ends at `at`, U+FFFD for a byte that is invalid; *start is where it begins. */
static uint32_t point_before(const struct haystack *text, size_t at, size_t *start) {
	uint32_t point;
	if (text->bytes == NULL) {
		*start = at - 1;
		return text->points[at - 1];
	}
	for (*start = at - 1; *start > 0 && at - *start < UTF8_LONGEST && utf8_continues(text->bytes[*start]);)
		--*start;
	if (utf8_decode(text->bytes + *start, at - *start, &point) == at - *start && point != UTF8_INVALID)
		return point;
	*start = at - 1;
	return 0xfffd;
}

static uint32_t point_after(const struct haystack *text, size_t at, size_t *end) {
	uint32_t point;
	if (text->bytes == NULL) {
		*end = at + 1;
		return text->points[at];
	}
	*end = at + utf8_decode(text->bytes + at, text->length - at, &point);
	return point == UTF8_INVALID ? 0xfffd : point;
}

static bool is_word(uint32_t point) {
	return unicode_flags(point) & UNICODE_WORD;
}

static size_t pattern_length(const struct added_token *token) {
	return token->normalized ? token->normalized_content.count : token->length;
}

static uint32_t pattern_element(const struct added_token *token, size_t at) {
	return token->normalized ? token->normalized_content.points[at] : (unsigned char)token->content[at];
}

/* The first of the tokens from `low` up to `high` whose element `at` is `value` or greater; all are longer than `at`.
 * */
static size_t first_from(const struct patterns *patterns, size_t low, size_t high, size_t at, uint32_t value) {
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (pattern_element(patterns->tokens[middle], at) < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The longest added token at `at`, and how long it is; NULL if there is none. */
static const struct added_token *added_at(const struct added_search *search, const struct haystack *text, size_t at,
	size_t *longest) {
	const struct patterns *patterns = text->bytes == NULL ? &search->in_normalized : &search->in_text;
	const struct added_token *found = NULL;
	size_t low = 0, high = patterns->count;
	for (size_t i = 0; low < high && i < text->length - at; i++) {
		uint32_t value = text->bytes == NULL ? text->points[at + i] : (unsigned char)text->bytes[at + i];
		low = first_from(patterns, low, high, i, value);
		high = first_from(patterns, low, high, i, value + 1);
		if (low < high && pattern_length(patterns->tokens[low]) == i + 1) {
			found = patterns->tokens[low];
			*longest = i + 1;
		}
		while (low < high && pattern_length(patterns->tokens[low]) == i + 1)
			low++;
	}
	return found;
}

const struct added_token *added_next(const struct added_search *search, const struct haystack *text, size_t *at,
	size_t floor, size_t *from, size_t *to) {
	size_t length, next;
	for (; *at < text->length; ++*at) {
		if (text->bytes != NULL && search->only_beginning >= 0) {
			const char *hit = memchr(text->bytes + *at, search->only_beginning, text->length - *at);
			*at = hit ? (size_t)(hit - text->bytes) : text->length;
			if (hit == NULL)
				break;
		}
		if (text->bytes != NULL && !search->begins[(unsigned char)text->bytes[*at]])
			continue;
		const struct added_token *added = added_at(search, text, *at, &length);
		if (added == NULL)
			continue;
		*from = *at;
		*to = *at + length;
		*at = *to;
		if (added->single_word && ((*from > 0 && is_word(point_before(text, *from, &next)))
			|| (*to < text->length && is_word(point_after(text, *to, &next))))) {
			--*at;
			continue;
		}
		while (added->lstrip && *from > floor && (unicode_flags(point_before(text, *from, &next)) & UNICODE_SPACE))
			*from = next;
		while (added->rstrip && *to < text->length && (unicode_flags(point_after(text, *to, &next)) & UNICODE_SPACE))
			*to = next;
		if (*from < floor)
			*from = floor;
		return added;
	}
	return NULL;
}

static void normalize_added(const struct settings *settings, struct added_token *added) {
	struct code_points *points = &added->normalized_content;
	char *to;
	normalize(&settings->normalization, added->content, added->length, points);
	to = added->normalized_text = allocate(points->count + 1, UTF8_LONGEST);
	for (size_t i = 0; i < points->count; i++)
		to += utf8_encode(points->points[i], to);
}

static int compare_patterns(const void *left, const void *right) {
	const struct added_token *a = *(const struct added_token *const *)left, *b = *(const struct added_token *const *)right;
	size_t lengths[] = { pattern_length(a), pattern_length(b) };
	for (size_t i = 0; i < lengths[0] && i < lengths[1]; i++) {
		uint32_t p = pattern_element(a, i), q = pattern_element(b, i);
		if (p != q)
			return p < q ? -1 : 1;
	}
	if (lengths[0] != lengths[1])
		return lengths[0] < lengths[1] ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id); /* of tokens that are normalized to the same, the first is found */
}

static void note_beginning(struct added_search *search, unsigned char byte) {
	if (search->in_text.count == 1)
		search->only_beginning = byte;
	else if (search->only_beginning != byte)
		search->only_beginning = -1;
	search->begins[byte] = true;
}

void added_search_prepare(struct settings *settings, struct added_search *search) {
	struct patterns *in_text = &search->in_text, *in_normalized = &search->in_normalized;
	*search = (struct added_search){ .only_beginning = -1 };
	in_text->tokens = allocate(settings->added_count, sizeof *in_text->tokens);
	in_normalized->tokens = allocate(settings->added_count, sizeof *in_normalized->tokens);
	for (size_t i = 0; i < settings->added_count; i++) {
		struct added_token *added = &settings->added[i];
		if (added->decodes_normalized)
			normalize_added(settings, added);
		if (pattern_length(added) == 0 || (settings->split_special && added->special))
			continue;
		struct patterns *patterns = added->normalized ? in_normalized : in_text;
		patterns->tokens[patterns->count++] = added;
		if (!added->normalized)
			note_beginning(search, (unsigned char)added->content[0]);
	}
	qsort(in_text->tokens, in_text->count, sizeof *in_text->tokens, compare_patterns);
	qsort(in_normalized->tokens, in_normalized->count, sizeof *in_normalized->tokens, compare_patterns);
}

void added_search_clear(struct added_search *search) {
	free(search->in_text.tokens);
	free(search->in_normalized.tokens);
	*search = (struct added_search){ 0 };
}
