/* text: tokenizes any bytes: the ids are the same the first and the second time, whole and truncated. */
#include "fuzz.h"

#include <string.h>

#include "text/tokenizer.h"

static void expect_beginning(const struct encoding *whole, const struct encoding *part, size_t count) {
	if (memcmp(whole->input_ids, part->input_ids, count * sizeof(int32_t)) != 0
			|| memcmp(whole->word_ids, part->word_ids, count * sizeof(int32_t)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct tokenizer *tokenizer;
	static struct tokenizer_scratch *scratch;
	static struct encoding whole, again, cut;
	struct failure failure;
	if (tokenizer == NULL)
		tokenizer = tokenizer_from_vocabulary("tests/fixtures/text/vocab.txt", false, &failure);
	if (tokenizer == NULL)
		abort();
	if (scratch == NULL)
		scratch = tokenizer_scratch_create();
	tokenizer_encode(tokenizer, scratch, (const char *)data, size, 0, &whole);
	tokenizer_encode(tokenizer, scratch, (const char *)data, size, 0, &again);
	tokenizer_encode(tokenizer, scratch, (const char *)data, size, 8, &cut);
	if (whole.count != again.count || cut.count != (whole.count < 8 ? whole.count : 8))
		abort();
	expect_beginning(&whole, &again, whole.count);
	expect_beginning(&whole, &cut, cut.count - 1);
	free(tokenizer_decode(tokenizer, whole.input_ids, whole.count, true));
	return 0;
}
