/* test_base_pool: every task runs once on any number of threads, and one run ends before the next begins; a pool keeps the
 * memory that it lends. */
#include "test.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"

enum { TASKS = 1000 };

struct tally { atomic_int runs[TASKS]; atomic_int strangers; int threads; };

static void count(void *context, size_t index, int worker) {
	struct tally *tally = context;
	tally->runs[index]++;
	if (worker < 0 || worker >= tally->threads)
		tally->strangers++;
}

static void test_each_task_once(void **state) {
	(void)state;
	static const int threads[] = { 1, 2, 3, 8 };
	static const size_t counts[] = { 0, 1, 2, 7, TASKS };
	for (size_t t = 0; t < 4; t++) {
		struct pool *pool = pool_create(threads[t], &(struct failure){ 0 });
		assert_int_equal(pool_threads(pool), threads[t]);
		for (int round = 0; round < 50; round++)
			for (size_t c = 0; c < 5; c++) {
				static struct tally tally;
				for (size_t i = 0; i < TASKS; i++)
					tally.runs[i] = 0;
				tally.strangers = 0;
				tally.threads = threads[t];
				pool_run(pool, counts[c], count, &tally);
				for (size_t i = 0; i < TASKS; i++)
					assert_int_equal(tally.runs[i], i < counts[c]);
				assert_int_equal(tally.strangers, 0);
			}
		pool_destroy(pool);
	}
}

static void rest(void) {
	nanosleep(&(struct timespec){ .tv_nsec = 300000 }, NULL);
}

static void rest_and_count(void *context, size_t index, int worker) {
	(void)worker;
	if (index % 2 == 0)
		rest();
	atomic_int *runs = context;
	runs[index]++;
}

/* Threads that have waited for so long that they sleep, for the end of a run or for the next one. */
static void test_sleeping_threads(void **state) {
	(void)state;
	struct pool *pool = pool_create(2, &(struct failure){ 0 });
	for (int round = 0; round < 40; round++) {
		atomic_int runs[3] = { 0 };
		pool_run(pool, 3, rest_and_count, runs);
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(runs[i], 1);
		if (round % 2 == 0)
			rest();
	}
	pool_destroy(pool);
}

static void test_default_is_every_core(void **state) {
	(void)state;
	struct pool *pool = pool_create(0, &(struct failure){ 0 });
	assert_true(pool_threads(pool) >= 1);
	pool_destroy(pool);
	pool_destroy(NULL);
}

static void test_scratch(void **state) {
	(void)state;
	struct pool *pool = pool_create(1, &(struct failure){ 0 });
	static const size_t sizes[] = { 100, 1, 3 << 20, 100 };
	const char *before = NULL;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char *scratch = pool_scratch(pool, sizes[i]);
		assert_int_equal((uintptr_t)scratch % 64, 0);
		assert_true(sizes[i] > 100 || before == NULL || scratch == before);
		memset(scratch, 1, sizes[i]);
		before = scratch;
	}
	pool_destroy(pool);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_task_once),
		cmocka_unit_test(test_sleeping_threads),
		cmocka_unit_test(test_default_is_every_core),
		cmocka_unit_test(test_scratch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
