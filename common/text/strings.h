/* strings: strings numbered from 0 as they come, each once. For this room's own use.
 *
 * A hash table with open addressing over one block of text. vocabulary.c has a table of its own, whose slots hold short
 * tokens themselves: cutting a word, which asks for five or six beginnings of it, takes as long there as two lookups
 * here (117 and 61 ns, over all words of bert-base-uncased in random order). */
#ifndef CLOZE_TEXT_STRINGS_H
#define CLOZE_TEXT_STRINGS_H

#include <stddef.h>
#include <stdint.h>

#define STRINGS_NONE UINT32_MAX

/* Zero-initialize; strings_clear() releases it. */
struct strings {
	char *bytes;          /* one string after the other, each ended by a NUL */
	size_t length, capacity;
	size_t *start;        /* [count + 1] where in bytes each begins */
	size_t count, start_capacity;
	uint32_t *slots;      /* open addressing; a string's number + 1, 0: free */
	size_t slot_count;    /* a power of two, at least twice count */
};

static inline size_t strings_length(const struct strings *strings, size_t number) {
	return strings->start[number + 1] - strings->start[number] - 1;
}

/* A string's text, ended by a NUL. It moves when a string is added. */
static inline const char *strings_at(const struct strings *strings, size_t number) {
	return strings->bytes + strings->start[number];
}

/* The number of the string, added at the end where it is new. */
uint32_t strings_add(struct strings *strings, const char *bytes, size_t length);

/* The number of the string; STRINGS_NONE where it was not added. */
uint32_t strings_find(const struct strings *strings, const char *bytes, size_t length);

void strings_clear(struct strings *strings);

#endif
