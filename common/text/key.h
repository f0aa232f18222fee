/* key: the bytes of a short word as two numbers, to be compared and hashed at once. For this room's own use. */
#ifndef CLOZE_TEXT_KEY_H
#define CLOZE_TEXT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEY_LENGTH 16

struct key { uint64_t low, high; };

/* The key of `length` bytes, at most KEY_LENGTH: zeros take the place of those after them. KEY_LENGTH bytes must be
 * readable. */
static inline struct key key_load(const char *bytes, size_t length) {
	static const unsigned char keep[2 * KEY_LENGTH] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		255, 255 };
	struct key key, kept;
	memcpy(&key.low, bytes, 8);
	memcpy(&key.high, bytes + 8, 8);
	memcpy(&kept.low, keep + KEY_LENGTH - length, 8);
	memcpy(&kept.high, keep + KEY_LENGTH + 8 - length, 8);
	return (struct key){ key.low & kept.low, key.high & kept.high };
}

static inline bool key_equal(struct key a, struct key b) {
	return ((a.low ^ b.low) | (a.high ^ b.high)) == 0;
}

/* The upper bits are those to use. */
static inline uint64_t key_hash(struct key key) {
	return key.low * 0x9e3779b97f4a7c15u + key.high * 0xff51afd7ed558ccdu;
}

#endif
