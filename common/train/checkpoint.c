/* checkpoint: the folder of a run, in which it leaves what it needs to go on as if it had never been stopped. Writing
 * under an unfinished name, syncing and renaming are base/staged.h's; this file decides what a folder holds and which
 * of several checkpoints is loaded. */
#include "train/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/staged.h"
#include "model/parameters_file.h"
#include "train/optimizer_file.h"

static const char optimizer_file[] = "optimizer.safetensors", model_file[] = "model.safetensors",
	state_file[] = "trainer_state.json";

struct run_folder {
	char *path;
	struct staged *staged; /* the unfinished folder; NULL: the folder exists */
	int lock;              /* descriptor of the folder, which holds its lock */
};

/* ---- names --------------------------------------------------------------------------------------------- */

static char *checkpoint_path(const char *folder, int64_t step) {
	return format_text("%s/checkpoint-%" PRId64, folder, step);
}

/* The step in the name of a checkpoint; 0: the name is not a checkpoint's. *rest points to what follows the number. */
static int64_t checkpoint_step(const char *name, const char **rest) {
	static const char prefix[] = "checkpoint-";
	char *end;
	if (strncmp(name, prefix, sizeof prefix - 1) != 0 || name[sizeof prefix - 1] < '1' || name[sizeof prefix - 1] > '9')
		return 0;
	int64_t step = strtoll(name + sizeof prefix - 1, &end, 10);
	*rest = end;
	return step;
}

static int compare_steps(const void *left, const void *right) {
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
	return (a > b) - (a < b);
}

struct steps { int64_t *values; size_t count; };

/* Lists the checkpoints in the folder, in ascending order; free() releases steps->values. -1: 66, 71, 74. */
static int list_steps(const char *path, struct steps *steps, struct failure *failure) {
	char **names = list_folder(path, failure);
	const char *rest;
	*steps = (struct steps){ 0 };
	for (char **name = names; name != NULL && *name != NULL; name++) {
		int64_t step = checkpoint_step(*name, &rest);
		if (step == 0 || *rest != '\0')
			continue;
		steps->values = grow(steps->values, steps->count + 1, sizeof *steps->values);
		steps->values[steps->count++] = step;
	}
	free_names(names);
	if (steps->count > 1)
		qsort(steps->values, steps->count, sizeof *steps->values, compare_steps);
	return names == NULL ? -1 : 0;
}

/* ---- the folder ---------------------------------------------------------------------------------------- */

/* Refuses a folder that is not a run's: it holds files, but no checkpoint, no state and nothing unfinished. Removes what
 * is unfinished. -1: 66, 71, 73, 74. */
static int check_is_ours(const char *path, struct failure *failure) {
	bool ours = remove_left_behind(path, NULL) > 0;
	char **names = list_folder(path, failure);
	const char *rest;
	if (names == NULL)
		return -1;
	bool empty = *names == NULL;
	for (char **name = names; *name != NULL; name++)
		if (strcmp(*name, state_file) == 0 || checkpoint_step(*name, &rest) > 0)
			ours = true;
	free_names(names);
	return empty || ours ? 0
		: fail(failure, EX_CANTCREAT, "%s: not the folder of a run (choose another, or give --force to replace it)", path);
}

/* Takes an existing folder, in which the run is to go on. -1: 66, 71, 73, 74. */
static int enter_folder(struct run_folder *folder, struct failure *failure) {
	folder->lock = lock_folder(folder->path, failure);
	if (folder->lock < 0)
		return -1;
	if (access(folder->path, W_OK | X_OK) < 0)
		return fail(failure, EX_CANTCREAT, "%s: %s", folder->path, strerror(errno));
	return check_is_ours(folder->path, failure);
}

static int begin_folder(struct run_folder *folder, bool replace, struct failure *failure) {
	folder->staged = staged_folder(folder->path, replace, failure);
	if (folder->staged == NULL)
		return -1;
	folder->lock = fcntl(staged_descriptor(folder->staged), F_DUPFD_CLOEXEC, 0);
	return 0;
}

/* Removes unfinished folders that killed runs left beside their target. */
static void remove_begun(const char *path) {
	const char *slash = strrchr(path, '/');
	char *parent = slash == NULL ? copy_text(".") : copy_bytes(path, (size_t)(slash - path) + 1);
	remove_left_behind(parent, slash == NULL ? path : slash + 1);
	free(parent);
}

struct run_folder *run_folder_open(const char *path, bool replace, bool resume, struct failure *failure) {
	struct run_folder *folder = allocate(1, sizeof *folder);
	folder->path = copy_path(path);
	folder->lock = -1;
	if (resume)
		remove_begun(folder->path);
	bool there = resume && (access(path, F_OK) == 0 || errno != ENOENT);
	if ((there ? enter_folder(folder, failure) : begin_folder(folder, replace, failure)) == 0)
		return folder;
	run_folder_close(folder);
	return NULL;
}

void run_folder_close(struct run_folder *folder) {
	if (folder == NULL)
		return;
	if (folder->staged != NULL)
		staged_discard(folder->staged);
	if (folder->lock >= 0)
		close(folder->lock);
	free(folder->path);
	free(folder);
}

/* ---- saving -------------------------------------------------------------------------------------------- */

static int write_optimizer(const struct saved_run *run, const char *folder, struct failure *failure) {
	char *path = format_text("%s/%s", folder, optimizer_file);
	int result = optimizer_save(run->optimizer, path, failure);
	free(path);
	return result;
}

/* The CRC-32 of a file into *crc. -1: 66, 74. */
static int file_crc(const char *path, uint32_t *crc, struct failure *failure) {
	enum { PIECE = 1 << 20 };
	int descriptor = open_regular(path, failure);
	if (descriptor < 0)
		return -1;
	char *piece = allocate(PIECE, 1);
	ssize_t got;
	*crc = 0;
	while ((got = read(descriptor, piece, PIECE)) > 0 || (got < 0 && errno == EINTR))
		if (got > 0)
			*crc = crc32_extend(*crc, piece, (size_t)got);
	int result = got < 0 ? fail(failure, EX_IOERR, "%s: %s", path, strerror(errno)) : 0;
	close(descriptor);
	free(piece);
	return result;
}

/* Fills state->files with the CRC-32 of every file in the folder. */
static int sum_files(const char *folder, struct run_state *state, struct failure *failure) {
	char **names = list_folder(folder, failure);
	int result = names == NULL ? -1 : 0;
	json_object_clear(state->files);
	for (char **name = names; result == 0 && *name != NULL; name++) {
		if (**name == '.')
			continue;
		char *path = format_text("%s/%s", folder, *name);
		uint32_t crc;
		result = file_crc(path, &crc, failure);
		if (result == 0)
			json_object_set_new(state->files, *name, json_integer(crc));
		free(path);
	}
	free_names(names);
	return result;
}

static int write_model(const struct saved_run *run, const char *folder, struct failure *failure) {
	return parameters_save(run->parameters, folder, failure) < 0
		|| (run->tokenizer != NULL && tokenizer_save(run->tokenizer, folder, failure) < 0) ? -1 : 0;
}

static int write_state(const struct saved_run *run, const char *folder, struct failure *failure) {
	return sum_files(folder, run->state, failure) < 0 ? -1 : run_state_write(run->state, folder, failure);
}

static int write_checkpoint(const struct saved_run *run, const char *folder, struct failure *failure) {
	return write_model(run, folder, failure) < 0 || write_optimizer(run, folder, failure) < 0
		|| write_state(run, folder, failure) < 0 ? -1 : 0;
}

void checkpoint_remove(const struct run_folder *folder, int64_t step) {
	char *path = checkpoint_path(folder->path, step);
	remove_tree(path);
	free(path);
}

/* Removes the oldest checkpoints until `limit` are left, but neither the one just saved nor the best. Checkpoints of
 * later steps are damaged ones that were passed over, and are removed first. -1: 66, 71, 74. */
static int remove_oldest(const struct run_folder *folder, int64_t limit, const struct run_state *state,
	struct failure *failure) {
	struct steps steps;
	if (limit == 0)
		return 0;
	if (list_steps(folder->path, &steps, failure) < 0)
		return -1;
	size_t left = steps.count, later = 0;
	while (later < steps.count && steps.values[later] <= state->step)
		later++;
	for (size_t i = 0; i < steps.count && left > (size_t)limit; i++) {
		int64_t step = steps.values[(later + i) % steps.count];
		if (step == state->step || step == state->best_step)
			continue;
		checkpoint_remove(folder, step);
		left--;
	}
	free(steps.values);
	return 0;
}

int checkpoint_save(struct run_folder *folder, const struct saved_run *run, int64_t limit, struct failure *failure) {
	bool first = folder->staged != NULL;
	char *path = checkpoint_path(first ? staged_path(folder->staged) : folder->path, run->state->step);
	struct staged *staged = folder->staged;
	int result = -1;
	if (run->state->step == run->state->best_step)
		run->state->best_saved = run->state->step;
	if (!first)
		staged = staged_folder(path, true, failure);
	else if (mkdir(path, 0777) < 0)
		fail(failure, EX_CANTCREAT, "%s: %s", path, strerror(errno)), staged = NULL;
	if (staged != NULL && write_checkpoint(run, first ? path : staged_path(staged), failure) == 0)
		result = staged_commit(staged, failure);
	else if (staged != NULL)
		staged_discard(staged);
	free(path);
	if (staged != NULL)
		folder->staged = NULL;
	return result == 0 ? remove_oldest(folder, limit, run->state, failure) : -1;
}

/* An existing folder may be the root of a file system, and nothing outside that can be renamed into it: its files are
 * staged within it. */
int run_folder_finish(struct run_folder *folder, const struct saved_run *run, struct failure *failure) {
	struct staged *staged = folder->staged;
	bool first = staged != NULL;
	folder->staged = NULL;
	if (!first) {
		char *path = format_text("%s/model", folder->path);
		staged = staged_folder(path, true, failure);
		free(path);
	}
	if (staged == NULL)
		return -1;
	if (write_model(run, staged_path(staged), failure) < 0 || write_state(run, staged_path(staged), failure) < 0) {
		staged_discard(staged);
		return -1;
	}
	return first ? staged_commit(staged, failure) : staged_merge(staged, folder->path, model_file, failure);
}

/* ---- loading ------------------------------------------------------------------------------------------- */

static int compare_file(const char *path, const json_t *expected, struct failure *failure) {
	uint32_t crc;
	if (file_crc(path, &crc, failure) < 0)
		return -1;
	if (json_integer_value(expected) == (json_int_t)crc)
		return 0;
	return fail(failure, EX_DATAERR, "%s: is damaged (crc32:%08" PRIx32 " where %s says otherwise)", path, crc,
		state_file);
}

/* Reads the state and compares the CRC-32 of the files beside it with those that it lists; it must list each of
 * `needed`. -1: 65, 66, 74; *state then owns nothing. */
static int read_whole(const char *folder, const char *const *needed, size_t count, struct run_state *state,
	struct failure *failure) {
	const char *name;
	json_t *expected;
	if (run_state_read(folder, state, failure) < 0)
		return -1;
	int result = 0;
	for (size_t i = 0; i < count && result == 0; i++)
		if (json_object_get(state->files, needed[i]) == NULL)
			result = fail(failure, EX_DATAERR, "%s/%s: says nothing of %s", folder, state_file, needed[i]);
	json_object_foreach(state->files, name, expected) {
		char *path = format_text("%s/%s", folder, name);
		if (result == 0)
			result = compare_file(path, expected, failure);
		free(path);
	}
	if (result < 0)
		run_state_clear(state);
	return result;
}

static int read_checkpoint(const char *path, struct run_state *state, struct failure *failure) {
	return read_whole(path, (const char *const[]){ model_file, optimizer_file }, 2, state, failure);
}

/* The first setting in which two configurations differ, of those that numbers depend on; NULL: none. */
static const char *configuration_difference(const struct config *a, const struct config *b) {
	return a->model_type != b->model_type ? "model_type"
		: a->vocab_size != b->vocab_size ? "vocab_size"
		: a->max_position_embeddings != b->max_position_embeddings ? "max_position_embeddings"
		: a->type_vocab_size != b->type_vocab_size ? "type_vocab_size"
		: a->hidden_size != b->hidden_size ? "hidden_size"
		: a->num_hidden_layers != b->num_hidden_layers ? "num_hidden_layers"
		: a->num_attention_heads != b->num_attention_heads ? "num_attention_heads"
		: a->intermediate_size != b->intermediate_size ? "intermediate_size"
		: a->hidden_act != b->hidden_act ? "hidden_act"
		: a->hidden_dropout < b->hidden_dropout || a->hidden_dropout > b->hidden_dropout ? "hidden_dropout"
		: a->attention_dropout < b->attention_dropout || a->attention_dropout > b->attention_dropout ? "attention_dropout"
		: a->layer_norm_eps < b->layer_norm_eps || a->layer_norm_eps > b->layer_norm_eps ? "layer_norm_eps"
		: a->tie_word_embeddings != b->tie_word_embeddings ? "tie_word_embeddings" : NULL;
}

/* Compares the checkpoint's config.json with the configuration of the model, which would otherwise go on as another
 * one. */
static int check_configuration(const char *folder, const struct parameters *parameters, struct failure *failure) {
	char *path = format_text("%s/config.json", folder);
	struct config saved;
	int result = config_read(path, &saved, failure);
	if (result == 0) {
		const char *name = configuration_difference(&saved, &parameters->config);
		if (name != NULL)
			result = fail(failure, EX_DATAERR, "%s: another %s than the model has (was the run begun from another --model, or "
				"has its config.json been changed?)", path, name);
		config_clear(&saved);
	}
	free(path);
	return result;
}

int run_folder_complete(const struct run_folder *folder, const struct saved_run *run, struct failure *failure) {
	struct run_state found;
	if (folder->staged != NULL || !file_exists(folder->path, state_file) || !file_exists(folder->path, model_file))
		return 0;
	if (read_whole(folder->path, (const char *const[]){ model_file }, 1, &found, failure) < 0)
		return -1;
	int result = !found.complete ? 0 : check_configuration(folder->path, run->parameters, failure) < 0 ? -1 : 1;
	if (result <= 0) {
		run_state_clear(&found);
		return result;
	}
	run_state_clear(run->state);
	*run->state = found;
	return 1;
}

static int load_optimizer(const char *folder, const struct saved_run *run, struct failure *failure) {
	char *path = format_text("%s/%s", folder, optimizer_file);
	int result = optimizer_load(run->optimizer, path, failure);
	free(path);
	return result;
}

static int load(const char *folder, struct saved_run *run, struct run_state *state, struct failure *failure) {
	if (check_configuration(folder, run->parameters, failure) < 0
			|| parameters_read(run->parameters, folder, failure) < 0 || load_optimizer(folder, run, failure) < 0) {
		run_state_clear(state);
		return -1;
	}
	run_state_clear(run->state);
	*run->state = *state;
	return 1;
}

int checkpoint_load_newest(const struct run_folder *folder, struct saved_run *run, const struct warnings *warnings,
	struct failure *failure) {
	struct steps steps = { 0 };
	struct run_state state;
	int result = 0;
	if (folder->staged == NULL && list_steps(folder->path, &steps, failure) < 0)
		return -1;
	for (size_t i = steps.count; i-- > 0 && result <= 0;) {
		char *path = checkpoint_path(folder->path, steps.values[i]);
		result = read_checkpoint(path, &state, failure);
		if (result < 0 && failure->status == EX_OSERR)
			i = 0;
		else if (result < 0)
			warn(warnings, "passing over %s: %s", path, failure->text);
		else if ((result = load(path, run, &state, failure)) < 0)
			i = 0;
		free(path);
	}
	free(steps.values);
	return result;
}

int checkpoint_check(const struct run_folder *folder, int64_t step, struct failure *failure) {
	char *path = checkpoint_path(folder->path, step);
	struct run_state state;
	int result = read_checkpoint(path, &state, failure);
	if (result == 0)
		run_state_clear(&state);
	free(path);
	return result;
}

int folder_verify(const char *folder, struct failure *failure) {
	struct run_state state;
	if (read_whole(folder, (const char *const[]){ model_file }, 1, &state, failure) < 0)
		return -1;
	int count = (int)json_object_size(state.files);
	run_state_clear(&state);
	return count;
}

int checkpoint_load_weights(const struct run_folder *folder, int64_t step, struct parameters *parameters,
	struct failure *failure) {
	char *path = checkpoint_path(folder->path, step);
	int result = checkpoint_check(folder, step, failure) < 0 ? -1 : parameters_read(parameters, path, failure);
	free(path);
	return result;
}
