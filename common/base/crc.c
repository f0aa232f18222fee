/* crc: CRC-32 by ISA-L, which uses carry-less multiplication where the processor has it, seven times as fast as the
 * tables of zlib; or else by zlib. */
#include "base/crc.h"

#include <zlib.h>

#ifdef CLOZE_ISAL
#include <isa-l/crc.h>

uint32_t crc32_extend(uint32_t crc, const void *bytes, size_t size) {
	return size == 0 ? crc : crc32_gzip_refl(crc, bytes, size);
}

bool crc32_is_cheap(void) {
	return true;
}
#else
uint32_t crc32_extend(uint32_t crc, const void *bytes, size_t size) {
	return size == 0 ? crc : (uint32_t)crc32_z(crc, bytes, size);
}

bool crc32_is_cheap(void) {
	return false;
}
#endif

uint32_t crc32_join(uint32_t first, uint32_t last, size_t last_size) {
	return (uint32_t)crc32_combine(first, last, (z_off_t)last_size);
}
