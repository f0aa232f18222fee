/* Documents flow from a source through the filters to the output. Two things stop them on the way: sorting, which holds
 * all of them, and the sample, which holds as many as it is to have. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "corpus/source.h"
#include "math/random.h"
#include "record/columns.h"
#include "record/stream.h"

enum order { BY_NAME, AS_STORED };

static const char *split_list = "all";
static int format = FORMAT_AUTO;
static int order = BY_NAME;
static struct columns columns;
static const char *label_list;
static const char *match;
static int64_t sample = 0;
static int64_t seed = 0;
static int64_t limit = 0;

static const struct option_entry options[] = {
	OPTION_TEXT("split", &split_list, "LIST", "train, test, unsupervised, several with commas between, or all"),
	OPTION_CHOICE("format", &format, "auto|imdb|csv|tsv|jsonl|lines|paragraphs|arrow", "what the input is"),
	OPTION_CHOICE("order", &order, "name|archive", "of an archive or folder: sorted, or as stored, holding nothing"),
	OPTION_TEXT("text-column", &columns.text, "NAME", "the text's column or key (else text, or review)"),
	OPTION_TEXT("label-column", &columns.label, "NAME", "the label's column or key (else label, or sentiment)"),
	OPTION_TEXT("label", &label_list, "LIST", "only documents of these labels: neg, pos, unsup, or numbers"),
	OPTION_TEXT("match", &match, "REGEX", "only documents whose text this extended regular expression matches"),
	OPTION_INTEGER("sample", &sample, 1, INT64_C(1) << 31, "N", "only N of the documents left, drawn by chance"),
	OPTION_SEED(&seed),
	OPTION_INTEGER("limit", &limit, 1, INT64_C(1) << 53, "N", "only the first N of the documents left"),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE|FOLDER]",
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
	bool label_is_text;
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

static int find_columns(struct arrow_source *source, struct failure *failure) {
	const struct reader *reader = source->reader;
	source->text = find_column(reader, columns.text, usual_text_columns);
	source->label = find_column(reader, columns.label, usual_label_columns);
	source->name = schema_find(reader_schema(reader), "name");
	const char *text_name = source->text >= 0 ? reader_schema(reader)->fields[source->text].name
		: columns.text != NULL ? columns.text : "text";
	if (reader_find_text(reader, text_name, failure) < 0)
		return -1;
	if (source->label < 0 && columns.label != NULL)
		return reader_find_int(reader, columns.label, failure);
	source->label_is_text = source->label >= 0 && is_text(reader, source->label);
	if (source->label >= 0 && !source->label_is_text)
		return reader_find_int(reader, reader_schema(reader)->fields[source->label].name, failure);
	return 0;
}

/* Every column but those that were taken and those that take their names in the output. */
static struct carried *carry_others(const struct arrow_source *source) {
	const struct schema *schema = reader_schema(source->reader);
	return carried_create(schema, (const char *const[]){ schema->fields[source->text].name, "text", "label", "name",
		source->label >= 0 ? schema->fields[source->label].name : NULL, NULL });
}

static int read_label(const struct arrow_source *source, struct document *document, struct failure *failure) {
	document->label = -1;
	if (source->label < 0)
		return 0;
	const struct column *column = &source->batch->columns[source->label];
	if (!source->label_is_text) {
		document->label = column_integer(column, source->row, -1);
		return 0;
	}
	size_t length;
	const char *text = column_bytes(column, source->row, &length);
	if (!label_parse(text, length, &document->label))
		return fail(failure, EX_DATAERR, "%s: record %" PRId64 ": the label %.*s is neither a whole number nor neg, pos "
			"or unsup (--label-column names another column)", reader_name(source->reader),
			source->before + source->row + 1, length < 80 ? (int)length : 80, text);
	return 0;
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

/* The pump may wait for input that never comes; it ends with the program. */
static void close_arrow(struct source *base) {
	struct arrow_source *source = arrow_source(base);
	batch_free(source->batch);
	carried_destroy(source->carried);
	reader_close(source->reader);
}

/* Copies what the stream says about itself to `info`. */
static struct source *open_arrow(struct inflate_reader *input, const char *path, struct stream_info *info) {
	struct arrow_source *source = allocate(1, sizeof *source);
	struct failure failure;
	sigset_t pipe_signal, before;
	*source = (struct arrow_source){ { next_row, close_arrow }, .input = input, .path = path };
	if (pipe2(source->pipe, O_CLOEXEC) < 0)
		die(EX_OSERR, "%s: no pipe: %s", input_name(path), strerror(errno));
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
	int error = pthread_create(&source->pump, NULL, pump, source);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		die(EX_OSERR, "%s: no thread: %s", input_name(path), strerror(error));
	source->reader = reader_open(source->pipe[0], input_name(path), &failure);
	if (source->reader == NULL || find_columns(source, &failure) < 0) {
		arrow_failed(source, &failure);
		die_failure(&failure);
	}
	source->carried = carry_others(source);
	stream_info_copy(info, reader_info(source->reader));
	return &source->source;
}

/* ---- the input --------------------------------------------------------------------------------------------- */

struct input {
	const char *path;
	int format;
	int descriptor;                 /* -1: a folder */
	struct inflate_reader *inflate; /* NULL: a folder */
	struct source *source;
};

static void open_source(struct input *input, const struct splits *splits, struct stream_info *info) {
	struct stat status;
	struct failure failure;
	input->format = format;
	input->descriptor = -1;
	if (input->path != NULL && stat(input->path, &status) == 0 && S_ISDIR(status.st_mode)) {
		if (format != FORMAT_AUTO && format != FORMAT_IMDB)
			die(EX_USAGE, "%s: a folder (only --format imdb reads one)", input->path);
		input->format = FORMAT_IMDB;
		input->source = source_folder(input->path, splits);
		return;
	}
	input->descriptor = open_input(input->path);
	input->inflate = must(inflate_open(input->descriptor, input_name(input->path), &failure), &failure);
	if (format == FORMAT_AUTO)
		input->format = check(find_format(input->inflate, input->path, &columns, &failure), &failure);
	if (input->format != FORMAT_IMDB && !splits->all)
		die(EX_USAGE, "--split: %s has no splits (only an archive or a folder has)", input_name(input->path));
	if (input->format == FORMAT_IMDB)
		input->source = source_archive(input->inflate, input_name(input->path), splits);
	else if (input->format == FORMAT_ARROW)
		input->source = open_arrow(input->inflate, input->path, info);
	else
		input->source = source_open((enum format)input->format, input->inflate, input->path, &columns);
}

static void close_source(struct input *input) {
	input->source->close(input->source);
	if (input->format != FORMAT_ARROW) /* its pump may still use it */
		inflate_close(input->inflate);
	if (input->descriptor >= 0 && input->format != FORMAT_ARROW)
		close(input->descriptor);
}

/* ---- repair ------------------------------------------------------------------------------------------------ */

/* Of what was not UTF-8, to tell at the end. */
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
	int64_t invalid = repair(&document->name, &document->name_length, &repairs->name)
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

/* ---- filters ----------------------------------------------------------------------------------------------- */

struct filter {
	int64_t *labels;
	size_t label_count;
	bool matching;
	regex_t regex;
	struct bytes text; /* to match, with the NUL that regexec() asks for */
};

static void parse_labels(struct filter *filter) {
	for (const char *word = label_list; word != NULL;) {
		size_t length = strcspn(word, ",");
		filter->labels = grow(filter->labels, filter->label_count + 1, sizeof *filter->labels);
		if (length == 0 || !label_parse(word, length, &filter->labels[filter->label_count++]))
			die(EX_USAGE, "--label: %.*s is none of neg, pos, unsup, nor a whole number", (int)length, word);
		word = word[length] == ',' ? word + length + 1 : NULL;
	}
}

static void parse_match(struct filter *filter) {
	char reason[200];
	if (match == NULL)
		return;
	setlocale(LC_CTYPE, "C.UTF-8"); /* so that `.` and [é] are characters, not bytes */
	int error = regcomp(&filter->regex, match, REG_EXTENDED | REG_NOSUB);
	if (error != 0) {
		regerror(error, &filter->regex, reason, sizeof reason);
		die(EX_USAGE, "--match: %s: %s", match, reason);
	}
	filter->matching = true;
}

static bool matches(struct filter *filter, const struct document *document) {
	/* with REG_STARTEND the bounds are given, so that a NUL in the text ends nothing */
	regmatch_t bounds = { .rm_so = 0, .rm_eo = (regoff_t)document->text_length };
	filter->text.size = 0;
	bytes_append(&filter->text, document->text, document->text_length);
	bytes_append(&filter->text, "", 1);
	int error = regexec(&filter->regex, bytes_text(&filter->text), 1, &bounds, REG_STARTEND);
	if (error == REG_ESPACE)
		die(EX_OSERR, "--match: no memory to match %.*s", (int)document->name_length, document->name);
	return error == 0;
}

static bool passes(struct filter *filter, const struct document *document) {
	bool wanted = filter->label_count == 0;
	for (size_t i = 0; i < filter->label_count; i++)
		wanted |= filter->labels[i] == document->label;
	return wanted && (!filter->matching || matches(filter, document));
}

/* ---- the sample -------------------------------------------------------------------------------------------- */

/* Each document draws 64 bits, in order; those of the N smallest draws are the sample. They are held as a heap, the
 * largest draw on top. */
struct drawn {
	uint64_t draw;
	int64_t ordinal;
	struct document document; /* owned */
	struct builder **others;  /* of an Arrow stream: the row's other columns */
};
struct sample {
	const struct arrow_source *arrow; /* NULL: another format */
	struct pcg64 generator;
	struct drawn *drawn;
	size_t count, capacity;
	int64_t seen;
};

static bool before(const struct drawn *a, const struct drawn *b) {
	return a->draw != b->draw ? a->draw < b->draw : a->ordinal < b->ordinal;
}

static void sift_up(struct drawn *heap, size_t place) {
	struct drawn moving = heap[place];
	for (size_t parent; place > 0 && before(&heap[parent = (place - 1) / 2], &moving); place = parent)
		heap[place] = heap[parent];
	heap[place] = moving;
}

static void sift_down(struct drawn *heap, size_t count) {
	struct drawn moving = heap[0];
	size_t place = 0;
	for (size_t child; (child = 2 * place + 1) < count; place = child) {
		if (child + 1 < count && before(&heap[child], &heap[child + 1]))
			child++;
		if (!before(&moving, &heap[child]))
			break;
		heap[place] = heap[child];
	}
	heap[place] = moving;
}

static struct drawn *keep(struct sample *sampled, struct drawn *drawn) {
	struct document *document = &drawn->document;
	document->text = copy_bytes(document->text, document->text_length);
	document->name = copy_bytes(document->name, document->name_length);
	if (sampled->arrow != NULL)
		drawn->others = carried_keep(sampled->arrow->carried, sampled->arrow->batch, sampled->arrow->row);
	return drawn;
}

static void forget(struct sample *sampled, struct drawn *drawn) {
	free((char *)(uintptr_t)drawn->document.text);
	free((char *)(uintptr_t)drawn->document.name);
	if (sampled->arrow != NULL)
		carried_forget(sampled->arrow->carried, drawn->others);
}

/* The document at hand, or one that is held. */
static void sample_offer(struct sample *sampled, const struct document *document) {
	struct drawn candidate = { pcg64_next(&sampled->generator), sampled->seen++, *document, NULL };
	if (sampled->count == (size_t)sample) {
		if (!before(&candidate, &sampled->drawn[0]))
			return;
		forget(sampled, &sampled->drawn[0]);
		sampled->drawn[0] = *keep(sampled, &candidate);
		sift_down(sampled->drawn, sampled->count);
		return;
	}
	if (sampled->count == sampled->capacity)
		sampled->drawn = grow(sampled->drawn, sampled->capacity = sampled->capacity * 2 + 16, sizeof *sampled->drawn);
	sampled->drawn[sampled->count++] = *keep(sampled, &candidate);
	sift_up(sampled->drawn, sampled->count - 1);
}

static int by_ordinal(const void *left, const void *right) {
	const struct drawn *a = left, *b = right;
	return (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

/* ---- holding and sorting ----------------------------------------------------------------------------------- */

/* All documents, their bytes in large pieces that stay where they are. */
struct held {
	struct document *documents;
	size_t count, capacity;
	char *piece;
	size_t piece_left;
};

enum { PIECE = 4 << 20 };

static const char *hold_bytes(struct held *held, const char *bytes, size_t length) {
	if (length > held->piece_left) {
		held->piece_left = length > PIECE ? length : PIECE;
		held->piece = grow(NULL, held->piece_left, 1); /* kept until the program ends */
	}
	char *place = held->piece;
	if (length > 0)
		memcpy(place, bytes, length);
	held->piece += length;
	held->piece_left -= length;
	return place;
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

static int64_t at_most(int64_t count) {
	return limit > 0 && limit < count ? limit : count;
}

/* `records` is how many there will be, -1: not known; `arrow` is NULL for another format. */
static struct writer *open_output(const struct arrow_source *arrow, struct stream_info *info, int64_t records) {
	struct schema schema = { 0 };
	schema_add_utf8(&schema, "text");
	schema_add_int(&schema, "label", 64);
	schema_add_utf8(&schema, "name");
	if (arrow != NULL)
		carried_add_fields(arrow->carried, &schema);
	info->type = RECORD_TEXT;
	info->records = records;
	struct writer *out = open_output_stream(&schema, info, sample > 0 ? seed : -1);
	schema_clear(&schema);
	return out;
}

static void append_document(struct writer *out, const struct document *document) {
	builder_append_bytes(writer_column(out, 0), document->text, document->text_length);
	builder_append_integer(writer_column(out, 1), document->label);
	builder_append_bytes(writer_column(out, 2), document->name, document->name_length);
}

static void end_record(struct writer *out) {
	struct failure failure;
	check(writer_end_row(out, &failure), &failure);
}

/* The document at hand. */
static void write_document(struct writer *out, const struct arrow_source *arrow, const struct document *document) {
	append_document(out, document);
	if (arrow != NULL)
		carried_append(arrow->carried, arrow->batch, arrow->row, out);
	end_record(out);
}

static struct writer *write_sample(struct sample *sampled, struct stream_info *info) {
	int64_t count = at_most((int64_t)sampled->count);
	struct writer *out = open_output(sampled->arrow, info, count);
	if (count > 0)
		qsort(sampled->drawn, sampled->count, sizeof *sampled->drawn, by_ordinal);
	for (int64_t i = 0; i < count; i++) {
		append_document(out, &sampled->drawn[i].document);
		if (sampled->arrow != NULL)
			carried_append_kept(sampled->arrow->carried, sampled->drawn[i].others, out);
		end_record(out);
	}
	return out;
}

static struct writer *write_held(const struct held *held, struct sample *sampled, struct stream_info *info) {
	if (sample > 0) {
		for (size_t i = 0; i < held->count; i++)
			sample_offer(sampled, &held->documents[i]);
		return write_sample(sampled, info);
	}
	int64_t count = at_most((int64_t)held->count);
	struct writer *out = open_output(NULL, info, count);
	for (int64_t i = 0; i < count; i++)
		write_document(out, NULL, &held->documents[i]);
	return out;
}

/* Reads to the end, or until the limit is reached by documents that nothing holds up. */
static struct writer *copy_documents(struct input *input, struct filter *filter, struct repairs *repairs,
	struct stream_info *info) {
	bool sorting = input->format == FORMAT_IMDB && order == BY_NAME, filtering = label_list != NULL || match != NULL;
	struct writer *out = NULL;
	struct held held = { 0 };
	const struct arrow_source *arrow = input->format == FORMAT_ARROW ? arrow_source(input->source) : NULL;
	struct sample sampled = { .arrow = arrow };
	struct document document;
	struct failure failure;
	int64_t passed = 0;
	pcg64_seed(&sampled.generator, (uint64_t)seed);
	if (!sorting && sample == 0)
		out = open_output(arrow, info, filtering || info->records < 0 ? -1 : at_most(info->records));
	while ((out == NULL || limit == 0 || passed < limit)
		&& check(input->source->next(input->source, &document, &failure), &failure) == 1) {
		repair_document(&document, repairs);
		progress(repairs->seen, -1, "documents");
		if (!passes(filter, &document))
			continue;
		passed++;
		if (sorting)
			hold(&held, &document);
		else if (sample > 0)
			sample_offer(&sampled, &document);
		else
			write_document(out, arrow, &document);
	}
	progress_end();
	if (sorting) {
		sort(&held, input_name(input->path));
		return write_held(&held, &sampled, info);
	}
	return out != NULL ? out : write_sample(&sampled, info);
}

int main(int argc, char **argv) {
	struct input input = { .path = parse_options_with_input(argc, argv, &usage, options) };
	struct splits splits;
	struct failure failure;
	struct filter filter = { 0 };
	struct repairs repairs = { 0 };
	struct stream_info info;
	check(splits_parse(split_list, &splits, &failure), &failure);
	parse_labels(&filter);
	parse_match(&filter);
	refuse_terminal();
	stream_info_init(&info);
	open_source(&input, &splits, &info);
	struct writer *out = copy_documents(&input, &filter, &repairs, &info);
	report_repairs(&repairs, input_name(input.path));
	close_source(&input);
	stream_info_clear(&info);
	return close_output_stream(out);
}
