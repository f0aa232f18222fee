/* reader: the state of a stream being read, for this room's own use. */
#ifndef CLOZE_RECORD_READER_H
#define CLOZE_RECORD_READER_H

#include <sys/types.h>

#include "record/message.h"
#include "record/stream.h"

/* What the checksum of a batch covers: nothing, for there is none; the body; the stream from its beginning. */
enum checks { UNCHECKED, CHECKED_BODY, CHECKED_ALL };

struct reader {
	int descriptor;
	off_t start;             /* of the stream in a file; -1 where the input has no places, as a pipe */
	char *name;
	struct schema schema;
	struct stream_info info;
	struct bytes metadata;   /* of the current message */
	int64_t records;         /* in the batches handed out */
	int64_t messages;        /* batches seen, those without rows included */
	int64_t spare_rows;      /* rows without bytes that may still come: see FREE_ROWS */
	uint32_t crc;            /* of all bytes so far, the digits of checksums taken as 0 */
	enum checks checks;      /* of the batches so far */
	bool totals_seen, ended;
	struct reader_wake wake;
};

/* A row whose columns all are nulls, or structs without fields, takes no bytes, so that a few bytes could claim any number
 * of rows. A stream may have FREE_ROWS of them, and ROWS_PER_BYTE more for each byte that arrived. */
enum { FREE_ROWS = 1 << 20, ROWS_PER_BYTE = 8 };

/* Makes a batch of a message and its body, each node and buffer checked against the schema. Takes over the body, which
 * free() releases. `where` is what texts begin with. NULL: 65. */
struct batch *batch_load(struct reader *reader, const struct message *message, uint8_t *body, const char *where,
	struct failure *failure);

#endif
