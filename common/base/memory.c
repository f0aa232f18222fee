/* memory: allocates memory, and ends the program when there is none; makes copies of text. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

static void (*end_program)(void);

void memory_on_exhausted(void (*end)(void)) {
	end_program = end;
}

_Noreturn void memory_exhausted(void) {
	char name[16] = "cloze", line[64];
	if (end_program != NULL)
		end_program();
	prctl(PR_GET_NAME, name); /* known before main(), and before the C library knows it */
	snprintf(line, sizeof line, "%s: memory: exhausted\n", name);
	ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
	(void)ignored;
	_exit(EX_OSERR);
}

void *allocate(size_t count, size_t size) {
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 64)
		memory_exhausted();
	void *memory = aligned_alloc(64, bytes / 64 * 64 + 64);
	if (memory == NULL)
		memory_exhausted();
	return memset(memory, 0, bytes);
}

void *allocate_pages(size_t count, size_t size) {
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		memory_exhausted();
	void *memory = mmap(NULL, bytes > 0 ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		memory_exhausted();
	return memory;
}

void free_pages(void *memory, size_t count, size_t size) {
	if (memory != NULL)
		munmap(memory, count * size > 0 ? count * size : 1);
}

enum { HUGE_PAGE = 2 << 20 };

static size_t round_to_huge(size_t bytes) {
	return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

/* A huge page begins at a multiple of its size, so one more is mapped, and what lies around goes back. The system need not
 * follow the advice, which small tables do without. */
void *allocate_huge_pages(size_t count, size_t size) {
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 2 * (size_t)HUGE_PAGE)
		memory_exhausted();
	const size_t whole = round_to_huge(bytes);
	char *mapped = allocate_pages(whole + HUGE_PAGE, 1);
	const size_t before = -(size_t)mapped % HUGE_PAGE;
	if (before > 0)
		free_pages(mapped, before, 1);
	free_pages(mapped + before + whole, HUGE_PAGE - before, 1);
#ifdef MADV_HUGEPAGE
	if (bytes >= HUGE_PAGE / 2)
		madvise(mapped + before, whole, MADV_HUGEPAGE);
#endif
	return mapped + before;
}

void free_huge_pages(void *memory, size_t count, size_t size) {
	if (memory != NULL)
		munmap(memory, round_to_huge(count * size));
}

void memory_require(size_t bytes) {
	free_pages(allocate_pages(bytes, 1), bytes, 1);
}

void *grow(void *memory, size_t count, size_t size) {
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		memory_exhausted();
	memory = realloc(memory, bytes ? bytes : 1);
	if (memory == NULL)
		memory_exhausted();
	return memory;
}

/* Jansson's functions give up without memory, and some of their callers could not tell. This is set here, where every
 * program has it: an object of libcloze.a that nothing refers to is not linked, and its constructor never runs. */
static void *allocate_for_jansson(size_t size) {
	return grow(NULL, size, 1);
}

__attribute__((constructor))
static void set_up_jansson(void) {
	json_set_alloc_funcs(allocate_for_jansson, free);
}

char *copy_bytes(const char *bytes, size_t length) {
	char *copy = grow(NULL, length + 1, 1);
	if (length > 0)
		memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}

char *copy_text(const char *text) {
	return copy_bytes(text, strlen(text));
}

char *copy_path(const char *path) {
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	return copy_bytes(path, length);
}

char *format_text(const char *format, ...) {
	va_list arguments;
	char *text;
	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		memory_exhausted();
	return text;
}
