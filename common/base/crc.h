/* crc: the CRC-32 of RFC 1952, as zlib.crc32() of Python computes it. */
#ifndef CLOZE_BASE_CRC_H
#define CLOZE_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The CRC-32 of bytes that follow those of which `crc` is the CRC-32; 0 where none came before. */
uint32_t crc32_extend(uint32_t crc, const void *bytes, size_t size);

/* The CRC-32 of a sequence of bytes from that of its first part and that of its last part, of `last_size` bytes. */
uint32_t crc32_join(uint32_t first, uint32_t last, size_t last_size);

#endif
