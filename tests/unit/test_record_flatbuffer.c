/* test_record_flatbuffer: tables are written and read back, and a table is damaged one byte at a time. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>

#include "record/flatbuffer.h"

/* { 0: int64, 1: uint8, 2: text, 3: missing, 4: [table { 0: int16 }], 5: [struct of 16 bytes] } */
static void build(struct bytes *out) {
	bytes_append_zeros(out, 4);
	size_t table = flat_add_table(out, (const uint8_t[]){ 8, 1, 4, 0, 4, 4 }, 6);
	flat_link(out, 0, table);
	flat_set(out, table, 0, -5000000000, 8);
	flat_set(out, table, 1, 200, 1);
	flat_link(out, flat_slot(out, table, 2), flat_add_text(out, "cloze", 5));
	size_t vector = flat_add_vector(out, 2, 4);
	flat_link(out, flat_slot(out, table, 4), vector);
	for (size_t i = 0; i < 2; i++) {
		size_t child = flat_add_table(out, (const uint8_t[]){ 2 }, 1);
		flat_set(out, child, 0, -3 - (int64_t)i, 2);
		flat_link(out, vector + 4 + 4 * i, child);
	}
	vector = flat_add_vector(out, 1, 16);
	flat_link(out, flat_slot(out, table, 5), vector);
	memcpy(out->data + vector + 4 + 8, &(int64_t){ 77 }, 8);
	assert_int_equal((vector + 4) % 8, 0);
	bytes_align(out, 8);
}

/* Visits everything; a sum, so that nothing can be left out by the compiler. */
static uint64_t visit(struct flat_reader *reader) {
	size_t length;
	struct flat_table root = flat_root(reader);
	uint64_t sum = (uint64_t)flat_integer(&root, 0, 8, 1) + (uint64_t)flat_integer(&root, 1, 1, 2);
	const char *text = flat_text(&root, 2, &length);
	for (size_t i = 0; text != NULL && i < length; i++)
		sum += (uint8_t)text[i];
	struct flat_vector tables = flat_vector(&root, 4, 4), structs = flat_vector(&root, 5, 16);
	for (size_t i = 0; i < tables.count; i++) {
		struct flat_table child = flat_element(&tables, i);
		sum += (uint64_t)flat_integer(&child, 0, 2, 0);
	}
	for (size_t i = 0; i < 2 * structs.count; i++)
		sum += (uint64_t)flat_int64_at(reader->bytes + structs.at + 8 * i);
	return sum;
}

static void reads_what_it_writes(void **state) {
	(void)state;
	struct bytes out = { 0 };
	struct flat_reader reader;
	size_t length;
	build(&out);
	flat_reader_init(&reader, out.data, out.size);
	struct flat_table root = flat_root(&reader);
	assert_true(flat_integer(&root, 0, 8, 0) == -5000000000);
	assert_int_equal(flat_integer(&root, 1, 1, 0), 200);
	assert_int_equal(flat_integer(&root, 3, 4, 42), 42);
	assert_int_equal(flat_integer(&root, 9, 4, 43), 43);
	assert_memory_equal(flat_text(&root, 2, &length), "cloze", 5);
	assert_int_equal(length, 5);
	assert_null(flat_text(&root, 3, &length));
	struct flat_vector tables = flat_vector(&root, 4, 4), structs = flat_vector(&root, 5, 16);
	assert_int_equal(tables.count, 2);
	struct flat_table child = flat_element(&tables, 1);
	assert_int_equal(flat_integer(&child, 0, 2, 0), -4);
	assert_int_equal(structs.count, 1);
	assert_int_equal(flat_int64_at(reader.bytes + structs.at + 8), 77);
	assert_null(reader.damage);
	free(out.data);
}

/* In memory of exactly its size, so that AddressSanitizer sees a read beyond it. */
static void visit_copy(const uint8_t *bytes, size_t size, bool *damaged) {
	uint8_t *copy = malloc(size > 0 ? size : 1);
	struct flat_reader reader;
	if (size > 0)
		memcpy(copy, bytes, size);
	flat_reader_init(&reader, copy, size);
	visit(&reader);
	*damaged = reader.damage != NULL;
	free(copy);
}

static void survives_damage(void **state) {
	(void)state;
	struct bytes out = { 0 };
	bool damaged;
	size_t noticed = 0;
	build(&out);
	for (size_t size = 0; size < out.size; size++)
		visit_copy(out.data, size, &damaged);
	visit_copy(out.data, 3, &damaged);
	assert_true(damaged);
	for (size_t i = 0; i < out.size; i++)
		for (int value = 0; value < 256; value++) {
			uint8_t kept = out.data[i];
			out.data[i] = (uint8_t)value;
			visit_copy(out.data, out.size, &damaged);
			noticed += damaged;
			out.data[i] = kept;
		}
	assert_in_range(noticed, 1000, 256 * out.size);
	visit_copy(out.data, out.size, &damaged);
	assert_false(damaged);
	free(out.data);
}

/* A hundred thousand offsets to one table with a long string: each visit costs budget, and the walk ends. */
static void bounds_shared_targets(void **state) {
	(void)state;
	enum { SHARES = 100000 };
	struct bytes out = { 0 };
	struct flat_reader reader;
	bytes_append_zeros(&out, 4);
	size_t table = flat_add_table(&out, (const uint8_t[]){ 4 }, 1);
	flat_link(&out, 0, table);
	size_t vector = flat_add_vector(&out, SHARES, 4);
	flat_link(&out, flat_slot(&out, table, 0), vector);
	size_t child = flat_add_table(&out, (const uint8_t[]){ 4 }, 1);
	size_t big = flat_add_vector(&out, SHARES, 1);
	flat_link(&out, flat_slot(&out, child, 0), big);
	for (size_t i = 0; i < SHARES; i++)
		flat_link(&out, vector + 4 + 4 * i, child);
	flat_reader_init(&reader, out.data, out.size);
	struct flat_table root = flat_root(&reader);
	struct flat_vector children = flat_vector(&root, 0, 4);
	size_t reached = 0, length;
	for (size_t i = 0; i < children.count; i++) {
		struct flat_table each = flat_element(&children, i);
		reached += flat_text(&each, 0, &length) != NULL;
	}
	assert_in_range(reached, 1, 100);
	assert_non_null(reader.damage);
	free(out.data);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(survives_damage),
		cmocka_unit_test(bounds_shared_targets),
	};
	return cmocka_run_group_tests_name("record/flatbuffer", tests, NULL, NULL);
}
