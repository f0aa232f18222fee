/* inflate: bytes from a file that may be gzip or plain, told apart by the first two bytes.
 *
 * Source: RFC 1952. Members that follow one another are read as one; a file that ends within one is an error. */
#ifndef CLOZE_CORPUS_INFLATE_H
#define CLOZE_CORPUS_INFLATE_H

#include <stddef.h>

#include "cli/failure.h"

struct inflate_reader;

/* Reads from the descriptor, which stays the caller's; `name` is for messages. */
struct inflate_reader *inflate_open(int descriptor, const char *name);

/* Fills the buffer with the next bytes. Returns how many: fewer than `size` only at the end. -1: 65 for a file that is
 * cut short or damaged, 74 for a failed read. */
ptrdiff_t inflate_read(struct inflate_reader *reader, void *buffer, size_t size, struct failure *failure);

void inflate_close(struct inflate_reader *reader);

#endif
