/* How fast the kernels and the matrix products are here: the best of several runs. Kernels in the thread's own time, with
 * the arrays that go in and out in GB/s; products in elapsed time and GFLOP/s. Shapes of one layer for 32 records of
 * 128 tokens with 384 channels. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "math/kernels.h"
#include "math/matrix.h"
#include "math/random.h"

enum { N = 4096, C = 384, F = 1536, T = 128, ROWS = 32 * 12 * T, V = 30522, COUNT = N * F, REPEATS = 7 };

static float *x, *y, *z, *w, *square, mean[N], rstd[N];
static const struct dropout dropout = { 1, 1, 1, 0.1f };
static const struct kernels *k;

static double now(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void gelu(void) { k->activate(ACTIVATION_GELU, y, x, COUNT); }
static void gelu_backward(void) { k->activate_backward(ACTIVATION_GELU, y, z, x, COUNT); }
static void gelu_new(void) { k->activate(ACTIVATION_GELU_NEW, y, x, COUNT); }
static void add_bias(void) { k->add_bias(y, w, N, F, F); }
static void add_bias_backward(void) { k->add_bias_backward(w, x, N, F, F); }
static void layer_norm(void) { k->layer_norm(y, mean, rstd, x, w, w, N, C, 1e-12f); }
static void layer_norm_backward(void) { k->layer_norm_backward(y, w, w + C, z, x, mean, rstd, w, N, C); }
static void dropout_add(void) { k->dropout_add(y, x, COUNT, &dropout, 0); }
static void dropout_backward(void) { k->dropout_backward(y, x, COUNT, &dropout, 0); }
static void softmax(void) { k->softmax(y, ROWS, T, T, 0.18f, NULL); }
static void softmax_backward(void) { k->softmax_backward(y, x, ROWS, T, T, 0.18f); }
static void cross_entropy(void) {
	for (size_t n = 0; n < 100; n++)
		k->cross_entropy(y + n * V, V, 5, 1e-3f);
}
static void sum_of_squares(void) { w[0] = (float)k->sum_of_squares(x, COUNT); }
static void adamw(void) {
	const struct adamw_step step = { 1e-4, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 1 };
	k->adamw(w, y, square, x, COUNT, &step);
}

static const struct { const char *name; void (*run)(void); double bytes; } benches[] = {
	{ "add_bias", add_bias, 8.0 * COUNT }, { "add_bias_backward", add_bias_backward, 4.0 * COUNT },
	{ "gelu", gelu, 8.0 * COUNT }, { "gelu_backward", gelu_backward, 12.0 * COUNT }, { "gelu_new", gelu_new, 8.0 * COUNT },
	{ "layer_norm", layer_norm, 8.0 * N * C }, { "layer_norm_backward", layer_norm_backward, 12.0 * N * C },
	{ "dropout_add", dropout_add, 12.0 * COUNT }, { "dropout_backward", dropout_backward, 8.0 * COUNT },
	{ "softmax", softmax, 8.0 * ROWS * T }, { "softmax_backward", softmax_backward, 12.0 * ROWS * T },
	{ "cross_entropy", cross_entropy, 800.0 * V }, { "sum_of_squares", sum_of_squares, 4.0 * COUNT },
	{ "adamw", adamw, 28.0 * COUNT },
};

static double best_time(void run(void)) {
	double best = 1e9;
	for (int repeat = 0; repeat < REPEATS; repeat++) {
		double start = now(CLOCK_THREAD_CPUTIME_ID);
		run();
		double seconds = now(CLOCK_THREAD_CPUTIME_ID) - start;
		best = seconds < best ? seconds : best;
	}
	return best;
}

static void bench_kernels(void) {
	for (size_t b = 0; b < sizeof benches / sizeof *benches; b++) {
		printf("%-20s", benches[b].name);
		for (const struct kernels *const *version = kernels_available(); *version != NULL; version++) {
			k = *version;
			random_normal(2, 0, 1, y, ROWS * T);
			random_normal(3, 0, 1, z, ROWS * T);
			double seconds = best_time(benches[b].run);
			printf("  %s %6.2f ms %5.1f GB/s", k->name, seconds * 1e3, benches[b].bytes / seconds * 1e-9);
		}
		printf("\n");
	}
}

static void bench_products(void) {
	const struct { const char *name; bool transpose_a, transpose_b; size_t rows, columns, inner; } products[] = {
		{ "forward", false, true, N, F, C }, { "forward", false, true, N, C, F }, { "input", false, false, N, C, C },
		{ "weight", true, false, F, C, N }, { "weight", true, false, C, C, N }, { "decoder", false, true, 600, V, C },
		{ "base forward", false, true, 8192, 3072, 768 }, { "base weight", true, false, 768, 3072, 8192 },
	};
	for (size_t p = 0; p < sizeof products / sizeof *products; p++) {
		size_t rows = products[p].rows, columns = products[p].columns, inner = products[p].inner;
		float *a = allocate(rows * inner, sizeof *a), *b = allocate(inner * columns, sizeof *b);
		float *c = allocate(rows * columns, sizeof *c);
		random_normal(1, 0, 1, a, rows * inner);
		random_normal(2, 0, 1, b, inner * columns);
		printf("%-13s %5zu x %5zu x %5zu", products[p].name, rows, columns, inner);
		for (int threads = 1; threads <= 2; threads++) {
			struct pool *pool = pool_create(threads);
			double best[2] = { 1e9, 1e9 };
			for (int repeat = 0; repeat < 2 * REPEATS; repeat++) {
				bool tiles = repeat % 2;
				bool ta = products[p].transpose_a, tb = products[p].transpose_b;
				size_t lda = ta ? rows : inner, ldb = tb ? inner : columns;
				double start = now(CLOCK_MONOTONIC);
				if (tiles)
					multiply_tiles(pool, ta, tb, rows, columns, inner, 1, a, lda, b, ldb, 0, c, columns);
				else
					multiply_rows(pool, ta, tb, rows, columns, inner, 1, a, lda, b, ldb, 0, c, columns, NULL, NULL);
				double seconds = now(CLOCK_MONOTONIC) - start;
				best[tiles] = seconds < best[tiles] ? seconds : best[tiles];
			}
			double flops = 2e-9 * (double)rows * (double)columns * (double)inner;
			printf("  %d thread%s: rows %4.0f tiles %4.0f GFLOP/s", threads, threads > 1 ? "s" : "", flops / best[0],
				flops / best[1]);
			pool_destroy(pool);
		}
		printf("\n");
		free(a);
		free(b);
		free(c);
	}
}

int main(void) {
	float **arrays[] = { &x, &y, &z, &w };
	for (size_t i = 0; i < 4; i++) {
		*arrays[i] = allocate(ROWS * T, sizeof(float));
		random_normal(i, 0, 1, *arrays[i], ROWS * T);
	}
	square = allocate(COUNT, sizeof *square);
	for (size_t i = 0; i < COUNT; i++)
		square[i] = x[i] * x[i];
	bench_kernels();
	bench_products();
	for (size_t i = 0; i < 4; i++)
		free(*arrays[i]);
	free(square);
	return finish_output();
}
