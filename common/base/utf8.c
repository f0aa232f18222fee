/* utf8: decodes and encodes UTF-8. The range of the second byte depends on the first, which excludes overlong forms,
 * surrogates and everything past U+10FFFF; the range of the others is 80 to BF. */
#include "base/utf8.h"

size_t utf8_decode(const char *bytes, size_t length, uint32_t *point) {
	unsigned char first = (unsigned char)bytes[0], low = 0x80, high = 0xbf;
	size_t need;
	*point = UTF8_INVALID;
	if (first < 0x80) {
		*point = first;
		return 1;
	} else if (first >= 0xc2 && first <= 0xdf) {
		need = 2;
	} else if (first >= 0xe0 && first <= 0xef) {
		need = 3;
		if (first == 0xe0)
			low = 0xa0;
		else if (first == 0xed)
			high = 0x9f;
	} else if (first >= 0xf0 && first <= 0xf4) {
		need = 4;
		if (first == 0xf0)
			low = 0x90;
		else if (first == 0xf4)
			high = 0x8f;
	} else {
		return 1;
	}
	uint32_t value = first & (0x7fu >> need);
	for (size_t i = 1; i < need; i++) {
		if (i == length || (unsigned char)bytes[i] < low || (unsigned char)bytes[i] > high)
			return i;
		value = value << 6 | ((unsigned char)bytes[i] & 0x3f);
		low = 0x80;
		high = 0xbf;
	}
	*point = value;
	return need;
}

size_t utf8_encode(uint32_t point, char bytes[static UTF8_LONGEST]) {
	if (point < 0x80) {
		bytes[0] = (char)point;
		return 1;
	}
	size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	for (size_t i = length - 1; i > 0; i--, point >>= 6)
		bytes[i] = (char)(0x80 | (point & 0x3f));
	bytes[0] = (char)(0xff00u >> length | point);
	return length;
}
