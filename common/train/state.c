/* state: writes and reads the state of a run, trainer_state.json. Doubles are written with 17 digits, which read back
 * as the same double. */
#include "train/state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json_file.h"
#include "base/memory.h"

enum { STATE_LIMIT = 1 << 30 };

void run_state_init(struct run_state *state) {
	*state = (struct run_state){ .total = -1, .options = json_object(), .log_history = json_array(),
		.files = json_object() };
}

void run_state_clear(struct run_state *state) {
	json_decref(state->options);
	json_decref(state->log_history);
	json_decref(state->files);
	state->options = state->log_history = state->files = NULL;
}

static json_t *reference_members(const struct run_state *state) {
	json_t *object = json_pack("{s:i, s:I, s:I, s:O, s:b, s:b, s:b}", "epoch", (int)state->epoch, "global_step",
		(json_int_t)state->step, "max_steps", (json_int_t)state->total, "log_history", state->log_history,
		"is_local_process_zero", 1, "is_world_process_zero", 1, "is_hyper_param_search", 0);
	json_object_update_new(object, json_pack("{s:I, s:I, s:I, s:I}",
		"train_batch_size", (json_int_t)state->train_batch_size, "logging_steps", (json_int_t)state->logging_steps,
		"save_steps", (json_int_t)state->save_steps, "num_train_epochs",
		(json_int_t)(state->num_train_epochs > state->epoch ? state->num_train_epochs : state->epoch)));
	if (state->eval_steps > 0)
		json_object_set_new(object, "eval_steps", json_integer(state->eval_steps));
	bool evaluated = state->best_step > 0;
	json_object_set_new(object, "best_metric", evaluated ? json_real(state->best_loss) : json_null());
	json_object_set_new(object, "best_global_step", evaluated ? json_integer(state->best_step) : json_null());
	bool saved = evaluated && state->best_saved == state->best_step;
	json_object_set_new(object, "best_model_checkpoint",
		saved ? json_sprintf("checkpoint-%" PRId64, state->best_step) : json_null());
	return object;
}

/* After resuming, the Trainer expects its control here when it saves. */
static json_t *control_members(const struct run_state *state) {
	return json_pack("{s:{s:b, s:b, s:b, s:b, s:b}, s:{}}", "args", "should_training_stop", (int)state->complete,
		"should_epoch_stop", 0, "should_save", 1, "should_evaluate", 0, "should_log", 0, "attributes");
}

static json_t *own_members(const struct run_state *state) {
	json_t *parts = json_array();
	for (size_t i = 0; i < LOSS_PARTS; i++)
		json_array_append_new(parts, json_real(state->interval.parts[i]));
	return json_pack("{s:I, s:I, s:b, s:b, s:b, s:f, s:o, s:I, s:f, s:I, s:I, s:I, s:O, s:O}",
		"records", (json_int_t)state->records, "digest", (json_int_t)state->digest, "complete", (int)state->complete,
		"stopped", (int)state->stopped, "evaluation_due", (int)state->evaluation_due,
		"interval_loss", state->interval.value, "interval_parts", parts,
		"interval_steps", (json_int_t)state->interval_steps, "last_loss", state->last_loss,
		"last_step", (json_int_t)state->last_step, "best_saved", (json_int_t)state->best_saved,
		"evaluations_since_best", (json_int_t)state->evaluations_since_best, "options", state->options,
		"files", state->files);
}

int run_state_write(const struct run_state *state, const char *folder, struct failure *failure) {
	json_t *object = reference_members(state);
	json_t *cloze = own_members(state);
	json_object_set_new(object, "stateful_callbacks", json_pack("{s:o, s:o}", "cloze", cloze, "TrainerControl",
		control_members(state)));
	json_object_set_new(cloze, "crc32", json_integer(json_crc(object)));
	char *json = json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	char *text = format_text("%s\n", json);
	char *path = format_text("%s/trainer_state.json", folder);
	int result = write_file(path, text, strlen(text), failure);
	free(json);
	free(text);
	free(path);
	json_decref(object);
	return result;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* An object that is being read. Only the first error is reported. */
struct members { json_t *object; const char *path; struct failure *failure; bool bad; };

__attribute__((format(printf, 3, 4)))
static void refuse(struct members *members, const char *name, const char *format, ...) {
	char why[64];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	if (!members->bad)
		fail(members->failure, EX_DATAERR, "%s: %s %s (the file is damaged, or another program wrote it)",
			members->path, name, why);
	members->bad = true;
}

/* The member of that name and type; JSON_TRUE stands for both booleans. NULL: there is none, which is reported. */
static json_t *member(struct members *members, const char *name, json_type type) {
	json_t *value = json_object_get(members->object, name);
	if (value != NULL && (json_typeof(value) == type || (type == JSON_TRUE && json_is_false(value))))
		return value;
	refuse(members, name, value == NULL ? "is missing" : "is of another type");
	return NULL;
}

static int64_t whole(struct members *members, const char *name, int64_t minimum, int64_t maximum) {
	const json_t *value = member(members, name, JSON_INTEGER);
	int64_t number = json_integer_value(value);
	if (value != NULL && (number < minimum || number > maximum))
		refuse(members, name, "is %" PRId64 ", which is out of range", number);
	return number;
}

static double real(struct members *members, const char *name) {
	return json_real_value(member(members, name, JSON_REAL));
}

static void read_reference_members(struct members *members, struct run_state *state) {
	state->step = whole(members, "global_step", 1, INT64_MAX);
	state->total = whole(members, "max_steps", -1, INT64_MAX);
	state->epoch = (int32_t)whole(members, "epoch", INT32_MIN, INT32_MAX);
	state->log_history = json_incref(member(members, "log_history", JSON_ARRAY));
	if (json_is_null(json_object_get(members->object, "best_metric")))
		return;
	state->best_loss = real(members, "best_metric");
	state->best_step = whole(members, "best_global_step", 1, state->step);
}

static void read_parts(struct members *members, double *parts) {
	const json_t *array = member(members, "interval_parts", JSON_ARRAY);
	for (size_t i = 0; i < LOSS_PARTS; i++)
		parts[i] = json_real_value(json_array_get(array, i));
	if (array != NULL && json_array_size(array) != LOSS_PARTS)
		refuse(members, "interval_parts", "does not have %d numbers", LOSS_PARTS);
}

static void read_own_members(struct members *members, struct run_state *state) {
	state->records = whole(members, "records", 1, INT64_MAX);
	state->digest = (uint32_t)whole(members, "digest", 0, UINT32_MAX);
	state->complete = json_is_true(member(members, "complete", JSON_TRUE));
	state->stopped = json_is_true(member(members, "stopped", JSON_TRUE));
	state->evaluation_due = json_is_true(member(members, "evaluation_due", JSON_TRUE));
	state->interval.value = real(members, "interval_loss");
	read_parts(members, state->interval.parts);
	state->interval_steps = whole(members, "interval_steps", 0, state->step);
	state->last_loss = real(members, "last_loss");
	state->last_step = whole(members, "last_step", 0, state->step);
	state->best_saved = whole(members, "best_saved", 0, state->step);
	state->evaluations_since_best = whole(members, "evaluations_since_best", 0, INT64_MAX);
	state->options = json_incref(member(members, "options", JSON_OBJECT));
	state->files = json_incref(member(members, "files", JSON_OBJECT));
	const char *name;
	json_t *crc;
	json_object_foreach(state->files, name, crc)
		if (strchr(name, '/') != NULL || !json_is_integer(crc))
			refuse(members, "files", "has a name that is not of a file in this folder");
}

/* Compares the CRC-32: without it, a changed digit would go unseen and lead to another model. */
static void check_crc(struct members *members, const json_t *object) {
	int64_t expected = whole(members, "crc32", 0, UINT32_MAX);
	json_object_del(members->object, "crc32");
	if (json_crc(object) != (uint32_t)expected)
		refuse(members, "crc32", "does not match the content");
}

static void read_object(struct members *members, struct run_state *state) {
	const json_t *object = members->object;
	read_reference_members(members, state);
	members->object = member(members, "stateful_callbacks", JSON_OBJECT);
	members->object = member(members, "cloze", JSON_OBJECT);
	read_own_members(members, state);
	if (!members->bad)
		check_crc(members, object);
}

int run_state_read(const char *folder, struct run_state *state, struct failure *failure) {
	char *path = format_text("%s/trainer_state.json", folder);
	json_t *object = json_file_read(path, STATE_LIMIT, failure);
	struct members members = { .object = object, .path = path, .failure = failure, .bad = object == NULL };
	*state = (struct run_state){ 0 };
	if (object != NULL)
		read_object(&members, state);
	int result = members.bad ? -1 : 0;
	if (result < 0)
		run_state_clear(state);
	json_decref(object);
	free(path);
	return result;
}
