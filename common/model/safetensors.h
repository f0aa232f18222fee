/* safetensors: reads tensors from files through memory maps, and writes them in one pass.
 *
 * Source: the safetensors format. A file has the length of a JSON header in 8 bytes, little-endian; the header, an
 * object of {dtype, shape, data_offsets} by name; and the data, which the offsets must cover without gap or overlap. A
 * file that violates this is refused with 65, and the message says what is wrong and where. */
#ifndef CLOZE_MODEL_SAFETENSORS_H
#define CLOZE_MODEL_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"

enum { TENSOR_MAX_DIMENSIONS = 8 }; /* sizes that are stored; tensors of a model have at most two dimensions */

struct tensor {
	char *name;
	char dtype[16];           /* "F32", "F16", "BF16", "I64", ... */
	size_t dimensions;
	size_t shape[TENSOR_MAX_DIMENSIONS];
	size_t elements;
	const void *data;         /* in the map */
	size_t bytes;
	bool has_crc;             /* the header has a digest of the data (model/digests.h), which is `crc` */
	uint32_t crc;
};

struct safetensors; /* an open file, or the open shards that a model.safetensors.index.json names */

/* Opens FOLDER/model.safetensors, or the shards of FOLDER/model.safetensors.index.json. A header is compared with its
 * digest, if it has one; digests_verify() of model/digests.h does that for the data. NULL: 66, 65. */
struct safetensors *safetensors_open(const char *folder, struct failure *failure);
/* Opens one file. NULL: 66, 65. */
struct safetensors *safetensors_open_file(const char *path, struct failure *failure);
size_t safetensors_count(const struct safetensors *file);
const struct tensor *safetensors_at(const struct safetensors *file, size_t index);
const struct tensor *safetensors_find(const struct safetensors *file, const char *name); /* NULL: none */
/* The `__metadata__` object, borrowed; NULL: it is empty or missing. */
const json_t *safetensors_metadata(const struct safetensors *file);
void safetensors_close(struct safetensors *file);

/* Converts an F64, F32, F16 or BF16 tensor to floats. A double beyond the range of a float becomes infinite. -1: 65,
 * the tensor has another dtype (which is an error only for a tensor that is needed). */
int tensor_to_floats(const struct tensor *tensor, float *values, struct failure *failure);

/* Returns the memory of the tensor's data to the system; the data can be read again from the file. So a model that is
 * copied tensor by tensor is never in memory twice. */
void tensor_release(const struct tensor *tensor);

/* Moves the maps of all files into one range of addresses: each file begins at a page, and behind the files are
 * `capacity` zero bytes of writable memory, at *behind. The tensors' data move with the maps. Returns the start of the
 * range, which lasts until the file is closed. To be called at most once. NULL: 71. */
void *safetensors_gather(struct safetensors *file, size_t capacity, void **behind, struct failure *failure);

/* An F32 tensor to write. */
struct tensor_source { const char *name; size_t dimensions; size_t shape[TENSOR_MAX_DIMENSIONS]; const float *values; };

/* The size of the tensor's data. */
size_t tensor_source_bytes(const struct tensor_source *source);

/* Writes the tensors in this order, and the metadata, an object of strings or NULL, to which `format`, which is `pt`, and
 * the digests of model/digests.h are added. -1: 73, 74. */
int safetensors_write(const char *path, const struct tensor_source *tensors, size_t count, const json_t *metadata,
	struct failure *failure);

#endif
