/* vocabulary: the tokens lie one after the other in one block of text. An open-addressing table finds their ids; the
 * slots hold short tokens themselves, so that most are found, or found missing, by one look into memory. */
#include "text/vocabulary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/key.h"
#include "text/unicode.h"

#define CONTINUING "##"

#define FILTER_BITS 19
#define AHEAD 16   /* tokens put into the table at once */
#define PART 4096  /* bytes of the text copied at once */

/* A token, less the ## that a piece within a word begins with. `form`: its length times two, plus one for such a piece;
 * 0: free. */
struct slot { struct key key; int32_t id; uint32_t form; };

struct vocabulary {
	char *text;       /* every token, each ended by a NUL, KEY_LENGTH bytes after the last */
	uint32_t *start;  /* [size + 1] where in text a token starts */
	size_t size;
	size_t gaps;      /* ids that have no token */
	int32_t repeated; /* the id of a token that occurs again; -1: none */
	size_t longest;   /* bytes of the longest token, less its ## */
	bool *lengths;    /* [longest + 1] whether some token is as long */
	struct slot *slots;
	int slot_bits;    /* there are two to that */
	uint64_t *filter; /* a bit a hash, set where a token has it: small enough to stay in the processor's cache */
};

static size_t token_length(const struct vocabulary *vocabulary, size_t id) {
	return vocabulary->start[id + 1] - vocabulary->start[id] - 1;
}

/* A text that may be a token. KEY_LENGTH bytes can be read where it begins. */
struct candidate { const char *text; size_t length; bool continuing; };

/* Takes a token's ## off. */
static struct candidate candidate_of(const char *token, size_t length) {
	bool continuing = length >= 2 && memcmp(token, CONTINUING, 2) == 0;
	return (struct candidate){ token + 2 * continuing, length - 2 * (size_t)continuing, continuing };
}

/* One past KEY_LENGTH goes by its first eight bytes and a hash of the rest (FNV-1a). */
static inline struct key candidate_key(const struct candidate *candidate) {
	struct key key = key_load(candidate->text, candidate->length < KEY_LENGTH ? candidate->length : KEY_LENGTH);
	if (candidate->length > KEY_LENGTH) {
		key.high = 14695981039346656037u;
		for (size_t i = 8; i < candidate->length; i++)
			key.high = (key.high ^ (unsigned char)candidate->text[i]) * 1099511628211u;
	}
	return key;
}

static inline uint64_t hash_key(struct key key, bool continuing) {
	return key_hash(key) + continuing * 0xd6e8feb86659fd93u;
}

/* What the token's slot holds. */
static inline struct slot slot_for(const struct candidate *token, int32_t id) {
	return (struct slot){ candidate_key(token), id, (uint32_t)token->length * 2 + token->continuing };
}

static inline struct slot *first_slot(const struct vocabulary *vocabulary, uint64_t hash) {
	return &vocabulary->slots[hash >> (64 - vocabulary->slot_bits)];
}

/* The slot of the token that `wanted` is for, whose text, less its ##, is `text`, or the free one where it would go. */
static struct slot *find_slot(const struct vocabulary *vocabulary, const struct slot *wanted, const char *text) {
	const struct slot *end = vocabulary->slots + ((size_t)1 << vocabulary->slot_bits);
	uint32_t length = wanted->form / 2, continuing = wanted->form % 2;
	struct slot *slot = first_slot(vocabulary, hash_key(wanted->key, continuing));
	for (;; slot = slot + 1 == end ? vocabulary->slots : slot + 1) {
		if (slot->form == 0)
			return slot;
		if (slot->form == wanted->form && key_equal(slot->key, wanted->key) && (length <= KEY_LENGTH
			|| memcmp(vocabulary->text + vocabulary->start[slot->id] + 2 * continuing, text, length) == 0))
			return slot;
	}
}

static void note_length(struct vocabulary *vocabulary, size_t length) {
	size_t known = vocabulary->lengths ? vocabulary->longest + 1 : 0;
	if (length >= known) {
		vocabulary->lengths = grow(vocabulary->lengths, length + 1, sizeof *vocabulary->lengths);
		memset(vocabulary->lengths + known, 0, length + 1 - known);
		vocabulary->longest = length;
	}
	vocabulary->lengths[length] = true;
}

/* Puts tokens into the table, at most AHEAD of them. Their slots are brought near all at once: one by one they would be
 * waited for. Of a token that occurs twice the last id counts, as in the reference. An empty token is never found. */
static void index_tokens(struct vocabulary *vocabulary, size_t first, size_t count) {
	struct candidate tokens[AHEAD];
	struct slot slots[AHEAD];
	for (size_t i = 0; i < count; i++) {
		tokens[i] = candidate_of(vocabulary->text + vocabulary->start[first + i], token_length(vocabulary, first + i));
		slots[i] = slot_for(&tokens[i], (int32_t)(first + i));
		uint64_t hash = hash_key(slots[i].key, tokens[i].continuing), bit = hash >> (64 - FILTER_BITS);
		vocabulary->filter[bit / 64] |= (uint64_t)1 << bit % 64;
		__builtin_prefetch(first_slot(vocabulary, hash));
		note_length(vocabulary, tokens[i].length);
	}
	for (size_t i = 0; i < count; i++) {
		vocabulary->gaps += slots[i].form == 0;
		if (slots[i].form == 0)
			continue;
		struct slot *slot = find_slot(vocabulary, &slots[i], tokens[i].text);
		if (slot->form != 0)
			vocabulary->repeated = slot->id;
		*slot = slots[i];
	}
}

static void create_index(struct vocabulary *vocabulary) {
	size_t size = vocabulary->size;
	vocabulary->repeated = -1;
	vocabulary->slot_bits = 4;
	while ((size_t)1 << vocabulary->slot_bits < size * 2)
		vocabulary->slot_bits++;
	vocabulary->slots = allocate_huge_pages((size_t)1 << vocabulary->slot_bits, sizeof *vocabulary->slots);
	vocabulary->filter = allocate(((size_t)1 << FILTER_BITS) / 64, sizeof *vocabulary->filter);
	for (size_t first = 0; first < size; first += AHEAD)
		index_tokens(vocabulary, first, size - first < AHEAD ? size - first : AHEAD);
}

/* A vocabulary without tokens that has room for `count` of `length` bytes in all. */
static struct vocabulary *create_empty(size_t count, size_t length) {
	struct vocabulary *vocabulary = allocate(1, sizeof *vocabulary);
	vocabulary->start = grow(NULL, count + 1, sizeof *vocabulary->start);
	vocabulary->start[0] = 0;
	vocabulary->text = grow(NULL, length + count + KEY_LENGTH, 1);
	return vocabulary;
}

static void append_token(struct vocabulary *vocabulary, const char *token, size_t length) {
	char *to = vocabulary->text + vocabulary->start[vocabulary->size];
	if (length > 0)
		memcpy(to, token, length);
	to[length] = '\0';
	vocabulary->start[vocabulary->size + 1] = vocabulary->start[vocabulary->size] + (uint32_t)length + 1;
	vocabulary->size++;
}

struct vocabulary *vocabulary_create(const struct token_text *tokens, size_t count) {
	size_t length = 0;
	for (size_t i = 0; i < count; i++)
		length += tokens[i].length;
	struct vocabulary *vocabulary = create_empty(count, length);
	for (size_t i = 0; i < count; i++)
		append_token(vocabulary, tokens[i].text, tokens[i].length);
	create_index(vocabulary);
	return vocabulary;
}

/* ---- vocab.txt ------------------------------------------------------------------------------------------- */

/* How many of the bytes are ASCII without NULs, eight at a time. */
static size_t skip_ascii(const char *text, size_t length) {
	size_t at = 0;
	for (uint64_t eight; length - at >= sizeof eight; at += sizeof eight) {
		memcpy(&eight, text + at, sizeof eight);
		if (((eight - 0x0101010101010101u) | eight) & 0x8080808080808080u)
			break;
	}
	return at;
}

static size_t count_lines(const char *text, size_t length) {
	size_t lines = 1;
	for (size_t at = 0; at < length; at++)
		lines += text[at] == '\n';
	return lines;
}

/* Fails where the text is not UTF-8 without NULs. */
static int check_text(const char *text, size_t length, const char *name, struct failure *failure) {
	uint32_t point;
	for (size_t at = skip_ascii(text, length); at < length; at += skip_ascii(text + at, length - at)) {
		size_t taken = utf8_decode(text + at, length - at, &point);
		if (point == 0 || point == UTF8_INVALID)
			return fail(failure, EX_DATAERR, "%s: line %zu: %s (a vocabulary is UTF-8 text, a token a line)", name,
				count_lines(text, at), point == 0 ? "a NUL byte" : "not UTF-8");
		at += taken;
	}
	return length > 0 ? 0 : fail(failure, EX_DATAERR, "%s: empty (a vocabulary has a token a line)", name);
}

/* The length of the line less the white space at its end, as Rust's trim_end() takes it off. */
static size_t trimmed(const char *line, size_t length) {
	while (length > 0) {
		size_t start = length - 1;
		uint32_t point = (unsigned char)line[start];
		if (point > ' ' && point < 0x7f)
			break;
		while (start > 0 && utf8_continues(line[start]))
			start--;
		utf8_decode(line + start, length - start, &point);
		if (!(unicode_flags(point) & UNICODE_SPACE))
			break;
		length = start;
	}
	return length;
}

struct vocabulary *vocabulary_parse(const char *text, size_t length, const char *name, struct failure *failure) {
	if (check_text(text, length, name, failure) < 0)
		return NULL;
	struct vocabulary *vocabulary = create_empty(count_lines(text, length), length);
	for (size_t from = 0, past; from < length; from = past + 1) {
		const char *newline = memchr(text + from, '\n', length - from);
		past = newline ? (size_t)(newline - text) : length;
		append_token(vocabulary, text + from, trimmed(text + from, past - from));
	}
	create_index(vocabulary);
	return vocabulary;
}

void vocabulary_free(struct vocabulary *vocabulary) {
	if (vocabulary == NULL)
		return;
	free(vocabulary->text);
	free(vocabulary->start);
	free_huge_pages(vocabulary->slots, (size_t)1 << vocabulary->slot_bits, sizeof *vocabulary->slots);
	free(vocabulary->filter);
	free(vocabulary->lengths);
	free(vocabulary);
}

size_t vocabulary_size(const struct vocabulary *vocabulary) {
	return vocabulary->size;
}

int32_t vocabulary_repeated(const struct vocabulary *vocabulary) {
	return vocabulary->repeated;
}

bool vocabulary_whole(const struct vocabulary *vocabulary) {
	return vocabulary->gaps == 0 && vocabulary->repeated < 0;
}

/* The id of the candidate, if it is a token and below `below`; else -1. */
static int32_t find_piece(const struct vocabulary *vocabulary, int32_t below, const struct candidate *candidate) {
	struct slot wanted = slot_for(candidate, -1);
	const struct slot *slot = find_slot(vocabulary, &wanted, candidate->text);
	return slot->form != 0 && slot->id < below ? slot->id : -1;
}

int32_t vocabulary_id(const struct vocabulary *vocabulary, const char *token, size_t length) {
	char *readable = allocate(length + KEY_LENGTH, 1);
	if (length > 0)
		memcpy(readable, token, length);
	struct candidate candidate = candidate_of(readable, length);
	int32_t id = length > 0 ? find_piece(vocabulary, INT32_MAX, &candidate) : -1;
	free(readable);
	return id;
}

/* The beginnings of the text, of up to KEY_LENGTH bytes, that pass the filter, nearly all of them pieces: bit i for
 * that of i bytes. */
static uint32_t find_likely(const struct vocabulary *vocabulary, const char *text, size_t length, bool continuing) {
	uint32_t likely = 0;
	for (size_t i = 1; i <= length && i <= KEY_LENGTH; i++) {
		uint64_t hash = hash_key(key_load(text, i), continuing) >> (64 - FILTER_BITS);
		likely |= (uint32_t)(vocabulary->filter[hash / 64] >> hash % 64 & 1) << i;
	}
	return likely;
}

static size_t longest_of(uint32_t likely) {
	return (size_t)(31 - __builtin_clz(likely));
}

/* Finds what is likely along a short word, taking the filter at its word, and has the slots of those pieces brought
 * near all at once: one by one they would be waited for. */
static void look_ahead(const struct vocabulary *vocabulary, const char *word, size_t length,
	uint32_t likely[static KEY_LENGTH]) {
	for (size_t at = 0, longest; at < length; at += longest) {
		likely[at] = find_likely(vocabulary, word + at, length - at, at > 0);
		if (likely[at] == 0)
			break;
		longest = longest_of(likely[at]);
		uint64_t hash = hash_key(key_load(word + at, longest), at > 0);
		__builtin_prefetch(first_slot(vocabulary, hash));
	}
}

/* The longest piece that the text begins with. Returns how long it is, 0 if there is none. */
static size_t find_longest(const struct vocabulary *vocabulary, int32_t below, const char *text, size_t length,
	bool continuing, uint32_t likely, int32_t *piece) {
	struct candidate candidate = { text, length < vocabulary->longest ? length : vocabulary->longest, continuing };
	for (; candidate.length > KEY_LENGTH; candidate.length--)
		if (vocabulary->lengths[candidate.length] && (*piece = find_piece(vocabulary, below, &candidate)) >= 0)
			return candidate.length;
	for (; likely != 0; likely ^= (uint32_t)1 << candidate.length) {
		candidate.length = longest_of(likely);
		if ((*piece = find_piece(vocabulary, below, &candidate)) >= 0)
			return candidate.length;
	}
	return 0;
}

size_t vocabulary_cut(const struct vocabulary *vocabulary, int32_t below, const char *word, size_t length,
	int32_t *pieces) {
	uint32_t ahead[KEY_LENGTH] = { 0 };
	size_t count = 0, taken;
	if (length <= KEY_LENGTH)
		look_ahead(vocabulary, word, length, ahead);
	for (size_t at = 0; at < length; at += taken) {
		uint32_t likely = length <= KEY_LENGTH ? ahead[at] : 0;
		if (likely == 0)
			likely = find_likely(vocabulary, word + at, length - at, at > 0);
		taken = find_longest(vocabulary, below, word + at, length - at, at > 0, likely, &pieces[count++]);
		if (taken == 0)
			return 0;
	}
	return count;
}

const char *vocabulary_token(const struct vocabulary *vocabulary, int32_t id) {
	return id < 0 || (size_t)id >= vocabulary->size ? NULL : vocabulary->text + vocabulary->start[id];
}

/* Copies the text from a place in it on, as much as `lines` has room for, with newlines for the NULs that end its
 * tokens. Returns how many bytes that is. */
static size_t copy_lines(const struct vocabulary *vocabulary, size_t from, char lines[static PART]) {
	size_t left = vocabulary->start[vocabulary->size] - from, part = left < PART ? left : PART;
	for (size_t i = 0; i < part; i++)
		lines[i] = vocabulary->text[from + i] == '\0' ? '\n' : vocabulary->text[from + i];
	return part;
}

void vocabulary_fingerprint(const struct vocabulary *vocabulary, char fingerprint[static 16]) {
	char lines[PART];
	uint32_t crc = 0;
	size_t part;
	for (size_t at = 0; (part = copy_lines(vocabulary, at, lines)) > 0; at += part)
		crc = crc32_extend(crc, lines, part);
	snprintf(fingerprint, 16, "crc32:%08" PRIx32, crc);
}

int vocabulary_write(const struct vocabulary *vocabulary, int descriptor, const char *name, struct failure *failure) {
	char lines[PART];
	size_t part;
	for (size_t at = 0; (part = copy_lines(vocabulary, at, lines)) > 0; at += part)
		if (write_all(descriptor, lines, part, name, failure) < 0)
			return -1;
	return 0;
}
