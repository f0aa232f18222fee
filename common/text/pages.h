/* pages: memory straight from the system, for large tables that are looked into at random places. For this room's own
 * use. */
#ifndef CLOZE_TEXT_PAGES_H
#define CLOZE_TEXT_PAGES_H

#include <stddef.h>

/* `count` elements of `size` bytes, zeroed, never NULL: where memory is exhausted the program ends with 71. They are in
 * huge pages where the system has them: elsewhere most looks would miss the processor's list of pages as well. */
void *pages_allocate(size_t count, size_t size);

/* Gives back what was allocated with the same count and size; NULL is allowed. */
void pages_free(void *pages, size_t count, size_t size);

#endif
