/* test_train_schedule: the factors equal those of transformers.get_scheduler(), up to two steps past the end. */
#include <math.h>

#include "test.h"

#include "train/schedule.h"

#define AFTER_WARMUP(name, warmup, steps) { .type = SCHEDULE_ ## name, .warmup_steps = warmup, .total = steps, \
	.num_cycles = 3, .power = 2, .end_factor = 0.1 }

static const struct {
	struct schedule schedule;
	double factors[12];
} expected[] = {
	{ AFTER_WARMUP(LINEAR, 0, 7), { 1, 0.857142857143, 0.714285714286, 0.571428571429, 0.428571428571,
		0.285714285714, 0.142857142857, 0, 0 } },
	{ AFTER_WARMUP(LINEAR, 3, 10), { 0, 0.333333333333, 0.666666666667, 1, 0.857142857143, 0.714285714286,
		0.571428571429, 0.428571428571, 0.285714285714, 0.142857142857, 0, 0 } },
	{ AFTER_WARMUP(LINEAR, 4, 4), { 0, 0.25, 0.5, 0.75, 0, 0 } },
	{ AFTER_WARMUP(COSINE, 0, 7), { 1, 0.950484433951, 0.811744900929, 0.611260466978, 0.388739533022,
		0.188255099071, 0.0495155660488, 0, 0.0495155660488 } },
	{ AFTER_WARMUP(COSINE, 3, 10), { 0, 0.333333333333, 0.666666666667, 1, 0.950484433951, 0.811744900929,
		0.611260466978, 0.388739533022, 0.188255099071, 0.0495155660488, 0, 0.0495155660488 } },
	{ AFTER_WARMUP(COSINE, 4, 4), { 0, 0.25, 0.5, 0.75, 1, 0 } },
	{ AFTER_WARMUP(COSINE_WITH_RESTARTS, 0, 7), { 1, 0.611260466978, 0.0495155660488, 0.811744900929,
		0.188255099071, 0.950484433951, 0.388739533022, 0, 0 } },
	{ AFTER_WARMUP(COSINE_WITH_RESTARTS, 3, 10), { 0, 0.333333333333, 0.666666666667, 1, 0.611260466978,
		0.0495155660488, 0.811744900929, 0.188255099071, 0.950484433951, 0.388739533022, 0, 0 } },
	{ AFTER_WARMUP(COSINE_WITH_RESTARTS, 4, 4), { 0, 0.25, 0.5, 0.75, 1, 0 } },
	{ AFTER_WARMUP(POLYNOMIAL, 0, 7), { 1, 0.761224489796, 0.559183673469, 0.39387755102, 0.265306122449,
		0.173469387755, 0.118367346939, 0.1, 0.1 } },
	{ AFTER_WARMUP(POLYNOMIAL, 3, 10), { 0, 0.333333333333, 0.666666666667, 1, 0.761224489796,
		0.559183673469, 0.39387755102, 0.265306122449, 0.173469387755, 0.118367346939, 0.1, 0.1 } },
	{ AFTER_WARMUP(CONSTANT, 0, 7), { 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
	{ AFTER_WARMUP(CONSTANT_WITH_WARMUP, 0, 7), { 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
	{ AFTER_WARMUP(CONSTANT_WITH_WARMUP, 3, 10), { 0, 0.333333333333, 0.666666666667, 1, 1, 1, 1, 1, 1, 1,
		1, 1 } },
	{ AFTER_WARMUP(CONSTANT_WITH_WARMUP, 4, 4), { 0, 0.25, 0.5, 0.75, 1, 1 } },
	{ { .type = SCHEDULE_INVERSE_SQRT, .total = 7 }, { 1, 0.99995000375, 0.999900014998, 0.999850033742, 0.99980005998,
		0.999750093711, 0.999700134933, 0.999650183643, 0.99960023984 } },
	{ { .type = SCHEDULE_INVERSE_SQRT, .warmup_steps = 3, .total = 10 }, { 0, 0.333333333333, 0.666666666667, 1,
		0.866025403784, 0.774596669241, 0.707106781187, 0.654653670708, 0.612372435696, 0.57735026919, 0.547722557505,
		0.522232967867 } },
	{ { .type = SCHEDULE_INVERSE_SQRT, .warmup_steps = 3, .total = 10, .timescale = 5 }, { 0, 0.333333333333,
		0.666666666667, 1, 0.912870929175, 0.845154254729, 0.790569415042, 0.7453559925, 0.707106781187, 0.674199862463,
		0.645497224368, 0.620173672946 } },
	{ { .type = SCHEDULE_COSINE_WITH_MIN_LR, .total = 7, .min_factor = 0.1 }, { 1, 0.955435990556, 0.830570410836,
		0.65013442028, 0.44986557972, 0.269429589164, 0.144564009444, 0.1, 0.144564009444 } },
	{ { .type = SCHEDULE_COSINE_WITH_MIN_LR, .warmup_steps = 3, .total = 10, .min_factor = 0.1 }, { 0, 0.333333333333,
		0.666666666667, 1, 0.955435990556, 0.830570410836, 0.65013442028, 0.44986557972, 0.269429589164, 0.144564009444,
		0.1, 0.144564009444 } },
	{ { .type = SCHEDULE_WARMUP_STABLE_DECAY, .total = 7, .num_decay_steps = 3 }, { 1, 1, 1, 1, 1, 0.75, 0.25, 0, 0 } },
	{ { .type = SCHEDULE_WARMUP_STABLE_DECAY, .warmup_steps = 3, .total = 10, .num_decay_steps = 3, .min_factor = 0.1 },
		{ 0.1, 0.4, 0.7, 1, 1, 1, 1, 1, 0.775, 0.325, 0.1, 0.1 } },
	{ { .type = SCHEDULE_WARMUP_STABLE_DECAY, .warmup_steps = 3, .total = 10, .num_decay_steps = 9, .min_factor = 0.1 },
		{ 0.1, 0.4, 0.7, 0.894719999404, 0.775, 0.62814167995, 0.47185832005, 0.325, 0.205280000596, 0.127138320646, 0.1,
		0.1 } },
};

static void equals_the_reference(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		for (int64_t step = 0; step < expected[i].schedule.total + 2; step++)
			assert_true(fabs(schedule_factor(&expected[i].schedule, step) - expected[i].factors[step]) < 1e-11);
}

/* The formula of the paper, equation 3, where the share is a whole number of steps. */
static void slanted_triangular_is_the_paper_s(void **state) {
	(void)state;
	static const struct { int64_t total; double cut_fraction, ratio; } cases[] = {
		{ 40, 0.1, 32 }, { 200, 0.1, 5 }, { 60, 0.25, 8 }, { 10, 0.5, 1 }, { 7, 1, 32 } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		double f = cases[i].cut_fraction, ratio = cases[i].ratio, cut = floor((double)cases[i].total * f);
		const struct schedule schedule = { .type = SCHEDULE_SLANTED_TRIANGULAR, .total = cases[i].total,
			.cut_fraction = f, .ratio = ratio };
		for (int64_t t = 0; t < cases[i].total; t++) {
			double p = (double)t < cut ? (double)t / cut : 1 - ((double)t - cut) / (cut * (1 / f - 1));
			assert_true(fabs(schedule_factor(&schedule, t) - (1 + p * (ratio - 1)) / ratio) < 1e-12);
		}
	}
}

/* Of any number of steps: never below the peak divided by the ratio. */
static void slanted_triangular_stays_in_its_range(void **state) {
	(void)state;
	for (int64_t total = 1; total < 60; total++)
		for (int64_t t = 0; t < total; t++) {
			const struct schedule schedule = { .type = SCHEDULE_SLANTED_TRIANGULAR, .total = total, .cut_fraction = 0.1,
				.ratio = 32 };
			double factor = schedule_factor(&schedule, t);
			assert_true(factor >= 1.0 / 32 && factor <= 1);
		}
}

static void constant_needs_no_total(void **state) {
	(void)state;
	assert_false(schedule_needs_total(SCHEDULE_CONSTANT));
	assert_false(schedule_needs_total(SCHEDULE_CONSTANT_WITH_WARMUP));
	assert_false(schedule_needs_total(SCHEDULE_INVERSE_SQRT));
	for (enum schedule_type type = SCHEDULE_LINEAR; type < SCHEDULE_CONSTANT; type++)
		assert_true(schedule_needs_total(type));
	assert_true(schedule_needs_total(SCHEDULE_SLANTED_TRIANGULAR));
	assert_true(schedule_needs_total(SCHEDULE_COSINE_WITH_MIN_LR));
	assert_true(schedule_needs_total(SCHEDULE_WARMUP_STABLE_DECAY));
	const struct schedule endless = { .type = SCHEDULE_CONSTANT_WITH_WARMUP, .warmup_steps = 3, .total = -1 };
	assert_true(schedule_factor(&endless, 1000) == 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_reference),
		cmocka_unit_test(slanted_triangular_is_the_paper_s),
		cmocka_unit_test(slanted_triangular_stays_in_its_range),
		cmocka_unit_test(constant_needs_no_total),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
