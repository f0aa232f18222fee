/* memory: allocation that never returns NULL, and text in memory of its own.
 *
 * Memory that cannot be had is the one failure that common/ does not return: no caller could do better than end the
 * program. */
#ifndef CLOZE_BASE_MEMORY_H
#define CLOZE_BASE_MEMORY_H

#include <stddef.h>

/* Zeroed memory for `count` elements of `size` bytes each, aligned to 64 bytes; free() releases it. Never NULL: a
 * product that overflows, and memory that cannot be had, end in memory_exhausted(). */
void *allocate(size_t count, size_t size);

/* realloc() to `count` elements of `size` bytes; never NULL, likewise. New elements are not zeroed, and the result is
 * aligned as by malloc(). For arrays that double:
 * `if (n == capacity) p = grow(p, capacity = capacity * 2 + 16, sizeof *p)`. */
void *grow(void *memory, size_t count, size_t size);

/* A copy of the text. free() releases it. */
char *copy_text(const char *text);
/* A copy of the first `length` bytes, with a NUL added. free() releases it. */
char *copy_bytes(const char *bytes, size_t length);
/* A copy of a path without the slashes at its end. free() releases it. */
char *copy_path(const char *path);
/* printf() into new memory. free() releases it. */
__attribute__((format(printf, 1, 2)))
char *format_text(const char *format, ...);

/* Ends the program because the system gave no memory: by the function that memory_on_exhausted() was given, or else by
 * one line on standard error and status 71. */
_Noreturn void memory_exhausted(void);

/* Sets how a program ends when memory is exhausted. The function must not return. */
void memory_on_exhausted(void (*end)(void));

#endif
