/* format: what only one format begins with is believed before the file's name, what several may begin with after it. */
#include <string.h>
#include <strings.h>

#include "base/files.h"
#include "corpus/lines.h"
#include "corpus/source.h"
#include "corpus/tar.h"

/* What a file begins with that is none of ours, and what makes one of it. */
static const struct foreign { const char *magic; size_t length; const char *what, *advice; } foreign[] = {
	{ "PK\3\4", 4, "a zip archive", "unzip -p FILE | imdb-read" },
	{ "\x28\xb5\x2f\xfd", 4, "compressed by zstd", "zstd -dc FILE | imdb-read" },
	{ "\xfd" "7zXZ", 5, "compressed by xz", "xz -dc FILE | imdb-read" },
	{ "BZh", 3, "compressed by bzip2", "bzip2 -dc FILE | imdb-read" },
	{ "PAR1", 4, "a Parquet file", "write it as an Arrow stream" },
	{ "\xff\xfe", 2, "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE | imdb-read" },
	{ "\xfe\xff", 2, "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE | imdb-read" },
};

static const struct ending { const char *ending; enum format format; } endings[] = {
	{ ".tar", FORMAT_IMDB }, { ".tgz", FORMAT_IMDB }, { ".csv", FORMAT_CSV }, { ".tsv", FORMAT_TSV },
	{ ".tab", FORMAT_TSV }, { ".jsonl", FORMAT_JSONL }, { ".ndjson", FORMAT_JSONL }, { ".json", FORMAT_JSONL },
	{ ".txt", FORMAT_LINES }, { ".arrow", FORMAT_ARROW }, { ".arrows", FORMAT_ARROW },
};

static bool ends_in(const char *path, size_t length, const char *ending) {
	size_t width = strlen(ending);
	return length > width && strncasecmp(path + length - width, ending, width) == 0;
}

/* By the file's name, a .gz at its end aside. */
static enum format format_of_name(const char *path) {
	size_t length = path == NULL ? 0 : strlen(path);
	if (length > 0 && ends_in(path, length, ".gz"))
		length -= 3;
	for (size_t i = 0; length > 0 && i < sizeof endings / sizeof *endings; i++)
		if (ends_in(path, length, endings[i].ending))
			return endings[i].format;
	return FORMAT_AUTO;
}

/* Whether a line, cut at the delimiter, has a field of that name. */
static bool has_field(const char *line, size_t length, char delimiter, const char *name) {
	for (const char *end = line + length; line < end; line++) {
		const char *next = memchr(line, delimiter, (size_t)(end - line));
		size_t width = (size_t)((next != NULL ? next : end) - line), quotes = width > 1 && line[0] == '"';
		if (width - 2 * quotes == strlen(name) && memcmp(line + quotes, name, strlen(name)) == 0)
			return true;
		line += width;
	}
	return false;
}

static bool is_header(const char *line, size_t length, char delimiter, const struct reading *reading) {
	if (reading->text != NULL)
		return has_field(line, length, delimiter, reading->text);
	for (size_t i = 0; usual_text_columns[i] != NULL; i++)
		if (has_field(line, length, delimiter, usual_text_columns[i]))
			return true;
	return false;
}

/* Whether the options only make sense for a delimited file. */
static bool says_delimited(const struct reading *reading) {
	return reading->delimiter != '\0' || reading->no_quotes || reading->no_header;
}

/* An object, or an array of objects. */
static bool begins_json(const char *bytes, size_t length) {
	size_t i = 0;
	if (length > 0 && bytes[0] == '[')
		for (i = 1; i < length && is_space(bytes[i]);)
			i++;
	return i < length && bytes[i] == '{';
}

static enum format format_of_text(const char *bytes, size_t length, const struct reading *reading) {
	size_t first = 0, end;
	if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		first = 3;
	while (first < length && is_space(bytes[first]))
		first++;
	for (end = first; end < length && bytes[end] != '\n' && bytes[end] != '\r';)
		end++;
	if (begins_json(bytes + first, length - first))
		return FORMAT_JSONL;
	if (memchr(bytes + first, '\t', end - first) != NULL && is_header(bytes + first, end - first, '\t', reading))
		return FORMAT_TSV;
	if (is_header(bytes + first, end - first, ',', reading) || says_delimited(reading))
		return FORMAT_CSV;
	return FORMAT_AUTO;
}

static bool begins_with(const char *bytes, size_t length, const char *magic, size_t width) {
	return length >= width && memcmp(bytes, magic, width) == 0;
}

int find_format(struct inflate_reader *input, const char *path, const struct reading *reading,
	struct failure *failure) {
	const char *bytes, *name = input_name(path);
	ptrdiff_t got = inflate_peek(input, &bytes, failure);
	if (got < 0)
		return -1;
	size_t length = (size_t)got;
	if (length == 0 && format_of_name(path) == FORMAT_AUTO)
		return fail(failure, EX_DATAERR, "%s: empty", name);
	if (begins_with(bytes, length, "\xff\xff\xff\xff", 4) || begins_with(bytes, length, "ARROW1", 6))
		return FORMAT_ARROW;
	if (tar_begins(bytes, length))
		return FORMAT_IMDB;
	for (const struct foreign *other = foreign; other < foreign + sizeof foreign / sizeof *foreign; other++)
		if (begins_with(bytes, length, other->magic, other->length))
			return fail(failure, EX_DATAERR, "%s: %s (%s)", name, other->what, other->advice);
	enum format format = format_of_name(path);
	if (format == FORMAT_AUTO || (format == FORMAT_LINES && says_delimited(reading)))
		format = format_of_text(bytes, length, reading);
	if (format == FORMAT_AUTO)
		return fail(failure, EX_DATAERR, "%s: neither a tar archive, nor an Arrow stream, nor JSON lines, nor CSV or "
			"TSV with a column of text in its header (--format lines or paragraphs takes plain text; --delimiter "
			"tells what is between columns)", name);
	return (int)format;
}
