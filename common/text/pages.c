/* The system zeroes a page when it is first touched: what is never looked into costs nothing. Huge pages are advised,
 * which it need not follow. */
#include "text/pages.h"

#include <sys/mman.h>

#include "base/memory.h"

#define HUGE_PAGE ((size_t)2 << 20)

static size_t whole_pages(size_t count, size_t size) {
	return (count * size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

void *pages_allocate(size_t count, size_t size) {
	size_t bytes = whole_pages(count, size);
	char *mapped = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		memory_exhausted();
	/* A huge page begins at a multiple of its size; what was mapped around goes back. */
	size_t before = -(size_t)mapped % HUGE_PAGE;
	if (before > 0)
		munmap(mapped, before);
	munmap(mapped + before + bytes, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
	if (count * size >= HUGE_PAGE / 2)
		madvise(mapped + before, bytes, MADV_HUGEPAGE);
#endif
	return mapped + before;
}

void pages_free(void *pages, size_t count, size_t size) {
	if (pages != NULL)
		munmap(pages, whole_pages(count, size));
}
