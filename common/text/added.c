/* added: an array of the tokens, with a table of their contents while it grows. */
#include "text/added.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MOST_GAPS (1 << 17) /* ids after the pieces that need not have a token */

/* Whether a file's id can be a new token's own. */
static bool is_free(const struct settings *settings, int32_t id) {
	const char *piece = vocabulary_token(settings->vocabulary, id);
	if (id < 0 || id >= settings->pieces + MOST_GAPS || (piece != NULL && *piece != '\0'))
		return false;
	for (size_t i = 0; i < settings->added_count; i++)
		if (settings->added[i].id == id)
			return false;
	return true;
}

/* The id of a token that is added for the first time. The reference counts pieces, so that it gives a new token the
 * id of a piece where their ids have gaps or a piece occurs twice: there the token's own id counts. */
static int32_t choose_id(struct settings *settings, const struct added_token *token) {
	int32_t id = vocabulary_id(settings->vocabulary, token->content, token->length);
	if (id >= 0)
		return id;
	settings->new_tokens++;
	if (!vocabulary_whole(settings->vocabulary) && is_free(settings, token->id))
		return token->id;
	return settings->next_id;
}

void added_put(struct settings *settings, const struct added_token *token) {
	if (token->length == 0)
		return;
	size_t known = strings_find(&settings->contents, token->content, token->length);
	struct added_token added = *token;
	added.decodes_normalized = added.normalized;
	if (known != STRINGS_NONE) {
		added.id = settings->added[known].id;
		added.special |= settings->added[known].special;
		added.decodes_normalized |= settings->added[known].decodes_normalized;
		settings->added[known] = added;
		return;
	}
	added.id = choose_id(settings, token);
	if (added.id >= settings->next_id)
		settings->next_id = added.id + 1;
	if (settings->added_count == settings->added_capacity)
		settings->added = grow(settings->added, settings->added_capacity = settings->added_capacity * 2 + 8,
			sizeof *settings->added);
	settings->added[settings->added_count++] = added;
	strings_add(&settings->contents, token->content, token->length);
}

const struct added_token *added_find(const struct settings *settings, const char *content) {
	uint32_t known = strings_find(&settings->contents, content, strlen(content));
	return known == STRINGS_NONE ? NULL : &settings->added[known];
}

static int compare_ids(const void *left, const void *right) {
	int32_t a = ((const struct added_token *)left)->id, b = ((const struct added_token *)right)->id;
	return (a > b) - (a < b);
}

/* Makes a vocabulary of the pieces and the added tokens. */
static void extend_vocabulary(struct settings *settings) {
	size_t count = (size_t)settings->next_id, pieces = (size_t)settings->pieces;
	struct token_text *tokens = allocate(count, sizeof *tokens);
	for (size_t id = 0; id < pieces; id++) {
		const char *token = vocabulary_token(settings->vocabulary, (int32_t)id);
		tokens[id] = (struct token_text){ token, strlen(token) };
	}
	for (size_t i = 0; i < settings->added_count; i++)
		tokens[settings->added[i].id] = (struct token_text){ settings->added[i].content, settings->added[i].length };
	struct vocabulary *extended = vocabulary_create(tokens, count);
	free(tokens);
	vocabulary_free(settings->vocabulary);
	settings->vocabulary = extended;
}

void added_finish(struct settings *settings) {
	for (size_t i = 0; i < settings->added_count; i++)
		settings->added[i].content = strings_at(&settings->contents, i);
	if (settings->added_count == 0)
		return;
	qsort(settings->added, settings->added_count, sizeof *settings->added, compare_ids);
	if (settings->new_tokens > 0)
		extend_vocabulary(settings);
}

const struct added_token *added_with_id(const struct settings *settings, int32_t id) {
	const struct added_token key = { .id = id };
	return settings->added_count == 0 ? NULL
		: bsearch(&key, settings->added, settings->added_count, sizeof *settings->added, compare_ids);
}
