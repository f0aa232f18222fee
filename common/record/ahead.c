/* ahead.c: what the rest of a stream holds, found by reading a regular file ahead of its reader. */
#include "record/reader.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads the number of rows of the message at *place, which then moves to the next message. Returns 1, or 0 at the
 * end-of-stream marker, or -1 for what reader_next() will refuse. */
static int peek_message(const struct reader *reader, off_t *place, struct bytes *metadata, int64_t *rows) {
	uint32_t start[2];
	struct message message;
	struct failure ignored;
	if (pread(reader->descriptor, start, sizeof start, *place) != sizeof start || start[0] != 0xffffffff
			|| start[1] > METADATA_LIMIT)
		return -1;
	if (start[1] == 0)
		return 0;
	metadata->size = 0;
	if (pread(reader->descriptor, bytes_extend(metadata, start[1]), start[1], *place + 8) != (ssize_t)start[1]
			|| message_decode(metadata->data, start[1], &message, reader->name, &ignored) < 0)
		return -1;
	*rows = message.kind == MESSAGE_RECORD_BATCH ? message.rows : 0;
	*place += 8 + (off_t)start[1];
	return __builtin_add_overflow(*place, message.body_length, place) ? -1 : 1;
}

static bool is_regular_file(const struct reader *reader) {
	struct stat status;
	return reader->start >= 0 && fstat(reader->descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

int64_t reader_total(struct reader *reader) {
	struct bytes metadata = { 0 };
	off_t place = lseek(reader->descriptor, 0, SEEK_CUR);
	int64_t total = reader->records, rows = 0;
	int more = 1;
	if (reader->ended)
		return total;
	if (!is_regular_file(reader))
		return reader->info.records;
	while ((more = peek_message(reader, &place, &metadata, &rows)) > 0)
		total += rows;
	free(metadata.data);
	return more < 0 ? -1 : total;
}

/* Counts batches of at most `size` records: `records` are in the last one, which is of that epoch. */
struct epoch_count { int64_t size, batches, records, epoch; };

static void count_record(struct epoch_count *count, int64_t epoch) {
	if (count->batches == 0 || epoch != count->epoch || count->records == count->size) {
		count->batches++;
		count->records = 0;
	}
	count->records++;
	count->epoch = epoch;
}

/* Reads the whole stream. Returns the batches, -1 for a stream that reader_next() refuses. */
static int64_t count_batches(struct reader *reader, int64_t size) {
	struct epoch_count count = { .size = size };
	struct failure failure;
	struct batch *batch;
	int column = schema_find(reader_schema(reader), "epoch"), more;
	if (column >= 0 && reader_find_int(reader, "epoch", &failure) < 0)
		return -1;
	while ((more = reader_next(reader, &batch, &failure)) > 0) {
		for (int64_t row = 0; row < batch->rows; row++)
			count_record(&count, column < 0 ? 1 : column_integer(&batch->columns[column], row, 1));
		batch_free(batch);
	}
	return more < 0 ? -1 : count.batches;
}

static int64_t round_up_quotient(int64_t dividend, int64_t divisor) {
	return dividend / divisor + (dividend % divisor != 0);
}

int64_t reader_batches(struct reader *reader, int64_t size) {
	const struct stream_info *info = &reader->info;
	struct failure ignored;
	int64_t batches = -1;
	if (schema_find(&reader->schema, "epoch") < 0) {
		int64_t total = reader_total(reader);
		return total < 0 ? -1 : round_up_quotient(total, size);
	}
	if (!is_regular_file(reader))
		return info->epochs < 0 || __builtin_mul_overflow(info->epochs,
			round_up_quotient(info->records_per_epoch, size), &batches) ? -1 : batches;
	off_t place = lseek(reader->descriptor, 0, SEEK_CUR);
	struct reader *again = lseek(reader->descriptor, reader->start, SEEK_SET) < 0 ? NULL
		: reader_open(reader->descriptor, reader->name, &ignored);
	if (again != NULL)
		batches = count_batches(again, size);
	reader_close(again);
	return lseek(reader->descriptor, place, SEEK_SET) < 0 ? -1 : batches;
}

