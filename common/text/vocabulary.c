/* The tokens lie one after the other in one block of text; an open-addressing table finds their ids. */
#include "text/vocabulary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cli/cli.h"
#include "text/utf8.h"

#define LARGEST_FILE ((size_t)256 << 20)
#define CONTINUING "##"

#define FILTER_BITS ((size_t)1 << 19)

struct slot { uint32_t tag; int32_t id; }; /* tag: the hash's upper half; id -1: free */

struct vocabulary {
	char *text;      /* every token, each ended by a NUL */
	size_t *start;   /* [size + 1] where in text a token starts */
	size_t size;
	size_t longest;  /* bytes of the longest token */
	struct slot *slots;
	size_t mask;     /* slots - 1, a power of two less one */
	uint64_t *filter; /* a bit a hash, set where a token has it: small enough to stay in the processor's cache */
	uint64_t continuing; /* the hash of "##", with which pieces within a word begin */
};

/* FNV-1a: a byte at a time, so that the hash of every beginning of a word comes from one pass over it. */
#define HASH_START 14695981039346656037u

static uint64_t hash_byte(uint64_t hash, unsigned char byte) {
	return (hash ^ byte) * 1099511628211u;
}

static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t length) {
	for (size_t i = 0; i < length; i++)
		hash = hash_byte(hash, (unsigned char)bytes[i]);
	return hash;
}

static size_t token_length(const struct vocabulary *vocabulary, size_t id) {
	return vocabulary->start[id + 1] - vocabulary->start[id] - 1;
}

static uint64_t *filter_word(const struct vocabulary *vocabulary, uint64_t hash, uint64_t *bit) {
	size_t index = (size_t)(hash ^ hash >> 32) & (FILTER_BITS - 1);
	*bit = (uint64_t)1 << (index & 63);
	return &vocabulary->filter[index >> 6];
}

/* The slot of the token that is `prefix` followed by the text, or the free one where it would go. */
static struct slot *find_slot(const struct vocabulary *vocabulary, uint64_t hash, const char *prefix,
	size_t prefix_length, const char *text, size_t length) {
	uint32_t tag = (uint32_t)(hash >> 32);
	for (size_t i = (size_t)(hash ^ hash >> 29);; i++) {
		struct slot *slot = &vocabulary->slots[i & vocabulary->mask];
		if (slot->id < 0)
			return slot;
		if (slot->tag != tag || token_length(vocabulary, (size_t)slot->id) != prefix_length + length)
			continue;
		const char *token = vocabulary->text + vocabulary->start[slot->id];
		if (memcmp(token, prefix, prefix_length) == 0 && memcmp(token + prefix_length, text, length) == 0)
			return slot;
	}
}

/* Of a token that occurs twice the last id counts, as in the reference. An empty token is never found. */
static void index_tokens(struct vocabulary *vocabulary) {
	size_t slots = 16;
	while (slots < vocabulary->size * 2)
		slots *= 2;
	vocabulary->slots = grow(NULL, slots, sizeof *vocabulary->slots);
	memset(vocabulary->slots, 0xff, slots * sizeof *vocabulary->slots);
	vocabulary->mask = slots - 1;
	vocabulary->filter = allocate(FILTER_BITS / 64, sizeof *vocabulary->filter);
	vocabulary->continuing = hash_bytes(HASH_START, CONTINUING, strlen(CONTINUING));
	for (size_t id = 0; id < vocabulary->size; id++) {
		const char *token = vocabulary->text + vocabulary->start[id];
		size_t length = token_length(vocabulary, id);
		if (length == 0)
			continue;
		uint64_t hash = hash_bytes(HASH_START, token, length), bit;
		*filter_word(vocabulary, hash, &bit) |= bit;
		*find_slot(vocabulary, hash, "", 0, token, length) = (struct slot){ (uint32_t)(hash >> 32), (int32_t)id };
		if (length > vocabulary->longest)
			vocabulary->longest = length;
	}
}

/* Cuts the block at its newlines, in place. Takes the text over. */
static struct vocabulary *from_lines(char *text, size_t length) {
	struct vocabulary *vocabulary = allocate(1, sizeof *vocabulary);
	vocabulary->text = text;
	size_t lines = 0, to = 0;
	for (const char *end = text; (end = memchr(end, '\n', length - (size_t)(end - text))) != NULL; end++)
		lines++;
	vocabulary->start = grow(NULL, lines + 2, sizeof *vocabulary->start);
	for (size_t from = 0; from < length;) {
		const char *newline = memchr(text + from, '\n', length - from);
		size_t next = newline ? (size_t)(newline - text) + 1 : length + 1, token = next - 1 - from;
		if (token > 0 && text[from + token - 1] == '\r')
			token--;
		vocabulary->start[vocabulary->size++] = to;
		memmove(text + to, text + from, token);
		to += token;
		text[to++] = '\0';
		from = next;
	}
	vocabulary->start[vocabulary->size] = to;
	index_tokens(vocabulary);
	return vocabulary;
}

struct vocabulary *vocabulary_read(const char *path, struct failure *failure) {
	size_t length, line = 1;
	char *text = read_file(path, LARGEST_FILE, &length, failure);
	if (text == NULL)
		return NULL;
	bool damaged = length == 0;
	if (damaged)
		fail(failure, EX_DATAERR, "%s: empty (a vocabulary has a token a line)", path);
	for (size_t at = 0; at < length && !damaged; line += text[at++] == '\n') {
		uint32_t point = (unsigned char)text[at];
		size_t taken = point < 0x80 ? 1 : utf8_decode(text + at, length - at, &point);
		damaged = point == 0 || point == UTF8_INVALID;
		if (damaged)
			fail(failure, EX_DATAERR, "%s: line %zu: %s (a vocabulary is UTF-8 text, a token a line)", path,
				line, point == 0 ? "a NUL byte" : "not UTF-8");
		at += taken - 1;
	}
	if (damaged) {
		free(text);
		return NULL;
	}
	return from_lines(text, length);
}

struct vocabulary *vocabulary_create(const char *const *tokens, size_t count) {
	struct vocabulary *vocabulary = allocate(1, sizeof *vocabulary);
	vocabulary->size = count;
	vocabulary->start = grow(NULL, count + 1, sizeof *vocabulary->start);
	vocabulary->start[0] = 0;
	for (size_t i = 0; i < count; i++)
		vocabulary->start[i + 1] = vocabulary->start[i] + strlen(tokens[i]) + 1;
	vocabulary->text = grow(NULL, vocabulary->start[count], 1);
	for (size_t i = 0; i < count; i++)
		memcpy(vocabulary->text + vocabulary->start[i], tokens[i], token_length(vocabulary, i) + 1);
	index_tokens(vocabulary);
	return vocabulary;
}

void vocabulary_free(struct vocabulary *vocabulary) {
	if (vocabulary == NULL)
		return;
	free(vocabulary->text);
	free(vocabulary->start);
	free(vocabulary->slots);
	free(vocabulary->filter);
	free(vocabulary);
}

size_t vocabulary_size(const struct vocabulary *vocabulary) {
	return vocabulary->size;
}

int32_t vocabulary_id(const struct vocabulary *vocabulary, const char *token, size_t length) {
	if (length == 0)
		return -1;
	return find_slot(vocabulary, hash_bytes(HASH_START, token, length), "", 0, token, length)->id;
}

/* A beginning of a text that may be a token: its hash passed the filter. */
struct candidate { uint64_t hash; size_t length; };

int32_t vocabulary_longest(const struct vocabulary *vocabulary, int32_t below, bool continuing, const char *text,
	size_t length, size_t *taken) {
	enum { ROOM = 32 };
	struct candidate candidates[ROOM];
	const char *prefix = continuing ? CONTINUING : "";
	size_t prefix_length = strlen(prefix), count = 0;
	uint64_t hash = continuing ? vocabulary->continuing : HASH_START, bit;
	int32_t found = -1;
	size_t limit = vocabulary->longest - (vocabulary->longest < prefix_length ? vocabulary->longest : prefix_length);
	if (limit > length)
		limit = length;
	for (size_t i = 0; i < limit; i++) {
		hash = hash_byte(hash, (unsigned char)text[i]);
		if ((*filter_word(vocabulary, hash, &bit) & bit) && (i + 1 == length || !utf8_continues(text[i + 1])))
			candidates[count++] = (struct candidate){ hash, i + 1 };
		if (count < ROOM && i + 1 < limit)
			continue;
		for (bool searching = true; searching && count > 0;) { /* the longest first */
			const struct candidate *last = &candidates[--count];
			int32_t id = find_slot(vocabulary, last->hash, prefix, prefix_length, text, last->length)->id;
			if (id >= 0 && id < below) {
				found = id;
				*taken = last->length;
				searching = false;
			}
		}
		count = 0;
	}
	return found;
}

const char *vocabulary_token(const struct vocabulary *vocabulary, int32_t id) {
	return id < 0 || (size_t)id >= vocabulary->size ? NULL : vocabulary->text + vocabulary->start[id];
}

void vocabulary_fingerprint(const struct vocabulary *vocabulary, char fingerprint[static 16]) {
	uLong crc = crc32(0, NULL, 0);
	for (size_t id = 0; id < vocabulary->size; id++) {
		crc = crc32_z(crc, (const Bytef *)vocabulary->text + vocabulary->start[id], token_length(vocabulary, id));
		crc = crc32_z(crc, (const Bytef *)"\n", 1);
	}
	snprintf(fingerprint, 16, "crc32:%08" PRIx32, (uint32_t)crc);
}

int vocabulary_write(const struct vocabulary *vocabulary, int descriptor, const char *name, struct failure *failure) {
	size_t length = vocabulary->start[vocabulary->size];
	char *lines = grow(NULL, length, 1);
	for (size_t i = 0; i < length; i++)
		lines[i] = vocabulary->text[i] ? vocabulary->text[i] : '\n';
	int result = write_all(descriptor, lines, length, name, failure);
	free(lines);
	return result;
}
