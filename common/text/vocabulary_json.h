/* vocabulary_json: the `model.vocab` object of a tokenizer.json, read apart from the rest.
 *
 * It is nearly the whole of the file, and a stage should start at once: a general JSON reader takes five times as long
 * as everything else about a tokenizer. */
#ifndef CLOZE_TEXT_VOCABULARY_JSON_H
#define CLOZE_TEXT_VOCABULARY_JSON_H

#include <stddef.h>

#include "base/failure.h"

/* Tokens by id; NULL where no token has the id. The texts are borrowed. free(tokens) releases it. */
struct token_list { const char **tokens; size_t count; };

/* Reads the tokens, decoding them in place, so that they point into `text`. *rest becomes the same JSON with an empty
 * `model.vocab`, *rest_length bytes, for a general reader; free() releases it. A file without that object has no
 * tokens, which is no error here. -1: 65. */
int take_vocabulary(char *text, size_t length, const char *name, struct token_list *list, char **rest,
	size_t *rest_length, struct failure *failure);

#endif
