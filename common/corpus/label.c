/* Words, and numbers as programs that read them as floating point write them back. */
#include <string.h>
#include <strings.h>

#include "corpus/source.h"

const char *const usual_text_columns[] = { "text", "review", NULL };
const char *const usual_label_columns[] = { "label", "sentiment", NULL };

static const struct { const char *word; int64_t label; } words[] = {
	{ "", -1 }, { "neg", 0 }, { "negative", 0 }, { "pos", 1 }, { "positive", 1 }, { "unsup", -1 },
	{ "unsupervised", -1 },
};

bool label_parse(const char *text, size_t length, int64_t *label) {
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i].word) == length && strncasecmp(words[i].word, text, length) == 0) {
			*label = words[i].label;
			return true;
		}
	size_t i = text[0] == '-' || text[0] == '+', first = i;
	int64_t number = 0;
	for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, text[i] - '0', &number))
			return false;
	if (i == first)
		return false;
	if (i < length && text[i] == '.')
		for (i++; i < length && text[i] == '0';)
			i++;
	*label = text[0] == '-' ? -number : number;
	return i == length;
}
