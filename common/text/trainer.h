/* trainer: a WordPiece vocabulary learned from words and their counts.
 *
 * Source: the WordPiece trainer of Hugging Face `tokenizers`: byte-pair merges by pair frequency (Sennrich et al.
 * 2016) over characters, pieces within a word begun with `##`. Where the reference leaves the order of words to a hash
 * table, and with it the ids of the characters within words and the choice between pairs seen equally often, words go
 * by their bytes here. */
#ifndef CLOZE_TEXT_TRAINER_H
#define CLOZE_TEXT_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/vocabulary.h"

struct trainer;

/* Uncased (or cased) BERT normalization and splitting into words. */
struct trainer *trainer_create(bool cased);
/* Counts the words of a document. */
void trainer_add(struct trainer *trainer, const char *text, size_t length);
/* Learns: the special tokens [PAD] [UNK] [CLS] [SEP] [MASK], the characters, then merges until there are
 * `vocab_size` tokens or no pair is seen `min_frequency` times. */
struct vocabulary *trainer_learn(struct trainer *trainer, size_t vocab_size, int64_t min_frequency);
void trainer_free(struct trainer *trainer);

#endif
