/* The factors that transformers.get_scheduler() gave, two steps past the end included. */
#include <math.h>

#include "test.h"

#include "train/schedule.h"

static const struct {
	struct schedule schedule;
	double factors[12];
} expected[] = {
	{ { SCHEDULE_LINEAR, 0, 7, 3, 2, 0.1 }, { 1, 0.857142857143, 0.714285714286, 0.571428571429, 0.428571428571,
		0.285714285714, 0.142857142857, 0, 0 } },
	{ { SCHEDULE_LINEAR, 3, 10, 3, 2, 0.1 }, { 0, 0.333333333333, 0.666666666667, 1, 0.857142857143, 0.714285714286,
		0.571428571429, 0.428571428571, 0.285714285714, 0.142857142857, 0, 0 } },
	{ { SCHEDULE_LINEAR, 4, 4, 3, 2, 0.1 }, { 0, 0.25, 0.5, 0.75, 0, 0 } },
	{ { SCHEDULE_COSINE, 0, 7, 3, 2, 0.1 }, { 1, 0.950484433951, 0.811744900929, 0.611260466978, 0.388739533022,
		0.188255099071, 0.0495155660488, 0, 0.0495155660488 } },
	{ { SCHEDULE_COSINE, 3, 10, 3, 2, 0.1 }, { 0, 0.333333333333, 0.666666666667, 1, 0.950484433951, 0.811744900929,
		0.611260466978, 0.388739533022, 0.188255099071, 0.0495155660488, 0, 0.0495155660488 } },
	{ { SCHEDULE_COSINE, 4, 4, 3, 2, 0.1 }, { 0, 0.25, 0.5, 0.75, 1, 0 } },
	{ { SCHEDULE_COSINE_WITH_RESTARTS, 0, 7, 3, 2, 0.1 }, { 1, 0.611260466978, 0.0495155660488, 0.811744900929,
		0.188255099071, 0.950484433951, 0.388739533022, 0, 0 } },
	{ { SCHEDULE_COSINE_WITH_RESTARTS, 3, 10, 3, 2, 0.1 }, { 0, 0.333333333333, 0.666666666667, 1, 0.611260466978,
		0.0495155660488, 0.811744900929, 0.188255099071, 0.950484433951, 0.388739533022, 0, 0 } },
	{ { SCHEDULE_COSINE_WITH_RESTARTS, 4, 4, 3, 2, 0.1 }, { 0, 0.25, 0.5, 0.75, 1, 0 } },
	{ { SCHEDULE_POLYNOMIAL, 0, 7, 3, 2, 0.1 }, { 1, 0.761224489796, 0.559183673469, 0.39387755102, 0.265306122449,
		0.173469387755, 0.118367346939, 0.1, 0.1 } },
	{ { SCHEDULE_POLYNOMIAL, 3, 10, 3, 2, 0.1 }, { 0, 0.333333333333, 0.666666666667, 1, 0.761224489796,
		0.559183673469, 0.39387755102, 0.265306122449, 0.173469387755, 0.118367346939, 0.1, 0.1 } },
	{ { SCHEDULE_CONSTANT, 0, 7, 3, 2, 0.1 }, { 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
	{ { SCHEDULE_CONSTANT_WITH_WARMUP, 0, 7, 3, 2, 0.1 }, { 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
	{ { SCHEDULE_CONSTANT_WITH_WARMUP, 3, 10, 3, 2, 0.1 }, { 0, 0.333333333333, 0.666666666667, 1, 1, 1, 1, 1, 1, 1,
		1, 1 } },
	{ { SCHEDULE_CONSTANT_WITH_WARMUP, 4, 4, 3, 2, 0.1 }, { 0, 0.25, 0.5, 0.75, 1, 1 } },
};

static void equals_the_reference(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		for (int64_t step = 0; step < expected[i].schedule.total + 2; step++)
			assert_true(fabs(schedule_factor(&expected[i].schedule, step) - expected[i].factors[step]) < 1e-11);
}

/* The formula of the paper, where a tenth of the steps is a whole number: cut 4 of 40, ratio 32. */
static void slanted_triangular_is_the_paper_s(void **state) {
	(void)state;
	const struct schedule schedule = { .type = SCHEDULE_SLANTED_TRIANGULAR, .total = 40 };
	for (int64_t t = 0; t < 40; t++) {
		double p = t < 4 ? (double)t / 4 : 1 - (double)(t - 4) / (4 * (1 / 0.1 - 1));
		assert_true(fabs(schedule_factor(&schedule, t) - (1 + p * (32 - 1)) / 32) < 1e-12);
	}
	for (int64_t total = 1; total < 30; total++)
		for (int64_t t = 0; t < total; t++) {
			const struct schedule short_one = { .type = SCHEDULE_SLANTED_TRIANGULAR, .total = total };
			double factor = schedule_factor(&short_one, t);
			assert_true(factor >= 1.0 / 32 && factor <= 1);
		}
}

static void constant_needs_no_total(void **state) {
	(void)state;
	assert_false(schedule_needs_total(SCHEDULE_CONSTANT));
	assert_false(schedule_needs_total(SCHEDULE_CONSTANT_WITH_WARMUP));
	for (enum schedule_type type = SCHEDULE_LINEAR; type < SCHEDULE_CONSTANT; type++)
		assert_true(schedule_needs_total(type));
	assert_true(schedule_needs_total(SCHEDULE_SLANTED_TRIANGULAR));
	const struct schedule endless = { .type = SCHEDULE_CONSTANT_WITH_WARMUP, .warmup_steps = 3, .total = -1 };
	assert_true(schedule_factor(&endless, 1000) == 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_reference),
		cmocka_unit_test(slanted_triangular_is_the_paper_s),
		cmocka_unit_test(constant_needs_no_total),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
