/* digests: writes and reads the CRC-32s in the header of a safetensors file. */
#include "model/digests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/json_file.h"
#include "base/memory.h"

static const char header_name[] = "cloze_header_crc32", tensors_name[] = "cloze_tensors_crc32";

enum { DIGITS = 8, ITEM = DIGITS + 1 }; /* of a number, and with what separates it from the next */

static void write_number(char item[ITEM], uint32_t number) {
	snprintf(item, ITEM, "%08" PRIx32, number);
}

void digests_add(json_t *header, const struct tensor_source *tensors, size_t count) {
	json_t *metadata = json_object_get(header, "__metadata__");
	char *list = allocate(ITEM * count + 1, 1), number[ITEM];
	for (size_t i = 0; i < count; i++) {
		write_number(list + ITEM * i, crc32_extend(0, tensors[i].values, tensor_source_bytes(&tensors[i])));
		if (i + 1 < count)
			list[ITEM * i + DIGITS] = ' ';
	}
	json_object_set_new(metadata, tensors_name, json_string(list));
	free(list);
	write_number(number, json_crc(header));
	json_object_set_new(metadata, header_name, json_string(number));
}

static bool header_matches(json_t *header) {
	char number[ITEM];
	json_t *metadata = json_object_get(header, "__metadata__");
	json_t *expected = json_incref(json_object_get(metadata, header_name));
	json_object_del(metadata, header_name);
	write_number(number, json_crc(header));
	bool same = json_is_string(expected) && strcmp(json_string_value(expected), number) == 0;
	json_object_set_new(metadata, header_name, expected);
	return same;
}

int digests_read(const char *path, json_t *header, struct tensor *tensors, size_t count, struct failure *failure) {
	const json_t *metadata = json_object_get(header, "__metadata__");
	const json_t *own = json_object_get(metadata, header_name), *list = json_object_get(metadata, tensors_name);
	if (own == NULL && list == NULL)
		return 0;
	if (own == NULL || list == NULL || !header_matches(header))
		return fail(failure, EX_DATAERR, "%s: its header does not match its digest (the file is damaged, or another "
			"program changed it and kept the digest: take a copy)", path);
	if (!json_is_string(list) || json_string_length(list) != (count == 0 ? 0 : ITEM * count - 1))
		return fail(failure, EX_DATAERR, "%s: its header does not have a digest for each tensor", path);
	for (size_t i = 0; i < count; i++) {
		tensors[i].has_crc = true;
		tensors[i].crc = (uint32_t)strtoul(json_string_value(list) + ITEM * i, NULL, 16);
	}
	return 0;
}

static int fail_damaged(const char *name, const char *tensor, struct failure *failure) {
	return fail(failure, EX_DATAERR, "%s: tensor %s: does not match its digest (the file is damaged, or another program "
		"changed it and kept the digest: take a copy)", name, tensor);
}

ptrdiff_t digests_verify(const struct safetensors *file, const char *name, struct failure *failure) {
	ptrdiff_t verified = 0;
	for (size_t i = 0; i < safetensors_count(file); i++) {
		const struct tensor *tensor = safetensors_at(file, i);
		if (!tensor->has_crc)
			continue;
		if (crc32_extend(0, tensor->data, tensor->bytes) != tensor->crc)
			return fail_damaged(name, tensor->name, failure);
		tensor_release(tensor);
		verified++;
	}
	return verified;
}

/* Checks a parameter in pieces, each for finite values and for the digest while it is in the cache: so both take about
 * the time that reading the memory takes. */
static int check_parameter(const struct parameters *parameters, const struct parameter *parameter, const char *folder,
	struct failure *failure) {
	enum { PIECE = 1 << 15 };
	const float *values = parameter_values(parameters, parameter);
	const bool compared = parameter->has_crc && crc32_is_cheap();
	size_t bad = parameter->elements;
	uint32_t crc = 0;
	for (size_t first = 0; first < parameter->elements; first += PIECE) {
		size_t count = parameter->elements - first < PIECE ? parameter->elements - first : PIECE;
		size_t found = find_not_finite(values + first, count);
		if (found < count && bad == parameter->elements)
			bad = first + found;
		if (compared)
			crc = crc32_extend(crc, values + first, count * sizeof *values);
	}
	if (compared && crc != parameter->crc)
		return fail_damaged(folder, parameter->name, failure);
	return bad == parameter->elements ? 0 : fail(failure, EX_DATAERR, "%s: tensor %s: element %zu is %g", folder,
		parameter->name, bad, (double)values[bad]);
}

int parameters_check(const struct parameters *parameters, const char *folder, struct failure *failure) {
	int result = 0;
	for (size_t i = 0; i < parameters->count && result == 0; i++)
		result = check_parameter(parameters, &parameters->table[i], folder, failure);
	return result;
}
