/* warned: collects the warnings of a function of common/ into one text of lines. */
#ifndef CLOZE_TESTS_UNIT_WARNED_H
#define CLOZE_TESTS_UNIT_WARNED_H

#include <stdlib.h>
#include <string.h>

#include "base/failure.h"
#include "base/memory.h"

/* Zero-initialize; free(text) releases it. `text` is NULL where nothing was warned of. */
struct warned { char *text; size_t lines; };

static inline void keep_warning(void *context, const char *line) {
	struct warned *warned = context;
	char *longer = format_text("%s%s\n", warned->text != NULL ? warned->text : "", line);
	free(warned->text);
	warned->text = longer;
	warned->lines++;
}

static inline struct warnings warnings_to(struct warned *warned) {
	return (struct warnings){ keep_warning, warned };
}

#endif
