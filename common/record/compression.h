/* compression: bodies whose buffers are compressed, for this room's own use.
 *
 * Source: Message.fbs, BodyCompression: each buffer is compressed by itself, as an LZ4 frame or by ZSTD, and begins
 * with its length, an int64; a length of -1 means that what follows is not compressed. */
#ifndef CLOZE_RECORD_COMPRESSION_H
#define CLOZE_RECORD_COMPRESSION_H

#include "record/message.h"

/* A body of n bytes may decompress to DECOMPRESSED_FREE + n * DECOMPRESSED_RATIO bytes. No LZ4 frame has more than the
 * ratio; the rest is for columns of one value repeated, which ZSTD makes smaller still. */
enum { DECOMPRESSED_FREE = 64 << 20, DECOMPRESSED_RATIO = 255 };

/* Decompresses the message's body in place, where its metadata says that it is compressed. -1: 65 for a damaged
 * buffer or one that decompresses to too much; 69 where cloze was built without the library. */
int message_decompress(struct message *message, const char *where, struct failure *failure);

#endif
