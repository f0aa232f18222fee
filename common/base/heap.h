/* heap: a binary heap in an array of items of any type (Knuth, volume 3, section 5.2.3).
 *
 * The functions are inlined with a constant size and a known order, so that each use compiles to code of its own. The item
 * that comes before all others is the first of the array. */
#ifndef CLOZE_BASE_HEAP_H
#define CLOZE_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Whether item `a` comes before item `b`. */
typedef bool heap_order(const void *context, const void *a, const void *b);

enum { HEAP_ITEM = 64 }; /* bytes of an item, at most */

/* Restores the order after the last of `count` items was added. */
__attribute__((always_inline))
static inline void heap_added(void *items, size_t count, size_t size, heap_order *before, const void *context) {
	_Alignas(16) char moving[HEAP_ITEM];
	char *heap = items;
	size_t place = count - 1;
	memcpy(moving, heap + place * size, size);
	for (size_t parent; place > 0 && before(context, moving, heap + (parent = (place - 1) / 2) * size); place = parent)
		memcpy(heap + place * size, heap + parent * size, size);
	memcpy(heap + place * size, moving, size);
}

/* Restores the order after the first of `count` items was replaced by another one. */
__attribute__((always_inline))
static inline void heap_replaced(void *items, size_t count, size_t size, heap_order *before, const void *context) {
	_Alignas(16) char moving[HEAP_ITEM];
	char *heap = items;
	size_t place = 0;
	memcpy(moving, heap, size);
	for (size_t child; (child = 2 * place + 1) < count; place = child) {
		if (child + 1 < count && before(context, heap + (child + 1) * size, heap + child * size))
			child++;
		if (!before(context, heap + child * size, moving))
			break;
		memcpy(heap + place * size, heap + child * size, size);
	}
	memcpy(heap + place * size, moving, size);
}

#endif
