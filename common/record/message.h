/* message: the three messages of a stream (schema, record batch, end) in bytes, for this room's own use.
 *
 * Sources: Message.fbs and Schema.fbs of Apache Arrow; Columnar.html, "Encapsulated message format": 0xFFFFFFFF, the
 * length of the metadata, the metadata (a FlatBuffer, padded to a multiple of 8), the body. */
#ifndef CLOZE_RECORD_MESSAGE_H
#define CLOZE_RECORD_MESSAGE_H

#include "base/bytes.h"
#include "record/flatbuffer.h"
#include "record/schema.h"

enum { CONTINUATION_SIZE = 8, METADATA_LIMIT = 1 << 24, FIELD_DEPTH_LIMIT = 64 };

/* The numbers of the `MessageHeader` union in Message.fbs. */
enum message_kind { MESSAGE_SCHEMA = 1, MESSAGE_DICTIONARY = 2, MESSAGE_RECORD_BATCH = 3 };

/* A message's metadata as far as it can be understood without a schema. Points into the metadata. */
struct message {
	struct flat_reader reader;
	int64_t kind;
	struct flat_table header;
	int64_t body_length;
	char *cloze;              /* of its custom_metadata, owned; NULL: none */
	/* of a record batch: */
	int64_t rows;
	struct flat_vector nodes;   /* of int64 length, null_count: one a field, depth first */
	struct flat_vector buffers; /* of int64 offset, length within the body */
};

struct buffer { int64_t offset, length; };
struct node { int64_t length, null_count; };

/* Takes a message's metadata apart. `name` is what texts begin with. -1: 65, *message not to be used. */
int message_decode(const void *metadata, size_t size, struct message *message, const char *name,
	struct failure *failure);
void message_clear(struct message *message);

/* The schema of a schema message, and the text of its `cloze` key (NULL: none; free() releases it). Whatever a stage
 * cannot take is refused here, with the column's name. */
int message_decode_schema(struct message *message, struct schema *schema, char **cloze, const char *name,
	struct failure *failure);

/* Append an encapsulated message, up to its body. */
void message_encode_schema(struct bytes *out, const struct schema *schema, const char *cloze);
void message_encode_batch(struct bytes *out, int64_t rows, const struct node *nodes, size_t node_count,
	const struct buffer *buffers, size_t buffer_count, int64_t body_length, const char *cloze);

#endif
