/* inflate: bytes from a file that may be gzip or plain, told apart by the first two bytes.
 *
 * Source: RFC 1952. Members that follow one another are read as one; a file that ends within one is an error. A
 * thread of its own reads and inflates ahead of the caller, by a bounded number of bytes. */
#ifndef CLOZE_CORPUS_INFLATE_H
#define CLOZE_CORPUS_INFLATE_H

#include <stddef.h>

#include "base/failure.h"

struct inflate_reader;

/* Reads from the descriptor, which stays the caller's, to be closed after inflate_close(); `name`, borrowed, is for
 * messages. */
struct inflate_reader *inflate_open(int descriptor, const char *name, struct failure *failure);
/* The same for a conversation: what arrives is shown as soon as it has arrived, even if it is a single line. */
struct inflate_reader *inflate_open_prompt(int descriptor, const char *name, struct failure *failure);

/* Fills the buffer with the next bytes. Returns how many: fewer than `size` only at the end. -1: 65 for a file that is
 * cut short or damaged, 74 for a failed read. */
ptrdiff_t inflate_read(struct inflate_reader *reader, void *buffer, size_t size, struct failure *failure);

/* Shows the next bytes where they lie, until the next call. Returns how many, 0 at the end, -1 as above. The first call
 * shows at least INFLATE_FIRST bytes, or all there are, unless the reader is a prompt one. */
enum { INFLATE_FIRST = 1 << 17 };
ptrdiff_t inflate_peek(struct inflate_reader *reader, const char **bytes, struct failure *failure);
/* Goes past `count` of the bytes that inflate_peek() showed. */
void inflate_skip(struct inflate_reader *reader, size_t count);

/* Stops reading, wherever it is. NULL is allowed. */
void inflate_close(struct inflate_reader *reader);

#endif
