/* tokenizer: where the text is plain ASCII, a word of up to 16 letters and digits, or a punctuation character, is one
 * load, one look into a cache of words seen, and one store. Whatever else there is takes the general way, a run
 * between ASCII white space and punctuation at a time. */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "text/added.h"
#include "text/added_search.h"
#include "text/key.h"
#include "text/normalize.h"
#include "text/scan.h"
#include "text/settings.h"

#define CACHE_BITS 16           /* its entries, 32 bytes each: 2 MiB a thread */
#define CACHED_PIECES 3
#define ENTRY 4                 /* numbers that are copied for an entry, its pieces and their count */
#define MORE_PIECES (1 << 16)
#define LOOKS 64                /* words looked up at once, so that their entries are near when they are needed */

struct tokenizer {
	struct settings settings;
	size_t longest; /* bytes of a word of letters and digits for the cache */
	struct added_search added;
};

/* A word and the pieces it becomes, or where in `more` they begin, when they are more. A key of zeros: free. */
struct cached { struct key key; int32_t pieces[CACHED_PIECES]; uint32_t count; };

/* A word to be encoded, and the two entries, a cache line, where it may be. */
struct look { struct key key; struct cached *pair; size_t length; };

struct tokenizer_scratch {
	struct cached *cache;
	int32_t *more;
	size_t more_count;
	struct look looks[LOOKS];
	struct scan scan;
	struct code_points normalized;
	struct word word;
	int32_t *pieces;
	size_t pieces_capacity;
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
	if (encoding->capacity - encoding->count >= more)
		return;
	encoding->capacity = encoding->capacity * 2 + more + 256;
	encoding->input_ids = grow(encoding->input_ids, encoding->capacity, sizeof *encoding->input_ids);
	encoding->word_ids = grow(encoding->word_ids, encoding->capacity, sizeof *encoding->word_ids);
}

static void append(struct encoding *encoding, int32_t id, int32_t word) {
	reserve(encoding, 1);
	encoding->input_ids[encoding->count] = id;
	encoding->word_ids[encoding->count++] = word;
}

static void append_word(struct encoder *encoder, const int32_t *pieces, size_t count) {
	for (size_t i = 0; i < count; i++)
		append(encoder->encoding, pieces[i], encoder->word);
	encoder->word++;
}

/* Cuts a word into scratch->pieces; [UNK] when they do not cover it. Returns how many. The word is followed by
 * KEY_LENGTH bytes. */
static size_t cut(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const char *word,
	size_t length) {
	if (scratch->pieces_capacity < length)
		scratch->pieces = grow(scratch->pieces, scratch->pieces_capacity = length * 2, sizeof *scratch->pieces);
	size_t count = vocabulary_cut(tokenizer->settings.vocabulary, tokenizer->settings.pieces, word, length,
		scratch->pieces);
	if (count > 0)
		return count;
	scratch->pieces[0] = tokenizer->settings.special_ids.unk;
	return 1;
}

/* Puts a word and its pieces in its pair: in the first entry while that is free, then in the second, where words come
 * and go until they are seen again. Nothing is kept of a word of more pieces than `more` has left for. */
static void keep_word(struct tokenizer_scratch *scratch, const struct look *look, size_t count) {
	struct cached cached = { .key = look->key, .count = (uint32_t)count };
	int32_t *to = cached.pieces;
	if (count > CACHED_PIECES) {
		if (MORE_PIECES - scratch->more_count < count)
			return;
		to = scratch->more + scratch->more_count;
		cached.pieces[0] = (int32_t)scratch->more_count;
		scratch->more_count += count;
	}
	memcpy(to, scratch->pieces, count * sizeof *to);
	look->pair[look->pair[0].key.low != 0] = cached;
}

/* Cuts a word that the cache does not hold into scratch->pieces, and keeps it. Returns how many they are. */
static size_t cut_new(struct encoder *encoder, const struct look *look) {
	char word[2 * KEY_LENGTH] = { 0 };
	memcpy(word, &look->key, sizeof look->key);
	size_t count = cut(encoder->tokenizer, encoder->scratch, word, look->length);
	keep_word(encoder->scratch, look, count);
	return count;
}

/* Encodes a word that is not in the first entry of its pair, or has too many pieces for one. Returns how many. */
__attribute__((noinline)) /* so that its variables take no registers from the words that are found at once */
static size_t encode_rare(struct encoder *encoder, const struct look *look, int32_t word, int32_t *input_ids,
	int32_t *word_ids) {
	struct tokenizer_scratch *scratch = encoder->scratch;
	struct cached *first = &look->pair[0], *second = &look->pair[1];
	const int32_t *pieces;
	size_t count;
	if (key_equal(second->key, look->key)) {
		struct cached found = *second;
		*second = *first;
		*first = found;
	}
	if (key_equal(first->key, look->key)) {
		count = first->count;
		pieces = count > CACHED_PIECES ? scratch->more + first->pieces[0] : first->pieces;
	} else {
		count = cut_new(encoder, look);
		pieces = scratch->pieces;
	}
	for (size_t i = 0; i < count; i++) {
		input_ids[i] = pieces[i];
		word_ids[i] = word;
	}
	return count;
}

/* Where a word of 1 to KEY_LENGTH bytes, none of them NUL, may be in the cache; has that brought near. */
static inline struct look look_for(const struct tokenizer_scratch *scratch, struct key key, size_t length) {
	struct cached *pair = &scratch->cache[key_hash(key) >> (64 - CACHE_BITS) & ~(uint64_t)1];
	__builtin_prefetch(pair);
	return (struct look){ key, pair, length };
}

/* Encodes words that were looked for. */
static void encode_looks(struct encoder *encoder, const struct look *looks, size_t count) {
	struct encoding *encoding = encoder->encoding;
	reserve(encoding, count * KEY_LENGTH + ENTRY); /* a piece takes a byte at least */
	int32_t *input_ids = encoding->input_ids, *word_ids = encoding->word_ids;
	size_t at = encoding->count;
	int32_t word = encoder->word;
	for (const struct look *look = looks, *end = looks + count; look < end; look++, word++) {
		const struct cached *cached = look->pair;
		if (!key_equal(cached->key, look->key) || cached->count > CACHED_PIECES) {
			at += encode_rare(encoder, look, word, input_ids + at, word_ids + at);
			continue;
		}
		/* All that an entry can hold, and the count behind it: cheaper than to foresee how many there are. */
		memcpy(input_ids + at, cached->pieces, ENTRY * sizeof *input_ids);
		for (size_t i = 0; i < ENTRY; i++)
			word_ids[at + i] = word;
		at += cached->count;
	}
	encoder->word = word;
	encoding->count = at;
}

static void encode_word(struct encoder *encoder, const struct word *word) {
	const struct tokenizer *tokenizer = encoder->tokenizer;
	struct tokenizer_scratch *scratch = encoder->scratch;
	if (word->characters > tokenizer->settings.max_characters) {
		append_word(encoder, &tokenizer->settings.special_ids.unk, 1);
	} else if (word->length <= KEY_LENGTH && memchr(word->bytes, '\0', word->length) == NULL) {
		struct look look = look_for(scratch, key_load(word->bytes, word->length), word->length);
		encode_looks(encoder, &look, 1);
	} else {
		size_t count = cut(tokenizer, scratch, word->bytes, word->length);
		append_word(encoder, scratch->pieces, count);
	}
}

static void encode_words(struct encoder *encoder, const struct code_points *text) {
	size_t at = 0;
	while (next_word(text, &at, &encoder->scratch->word))
		encode_word(encoder, &encoder->scratch->word);
}

/* ---- the ASCII way --------------------------------------------------------------------------------------- */

/* Encodes a run of bytes between ASCII white space and punctuation: no step of normalization reaches across those. */
static void encode_run(struct encoder *encoder, const char *text, size_t length) {
	struct code_points *normalized = &encoder->scratch->normalized;
	encoder->encoding->replaced += normalize(&encoder->tokenizer->settings.normalization, text, length, normalized);
	encode_words(encoder, normalized);
}

/* Looks for the words from the scan's number *at on, at most LOOKS of them, up to the first that is too long or not
 * of letters and digits alone; moves *at there. `other`, the first byte of that kind, is not before *at. Returns how
 * many. */
static size_t look_ahead(struct tokenizer_scratch *scratch, size_t longest, size_t other, size_t *at) {
	const struct scan *scan = &scratch->scan;
	size_t i = *at, end = scan->count - i < LOOKS ? scan->count : i + LOOKS;
	struct look *look = scratch->looks;
	for (; i < end; i++) {
		size_t first = scan->first[i], past = scan->past[i], length = past - first;
		if (length > longest || other < past)
			break;
		*look++ = look_for(scratch, key_load(scan->text + first, length), length);
	}
	*at = i;
	return (size_t)(look - scratch->looks);
}

/* Encodes what was scanned of the text, and the rest of a run that begins in it; returns how many bytes that took. */
static size_t encode_scanned(struct encoder *encoder, const char *text, size_t length, size_t scanned) {
	struct tokenizer_scratch *scratch = encoder->scratch;
	const struct scan *scan = &scratch->scan;
	const uint16_t *other = scan->other;
	for (size_t i = 0; i < scan->count;) {
		size_t count = look_ahead(scratch, encoder->tokenizer->longest, *other, &i);
		encode_looks(encoder, scratch->looks, count);
		if (count == LOOKS || i == scan->count)
			continue;
		size_t first = scan->first[i], past = scan->past[i];
		while (past < length && !scan_separates(text[past]))
			past++;
		encode_run(encoder, text + first, past - first);
		if (past >= scanned)
			return past;
		while (i < scan->count && scan->first[i] < past)
			i++;
		while (*other < past)
			other++;
	}
	return scanned;
}

static void encode_plain(struct encoder *encoder, const char *text, size_t length) {
	const bool lowercase = encoder->tokenizer->settings.normalization.lowercase;
	while (length > 0) {
		size_t scanned = scan_text(&encoder->scratch->scan, text, length, lowercase);
		size_t done = encode_scanned(encoder, text, length, scanned);
		text += done;
		length -= done;
	}
}

/* ---- texts ----------------------------------------------------------------------------------------------- */

static void encode_normalized(struct encoder *encoder, const char *bytes, size_t length) {
	const struct tokenizer *tokenizer = encoder->tokenizer;
	struct code_points *normalized = &encoder->scratch->normalized;
	encoder->encoding->replaced += normalize(&tokenizer->settings.normalization, bytes, length, normalized);
	struct haystack text = { .points = normalized->points, .length = normalized->count };
	struct code_points part = { .points = normalized->points };
	size_t search = 0, done = 0, from, to;
	const struct added_token *added;
	while ((added = added_next(&tokenizer->added, &text, &search, done, &from, &to)) != NULL) {
		part.count = from - done;
		encode_words(encoder, &part);
		append_word(encoder, &added->id, 1);
		done = to;
		part.points = normalized->points + done;
	}
	part.count = text.length - done;
	encode_words(encoder, &part);
}

static void encode_stretch(struct encoder *encoder, const char *text, size_t length) {
	if (length == 0)
		return;
	if (encoder->tokenizer->added.in_normalized.count > 0)
		encode_normalized(encoder, text, length);
	else
		encode_plain(encoder, text, length);
}

/* Leaves `keep` tokens of those from `first` on. */
static void cut_text(const struct tokenizer *tokenizer, struct encoding *encoding, size_t first, size_t keep) {
	size_t from = tokenizer->settings.cut_left ? encoding->count - keep : first;
	memmove(encoding->input_ids + first, encoding->input_ids + from, keep * sizeof *encoding->input_ids);
	memmove(encoding->word_ids + first, encoding->word_ids + from, keep * sizeof *encoding->word_ids);
	encoding->count = first + keep;
}

void tokenizer_append(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const char *text,
	size_t length, size_t max_length, struct encoding *encoding) {
	struct encoder encoder = { tokenizer, scratch, encoding, 0 };
	struct haystack haystack = { .bytes = text, .length = length };
	size_t search = 0, done = 0, begin = encoding->count, from, to;
	const struct added_token *added;
	append(encoding, tokenizer->settings.special_ids.cls, -1);
	while (tokenizer->added.in_text.count > 0 && length > 0
		&& (added = added_next(&tokenizer->added, &haystack, &search, done, &from, &to)) != NULL) {
		encode_stretch(&encoder, text + done, from - done);
		append_word(&encoder, &added->id, 1);
		done = to;
	}
	if (done < length)
		encode_stretch(&encoder, text + done, length - done);
	if (max_length > 0 && encoding->count - begin > max_length - 1)
		cut_text(tokenizer, encoding, begin + 1, max_length - 2);
	append(encoding, tokenizer->settings.special_ids.sep, -1);
}

void tokenizer_encode(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const char *text,
	size_t length, size_t max_length, struct encoding *encoding) {
	encoding->count = encoding->replaced = 0;
	tokenizer_append(tokenizer, scratch, text, length, max_length, encoding);
}

void encoding_clear(struct encoding *encoding) {
	free(encoding->input_ids);
	free(encoding->word_ids);
	*encoding = (struct encoding){ 0 };
}

struct tokenizer_scratch *tokenizer_scratch_create(void) {
	struct tokenizer_scratch *scratch = allocate(1, sizeof *scratch);
	scratch->cache = allocate_huge_pages((size_t)1 << CACHE_BITS, sizeof *scratch->cache);
	scratch->more = grow(NULL, MORE_PIECES, sizeof *scratch->more);
	return scratch;
}

void tokenizer_scratch_free(struct tokenizer_scratch *scratch) {
	if (scratch == NULL)
		return;
	free_huge_pages(scratch->cache, (size_t)1 << CACHE_BITS, sizeof *scratch->cache);
	free(scratch->more);
	free(scratch->normalized.points);
	free(scratch->word.bytes);
	free(scratch->pieces);
	free(scratch);
}

/* ---- decoding -------------------------------------------------------------------------------------------- */

/* Puts `to`, which is shorter, in place of every `from` in the text. */
static void replace(char *text, const char *from, const char *to) {
	size_t length = strlen(from), new_length = strlen(to);
	char *end = text;
	for (char *found; (found = strstr(text, from)) != NULL; text = found + length) {
		memmove(end, text, (size_t)(found - text));
		end += found - text;
		memcpy(end, to, new_length);
		end += new_length;
	}
	memmove(end, text, strlen(text) + 1);
}

/* Takes spaces before punctuation back. `decoder`: as the WordPiece decoder of `tokenizers` does; else as
 * clean_up_tokenization() of transformers does, which leaves "do not" alone. */
static void clean_up(char *text, bool decoder) {
	static const char *const pairs[][2] = { { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" },
		{ " n't", "n't" }, { " 'm", "'m" }, { " do not", " don't" }, { " 's", "'s" }, { " 've", "'ve" },
		{ " 're", "'re" } };
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (decoder || strcmp(pairs[i][0], " do not") != 0)
			replace(text, pairs[i][0], pairs[i][1]);
}

/* What decoding gives for an id; NULL: nothing. */
static const char *decoded_token(const struct settings *settings, int32_t id, bool skip_special) {
	const char *token = vocabulary_token(settings->vocabulary, id);
	const struct added_token *added = added_with_id(settings, id);
	if (token == NULL || *token == '\0' || (skip_special && added != NULL && added->special))
		return NULL;
	return added != NULL && added->decodes_normalized ? added->normalized_text : token;
}

/* Appends what a token adds to the text, where it is not the first one. A NUL is behind the text. */
static void append_decoded(const struct settings *settings, const char *token, bool first, struct bytes *text) {
	bool joins = settings->joins && !first && strncmp(token, "##", 2) == 0;
	size_t begin = text->size;
	bytes_append(text, " ", !first && !joins);
	bytes_append(text, token + 2 * joins, strlen(token + 2 * joins) + 1);
	if (settings->cleanup)
		clean_up((char *)text->data + begin, true);
	text->size = begin + strlen((char *)text->data + begin);
}

/* The text as a string of its own. */
static char *end_text(struct bytes *text) {
	bytes_append(text, "", 1);
	return (char *)text->data;
}

char *tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special) {
	const struct settings *settings = &tokenizer->settings;
	struct bytes text = { 0 };
	for (size_t i = 0; i < count; i++) {
		const char *token = decoded_token(settings, ids[i], skip_special);
		if (token != NULL)
			append_decoded(settings, token, text.data == NULL, &text);
	}
	char *whole = end_text(&text);
	if (settings->cleanup_text)
		clean_up(whole, false);
	return whole;
}

char *tokenizer_decode_masked(const struct tokenizer *tokenizer, const int32_t *ids, const int32_t *labels,
	size_t count) {
	const struct settings *settings = &tokenizer->settings;
	struct bytes text = { 0 };
	for (size_t i = 0; i < count; i++) {
		const char *token = decoded_token(settings, ids[i], false);
		const char *label = labels[i] < 0 ? NULL : vocabulary_token(settings->vocabulary, labels[i]);
		if (token != NULL)
			append_decoded(settings, token, text.data == NULL, &text);
		if (label == NULL)
			continue;
		bytes_append(&text, "{", 1);
		bytes_append(&text, label, strlen(label));
		bytes_append(&text, "}", 1);
	}
	return end_text(&text);
}

/* ---- making one ------------------------------------------------------------------------------------------ */

static struct tokenizer *create(const struct settings *settings) {
	struct tokenizer *tokenizer = allocate(1, sizeof *tokenizer);
	tokenizer->settings = *settings;
	tokenizer->longest = settings->max_characters < KEY_LENGTH ? settings->max_characters : KEY_LENGTH;
	added_search_prepare(&tokenizer->settings, &tokenizer->added);
	return tokenizer;
}

struct tokenizer *tokenizer_load(const char *folder, struct failure *failure) {
	struct settings settings;
	return settings_load(folder, &settings, failure) < 0 ? NULL : create(&settings);
}

int tokenizer_find(const char *folder, struct tokenizer **tokenizer, struct failure *failure) {
	*tokenizer = NULL;
	if (!tokenizer_is_there(folder))
		return 0;
	*tokenizer = tokenizer_load(folder, failure);
	return *tokenizer == NULL ? -1 : 0;
}

struct tokenizer *tokenizer_from_vocabulary(const char *path, bool cased, struct failure *failure) {
	struct settings settings;
	return settings_from_vocabulary(path, cased, &settings, failure) < 0 ? NULL : create(&settings);
}

void tokenizer_free(struct tokenizer *tokenizer) {
	if (tokenizer == NULL)
		return;
	added_search_clear(&tokenizer->added);
	settings_clear(&tokenizer->settings);
	free(tokenizer);
}

const struct vocabulary *tokenizer_vocabulary(const struct tokenizer *tokenizer) {
	return tokenizer->settings.vocabulary;
}

struct special_ids tokenizer_special_ids(const struct tokenizer *tokenizer) {
	return tokenizer->settings.special_ids;
}

int32_t *tokenizer_all_special_ids(const struct tokenizer *tokenizer, size_t *count) {
	const struct settings *settings = &tokenizer->settings;
	const struct special_ids *named = &settings->special_ids;
	const int32_t named_ids[] = { named->pad, named->unk, named->cls, named->sep, named->mask };
	int32_t *ids = allocate(settings->added_count + sizeof named_ids / sizeof *named_ids, sizeof *ids);
	*count = 0;
	for (size_t i = 0; i < sizeof named_ids / sizeof *named_ids; i++)
		if (named_ids[i] >= 0)
			ids[(*count)++] = named_ids[i];
	for (size_t i = 0; i < settings->added_count; i++)
		if (settings->added[i].special)
			ids[(*count)++] = settings->added[i].id;
	return ids;
}

int tokenizer_save(const struct tokenizer *tokenizer, const char *folder, struct failure *failure) {
	return tokenizer_files_write(&tokenizer->settings.files, folder, failure);
}
