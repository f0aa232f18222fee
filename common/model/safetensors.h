/* safetensors: tensors in a file, read through a memory map, written in one pass.
 *
 * Source: the safetensors format: 8 bytes, little-endian, the length of a JSON header; the header, an object of
 * {dtype, shape, data_offsets}; the data, which the offsets must cover without gap or overlap. A file that lies is
 * refused with what and where (65). */
#ifndef CLOZE_MODEL_SAFETENSORS_H
#define CLOZE_MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/failure.h"

enum { TENSOR_MAX_DIMENSIONS = 8 }; /* whose sizes are kept; a model has tensors of two at most */

struct tensor {
	char *name;
	char dtype[16];           /* "F32", "F16", "BF16", "I64", ... */
	size_t dimensions;
	size_t shape[TENSOR_MAX_DIMENSIONS];
	size_t elements;
	const void *data;         /* in the map */
	size_t bytes;
};

struct safetensors; /* a file, or the shards that a model.safetensors.index.json names */

/* Opens FOLDER/model.safetensors, or the shards of FOLDER/model.safetensors.index.json. NULL: 66, 65. */
struct safetensors *safetensors_open(const char *folder, struct failure *failure);
/* Opens one file. NULL: 66, 65. */
struct safetensors *safetensors_open_file(const char *path, struct failure *failure);
size_t safetensors_count(const struct safetensors *file);
const struct tensor *safetensors_at(const struct safetensors *file, size_t index);
const struct tensor *safetensors_find(const struct safetensors *file, const char *name); /* NULL: none */
/* The `__metadata__` object, borrowed; NULL: none. */
const json_t *safetensors_metadata(const struct safetensors *file);
void safetensors_close(struct safetensors *file);

/* Converts an F64, F32, F16 or BF16 tensor to floats. A double beyond their range becomes infinite. -1: 65, another
 * dtype: a tensor that is not needed may have any. */
int tensor_to_floats(const struct tensor *tensor, float *values, struct failure *failure);

/* Gives the memory that the tensor's data took back to the system; they can be read again. What is copied out tensor by
 * tensor is so never in memory twice. */
void tensor_release(const struct tensor *tensor);

/* Moves the maps into one range of addresses: each file from the start of a page, then `room` bytes, all zero, that
 * may be written. The tensors' data move with them. Returns the start of the range, which lasts until the file is
 * closed; *behind is that of the room. At most once. NULL: 71. */
void *safetensors_gather(struct safetensors *file, size_t capacity, void **behind, struct failure *failure);

/* What to write: F32 tensors, in this order. */
struct tensor_source { const char *name; size_t dimensions; size_t shape[TENSOR_MAX_DIMENSIONS]; const float *values; };

/* Writes PATH with the metadata (an object of strings; `format` is set to `pt`). -1: 73, 74. */
int safetensors_write(const char *path, const struct tensor_source *tensors, size_t count, const json_t *metadata,
	struct failure *failure);

#endif
