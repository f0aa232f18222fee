/* Encoding goes over the text once. Where it is plain ASCII, a word of up to 16 letters and digits is one load, one
 * look into a cache of words seen, and one store; whatever else comes takes the general way, a stretch between ASCII
 * spaces and punctuation at a time: no step of normalization reaches across those. */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__) && !defined(CLOZE_PORTABLE)
#include <emmintrin.h>
#endif

#include "cli/cli.h"
#include "text/normalize.h"
#include "text/settings.h"
#include "text/unicode.h"
#include "text/utf8.h"

#define KEY 16          /* bytes of a word that the cache can hold */
#define CACHE_BITS 16   /* its entries, 32 bytes each: 2 MiB a thread */
#define CACHED_PIECES 3

enum byte_class { BYTE_OTHER, BYTE_ALPHANUMERIC, BYTE_SPACE, BYTE_PUNCTUATION };

struct tokenizer {
	struct settings settings;
	uint8_t class[256];        /* enum byte_class */
	int32_t punctuation[128];  /* the id of an ASCII punctuation character */
	bool begins_added[256];    /* some token that is searched for in the text as it came begins with the byte */
	int only_beginning;        /* the one byte that they all begin with; -1: several, or none */
	bool searches, searches_normalized;
};

/* A word and the pieces it becomes; length 0: free. */
struct cached { char key[KEY]; int32_t pieces[CACHED_PIECES]; uint8_t length, count; };

struct tokenizer_scratch {
	struct cached *cache; /* in pairs: the word seen last, and the one before */
	struct code_points normalized;
	struct word word;
	int32_t *pieces;
	size_t pieces_room;
};

/* What one tokenizer_encode() hands from function to function. */
struct encoder {
	const struct tokenizer *tokenizer;
	struct tokenizer_scratch *scratch;
	struct encoding *encoding;
	int32_t word; /* the next word's id */
};

/* ---- words ----------------------------------------------------------------------------------------------- */

static void reserve(struct encoding *encoding, size_t more) {
	if (encoding->room - encoding->count >= more)
		return;
	encoding->room = encoding->room * 2 + more + 256;
	encoding->input_ids = grow(encoding->input_ids, encoding->room, sizeof *encoding->input_ids);
	encoding->word_ids = grow(encoding->word_ids, encoding->room, sizeof *encoding->word_ids);
}

static void append(struct encoding *encoding, int32_t id, int32_t word) {
	reserve(encoding, 1);
	encoding->input_ids[encoding->count] = id;
	encoding->word_ids[encoding->count++] = word;
}

/* Cuts a word into the longest pieces from its left; [UNK] when they do not cover it. Returns how many. */
static size_t cut(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const char *word,
	size_t length) {
	size_t count = 0, taken = 0;
	if (scratch->pieces_room <= length)
		scratch->pieces = grow(scratch->pieces, scratch->pieces_room = length + 64, sizeof *scratch->pieces);
	for (size_t at = 0; at < length; at += taken) {
		int32_t id = vocabulary_longest(tokenizer->settings.vocabulary, tokenizer->settings.pieces, at > 0, word + at,
			length - at, &taken);
		if (id < 0) {
			scratch->pieces[0] = tokenizer->settings.special_ids.unk;
			return 1;
		}
		scratch->pieces[count++] = id;
	}
	return count;
}

/* The two entries, a cache line, where a word of at most KEY bytes may be; `key` is padded with zeros. */
static struct cached *cache_pair(const struct tokenizer_scratch *scratch, const char key[static KEY]) {
	uint64_t low, high;
	memcpy(&low, key, sizeof low);
	memcpy(&high, key + sizeof low, sizeof high);
	uint64_t place = (low + high * 0xff51afd7ed558ccdu) * 0x9e3779b97f4a7c15u >> (64 - CACHE_BITS);
	return &scratch->cache[place & ~(uint64_t)1];
}

static inline bool cache_holds(const struct cached *cached, const char key[static KEY], size_t length) {
	return cached->length == length && memcmp(cached->key, key, KEY) == 0;
}

/* The entry of a word, once it is filled in; NULL for one of too many pieces to be kept, which are then *count in
 * scratch->pieces. */
static const struct cached *cache_find(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch,
	struct cached *pair, const char key[static KEY], size_t length, size_t *count) {
	struct cached *newest = pair, *older = pair + 1;
	if (cache_holds(newest, key, length))
		return newest;
	if (cache_holds(older, key, length)) {
		struct cached found = *older;
		*older = *newest;
		*newest = found;
		return newest;
	}
	*count = cut(tokenizer, scratch, key, length);
	if (*count > CACHED_PIECES)
		return NULL;
	*older = *newest;
	memcpy(newest->key, key, KEY);
	memcpy(newest->pieces, scratch->pieces, *count * sizeof *scratch->pieces);
	newest->length = (uint8_t)length;
	newest->count = (uint8_t)*count;
	return newest;
}

static void append_pieces(struct encoder *encoder, const int32_t *pieces, size_t count) {
	for (size_t i = 0; i < count; i++)
		append(encoder->encoding, pieces[i], encoder->word);
	encoder->word++;
}

static void encode_word(struct encoder *encoder, const struct word *word) {
	const struct tokenizer *tokenizer = encoder->tokenizer;
	const struct cached *cached = NULL;
	size_t count;
	if (word->characters > tokenizer->settings.max_characters) {
		append_pieces(encoder, &tokenizer->settings.special_ids.unk, 1);
		return;
	} else if (word->length <= KEY) {
		char key[KEY] = { 0 };
		memcpy(key, word->bytes, word->length);
		cached = cache_find(tokenizer, encoder->scratch, cache_pair(encoder->scratch, key), key, word->length,
			&count);
	} else {
		count = cut(tokenizer, encoder->scratch, word->bytes, word->length);
	}
	if (cached != NULL)
		append_pieces(encoder, cached->pieces, cached->count);
	else
		append_pieces(encoder, encoder->scratch->pieces, count);
}

static void encode_words(struct encoder *encoder, const struct code_points *text) {
	size_t at = 0;
	while (next_word(text, &at, &encoder->scratch->word))
		encode_word(encoder, &encoder->scratch->word);
}

/* ---- the ASCII way --------------------------------------------------------------------------------------- */

static bool is_alphanumeric(unsigned char byte) {
	return (unsigned char)((byte | 0x20) - 'a') < 26 || (unsigned char)(byte - '0') < 10;
}

/* Takes the letters and digits, at most KEY, that `readable` bytes begin with into `key`, padded with zeros and in
 * lower case if so asked. Returns how many. */
static inline size_t take_word(const char *text, size_t readable, bool lowercase, char key[static KEY]) {
#if defined(__SSE2__) && !defined(CLOZE_PORTABLE)
	static const unsigned char keep[2 * KEY] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		255, 255 };
	char last[KEY] = { 0 };
	if (readable < KEY) {
		memcpy(last, text, readable);
		text = last;
	}
	const __m128i bytes = _mm_loadu_si128((const __m128i *)text), bit = _mm_set1_epi8(0x20);
	const __m128i lower = _mm_or_si128(bytes, bit); /* bytes from 0x80 on are negative, and so below every range */
	const __m128i letters = _mm_and_si128(_mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)),
		_mm_cmplt_epi8(lower, _mm_set1_epi8('z' + 1)));
	const __m128i digits = _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('0' - 1)),
		_mm_cmplt_epi8(bytes, _mm_set1_epi8('9' + 1)));
	unsigned outside = ~(unsigned)_mm_movemask_epi8(_mm_or_si128(letters, digits));
	size_t length = (size_t)__builtin_ctz(outside | 1u << KEY);
	__m128i word = lowercase ? _mm_or_si128(bytes, _mm_and_si128(letters, bit)) : bytes;
	word = _mm_and_si128(word, _mm_loadu_si128((const __m128i *)(keep + KEY - length)));
	_mm_storeu_si128((__m128i *)key, word);
	return length;
#else
	size_t length = 0;
	memset(key, 0, KEY);
	for (; length < KEY && length < readable && is_alphanumeric((unsigned char)text[length]); length++) {
		bool lowers = lowercase && text[length] >= 'A' && text[length] <= 'Z';
		key[length] = (char)(lowers ? text[length] | 0x20 : text[length]);
	}
	return length;
#endif
}

#define AHEAD 16 /* words looked up together, so that the memory they are in is on its way before it is needed */

/* A word to come, or, of length 0, a punctuation character, by its id. */
struct look { char key[KEY]; struct cached *pair; size_t length; int32_t punctuation; };

/* Takes up to AHEAD words and punctuation characters off the text; fewer where it ends or something else begins. */
static size_t look_ahead(const struct encoder *encoder, const char **text, const char *end,
	struct look looks[static AHEAD]) {
	const struct tokenizer *tokenizer = encoder->tokenizer;
	const bool lowercase = tokenizer->settings.normalization.lowercase;
	const char *at = *text;
	size_t count = 0;
	while (at < end && count < AHEAD) {
		unsigned char byte = (unsigned char)*at;
		struct look *look = &looks[count];
		if (tokenizer->class[byte] == BYTE_SPACE) {
			at++;
			continue;
		} else if (tokenizer->class[byte] == BYTE_PUNCTUATION) {
			look->length = 0;
			look->punctuation = tokenizer->punctuation[byte];
			at++;
		} else if (tokenizer->class[byte] == BYTE_ALPHANUMERIC) {
			look->length = take_word(at, (size_t)(end - at), lowercase, look->key);
			const char *past = at + look->length;
			if (look->length == KEY || (past < end && tokenizer->class[(unsigned char)*past] == BYTE_OTHER))
				break;
			look->pair = cache_pair(encoder->scratch, look->key);
			__builtin_prefetch(look->pair);
			at = past;
		} else {
			break;
		}
		count++;
	}
	*text = at;
	return count;
}

static void encode_look(struct encoder *encoder, const struct look *look) {
	struct encoding *encoding = encoder->encoding;
	size_t count;
	if (look->length == 0) {
		append_pieces(encoder, &look->punctuation, 1);
		return;
	}
	const struct cached *cached = cache_find(encoder->tokenizer, encoder->scratch, look->pair, look->key,
		look->length, &count);
	if (cached == NULL) {
		append_pieces(encoder, encoder->scratch->pieces, count);
		return;
	}
	reserve(encoding, CACHED_PIECES);
	for (size_t i = 0; i < CACHED_PIECES; i++) { /* all of them: cheaper than to foresee how many */
		encoding->input_ids[encoding->count + i] = cached->pieces[i];
		encoding->word_ids[encoding->count + i] = encoder->word;
	}
	encoding->count += cached->count;
	encoder->word++;
}

/* Encodes ASCII spaces, punctuation and short words; returns where it met something else, at the start of a word. */
static const char *encode_ascii(struct encoder *encoder, const char *text, const char *end) {
	struct look looks[AHEAD];
	size_t count;
	do {
		count = look_ahead(encoder, &text, end, looks);
		for (size_t i = 0; i < count; i++)
			encode_look(encoder, &looks[i]);
	} while (count == AHEAD);
	return text;
}

static void encode_plain(struct encoder *encoder, const char *text, const char *end) {
	const struct tokenizer *tokenizer = encoder->tokenizer;
	struct code_points *normalized = &encoder->scratch->normalized;
	while ((text = encode_ascii(encoder, text, end)) < end) {
		const char *stop = text;
		while (stop < end && tokenizer->class[(unsigned char)*stop] <= BYTE_ALPHANUMERIC)
			stop++;
		encoder->encoding->replaced += normalize(&tokenizer->settings.normalization, text, (size_t)(stop - text),
			normalized);
		encode_words(encoder, normalized);
		text = stop;
	}
}

/* ---- added tokens ---------------------------------------------------------------------------------------- */

/* A stretch of text, as bytes or as code points, in which added tokens are searched for. */
struct haystack { const char *bytes; const uint32_t *points; size_t length; };

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

/* The next added token at or after *search, and the stretch it takes, from *from to *to; nothing before `floor` is
 * taken. Moves *search on. NULL: there is none. */
static const struct added_token *next_added(const struct tokenizer *tokenizer, const struct haystack *text,
	size_t *search, size_t floor, size_t *from, size_t *to) {
	size_t length, next;
	for (; *search < text->length; ++*search) {
		if (text->bytes != NULL && tokenizer->only_beginning >= 0) {
			const char *hit = memchr(text->bytes + *search, tokenizer->only_beginning, text->length - *search);
			*search = hit ? (size_t)(hit - text->bytes) : text->length;
			if (hit == NULL)
				break;
		}
		if (text->bytes != NULL && !tokenizer->begins_added[(unsigned char)text->bytes[*search]])
			continue;
		const struct added_token *added = added_at(&tokenizer->settings, text, *search, &length);
		if (added == NULL)
			continue;
		*from = *search;
		*to = *search + length;
		*search = *to;
		if (added->single_word && ((*from > 0 && is_word(point_before(text, *from, &next)))
			|| (*to < text->length && is_word(point_after(text, *to, &next))))) {
			--*search;
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

static void encode_normalized(struct encoder *encoder, const char *bytes, size_t length) {
	const struct tokenizer *tokenizer = encoder->tokenizer;
	struct code_points *normalized = &encoder->scratch->normalized;
	encoder->encoding->replaced += normalize(&tokenizer->settings.normalization, bytes, length, normalized);
	struct haystack text = { .points = normalized->points, .length = normalized->count };
	struct code_points part = { .points = normalized->points };
	size_t search = 0, done = 0, from, to;
	const struct added_token *added;
	while ((added = next_added(tokenizer, &text, &search, done, &from, &to)) != NULL) {
		part.count = from - done;
		encode_words(encoder, &part);
		append_pieces(encoder, &added->id, 1);
		done = to;
		part.points = normalized->points + done;
	}
	part.count = text.length - done;
	encode_words(encoder, &part);
}

static void encode_stretch(struct encoder *encoder, const char *text, size_t length) {
	if (length == 0)
		return;
	if (encoder->tokenizer->searches_normalized)
		encode_normalized(encoder, text, length);
	else
		encode_plain(encoder, text, text + length);
}

void tokenizer_encode(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const char *text,
	size_t length, size_t max_length, struct encoding *encoding) {
	struct encoder encoder = { tokenizer, scratch, encoding, 0 };
	struct haystack haystack = { .bytes = text, .length = length };
	size_t search = 0, done = 0, from, to;
	const struct added_token *added;
	encoding->count = encoding->replaced = 0;
	append(encoding, tokenizer->settings.special_ids.cls, -1);
	while (tokenizer->searches && length > 0
		&& (added = next_added(tokenizer, &haystack, &search, done, &from, &to)) != NULL) {
		encode_stretch(&encoder, text + done, from - done);
		append_pieces(&encoder, &added->id, 1);
		done = to;
	}
	if (done < length)
		encode_stretch(&encoder, text + done, length - done);
	if (max_length > 0 && encoding->count > max_length - 1)
		encoding->count = max_length - 1;
	append(encoding, tokenizer->settings.special_ids.sep, -1);
}

void encoding_clear(struct encoding *encoding) {
	free(encoding->input_ids);
	free(encoding->word_ids);
	*encoding = (struct encoding){ 0 };
}

struct tokenizer_scratch *tokenizer_scratch_create(const struct tokenizer *tokenizer) {
	struct tokenizer_scratch *scratch = allocate(1, sizeof *scratch);
	(void)tokenizer;
	scratch->cache = allocate((size_t)1 << CACHE_BITS, sizeof *scratch->cache);
	return scratch;
}

void tokenizer_scratch_free(struct tokenizer_scratch *scratch) {
	if (scratch == NULL)
		return;
	free(scratch->cache);
	free(scratch->normalized.points);
	free(scratch->word.bytes);
	free(scratch->pieces);
	free(scratch);
}

/* ---- decoding -------------------------------------------------------------------------------------------- */

/* Whether decoding puts no space before the token: the reference replaces these a token at a time. */
static bool hugs_left(const char *token) {
	static const char *const beginnings[] = { ".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re" };
	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
		if (strncmp(token, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

static const struct added_token *find_added(const struct settings *settings, int32_t id) {
	for (size_t i = 0; i < settings->added_count; i++)
		if (settings->added[i].id == id)
			return &settings->added[i];
	return NULL;
}

char *tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special) {
	char *text = NULL;
	size_t length = 0, room = 0;
	bool first = true;
	for (size_t i = 0; i < count; i++) {
		const char *token = vocabulary_token(tokenizer->settings.vocabulary, ids[i]);
		const struct added_token *added = find_added(&tokenizer->settings, ids[i]);
		if (token == NULL || (skip_special && added != NULL && added->special))
			continue;
		if (added != NULL && added->normalized)
			token = added->normalized_text;
		bool joins = strncmp(token, "##", 2) == 0;
		bool space = !first && !joins && !(tokenizer->settings.cleanup && hugs_left(token));
		if (joins && !first)
			token += 2;
		size_t more = strlen(token);
		if (room - length < more + 2)
			text = grow(text, room = (room + more) * 2 + 64, 1);
		if (space)
			text[length++] = ' ';
		memcpy(text + length, token, more);
		length += more;
		first = false;
	}
	if (text == NULL)
		return copy_text("");
	text[length] = '\0';
	return text;
}

/* ---- making one ------------------------------------------------------------------------------------------ */

static void classify_bytes(struct tokenizer *tokenizer) {
	const struct settings *settings = &tokenizer->settings;
	for (unsigned byte = 0; byte < 0x80; byte++) {
		unsigned flags = unicode_flags(byte);
		char character = (char)byte;
		size_t taken;
		if (settings->normalization.clean_text && (flags & UNICODE_REMOVED))
			tokenizer->class[byte] = BYTE_OTHER;
		else if (flags & UNICODE_SPACE)
			tokenizer->class[byte] = BYTE_SPACE;
		else if (flags & UNICODE_PUNCTUATION)
			tokenizer->class[byte] = BYTE_PUNCTUATION;
		else if (is_alphanumeric((unsigned char)byte) && settings->max_characters >= KEY)
			tokenizer->class[byte] = BYTE_ALPHANUMERIC;
		int32_t id = vocabulary_longest(settings->vocabulary, settings->pieces, false, &character, 1, &taken);
		tokenizer->punctuation[byte] = id < 0 || settings->max_characters == 0 ? settings->special_ids.unk : id;
	}
}

static void normalize_added(const struct settings *settings, struct added_token *added) {
	struct code_points *points = &added->normalized_content;
	char *to;
	normalize(&settings->normalization, added->content, added->length, points);
	to = added->normalized_text = allocate(points->count + 1, UTF8_LONGEST);
	for (size_t i = 0; i < points->count; i++)
		to += utf8_encode(points->points[i], to);
}

static void prepare_added(struct tokenizer *tokenizer) {
	struct settings *settings = &tokenizer->settings;
	tokenizer->only_beginning = -1;
	for (size_t i = 0; i < settings->added_count; i++) {
		struct added_token *added = &settings->added[i];
		if (added->normalized) {
			normalize_added(settings, added);
			tokenizer->searches_normalized = true;
			continue;
		}
		unsigned char byte = (unsigned char)added->content[0];
		if (!tokenizer->searches)
			tokenizer->only_beginning = byte;
		else if (tokenizer->only_beginning != byte)
			tokenizer->only_beginning = -1;
		tokenizer->begins_added[byte] = tokenizer->searches = true;
	}
}

static struct tokenizer *create(const struct settings *settings) {
	struct tokenizer *tokenizer = allocate(1, sizeof *tokenizer);
	tokenizer->settings = *settings;
	classify_bytes(tokenizer);
	prepare_added(tokenizer);
	return tokenizer;
}

struct tokenizer *tokenizer_load(const char *folder, struct failure *failure) {
	struct settings settings;
	return settings_load(folder, &settings, failure) < 0 ? NULL : create(&settings);
}

struct tokenizer *tokenizer_from_vocabulary(const char *path, bool cased, struct failure *failure) {
	struct settings settings;
	return settings_from_vocabulary(path, cased, &settings, failure) < 0 ? NULL : create(&settings);
}

void tokenizer_free(struct tokenizer *tokenizer) {
	if (tokenizer == NULL)
		return;
	settings_clear(&tokenizer->settings);
	free(tokenizer);
}

const struct vocabulary *tokenizer_vocabulary(const struct tokenizer *tokenizer) {
	return tokenizer->settings.vocabulary;
}

struct special_ids tokenizer_special_ids(const struct tokenizer *tokenizer) {
	return tokenizer->settings.special_ids;
}

int tokenizer_save(const struct tokenizer *tokenizer, const char *folder, struct failure *failure) {
	return settings_save(&tokenizer->settings, folder, failure);
}
