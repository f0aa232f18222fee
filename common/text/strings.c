/* strings: a hash table of strings with linear probing; it doubles when half of its slots are taken. */
#include "text/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static uint64_t hash_string(const char *bytes, size_t length) {
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
	return hash ^ hash >> 32;
}

/* The slot of the string, or the free one where it would go. */
static uint32_t *find_slot(const struct strings *strings, const char *bytes, size_t length) {
	for (size_t i = (size_t)hash_string(bytes, length);; i++) {
		uint32_t *slot = &strings->slots[i & (strings->slot_count - 1)];
		if (*slot == 0 || (strings_length(strings, *slot - 1) == length
			&& memcmp(strings_at(strings, *slot - 1), bytes, length) == 0))
			return slot;
	}
}

static void double_slots(struct strings *strings) {
	strings->slot_count = strings->slot_count ? strings->slot_count * 2 : 64;
	free(strings->slots);
	strings->slots = allocate(strings->slot_count, sizeof *strings->slots);
	for (size_t i = 0; i < strings->count; i++)
		*find_slot(strings, strings_at(strings, i), strings_length(strings, i)) = (uint32_t)i + 1;
}

uint32_t strings_add(struct strings *strings, const char *bytes, size_t length) {
	if (strings->count * 2 >= strings->slot_count)
		double_slots(strings);
	uint32_t *slot = find_slot(strings, bytes, length);
	if (*slot != 0)
		return *slot - 1;
	if (strings->capacity - strings->length < length + 1)
		strings->bytes = grow(strings->bytes, strings->capacity = strings->capacity * 2 + length + 256, 1);
	if (strings->count + 2 > strings->start_capacity)
		strings->start = grow(strings->start, strings->start_capacity = strings->start_capacity * 2 + 64,
			sizeof *strings->start);
	strings->start[strings->count] = strings->length;
	memcpy(strings->bytes + strings->length, bytes, length);
	strings->bytes[strings->length + length] = '\0';
	strings->length += length + 1;
	strings->start[++strings->count] = strings->length;
	*slot = (uint32_t)strings->count;
	return *slot - 1;
}

uint32_t strings_find(const struct strings *strings, const char *bytes, size_t length) {
	return strings->count == 0 ? STRINGS_NONE : *find_slot(strings, bytes, length) - 1;
}

void strings_clear(struct strings *strings) {
	free(strings->bytes);
	free(strings->start);
	free(strings->slots);
	*strings = (struct strings){ 0 };
}
