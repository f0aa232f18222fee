/* launcher: whether a launcher of parallel programs started this program. */
#include "base/launcher.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>

/* The innermost launcher first: mpirun under Slurm leaves srun's variables in the environment. */
static const struct { const char *size, *number; bool connects; } launchers[] = {
	{ "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", true },
	{ "PMI_SIZE", "PMI_RANK", true },
	{ "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", false },
};

static int whole_number(const char *name, int otherwise) {
	const char *text = getenv(name);
	char *end;
	long number = text != NULL ? strtol(text, &end, 10) : -1;
	return text != NULL && end != text && *end == '\0' && number >= 0 && number <= INT_MAX ? (int)number : otherwise;
}

/* The index of the launcher that started the program. */
static size_t find_launcher(void) {
	size_t i = 0;
	while (i + 1 < sizeof launchers / sizeof *launchers && getenv(launchers[i].size) == NULL)
		i++;
	return i;
}

int launched_processes(void) {
	int count = whole_number(launchers[find_launcher()].size, 1);
	return count > 1 ? count : 1;
}

bool launched_together(void) {
	return launchers[find_launcher()].connects || getenv("PMIX_RANK") != NULL;
}

int launched_number(void) {
	return launched_processes() > 1 ? whole_number(launchers[find_launcher()].number, 0) : 0;
}
