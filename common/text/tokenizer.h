/* tokenizer: text to WordPiece ids and back, as Hugging Face's BERT tokenizers do it.
 *
 * Sources: Devlin et al. 2018; BertNormalizer, BertPreTokenizer and WordPiece of Hugging Face `tokenizers`, which this
 * equals id for id; Song et al. 2021 (LinMaxMatch) where it helps speed. */
#ifndef CLOZE_TEXT_TOKENIZER_H
#define CLOZE_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "text/vocabulary.h"

struct tokenizer;

struct special_ids { int32_t pad, unk, cls, sep, mask; }; /* -1: the vocabulary has no such token */

/* From a model folder, as AutoTokenizer of transformers 5 reads it: the class that tokenizer_config.json or
 * config.json names, or the model's type, decides. A class of BERT's (BertTokenizer, DistilBertTokenizer,
 * ElectraTokenizer and others that are the same; with Fast at the end or without) takes the pieces from
 * tokenizer.json or else vocab.txt, and its rules from tokenizer_config.json. A class for any tokenizer
 * (PreTrainedTokenizerFast), or none where there is no config.json either, goes by the tokenizer.json. Added and
 * special tokens are merged from tokenizer.json, tokenizer_config.json, special_tokens_map.json and added_tokens.json
 * (text/special_tokens.h).
 *
 * Settings read: do_lower_case, strip_accents, tokenize_chinese_chars, split_special_tokens, truncation_side and
 * clean_up_tokenization_spaces. That a tokenizer.json cuts or pads texts is left aside.
 *
 * NULL: 66 when the folder has no tokenizer; 65 for another class or a tokenizer.json that is not WordPiece (named),
 * and for a damaged file; 66, 74 for a file that is there and cannot be read. */
struct tokenizer *tokenizer_load(const char *folder, struct failure *failure);

/* The same for a folder that need not have a tokenizer: without a tokenizer.json and a vocab.txt, *tokenizer becomes NULL
 * and the result is 0. -1: as above; *tokenizer is then NULL. */
int tokenizer_find(const char *folder, struct tokenizer **tokenizer, struct failure *failure);

/* From a vocab.txt alone, with bert-base-uncased's settings, or bert-base-cased's. NULL: 66, 74; 65 when it is damaged
 * (text/vocabulary.h) or lacks [UNK], [CLS] or [SEP]. */
struct tokenizer *tokenizer_from_vocabulary(const char *path, bool cased, struct failure *failure);

void tokenizer_free(struct tokenizer *tokenizer);

const struct vocabulary *tokenizer_vocabulary(const struct tokenizer *tokenizer);
struct special_ids tokenizer_special_ids(const struct tokenizer *tokenizer);
/* The ids of all special tokens, those five among them; an id may be there twice. free() releases them. */
int32_t *tokenizer_all_special_ids(const struct tokenizer *tokenizer, size_t *count);

/* What documents became. Zero-initialize; encoding_clear() releases it; reused from document to document. */
struct encoding {
	int32_t *input_ids, *word_ids; /* [count]; a word id is -1 at special tokens that encoding added */
	size_t count, capacity; /* tokens */
	size_t replaced; /* invalid UTF-8 sequences read as U+FFFD, as Python's errors="replace" does */
};
void encoding_clear(struct encoding *encoding);

/* One thread's working memory: buffers and the cache of words seen. */
struct tokenizer_scratch;
struct tokenizer_scratch *tokenizer_scratch_create(void);
void tokenizer_scratch_free(struct tokenizer_scratch *scratch);

/* Encodes text, NULs and invalid UTF-8 included, with [CLS] and [SEP] around it, to the end of `encoding`.
 * `max_length` bounds its tokens, the two included, by cutting at the end, or at the beginning where the tokenizer's
 * truncation_side is left (0: no bound; else at least 2). A tokenizer may be used by several threads, each with its
 * own scratch and encoding. */
void tokenizer_append(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const char *text,
	size_t length, size_t max_length, struct encoding *encoding);
/* The same, replacing what `encoding` held. */
void tokenizer_encode(const struct tokenizer *tokenizer, struct tokenizer_scratch *scratch, const char *text,
	size_t length, size_t max_length, struct encoding *encoding);

/* The text of ids, as `decode` of the reference gives it: pieces joined, a space before every other token, then
 * spaces before punctuation taken back, by the WordPiece decoder a token at a time, and once more in the whole text
 * where the tokenizer has clean_up_tokenization_spaces. Special tokens are left out when `skip_special`, ids that no
 * token has always. free() releases it. */
char *tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special);

/* The text of a masked record's ids, special tokens included; `labels` are what was there before, -100 where nothing
 * was masked. Behind each masked position stands its label's token in braces: `a [MASK]{great} film`. The whole text
 * is not cleaned up once more. free() releases it. */
char *tokenizer_decode_masked(const struct tokenizer *tokenizer, const int32_t *ids, const int32_t *labels,
	size_t count);

/* Saves the tokenizer into a model folder: its files as they were when it was loaded, whatever has become of them
 * since. Of one that came from a vocabulary these are vocab.txt and a tokenizer_config.json. -1: 73 or 74. */
int tokenizer_save(const struct tokenizer *tokenizer, const char *folder, struct failure *failure);

#endif
