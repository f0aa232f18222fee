/* kernels: measures the parts of a training step: DistilBERT, 64 records of 128 tokens, dropout 0.1. kernels [RECORDS]
 *
 * The program is linked with --wrap, so that calls of the loops of math/kernels.h, of matrix products (also those of
 * attention) and of the embeddings are timed here. Times are those of the threads, so that other processes disturb them
 * little; time outside of these calls is printed as the rest. The peak is the speed of one product of two large square
 * matrices on one thread, times the number of threads. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cblas.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "math/matrix_onednn.h"
#include "math/random.h"
#include "model/network.h"
#include "train/optimizer.h"

enum part { PRODUCTS, ATTENTION, SOFTMAX, ACTIVATION, NORM, DROPOUT, BIAS, LOSS, EMBEDDINGS, ROUNDING, ADAMW, PARTS };
static const char *const names[PARTS] = { "products", "attention's products", "softmax", "GELU", "layer norm",
	"dropout, residual", "biases", "cross-entropy", "embeddings", "rounding, transposing", "AdamW, clipping" };

/* Of all threads, since the last reset. */
static atomic_llong nanoseconds[PARTS], operations[PARTS];
static _Thread_local bool attending;

static long long clock_nanoseconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long start(void) {
	return clock_nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}

static void stop(enum part part, long long started) {
	nanoseconds[part] += start() - started;
}

static long long all_parts(void) {
	long long sum = 0;
	for (int part = 0; part < PARTS; part++)
		sum += nanoseconds[part];
	return sum;
}

/* ---- products ------------------------------------------------------------------------------------------ */

typedef void sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE transpose_a, enum CBLAS_TRANSPOSE transpose_b, blasint rows,
	blasint columns, blasint inner, float alpha, const float *a, blasint lda, const float *b, blasint ldb, float beta,
	float *c, blasint ldc);
typedef void multiplication(const struct product *product);
sgemm __real_cblas_sgemm, __wrap_cblas_sgemm;
multiplication __real_multiply, __wrap_multiply, __real_multiply_onednn, __wrap_multiply_onednn;

static void count(long long started, double rows, double columns, double inner) {
	enum part part = attending ? ATTENTION : PRODUCTS;
	stop(part, started);
	operations[part] += (long long)(2 * rows * columns * inner);
}

/* Outside matrix.c, attention alone calls it. */
void __wrap_multiply(const struct product *product) {
	attending = true;
	__real_multiply(product);
	attending = false;
}

void __wrap_multiply_onednn(const struct product *product) {
	long long started = start();
	__real_multiply_onednn(product);
	count(started, (double)product->rows, (double)product->columns, (double)product->inner);
}

void __wrap_cblas_sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE transpose_a, enum CBLAS_TRANSPOSE transpose_b,
	blasint rows, blasint columns, blasint inner, float alpha, const float *a, blasint lda, const float *b, blasint ldb,
	float beta, float *c, blasint ldc) {
	long long started = start();
	__real_cblas_sgemm(order, transpose_a, transpose_b, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc);
	count(started, (double)rows, (double)columns, (double)inner);
}

/* ---- kernels ------------------------------------------------------------------------------------------- */

const struct kernels *__real_kernels(void);
const struct kernels *__wrap_kernels(void);

#define TIMED(name, part, parameters, ...) \
	static void name parameters { \
		long long started = start(); \
		__real_kernels()->name(__VA_ARGS__); \
		stop(part, started); \
	}

TIMED(add_bias, BIAS, (float *x, const float *bias, size_t N, size_t C, size_t stride), x, bias, N, C, stride)
TIMED(add_bias_backward, BIAS, (float *dbias, const float *dy, size_t N, size_t C, size_t stride), dbias, dy, N, C, stride)
TIMED(add_bias_backward_bf16, BIAS, (float *dbias, const bfloat16 *dy, size_t N, size_t C, size_t stride), dbias, dy, N, C,
	stride)
TIMED(round_to_bf16, ROUNDING, (bfloat16 *y, const float *x, size_t N, size_t C, size_t stride), y, x, N, C, stride)
TIMED(transpose_bf16, ROUNDING, (bfloat16 *y, const bfloat16 *x, size_t N, size_t C, size_t y_stride, size_t x_stride), y, x,
	N, C, y_stride, x_stride)
TIMED(widen_bf16, ROUNDING, (float *y, const bfloat16 *x, size_t count), y, x, count)
TIMED(activate, ACTIVATION, (enum activation act, float *y, const float *x, size_t n), act, y, x, n)
TIMED(activate_backward, ACTIVATION, (enum activation act, float *dx, const float *dy, const float *x, size_t n), act, dx,
	dy, x, n)
TIMED(activate_bf16, ACTIVATION, (enum activation act, bfloat16 *y, bfloat16 *slope, const bfloat16 *x, size_t n), act, y,
	slope, x, n)
TIMED(activate_backward_bf16, ACTIVATION, (bfloat16 *dx, const bfloat16 *slope, size_t n), dx, slope, n)
TIMED(layer_norm, NORM, (float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias,
	size_t N, size_t C, float eps), y, mean, rstd, x, weight, bias, N, C, eps)
TIMED(layer_norm_backward, NORM, (float *dx, float *dweight, float *dbias, const float *dy, const float *x,
	const float *mean, const float *rstd, const float *weight, size_t N, size_t C), dx, dweight, dbias, dy, x, mean, rstd,
	weight, N, C)
TIMED(dropout_add, DROPOUT, (float *x, const float *residual, size_t n, const struct dropout *dropout, size_t first), x,
	residual, n, dropout, first)
TIMED(dropout_backward, DROPOUT, (float *dx, const float *dy, size_t n, const struct dropout *dropout, size_t first), dx,
	dy, n, dropout, first)
TIMED(softmax, SOFTMAX, (float *scores, size_t N, size_t T, size_t stride, float scale, const uint8_t *keep), scores, N, T,
	stride, scale, keep)
TIMED(softmax_backward, SOFTMAX, (float *dp, const float *p, size_t N, size_t T, size_t stride, float scale), dp, p, N, T,
	stride, scale)
TIMED(adamw, ADAMW, (float *w, float *m, float *v, const float *g, size_t n, const struct adamw_step *step), w, m, v, g, n,
	step)

static float cross_entropy(float *logits, size_t V, int32_t label, float gradient_scale) {
	long long started = start();
	float loss = __real_kernels()->cross_entropy(logits, V, label, gradient_scale);
	stop(LOSS, started);
	return loss;
}

static double log_sum_exp(const float *x, size_t V, float temperature) {
	long long started = start();
	double sum = __real_kernels()->log_sum_exp(x, V, temperature);
	stop(LOSS, started);
	return sum;
}

static struct row_losses distill(float *logits, const float *teacher, size_t V, const struct distill_row *row) {
	long long started = start();
	struct row_losses losses = __real_kernels()->distill(logits, teacher, V, row);
	stop(LOSS, started);
	return losses;
}

static double sum_of_squares(const float *x, size_t n) {
	long long started = start();
	double sum = __real_kernels()->sum_of_squares(x, n);
	stop(ADAMW, started);
	return sum;
}

/* Products of few rows are counted as those of the libraries are. */
#define COUNTED(name) \
	static void name(const struct few_rows *product) { \
		long long started = start(); \
		__real_kernels()->name(product); \
		count(started, (double)product->rows, (double)product->outputs, (double)product->inputs); \
	}

COUNTED(multiply_few)
COUNTED(multiply_few_bf16)
COUNTED(multiply_packed)
COUNTED(multiply_packed_bf16)

static struct kernels timed;

__attribute__((constructor)) static void wrap_kernels(void) {
	const struct kernels *real = __real_kernels();
	timed = (struct kernels){ .name = "timed", .add_bias = add_bias, .add_bias_backward = add_bias_backward,
		.add_bias_backward_bf16 = add_bias_backward_bf16, .round_to_bf16 = round_to_bf16, .widen_bf16 = widen_bf16,
		.multiply_few = multiply_few, .multiply_few_bf16 = multiply_few_bf16,
		.multiply_packed = real->multiply_packed != NULL ? multiply_packed : NULL, .pack_rows = real->pack_rows,
		.multiply_packed_bf16 = real->multiply_packed_bf16 != NULL ? multiply_packed_bf16 : NULL,
		.pack_rows_bf16 = real->pack_rows_bf16,
		.transpose_bf16 = real->transpose_bf16 != NULL ? transpose_bf16 : NULL, .panel_rows = real->panel_rows,
		.activate = activate, .activate_backward = activate_backward, .activate_bf16 = activate_bf16,
		.activate_backward_bf16 = activate_backward_bf16, .layer_norm = layer_norm, .layer_norm_backward = layer_norm_backward,
		.dropout_add = dropout_add, .dropout_backward = dropout_backward,
		.softmax = softmax, .softmax_backward = softmax_backward, .cross_entropy = cross_entropy, .log_sum_exp = log_sum_exp,
		.distill = distill, .sum_of_squares = sum_of_squares, .adamw = adamw };
}

const struct kernels *__wrap_kernels(void) {
	return &timed;
}

/* ---- embeddings ---------------------------------------------------------------------------------------- */

typedef void forward(struct encoder *encoder);
typedef void backward(struct encoder *encoder, float *dx);
forward __real_embeddings_forward, __wrap_embeddings_forward;
backward __real_embeddings_backward, __wrap_embeddings_backward;

/* The process's time that no part has seen. */
static long long unseen(void) {
	return clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - all_parts();
}

void __wrap_embeddings_forward(struct encoder *encoder) {
	long long before = unseen();
	__real_embeddings_forward(encoder);
	nanoseconds[EMBEDDINGS] += unseen() - before;
}

void __wrap_embeddings_backward(struct encoder *encoder, float *dx) {
	long long before = unseen();
	__real_embeddings_backward(encoder, dx);
	nanoseconds[EMBEDDINGS] += unseen() - before;
}

/* ---- a step -------------------------------------------------------------------------------------------- */

enum { LENGTH = 128, LAYERS = 6, GROUPS = LAYERS + 2 };

struct bench {
	struct parameters *parameters;
	struct examples examples;
};

/* A sixth of the tokens have a label. free() releases each array. */
static struct examples create_examples(size_t records) {
	size_t rows = records * LENGTH;
	int32_t *starts = allocate(records + 1, sizeof *starts), *ids = allocate(rows, sizeof *ids);
	int32_t *positions = allocate(rows, sizeof *positions), *label_starts = allocate(records + 1, sizeof *label_starts);
	int32_t *labelled = allocate(rows, sizeof *labelled), *labels = allocate(rows, sizeof *labels), count = 0;
	for (size_t i = 0; i < rows; i++) {
		uint32_t words[4];
		random_words(1, RANDOM_MASK, 0, (uint32_t)i, words);
		ids[i] = (int32_t)random_below(words[0], 30522);
		positions[i] = (int32_t)(i % LENGTH);
		if (random_unit(words[1]) < 0.17f) {
			labelled[count] = (int32_t)i;
			labels[count++] = (int32_t)random_below(words[2], 30522);
		}
		starts[i / LENGTH + 1] = (int32_t)i + 1;
		label_starts[i / LENGTH + 1] = count;
	}
	return (struct examples){ .B = records, .starts = starts, .input_ids = ids, .positions = positions,
		.label_starts = label_starts, .labelled = labelled, .labels = labels };
}

static struct bench create_bench(size_t records) {
	struct config config = { .model_type = MODEL_DISTILBERT, .vocab_size = 30522, .max_position_embeddings = 512,
		.hidden_size = 768, .num_hidden_layers = LAYERS, .num_attention_heads = 12, .intermediate_size = 3072,
		.hidden_act = ACTIVATION_GELU, .layer_norm_eps = 1e-12f, .initializer_range = 0.02f,
		.tie_word_embeddings = true, .json = json_object() };
	struct bench bench = { .parameters = parameters_create(&config, &masked_lm_head.layout) };
	parameters_initialize(bench.parameters, 1);
	bench.examples = create_examples(records);
	return bench;
}

static void free_bench(struct bench *bench) {
	free((void *)bench->examples.starts);
	free((void *)bench->examples.input_ids);
	free((void *)bench->examples.positions);
	free((void *)bench->examples.label_starts);
	free((void *)bench->examples.labelled);
	free((void *)bench->examples.labels);
	parameters_free(bench->parameters);
}

/* GFLOP/s of one thread on large square matrices, the best of five. */
static double measure_side(enum precision precision, size_t side) {
	struct matrix a = { allocate(side * side, sizeof(float)), allocate(side * side, sizeof(bfloat16)), side };
	float *c = allocate(side * side, sizeof *c);
	struct product product = { side, side, side, .a = a, .b = a, .c = float_matrix(c, side) };
	if (precision == PRECISION_FP32)
		product.a.bf16 = NULL;
	long long best = 0;
	for (int i = 0; i < 5; i++) {
		long long started = start();
		__real_multiply(&product);
		long long taken = start() - started;
		best = i == 0 || taken < best ? taken : best;
	}
	free(a.fp32);
	free(a.bf16);
	free(c);
	return 2.0 * (double)(side * side * side) / (double)best;
}

/* Of two sides, since oneDNN computes products in bfloat16 in two ways (math/matrix_onednn.c). */
static double measure_peak(enum precision precision) {
	double one = measure_side(precision, 2048), other = measure_side(precision, 2040);
	return one > other ? one : other;
}

static void print_parts(double whole, double peak) {
	printf("| | seconds of all threads | share | GFLOP/s a thread | of the peak |\n| --- | --- | --- | --- | --- |\n");
	for (int part = 0; part < PARTS; part++) {
		double seconds = 1e-9 * (double)nanoseconds[part];
		printf("| %s | %.3f | %.1f %% |", names[part], seconds, 100 * seconds / whole);
		if (operations[part] > 0) {
			double rate = (double)operations[part] / (double)nanoseconds[part];
			printf(" %.0f | %.0f %% |\n", rate, 100 * rate / peak);
		} else
			printf(" | |\n");
	}
	double rest = whole - 1e-9 * (double)all_parts();
	printf("| the rest | %.3f | %.1f %% | | |\n\n", rest, 100 * rest / whole);
}

struct times { double elapsed, used; }; /* seconds; used: of all threads */

/* The second step's, as the first one is slowed by memory that is new. */
static struct times bench_step(const struct bench *bench, enum precision precision, int threads, double peak) {
	struct pool *pool = pool_create(threads, &(struct failure){ 0 });
	struct network *network = network_create(bench->parameters, &masked_lm_head, NULL, pool);
	const struct optimizer_options options = { 0.9, 0.999, 1e-8, 0.01, 1, false, NULL };
	struct optimizer *optimizer = optimizer_create(bench->parameters, &options, pool);
	struct blocks *gradients = optimizer_gradients(optimizer);
	double rates[GROUPS];
	for (size_t g = 0; g < GROUPS; g++) {
		optimizer_thaw(optimizer, g);
		rates[g] = 1e-5;
	}
	struct totals totals = { { 0 } };
	network_count(network, &bench->examples, &totals);
	network_set_dropout(network, 0.1f, 0.1f, 1);
	network_set_precision(network, precision);
	struct times times = { 0, 0 };
	for (uint64_t step = 0; step < 2; step++) {
		for (int part = 0; part < PARTS; part++)
			nanoseconds[part] = operations[part] = 0;
		long long wall = clock_nanoseconds(CLOCK_MONOTONIC), used = clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
		blocks_zero(gradients, pool);
		network_gradients(network, &bench->examples, step, &totals, gradients);
		optimizer_step(optimizer, rates);
		times.elapsed = 1e-9 * (double)(clock_nanoseconds(CLOCK_MONOTONIC) - wall);
		times.used = 1e-9 * (double)(clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - used);
	}
	double tokens = (double)examples_rows(&bench->examples);
	double products = 1e-9 * (double)(operations[PRODUCTS] + operations[ATTENTION]);
	printf("%s on %d thread%s: %.2f s a step, %.0f tokens/s; %.2f times what its products take at the peak, "
		"%.0f GFLOP/s a thread\n\n", precision == PRECISION_FP32 ? "fp32" : "bf16", threads, threads > 1 ? "s" : "",
		times.elapsed, tokens / times.elapsed, times.used * peak / products, peak);
	if (threads > 1)
		print_parts(times.used, peak);
	fflush(stdout);
	optimizer_free(optimizer);
	network_free(network);
	pool_destroy(pool);
	return times;
}

int main(int argc, char **argv) {
	size_t records = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
	struct bench bench = create_bench(records);
	printf("a step of DistilBERT, %zu x %d tokens, %zu of them masked\n\n", records, LENGTH,
		examples_labels(&bench.examples));
	double fp32 = measure_peak(PRECISION_FP32);
	struct times two = bench_step(&bench, PRECISION_FP32, 2, fp32), one = bench_step(&bench, PRECISION_FP32, 1, fp32);
	printf("two threads are %.2f times as fast as one\n\n", one.elapsed / two.elapsed);
	if (bf16_is_fast()) {
		struct times rounded = bench_step(&bench, PRECISION_BF16, 2, measure_peak(PRECISION_BF16));
		printf("bf16 is %.2f times as fast as fp32, by the threads' own time %.2f times\n",
			two.elapsed / rounded.elapsed, two.used / rounded.used);
	}
	free_bench(&bench);
	return finish_output();
}
