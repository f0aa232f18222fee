/* safetensors: reads and writes tensors in files. Each file is mapped as a whole; its header becomes a table of tensors
 * that point into the map. The tables of all shards are joined and sorted by name. */
#include "model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/half.h"
#include "base/json_file.h"
#include "base/memory.h"
#include "model/digests.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian, and files are mapped");

enum { HEADER_LIMIT = 100000000, INDEX_LIMIT = 100000000, DATA_ALIGNMENT = 64 };

struct mapped { void *bytes; size_t length; };

struct safetensors {
	struct mapped *files;
	size_t file_count;
	struct tensor *tensors; /* sorted by name */
	size_t count;
	json_t *metadata;
};

static const struct { const char *name; size_t bytes; } dtypes[] = {
	{ "F32", 4 }, { "F16", 2 }, { "BF16", 2 }, { "F64", 8 }, { "I64", 8 }, { "U64", 8 }, { "I32", 4 }, { "U32", 4 },
	{ "I16", 2 }, { "U16", 2 }, { "I8", 1 }, { "U8", 1 }, { "BOOL", 1 }, { "C64", 8 }, { "F8_E4M3", 1 },
	{ "F8_E5M2", 1 }, { "F8_E8M0", 1 },
};

/* ---- one file ------------------------------------------------------------------------------------------ */

/* The value if it is a whole number from 0 up; -1 for anything else. */
static json_int_t whole_number(const json_t *value) {
	return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value) : -1;
}

/* The size of a number of this dtype in bytes; 0: not known here. */
static size_t dtype_size(const char *dtype) {
	for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
		if (strcmp(dtype, dtypes[i].name) == 0)
			return dtypes[i].bytes;
	return 0;
}

/* Reads the shape. Sizes beyond TENSOR_MAX_DIMENSIONS only count for the number of elements. */
static int read_shape(const char *path, const json_t *shape, struct tensor *tensor, struct failure *failure) {
	tensor->dimensions = json_array_size(shape);
	if (!json_is_array(shape))
		return fail(failure, EX_DATAERR, "%s: tensor %s: its shape is not a list of sizes", path, tensor->name);
	tensor->elements = 1;
	for (size_t i = 0; i < tensor->dimensions; i++) {
		json_int_t size = whole_number(json_array_get(shape, i));
		if (size < 0 || __builtin_mul_overflow(tensor->elements, (size_t)size, &tensor->elements))
			return fail(failure, EX_DATAERR, "%s: tensor %s: its shape has an impossible size", path, tensor->name);
		if (i < TENSOR_MAX_DIMENSIONS)
			tensor->shape[i] = (size_t)size;
	}
	return 0;
}

/* Reads {"dtype", "shape", "data_offsets"}; the offsets count from `data`, which has `length` bytes. */
static int read_entry(const char *path, const json_t *entry, const unsigned char *data, size_t length,
	struct tensor *tensor, struct failure *failure) {
	const char *dtype = json_string_value(json_object_get(entry, "dtype"));
	if (dtype == NULL || strlen(dtype) >= sizeof tensor->dtype)
		return fail(failure, EX_DATAERR, "%s: tensor %s: its dtype is not a short name", path, tensor->name);
	strcpy(tensor->dtype, dtype);
	if (read_shape(path, json_object_get(entry, "shape"), tensor, failure) < 0)
		return -1;
	const json_t *offsets = json_object_get(entry, "data_offsets");
	json_int_t begin = whole_number(json_array_get(offsets, 0)), end = whole_number(json_array_get(offsets, 1));
	if (json_array_size(offsets) != 2 || begin < 0 || end < begin)
		return fail(failure, EX_DATAERR, "%s: tensor %s: its data_offsets are not a beginning and an end", path,
			tensor->name);
	if ((size_t)end > length)
		return fail(failure, EX_DATAERR, "%s: tensor %s: its data end at byte %zu, but the file has %zu (cut short?)",
			path, tensor->name, (size_t)end, length);
	tensor->data = data + begin;
	tensor->bytes = (size_t)(end - begin);
	size_t size = dtype_size(dtype), needed;
	if (size > 0 && (__builtin_mul_overflow(tensor->elements, size, &needed) || needed != tensor->bytes))
		return fail(failure, EX_DATAERR, "%s: tensor %s: %zu bytes of data do not fit its shape and dtype %s", path,
			tensor->name, tensor->bytes, dtype);
	return 0;
}

static int compare_places(const void *left, const void *right) {
	const struct tensor *a = left, *b = right;
	if (a->data != b->data)
		return (const char *)a->data < (const char *)b->data ? -1 : 1;
	return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

/* Checks that the tensors cover the data from beginning to end, each byte once. */
static int check_cover(const char *path, struct tensor *tensors, size_t count, const unsigned char *data,
	size_t length, struct failure *failure) {
	const unsigned char *next = data;
	if (count > 1)
		qsort(tensors, count, sizeof *tensors, compare_places);
	for (size_t i = 0; i < count; i++) {
		const unsigned char *begin = tensors[i].data;
		if (begin != next)
			return fail(failure, EX_DATAERR, "%s: tensor %s: its data begin at byte %td instead of %td (%s)", path,
				tensors[i].name, begin - data, next - data, begin < next ? "an overlap" : "a gap");
		next = begin + tensors[i].bytes;
	}
	if (next != data + length)
		return fail(failure, EX_DATAERR, "%s: has %td bytes after the last tensor", path, data + length - next);
	return 0;
}

/* Adds the tensors of a parsed header to the table. */
static int read_header(struct safetensors *file, const char *path, json_t *header, const unsigned char *data,
	size_t length, struct failure *failure) {
	size_t first = file->count, capacity = first + json_object_size(header);
	file->tensors = grow(file->tensors, capacity, sizeof *file->tensors);
	const char *name;
	json_t *entry;
	json_object_foreach(header, name, entry) {
		if (strcmp(name, "__metadata__") == 0) {
			if (!json_is_object(entry) && !json_is_null(entry))
				return fail(failure, EX_DATAERR, "%s: __metadata__ is not an object", path);
			json_object_update_missing(file->metadata, entry);
			continue;
		}
		struct tensor *tensor = &file->tensors[file->count++];
		*tensor = (struct tensor){ .name = copy_text(name) };
		if (read_entry(path, entry, data, length, tensor, failure) < 0)
			return -1;
	}
	return check_cover(path, file->tensors + first, file->count - first, data, length, failure) < 0
		? -1 : digests_read(path, header, file->tensors + first, file->count - first, failure);
}

static int map_file(const char *path, struct mapped *mapped, struct failure *failure) {
	int descriptor = open_regular(path, failure);
	if (descriptor < 0)
		return -1;
	struct stat status;
	int result = 0;
	if (fstat(descriptor, &status) < 0 || !S_ISREG(status.st_mode))
		result = fail(failure, EX_NOINPUT, "%s: is not a file", path);
	else if (status.st_size < 8)
		result = fail(failure, EX_DATAERR, "%s: is not a safetensors file: it has less than 8 bytes", path);
	else {
		mapped->length = (size_t)status.st_size;
		mapped->bytes = mmap(NULL, mapped->length, PROT_READ, MAP_PRIVATE, descriptor, 0);
		if (mapped->bytes == MAP_FAILED)
			result = fail(failure, EX_OSERR, "%s: %s", path, strerror(errno));
	}
	close(descriptor);
	return result;
}

static int add_file(struct safetensors *file, const char *path, struct failure *failure) {
	struct mapped mapped;
	if (map_file(path, &mapped, failure) < 0)
		return -1;
	file->files = grow(file->files, file->file_count + 1, sizeof *file->files);
	file->files[file->file_count++] = mapped;
	uint64_t length;
	if (refuse_mistaken_file(path, mapped.bytes, mapped.length, failure) < 0)
		return -1;
	memcpy(&length, mapped.bytes, sizeof length);
	const unsigned char *bytes = (const unsigned char *)mapped.bytes + sizeof length;
	size_t rest = mapped.length - sizeof length;
	if (length > HEADER_LIMIT || length > rest)
		return fail(failure, EX_DATAERR, "%s: is not a safetensors file, or cut short: a header of %llu bytes in a "
			"file of %zu", path, (unsigned long long)length, mapped.length);
	if (length == 0 || bytes[0] != '{')
		return fail(failure, EX_DATAERR, "%s: is not a safetensors file: its header is not a JSON object", path);
	json_error_t error;
	json_t *header = json_loadb((const char *)bytes, (size_t)length, JSON_REJECT_DUPLICATES, &error);
	if (header == NULL)
		return fail(failure, EX_DATAERR, "%s: header, byte %d: %s", path, error.position, error.text);
	int result = read_header(file, path, header, bytes + length, rest - (size_t)length, failure);
	json_decref(header);
	return result;
}

/* ---- shards -------------------------------------------------------------------------------------------- */

static json_t *read_index(const char *path, struct failure *failure) {
	json_t *index = json_file_read(path, INDEX_LIMIT, failure);
	if (index != NULL && !json_is_object(json_object_get(index, "weight_map"))) {
		fail(failure, EX_DATAERR, "%s: has no weight_map", path);
		json_decref(index);
		index = NULL;
	}
	return index;
}

/* Opens each file that the weight_map names. */
static int add_shards(struct safetensors *file, const char *folder, const char *path, const json_t *weight_map,
	json_t *opened, struct failure *failure) {
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)weight_map, name, value) {
		const char *shard = json_string_value(value);
		if (shard == NULL || *shard == '\0' || strchr(shard, '/') != NULL || strcmp(shard, "..") == 0)
			return fail(failure, EX_DATAERR, "%s: tensor %s: its file must be one of this folder, not %s", path, name,
				shard == NULL ? "something else" : shard);
		if (json_object_get(opened, shard) != NULL)
			continue;
		json_object_set_new(opened, shard, json_true());
		char *shard_path = format_text("%s/%s", folder, shard);
		int result = add_file(file, shard_path, failure);
		free(shard_path);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int compare_names(const void *left, const void *right) {
	return strcmp(((const struct tensor *)left)->name, ((const struct tensor *)right)->name);
}

static int sort_by_name(struct safetensors *file, const char *path, struct failure *failure) {
	if (file->count > 1)
		qsort(file->tensors, file->count, sizeof *file->tensors, compare_names);
	for (size_t i = 1; i < file->count; i++)
		if (strcmp(file->tensors[i - 1].name, file->tensors[i].name) == 0)
			return fail(failure, EX_DATAERR, "%s: tensor %s: is in two files", path, file->tensors[i].name);
	return 0;
}

static int open_shards(struct safetensors *file, const char *folder, const char *path, struct failure *failure) {
	json_t *index = read_index(path, failure);
	if (index == NULL)
		return -1;
	const json_t *weight_map = json_object_get(index, "weight_map");
	json_t *opened = json_object();
	int result = add_shards(file, folder, path, weight_map, opened, failure);
	json_decref(opened);
	if (result == 0)
		result = sort_by_name(file, path, failure);
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)weight_map, name, value)
		if (result == 0 && safetensors_find(file, name) == NULL)
			result = fail(failure, EX_DATAERR, "%s: tensor %s: is not in %s", path, name, json_string_value(value));
	json_decref(index);
	return result;
}

/* ---- the folder ---------------------------------------------------------------------------------------- */

static int open_single(struct safetensors *file, const char *path, struct failure *failure) {
	return add_file(file, path, failure) < 0 ? -1 : sort_by_name(file, path, failure);
}

static int open_folder(struct safetensors *file, const char *folder, struct failure *failure) {
	static const char single[] = "model.safetensors", shards[] = "model.safetensors.index.json";
	char *path = NULL;
	int result;
	if (file_exists(folder, single)) {
		path = format_text("%s/%s", folder, single);
		result = open_single(file, path, failure);
	} else if (file_exists(folder, shards)) {
		path = format_text("%s/%s", folder, shards);
		result = open_shards(file, folder, path, failure);
	} else if (file_exists(folder, "pytorch_model.bin") || file_exists(folder, "pytorch_model.bin.index.json"))
		result = fail(failure, EX_DATAERR, "%s: has pytorch_model.bin but no model.safetensors (convert it: in Python, "
			"transformers.AutoModelForMaskedLM.from_pretrained(FOLDER).save_pretrained(OTHER))", folder);
	else
		result = fail(failure, EX_NOINPUT, "%s: has no %s (name a model folder)", folder, single);
	free(path);
	return result;
}

static struct safetensors *open_by(int (*open_it)(struct safetensors *, const char *, struct failure *),
	const char *path, struct failure *failure) {
	struct safetensors *file = allocate(1, sizeof *file);
	file->metadata = json_object();
	if (open_it(file, path, failure) < 0) {
		safetensors_close(file);
		return NULL;
	}
	return file;
}

struct safetensors *safetensors_open(const char *folder, struct failure *failure) {
	return open_by(open_folder, folder, failure);
}

struct safetensors *safetensors_open_file(const char *path, struct failure *failure) {
	return open_by(open_single, path, failure);
}

size_t safetensors_count(const struct safetensors *file) {
	return file->count;
}

const struct tensor *safetensors_at(const struct safetensors *file, size_t index) {
	return &file->tensors[index];
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name) {
	if (file->count == 0)
		return NULL;
	const struct tensor key = { .name = (char *)name };
	return bsearch(&key, file->tensors, file->count, sizeof key, compare_names);
}

const json_t *safetensors_metadata(const struct safetensors *file) {
	return json_object_size(file->metadata) == 0 ? NULL : file->metadata;
}

void safetensors_close(struct safetensors *file) {
	if (file == NULL)
		return;
	for (size_t i = 0; i < file->file_count; i++)
		munmap(file->files[i].bytes, file->files[i].length);
	for (size_t i = 0; i < file->count; i++)
		free(file->tensors[i].name);
	free(file->files);
	free(file->tensors);
	json_decref(file->metadata);
	free(file);
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

static float from_bf16(uint16_t half) {
	uint32_t bits = (uint32_t)half << 16;
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/* The number at `bytes`, which need not be aligned. */
static float from_f64(const unsigned char *bytes) {
	double value;
	memcpy(&value, bytes, sizeof value);
	return (float)value;
}

static float from_half(const unsigned char *bytes, bool is_f16) {
	uint16_t bits;
	memcpy(&bits, bytes, sizeof bits);
	return is_f16 ? half_to_float(bits) : from_bf16(bits);
}

int tensor_to_floats(const struct tensor *tensor, float *values, struct failure *failure) {
	const unsigned char *data = tensor->data;
	bool is_f16 = strcmp(tensor->dtype, "F16") == 0, is_half = is_f16 || strcmp(tensor->dtype, "BF16") == 0;
	if (strcmp(tensor->dtype, "F32") == 0) {
		if (tensor->bytes > 0)
			memcpy(values, data, tensor->bytes);
	} else if (is_half)
		for (size_t i = 0; i < tensor->elements; i++)
			values[i] = from_half(data + 2 * i, is_f16);
	else if (strcmp(tensor->dtype, "F64") == 0)
		for (size_t i = 0; i < tensor->elements; i++)
			values[i] = from_f64(data + 8 * i);
	else
		return fail(failure, EX_DATAERR, "tensor %s: its dtype is %s (F64, F32, F16 and BF16 are read)", tensor->name,
			tensor->dtype);
	return 0;
}

void tensor_release(const struct tensor *tensor) {
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)tensor->data;
	uintptr_t first = (begin + page - 1) / page * page, end = (begin + tensor->bytes) / page * page;
	if (first < end)
		madvise((char *)tensor->data + (first - begin), end - first, MADV_DONTNEED);
}

/* ---- one range of addresses ---------------------------------------------------------------------------- */

static size_t whole_pages(size_t bytes) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	return (bytes + page - 1) / page * page;
}

/* Moves the map of a file to the address `to`, and the pointers of its tensors with it. */
static int move_map(struct safetensors *file, const struct mapped *mapped, char *to) {
	const char *from = mapped->bytes;
	if (mremap(mapped->bytes, mapped->length, mapped->length, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		return -1;
	for (size_t i = 0; i < file->count; i++) {
		const char *data = file->tensors[i].data;
		if (data >= from && data + file->tensors[i].bytes <= from + mapped->length)
			file->tensors[i].data = to + (data - from);
	}
	return 0;
}

void *safetensors_gather(struct safetensors *file, size_t capacity, void **behind, struct failure *failure) {
	struct mapped range = { .length = whole_pages(capacity) };
	for (size_t i = 0; i < file->file_count; i++)
		range.length += whole_pages(file->files[i].length);
	/* This reserves addresses, not memory. */
	range.bytes = mmap(NULL, range.length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int result = range.bytes == MAP_FAILED ? -1 : 0;
	char *next = range.bytes;
	for (; file->file_count > 0 && result == 0; file->file_count--) {
		const struct mapped *last = &file->files[file->file_count - 1];
		result = move_map(file, last, next);
		next += whole_pages(last->length);
	}
	/* qemu-user refuses mprotect() of 0 pages. */
	if (result == 0 && capacity > 0)
		result = mprotect(next, whole_pages(capacity), PROT_READ | PROT_WRITE);
	if (result < 0) {
		fail(failure, EX_OSERR, "memory: %s", strerror(errno));
		return NULL;
	}
	file->files = grow(file->files, file->file_count + 1, sizeof *file->files);
	file->files[file->file_count++] = range;
	*behind = next;
	return range.bytes;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

size_t tensor_source_bytes(const struct tensor_source *source) {
	size_t elements = 1;
	for (size_t i = 0; i < source->dimensions; i++)
		elements *= source->shape[i];
	return elements * sizeof(float);
}

/* Formats the length and the header, padded with spaces so that the data are aligned in a map. free() releases it. */
static char *format_header(const struct tensor_source *tensors, size_t count, const json_t *metadata,
	size_t *length) {
	json_t *header = json_object();
	json_t *strings = metadata == NULL ? json_object() : json_copy((json_t *)metadata);
	json_object_set_new(strings, "format", json_string("pt"));
	json_object_set_new(header, "__metadata__", strings);
	size_t offset = 0;
	for (size_t i = 0; i < count; i++) {
		json_t *shape = json_array();
		for (size_t d = 0; d < tensors[i].dimensions; d++)
			json_array_append_new(shape, json_integer((json_int_t)tensors[i].shape[d]));
		size_t end = offset + tensor_source_bytes(&tensors[i]);
		json_object_set_new(header, tensors[i].name, json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
			"data_offsets", (json_int_t)offset, (json_int_t)end));
		offset = end;
	}
	digests_add(header, tensors, count);
	char *text = json_dumps(header, JSON_COMPACT);
	json_decref(header);
	size_t text_length = strlen(text);
	*length = (sizeof(uint64_t) + text_length + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
	uint64_t header_length = *length - sizeof header_length;
	char *bytes = allocate(*length, 1);
	memset(bytes, ' ', *length);
	memcpy(bytes, &header_length, sizeof header_length);
	memcpy(bytes + sizeof header_length, text, text_length);
	free(text);
	return bytes;
}

int safetensors_write(const char *path, const struct tensor_source *tensors, size_t count, const json_t *metadata,
	struct failure *failure) {
	int descriptor = create_file(path, failure);
	if (descriptor < 0)
		return -1;
	size_t length;
	char *header = format_header(tensors, count, metadata, &length);
	int result = write_all(descriptor, header, length, path, failure);
	free(header);
	for (size_t i = 0; i < count && result == 0; i++)
		result = write_all(descriptor, tensors[i].values, tensor_source_bytes(&tensors[i]), path, failure);
	if (result == 0)
		return close_file(descriptor, path, failure);
	close(descriptor);
	return result;
}
