/* table: memory that is looked into at random places. For this room's own use. */
#ifndef CLOZE_TEXT_TABLE_H
#define CLOZE_TEXT_TABLE_H

#include <stddef.h>

/* As allocate(), in huge pages where the system has them: elsewhere most looks into a large table would miss the
 * processor's list of pages as well. free() releases it. */
void *table_allocate(size_t count, size_t size);

#endif
