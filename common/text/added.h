/* added: the tokens that are added to a vocabulary's pieces, as [MASK]. For this room's own use.
 *
 * Source: AddedVocabulary of Hugging Face `tokenizers`. A token that is a piece keeps its id. The others are numbered
 * from the end of the pieces on, in the order in which they are added, whatever id a file gives them. */
#ifndef CLOZE_TEXT_ADDED_H
#define CLOZE_TEXT_ADDED_H

#include "text/settings.h"

/* Adds a token, or gives the one that has its content other flags, but for `special`, which stays. The content is
 * copied. The token's id is the one that its file gives it, -1 for none. An empty content is left out. */
void added_put(struct settings *settings, const struct added_token *token);

/* The added token of that content, while they are read; NULL: there is none. */
const struct added_token *added_find(const struct settings *settings, const char *content);

/* Ends the reading: orders the tokens by id, and puts the new ones into the vocabulary. */
void added_finish(struct settings *settings);

/* The added token that has the id, once they are read; NULL: there is none. */
const struct added_token *added_with_id(const struct settings *settings, int32_t id);

#endif
