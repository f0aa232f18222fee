/* arrow: feeds any bytes as a stream to a stage that keeps every column: the stream is refused, or the output can be
 * read. */
#include "fuzz.h"

#include "cli/cli.h"
#include "record/columns.h"
#include "record/stream.h"

/* Copies what can be read. Returns how many records, -1 when the input is refused. */
static int64_t pass(struct reader *reader, int output) {
	struct failure failure;
	struct schema schema = { 0 };
	struct batch *batch;
	struct carried *carried = carried_create(reader_schema(reader), (const char *const[]){ NULL });
	int64_t records = -1;
	int more = 0;
	carried_add_fields(carried, &schema);
	struct writer *writer = writer_open(output, "output", &schema, reader_info(reader), &failure);
	reader_total(reader);
	while (writer != NULL && (more = reader_next(reader, &batch, &failure)) > 0) {
		for (int64_t row = 0; row < batch->rows; row++) {
			carried_append(carried, batch, row, writer);
			check(writer_end_row(writer, &failure), &failure);
		}
		batch_free(batch);
	}
	if (writer != NULL) {
		records = more == 0 ? writer_records(writer) : -1;
		check(writer_close(writer, &failure), &failure);
	}
	carried_destroy(carried);
	schema_clear(&schema);
	return records;
}

static void expect_records(int descriptor, int64_t records) {
	struct failure failure;
	struct batch *batch;
	lseek(descriptor, 0, SEEK_SET);
	struct reader *reader = reader_open(descriptor, "output", &failure);
	while (reader != NULL && check(reader_next(reader, &batch, &failure), &failure) > 0)
		batch_free(batch);
	if (reader == NULL || reader_records(reader) != records)
		abort();
	reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct failure failure;
	struct reader *reader = reader_open(bytes_as_descriptor(data, size), "input", &failure);
	if (reader == NULL)
		return 0;
	int output = memfd_create("output", 0);
	int64_t records = pass(reader, output);
	if (records >= 0)
		expect_records(output, records);
	close(output);
	reader_close(reader);
	return 0;
}
