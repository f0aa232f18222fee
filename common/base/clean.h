/* clean: makes text from files safe to show in a message or on a terminal.
 *
 * A file's name, a label or a token may hold bytes that move a terminal's cursor, change its title, or show text in
 * another order than it is stored in. Text that is printed for a person is cleaned first: every message
 * (base/failure.h, cli/cli.h), and the words that tools print. Records are data and are not cleaned. */
#ifndef CLOZE_BASE_CLEAN_H
#define CLOZE_BASE_CLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a code point must not be shown: the control characters C0, DEL and C1, line and paragraph separators
 * (U+2028, U+2029), and the controls of the direction of text (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to
 * U+2069). Source: The Unicode Standard, chapter 23; UAX #9, section 2. */
bool is_control(uint32_t point);

/* Replaces each such character, and each sequence of bytes that is not UTF-8, by '?', in place. Returns the text, which
 * never becomes longer. */
char *clean(char *text);

#endif
