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
	struct schema stored;    /* as the stream has it */
	struct schema schema;    /* as stages see it: the same, plain */
	struct stream_info info;
	struct bytes metadata;   /* of the current message */
	struct decoder *decoder; /* NULL: `stored` is plain already */
	struct batch *encoded;   /* a batch that is handed out in slices; NULL: none */
	int64_t encoded_row;     /* where the next slice begins */
	size_t arrived;          /* bytes of metadata and bodies so far */
	int64_t records;         /* in the batches handed out */
	int64_t messages;        /* batches seen, those without rows included */
	uint64_t free_rows;      /* rows without bytes so far: see FREE_ROWS */
	uint32_t crc;            /* of all bytes so far, the digits of checksums taken as 0 */
	enum checks checks;      /* of the batches so far */
	bool totals_seen, ended;
	struct reader_wake wake;
};

/* A row whose columns all are nulls, or structs without fields, takes no bytes, so that a few bytes could claim any
 * number of rows. A stream may have FREE_ROWS of them, and ROWS_PER_BYTE more for each byte that arrived. */
enum { FREE_ROWS = 1 << 20, ROWS_PER_BYTE = 8 };

/* What indices and views stand for may have DECODED_FREE bytes, and DECODED_RATIO more for each byte that arrived. */
enum { DECODED_FREE = 64 << 20, DECODED_RATIO = 16 };

/* A slice of a batch that is decoded ends with this row, or with the row that brings it to so many bytes. */
enum { SLICE_ROWS = 1000, SLICE_BYTES = 1 << 20 };

/* Makes a batch of a message and its body, each node and buffer checked against the fields. Decompresses the body and
 * takes it over. `where` is what texts begin with. NULL: 65, or 69 as message_decompress(). */
struct batch *batch_load(struct reader *reader, struct message *message, const struct field *fields, size_t count,
	const char *where, struct failure *failure);

/* A batch of what builders hold, which it takes over. */
struct batch *batch_of_builders(struct builder **builders, size_t count, int64_t rows);

#endif
