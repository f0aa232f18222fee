/* message: the messages of a stream as bytes, for this room's own use.
 *
 * Sources: Message.fbs and Schema.fbs of Apache Arrow; Columnar.html, "Encapsulated message format": 0xFFFFFFFF, the
 * length of the metadata, the metadata (a FlatBuffer, padded to a multiple of 8), the body. */
#ifndef CLOZE_RECORD_MESSAGE_H
#define CLOZE_RECORD_MESSAGE_H

#include "base/bytes.h"
#include "record/flatbuffer.h"
#include "record/schema.h"

enum { CONTINUATION_SIZE = 8, METADATA_LIMIT = 1 << 24, FIELD_DEPTH_LIMIT = 64 };

/* The fields of the tables in Message.fbs and Schema.fbs, numbered in the order of their declarations. */
enum { VERSION_V4 = 3, VERSION_V5 = 4 };
enum { MESSAGE_VERSION, MESSAGE_HEADER_TYPE, MESSAGE_HEADER, MESSAGE_BODY_LENGTH, MESSAGE_CUSTOM_METADATA };
enum { SCHEMA_ENDIANNESS, SCHEMA_FIELDS, SCHEMA_CUSTOM_METADATA };
enum { BATCH_LENGTH, BATCH_NODES, BATCH_BUFFERS, BATCH_COMPRESSION, BATCH_VARIADIC_COUNTS };
enum { FIELD_NAME, FIELD_NULLABLE, FIELD_TYPE_TYPE, FIELD_TYPE, FIELD_DICTIONARY, FIELD_CHILDREN,
	FIELD_CUSTOM_METADATA };
enum { KEY_VALUE_KEY, KEY_VALUE_VALUE };
enum { DICTIONARY_ID, DICTIONARY_DATA, DICTIONARY_IS_DELTA };
enum { ENCODING_ID, ENCODING_INDEX_TYPE, ENCODING_IS_ORDERED, ENCODING_KIND };
enum { COMPRESSION_CODEC, COMPRESSION_METHOD };

/* The numbers of the `MessageHeader` union in Message.fbs. */
enum message_kind { MESSAGE_SCHEMA = 1, MESSAGE_DICTIONARY = 2, MESSAGE_RECORD_BATCH = 3 };

/* A message, as far as it can be decoded without a schema. Points into its metadata. */
struct message {
	struct flat_reader reader;
	int64_t kind;
	struct flat_table header;
	int64_t body_length;
	const char *cloze;          /* the value of that key in its custom metadata; NULL: none */
	size_t cloze_length;
	struct bytes body;          /* read by the caller after the metadata, and owned by the message */

	/* of a record batch, or of the one in a dictionary: */
	int64_t rows;
	struct flat_vector nodes;   /* of int64 length, null_count: one a field, depth first */
	struct flat_vector buffers; /* of int64 offset, length within the body */
	struct flat_vector variadic_counts; /* of int64: how many buffers with blocks each column of views has */
	enum codec { CODEC_LZ4, CODEC_ZSTD, CODEC_NONE } codec;
	struct bytes decompressed;  /* of struct buffer: where the buffers are now, owned; empty: as `buffers` says */
	/* of a dictionary: */
	int64_t dictionary_id;
	bool is_delta;              /* its values follow those that came before, rather than replace them */
};

struct buffer { int64_t offset, length; };
struct node { int64_t length, null_count; };

/* Decodes a message's metadata. `name` begins the texts of failures. -1: 65, and *message must not be used. */
int message_decode(const void *metadata, size_t size, struct message *message, const char *name,
	struct failure *failure);
/* Frees what the message owns. */
void message_clear(struct message *message);

/* The place of buffer `index`, below buffers.count, in the body. False: it is not within the body. */
bool message_buffer(const struct message *message, size_t index, struct buffer *buffer);

/* The bytes of a buffer that message_buffer() found; NULL: it has none. The message's. */
static inline const uint8_t *message_bytes(const struct message *message, struct buffer buffer) {
	return buffer.length == 0 ? NULL : message->body.data + buffer.offset;
}

/* The schema of a schema message, and the text of its `cloze` key (NULL: none; free() releases it). A type that no
 * stage takes is refused here, with the column's name. */
int message_decode_schema(struct message *message, struct schema *schema, char **cloze, const char *name,
	struct failure *failure);

/* Append an encapsulated message, up to its body. */
void message_encode_schema(struct bytes *out, const struct schema *schema, const char *cloze);
void message_encode_batch(struct bytes *out, int64_t rows, const struct node *nodes, size_t node_count,
	const struct buffer *buffers, size_t buffer_count, int64_t body_length, const char *cloze);

/* ---- checksums ----------------------------------------------------------------------------------------- */

/* The key of a batch's metadata `cloze` that holds its checksum, before the 8 digits are known. */
#define CHECKSUM_KEY "\"checksum\": \"crc32:"
#define CHECKSUM_UNSET CHECKSUM_KEY "00000000\""

/* Where the 8 digits of CHECKSUM_KEY lie within `size` bytes; NULL: nowhere. */
char *checksum_digits(const void *bytes, size_t size);

#endif
