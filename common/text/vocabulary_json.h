/* vocabulary_json: the `model.vocab` object of a tokenizer.json, read apart from the rest.
 *
 * It is nearly the whole of the file, and a stage should start at once: a general JSON reader takes five times as long
 * as everything else about a tokenizer. */
#ifndef CLOZE_TEXT_VOCABULARY_JSON_H
#define CLOZE_TEXT_VOCABULARY_JSON_H

#include <stddef.h>

#include <jansson.h>

#include "base/failure.h"
#include "text/vocabulary.h"

/* Tokens by id. Most texts are borrowed from what was read; `decoded` holds those that were written with escapes. */
struct token_list {
	struct token_text *tokens; /* [count] */
	size_t count;              /* the highest id plus one */
	char *decoded;
};

/* Reads a tokenizer.json: the tokens of `model.vocab` into the list, which token_list_clear() releases, and
 * everything else as JSON, which the caller owns; `model.vocab` is empty in it. The text and the JSON must stay as
 * long as the list. `name` is the file's, for messages. A file without that object has an empty list. NULL: 65 where
 * the text is not JSON, a token has no id from 0 up, or two tokens have the same one; for more than 131,072 ids
 * without a token. The list is then empty. */
json_t *tokenizer_json_parse(const char *text, size_t length, const char *name, struct token_list *list,
	struct failure *failure);

void token_list_clear(struct token_list *list);

#endif
