/* A trainer_state.json: it is refused, or what is written of it is read again. */
#include "fuzz.h"

#include "cli/cli.h"
#include "train/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static char written[] = "/tmp/cloze-fuzz-written.XXXXXX";
	static bool made;
	struct failure failure;
	struct run_state state, again;
	if (run_state_read(bytes_as_folder(data, size, "trainer_state.json"), &state, &failure) < 0)
		return 0;
	if (!made && mkdtemp(written) == NULL)
		abort();
	made = true;
	check(run_state_write(&state, written, &failure), &failure);
	check(run_state_read(written, &again, &failure), &failure);
	if (again.step != state.step || !json_equal(again.log_history, state.log_history))
		abort();
	run_state_clear(&state);
	run_state_clear(&again);
	return 0;
}
