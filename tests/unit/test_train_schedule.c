/* The factors that transformers.get_scheduler() gave, two steps past the end included. */
#include <math.h>

#include "test.h"

#include "train/schedule.h"

static const struct {
	enum schedule schedule;
	int64_t warmup_steps, total;
	double factors[12];
} expected[] = {
	{ SCHEDULE_LINEAR, 0, 7, { 1, 0.857142857143, 0.714285714286, 0.571428571429, 0.428571428571, 0.285714285714,
		0.142857142857, 0, 0 } },
	{ SCHEDULE_LINEAR, 3, 10, { 0, 0.333333333333, 0.666666666667, 1, 0.857142857143, 0.714285714286,
		0.571428571429, 0.428571428571, 0.285714285714, 0.142857142857, 0, 0 } },
	{ SCHEDULE_LINEAR, 4, 4, { 0, 0.25, 0.5, 0.75, 0, 0 } },
	{ SCHEDULE_CONSTANT, 0, 7, { 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
	{ SCHEDULE_CONSTANT, 3, 10, { 0, 0.333333333333, 0.666666666667, 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
	{ SCHEDULE_CONSTANT, 4, 4, { 0, 0.25, 0.5, 0.75, 1, 1 } },
	{ SCHEDULE_COSINE, 0, 7, { 1, 0.950484433951, 0.811744900929, 0.611260466978, 0.388739533022, 0.188255099071,
		0.0495155660488, 0, 0.0495155660488 } },
	{ SCHEDULE_COSINE, 3, 10, { 0, 0.333333333333, 0.666666666667, 1, 0.950484433951, 0.811744900929,
		0.611260466978, 0.388739533022, 0.188255099071, 0.0495155660488, 0, 0.0495155660488 } },
	{ SCHEDULE_COSINE, 4, 4, { 0, 0.25, 0.5, 0.75, 1, 0 } },
};

static void equals_the_reference(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		for (int64_t step = 0; step < expected[i].total + 2; step++)
			assert_true(fabs(schedule_factor(expected[i].schedule, step, expected[i].warmup_steps, expected[i].total)
				- expected[i].factors[step]) < 1e-11);
}

static void constant_needs_no_total(void **state) {
	(void)state;
	assert_false(schedule_needs_total(SCHEDULE_CONSTANT));
	assert_true(schedule_needs_total(SCHEDULE_LINEAR));
	assert_true(schedule_needs_total(SCHEDULE_COSINE));
	assert_true(schedule_factor(SCHEDULE_CONSTANT, 1000, 3, -1) == 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_reference),
		cmocka_unit_test(constant_needs_no_total),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
