/* digests: CRC-32s in the header of a safetensors file, by which damage to a model is found.
 *
 * safetensors_write() leaves two strings in the `__metadata__` of a file:
 *
 *     cloze_tensors_crc32   the CRC-32 of the data of each tensor, in the order of the data
 *     cloze_header_crc32    the CRC-32 of the header without this string, as json_crc() computes it
 *
 * each number as eight lower-case hexadecimal digits, separated by spaces. One calls for the other, so that a flipped
 * bit in the name of either does not make the file pass for one without digests. Files of other programs have none, and
 * are taken as they are. */
#ifndef CLOZE_MODEL_DIGESTS_H
#define CLOZE_MODEL_DIGESTS_H

#include "model/parameters.h"
#include "model/safetensors.h"

/* Adds the strings to a header whose `__metadata__` is an object, for `count` tensors in the order of their data. */
void digests_add(json_t *header, const struct tensor_source *tensors, size_t count);

/* Compares the header with its digest, and gives the tensors, in the order of their data, those of theirs. A header
 * without digests passes; the tensors' `has_crc` stays false. -1: 65, the file `path` is damaged. */
int digests_read(const char *path, json_t *header, struct tensor *tensors, size_t count, struct failure *failure);

/* Compares the data of every tensor of an open file with its digest. Returns how many tensors have one; -1: 65, the first
 * that does not match. `name` is that of the file or folder in messages. */
ptrdiff_t digests_verify(const struct safetensors *file, const char *name, struct failure *failure);

/* Checks that every value is finite, and, where crc32_is_cheap(), that each tensor matches its digest if the file has
 * one. -1: 65; the message names the first tensor that is not so. */
int parameters_check(const struct parameters *parameters, const char *folder, struct failure *failure);

#endif
