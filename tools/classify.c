/* classify: what a classifier predicts for each record, as two more columns.
 *
 * A batch of records goes through the network at a time; the other columns of its records are kept meanwhile. */
#include <stdlib.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "model/classifier.h"
#include "model/logits.h"
#include "model/network.h"
#include "model/parameters_file.h"
#include "record/columns.h"
#include "train/batches.h"

static const char *model;
static int64_t batch_size = 8;
static int dtype = PRECISION_FP32;
static int64_t threads;

static const struct option_entry options[] = {
	OPTION_TEXT("model", &model, "DIR", "folder of the classifier", .required = "the folder of the classifier"),
	OPTION_INTEGER("batch-size", &batch_size, 1, 1 << 20, "N", "records computed at a time"),
	OPTION_CHOICE("dtype", &dtype, PRECISIONS, "numbers that matrix products take; auto: the faster"),
	OPTION_THREADS(&threads),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Add a classifier's prediction and its scores to each record of tokens.",
	"wordpiece --model sentiment --max-length 256 < text.arrows | classify --model sentiment > predicted.arrows",
};

/* The columns that are made come first, then those that are carried. */
enum { PREDICTION, SCORES };

struct stage {
	struct network *network;
	struct carried *carried;
	struct builder ***kept;     /* [batch_size] of the records of the batch at hand, `count` of them */
	size_t count;
	size_t K;
	float *logits;              /* [batch_size, K] */
	struct writer *writer;
};

static void keep_row(void *context, const struct batch *batch, int64_t row) {
	struct stage *stage = context;
	stage->kept[stage->count++] = carried_keep(stage->carried, batch, row);
}

/* The softmax of z [K], and the best label. */
static void append_scores(struct stage *stage, const float *z) {
	struct builder *scores = writer_column(stage->writer, SCORES);
	const struct softmax_sum sum = logits_sum(z, stage->K);
	int32_t best;
	for (size_t c = 0; c < stage->K; c++)
		builder_append_number(builder_child(scores, 0), logits_probability(sum, z[c]));
	builder_end_row(scores);
	logits_best(z, NULL, stage->K, 1, &best);
	builder_append_integer(writer_column(stage->writer, PREDICTION), best);
}

static void write_batch(struct stage *stage, const struct example_batch *batch) {
	struct failure failure;
	network_logits(stage->network, &batch->examples, stage->logits);
	if (find_not_finite(stage->logits, stage->count * stage->K) < stage->count * stage->K)
		die(EX_DATAERR, "%s: the scores are not finite (the model's weights are damaged)", model);
	for (size_t b = 0; b < stage->count; b++) {
		append_scores(stage, stage->logits + b * stage->K);
		carried_append_kept(stage->carried, stage->kept[b], stage->writer);
		carried_forget(stage->carried, stage->kept[b]);
		check(writer_end_row(stage->writer, &failure), &failure);
	}
	stage->count = 0;
}

static void classify(struct stage *stage, struct example_reader *records, int64_t total) {
	struct failure failure;
	struct example_batch batch;
	example_reader_set_take(records, keep_row, stage);
	example_reader_set_eager(records);
	while (check(example_reader_next(records, (size_t)batch_size, &batch, &failure), &failure) > 0) {
		write_batch(stage, &batch);
		if (!example_reader_ready(records))
			check(writer_flush(stage->writer, &failure), &failure);
		progress(writer_records(stage->writer), total, "records", NULL);
	}
	progress_end();
}

/* ---- the output ---------------------------------------------------------------------------------------- */

static void add_scores_field(struct schema *schema) {
	struct field item = { .name = (char[]){ "item" }, .nullable = true, .type = { .id = TYPE_FLOAT, .bit_width = 32 } };
	const struct field scores = { .name = (char[]){ "scores" }, .nullable = true, .type = { .id = TYPE_LIST },
		.child_count = 1, .children = &item };
	schema_add(schema, &scores);
}

/* The names of the labels, where neither the stream nor --labels of classify-step has told them; NULL: the model has
 * none. */
static json_t *label_names(const struct config *config) {
	json_t *names = json_array();
	for (size_t i = 0; i < config->num_labels; i++) {
		const char *name = config_label_name(config, i);
		if (name == NULL) {
			json_decref(names);
			return NULL;
		}
		json_array_append_new(names, json_string(name));
	}
	return names;
}

static struct writer *open_output(const struct stage *stage, const struct reader *in, const struct config *config) {
	struct schema schema = { 0 };
	struct stream_info info;
	schema_add_int(&schema, "prediction", 64);
	add_scores_field(&schema);
	carried_add_fields(stage->carried, &schema);
	stream_info_copy(&info, reader_info(in));
	if (info.labels == NULL)
		info.labels = label_names(config);
	struct writer *writer = open_output_stream(&schema, &info, -1);
	stream_info_clear(&info);
	schema_clear(&schema);
	return writer;
}

/* ---- the model ----------------------------------------------------------------------------------------- */

static struct parameters *load_classifier(const struct head_class **head) {
	struct failure failure;
	check(head_for_folder(model, head, &failure), &failure);
	if (*head != &classifier_head && *head != &pooled_classifier_head)
		die(EX_DATAERR, "%s: has no classifier of records (train one with classify-step)", model);
	struct parameters *parameters = must(parameters_open(model, &(*head)->layout, 0, &print_warnings, &failure), &failure);
	check(classifier_configure(NULL, model, &parameters->config, &failure), &failure);
	return parameters;
}

int main(int argc, char **argv) {
	struct failure failure;
	const char *path = parse_options_with_input(argc, argv, &usage, options);
	const struct head_class *head;
	struct tokenizer *tokenizer;
	refuse_terminal(); /* before the model is read */
	struct reader *reader = open_input_stream(path);
	int64_t total = reader_total(reader);
	struct parameters *parameters = load_classifier(&head);
	check(tokenizer_find(model, &tokenizer, &failure), &failure);

	struct pool *pool = create_pool(threads);
	struct stage stage = { .network = network_create(parameters, head, NULL, pool), .K = parameters->config.num_labels,
		.carried = carried_create(reader_schema(reader), (const char *const[]){ "prediction", "scores", NULL }),
		.kept = allocate((size_t)batch_size, sizeof *stage.kept) };
	stage.logits = allocate((size_t)batch_size * stage.K, sizeof *stage.logits);
	network_set_precision(stage.network, (enum precision)dtype);
	struct example_reader *records = must(batches_open(reader, &parameters->config, tokenizer, NO_LABELS, 0, &failure),
		&failure);
	stage.writer = open_output(&stage, reader, &parameters->config);
	classify(&stage, records, total);

	free(stage.logits);
	free(stage.kept);
	carried_destroy(stage.carried);
	network_free(stage.network);
	pool_destroy(pool);
	example_reader_close(records);
	tokenizer_free(tokenizer);
	parameters_free(parameters);
	return close_output_stream(stage.writer);
}
