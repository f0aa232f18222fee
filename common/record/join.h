/* join: what is known of several streams when they are written as one, the first one's records first.
 *
 * Lineages: where the streams have the same one, it is the joined stream's. Where the streams are all the shards of
 * one that split-records --shards cut, in order, the cut is undone: its entry is left out, and nothing is left to
 * tell of it. Otherwise the stage that joins them keeps all of them in its own entry, as `inputs`. */
#ifndef CLOZE_RECORD_JOIN_H
#define CLOZE_RECORD_JOIN_H

#include "record/stream.h"

/* The entry that split-records --shards adds: the shard's number, from 0, and how many there are. */
void stream_info_add_shard(struct stream_info *info, const struct lineage_entry *stage, int64_t shard, int64_t shards);

struct joined {
	struct stream_info info;
	json_t *inputs; /* the lineages, where they differ; owned; NULL: info.lineage has all there is to say */
	bool whole;     /* a stream that had been cut into shards is whole again */
};

/* Joins what `count` streams, at least one, say of themselves; `names` is what messages call them. What one of them
 * does not know is not known of the joined stream either, but for the names of labels. -1: 65 where vocabularies or
 * the names of labels differ. joined_clear() frees it. */
int join_infos(const struct stream_info *infos, const char *const *names, size_t count, struct joined *joined,
	struct failure *failure);
void joined_clear(struct joined *joined);

/* Puts `inputs` into the lineage's last entry, that of the stage which joins the streams. */
void stream_info_set_inputs(struct stream_info *info, json_t *inputs);

/* Finds each column of `first` in another schema, by its name: columns[i] is the place of the column i. -1: 65 where
 * one is missing, is of another type, or is there only in the other schema. */
int match_columns(const struct schema *first, const struct schema *other, const char *name, size_t *columns,
	struct failure *failure);

#endif
