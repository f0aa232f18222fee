/* imdb-read: documents of many formats become text records.
 *
 * The inputs are read one after the other. Documents flow from a source through the repair of their UTF-8 to the
 * output; only sorting, which an archive and a folder need, holds those of one input. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/sandbox.h"
#include "cli/streams.h"
#include "corpus/source.h"
#include "record/columns.h"
#include "record/join.h"
#include "record/stream.h"

enum order { BY_NAME, AS_STORED };

static const char *split_list = "all";
static int format = FORMAT_AUTO;
static int order = BY_NAME;
static struct reading reading;
static const char *label_names;
static const char *delimiter;
static int quote = -1;
static int header = -1;
static int64_t limit = 0;

static const struct option_entry options[] = {
	OPTION_TEXT("split", &split_list, "LIST", "train, test, unsupervised, several with commas between, or all"),
	OPTION_CHOICE("format", &format, "auto|imdb|csv|tsv|jsonl|lines|paragraphs|arrow", "what the input is"),
	OPTION_CHOICE("order", &order, "name|archive", "of an archive or folder: sorted, or as stored, holding nothing"),
	OPTION_TEXT("text-column", &reading.text, "NAME", "the text's column or key (else text, or review)"),
	OPTION_TEXT("label-column", &reading.label, "NAME",
		"the label's column or key (else label, or sentiment); none: no labels"),
	OPTION_TEXT("labels", &label_names, "LIST", "the words of the labels 0, 1, ..., commas between (else neg, pos)"),
	OPTION_TEXT("delimiter", &delimiter, "CHARACTER",
		"of csv and tsv: what is between columns; tab: a tab (else a comma, of tsv a tab)"),
	OPTION_CHOICE("quote", &quote, "none|\"", "of csv and tsv: what quotes a field (else \")"),
	OPTION_CHOICE("header", &header, "yes|no",
		"of csv and tsv: the first line names the columns, or they are 1, 2, ... (else yes)"),
	OPTION_INTEGER("limit", &limit, 1, INT64_C(1) << 53, "N", "only the first N documents"),
	OPTION_PROGRESS,
	OPTION_SANDBOX,
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE|FOLDER]...",
	.summary = "Reads reviews, or other documents, as text records.",
	.example = "imdb-read --split train aclImdb_v1.tar.gz | rec-dump | head -n 1",
};

/* ---- Arrow streams as a source ----------------------------------------------------------------------------- */

/* The record room reads from a descriptor: what was inflated comes through a pipe, written by a thread of its own. */
struct arrow_source {
	struct source source;
	struct inflate_reader *input;
	int pipe[2];
	pthread_t pump;
	struct failure pump_failure;
	atomic_bool pump_failed; /* set before the pipe is closed, so before the reader can see its end */
	const char *path;
	struct reader *reader;
	int text, label, name;   /* columns; -1: not there */
	struct label_words words;
	struct carried *carried; /* the columns that are none of these */
	struct batch *batch;
	int64_t row, before;     /* of the batch; records in those before it */
	struct bytes place;
};

static struct arrow_source *arrow_source(struct source *source) {
	return (struct arrow_source *)source;
}

static void *pump(void *context) {
	struct arrow_source *source = context;
	const char *bytes;
	ptrdiff_t got;
	while ((got = inflate_peek(source->input, &bytes, &source->pump_failure)) > 0) {
		if (write_all(source->pipe[1], bytes, (size_t)got, "pipe", &source->pump_failure) < 0)
			break;
		inflate_skip(source->input, (size_t)got);
	}
	atomic_store(&source->pump_failed, got != 0);
	close(source->pipe[1]);
	return NULL;
}

/* The pipe's end may be the reader's failure, but what ended it is the reason. */
static int arrow_failed(struct arrow_source *source, struct failure *failure) {
	if (atomic_load(&source->pump_failed))
		*failure = source->pump_failure;
	return -1;
}

static bool is_text(const struct reader *reader, int column) {
	enum type_id id = reader_schema(reader)->fields[column].type.id;
	return id == TYPE_UTF8 || id == TYPE_LARGE_UTF8;
}

/* The column of that name, or the first of the usual names there is; -1: none of them. */
static int find_column(const struct reader *reader, const char *wanted, const char *const *usual) {
	int found = -1;
	if (wanted != NULL)
		return schema_find(reader_schema(reader), wanted);
	for (size_t i = 0; usual[i] != NULL && found < 0; i++)
		found = schema_find(reader_schema(reader), usual[i]);
	return found;
}

static bool may_be_label(const struct reader *reader, int column) {
	enum type_id id = reader_schema(reader)->fields[column].type.id;
	return is_text(reader, column) || id == TYPE_INT || id == TYPE_FLOAT || id == TYPE_BOOL;
}

static int find_columns(struct arrow_source *source, struct failure *failure) {
	const struct reader *reader = source->reader;
	const struct field *fields = reader_schema(reader)->fields;
	source->text = find_column(reader, reading.text, usual_text_columns);
	source->label = without_labels(&reading) ? -1 : find_column(reader, reading.label, usual_label_columns);
	source->name = schema_find(reader_schema(reader), "name");
	const char *text_name = source->text >= 0 ? fields[source->text].name : reading.text != NULL ? reading.text
		: "text";
	if (reader_find_text(reader, text_name, failure) < 0)
		return -1;
	if (source->label < 0)
		return reading.label != NULL && !without_labels(&reading) ? reader_find_int(reader, reading.label, failure) : 0;
	return may_be_label(reader, source->label) ? 0 : reader_find_int(reader, fields[source->label].name, failure);
}

/* Every column but those that were taken and those that take their names in the output. */
static struct carried *carry_others(const struct arrow_source *source) {
	const struct schema *schema = reader_schema(source->reader);
	return carried_create(schema, (const char *const[]){ schema->fields[source->text].name, "text", "label", "name",
		source->label >= 0 ? schema->fields[source->label].name : NULL, NULL });
}

static int refuse_label(const struct arrow_source *source, const char *text, size_t length, struct failure *failure) {
	struct label_place place = { reader_name(source->reader), "record", source->before + source->row + 1 };
	return label_refuse(&source->words, place, text, length, failure);
}

/* A label in an integer column; a uint64 above the greatest int64 is refused as it is. */
static int read_integer(const struct arrow_source *source, const struct column *column, int64_t *label,
	struct failure *failure) {
	char text[32];
	int64_t value = column_integer(column, source->row, -1);
	bool wrapped = value < 0 && !column->field->type.is_signed;
	if (!wrapped && label_from_integer(&source->words, value, label))
		return 0;
	int length = wrapped ? snprintf(text, sizeof text, "%" PRIu64, (uint64_t)value)
		: snprintf(text, sizeof text, "%" PRId64, value);
	return refuse_label(source, text, (size_t)length, failure);
}

static int read_label(const struct arrow_source *source, struct document *document, struct failure *failure) {
	char text[32];
	size_t length;
	const char *word;
	double number;
	const struct column *column = source->batch->columns + (source->label >= 0 ? source->label : 0);
	document->label = -1;
	if (source->label < 0 || column_is_null(column, source->row))
		return 0;
	switch (column->field->type.id) {
	case TYPE_INT:
		return read_integer(source, column, &document->label, failure);
	case TYPE_BOOL:
		number = column_bool(column, source->row);
		break;
	case TYPE_FLOAT:
		number = column_float(column, source->row);
		break;
	default:
		word = column_bytes(column, source->row, &length);
		return label_parse(&source->words, word, length, &document->label) ? 0
			: refuse_label(source, word, length, failure);
	}
	if (label_from_double(&source->words, number, &document->label))
		return 0;
	return refuse_label(source, text, (size_t)snprintf(text, sizeof text, "%.17g", number), failure);
}

static int next_row(struct source *base, struct document *document, struct failure *failure) {
	struct arrow_source *source = arrow_source(base);
	if (source->batch != NULL && ++source->row == source->batch->rows) {
		source->before += source->row;
		batch_free(source->batch);
		source->batch = NULL;
	}
	if (source->batch == NULL) {
		int result = reader_next(source->reader, &source->batch, failure);
		source->row = 0;
		if (result == 0 && !atomic_load(&source->pump_failed))
			return 0;
		if (result <= 0) /* a whole stream may come out of gzip data that is cut or damaged after it */
			return arrow_failed(source, failure);
	}
	const struct column *column = source->batch->columns, *name = column + source->name;
	if (column_is_null(column + source->text, source->row))
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": no text but null", reader_name(source->reader),
			source->before + source->row + 1);
	*document = (struct document){ .rank = 0 };
	document->text = column_bytes(column + source->text, source->row, &document->text_length);
	if (source->name >= 0 && is_text(source->reader, source->name) && !column_is_null(name, source->row)) {
		document->name = column_bytes(name, source->row, &document->name_length);
	} else {
		document_name_by_line(document, &source->place, source->path, source->before + source->row + 1);
	}
	return read_label(source, document, failure) < 0 ? -1 : 1;
}

/* The source itself stays the pump's: see close_source(). */
static void close_arrow(struct source *base) {
	struct arrow_source *source = arrow_source(base);
	batch_free(source->batch);
	carried_destroy(source->carried);
	label_words_clear(&source->words);
	reader_close(source->reader);
	close(source->pipe[0]);
	free(source->place.data);
}

static void start_pump(struct arrow_source *source) {
	if (pipe2(source->pipe, O_CLOEXEC) < 0)
		die(EX_OSERR, "%s: cannot create a pipe: %s", input_name(source->path), strerror(errno));
	int error = thread_create(&source->pump, NULL, pump, source);
	if (error != 0)
		die(EX_OSERR, "%s: cannot create a thread: %s", input_name(source->path), strerror(error));
}

static struct source *open_arrow(struct inflate_reader *input, const char *path) {
	struct arrow_source *source = allocate(1, sizeof *source);
	struct failure failure;
	*source = (struct arrow_source){ { next_row, close_arrow }, .input = input, .path = path };
	start_pump(source);
	source->reader = reader_open(source->pipe[0], input_name(path), &failure);
	if (source->reader == NULL || find_columns(source, &failure) < 0) {
		arrow_failed(source, &failure);
		die_failure(&failure);
	}
	source->carried = carry_others(source);
	check(label_names != NULL ? label_words_parse(&source->words, label_names, &failure)
		: label_words_copy(&source->words, reader_info(source->reader)->labels, &failure), &failure);
	return &source->source;
}

/* ---- inputs ------------------------------------------------------------------------------------------------ */

/* What a path given by the user, or found in a folder, is. */
enum kind { INPUT_FILE, INPUT_SHARD, INPUT_IMDB_FOLDER, INPUT_TEXT_FOLDER };
struct input {
	const char *path;               /* NULL: standard input */
	enum kind kind;
	int format;                     /* what it turned out to be when it was opened */
	int descriptor;                 /* of a file or shard */
	bool last;                      /* no file is opened after it */
	struct inflate_reader *inflate; /* of a file or shard */
	struct source *source;
};
struct inputs { struct input *items; size_t count; };

static bool is_file(const struct input *input) {
	return input->kind == INPUT_FILE || input->kind == INPUT_SHARD;
}

static void add_input(struct inputs *inputs, const char *path, enum kind kind) {
	inputs->items = grow(inputs->items, inputs->count + 1, sizeof *inputs->items);
	inputs->items[inputs->count++] = (struct input){ .path = path, .kind = kind };
}

/* Adds what a folder holds: reviews, the shards of a data set, or plain text. */
static void add_folder(struct inputs *inputs, const char *path, const struct splits *splits) {
	struct failure failure;
	if (format != FORMAT_AUTO && format != FORMAT_IMDB && format != FORMAT_ARROW)
		die(EX_USAGE, "%s: a folder (--format imdb, arrow or auto reads one)", path);
	if (format == FORMAT_IMDB || (format == FORMAT_AUTO && is_imdb_folder(path))) {
		add_input(inputs, path, INPUT_IMDB_FOLDER);
		return;
	}
	char **shards = must(find_shards(path, splits, &failure), &failure);
	if (shards[0] == NULL && format == FORMAT_ARROW)
		die(EX_DATAERR, "%s: no Arrow streams (looked for state.json and *.arrow)", path);
	if (shards[0] == NULL)
		add_input(inputs, path, INPUT_TEXT_FOLDER);
	for (char **shard = shards; *shard != NULL; shard++)
		add_input(inputs, *shard, INPUT_SHARD);
	if (!splits->all && !file_exists(path, "dataset_dict.json"))
		die(EX_USAGE, "--split: %s has no splits (only an archive, or a folder with train and test, has)", path);
	free(shards); /* the paths are the inputs' now */
}

static struct inputs find_inputs(char **operands, const struct splits *splits) {
	struct inputs inputs = { 0 };
	struct stat status;
	if (*operands == NULL)
		add_input(&inputs, NULL, INPUT_FILE);
	for (; *operands != NULL; operands++) {
		const char *path = strcmp(*operands, "-") == 0 ? NULL : *operands;
		if (path != NULL && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
			add_folder(&inputs, path, splits);
		else
			add_input(&inputs, path, INPUT_FILE);
	}
	return inputs;
}

static void open_file_input(struct input *input, const struct splits *splits) {
	struct failure failure;
	input->descriptor = input->last ? open_last_input(input->path) : open_input(input->path);
	if (isatty(input->descriptor) && (format == FORMAT_AUTO || format == FORMAT_IMDB || format == FORMAT_ARROW))
		die(EX_USAGE, "%s: a terminal (name a file, or give --format lines to type documents)",
			input_name(input->path));
	input->inflate = must((isatty(input->descriptor) ? inflate_open_prompt : inflate_open)(input->descriptor,
		input_name(input->path), &failure), &failure);
	input->format = format;
	if (format == FORMAT_AUTO)
		input->format = check(find_format(input->inflate, input->path, &reading, &failure), &failure);
	if (input->format == FORMAT_IMDB)
		input->source = source_archive(input->inflate, input_name(input->path), splits);
	else if (input->format == FORMAT_ARROW)
		input->source = open_arrow(input->inflate, input->path);
	else
		input->source = source_open((enum format)input->format, input->inflate, input->path, &reading);
}

static void open_source(struct input *input, const struct splits *splits) {
	struct failure failure;
	bool delimited = delimiter != NULL || quote >= 0 || header >= 0;
	input->format = FORMAT_IMDB;
	if (is_file(input))
		open_file_input(input, splits);
	else if (input->kind == INPUT_IMDB_FOLDER)
		input->source = source_folder(input->path, splits);
	else
		input->source = must(source_texts(input->path, &failure), &failure);
	if (input->kind == INPUT_TEXT_FOLDER)
		input->format = FORMAT_LINES; /* already in their order */
	if (delimited && input->format != FORMAT_CSV && input->format != FORMAT_TSV)
		die(EX_USAGE, "%s: --delimiter, --quote and --header are for delimited text, which this is not",
			input_name(input->path));
	if (input->kind == INPUT_FILE && input->format != FORMAT_IMDB && !splits->all)
		die(EX_USAGE, "--split: %s has no splits (only an archive or a folder has)", input_name(input->path));
}

static bool is_regular(const struct input *input) {
	struct stat status;
	return is_file(input) && fstat(input->descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

static void close_source(struct input *input) {
	bool arrow = input->format == FORMAT_ARROW, regular = is_regular(input);
	pthread_t pump = arrow ? arrow_source(input->source)->pump : pthread_self();
	input->source->close(input->source);
	if (!is_file(input) || (arrow && !regular)) /* the pump of a pipe may wait until the program ends */
		return;
	if (arrow) {
		pthread_join(pump, NULL);
		free(input->source);
	}
	inflate_close(input->inflate);
	if (input->descriptor != STDIN_FILENO)
		close(input->descriptor);
}

/* ---- repair ------------------------------------------------------------------------------------------------ */

/* Counts of what could not be decoded, reported at the end. */
struct repairs {
	int64_t sequences, documents, seen;
	char *first; /* the name of the first document that had any */
	struct bytes text, name;
};

/* How many of the first bytes are ASCII, counted by eights. */
static size_t ascii_run(const char *text, size_t length) {
	size_t run = 0;
	for (uint64_t eight; run + sizeof eight <= length; run += sizeof eight) {
		memcpy(&eight, text + run, sizeof eight);
		if (eight & UINT64_C(0x8080808080808080))
			break;
	}
	return run;
}

static int64_t count_invalid(const char *text, size_t length) {
	int64_t invalid = 0;
	for (size_t i = ascii_run(text, length); i < length; i += ascii_run(text + i, length - i)) {
		uint32_t point;
		i += utf8_decode(text + i, length - i, &point);
		invalid += point == UTF8_INVALID;
	}
	return invalid;
}

/* Puts U+FFFD for what is not UTF-8, as Python's errors="replace" does; the bytes are then in the buffer. Returns how
 * many. */
static int64_t repair(const char **text, size_t *length, struct bytes *buffer) {
	int64_t invalid = count_invalid(*text, *length);
	if (invalid == 0)
		return 0;
	buffer->size = 0;
	for (size_t i = 0; i < *length;) {
		uint32_t point;
		size_t taken = utf8_decode(*text + i, *length - i, &point);
		if (point == UTF8_INVALID)
			bytes_append(buffer, "\xef\xbf\xbd", 3);
		else
			bytes_append(buffer, *text + i, taken);
		i += taken;
	}
	*text = bytes_text(buffer);
	*length = buffer->size;
	return invalid;
}

static void repair_document(struct document *document, struct repairs *repairs) {
	int64_t invalid = document->replaced + repair(&document->name, &document->name_length, &repairs->name)
		+ repair(&document->text, &document->text_length, &repairs->text);
	repairs->seen++;
	repairs->sequences += invalid;
	repairs->documents += invalid > 0;
	if (invalid > 0 && repairs->first == NULL)
		repairs->first = copy_bytes(document->name, document->name_length);
}

static void report_repairs(const struct repairs *repairs, const char *name) {
	if (repairs->sequences > 0)
		note("%s: %" PRId64 " invalid UTF-8 sequences became U+FFFD, in %" PRId64 " of %" PRId64 " documents, "
			"first in %s", name, repairs->sequences, repairs->documents, repairs->seen, repairs->first);
}

/* ---- holding and sorting ----------------------------------------------------------------------------------- */

enum { PIECE = 4 << 20 };

/* Bytes of documents, which stay where they are. */
struct piece { struct piece *before; size_t left; char *next; char bytes[]; };

/* All documents of an input. */
struct held {
	struct document *documents;
	size_t count, capacity;
	struct piece *piece; /* the newest */
};

static const char *hold_bytes(struct held *held, const char *bytes, size_t length) {
	struct piece *piece = held->piece;
	if (piece == NULL || length > piece->left) {
		size_t capacity = length > PIECE ? length : PIECE;
		piece = grow(NULL, sizeof *piece + capacity, 1);
		*piece = (struct piece){ .before = held->piece, .left = capacity, .next = piece->bytes };
		held->piece = piece;
	}
	char *place = piece->next;
	if (length > 0)
		memcpy(place, bytes, length);
	piece->next += length;
	piece->left -= length;
	return place;
}

static void release(struct held *held) {
	for (struct piece *before; held->piece != NULL; held->piece = before) {
		before = held->piece->before;
		free(held->piece);
	}
	free(held->documents);
}

static void hold(struct held *held, const struct document *document) {
	if (held->count == held->capacity)
		held->documents = grow(held->documents, held->capacity = held->capacity * 2 + 1024, sizeof *held->documents);
	struct document *kept = &held->documents[held->count++];
	*kept = *document;
	kept->text = hold_bytes(held, document->text, document->text_length);
	kept->name = hold_bytes(held, document->name, document->name_length);
}

/* By split, then by name: neg comes before pos. */
static int by_name(const void *left, const void *right) {
	const struct document *a = left, *b = right;
	if (a->rank != b->rank)
		return (a->rank > b->rank) - (a->rank < b->rank);
	int order_of_bytes = memcmp(a->name, b->name, a->name_length < b->name_length ? a->name_length : b->name_length);
	if (order_of_bytes != 0)
		return order_of_bytes;
	return (a->name_length > b->name_length) - (a->name_length < b->name_length);
}

static void sort(struct held *held, const char *name) {
	if (held->count > 0)
		qsort(held->documents, held->count, sizeof *held->documents, by_name);
	for (size_t i = 1; i < held->count; i++)
		if (by_name(&held->documents[i - 1], &held->documents[i]) == 0)
			die(EX_DATAERR, "%s: %.*s is there twice (make an archive that has it once)", name,
				(int)held->documents[i].name_length, held->documents[i].name);
}

/* ---- output ------------------------------------------------------------------------------------------------ */

/* The output, opened with the first document or at the end, when its columns are known. */
struct output {
	struct writer *writer;
	struct schema schema;     /* what is written */
	struct stream_info info;
	json_t *inputs;           /* lineages, see record/join.h */
};

static int64_t at_most(int64_t count) {
	return limit > 0 && limit < count ? limit : count;
}

static void make_schema(struct input *input, struct schema *schema) {
	*schema = (struct schema){ 0 };
	schema_add_utf8(schema, "text");
	schema_add_int(schema, "label", 64);
	schema_add_utf8(schema, "name");
	if (input->format == FORMAT_ARROW)
		carried_add_fields(arrow_source(input->source)->carried, schema);
}

/* Columns are appended by their place, so that every input has to have those of the first, in the same order. */
static void check_schema(const struct output *out, struct input *input) {
	struct schema schema;
	struct failure failure;
	size_t *columns = allocate(out->schema.count, sizeof *columns);
	make_schema(input, &schema);
	check(match_columns(&out->schema, &schema, input_name(input->path), columns, &failure), &failure);
	for (size_t i = 0; i < schema.count; i++)
		if (columns[i] != i)
			die(EX_DATAERR, "%s: its columns are in another order than those of the first input (join them by rec-cat)",
				input_name(input->path));
	schema_clear(&schema);
	free(columns);
}

/* `records` is how many there will be, -1: not known. */
static void open_output(struct output *out, int64_t records) {
	struct label_words *words = &reading.words;
	out->info.type = RECORD_TEXT;
	stream_info_set_records(&out->info, records);
	if (words->count > 0 || without_labels(&reading)) {
		json_decref(out->info.labels);
		out->info.labels = label_words_json(words);
	}
	out->writer = open_joined_output_stream(&out->schema, &out->info, out->inputs);
}

static void write_document(struct output *out, const struct arrow_source *arrow, const struct document *document) {
	struct failure failure;
	builder_append_bytes(writer_column(out->writer, 0), document->text, document->text_length);
	builder_append_integer(writer_column(out->writer, 1), document->label);
	builder_append_bytes(writer_column(out->writer, 2), document->name, document->name_length);
	if (arrow != NULL)
		carried_append(arrow->carried, arrow->batch, arrow->row, out->writer);
	check(writer_end_row(out->writer, &failure), &failure);
}

static bool is_full(const struct output *out) {
	return out->writer != NULL && limit > 0 && writer_records(out->writer) >= limit;
}

static void write_held(struct output *out, const struct held *held, bool only) {
	if (out->writer == NULL)
		open_output(out, only ? at_most((int64_t)held->count) : -1);
	for (size_t i = 0; i < held->count && !is_full(out); i++)
		write_document(out, NULL, &held->documents[i]);
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

/* What the Arrow streams among several inputs say of themselves, found by opening each of them once more than to read
 * it. */
static void join_streams(const struct inputs *inputs, const struct splits *splits, struct output *out) {
	struct stream_info *infos = allocate(inputs->count, sizeof *infos);
	const char **names = allocate(inputs->count, sizeof *names);
	struct joined joined;
	struct failure failure;
	size_t count = 0;
	for (size_t i = 0; i < inputs->count; i++) {
		struct input input = inputs->items[i];
		struct stat status;
		if (!is_file(&input) || input.path == NULL || stat(input.path, &status) < 0 || !S_ISREG(status.st_mode))
			continue;
		open_source(&input, splits);
		if (input.format == FORMAT_ARROW) {
			names[count] = input.path;
			stream_info_copy(&infos[count++], reader_info(arrow_source(input.source)->reader));
		}
		close_source(&input);
	}
	if (count > 0) {
		check(join_infos(infos, names, count, &joined, &failure), &failure);
		out->info = joined.info;
		out->inputs = joined.inputs;
	}
	if (count < inputs->count)
		stream_info_set_records(&out->info, -1);
	for (size_t i = 0; i < count; i++)
		stream_info_clear(&infos[i]);
	free(infos);
	free(names);
}

/* Reads an opened input to its end, or until the limit is reached by documents that nothing holds up. */
static void copy_documents(struct input *input, struct output *out, struct repairs *repairs, bool only) {
	bool sorting = input->format == FORMAT_IMDB && order == BY_NAME;
	const struct arrow_source *arrow = input->format == FORMAT_ARROW ? arrow_source(input->source) : NULL;
	struct held held = { 0 };
	struct document document;
	struct failure failure;
	if (!sorting && out->writer == NULL)
		open_output(out, out->info.records < 0 ? -1 : at_most(out->info.records));
	while (!is_full(out) && check(input->source->next(input->source, &document, &failure), &failure) == 1) {
		repair_document(&document, repairs);
		progress(repairs->seen, -1, "documents", NULL);
		if (sorting)
			hold(&held, &document);
		else
			write_document(out, arrow, &document);
	}
	progress_end();
	if (sorting) {
		sort(&held, input_name(input->path));
		write_held(out, &held, only);
		release(&held);
	}
}

static void read_input(struct input *input, const struct splits *splits, struct output *out, bool only) {
	struct repairs repairs = { 0 };
	open_source(input, splits);
	if (out->schema.count == 0)
		make_schema(input, &out->schema);
	else
		check_schema(out, input);
	if (only && input->format == FORMAT_ARROW)
		stream_info_copy(&out->info, reader_info(arrow_source(input->source)->reader));
	out->info.interactive |= is_file(input) && isatty(input->descriptor);
	if (!only && input->format == FORMAT_ARROW && !is_regular(input))
		die(EX_USAGE, "%s: one of several Arrow streams has to be a file (rec-cat joins streams from pipes)",
			input_name(input->path));
	copy_documents(input, out, &repairs, only);
	report_repairs(&repairs, input_name(input->path));
	close_source(input);
}

/* ---- options ----------------------------------------------------------------------------------------------- */

static void set_reading(void) {
	struct failure failure;
	check(label_words_parse(&reading.words, label_names, &failure), &failure);
	reading.warnings = print_warnings;
	reading.no_quotes = quote == 0;
	reading.no_header = header == 1;
	if (delimiter == NULL)
		return;
	reading.delimiter = strcmp(delimiter, "tab") == 0 || strcmp(delimiter, "\\t") == 0 ? '\t' : delimiter[0];
	bool several = reading.delimiter != '\t' && delimiter[0] != '\0' && delimiter[1] != '\0';
	if (delimiter[0] == '\0' || several || strchr("\"\n\r", reading.delimiter) != NULL)
		die(EX_USAGE, "--delimiter: %s is not a character of ASCII that can be between columns (give ';', '|' or tab)",
			delimiter);
}

int main(int argc, char **argv) {
	int first = parse_options(argc, argv, &usage, options);
	struct splits splits;
	struct failure failure;
	struct output out = { 0 };
	check(splits_parse(split_list, &splits, &failure), &failure);
	set_reading();
	refuse_terminal();
	sandbox_reading();
	stream_info_init(&out.info);
	struct inputs inputs = find_inputs(argv + first, &splits);
	if (inputs.count > 1)
		join_streams(&inputs, &splits, &out);
	for (size_t i = 0; i < inputs.count && !is_full(&out); i++) {
		inputs.items[i].last = i + 1 == inputs.count;
		read_input(&inputs.items[i], &splits, &out, inputs.count == 1);
	}
	struct writer *writer = out.writer;
	schema_clear(&out.schema);
	stream_info_clear(&out.info);
	json_decref(out.inputs);
	label_words_clear(&reading.words);
	free(inputs.items);
	return close_output_stream(writer);
}
