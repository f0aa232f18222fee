/* Launchers: what the environment says of the processes that were started together. */
#include <stdlib.h>

#include "test.h"

#include "base/launcher.h"

static const char *const names[] = { "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK",
	"SLURM_STEP_NUM_TASKS", "SLURM_PROCID" };

static int clear(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
	return 0;
}

static void expect(int processes, int number) {
	assert_int_equal(launched_processes(), processes);
	assert_int_equal(launched_number(), number);
}

static void by_itself(void **state) {
	(void)state;
	expect(1, 0);
	setenv("SLURM_PROCID", "0", 1); /* a batch script of Slurm, which no srun has started */
	expect(1, 0);
}

static void by_each_launcher(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i += 2) {
		setenv(names[i], "4", 1);
		setenv(names[i + 1], "3", 1);
		expect(4, 3);
		unsetenv(names[i]);
		unsetenv(names[i + 1]);
	}
}

/* Open MPI starts its daemons by srun: its own word counts. */
static void by_one_within_another(void **state) {
	(void)state;
	setenv("SLURM_STEP_NUM_TASKS", "2", 1);
	setenv("SLURM_PROCID", "1", 1);
	setenv("OMPI_COMM_WORLD_SIZE", "8", 1);
	setenv("OMPI_COMM_WORLD_RANK", "0", 1);
	expect(8, 0);
	setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
	expect(1, 0);
}

static void together(void **state) {
	(void)state;
	unsetenv("PMIX_RANK");
	assert_false(launched_together());
	setenv("SLURM_STEP_NUM_TASKS", "2", 1);
	assert_false(launched_together()); /* srun --mpi=none */
	setenv("PMIX_RANK", "0", 1);
	assert_true(launched_together());
	unsetenv("PMIX_RANK");
	setenv("PMI_SIZE", "2", 1);
	assert_true(launched_together());
}

static void nonsense(void **state) {
	(void)state;
	static const char *const words[] = { "", "x", "4x", "-4", "0", "99999999999" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		setenv("PMI_SIZE", words[i], 1);
		expect(1, 0);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(by_itself, clear),
		cmocka_unit_test_setup(by_each_launcher, clear),
		cmocka_unit_test_setup(by_one_within_another, clear),
		cmocka_unit_test_setup(together, clear),
		cmocka_unit_test_setup(nonsense, clear),
	};
	return cmocka_run_group_tests(tests, NULL, clear);
}
