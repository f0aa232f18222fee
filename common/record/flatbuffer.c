/* flatbuffer.c: every access is checked by inside(), the one place that compares with the size. Nothing is assumed to
 * be aligned. */
#include "record/flatbuffer.h"

#include <stdbool.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they lie");

/* Whether `length` bytes from `at` lie within the bytes and the budget, which they are taken from. */
static bool inside(struct flat_reader *reader, size_t at, size_t length, const char *what) {
	if (at > reader->size || length > reader->size - at || length > reader->budget) {
		if (reader->damage == NULL)
			reader->damage = what;
		return false;
	}
	reader->budget -= length;
	return true;
}

static uint16_t load16(const struct flat_reader *reader, size_t at) {
	uint16_t value;
	memcpy(&value, reader->bytes + at, sizeof value);
	return value;
}

static uint32_t load32(const struct flat_reader *reader, size_t at) {
	uint32_t value;
	memcpy(&value, reader->bytes + at, sizeof value);
	return value;
}

void flat_reader_init(struct flat_reader *reader, const void *bytes, size_t size) {
	*reader = (struct flat_reader){ bytes, size, size * 16, NULL };
}

static struct flat_table damaged_table(struct flat_reader *reader, const char *what) {
	if (reader->damage == NULL)
		reader->damage = what;
	return (struct flat_table){ .reader = reader };
}

static struct flat_table table_at(struct flat_reader *reader, size_t at) {
	if (!inside(reader, at, 4, "a table lies outside the metadata"))
		return (struct flat_table){ .reader = reader };
	int64_t vtable = (int64_t)at - (int32_t)load32(reader, at);
	if (vtable < 0 || !inside(reader, (size_t)vtable, 4, "a table's layout lies outside the metadata"))
		return damaged_table(reader, "a table's layout lies outside the metadata");
	struct flat_table table = { reader, at, load16(reader, (size_t)vtable + 2), (size_t)vtable,
		load16(reader, (size_t)vtable) };
	if (table.vtable_size < 4 || table.size < 4
			|| !inside(reader, table.vtable, table.vtable_size, "a table is too long")
			|| !inside(reader, at, table.size, "a table is too long"))
		return damaged_table(reader, "a table is too short");
	return table;
}

/* The place that the offset at `slot` leads to; 0: outside the bytes. */
static size_t follow(struct flat_reader *reader, size_t slot) {
	size_t target = slot + load32(reader, slot);
	if (target == slot || !inside(reader, target, 4, "an offset leads outside the metadata"))
		return damaged_table(reader, "an offset leads nowhere").at;
	return target;
}

struct flat_table flat_root(struct flat_reader *reader) {
	if (!inside(reader, 0, 4, "the metadata is empty"))
		return (struct flat_table){ .reader = reader };
	size_t at = follow(reader, 0);
	return at == 0 ? (struct flat_table){ .reader = reader } : table_at(reader, at);
}

/* The place of a field of `width` bytes; 0: it is missing. */
static size_t field_at(const struct flat_table *table, int field, size_t width) {
	size_t slot = 4 + 2 * (size_t)field;
	if (table->at == 0 || slot + 2 > table->vtable_size)
		return 0;
	size_t offset = load16(table->reader, table->vtable + slot);
	if (offset == 0)
		return 0;
	if (offset < 4 || offset + width > table->size)
		return damaged_table(table->reader, "a field lies outside its table").at;
	return table->at + offset;
}

int64_t flat_integer(const struct flat_table *table, int field, int width, int64_t missing) {
	size_t at = field_at(table, field, (size_t)width);
	if (at == 0)
		return missing;
	switch (width) {
	case 1:
		return table->reader->bytes[at];
	case 2:
		return (int16_t)load16(table->reader, at);
	case 4:
		return (int32_t)load32(table->reader, at);
	default:
		return flat_int64_at(table->reader->bytes + at);
	}
}

const char *flat_text(const struct flat_table *table, int field, size_t *length) {
	size_t slot = field_at(table, field, 4), at = slot == 0 ? 0 : follow(table->reader, slot);
	*length = 0;
	if (at == 0 || !inside(table->reader, at + 4, load32(table->reader, at), "a string is too long"))
		return NULL;
	*length = load32(table->reader, at);
	return (const char *)table->reader->bytes + at + 4;
}

struct flat_table flat_table(const struct flat_table *table, int field) {
	size_t slot = field_at(table, field, 4), at = slot == 0 ? 0 : follow(table->reader, slot);
	return at == 0 ? (struct flat_table){ .reader = table->reader } : table_at(table->reader, at);
}

struct flat_vector flat_vector(const struct flat_table *table, int field, size_t element_size) {
	struct flat_vector vector = { table->reader, 0, 0 };
	size_t slot = field_at(table, field, 4), at = slot == 0 ? 0 : follow(table->reader, slot);
	if (at == 0 || !inside(table->reader, at + 4, load32(table->reader, at) * element_size, "a vector is too long"))
		return vector;
	vector.at = at + 4;
	vector.count = load32(table->reader, at);
	return vector;
}

struct flat_table flat_element(const struct flat_vector *vector, size_t index) {
	size_t at = follow(vector->reader, vector->at + 4 * index);
	return at == 0 ? (struct flat_table){ .reader = vector->reader } : table_at(vector->reader, at);
}

int64_t flat_int64_at(const uint8_t *place) {
	int64_t value;
	memcpy(&value, place, sizeof value);
	return value;
}

size_t flat_add_table(struct bytes *out, const uint8_t *widths, size_t count) {
	size_t vtable_size = 4 + 2 * count, size = 4;
	bytes_append_zeros(out, (8 - (out->size + vtable_size) % 8) % 8); /* so that the table is aligned */
	size_t vtable = out->size, table = vtable + vtable_size;
	bytes_append_zeros(out, vtable_size);
	for (size_t width = 8; width > 0; width /= 2) /* the widest first leaves the fewest gaps */
		for (size_t i = 0; i < count; i++) {
			if (widths[i] != width)
				continue;
			size = (size + width - 1) / width * width;
			memcpy(out->data + vtable + 4 + 2 * i, &(uint16_t){ (uint16_t)size }, 2);
			size += width;
		}
	memcpy(out->data + vtable, &(uint16_t){ (uint16_t)vtable_size }, 2);
	memcpy(out->data + vtable + 2, &(uint16_t){ (uint16_t)size }, 2);
	bytes_append_zeros(out, size);
	memcpy(out->data + table, &(int32_t){ (int32_t)vtable_size }, 4);
	return table;
}

size_t flat_slot(const struct bytes *out, size_t table, int field) {
	int32_t vtable_size;
	uint16_t offset;
	memcpy(&vtable_size, out->data + table, 4);
	memcpy(&offset, out->data + table - (size_t)vtable_size + 4 + 2 * (size_t)field, 2);
	return table + offset;
}

void flat_set(struct bytes *out, size_t table, int field, int64_t value, int width) {
	memcpy(out->data + flat_slot(out, table, field), &value, (size_t)width);
}

void flat_link(struct bytes *out, size_t slot, size_t target) {
	memcpy(out->data + slot, &(uint32_t){ (uint32_t)(target - slot) }, 4);
}

size_t flat_add_text(struct bytes *out, const char *text, size_t length) {
	bytes_align(out, 4);
	size_t place = out->size;
	bytes_append(out, &(uint32_t){ (uint32_t)length }, 4);
	bytes_append(out, text, length);
	bytes_append_zeros(out, 1);
	return place;
}

size_t flat_add_vector(struct bytes *out, size_t count, size_t element_size) {
	bytes_align(out, 4);
	if (element_size >= 8 && out->size % 8 == 0)
		bytes_append_zeros(out, 4);
	size_t place = out->size;
	bytes_append(out, &(uint32_t){ (uint32_t)count }, 4);
	bytes_append_zeros(out, count * element_size);
	return place;
}
