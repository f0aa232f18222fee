/* state: feeds any bytes as trainer_state.json: it is refused, or it can be written and read again. */
#include "fuzz.h"

#include <sys/stat.h>

#include "cli/cli.h"
#include "train/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct failure failure;
	struct run_state state, again;
	const char *folder = bytes_as_folder(data, size, "trainer_state.json");
	if (run_state_read(folder, &state, &failure) < 0)
		return 0;
	remove_tree(folder);
	mkdir(folder, 0700);
	check(run_state_write(&state, folder, &failure), &failure);
	check(run_state_read(folder, &again, &failure), &failure);
	if (again.step != state.step || !json_equal(again.log_history, state.log_history))
		abort();
	run_state_clear(&state);
	run_state_clear(&again);
	return 0;
}
