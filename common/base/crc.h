/* crc: the CRC-32 of RFC 1952, the same as zlib.crc32() of Python. */
#ifndef CLOZE_BASE_CRC_H
#define CLOZE_BASE_CRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The CRC-32 of a sequence that `size` bytes extend: `crc` is the CRC-32 of the sequence before them, 0 if it is
 * empty. */
uint32_t crc32_extend(uint32_t crc, const void *bytes, size_t size);

/* The CRC-32 of two sequences joined, from the CRC-32 of each; the last one has `last_size` bytes. */
uint32_t crc32_join(uint32_t first, uint32_t last, size_t last_size);

/* Whether a CRC-32 takes little more time than reading the bytes from memory: ISA-L's does, zlib's takes four times as
 * long. */
bool crc32_is_cheap(void);

#endif
