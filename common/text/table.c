/* Advice, which the system is free not to take. */
#include "text/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/cli.h"

#define HUGE_PAGE ((size_t)2 << 20)

void *table_allocate(size_t count, size_t size) {
#ifdef MADV_HUGEPAGE
	size_t bytes;
	if (!__builtin_mul_overflow(count, size, &bytes) && bytes >= HUGE_PAGE / 2 && bytes < SIZE_MAX - HUGE_PAGE) {
		bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
		void *table = aligned_alloc(HUGE_PAGE, bytes);
		if (table != NULL) {
			madvise(table, bytes, MADV_HUGEPAGE);
			return memset(table, 0, bytes);
		}
	}
#endif
	return allocate(count, size);
}
