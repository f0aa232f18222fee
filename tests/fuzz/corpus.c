/* corpus: feeds any bytes as documents, gzip or plain: in the format that is detected, or as CSV, JSON lines,
 * paragraphs or an archive. */
#include "fuzz.h"

#include "corpus/source.h"

static void read_all(struct source *source) {
	struct failure failure;
	struct document document;
	volatile char last;
	while (source->next(source, &document, &failure) > 0) {
		if (document.text_length > 0)
			last = document.text[document.text_length - 1];
		if (document.name_length > 0)
			last = document.name[document.name_length - 1];
	}
	(void)last;
	source->close(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const struct reading columns;
	static const struct splits splits = { .all = true, .rank = { 0, 1, 2 } };
	struct failure failure;
	if (size == 0)
		return 0;
	int descriptor = bytes_as_descriptor(data + 1, size - 1);
	struct inflate_reader *input = inflate_open(descriptor, "input", &(struct failure){ 0 });
	int format = FORMAT_IMDB + data[0] % (FORMAT_ARROW - FORMAT_IMDB + 1);
	if (format == FORMAT_ARROW)
		format = find_format(input, NULL, &columns, &failure);
	if (format == FORMAT_IMDB)
		read_all(source_archive(input, "input", &splits));
	else if (format > FORMAT_IMDB && format != FORMAT_ARROW)
		read_all(source_open((enum format)format, input, NULL, &columns));
	inflate_close(input);
	return 0;
}
