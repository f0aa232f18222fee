/* optimizer_file: saves and loads the state of AdamW, in a safetensors file beside a checkpoint's model. */
#include "train/optimizer_file.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/parameters_file.h"

static const char *const moments[] = { "exp_avg", "exp_avg_sq" };
enum { MOMENTS = sizeof moments / sizeof *moments };

static const struct blocks *moment_blocks(struct optimizer *optimizer, size_t moment) {
	const struct optimizer_state *state = optimizer_state(optimizer);
	return moment == 0 ? state->exp_avg : state->exp_avg_sq;
}

/* ---- saving -------------------------------------------------------------------------------------------- */

/* The metadata of the file, which the caller owns. */
static json_t *describe_steps(struct optimizer *optimizer, const struct parameters *parameters) {
	json_t *steps = json_object(), *metadata = json_object();
	for (size_t g = 0; g < parameters->group_count; g++)
		if (optimizer_state(optimizer)->steps[g] > 0)
			json_object_set_new(steps, parameters->groups[g].name, json_integer(optimizer_state(optimizer)->steps[g]));
	json_t *cloze = json_pack("{s:o}", "steps", steps);
	char *text = json_dumps(cloze, JSON_COMPACT);
	json_object_set_new(metadata, "cloze", json_string(text));
	free(text);
	json_decref(cloze);
	return metadata;
}

int optimizer_save(struct optimizer *optimizer, const char *path, struct failure *failure) {
	const struct parameters *parameters = optimizer_gradients(optimizer)->parameters;
	struct tensor_source *tensors = allocate(MOMENTS * parameters->count, sizeof *tensors);
	char **names = allocate(MOMENTS * parameters->count, sizeof *names);
	size_t count = 0;
	for (size_t moment = 0; moment < MOMENTS; moment++)
		for (size_t i = 0; i < parameters->count; i++) {
			const struct parameter *parameter = &parameters->table[i];
			const float *values = moment_blocks(optimizer, moment)->of[i];
			if (values == NULL)
				continue;
			names[count] = format_text("%s.%s", moments[moment], parameter->name);
			tensors[count] = (struct tensor_source){ .name = names[count], .dimensions = parameter->dimensions,
				.shape = { parameter->shape[0], parameter->shape[1] }, .values = values };
			count++;
		}
	json_t *metadata = describe_steps(optimizer, parameters);
	int result = safetensors_write(path, tensors, count, metadata, failure);
	json_decref(metadata);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	free(tensors);
	return result;
}

/* ---- loading ------------------------------------------------------------------------------------------- */

/* Thaws the groups that the metadata names, and sets their steps. -1: 65. */
static int load_steps(struct optimizer *optimizer, const struct safetensors *file, const char *path,
	struct failure *failure) {
	const struct parameters *parameters = optimizer_gradients(optimizer)->parameters;
	const char *text = json_string_value(json_object_get(safetensors_metadata(file), "cloze"));
	json_t *cloze = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const json_t *steps = json_object_get(cloze, "steps");
	int result = json_is_object(steps) ? 0
		: fail(failure, EX_DATAERR, "%s: does not say how many steps each group has taken", path);
	for (size_t g = 0; g < parameters->group_count && result == 0; g++) {
		const json_t *taken = json_object_get(steps, parameters->groups[g].name);
		if (taken == NULL)
			continue;
		if (!json_is_integer(taken) || json_integer_value(taken) <= 0)
			result = fail(failure, EX_DATAERR, "%s: the steps of %s are not a number above 0", path,
				parameters->groups[g].name);
		optimizer_thaw(optimizer, g);
		optimizer_state(optimizer)->steps[g] = json_integer_value(taken);
	}
	json_decref(cloze);
	return result;
}

static int load_moment(const struct safetensors *file, const char *path, const char *prefix,
	const struct blocks *blocks, struct failure *failure) {
	int result = 0;
	for (size_t i = 0; i < blocks->parameters->count && result == 0; i++) {
		if (blocks->of[i] == NULL)
			continue;
		char *name = format_text("%s.%s", prefix, blocks->parameters->table[i].name);
		result = parameter_read(file, path, name, &blocks->parameters->table[i], blocks->of[i], failure);
		free(name);
	}
	return result;
}

int optimizer_load(struct optimizer *optimizer, const char *path, struct failure *failure) {
	struct safetensors *file = safetensors_open_file(path, failure);
	int result = file == NULL ? -1 : load_steps(optimizer, file, path, failure);
	for (size_t moment = 0; moment < MOMENTS && result == 0; moment++)
		result = load_moment(file, path, moments[moment], moment_blocks(optimizer, moment), failure);
	safetensors_close(file);
	return result;
}
