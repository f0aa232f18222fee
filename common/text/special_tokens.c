/* special_tokens: the reference's steps one by one, on JSON objects in place of its dictionaries. jansson keeps the
 * order of members, as Python does, and so do the ids that new tokens get. */
#include "text/special_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/added.h"

static const char extra_key[] = "extra_special_tokens", additional_key[] = "additional_special_tokens";

/* The names that every tokenizer has, and what BERT's gives them. */
static const struct { const char *key, *fallback; } attributes[] = { { "bos_token", NULL }, { "eos_token", NULL },
	{ "unk_token", "[UNK]" }, { "sep_token", "[SEP]" }, { "pad_token", "[PAD]" }, { "cls_token", "[CLS]" },
	{ "mask_token", "[MASK]" } };
enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

static bool is_attribute(const char *key) {
	for (int i = 0; i < ATTRIBUTES; i++)
		if (strcmp(key, attributes[i].key) == 0)
			return true;
	return false;
}

/* Whether the key names a special token of a model's own. */
static bool is_specific(const char *key) {
	size_t length = strlen(key);
	return length >= 6 && strcmp(key + length - 6, "_token") == 0 && !is_attribute(key);
}

/* What Python takes for false. */
static bool is_empty(const json_t *value) {
	return value == NULL || json_is_null(value) || json_is_false(value)
		|| (json_is_array(value) && json_array_size(value) == 0)
		|| (json_is_object(value) && json_object_size(value) == 0);
}

/* ---- merging --------------------------------------------------------------------------------------------- */

/* Gives a list under its old name the new one. */
static void rename_additional(json_t *settings) {
	json_object_set(settings, extra_key, json_object_get(settings, additional_key));
	json_object_del(settings, additional_key);
}

/* Moves an object of extra tokens to those that have names. */
static void take_named_extra(struct special_tokens *special) {
	json_t *extra = json_object_get(special->settings, extra_key);
	if (!json_is_object(extra))
		return;
	json_object_update(special->specific, extra);
	json_object_del(special->settings, extra_key);
}

/* Moves the names of a model's own out of the settings. */
static void take_specific(struct special_tokens *special) {
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe(special->settings, next, key, value) {
		if (!is_specific(key) || !json_is_string(value))
			continue;
		json_object_set(special->specific, key, value);
		json_object_del(special->settings, key);
	}
	take_named_extra(special);
}

/* Appends a list of special_tokens_map.json to the settings' own. */
static void append_extra(json_t *settings, json_t *list) {
	json_t *known = json_object_get(settings, extra_key), *all = json_array();
	if (json_is_array(known))
		json_array_extend(all, known);
	json_array_extend(all, list);
	json_object_set_new(settings, extra_key, all);
}

static void merge_map(struct special_tokens *special, json_t *map) {
	const char *key;
	json_t *value;
	json_object_foreach(map, key, value) {
		bool extra = strcmp(key, extra_key) == 0;
		if (json_is_object(value) && !extra)
			json_object_set_new(value, "special", json_true());
		if (extra && json_is_array(value))
			append_extra(special->settings, value);
		else
			json_object_set(special->settings, key, value);
	}
	take_named_extra(special);
}

void special_tokens_merge(const struct token_sources *sources, struct special_tokens *special) {
	*special = (struct special_tokens){ json_object(), json_object() };
	if (sources->config != NULL)
		json_object_update(special->settings, sources->config);
	if (json_object_get(special->settings, additional_key) != NULL
		&& is_empty(json_object_get(special->settings, extra_key)))
		rename_additional(special->settings);
	take_specific(special);
	if (sources->special_tokens != NULL && json_object_get(special->settings, "added_tokens_decoder") == NULL)
		merge_map(special, sources->special_tokens);
}

void special_tokens_clear(struct special_tokens *special) {
	json_decref(special->settings);
	json_decref(special->specific);
}

/* ---- reading tokens -------------------------------------------------------------------------------------- */

/* The text of a token: a string, or the `content` of an object; NULL for anything else. */
static const char *token_content(const json_t *value) {
	return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

const char *special_tokens_name(const struct special_tokens *special, const char *key) {
	const json_t *value = json_object_get(special->settings, key);
	for (int i = 0; value == NULL && i < ATTRIBUTES; i++)
		if (strcmp(key, attributes[i].key) == 0)
			return attributes[i].fallback;
	return token_content(value);
}

/* Reads an object with a token's flags, or a string, which is a special token. The content is borrowed. */
static int read_token(json_t *value, const char *name, struct added_token *token, struct failure *failure) {
	int special = json_is_string(value), single_word = 0, lstrip = 0, rstrip = 0, normalized = -1;
	const char *content = json_string_value(value);
	json_error_t error;
	if (content == NULL && json_unpack_ex(value, &error, 0, "{s:s, s?b, s?b, s?b, s?b, s?b}", "content", &content,
		"special", &special, "single_word", &single_word, "lstrip", &lstrip, "rstrip", &rstrip, "normalized",
		&normalized) != 0)
		return fail(failure, EX_DATAERR, "%s: added tokens: %s", name, error.text);
	*token = (struct added_token){ .content = content, .length = strlen(content), .id = -1,
		.special = special, .single_word = single_word, .lstrip = lstrip, .rstrip = rstrip,
		.normalized = normalized < 0 ? !special : normalized };
	return 0;
}

/* An added token that has an id, by which they are ordered, and its place in the list; of several with one id the last
 * counts. */
struct numbered { size_t place; struct added_token token; };
struct numbered_list { struct numbered *tokens; size_t count, capacity; };

static int append_numbered(struct numbered_list *list, json_int_t id, const struct added_token *token,
	const char *name, struct failure *failure) {
	if (id < 0 || id > INT32_MAX)
		return fail(failure, EX_DATAERR, "%s: added tokens: %s has no id from 0 to %d", name, token->content, INT32_MAX);
	if (list->count == list->capacity)
		list->tokens = grow(list->tokens, list->capacity = list->capacity * 2 + 16, sizeof *list->tokens);
	struct numbered *numbered = &list->tokens[list->count];
	*numbered = (struct numbered){ list->count++, *token };
	numbered->token.id = (int32_t)id;
	return 0;
}

/* `added_tokens_decoder`: {"103": {"content": "[MASK]", ...}}. */
static int read_decoder(json_t *decoder, const char *name, struct numbered_list *list, struct failure *failure) {
	const char *key;
	json_t *value;
	struct added_token token;
	json_object_foreach(decoder, key, value) {
		char *end;
		json_int_t id = strtoll(key, &end, 10);
		if (read_token(value, name, &token, failure) < 0
			|| append_numbered(list, *end == '\0' && *key != '\0' ? id : -1, &token, name, failure) < 0)
			return -1;
	}
	return 0;
}

/* Puts a token into the set, unless it becomes a token only after the reference has compared them, as what a
 * tokenizer_config.json has as an object. */
static void put_name(json_t *set, const json_t *value) {
	const char *content = token_content(value);
	if (content != NULL && json_object_get(value, "__type") == NULL)
		json_object_set_new(set, content, json_true());
}

/* The set of the tokens that the merged settings have by a name or in the list of extra ones. The caller owns it. */
static json_t *name_set(const struct special_tokens *special) {
	json_t *set = json_object(), *value;
	size_t i;
	for (int name = 0; name < ATTRIBUTES; name++)
		put_name(set, json_object_get(special->settings, attributes[name].key));
	json_array_foreach(json_object_get(special->settings, extra_key), i, value)
		put_name(set, value);
	return set;
}

/* added_tokens.json: {"token": id}. */
static int read_added_file(const struct special_tokens *special, json_t *file, const char *name,
	struct numbered_list *list, struct failure *failure) {
	json_t *value, *names = name_set(special);
	const char *content;
	int result = 0;
	json_object_foreach(file, content, value) {
		bool named = json_object_get(names, content) != NULL;
		struct added_token token = { .content = content, .length = strlen(content),
			.special = named, .normalized = !named };
		if (result == 0)
			result = append_numbered(list, json_is_integer(value) ? json_integer_value(value) : -1, &token, name,
				failure);
	}
	json_decref(names);
	return result;
}

/* `added_tokens` of a tokenizer.json: [{"id": 103, "content": "[MASK]", ...}]. */
static int read_own(json_t *tokenizer, const char *name, struct numbered_list *list, struct failure *failure) {
	json_t *array = json_object_get(tokenizer, "added_tokens"), *value;
	struct added_token token;
	size_t i;
	if (array != NULL && !json_is_array(array) && !json_is_null(array))
		return fail(failure, EX_DATAERR, "%s: added_tokens is not a list", name);
	json_array_foreach(array, i, value) {
		json_t *id = json_object_get(value, "id");
		if (read_token(value, name, &token, failure) < 0
			|| append_numbered(list, json_is_integer(id) ? json_integer_value(id) : -1, &token, name, failure) < 0)
			return -1;
	}
	return 0;
}

static int compare_numbered(const void *left, const void *right) {
	const struct numbered *a = left, *b = right;
	if (a->token.id != b->token.id)
		return a->token.id < b->token.id ? -1 : 1;
	return a->place < b->place ? -1 : 1;
}

/* ---- adding them ----------------------------------------------------------------------------------------- */

int special_tokens_add_own(const struct token_sources *sources, struct settings *settings, struct failure *failure) {
	struct numbered_list list = { 0 };
	int result = read_own(sources->tokenizer, sources->name, &list, failure);
	for (size_t i = 0; i < list.count && result == 0; i++)
		added_put(settings, &list.tokens[i].token);
	free(list.tokens);
	return result;
}

static bool same_flags(const struct added_token *a, const struct added_token *b) {
	return a->special == b->special && a->single_word == b->single_word && a->lstrip == b->lstrip
		&& a->rstrip == b->rstrip && a->normalized == b->normalized;
}

/* Gives a token that has a name the flags of the last of that content that has an id, where there is one. */
static void take_flags(const struct numbered_list *list, struct added_token *token) {
	const struct numbered *last = NULL;
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->tokens[i].token.content, token->content) == 0
			&& (last == NULL || last->place < list->tokens[i].place))
			last = &list->tokens[i];
	if (last != NULL)
		*token = last->token;
}

/* The special tokens that have a name, in order. The caller owns them. */
static json_t *list_named(const struct special_tokens *special, bool bert, const struct settings *settings) {
	json_t *named = json_object(), *value;
	const char *key;
	for (int i = 0; i < ATTRIBUTES; i++) {
		const char *fallback = attributes[i].fallback;
		value = json_object_get(special->settings, attributes[i].key);
		if (value != NULL && !json_is_null(value))
			json_object_set(named, attributes[i].key, value);
		else if (value == NULL && bert && fallback != NULL
			&& vocabulary_id(settings->vocabulary, fallback, strlen(fallback)) >= 0)
			json_object_set_new(named, attributes[i].key, json_string(fallback));
	}
	json_object_foreach(special->settings, key, value)
		if (is_specific(key) && token_content(value) != NULL)
			json_object_set(named, key, value);
	json_object_update(named, special->specific);
	return named;
}

static bool object_has_token(json_t *named, const char *content) {
	const char *key;
	json_t *value;
	json_object_foreach(named, key, value) {
		const char *token = token_content(value);
		if (token != NULL && strcmp(token, content) == 0)
			return true;
	}
	return false;
}

/* Adds the tokens of the list by their ids. One that has a name is special. */
static void add_numbered(struct numbered_list *list, json_t *named, struct settings *settings) {
	if (list->count == 0)
		return;
	qsort(list->tokens, list->count, sizeof *list->tokens, compare_numbered);
	for (size_t i = 0; i < list->count; i++) {
		struct added_token *token = &list->tokens[i].token;
		const struct added_token *known = added_find(settings, token->content);
		if ((i + 1 < list->count && list->tokens[i + 1].token.id == token->id)
			|| (known != NULL && same_flags(known, token)))
			continue;
		token->special = token->special || object_has_token(named, token->content);
		added_put(settings, token);
	}
}

static bool array_has(const json_t *array, const json_t *value) {
	size_t i;
	json_t *element;
	json_array_foreach(array, i, element)
		if (json_equal(element, value))
			return true;
	return false;
}

/* The special tokens as they are added: those that the reference has put on its list, and how many tokens were added
 * by id before, which keep their flags. */
struct adding {
	const struct special_tokens *special;
	json_t *list;
	size_t before;
	const struct numbered_list *numbered;
	const char *name;
	struct settings *settings;
};

/* Adds one of the special tokens; `key` is its name, or NULL. One that has a name is special whatever its flags say.
 * Of several entries of one content the last one's flags count, but an entry that comes again is not read again. */
static int add_special(struct adding *adding, json_t *value, const char *key, struct failure *failure) {
	struct settings *settings = adding->settings;
	struct added_token token;
	if (read_token(value, adding->name, &token, failure) < 0)
		return -1;
	const struct added_token *known = added_find(settings, token.content);
	if (known != NULL && (known < settings->added + adding->before || array_has(adding->list, value)))
		return 0;
	json_array_append(adding->list, value);
	if (key != NULL && is_attribute(key) && json_object_get(adding->special->settings, key) == value)
		take_flags(adding->numbered, &token);
	token.special = token.special || key != NULL;
	added_put(settings, &token);
	return 0;
}

static int add_named_and_extra(const struct special_tokens *special, json_t *named, struct adding *adding,
	struct failure *failure) {
	json_t *value, *extra = json_object_get(special->settings, extra_key);
	const char *key;
	size_t i;
	if (extra == NULL)
		extra = json_object_get(special->settings, additional_key);
	json_object_foreach(named, key, value)
		if (add_special(adding, value, key, failure) < 0)
			return -1;
	if (extra != NULL && !json_is_array(extra) && !json_is_null(extra))
		return fail(failure, EX_DATAERR, "%s: %s is not a list of tokens", adding->name, extra_key);
	json_array_foreach(extra, i, value)
		if (add_special(adding, value, NULL, failure) < 0)
			return -1;
	return 0;
}

static int read_numbered(const struct special_tokens *special, const struct token_sources *sources,
	struct numbered_list *list, struct failure *failure) {
	json_t *decoder = json_object_get(special->settings, "added_tokens_decoder");
	if (decoder != NULL && !json_is_object(decoder))
		return fail(failure, EX_DATAERR, "%s: added_tokens_decoder is not an object", sources->name);
	if (decoder != NULL)
		return read_decoder(decoder, sources->name, list, failure);
	return read_added_file(special, sources->added_tokens, sources->name, list, failure) < 0
		|| read_own(sources->tokenizer, sources->name, list, failure) < 0 ? -1 : 0;
}

int special_tokens_add(const struct special_tokens *special, const struct token_sources *sources, bool bert,
	struct settings *settings, struct failure *failure) {
	struct numbered_list list = { 0 };
	json_t *named = list_named(special, bert, settings);
	int result = read_numbered(special, sources, &list, failure);
	if (result == 0) {
		add_numbered(&list, named, settings);
		struct adding adding = { special, json_array(), settings->added_count, &list, sources->name, settings };
		result = add_named_and_extra(special, named, &adding, failure);
		json_decref(adding.list);
	}
	free(list.tokens);
	json_decref(named);
	return result;
}
