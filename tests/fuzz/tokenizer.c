/* tokenizer: feeds any bytes as tokenizer.json: it is refused, or text can be tokenized with it and decoded again. */
#include "fuzz.h"

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const char text[] = "The quick [MASK] caf\xc3\xa9, un##able \xe4\xb8\xad\xe6\x96\x87 \xff isn't [SEP].";
	struct failure failure;
	struct encoding encoding = { 0 };
	struct tokenizer *tokenizer = tokenizer_load(bytes_as_folder(data, size, "tokenizer.json"), &failure);
	if (tokenizer == NULL)
		return 0;
	struct tokenizer_scratch *scratch = tokenizer_scratch_create();
	tokenizer_encode(tokenizer, scratch, text, sizeof text, 0, &encoding);
	free(tokenizer_decode(tokenizer, encoding.input_ids, encoding.count, false));
	encoding_clear(&encoding);
	tokenizer_scratch_free(scratch);
	tokenizer_free(tokenizer);
	return 0;
}
