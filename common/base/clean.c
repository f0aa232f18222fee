/* clean: replaces characters that must not be shown, in place: '?' is never longer than the character it replaces. */
#include "base/clean.h"

#include <string.h>

#include "base/utf8.h"

bool is_control(uint32_t point) {
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c || point == 0x200e || point == 0x200f
		|| (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

char *clean(char *text) {
	size_t length = strlen(text), kept = 0;
	for (size_t i = 0; i < length;) {
		uint32_t point;
		size_t taken = utf8_decode(text + i, length - i, &point);
		if (point == UTF8_INVALID || is_control(point)) {
			text[kept++] = '?';
		} else {
			memmove(text + kept, text + i, taken);
			kept += taken;
		}
		i += taken;
	}
	text[kept] = '\0';
	return text;
}
