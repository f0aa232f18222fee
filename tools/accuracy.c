/* accuracy: how often the predictions of a stream are its labels. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"

static bool as_json;

static const struct option_entry options[] = {
	OPTION_FLAG("json", &as_json, "print a JSON object, with the confusion matrix"),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Print how often the predictions of records are their labels.",
	"classify --model sentiment < test.arrows | accuracy --json",
};

/* Labels beyond are refused: the matrix has their square. */
enum { MAX_LABELS = 4096 };

/* How many records of label l were predicted to be p: counts[l * labels + p]. */
struct confusion { int64_t *counts, records; size_t labels; };

static void widen(struct confusion *confusion, size_t labels) {
	int64_t *counts = allocate(labels * labels, sizeof *counts);
	for (size_t l = 0; l < confusion->labels; l++)
		for (size_t p = 0; p < confusion->labels; p++)
			counts[l * labels + p] = confusion->counts[l * confusion->labels + p];
	free(confusion->counts);
	confusion->counts = counts;
	confusion->labels = labels;
}

static size_t check_value(int64_t value, const char *column, const struct reader *reader, int64_t record) {
	if (value == -1)
		die(EX_DATAERR, "%s: record %" PRId64 ": %s is -1 or null, which means unlabelled (leave such records out with "
			"select-records --label)", reader_name(reader), record, column);
	if (value < 0 || value >= MAX_LABELS)
		die(EX_DATAERR, "%s: record %" PRId64 ": %s is %" PRId64 " (it must be from 0 to %d)", reader_name(reader),
			record, column, value, MAX_LABELS - 1);
	return (size_t)value;
}

static void count_records(struct confusion *confusion, struct reader *reader) {
	struct failure failure;
	struct batch *batch;
	int64_t total = reader_total(reader);
	int label = check(reader_find_int(reader, "label", &failure), &failure);
	int prediction = check(reader_find_int(reader, "prediction", &failure), &failure);
	while (check(reader_next(reader, &batch, &failure), &failure) > 0) {
		for (int64_t row = 0; row < batch->rows; row++) {
			int64_t record = ++confusion->records;
			size_t l = check_value(column_integer(&batch->columns[label], row, -1), "label", reader, record);
			size_t p = check_value(column_integer(&batch->columns[prediction], row, -1), "prediction", reader, record);
			size_t labels = (l > p ? l : p) + 1;
			if (labels > confusion->labels)
				widen(confusion, labels);
			confusion->counts[l * confusion->labels + p]++;
		}
		batch_free(batch);
		progress(confusion->records, total, "records", NULL);
	}
	progress_end();
}

static int64_t correct(const struct confusion *confusion) {
	int64_t count = 0;
	for (size_t l = 0; l < confusion->labels; l++)
		count += confusion->counts[l * confusion->labels + l];
	return count;
}

/* The mean, over the labels that occur as a label or a prediction, of 2 correct / (labelled + predicted): the
 * harmonic mean of precision and recall, and 0 where none is correct. */
static double macro_f1(const struct confusion *confusion) {
	double sum = 0, occurring = 0;
	for (size_t l = 0; l < confusion->labels; l++) {
		int64_t both = 0;
		for (size_t other = 0; other < confusion->labels; other++)
			both += confusion->counts[l * confusion->labels + other] + confusion->counts[other * confusion->labels + l];
		if (both == 0)
			continue;
		sum += 2 * (double)confusion->counts[l * confusion->labels + l] / (double)both;
		occurring++;
	}
	return sum / occurring;
}

/* The 95 % interval of a share of n that is p (Wilson 1927). */
struct interval { double low, high; };

static struct interval wilson(double p, double n) {
	const double z = 1.959963984540054;
	double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
	double half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
	return (struct interval){ fmax(centre - half, 0), fmin(centre + half, 1) };
}

static json_t *confusion_json(const struct confusion *confusion) {
	json_t *rows = json_array();
	for (size_t l = 0; l < confusion->labels; l++) {
		json_t *row = json_array();
		for (size_t p = 0; p < confusion->labels; p++)
			json_array_append_new(row, json_integer((json_int_t)confusion->counts[l * confusion->labels + p]));
		json_array_append_new(rows, row);
	}
	return rows;
}

static void print_figures(const struct confusion *confusion) {
	double accuracy = (double)correct(confusion) / (double)confusion->records, f1 = macro_f1(confusion);
	struct interval interval = wilson(accuracy, (double)confusion->records);
	if (!as_json) {
		printf("accuracy %.6f f1 %.6f records %" PRId64 " accuracy_low %.6f accuracy_high %.6f\n", accuracy, f1,
			confusion->records, interval.low, interval.high);
		return;
	}
	print_object(json_pack("{s:f, s:f, s:I, s:o, s:f, s:f}", "accuracy", accuracy, "f1", f1, "records",
		(json_int_t)confusion->records, "confusion", confusion_json(confusion), "accuracy_low", interval.low,
		"accuracy_high", interval.high));
}

int main(int argc, char **argv) {
	const char *input = parse_options_with_input(argc, argv, &usage, options);
	struct confusion confusion = { 0 };
	struct reader *reader = open_input_stream(input);
	count_records(&confusion, reader);
	if (confusion.records == 0)
		die(EX_DATAERR, "%s: no records", input_name(input));
	print_figures(&confusion);
	free(confusion.counts);
	reader_close(reader);
	return finish_output();
}
