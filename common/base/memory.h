/* memory: allocates memory, and ends the program when there is none; makes copies of text.
 *
 * Exhausted memory is the one failure that common/ does not return: every caller would end the program.
 * Linking this file makes a failed allocation of jansson end in memory_exhausted() too, so that jansson never returns NULL,
 * or an object without some of its members, for lack of memory. */
#ifndef CLOZE_BASE_MEMORY_H
#define CLOZE_BASE_MEMORY_H

#include <stddef.h>

/* Allocates zeroed memory for `count` elements of `size` bytes each, aligned to 64 bytes; free() releases it. Never
 * NULL: a product that overflows and a failed allocation end in memory_exhausted(). */
void *allocate(size_t count, size_t size);

/* The same in pages of the system, each of which becomes memory when a thread first touches it: for large arrays, whose
 * pages are then made ready by all the threads that work on them. free_pages() releases it. */
void *allocate_pages(size_t count, size_t size);
/* Releases what allocate_pages() returned for the same arguments; NULL is ignored. */
void free_pages(void *memory, size_t count, size_t size);

/* The same in huge pages, where the system has them: for what is read again and again or at random places, and takes more
 * pages than the processor remembers. They take longer to make ready. free_huge_pages() releases them. */
void *allocate_huge_pages(size_t count, size_t size);
/* Releases what allocate_huge_pages() returned for the same arguments; NULL is ignored. */
void free_huge_pages(void *memory, size_t count, size_t size);

/* Ends in memory_exhausted() unless the system would give this many bytes now: before a library takes memory that crashes
 * without it. */
void memory_require(size_t bytes);

/* Calls realloc() for `count` elements of `size` bytes; never NULL, as allocate(). New elements are not zeroed, and the
 * result is aligned as by malloc(). For arrays that double:
 * `if (n == capacity) p = grow(p, capacity = capacity * 2 + 16, sizeof *p)`. */
void *grow(void *memory, size_t count, size_t size);

/* A copy of the text. free() releases it. */
char *copy_text(const char *text);
/* A copy of the first `length` bytes, with a NUL added. free() releases it. */
char *copy_bytes(const char *bytes, size_t length);
/* A copy of a path without the slashes at its end. free() releases it. */
char *copy_path(const char *path);
/* Formats a text as printf() does. free() releases it. */
__attribute__((format(printf, 1, 2)))
char *format_text(const char *format, ...);

/* Ends the program because memory is exhausted: by the function set by memory_on_exhausted(), or else by one line on
 * standard error and status 71. */
_Noreturn void memory_exhausted(void);

/* Sets the function that ends the program when memory is exhausted. It must not return. */
void memory_on_exhausted(void (*end)(void));

#endif
