/* select-records: passes on the records that have a label, match an expression, are drawn by chance, or come first.
 *
 * Records flow from the reader through the two tests to the output. Only a sample is held: its records wait in a heap
 * until the input has ended. */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/heap.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "corpus/label.h"
#include "math/random.h"
#include "record/columns.h"
#include "record/stream.h"

static const char *label_list;
static const char *match;
static int64_t sample = 0;
static int64_t seed = 0;
static int64_t limit = 0;

static const struct option_entry options[] = {
	OPTION_TEXT("label", &label_list, "LIST", "only records of these labels: numbers, neg, pos, unsup, or the "
		"stream's names"),
	OPTION_TEXT("match", &match, "REGEX", "only records whose text this extended regular expression matches"),
	OPTION_INTEGER("sample", &sample, 1, INT64_C(1) << 31, "N", "only N of the records left, drawn by chance"),
	OPTION_SEED(&seed),
	OPTION_INTEGER("limit", &limit, 1, INT64_C(1) << 53, "N", "only the first N of the records left"),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Passes on the records that are asked for, in their order, with all their columns.",
	.example = "imdb-read aclImdb_v1.tar.gz | select-records --label pos --match music --sample 1000 --seed 1"
		" > music.arrows",
};

/* ---- tests --------------------------------------------------------------------------------------------- */

struct filter {
	int label_column, text_column; /* of those that are needed */
	int64_t *labels;
	size_t label_count;
	regex_t regex;
	struct bytes text;             /* to match, with the NUL that regexec() asks for */
};

static void parse_labels(struct filter *filter, const struct reader *in) {
	struct failure failure;
	struct label_words words = { 0 };
	filter->label_column = check(reader_find_int(in, "label", &failure), &failure);
	check(label_words_copy(&words, reader_info(in)->labels, &failure), &failure);
	for (const char *word = label_list; word != NULL;) {
		size_t length = strcspn(word, ",");
		filter->labels = grow(filter->labels, filter->label_count + 1, sizeof *filter->labels);
		if (length == 0 || !label_parse(&words, word, length, &filter->labels[filter->label_count++]))
			die(EX_USAGE, "--label: %.*s is neither a whole number nor %s", (int)length, word,
				words.count > 0 ? "one of the stream's labels (rec-dump --info shows them)" : "neg, pos or unsup");
		word = word[length] == ',' ? word + length + 1 : NULL;
	}
	label_words_clear(&words);
}

static void parse_match(struct filter *filter, const struct reader *in) {
	char reason[200];
	struct failure failure;
	filter->text_column = check(reader_find_text(in, "text", &failure), &failure);
	errno = 0;
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) /* by which `.` and [é] are characters, not bytes */
		die(errno == ENOMEM ? EX_OSERR : EX_UNAVAILABLE, "--match: no locale C.UTF-8: %s", strerror(errno));
	int error = regcomp(&filter->regex, match, REG_EXTENDED | REG_NOSUB);
	if (error == REG_ESPACE || errno == ENOMEM) /* glibc goes on without the locale's tables where it cannot load them */
		die(EX_OSERR, "--match: not enough memory for %s", match);
	if (error != 0) {
		regerror(error, &filter->regex, reason, sizeof reason);
		die(EX_USAGE, "--match: %s: %s", match, reason);
	}
}

static bool has_label(const struct filter *filter, const struct batch *batch, int64_t row) {
	int64_t label = column_integer(&batch->columns[filter->label_column], row, -1);
	for (size_t i = 0; i < filter->label_count; i++)
		if (filter->labels[i] == label)
			return true;
	return false;
}

/* Without memory, glibc's regexec() returns that nothing matches, or never (in transit_state_mb() of its source). So
 * what it will need is asked for beforehand, of malloc(), which keeps it for the next text (memory_require() would ask the
 * system for each), and errno tells of what fails all the same. */
static bool matches_text(const regex_t *regex, const char *text, size_t length) {
	const size_t tables = 4 << 20, each_byte = 64;
	/* with REG_STARTEND the bounds are given, so that a NUL in the text ends nothing */
	regmatch_t bounds = { .rm_so = 0, .rm_eo = (regoff_t)length };
	free(grow(NULL, tables + each_byte * length, 1));
	errno = 0;
	int error = regexec(regex, text, 1, &bounds, REG_STARTEND);
	if (error == REG_ESPACE || errno == ENOMEM)
		die(EX_OSERR, "--match: not enough memory to match a text of %zu bytes", length);
	return error == 0;
}

/* A null text matches nothing. */
static bool matches(struct filter *filter, const struct batch *batch, int64_t row) {
	const struct column *column = &batch->columns[filter->text_column];
	size_t length;
	const char *text = column_bytes(column, row, &length);
	filter->text.size = 0;
	bytes_append(&filter->text, text, length);
	bytes_append(&filter->text, "", 1);
	return !column_is_null(column, row) && matches_text(&filter->regex, bytes_text(&filter->text), length);
}

static bool passes(struct filter *filter, const struct batch *batch, int64_t row) {
	return (label_list == NULL || has_label(filter, batch, row)) && (match == NULL || matches(filter, batch, row));
}

/* ---- the sample ---------------------------------------------------------------------------------------- */

/* Each record draws 64 bits, in order; those of the N smallest draws are the sample. They are held as a heap, the
 * largest draw on top. */
struct drawn {
	uint64_t draw;
	int64_t ordinal;
	struct builder **values; /* the record's columns */
};
struct sample {
	struct carried *carried;
	struct pcg64 generator;
	struct drawn *drawn;
	size_t count, capacity;
	int64_t seen;
};

static bool is_smaller(const struct drawn *a, const struct drawn *b) {
	return a->draw != b->draw ? a->draw < b->draw : a->ordinal < b->ordinal;
}

/* The largest comes first. */
static bool largest_first(const void *context, const void *left, const void *right) {
	(void)context;
	return is_smaller(right, left);
}

static void offer(struct sample *sampled, const struct batch *batch, int64_t row) {
	struct drawn candidate = { pcg64_next(&sampled->generator), sampled->seen++, NULL };
	bool full = sampled->count == (size_t)sample;
	if (full && !is_smaller(&candidate, &sampled->drawn[0]))
		return;
	candidate.values = carried_keep(sampled->carried, batch, row);
	if (full) {
		carried_forget(sampled->carried, sampled->drawn[0].values);
		sampled->drawn[0] = candidate;
		heap_replaced(sampled->drawn, sampled->count, sizeof candidate, largest_first, NULL);
		return;
	}
	if (sampled->count == sampled->capacity)
		sampled->drawn = grow(sampled->drawn, sampled->capacity = sampled->capacity * 2 + 16, sizeof *sampled->drawn);
	sampled->drawn[sampled->count++] = candidate;
	heap_added(sampled->drawn, sampled->count, sizeof candidate, largest_first, NULL);
}

static int by_ordinal(const void *left, const void *right) {
	const struct drawn *a = left, *b = right;
	return (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

/* ---- output -------------------------------------------------------------------------------------------- */

static int64_t at_most(int64_t count) {
	return limit > 0 && limit < count ? limit : count;
}

/* `records` is how many there will be, -1: not known. */
static struct writer *open_output(const struct reader *in, int64_t records) {
	struct stream_info info;
	stream_info_copy(&info, reader_info(in));
	stream_info_set_records(&info, records);
	struct writer *out = open_output_stream(reader_schema(in), &info, sample > 0 ? seed : -1);
	stream_info_clear(&info);
	return out;
}

static struct writer *write_sample(struct sample *sampled, const struct reader *in) {
	struct failure failure;
	int64_t count = at_most((int64_t)sampled->count);
	struct writer *out = open_output(in, count);
	if (count > 0)
		qsort(sampled->drawn, sampled->count, sizeof *sampled->drawn, by_ordinal);
	for (int64_t i = 0; i < (int64_t)sampled->count; i++) {
		if (i < count) {
			carried_append_kept(sampled->carried, sampled->drawn[i].values, out);
			check(writer_end_row(out, &failure), &failure);
		}
		carried_forget(sampled->carried, sampled->drawn[i].values);
	}
	free(sampled->drawn);
	return out;
}

/* Passes each record that is wanted to the sample or, where `out` is not NULL, to the output. Ends with the input, or
 * with the limit where nothing that follows can change what is written. */
static void select_records(struct reader *in, struct filter *filter, struct sample *sampled, struct writer *out) {
	struct failure failure;
	struct batch *batch;
	bool done = false;
	while (!done && check(reader_next(in, &batch, &failure), &failure) > 0) {
		for (int64_t row = 0; row < batch->rows && !done; row++) {
			if (!passes(filter, batch, row))
				continue;
			if (out == NULL) {
				offer(sampled, batch, row);
				continue;
			}
			carried_append(sampled->carried, batch, row, out);
			check(writer_end_row(out, &failure), &failure);
			done = limit > 0 && writer_records(out) == limit;
		}
		batch_free(batch);
		progress(reader_records(in), reader_info(in)->records, "records", NULL);
	}
	progress_end();
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct filter filter = { 0 };
	refuse_terminal(); /* before the long read */
	struct reader *in = open_input_stream(input);
	struct sample sampled = { .carried = carried_create(reader_schema(in), (const char *const[]){ NULL }) };
	if (label_list != NULL)
		parse_labels(&filter, in);
	if (match != NULL)
		parse_match(&filter, in);
	pcg64_seed(&sampled.generator, (uint64_t)seed);

	int64_t records = reader_info(in)->records;
	bool known = label_list == NULL && match == NULL && records >= 0;
	struct writer *out = sample > 0 ? NULL : open_output(in, known ? at_most(records) : -1);
	select_records(in, &filter, &sampled, out);
	if (out == NULL)
		out = write_sample(&sampled, in);

	if (match != NULL)
		regfree(&filter.regex);
	free(filter.labels);
	free(filter.text.data);
	carried_destroy(sampled.carried);
	reader_close(in);
	return close_output_stream(out);
}
