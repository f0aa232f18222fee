/* settings: a folder is read as AutoTokenizer of transformers 5 reads it. Its class decides what counts: BERT's takes
 * the vocabulary from tokenizer.json or vocab.txt and its rules from tokenizer_config.json; a class for any tokenizer
 * goes by the tokenizer.json. */
#include "text/settings.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "base/memory.h"
#include "base/words.h"
#include "text/added.h"
#include "text/special_tokens.h"
#include "text/vocabulary_json.h"

#define LARGEST_CONFIG ((size_t)16 << 20)

/* What the files of a folder say. */
struct sources {
	const char *folder;
	json_t *model_config; /* config.json */
	struct token_sources tokens;
	struct token_list list;       /* of the tokenizer.json */
	struct special_tokens special;
	bool named, bert;             /* a class is named; it is BERT's */
};

/* ---- the class ------------------------------------------------------------------------------------------- */

/* Tokenizers that are BERT's under another name; each has had a twin with Fast at the end. */
static const char *const bert_classes[] = { "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer",
	"MobileBertTokenizer", "LayoutLMTokenizer", "LxmertTokenizer", "SqueezeBertTokenizer", "ConvBertTokenizer",
	"DPRContextEncoderTokenizer", "DPRQuestionEncoderTokenizer", "DPRReaderTokenizer", NULL };

/* Those that are whatever a tokenizer.json says. */
static const char *const generic_classes[] = { "PreTrainedTokenizer", "TokenizersBackend", "PythonBackend", NULL };

/* Models whose tokenizer is BERT's where no class is named (TOKENIZER_MAPPING_NAMES). */
static const char *const bert_models[] = { "bert", "distilbert", "electra", "mobilebert", "layoutlm", "lxmert",
	"squeezebert", "convbert", "dpr", "ernie", "megatron-bert", "nezha", "nomic_bert", "qdqbert", "realm", "retribert",
	"visual_bert", NULL };

static const char *text_of(const json_t *object, const char *key) {
	return json_string_value(json_object_get(object, key));
}

/* The class that is named, less the Fast at its end; NULL: none. free() releases it. */
static char *class_name(const struct sources *sources) {
	const char *class = text_of(sources->tokens.config, "tokenizer_class");
	if (class == NULL)
		class = text_of(sources->model_config, "tokenizer_class");
	if (class == NULL)
		return NULL;
	size_t length = strlen(class);
	return copy_bytes(class, length > 4 && strcmp(class + length - 4, "Fast") == 0 ? length - 4 : length);
}

/* Decides by the class, else by the model's type, else by whether there is a tokenizer.json. */
static int choose_class(struct sources *sources, struct failure *failure) {
	const char *model = text_of(sources->model_config, "model_type");
	char *class = class_name(sources);
	int result = 0;
	sources->named = class != NULL;
	sources->bert = class ? is_listed(class, bert_classes) : model || sources->tokens.tokenizer == NULL;
	if (class != NULL && !sources->bert && !is_listed(class, generic_classes))
		result = fail(failure, EX_DATAERR, "%s: its tokenizer is %s, not BERT's (only the WordPiece tokenizers of BERT and "
			"its like are read)", sources->folder, class);
	else if (class == NULL && model != NULL && !is_listed(model, bert_models))
		result = fail(failure, EX_DATAERR, "%s: a model of type %s has another tokenizer than BERT's (if it does have "
			"BERT's, name it in tokenizer_config.json: \"tokenizer_class\": \"BertTokenizer\")", sources->folder, model);
	else if (!sources->bert && sources->tokens.tokenizer == NULL)
		result = fail(failure, EX_DATAERR, "%s: a %s is read from a tokenizer.json, and there is none (if it is BERT's, "
			"name that in tokenizer_config.json: \"tokenizer_class\": \"BertTokenizer\")", sources->folder, class);
	free(class);
	return result;
}

static int refuse_setting(const struct sources *sources, const char *key, const char *only, struct failure *failure) {
	const char *value = text_of(sources->special.settings, key);
	return value == NULL || strcmp(value, only) == 0 ? 0
		: fail(failure, EX_DATAERR, "%s: its %s is %s (only %s is read)", sources->folder, key, value, only);
}

/* Refuses settings that make another tokenizer of it. */
static int refuse_settings(const struct sources *sources, struct failure *failure) {
	if (refuse_setting(sources, "word_tokenizer_type", "basic", failure) < 0
		|| refuse_setting(sources, "subword_tokenizer_type", "wordpiece", failure) < 0)
		return -1;
	if (json_object_get(sources->special.settings, "fast_tokenizer_files") != NULL)
		return fail(failure, EX_DATAERR, "%s: its tokenizer_config.json names other files by fast_tokenizer_files (only "
			"tokenizer.json is read)", sources->folder);
	return 0;
}

/* ---- tokenizer.json -------------------------------------------------------------------------------------- */

static int need_type(json_t *object, const char *part, const char *type, const char *path, struct failure *failure) {
	const char *found = text_of(object, "type");
	if (found != NULL && strcmp(found, type) == 0)
		return 0;
	return fail(failure, EX_DATAERR, "%s: its %s is %s, not %s (only WordPiece tokenizers as BERT has them are read)",
		path, part, found ? found : "missing", type);
}

/* An old file's model has no type: `tokenizers` takes it for the first kind that it has all members of. */
static int check_model(json_t *model, const char *path, struct failure *failure) {
	static const char *const members[] = { "unk_token", "continuing_subword_prefix", "max_input_chars_per_word" };
	bool old = json_is_object(model) && json_object_get(model, "type") == NULL
		&& json_object_get(model, "merges") == NULL;
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		old = old && json_object_get(model, members[i]) != NULL;
	if (!old && need_type(model, "model", "WordPiece", path, failure) < 0)
		return -1;
	if (!json_is_object(json_object_get(model, "vocab")))
		return fail(failure, EX_DATAERR, "%s: model.vocab is missing, or not an object of tokens and ids", path);
	return 0;
}

/* The settings of a WordPiece model; *unknown becomes its unk_token. */
static int read_model(json_t *root, const char *path, struct settings *settings, const char **unknown,
	struct failure *failure) {
	const char *prefix = "##";
	json_int_t characters = 100;
	json_error_t error;
	if (json_unpack_ex(json_object_get(root, "model"), &error, 0, "{s?s, s?s, s?I}", "unk_token", unknown,
		"continuing_subword_prefix", &prefix, "max_input_chars_per_word", &characters) != 0)
		return fail(failure, EX_DATAERR, "%s: model: %s", path, error.text);
	if (strcmp(prefix, "##") != 0)
		return fail(failure, EX_DATAERR, "%s: pieces within a word begin with %s (only ## is read)", path, prefix);
	settings->max_characters = characters < 0 ? 0 : (size_t)characters;
	return 0;
}

/* The switches of a BertNormalizer. Where `strip_accents` is not given, it follows lowercase. */
struct switches { bool clean_text, chinese, lowercase, strip_given, strip; };
static const struct switches bert_switches = { .clean_text = true, .chinese = true, .lowercase = true };

static struct normalization decide(const struct switches *switches) {
	return (struct normalization){ .clean_text = switches->clean_text, .tokenize_chinese_chars = switches->chinese,
		.lowercase = switches->lowercase,
		.strip_accents = switches->strip_given ? switches->strip : switches->lowercase };
}

/* Sets *flag by a member that is true or false; one that is missing leaves it. */
static int read_flag(const json_t *object, const char *key, const char *path, bool *flag, struct failure *failure) {
	const json_t *value = json_object_get(object, key);
	if (value == NULL)
		return 0;
	if (!json_is_boolean(value))
		return fail(failure, EX_DATAERR, "%s: %s is neither true nor false", path, key);
	*flag = json_is_true(value);
	return 0;
}

/* Reads `strip_accents`, which may be null. */
static int read_strip(const json_t *object, const char *path, struct switches *switches, struct failure *failure) {
	const json_t *value = json_object_get(object, "strip_accents");
	if (value == NULL)
		return 0;
	switches->strip_given = !json_is_null(value);
	return switches->strip_given ? read_flag(object, "strip_accents", path, &switches->strip, failure) : 0;
}

static int read_normalizer(json_t *root, const char *path, struct switches *switches, struct failure *failure) {
	json_t *normalizer = json_object_get(root, "normalizer");
	if (need_type(normalizer, "normalizer", "BertNormalizer", path, failure) < 0
		|| need_type(json_object_get(root, "pre_tokenizer"), "pre-tokenizer", "BertPreTokenizer", path, failure) < 0)
		return -1;
	return read_flag(normalizer, "clean_text", path, &switches->clean_text, failure) < 0
		|| read_flag(normalizer, "handle_chinese_chars", path, &switches->chinese, failure) < 0
		|| read_flag(normalizer, "lowercase", path, &switches->lowercase, failure) < 0
		|| read_strip(normalizer, path, switches, failure) < 0 ? -1 : 0;
}

/* An id of the post-processor; -1 for anything but an integer. */
static int read_id(const json_t *json, const char *path, int32_t *id, struct failure *failure) {
	json_int_t value = json_is_integer(json) ? json_integer_value(json) : -1;
	if (json_is_number(json) && (value < 0 || value > INT32_MAX))
		return fail(failure, EX_DATAERR, "%s: its post-processor has an id that is not from 0 to %d", path, INT32_MAX);
	*id = (int32_t)value;
	return 0;
}

/* The id of `single`'s first or last item, a special token, by the table of a TemplateProcessing. */
static int template_id(json_t *processor, size_t item, const char *path, int32_t *id, struct failure *failure) {
	json_t *single = json_object_get(processor, "single");
	const char *name = text_of(json_object_get(json_array_get(single, item), "SpecialToken"), "id");
	json_t *special = name ? json_object_get(json_object_get(processor, "special_tokens"), name) : NULL;
	json_t *ids = json_object_get(special, "ids");
	*id = -1;
	return json_array_size(single) == 3 && json_array_size(ids) == 1
		? read_id(json_array_get(ids, 0), path, id, failure) : 0;
}

/* What is put before and after a text, [CLS] and [SEP]; -1 for a post-processor that is not BERT's. */
static int read_processor(json_t *root, const char *path, struct special_ids *ids, struct failure *failure) {
	json_t *processor = json_object_get(root, "post_processor");
	const char *type = text_of(processor, "type");
	ids->cls = ids->sep = -1;
	if (type != NULL && strcmp(type, "BertProcessing") == 0)
		return read_id(json_array_get(json_object_get(processor, "cls"), 1), path, &ids->cls, failure) < 0
			|| read_id(json_array_get(json_object_get(processor, "sep"), 1), path, &ids->sep, failure) < 0 ? -1 : 0;
	if (type != NULL && strcmp(type, "TemplateProcessing") == 0)
		return template_id(processor, 0, path, &ids->cls, failure) < 0
			|| template_id(processor, 2, path, &ids->sep, failure) < 0 ? -1 : 0;
	return 0;
}

static int need_processor(json_t *root, const char *path, const struct settings *settings, struct failure *failure) {
	struct special_ids ids = settings->special_ids;
	const char *type = text_of(json_object_get(root, "post_processor"), "type");
	if (type == NULL)
		return fail(failure, EX_DATAERR, "%s: its post-processor is missing, not TemplateProcessing (only WordPiece "
			"tokenizers as BERT has them are read)", path);
	if (ids.cls < 0 || ids.sep < 0)
		return fail(failure, EX_DATAERR, "%s: its post-processor, %s, does not put one token before a text and one after "
			"it, as BERT's does", path, type);
	const char *cls = vocabulary_token(settings->vocabulary, ids.cls);
	const char *sep = vocabulary_token(settings->vocabulary, ids.sep);
	if (cls == NULL || sep == NULL || *cls == '\0' || *sep == '\0')
		return fail(failure, EX_DATAERR, "%s: its post-processor names an id that no token has", path);
	return 0;
}

/* How pieces become text again: a WordPiece decoder, or, where there is none, pieces with spaces between them. */
static int read_decoder(json_t *root, const char *path, struct settings *settings, struct failure *failure) {
	json_t *decoder = json_object_get(root, "decoder");
	const char *prefix = text_of(decoder, "prefix");
	settings->joins = json_is_object(decoder);
	settings->cleanup = settings->joins && !json_is_false(json_object_get(decoder, "cleanup"));
	if (!settings->joins)
		return 0;
	if (prefix != NULL && strcmp(prefix, "##") != 0)
		return fail(failure, EX_DATAERR, "%s: its decoder joins pieces that begin with %s (only ## is read)", path, prefix);
	return need_type(decoder, "decoder", "WordPiece", path, failure);
}

/* ---- the two classes ------------------------------------------------------------------------------------- */

/* The id of a special token by its name, where the vocabulary has it; -1 elsewhere. */
static int32_t named_id(const struct sources *sources, const struct settings *settings, const char *key) {
	const char *name = special_tokens_name(&sources->special, key);
	return name == NULL ? -1 : vocabulary_id(settings->vocabulary, name, strlen(name));
}

static int need_token(const struct sources *sources, int32_t id, const char *key, struct failure *failure) {
	const char *name = special_tokens_name(&sources->special, key);
	return id >= 0 ? 0 : fail(failure, EX_DATAERR, "%s: no token %s (encoding needs it)", sources->folder,
		name ? name : key);
}

/* Takes the switches that a tokenizer_config.json has. */
static int read_switches(const struct sources *sources, struct switches *switches, struct failure *failure) {
	const json_t *config = sources->special.settings;
	return read_flag(config, "do_lower_case", sources->folder, &switches->lowercase, failure) < 0
		|| read_flag(config, "tokenize_chinese_chars", sources->folder, &switches->chinese, failure) < 0
		|| read_strip(config, sources->folder, switches, failure) < 0 ? -1 : 0;
}

/* BERT's class: BertTokenizer.__init__(). */
static int apply_bert(struct sources *sources, struct settings *settings, struct failure *failure) {
	struct special_ids *ids = &settings->special_ids;
	struct switches switches = bert_switches;
	if (read_switches(sources, &switches, failure) < 0)
		return -1;
	settings->normalization = decide(&switches);
	ids->unk = named_id(sources, settings, "unk_token"); /* has to be a piece, not an added token */
	if (special_tokens_add(&sources->special, &sources->tokens, true, settings, failure) < 0)
		return -1;
	added_finish(settings);
	ids->pad = named_id(sources, settings, "pad_token");
	ids->cls = named_id(sources, settings, "cls_token");
	ids->sep = named_id(sources, settings, "sep_token");
	ids->mask = named_id(sources, settings, "mask_token");
	settings->joins = settings->cleanup = true;
	return need_token(sources, ids->unk, "unk_token", failure) < 0
		|| need_token(sources, ids->cls, "cls_token", failure) < 0
		|| need_token(sources, ids->sep, "sep_token", failure) < 0 ? -1 : 0;
}

/* A class that goes by the tokenizer.json: TokenizersBackend.__init__(). Where no class is named, a
 * tokenizer_config.json may change the switches all the same. */
static int apply_generic(struct sources *sources, struct settings *settings, struct failure *failure) {
	struct special_ids *ids = &settings->special_ids;
	struct switches switches = bert_switches;
	json_t *root = sources->tokens.tokenizer;
	const char *path = settings->files.path[FILE_TOKENIZER], *unknown = "[UNK]";
	const char *padding = text_of(json_object_get(root, "padding"), "pad_token");
	if (padding != NULL && json_object_get(sources->special.settings, "pad_token") == NULL)
		json_object_set_new(sources->special.settings, "pad_token", json_string(padding));
	if (read_model(root, path, settings, &unknown, failure) < 0
		|| read_normalizer(root, path, &switches, failure) < 0
		|| (!sources->named && read_switches(sources, &switches, failure) < 0)
		|| read_decoder(root, path, settings, failure) < 0
		|| special_tokens_add_own(&sources->tokens, settings, failure) < 0)
		return -1;
	settings->normalization = decide(&switches);
	ids->unk = vocabulary_id(settings->vocabulary, unknown, strlen(unknown));
	if (special_tokens_add(&sources->special, &sources->tokens, false, settings, failure) < 0)
		return -1;
	added_finish(settings);
	ids->pad = named_id(sources, settings, "pad_token");
	ids->mask = named_id(sources, settings, "mask_token");
	if (ids->unk < 0)
		return fail(failure, EX_DATAERR, "%s: no token %s (encoding needs it)", path, unknown);
	return need_processor(root, path, settings, failure);
}

/* ---- a folder -------------------------------------------------------------------------------------------- */

static int make_vocabulary(struct sources *sources, struct settings *settings, struct failure *failure) {
	const struct tokenizer_files *files = &settings->files;
	const char *path = files->path[FILE_TOKENIZER];
	if (sources->tokens.tokenizer == NULL) {
		settings->vocabulary = vocabulary_parse(files->bytes[FILE_VOCABULARY], files->length[FILE_VOCABULARY],
			files->path[FILE_VOCABULARY], failure);
		return settings->vocabulary == NULL ? -1 : 0;
	}
	if (check_model(json_object_get(sources->tokens.tokenizer, "model"), path, failure) < 0
		|| read_processor(sources->tokens.tokenizer, path, &settings->special_ids, failure) < 0)
		return -1;
	if (sources->list.count == 0)
		return fail(failure, EX_DATAERR, "%s: no tokens in model.vocab", path);
	settings->vocabulary = vocabulary_create(sources->list.tokens, sources->list.count);
	int32_t repeated = vocabulary_repeated(settings->vocabulary);
	return repeated < 0 ? 0 : fail(failure, EX_DATAERR, "%s: model.vocab has %s twice", path,
		vocabulary_token(settings->vocabulary, repeated));
}

/* A switch of the merged settings that is off unless it is true. */
static bool is_on(const struct sources *sources, const char *key) {
	return json_is_true(json_object_get(sources->special.settings, key));
}

static bool cuts_left(const struct sources *sources) {
	const char *side = text_of(sources->special.settings, "truncation_side");
	const char *own = text_of(json_object_get(sources->tokens.tokenizer, "truncation"), "direction");
	return side ? strcmp(side, "left") == 0 : own && strcmp(own, "Left") == 0;
}

static int apply(struct sources *sources, struct settings *settings, struct failure *failure) {
	if (choose_class(sources, failure) < 0 || refuse_settings(sources, failure) < 0
		|| make_vocabulary(sources, settings, failure) < 0)
		return -1;
	settings->pieces = settings->next_id = (int32_t)vocabulary_size(settings->vocabulary);
	settings->split_special = is_on(sources, "split_special_tokens");
	settings->cleanup_text = is_on(sources, "clean_up_tokenization_spaces");
	settings->cut_left = cuts_left(sources);
	return sources->bert ? apply_bert(sources, settings, failure) : apply_generic(sources, settings, failure);
}

static int parse_files(struct sources *sources, const struct tokenizer_files *files, struct failure *failure) {
	struct token_sources *tokens = &sources->tokens;
	if (tokenizer_files_parse(files, FILE_CONFIG, &tokens->config, failure) < 0
		|| tokenizer_files_parse(files, FILE_SPECIAL_TOKENS, &tokens->special_tokens, failure) < 0
		|| tokenizer_files_parse(files, FILE_ADDED_TOKENS, &tokens->added_tokens, failure) < 0)
		return -1;
	if (files->bytes[FILE_TOKENIZER] == NULL)
		return 0;
	tokens->tokenizer = tokenizer_json_parse(files->bytes[FILE_TOKENIZER], files->length[FILE_TOKENIZER],
		files->path[FILE_TOKENIZER], &sources->list, failure);
	return tokens->tokenizer == NULL ? -1 : 0;
}

static void clear_sources(struct sources *sources) {
	token_list_clear(&sources->list);
	special_tokens_clear(&sources->special);
	json_decref(sources->model_config);
	json_decref(sources->tokens.tokenizer);
	json_decref(sources->tokens.config);
	json_decref(sources->tokens.special_tokens);
	json_decref(sources->tokens.added_tokens);
}

/* Makes the settings of the files, which they keep. The model's configuration is taken over. */
static int load(const char *folder, json_t *model_config, struct settings *settings, struct failure *failure) {
	struct sources sources = { .folder = folder, .model_config = model_config, .tokens.name = folder };
	settings->max_characters = 100;
	settings->special_ids = (struct special_ids){ -1, -1, -1, -1, -1 };
	int result = parse_files(&sources, &settings->files, failure);
	if (result == 0) {
		special_tokens_merge(&sources.tokens, &sources.special);
		result = apply(&sources, settings, failure);
	}
	clear_sources(&sources);
	if (result < 0)
		settings_clear(settings);
	return result;
}

int settings_load(const char *folder, struct settings *settings, struct failure *failure) {
	json_t *model_config;
	*settings = (struct settings){ 0 };
	if (tokenizer_files_read(folder, &settings->files, failure) < 0)
		return -1;
	if (settings->files.bytes[FILE_TOKENIZER] == NULL && settings->files.bytes[FILE_VOCABULARY] == NULL) {
		settings_clear(settings);
		return fail(failure, EX_NOINPUT, "%s: no tokenizer.json and no vocab.txt (name a model folder with one of "
			"them)", folder);
	}
	if (json_file_find(folder, "config.json", LARGEST_CONFIG, &model_config, failure) < 0) {
		settings_clear(settings);
		return -1;
	}
	return load(folder, model_config, settings, failure);
}

int settings_from_vocabulary(const char *path, bool cased, struct settings *settings, struct failure *failure) {
	*settings = (struct settings){ 0 };
	if (tokenizer_files_from_vocabulary(path, cased, &settings->files, failure) < 0)
		return -1;
	return load(path, NULL, settings, failure);
}

void settings_clear(struct settings *settings) {
	for (size_t i = 0; i < settings->added_count; i++) {
		free(settings->added[i].normalized_content.points);
		free(settings->added[i].normalized_text);
	}
	free(settings->added);
	strings_clear(&settings->contents);
	vocabulary_free(settings->vocabulary);
	tokenizer_files_clear(&settings->files);
	*settings = (struct settings){ 0 };
}
