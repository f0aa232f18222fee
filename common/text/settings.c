/* A tokenizer.json says everything. A vocab.txt says what the tokens are, and a tokenizer_config.json beside it the
 * rest, where it is there. */
#include "text/settings.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json_file.h"
#include "base/memory.h"
#include "text/vocabulary_json.h"

#define LARGEST_FILE ((size_t)256 << 20)
#define LARGEST_ID (1 << 30)

static const struct settings bert_settings = { .max_characters = 100, .cleanup = true,
	.special_ids = { -1, -1, -1, -1, -1 } };

/* The names of the special tokens, and where their ids go. */
#define SPECIAL_TOKENS 5
static const char *const special_keys[SPECIAL_TOKENS] = { "pad_token", "unk_token", "cls_token", "sep_token",
	"mask_token" };
static const char *const special_names[SPECIAL_TOKENS] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" };

static int32_t *special_place(struct special_ids *ids, int which) {
	int32_t *const places[SPECIAL_TOKENS] = { &ids->pad, &ids->unk, &ids->cls, &ids->sep, &ids->mask };
	return places[which];
}

static int32_t find_id(const struct vocabulary *vocabulary, const char *token) {
	return vocabulary_id(vocabulary, token, strlen(token));
}

/* ---- added tokens ---------------------------------------------------------------------------------------- */

static void add_special(struct settings *settings, const char *content, int32_t id) {
	for (size_t i = 0; i < settings->added_count; i++)
		if (settings->added[i].id == id)
			return;
	settings->added = grow(settings->added, settings->added_count + 1, sizeof *settings->added);
	settings->added[settings->added_count++] = (struct added_token){ .content = copy_text(content),
		.length = strlen(content), .id = id, .special = true };
}

/* Reads one object of `added_tokens`. One that was there already, by its id, is replaced. */
static int read_added(json_t *json, json_int_t id, const char *name, struct settings *settings,
	struct failure *failure) {
	const char *content;
	int special = 0, single_word = 0, lstrip = 0, rstrip = 0, normalized = 0;
	json_error_t error;
	if (json_unpack_ex(json, &error, 0, "{s:s, s?b, s?b, s?b, s?b, s?b}", "content", &content, "special", &special,
		"single_word", &single_word, "lstrip", &lstrip, "rstrip", &rstrip, "normalized", &normalized) != 0)
		return fail(failure, EX_DATAERR, "%s: added tokens: %s", name, error.text);
	if (*content == '\0')
		return 0;
	if (id < 0 || id > LARGEST_ID)
		return fail(failure, EX_DATAERR, "%s: added tokens: %s has no id from 0 to %d", name, content, LARGEST_ID);
	add_special(settings, content, (int32_t)id);
	for (size_t i = 0; i < settings->added_count; i++) {
		struct added_token *added = &settings->added[i];
		if (added->id != id)
			continue;
		if (strcmp(added->content, content) != 0)
			return fail(failure, EX_DATAERR, "%s: added tokens: %s and %s have the same id", name, added->content,
				content);
		added->special = special;
		added->single_word = single_word;
		added->lstrip = lstrip;
		added->rstrip = rstrip;
		added->normalized = normalized;
	}
	return 0;
}

/* Makes the vocabulary of the pieces and the added tokens that are none of them. */
static int build_vocabulary(const char *name, struct token_list *list, struct settings *settings,
	struct failure *failure) {
	size_t pieces = list->count, count = pieces;
	for (size_t i = 0; i < settings->added_count; i++)
		if ((size_t)settings->added[i].id >= count)
			count = (size_t)settings->added[i].id + 1;
	if (count > pieces + settings->added_count)
		return fail(failure, EX_DATAERR, "%s: added tokens: an id past the others, which end at %zu", name,
			pieces + settings->added_count - 1);
	const char **tokens = list->tokens = grow(list->tokens, count, sizeof *tokens);
	for (size_t id = pieces; id < count; id++)
		tokens[id] = NULL;
	int result = 0;
	for (size_t i = 0; i < settings->added_count; i++) {
		const struct added_token *added = &settings->added[i];
		if (tokens[added->id] != NULL && strcmp(tokens[added->id], added->content) != 0)
			result = fail(failure, EX_DATAERR, "%s: added tokens: %s has the id of %s", name, added->content,
				tokens[added->id]);
		tokens[added->id] = added->content;
	}
	for (size_t id = 0; id < count && result == 0; id++)
		if (tokens[id] == NULL)
			result = fail(failure, EX_DATAERR, "%s: no token has the id %zu (ids go from 0 up)", name, id);
	if (result == 0 && count == 0)
		result = fail(failure, EX_DATAERR, "%s: no tokens in model.vocab", name);
	if (result == 0) {
		settings->vocabulary = vocabulary_create(tokens, count);
		settings->pieces = (int32_t)pieces;
	}
	return result;
}

/* ---- tokenizer_config.json ------------------------------------------------------------------------------- */

/* What a configuration calls a special token: a string, or the `content` of an object. */
static const char *special_name(json_t *config, int which) {
	json_t *value = json_object_get(config, special_keys[which]);
	if (json_is_object(value))
		value = json_object_get(value, "content");
	return json_is_string(value) ? json_string_value(value) : special_names[which];
}

/* Finds the special tokens' ids that are not known yet. */
static void find_special_ids(json_t *config, struct settings *settings) {
	for (int i = 0; i < SPECIAL_TOKENS; i++) {
		int32_t *id = special_place(&settings->special_ids, i);
		if (*id < 0)
			*id = find_id(settings->vocabulary, special_name(config, i));
	}
}

static int need_special_ids(const char *name, json_t *config, const struct settings *settings,
	struct failure *failure) {
	struct special_ids ids = settings->special_ids;
	for (int i = 1; i <= 3; i++) /* unknown, class, separator */
		if (*special_place(&ids, i) < 0)
			return fail(failure, EX_DATAERR, "%s: no token %s (encoding needs it)", name, special_name(config, i));
	return 0;
}

/* The switches of a BertNormalizer. `strip`, borrowed: missing or null follows lowercase. */
struct switches { int clean_text, chinese, lowercase; json_t *strip; };
static const struct switches bert_switches = { .clean_text = 1, .chinese = 1, .lowercase = 1 };

static struct normalization decide(const struct switches *switches) {
	return (struct normalization){ .clean_text = switches->clean_text, .tokenize_chinese_chars = switches->chinese,
		.lowercase = switches->lowercase,
		.strip_accents = json_is_boolean(switches->strip) ? json_is_true(switches->strip) : switches->lowercase };
}

/* Takes the switches that a tokenizer_config.json has. */
static int read_switches(json_t *config, const char *folder, struct switches *switches, struct failure *failure) {
	json_error_t error;
	if (config != NULL && json_unpack_ex(config, &error, 0, "{s?b, s?b, s?o}", "do_lower_case", &switches->lowercase,
		"tokenize_chinese_chars", &switches->chinese, "strip_accents", &switches->strip) != 0)
		return fail(failure, EX_DATAERR, "%s/tokenizer_config.json: %s", folder, error.text);
	return 0;
}

/* ---- vocab.txt ------------------------------------------------------------------------------------------- */

static void list_tokens(const struct vocabulary *vocabulary, struct token_list *list) {
	*list = (struct token_list){ .count = vocabulary_size(vocabulary) };
	list->tokens = allocate(list->count, sizeof *list->tokens);
	for (size_t id = 0; id < list->count; id++)
		list->tokens[id] = vocabulary_token(vocabulary, (int32_t)id);
}

/* The special tokens that the vocabulary has, and `added_tokens_decoder`: {"103": {"content": "[MASK]", ...}}. */
static int add_configured(json_t *config, const char *name, const struct vocabulary *vocabulary,
	struct settings *settings, struct failure *failure) {
	const char *key;
	json_t *value;
	for (int i = 0; i < SPECIAL_TOKENS; i++) {
		const char *content = special_name(config, i);
		int32_t id = find_id(vocabulary, content);
		if (id >= 0)
			add_special(settings, content, id);
	}
	json_object_foreach(json_object_get(config, "added_tokens_decoder"), key, value) {
		char *end;
		long id = strtol(key, &end, 10);
		if (read_added(value, *end == '\0' && *key != '\0' ? id : -1, name, settings, failure) < 0)
			return -1;
	}
	return 0;
}

static bool has_added(const struct vocabulary *vocabulary, const struct settings *settings) {
	for (size_t i = 0; i < settings->added_count; i++) {
		const char *token = vocabulary_token(vocabulary, settings->added[i].id);
		if (token == NULL || strcmp(token, settings->added[i].content) != 0)
			return false;
	}
	return true;
}

/* Takes the vocabulary over. */
static int use_vocabulary(struct vocabulary *vocabulary, json_t *config, const char *name, struct settings *settings,
	struct failure *failure) {
	struct token_list list;
	int result = add_configured(config, name, vocabulary, settings, failure);
	if (result == 0 && has_added(vocabulary, settings)) {
		settings->vocabulary = vocabulary;
		settings->pieces = (int32_t)vocabulary_size(vocabulary);
	} else {
		list_tokens(vocabulary, &list);
		if (result == 0)
			result = build_vocabulary(name, &list, settings, failure);
		free(list.tokens);
		vocabulary_free(vocabulary);
	}
	if (result < 0)
		return -1;
	find_special_ids(config, settings);
	return need_special_ids(name, config, settings, failure);
}

static int load_vocabulary(const char *folder, const char *path, struct settings *settings, struct failure *failure) {
	json_t *config;
	if (json_file_find(folder, "tokenizer_config.json", LARGEST_FILE, &config, failure) < 0)
		return -1;
	struct switches switches = bert_switches;
	int result = read_switches(config, folder, &switches, failure);
	settings->normalization = decide(&switches);
	struct vocabulary *vocabulary = result == 0 ? vocabulary_read(path, failure) : NULL;
	result = vocabulary == NULL ? -1 : use_vocabulary(vocabulary, config, path, settings, failure);
	json_decref(config);
	return result;
}

int settings_from_vocabulary(const char *path, bool cased, struct settings *settings, struct failure *failure) {
	*settings = bert_settings;
	settings->normalization = bert_normalization(cased);
	struct vocabulary *vocabulary = vocabulary_read(path, failure);
	if (vocabulary == NULL)
		return -1;
	if (use_vocabulary(vocabulary, NULL, path, settings, failure) == 0)
		return 0;
	settings_clear(settings);
	return -1;
}

/* ---- tokenizer.json -------------------------------------------------------------------------------------- */

static int need_type(json_t *object, const char *part, const char *type, const char *path, struct failure *failure) {
	const char *found = json_string_value(json_object_get(object, "type"));
	if (found != NULL && strcmp(found, type) == 0)
		return 0;
	return fail(failure, EX_DATAERR, "%s: its %s is %s, not %s (only WordPiece tokenizers as BERT has them are read)",
		path, part, found ? found : "missing", type);
}

static int read_model(json_t *root, const char *path, struct settings *settings, const char **unknown,
	struct failure *failure) {
	json_t *model = json_object_get(root, "model");
	const char *prefix = "##";
	json_int_t characters = 100;
	json_error_t error;
	if (need_type(model, "model", "WordPiece", path, failure) < 0)
		return -1;
	*unknown = special_names[1];
	if (json_unpack_ex(model, &error, 0, "{s?s, s?s, s?I}", "unk_token", unknown, "continuing_subword_prefix",
		&prefix, "max_input_chars_per_word", &characters) != 0)
		return fail(failure, EX_DATAERR, "%s: model: %s", path, error.text);
	if (strcmp(prefix, "##") != 0)
		return fail(failure, EX_DATAERR, "%s: pieces within a word begin with %s (only ## is read)", path, prefix);
	settings->max_characters = characters < 0 ? 0 : (size_t)characters;
	return 0;
}

static int read_normalizer(json_t *root, const char *path, struct switches *switches, struct failure *failure) {
	json_t *normalizer = json_object_get(root, "normalizer");
	json_error_t error;
	*switches = bert_switches;
	if (need_type(normalizer, "normalizer", "BertNormalizer", path, failure) < 0
		|| need_type(json_object_get(root, "pre_tokenizer"), "pre-tokenizer", "BertPreTokenizer", path, failure) < 0)
		return -1;
	if (json_unpack_ex(normalizer, &error, 0, "{s?b, s?b, s?o, s?b}", "clean_text", &switches->clean_text,
		"handle_chinese_chars", &switches->chinese, "strip_accents", &switches->strip, "lowercase",
		&switches->lowercase) != 0)
		return fail(failure, EX_DATAERR, "%s: normalizer: %s", path, error.text);
	return 0;
}

/* The id of `single`'s first or last item, a special token, by the table of a TemplateProcessing. */
static int32_t template_id(json_t *processor, size_t item) {
	json_t *single = json_object_get(processor, "single");
	json_t *part = json_object_get(json_array_get(single, item), "SpecialToken");
	const char *name = json_string_value(json_object_get(part, "id"));
	json_t *special = name ? json_object_get(json_object_get(processor, "special_tokens"), name) : NULL;
	json_t *ids = json_object_get(special, "ids");
	json_int_t id = json_array_size(ids) == 1 ? json_integer_value(json_array_get(ids, 0)) : -1;
	return json_array_size(single) == 3 && id >= 0 && id <= LARGEST_ID ? (int32_t)id : -1;
}

/* What is put before and after a text: [CLS] and [SEP]. */
static int read_processor(json_t *root, const char *path, struct special_ids *ids, struct failure *failure) {
	json_t *processor = json_object_get(root, "post_processor");
	const char *type = json_string_value(json_object_get(processor, "type"));
	if (type != NULL && strcmp(type, "BertProcessing") == 0) {
		json_t *cls = json_array_get(json_object_get(processor, "cls"), 1);
		json_t *sep = json_array_get(json_object_get(processor, "sep"), 1);
		ids->cls = json_is_integer(cls) ? (int32_t)json_integer_value(cls) : -1;
		ids->sep = json_is_integer(sep) ? (int32_t)json_integer_value(sep) : -1;
	} else {
		if (need_type(processor, "post-processor", "TemplateProcessing", path, failure) < 0)
			return -1;
		ids->cls = template_id(processor, 0);
		ids->sep = template_id(processor, 2);
	}
	if (ids->cls < 0 || ids->sep < 0)
		return fail(failure, EX_DATAERR, "%s: its post-processor does not put one token before a text and one after "
			"it, as BERT's does", path);
	return 0;
}

static int read_added_tokens(json_t *root, const char *path, struct settings *settings, struct failure *failure) {
	size_t i;
	json_t *value;
	json_array_foreach(json_object_get(root, "added_tokens"), i, value) {
		json_t *id = json_object_get(value, "id");
		if (read_added(value, json_is_integer(id) ? json_integer_value(id) : -1, path, settings, failure) < 0)
			return -1;
	}
	return 0;
}

/* Whether transformers would make the tokenizer anew by the configuration's switches: its BertTokenizer does, the class
 * for any tokenizer.json does not. */
static bool config_decides(json_t *config) {
	const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
	return class == NULL || (strcmp(class, "PreTrainedTokenizerFast") != 0 && strcmp(class, "TokenizersBackend") != 0);
}

static int read_tokenizer(json_t *root, json_t *config, const char *folder, const char *path,
	struct token_list *list, struct settings *settings, struct failure *failure) {
	const char *unknown;
	struct switches switches;
	if (read_model(root, path, settings, &unknown, failure) < 0
		|| read_normalizer(root, path, &switches, failure) < 0
		|| (config_decides(config) && read_switches(config, folder, &switches, failure) < 0)
		|| read_processor(root, path, &settings->special_ids, failure) < 0
		|| read_added_tokens(root, path, settings, failure) < 0
		|| build_vocabulary(path, list, settings, failure) < 0)
		return -1;
	settings->normalization = decide(&switches);
	settings->cleanup = !json_is_false(json_object_get(json_object_get(root, "decoder"), "cleanup"));
	settings->special_ids.unk = find_id(settings->vocabulary, unknown);
	find_special_ids(config, settings);
	size_t size = vocabulary_size(settings->vocabulary);
	if ((size_t)settings->special_ids.cls >= size || (size_t)settings->special_ids.sep >= size)
		return fail(failure, EX_DATAERR, "%s: its post-processor names an id that no token has", path);
	return need_special_ids(path, config, settings, failure);
}

static int load_tokenizer(const char *folder, const char *path, struct settings *settings, struct failure *failure) {
	struct token_list list;
	size_t length, rest_length;
	char *rest, *text = read_file(path, LARGEST_FILE, &length, failure);
	if (text == NULL || take_vocabulary(text, length, path, &list, &rest, &rest_length, failure) < 0) {
		free(text);
		return -1;
	}
	json_t *root = json_object_parse(rest, rest_length, path, failure), *config = NULL;
	int result = -1;
	if (root != NULL && json_file_find(folder, "tokenizer_config.json", LARGEST_FILE, &config, failure) == 0)
		result = read_tokenizer(root, config, folder, path, &list, settings, failure);
	json_decref(config);
	json_decref(root);
	free(list.tokens);
	free(rest);
	free(text);
	return result;
}

int settings_load(const char *folder, struct settings *settings, struct failure *failure) {
	char *whole = format_text("%s/tokenizer.json", folder), *vocabulary = format_text("%s/vocab.txt", folder);
	int result;
	*settings = bert_settings;
	if (file_exists(folder, "tokenizer.json"))
		result = load_tokenizer(folder, whole, settings, failure);
	else if (file_exists(folder, "vocab.txt"))
		result = load_vocabulary(folder, vocabulary, settings, failure);
	else
		result = fail(failure, EX_NOINPUT, "%s: no tokenizer.json and no vocab.txt (name a model folder with one of "
			"them)", folder);
	free(whole);
	free(vocabulary);
	if (result < 0)
		settings_clear(settings);
	else
		settings->folder = copy_text(folder);
	return result;
}

void settings_clear(struct settings *settings) {
	for (size_t i = 0; i < settings->added_count; i++) {
		free(settings->added[i].content);
		free(settings->added[i].normalized_content.points);
		free(settings->added[i].normalized_text);
	}
	free(settings->added);
	vocabulary_free(settings->vocabulary);
	free(settings->folder);
	*settings = (struct settings){ 0 };
}

/* ---- saving ---------------------------------------------------------------------------------------------- */

static int write_into(const char *folder, const char *file, const char *bytes, size_t length,
	struct failure *failure) {
	char *path = format_text("%s/%s", folder, file);
	int result = write_file(path, bytes, length, failure);
	free(path);
	return result;
}

static int copy_files(const char *from, const char *to, struct failure *failure) {
	static const char *const files[] = { "tokenizer.json", "vocab.txt", "tokenizer_config.json",
		"special_tokens_map.json", "added_tokens.json" };
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *path = format_text("%s/%s", from, files[i]);
		size_t length;
		int result = 0;
		if (file_exists(from, files[i])) {
			char *bytes = read_file(path, LARGEST_FILE, &length, failure);
			result = bytes == NULL ? -1 : write_into(to, files[i], bytes, length, failure);
			free(bytes);
		}
		free(path);
		if (result < 0)
			return -1;
	}
	return 0;
}

int settings_save(const struct settings *settings, const char *folder, struct failure *failure) {
	if (settings->folder != NULL)
		return copy_files(settings->folder, folder, failure);
	char *config = format_text("{\n  \"tokenizer_class\": \"BertTokenizer\",\n  \"do_lower_case\": %s,\n"
		"  \"strip_accents\": null,\n  \"tokenize_chinese_chars\": true,\n  \"pad_token\": \"[PAD]\",\n"
		"  \"unk_token\": \"[UNK]\",\n  \"cls_token\": \"[CLS]\",\n  \"sep_token\": \"[SEP]\",\n"
		"  \"mask_token\": \"[MASK]\"\n}\n", settings->normalization.lowercase ? "true" : "false");
	int result = write_into(folder, "tokenizer_config.json", config, strlen(config), failure);
	free(config);
	if (result < 0)
		return -1;
	char *path = format_text("%s/vocab.txt", folder);
	int descriptor = create_file(path, failure);
	result = descriptor < 0 ? -1 : vocabulary_write(settings->vocabulary, descriptor, path, failure);
	if (result == 0)
		result = close_file(descriptor, path, failure);
	else if (descriptor >= 0)
		close(descriptor);
	free(path);
	return result;
}
