/* vocabulary: feeds any bytes as vocab.txt: it is refused, or each of its tokens except an empty one is found. */
#include "fuzz.h"

#include <string.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct failure failure;
	struct tokenizer *tokenizer = tokenizer_from_vocabulary(bytes_as_path(data, size), false, &failure);
	if (tokenizer == NULL)
		return 0;
	const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
	for (size_t id = 0; id < vocabulary_size(vocabulary); id++) {
		const char *token = vocabulary_token(vocabulary, (int32_t)id);
		int32_t found = vocabulary_id(vocabulary, token, strlen(token));
		if (*token == '\0' ? found != -1 : found < 0 || strcmp(vocabulary_token(vocabulary, found), token) != 0)
			abort();
	}
	tokenizer_free(tokenizer);
	return 0;
}
