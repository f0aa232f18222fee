/* info: facts about a stream, which its schema's metadata holds as JSON under the key `cloze`.
 *
 *     {"type": "masked", "records": 3000, "epochs": 3, "records_per_epoch": 1000, "vocab_size": 30522,
 *      "vocab_fingerprint": "crc32:1c0588f4", "chunk_size": 128, "labels": ["neg", "pos"],
 *      "special_ids": {"pad": 0, "unk": 100, "cls": 101, "sep": 102, "mask": 103},
 *      "all_special_ids": [0, 100, 101, 102, 103],
 *      "lineage": [{"tool": "imdb-read", "version": "0.1.0", "arguments": ["--split", "train"], "seed": null}]}
 *
 * Every key may be missing. A stream of another writer has none. */
#ifndef CLOZE_RECORD_INFO_H
#define CLOZE_RECORD_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"

enum record_type { RECORD_OTHER, RECORD_TEXT, RECORD_TOKENS, RECORD_CHUNKS, RECORD_MASKED };

struct stream_info {
	enum record_type type;      /* RECORD_OTHER: not known */
	int64_t records;            /* -1: not known */
	int64_t epochs, records_per_epoch; /* their product is `records`; -1, both: not known */
	int64_t vocab_size;         /* -1: not known */
	char vocab_fingerprint[32]; /* "": not known */
	int32_t pad_id, unk_id, cls_id, sep_id, mask_id; /* -1: not known */
	int32_t *all_special_ids;   /* [special_count], owned: the known ones of those five, and all others; ascending */
	size_t special_count;
	int64_t chunk_size;         /* -1: not known */
	int64_t teacher_vocab_size; /* of the teacher whose answers the records have; -1: not known */
	bool interactive;           /* somebody types the records and waits for each: no stage holds one back */
	json_t *labels;             /* an array of strings, the names of the labels 0, 1, ..., owned; NULL: not known */
	json_t *lineage;            /* an array, owned; NULL: empty */
};

/* Sets everything to "not known". */
void stream_info_init(struct stream_info *info);
/* A deep copy into `to`, which need not be initialized. */
void stream_info_copy(struct stream_info *to, const struct stream_info *from);
/* Frees what `info` owns and initializes it. */
void stream_info_clear(struct stream_info *info);

/* Sets the number of records, -1: not known, for a stage that writes other records than it reads. `epochs` and
 * `records_per_epoch` become not known. */
void stream_info_set_records(struct stream_info *info, int64_t records);
/* Sets the number of epochs in a stream with a column `epoch`, the records in each, and their product as the number of
 * records. -1: 64, the product is 2^63 or more. */
int stream_info_set_epochs(struct stream_info *info, int64_t epochs, int64_t records_per_epoch,
	struct failure *failure);

/* Makes all_special_ids of these ids (copied, in any order, repeated or not) and of the five ids of `info`. */
void stream_info_set_special_ids(struct stream_info *info, const int32_t *ids, size_t count);

/* One entry of a lineage: a program that made or changed the records. */
struct lineage_entry {
	const char *tool, *version;
	json_t *arguments; /* an array of strings: those that decide what is written */
	int64_t seed;      /* -1: the tool has none */
};

/* Adds a stage to the lineage. Everything in it is borrowed. */
void stream_info_add_stage(struct stream_info *info, const struct lineage_entry *stage);


/* The metadata as JSON text. free() releases it. */
char *stream_info_format(const struct stream_info *info);
/* The metadata from JSON text. Keys that are not known are dropped; without "all_special_ids" the five of
 * "special_ids" are all. -1: 65, `info` is then to be cleared all the same. */
int stream_info_parse(const char *text, struct stream_info *info, struct failure *failure);

#endif
