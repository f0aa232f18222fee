/* special_tokens: the special and added tokens that the files of a folder name together, in the reference's order.
 * For settings.c alone.
 *
 * Source: PreTrainedTokenizerBase._from_pretrained() and TokenizersBackend.__init__() of transformers 5. A
 * tokenizer_config.json with `added_tokens_decoder` lists all added tokens; where it has none,
 * special_tokens_map.json overrules what it says of special tokens, and the added tokens are those of
 * added_tokens.json and tokenizer.json. After them come the special tokens that have a name (`mask_token`; any other
 * `..._token`), then `extra_special_tokens`, which was `additional_special_tokens`. */
#ifndef CLOZE_TEXT_SPECIAL_TOKENS_H
#define CLOZE_TEXT_SPECIAL_TOKENS_H

#include <stdbool.h>

#include <jansson.h>

#include "base/failure.h"
#include "text/settings.h"

/* What the files say, borrowed; NULL: there is no such file. */
struct token_sources {
	json_t *tokenizer, *config, *special_tokens, *added_tokens;
	const char *name; /* the folder's, for messages */
};

struct special_tokens {
	json_t *settings; /* tokenizer_config.json with what the other files change in it */
	json_t *specific; /* special tokens under names of a model's own */
};

/* Merges tokenizer_config.json and special_tokens_map.json. special_tokens_clear() releases it. */
void special_tokens_merge(const struct token_sources *sources, struct special_tokens *special);
void special_tokens_clear(struct special_tokens *special);

/* The name that a special token has by a key such as "mask_token": BERT's, [MASK], where nobody names it; NULL where the
 * key is null, or nobody names it and BERT has none. */
const char *special_tokens_name(const struct special_tokens *special, const char *key);

/* Adds the tokens of the tokenizer.json as `tokenizers` itself does when it reads the file. -1: 65. */
int special_tokens_add_own(const struct token_sources *sources, struct settings *settings, struct failure *failure);

/* Adds all that the files name, for a class that takes `[MASK]` and the like for special (`bert`) where they are
 * pieces and nobody names others, or for one that does not. -1: 65 for an entry of the wrong form. */
int special_tokens_add(const struct special_tokens *special, const struct token_sources *sources, bool bert,
	struct settings *settings, struct failure *failure);

#endif
