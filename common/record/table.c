/* table.c: the rows are one sequence of bytes, whose head is in memory and whose tail is in the file. A row's bytes
 * are those of its columns, depth first: the number of rows, whether there are validity bits, and the buffers of the
 * layout, each aligned to 8. Builders make them, so that a row takes no more bytes than it needs. */
#include "record/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/bytes.h"
#include "record/layout.h"

enum { FILE_STEP = 1 << 20 }; /* bytes gathered for one write */

struct table {
	const struct schema *schema;
	int64_t rows;
	size_t *ends, capacity;    /* row r is bytes ends[r - 1] (0 for the first row) to ends[r] */
	size_t memory;         /* the largest size of `head` */
	struct bytes head;
	int file;              /* -1: none yet */
	char *file_name;       /* for messages */
	size_t written;        /* bytes of the file */
	struct bytes pending;  /* bytes to be written at its end */
	struct bytes row;      /* a row that is added, or one that was read from the file */
	struct builder **builders;
	struct batch batch;    /* the row handed out; its columns point into head or row */
};

/* ---- sizes --------------------------------------------------------------------------------------------- */

int table_parse_memory(const char *text, size_t *bytes, struct failure *failure) {
	static const char suffixes[] = "KMG";
	char *end;
	errno = 0;
	unsigned long long count = strtoull(text, &end, 10);
	const char *suffix = *end != '\0' ? strchr(suffixes, *end) : NULL;
	if (text[0] < '0' || text[0] > '9' || (suffix != NULL ? end[1] : *end) != '\0')
		return fail(failure, EX_USAGE, "--memory: %s is no size (give bytes, or 500K, 256M, 4G)", text);
	unsigned shift = suffix != NULL ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
	if (errno != 0 || count > (uint64_t)PTRDIFF_MAX >> shift)
		return fail(failure, EX_USAGE, "--memory: %s is out of range (less than 2^63 bytes)", text);
	*bytes = (size_t)count << shift;
	return 0;
}

/* ---- rows to bytes ------------------------------------------------------------------------------------- */

static void put(struct bytes *bytes, const void *source, size_t count) {
	bytes_append(bytes, source, count);
	bytes_align(bytes, 8);
}

static void put_column(struct bytes *bytes, const struct column *column) {
	struct layout layout = type_layout(&column->field->type);
	size_t rows = (size_t)column->length;
	int64_t start[2] = { column->length, column->validity != NULL };
	put(bytes, start, sizeof start);
	if (column->validity != NULL)
		put(bytes, column->validity, (rows + 7) / 8);
	if (layout.offset_width > 0)
		put(bytes, column->offsets, (rows + 1) * layout.offset_width);
	if (layout.kind == LAYOUT_BITS)
		put(bytes, column->values, (rows + 7) / 8);
	if (layout.kind == LAYOUT_FIXED)
		put(bytes, column->values, rows * layout.width);
	if (layout.kind == LAYOUT_BYTES)
		put(bytes, column->values, (size_t)load_offset(column->offsets, layout.offset_width, column->length));
	for (size_t i = 0; i < column->field->child_count; i++)
		put_column(bytes, &column->children[i]);
}

/* The bytes at *at, which then moves forward by `count`, rounded up to a multiple of 8. */
static const uint8_t *take(const uint8_t **at, size_t count) {
	const uint8_t *bytes = *at;
	*at += (count + 7) / 8 * 8;
	return bytes;
}

/* The reverse of put_column(), into a column whose field and children are set. */
static void take_column(const uint8_t **at, struct column *column) {
	struct layout layout = type_layout(&column->field->type);
	int64_t start[2];
	memcpy(start, take(at, sizeof start), sizeof start);
	size_t rows = (size_t)start[0];
	column->length = start[0];
	column->validity = start[1] ? take(at, (rows + 7) / 8) : NULL;
	if (layout.offset_width > 0)
		column->offsets = take(at, (rows + 1) * layout.offset_width);
	if (layout.kind == LAYOUT_BITS)
		column->values = take(at, (rows + 7) / 8);
	if (layout.kind == LAYOUT_FIXED)
		column->values = take(at, rows * layout.width);
	if (layout.kind == LAYOUT_BYTES)
		column->values = take(at, (size_t)load_offset(column->offsets, layout.offset_width, column->length));
	for (size_t i = 0; i < column->field->child_count; i++)
		take_column(at, &column->children[i]);
}

/* ---- the file ------------------------------------------------------------------------------------------ */

/* Creates the file and unlinks it at once, so that it is gone however the program ends. */
static int open_temporary(struct table *table, struct failure *failure) {
	const char *folder = getenv("TMPDIR");
	if (folder == NULL || folder[0] == '\0')
		folder = "/tmp";
	char *path = format_text("%s/cloze-XXXXXX", folder);
	table->file_name = format_text("temporary file in %s ($TMPDIR)", folder);
	table->file = mkstemp(path);
	if (table->file < 0)
		fail(failure, EX_CANTCREAT, "%s: cannot create: %s (set TMPDIR to a folder with space, or raise --memory)",
			table->file_name, strerror(errno));
	else
		unlink(path);
	free(path);
	return table->file < 0 ? -1 : 0;
}

static int write_pending(struct table *table, struct failure *failure) {
	if (write_all(table->file, table->pending.data, table->pending.size, table->file_name, failure) < 0)
		return -1;
	table->written += table->pending.size;
	table->pending.size = 0;
	return 0;
}

static int read_file_at(const struct table *table, uint8_t *to, size_t count, size_t place, struct failure *failure) {
	while (count > 0) {
		ssize_t got = pread(table->file, to, count, (off_t)place);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fail(failure, EX_IOERR, "%s: cannot read: %s", table->file_name,
				got < 0 ? strerror(errno) : "it is shorter than it was");
		to += got;
		place += (size_t)got;
		count -= (size_t)got;
	}
	return 0;
}

/* ---- the table ----------------------------------------------------------------------------------------- */

/* Adds table->row at the end of the table. */
static int keep_row(struct table *table, struct failure *failure) {
	const struct bytes *row = &table->row;
	if ((size_t)table->rows == table->capacity) {
		table->capacity = table->capacity * 2 + 1024;
		table->ends = grow(table->ends, table->capacity, sizeof *table->ends);
	}
	table->ends[table->rows] = (table->rows > 0 ? table->ends[table->rows - 1] : 0) + row->size;
	table->rows++;
	if (table->file < 0 && row->size <= table->memory - table->head.size) {
		size_t need = table->head.size + row->size, capacity = need * 2 < table->memory ? need * 2 : table->memory;
		if (need > table->head.capacity)
			table->head.data = grow(table->head.data, table->head.capacity = capacity, 1);
		bytes_append(&table->head, row->data, row->size);
		return 0;
	}
	if (table->file < 0 && open_temporary(table, failure) < 0)
		return -1;
	bytes_append(&table->pending, row->data, row->size);
	return table->pending.size >= FILE_STEP ? write_pending(table, failure) : 0;
}

static int keep_batch(struct table *table, const struct batch *batch, struct failure *failure) {
	for (int64_t row = 0; row < batch->rows; row++) {
		table->row.size = 0;
		for (size_t i = 0; i < table->schema->count; i++) {
			struct column column;
			builder_append_rows(table->builders[i], &batch->columns[i], row, 1);
			builder_view(table->builders[i], &column);
			put_column(&table->row, &column);
			column_clear(&column);
			builder_reset(table->builders[i]);
		}
		if (keep_row(table, failure) < 0)
			return -1;
	}
	return 0;
}

struct table *table_read(struct reader *reader, size_t memory, struct failure *failure) {
	const struct schema *schema = reader_schema(reader);
	struct table *table = allocate(1, sizeof *table);
	struct batch *batch;
	int more;
	*table = (struct table){ .schema = schema, .memory = memory, .file = -1,
		.builders = allocate(schema->count, sizeof *table->builders),
		.batch = { .rows = 1, .columns = allocate(schema->count, sizeof(struct column)) } };
	for (size_t i = 0; i < schema->count; i++) {
		table->builders[i] = builder_create(&schema->fields[i]);
		builder_view(table->builders[i], &table->batch.columns[i]);
	}
	while ((more = reader_next(reader, &batch, failure)) > 0) {
		int result = keep_batch(table, batch, failure);
		batch_free(batch);
		if (result < 0) {
			table_free(table);
			return NULL;
		}
	}
	if (more == 0 && write_pending(table, failure) == 0)
		return table;
	table_free(table);
	return NULL;
}

void table_bytes(const struct table *table, size_t *in_memory, size_t *in_file) {
	*in_memory = table->head.size;
	*in_file = table->written;
}

int64_t table_rows(const struct table *table) {
	return table->rows;
}

const struct batch *table_row(struct table *table, int64_t row, struct failure *failure) {
	size_t start = row > 0 ? table->ends[row - 1] : 0, size = table->ends[row] - start;
	const uint8_t *at;
	if (table->schema->count == 0) /* the row has no bytes */
		return &table->batch;
	if (start < table->head.size) {
		at = table->head.data + start;
	} else {
		table->row.size = 0;
		at = bytes_extend(&table->row, size);
		if (read_file_at(table, table->row.data, size, start - table->head.size, failure) < 0)
			return NULL;
	}
	for (size_t i = 0; i < table->schema->count; i++)
		take_column(&at, &table->batch.columns[i]);
	return &table->batch;
}

void table_free(struct table *table) {
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->schema->count; i++) {
		builder_destroy(table->builders[i]);
		column_clear(&table->batch.columns[i]);
	}
	if (table->file >= 0)
		close(table->file);
	free(table->builders);
	free(table->batch.columns);
	free(table->file_name);
	free(table->head.data);
	free(table->pending.data);
	free(table->row.data);
	free(table->ends);
	free(table);
}
