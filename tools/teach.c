/* teach: adds a teacher's answers to masked records (train/teacher_columns.h has the columns).
 *
 * Records come in batches, and their rows are kept until the answers are there. The teacher sees as many records of a
 * batch at a time as have no more than ANSWER_BYTES of answers, one at least, so that memory does not grow with the
 * batch. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "model/head_distillation.h"
#include "model/logits.h"
#include "model/network.h"
#include "model/parameters_file.h"
#include "record/columns.h"
#include "train/batches.h"
#include "train/teacher_columns.h"
#include "train/vocabulary_info.h"

static const char *model;
static int64_t top_k;
static bool hidden_states, half;
static int64_t batch_size = 8;
static int dtype = PRECISION_FP32;
static int64_t threads;

static const struct option_entry options[] = {
	OPTION_TEXT("model", &model, "DIR", "folder of the teacher", .required = "the folder of the teacher"),
	OPTION_INTEGER("top-k", &top_k, 0, 1 << 28, "N", "logits to keep at each masked token; 0: all"),
	OPTION_FLAG("hidden-states", &hidden_states, "add the last layer's state of every token"),
	OPTION_FLAG("half", &half, "write logits and states as float16, in half the bytes"),
	OPTION_INTEGER("batch-size", &batch_size, 1, 1 << 20, "N", "records computed at a time"),
	OPTION_CHOICE("dtype", &dtype, PRECISIONS, "precision of matrix products; auto: the faster"),
	OPTION_THREADS(&threads),
	OPTION_PROGRESS,
	OPTION_END
};

static const struct usage usage = {
	"[FILE]",
	"Add a teacher's answers, logits at masked tokens and hidden states, to masked records.",
	"teach --model teacher --top-k 50 < masked.arrows | distill-step --model student --out distilled",
};

enum { ANSWER_BYTES = 64 << 20, HALF_LIMIT = 65520 };

struct stage {
	struct parameters *parameters;
	struct pool *pool;
	struct network *network;
	struct example_reader *examples;
	struct carried *carried;
	struct builder ***kept;         /* [kept_count] the rows of the batch */
	size_t kept_count, kept_capacity;
	struct writer *writer;
	size_t logits_column;           /* the first of the teacher's columns */
	size_t V, C, K;                 /* K: logits kept, V where all are */
	float *logits;                  /* [M, V] of the records at hand */
	size_t logit_capacity;
	float *states;                  /* [N, C] of the records at hand, where hidden states are asked for */
	size_t state_capacity;
	float *best, *rest;             /* [M, K], [M, REST_TEMPERATURES] */
	int32_t *ids;                   /* [M, K] the best first */
	size_t label_capacity;
};

/* ---- the highest logits -------------------------------------------------------------------------------- */

/* One labelled token: its best logits, and what the rest adds up to at T = 1, 2, 4. Writes over the row of logits. */
static void keep_best(void *context, size_t m, int worker) {
	const struct stage *stage = context;
	float *logits = stage->logits + m * stage->V, *best = stage->best + m * stage->K;
	int32_t *ids = stage->ids + m * stage->K;
	(void)worker;
	logits_best(logits, NULL, stage->V, stage->K, ids);
	for (size_t k = 0; k < stage->K; k++) {
		best[k] = logits[ids[k]];
		logits[ids[k]] = -INFINITY;
	}
	for (int i = 0; i < REST_TEMPERATURES; i++)
		stage->rest[m * REST_TEMPERATURES + (size_t)i] = (float)kernels()->log_sum_exp(logits, stage->V, (float)(1 << i));
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void check_range(const struct stage *stage, const float *values, size_t count) {
	if (find_not_finite(values, count) < count)
		die(EX_DATAERR, "%s: an answer for record %" PRId64 " is not finite (the model's weights are damaged)", model,
			writer_records(stage->writer) + 1);
	for (size_t i = 0; half && i < count; i++)
		if (fabsf(values[i]) >= (float)HALF_LIMIT)
			die(EX_DATAERR, "%s: an answer for record %" PRId64 " is %g, too large for float16 (leave out --half)", model,
				writer_records(stage->writer) + 1, (double)values[i]);
}

static void append_floats(const struct stage *stage, size_t column, const float *values, size_t count) {
	check_range(stage, values, count);
	builder_append_float_list(writer_column(stage->writer, column), values, count);
}

/* `label` and `labels`: where those of the record begin among the records at hand, and how many they are. */
static void append_logits(const struct stage *stage, size_t label, size_t labels) {
	size_t K = stage->K, column = stage->logits_column;
	append_floats(stage, column, (top_k > 0 ? stage->best : stage->logits) + label * K, labels * K);
	if (top_k == 0)
		return;
	builder_append_int32_list(writer_column(stage->writer, column + 1), stage->ids + label * K, labels * K);
	builder_append_float_list(writer_column(stage->writer, column + 2), stage->rest + label * REST_TEMPERATURES,
		labels * REST_TEMPERATURES);
}

/* The states [rows, C] of one record's attended tokens, moved together. */
static void append_states(const struct stage *stage, const struct examples *record, float *states) {
	size_t C = stage->C, attended = 0;
	for (size_t n = 0; n < examples_rows(record); n++)
		if (examples_attend(record, n))
			memmove(states + attended++ * C, states + n * C, C * sizeof *states);
	append_floats(stage, stage->logits_column + (top_k > 0 ? 3 : 1), states, attended * C);
}

/* Records of a batch that were computed together; `first` is the first one's place among the rows that were kept. */
static void write_records(struct stage *stage, const struct examples *examples, size_t first) {
	struct failure failure;
	for (size_t b = 0, label = 0, state = 0; b < examples->B; b++) {
		struct examples record = examples_slice(examples, b, 1);
		size_t labels = examples_labels(&record);
		carried_append_kept(stage->carried, stage->kept[first + b], stage->writer);
		carried_forget(stage->carried, stage->kept[first + b]);
		append_logits(stage, label, labels);
		if (hidden_states)
			append_states(stage, &record, stage->states + state);
		check(writer_end_row(stage->writer, &failure), &failure);
		label += labels;
		state += examples_rows(&record) * stage->C;
	}
}

/* ---- answering ----------------------------------------------------------------------------------------- */

static void reserve(struct stage *stage, size_t labels, size_t rows) {
	if (hidden_states && rows * stage->C > stage->state_capacity)
		stage->states = grow(stage->states, stage->state_capacity = rows * stage->C, sizeof *stage->states);
	if (labels * stage->V > stage->logit_capacity)
		stage->logits = grow(stage->logits, stage->logit_capacity = labels * stage->V, sizeof *stage->logits);
	if (top_k == 0 || labels <= stage->label_capacity)
		return;
	stage->label_capacity = labels;
	stage->best = grow(stage->best, labels * stage->K, sizeof *stage->best);
	stage->ids = grow(stage->ids, labels * stage->K, sizeof *stage->ids);
	stage->rest = grow(stage->rest, labels * REST_TEMPERATURES, sizeof *stage->rest);
}

static void answer(struct stage *stage, const struct examples *examples, size_t first) {
	size_t labels = examples_labels(examples);
	reserve(stage, labels, examples_rows(examples));
	network_answer(stage->network, examples, stage->logits, hidden_states ? stage->states : NULL);
	if (top_k > 0)
		pool_run(stage->pool, labels, keep_best, stage);
	write_records(stage, examples, first);
}

/* How many records from `first` on have at most ANSWER_BYTES of logits and states; one at least. */
static size_t fitting(const struct stage *stage, const struct examples *examples, size_t first) {
	size_t count = 0, floats = 0;
	while (first + count < examples->B) {
		struct examples record = examples_slice(examples, first + count, 1);
		floats += examples_labels(&record) * stage->V + examples_rows(&record) * stage->C;
		if (count > 0 && floats > ANSWER_BYTES / sizeof(float))
			break;
		count++;
	}
	return count;
}

static void keep_row(void *context, const struct batch *batch, int64_t row) {
	struct stage *stage = context;
	if (stage->kept_count == stage->kept_capacity)
		stage->kept = grow(stage->kept, stage->kept_capacity = stage->kept_capacity * 2 + 16, sizeof *stage->kept);
	stage->kept[stage->kept_count++] = carried_keep(stage->carried, batch, row);
}

static void answer_all(struct stage *stage, int64_t total) {
	struct failure failure;
	struct example_batch batch;
	example_reader_set_take(stage->examples, keep_row, stage);
	while (check(example_reader_next(stage->examples, (size_t)batch_size, &batch, &failure), &failure) > 0) {
		for (size_t first = 0, count; first < batch.examples.B; first += count) {
			count = fitting(stage, &batch.examples, first);
			struct examples part = examples_slice(&batch.examples, first, count);
			answer(stage, &part, first);
		}
		stage->kept_count = 0;
		progress(writer_records(stage->writer), total, "records", NULL);
	}
	progress_end();
}

/* ---- the stage ----------------------------------------------------------------------------------------- */

/* The input's columns, then the teacher's; answers of an earlier teacher are replaced. */
static struct schema make_schema(struct stage *stage, const struct schema *input) {
	static const char *const replaced[] = { TEACHER_LOGITS, TEACHER_IDS, TEACHER_REST, TEACHER_HIDDEN_STATES, NULL };
	struct schema schema = { 0 };
	stage->carried = carried_create(input, replaced);
	carried_add_fields(stage->carried, &schema);
	stage->logits_column = schema.count;
	schema_add_float_list(&schema, TEACHER_LOGITS, half ? 16 : 32);
	if (top_k > 0) {
		schema_add_int32_list(&schema, TEACHER_IDS);
		schema_add_float_list(&schema, TEACHER_REST, 32);
	}
	if (hidden_states)
		schema_add_float_list(&schema, TEACHER_HIDDEN_STATES, half ? 16 : 32);
	return schema;
}

static void open_output(struct stage *stage, const struct reader *reader, const struct tokenizer *tokenizer) {
	struct stream_info info;
	struct schema schema = make_schema(stage, reader_schema(reader));
	stream_info_copy(&info, reader_info(reader));
	if (tokenizer != NULL)
		stream_info_set_vocabulary(&info, tokenizer);
	info.teacher_vocab_size = (int64_t)stage->V;
	stage->writer = open_output_stream(&schema, &info, -1);
	stream_info_clear(&info);
	schema_clear(&schema);
}

static void load_teacher(struct stage *stage) {
	struct failure failure;
	const struct distillation_options teacher = { .temperature = 1, .every_row = hidden_states };
	stage->parameters = must(parameters_open(model, &distillation_head.layout, 0, &print_warnings, &failure), &failure);
	stage->pool = create_pool(threads);
	stage->network = network_create(stage->parameters, &distillation_head, &teacher, stage->pool);
	network_set_precision(stage->network, (enum precision)dtype);
	stage->V = stage->parameters->config.vocab_size;
	stage->C = stage->parameters->config.hidden_size;
	if ((size_t)top_k >= stage->V)
		top_k = 0;
	stage->K = top_k > 0 ? (size_t)top_k : stage->V;
}

static void release(struct stage *stage) {
	free(stage->kept);
	free(stage->logits);
	free(stage->states);
	free(stage->best);
	free(stage->ids);
	free(stage->rest);
	carried_destroy(stage->carried);
	network_free(stage->network);
	pool_destroy(stage->pool);
	parameters_free(stage->parameters);
	example_reader_close(stage->examples);
}

int main(int argc, char **argv) {
	struct failure failure;
	struct stage stage = { 0 };
	const char *path = parse_options_with_input(argc, argv, &usage, options);
	refuse_terminal();
	struct reader *reader = open_input_stream(path);
	int64_t total = reader_total(reader);
	load_teacher(&stage);
	struct tokenizer *tokenizer;
	check(tokenizer_find(model, &tokenizer, &failure), &failure);
	stage.examples = must(batches_open(reader, &stage.parameters->config, tokenizer, LABELS_OF_TOKENS, 0, &failure),
		&failure);
	open_output(&stage, reader, tokenizer);
	tokenizer_free(tokenizer);
	answer_all(&stage, total);
	int status = close_output_stream(stage.writer);
	release(&stage);
	return status;
}
