/* Candidates are found by their first byte, then compared one by one: a tokenizer has few added tokens. */
#include "text/added.h"

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

/* The longest added token at `at`, and how long it is; NULL if there is none. */
static const struct added_token *added_at(const struct settings *settings, const struct haystack *text, size_t at,
	size_t *longest) {
	const struct added_token *found = NULL;
	*longest = 0;
	for (size_t i = 0; i < settings->added_count; i++) {
		const struct added_token *added = &settings->added[i];
		bool points = text->bytes == NULL;
		size_t length = points ? added->normalized_content.count : added->length;
		if (added->normalized != points || length <= *longest || length > text->length - at)
			continue;
		if (points ? memcmp(text->points + at, added->normalized_content.points, length * sizeof *text->points) != 0
			: memcmp(text->bytes + at, added->content, length) != 0)
			continue;
		found = added;
		*longest = length;
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
		const struct added_token *added = added_at(search->settings, text, *at, &length);
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

void added_prepare(struct settings *settings, struct added_search *search) {
	*search = (struct added_search){ .settings = settings, .only_beginning = -1 };
	for (size_t i = 0; i < settings->added_count; i++) {
		struct added_token *added = &settings->added[i];
		if (added->normalized) {
			normalize_added(settings, added);
			search->in_normalized = true;
			continue;
		}
		unsigned char byte = (unsigned char)added->content[0];
		if (!search->in_text)
			search->only_beginning = byte;
		else if (search->only_beginning != byte)
			search->only_beginning = -1;
		search->begins[byte] = search->in_text = true;
	}
}
