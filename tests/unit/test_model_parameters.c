/* test_model_parameters: the layout, roles and groups of the table of parameters, new values, and checkpoints in the
 * forms that transformers saves; the fixtures have these forms with equal values. */
#include "test.h"
#include "warned.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "model/digests.h"
#include "model/head.h"
#include "model/parameters_file.h"
#include "model/safetensors.h"

#define FIXTURES "tests/fixtures/model/"

static char folder[] = "/tmp/test_model_parameters.XXXXXX";

static int make_folder(void **state) {
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state) {
	static const char *const names[] = { "config.json", "model.safetensors", "notes" };
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = format_text("%s/%s", folder, names[i]);
		unlink(path);
		free(path);
	}
	return rmdir(folder);
}

/* Loads and returns the warnings in *said, which the caller frees. */
static struct parameters *load_noting(const char *path, uint64_t seed, char **said, struct failure *failure) {
	struct warned warned = { 0 };
	const struct warnings warnings = warnings_to(&warned);
	struct parameters *parameters = parameters_load(path, &masked_lm_head.layout, seed, &warnings, failure);
	*said = warned.text != NULL ? warned.text : copy_text("");
	return parameters;
}

/* Loads what must load without a word. */
static struct parameters *load(const char *path) {
	struct failure failure = { 0 };
	char *notes;
	struct parameters *parameters = load_noting(path, 0, &notes, &failure);
	if (parameters == NULL || *notes != '\0')
		fail_msg("%s: %s%s", path, failure.text, notes);
	free(notes);
	return parameters;
}

static struct parameters *create(const char *path) {
	struct config config;
	struct failure failure;
	assert_int_equal(config_read(path, &config, &failure), 0);
	return parameters_create(&config, &masked_lm_head.layout);
}

/* The tensors of a masked language model's head, as it numbers them. */
enum { TRANSFORM_WEIGHT, TRANSFORM_BIAS, HEAD_NORM_WEIGHT, HEAD_NORM_BIAS, DECODER_WEIGHT, DECODER_BIAS };

/* The values of such a tensor. */
static float *head_values(const struct parameters *parameters, size_t number) {
	return parameter_values(parameters, parameters_find(parameters, ROLE_HEAD, number));
}

static void layout(void **state) {
	(void)state;
	static const char *const paths[] = { FIXTURES "bert/config.json", FIXTURES "distilbert/config.json" };
	for (size_t p = 0; p < 2; p++) {
		struct config config;
		struct failure failure;
		assert_int_equal(config_read(paths[p], &config, &failure), 0);
		config.hidden_size = 6; /* C^2 is no multiple of 16 */
		struct parameters *parameters = parameters_create(&config, &masked_lm_head.layout);
		size_t end = 0, total = 0;
		for (size_t i = 0; i < parameters->count; i++) {
			const struct parameter *parameter = &parameters->table[i];
			size_t elements = parameter->shape[0] * (parameter->dimensions == 2 ? parameter->shape[1] : 1);
			bool adjoins = strstr(parameter->name, "key") || strstr(parameter->name, "k_lin")
				|| strstr(parameter->name, "value") || strstr(parameter->name, "v_lin");
			assert_int_equal(parameter->elements, elements);
			assert_int_equal(parameter->offset, adjoins ? end : (end + 15) / 16 * 16);
			assert_int_equal(parameter->decays, parameter->dimensions == 2);
			end = parameter->offset + elements;
			total += elements;
		}
		assert_int_equal(parameters->size, (end + 15) / 16 * 16);
		assert_int_equal(parameters_total(parameters), total);
		assert_null(parameters_find(parameters, ROLE_HEAD, DECODER_WEIGHT)); /* it is the word embeddings */
		assert_int_equal((uintptr_t)parameters->values % 64, 0);
		parameters_free(parameters);
	}
}

/* Ranges that follow each other and cover the table, and with it the block. */
static void groups_cover_the_table(void **state) {
	(void)state;
	static const char *const paths[] = { FIXTURES "bert/config.json", FIXTURES "distilbert/config.json" };
	static const char *const names[] = { "embeddings", "layer.0", "layer.1", "head" };
	for (size_t p = 0; p < 2; p++) {
		struct parameters *parameters = create(paths[p]);
		assert_int_equal(parameters->group_count, 4);
		assert_int_equal(layer_group(1), 2);
		assert_int_equal(head_group(parameters), 3);
		size_t end = 0;
		for (size_t g = 0; g < 4; g++) {
			const struct group *group = &parameters->groups[g];
			assert_string_equal(group->name, names[g]);
			assert_int_equal(group->first, end);
			assert_true(group->end > group->first);
			for (size_t i = group->first; i < group->end; i++) {
				const struct parameter *parameter = &parameters->table[i];
				bool layer = parameter->role >= ROLE_QUERY_WEIGHT && parameter->role <= ROLE_OUTPUT_NORM_BIAS;
				assert_int_equal(parameter->group, g);
				assert_int_equal(layer, g == 1 || g == 2);
				assert_int_equal(parameter->role == ROLE_HEAD, g == 3);
				assert_int_equal(layer ? layer_group(parameter->place) : g, g);
				assert_true(i == 0 || parameter->offset > parameters->table[i - 1].offset);
			}
			end = group->end;
		}
		assert_int_equal(end, parameters->count);
		parameters_free(parameters);
	}
}

/* A head of the test's own: the table knows no head but by its layout. */
static size_t list_two(const struct config *config, struct head_tensor tensors[MAX_HEAD_TENSORS]) {
	tensors[1] = (struct head_tensor){ .name = "scorer.weight", .rows = 3, .columns = config->hidden_size,
		.fill = FILL_NORMAL, .decays = true };
	tensors[2] = (struct head_tensor){ .name = "scorer.running_mean", .rows = 5, .fill = FILL_ONES, .is_statistic = true };
	return 3;
}

static void another_head(void **state) {
	(void)state;
	static const char *const none[] = { NULL };
	static const struct head_layout scorer = { .task = "scorer", .left_aside = none, .tensors = list_two };
	struct config config;
	struct failure failure;
	assert_int_equal(config_read(FIXTURES "bert/config.json", &config, &failure), 0);
	struct parameters *parameters = parameters_create(&config, &scorer), *encoder = create(FIXTURES "bert/config.json");
	const struct parameter *weight = parameters_find(parameters, ROLE_HEAD, 1);
	const struct parameter *mean = parameters_find(parameters, ROLE_HEAD, 2);
	assert_null(parameters_find(parameters, ROLE_HEAD, 0));
	assert_null(parameters_find(parameters, ROLE_HEAD, 3));
	assert_null(parameters_find(parameters, ROLE_HEAD, MAX_HEAD_TENSORS));
	assert_string_equal(weight->name, "scorer.weight");
	assert_string_equal(mean->name, "scorer.running_mean");
	assert_int_equal(mean - weight, 1);
	assert_true(weight->decays && !weight->is_statistic && !mean->decays && mean->is_statistic);
	size_t head = parameters->groups[head_group(parameters)].first;
	assert_ptr_equal(weight, &parameters->table[head]);
	size_t total = 3 * parameters->config.hidden_size;
	for (size_t i = 0; i < head; i++) { /* the encoder's part is the same with any head, and so are its new values */
		assert_string_equal(parameters->table[i].name, encoder->table[i].name);
		assert_int_equal(parameters->table[i].offset, encoder->table[i].offset);
		total += parameters->table[i].elements;
	}
	assert_int_equal(parameters_total(parameters), total); /* no statistics */
	parameters_initialize(parameters, 1);
	parameters_initialize(encoder, 1);
	assert_memory_equal(parameters->values, encoder->values, weight->offset * sizeof(float));
	assert_float_equal(parameter_values(parameters, mean)[4], 1, 0);
	parameters_free(encoder);
	parameters_free(parameters);
}

static void assert_role(const struct parameters *parameters, enum role role, size_t place, const char *name) {
	const struct parameter *parameter = parameters_find(parameters, role, place);
	if (parameter == NULL || strcmp(parameter->name, name) != 0)
		fail_msg("role %d of %zu: %s, expected %s", (int)role, place, parameter != NULL ? parameter->name : "none", name);
	assert_int_equal(parameter->role, role);
	assert_int_equal(parameter->place, place);
}

static void roles_name_their_parameters(void **state) {
	(void)state;
	struct parameters *bert = create(FIXTURES "bert/config.json"), *distil = create(FIXTURES "distilbert/config.json");
	static const struct { enum role role; const char *bert_name, *distil_name; } modules[] = {
		{ ROLE_ATTENTION_OUTPUT_WEIGHT, "attention.output.dense.weight", "attention.out_lin.weight" },
		{ ROLE_ATTENTION_OUTPUT_BIAS, "attention.output.dense.bias", "attention.out_lin.bias" },
		{ ROLE_ATTENTION_NORM_WEIGHT, "attention.output.LayerNorm.weight", "sa_layer_norm.weight" },
		{ ROLE_ATTENTION_NORM_BIAS, "attention.output.LayerNorm.bias", "sa_layer_norm.bias" },
		{ ROLE_INTERMEDIATE_WEIGHT, "intermediate.dense.weight", "ffn.lin1.weight" },
		{ ROLE_INTERMEDIATE_BIAS, "intermediate.dense.bias", "ffn.lin1.bias" },
		{ ROLE_OUTPUT_WEIGHT, "output.dense.weight", "ffn.lin2.weight" },
		{ ROLE_OUTPUT_BIAS, "output.dense.bias", "ffn.lin2.bias" },
		{ ROLE_OUTPUT_NORM_WEIGHT, "output.LayerNorm.weight", "output_layer_norm.weight" },
		{ ROLE_OUTPUT_NORM_BIAS, "output.LayerNorm.bias", "output_layer_norm.bias" },
		{ ROLE_QUERY_WEIGHT, "attention.self.query.weight", "attention.q_lin.weight" },
		{ ROLE_KEY_WEIGHT, "attention.self.key.weight", "attention.k_lin.weight" },
		{ ROLE_VALUE_WEIGHT, "attention.self.value.weight", "attention.v_lin.weight" },
		{ ROLE_QUERY_BIAS, "attention.self.query.bias", "attention.q_lin.bias" },
		{ ROLE_KEY_BIAS, "attention.self.key.bias", "attention.k_lin.bias" },
		{ ROLE_VALUE_BIAS, "attention.self.value.bias", "attention.v_lin.bias" },
	};
	for (size_t i = 0; i < 2 * sizeof modules / sizeof *modules; i++) {
		size_t layer = i % 2;
		char *name = format_text("bert.encoder.layer.%zu.%s", layer, modules[i / 2].bert_name);
		assert_role(bert, modules[i / 2].role, layer, name);
		free(name);
		name = format_text("distilbert.transformer.layer.%zu.%s", layer, modules[i / 2].distil_name);
		assert_role(distil, modules[i / 2].role, layer, name);
		free(name);
	}
	/* side by side, as one product takes them */
	size_t C = bert->config.hidden_size, query = parameters_find(bert, ROLE_QUERY_WEIGHT, 1)->offset;
	assert_int_equal(parameters_find(bert, ROLE_KEY_WEIGHT, 1)->offset, query + C * C);
	assert_int_equal(parameters_find(bert, ROLE_VALUE_WEIGHT, 1)->offset, query + 2 * C * C);
	query = parameters_find(bert, ROLE_QUERY_BIAS, 1)->offset;
	assert_int_equal(parameters_find(bert, ROLE_KEY_BIAS, 1)->offset, query + C);
	assert_int_equal(parameters_find(bert, ROLE_VALUE_BIAS, 1)->offset, query + 2 * C);

	assert_role(bert, ROLE_WORD_EMBEDDINGS, 0, "bert.embeddings.word_embeddings.weight");
	assert_role(bert, ROLE_POSITION_EMBEDDINGS, 0, "bert.embeddings.position_embeddings.weight");
	assert_role(bert, ROLE_TOKEN_TYPE_EMBEDDINGS, 0, "bert.embeddings.token_type_embeddings.weight");
	assert_role(bert, ROLE_EMBEDDING_NORM_WEIGHT, 0, "bert.embeddings.LayerNorm.weight");
	assert_role(distil, ROLE_EMBEDDING_NORM_BIAS, 0, "distilbert.embeddings.LayerNorm.bias");
	assert_null(parameters_find(distil, ROLE_TOKEN_TYPE_EMBEDDINGS, 0));
	assert_role(bert, ROLE_HEAD, TRANSFORM_WEIGHT, "cls.predictions.transform.dense.weight");
	assert_role(bert, ROLE_HEAD, HEAD_NORM_BIAS, "cls.predictions.transform.LayerNorm.bias");
	assert_role(bert, ROLE_HEAD, DECODER_BIAS, "cls.predictions.bias");
	assert_role(distil, ROLE_HEAD, TRANSFORM_BIAS, "vocab_transform.bias");
	assert_role(distil, ROLE_HEAD, HEAD_NORM_WEIGHT, "vocab_layer_norm.weight");
	assert_role(distil, ROLE_HEAD, DECODER_BIAS, "vocab_projector.bias");
	parameters_free(bert);
	parameters_free(distil);
}

static void forms_of_one_model(void **state) {
	(void)state;
	struct parameters *plain = load(FIXTURES "bert");
	struct failure failure;
	struct safetensors *file = safetensors_open(FIXTURES "bert", &failure);
	assert_non_null(file);
	for (size_t i = 0; i < plain->count; i++) { /* each value against the file itself */
		const struct tensor *tensor = safetensors_find(file, plain->table[i].name);
		assert_non_null(tensor);
		assert_memory_equal(plain->values + plain->table[i].offset, tensor->data, tensor->bytes);
		assert_false(plain->table[i].initialized);
	}
	assert_int_equal(safetensors_count(file), plain->count);
	safetensors_close(file);
	static const struct { const char *path, *dtype; } forms[] = {
		{ FIXTURES "bert-bf16-shards", "BF16" }, { FIXTURES "bert-f16-pre-training", "F16" },
	};
	for (size_t i = 0; i < 2; i++) {
		struct parameters *form = load(forms[i].path);
		assert_int_equal(form->size, plain->size);
		assert_memory_equal(form->values, plain->values, plain->size * sizeof *plain->values);
		assert_string_equal(form->table[0].dtype, forms[i].dtype);
		parameters_free(form);
	}
	parameters_free(plain);
}

static void saved_and_loaded(void **state) {
	(void)state;
	static const char *const paths[] = { FIXTURES "bert", FIXTURES "distilbert" };
	for (size_t p = 0; p < 2; p++) {
		struct parameters *parameters = load(paths[p]);
		struct failure failure;
		assert_null(parameters->lineage);
		parameters->lineage = json_pack("[{s:s}]", "tool", "test \xc3\xa9");
		assert_int_equal(parameters_save(parameters, folder, &failure), 0);
		struct parameters *again = load(folder);
		assert_int_equal(again->size, parameters->size);
		assert_memory_equal(again->values, parameters->values, parameters->size * sizeof(float));
		assert_true(json_equal(again->lineage, parameters->lineage));
		parameters_free(again);
		parameters_free(parameters);
	}
}

/* ---- mapped -------------------------------------------------------------------------------------------- */

static struct parameters *map(const char *path) {
	struct failure failure = { 0 };
	struct parameters *parameters = parameters_map(path, &masked_lm_head.layout, 7, NULL, &failure);
	if (parameters == NULL)
		fail_msg("%s: %s", path, failure.text);
	assert_int_equal(parameters_check(parameters, path, &failure), 0);
	return parameters;
}

/* The table of `mapped` against that of `loaded`; the offsets that the network uses differ, but tell the same
 * values. */
static void assert_same_values(const struct parameters *mapped, const struct parameters *loaded) {
	assert_int_equal(mapped->count, loaded->count);
	for (size_t i = 0; i < loaded->count; i++) {
		const struct parameter *a = &mapped->table[i], *b = &loaded->table[i];
		assert_string_equal(a->name, b->name);
		assert_string_equal(a->dtype, b->dtype);
		assert_int_equal(a->initialized, b->initialized);
		assert_memory_equal(mapped->values + a->offset, loaded->values + b->offset, a->elements * sizeof(float));
		assert_ptr_equal(parameters_find(mapped, a->role, a->place), a);
		if (i > 0 && parameter_adjoins_next(&a[-1])) /* query, key and value do */
			assert_int_equal(a->offset, a[-1].offset + a[-1].elements);
	}
	assert_int_equal(parameters_find(mapped, ROLE_HEAD, DECODER_WEIGHT) == NULL,
		parameters_find(loaded, ROLE_HEAD, DECODER_WEIGHT) == NULL);
	assert_int_equal(parameters_total(mapped), parameters_total(loaded));
}

/* How many of the parameters are read where they lie in the file. */
static size_t in_place(const struct parameters *mapped) {
	size_t count = 0;
	for (size_t i = 0; i < mapped->count; i++) {
		const struct tensor *tensor = safetensors_find(mapped->file, mapped->table[i].name);
		count += tensor != NULL && tensor->data == mapped->values + mapped->table[i].offset;
	}
	return count;
}

static void mapped(void **state) {
	(void)state;
	/* two layers each have a query, key and value, 6 weights and biases, that do not adjoin in transformers' files */
	static const struct { const char *path; size_t copied; } forms[] = {
		{ FIXTURES "bert", 12 }, { FIXTURES "distilbert", 12 }, { FIXTURES "bert-bf16-shards", SIZE_MAX },
		{ FIXTURES "bert-f16-pre-training", SIZE_MAX },
	};
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct parameters *loaded = load(forms[i].path), *file = map(forms[i].path);
		assert_same_values(file, loaded);
		struct parameters *described = parameters_describe(forms[i].path, &masked_lm_head.layout, NULL,
			&(struct failure){ 0 });
		assert_non_null(described);
		assert_null(described->values);
		assert_int_equal(described->count, loaded->count);
		assert_string_equal(described->table[3].dtype, loaded->table[3].dtype);
		assert_int_equal(safetensors_count(described->file), safetensors_count(file->file));
		parameters_free(described);
		assert_int_equal(in_place(file), forms[i].copied == SIZE_MAX ? 0 : file->count - forms[i].copied);
		parameters_free(file);
		struct failure failure;
		assert_int_equal(parameters_save(loaded, folder, &failure), 0);
		file = map(folder);
		assert_int_equal(in_place(file), file->count); /* in cloze's own they do */
		for (size_t k = 0; k < file->count; k++)
			assert_memory_equal(file->values + file->table[k].offset, loaded->values + loaded->table[k].offset,
				loaded->table[k].elements * sizeof(float));
		parameters_free(file);
		parameters_free(loaded);
	}
}

/* Data that begin at an odd address cannot be read there. */
static void mapped_from_odd_addresses(void **state) {
	(void)state;
	struct failure failure;
	size_t length;
	struct parameters *loaded = load(FIXTURES "distilbert");
	assert_int_equal(parameters_save(loaded, folder, &failure), 0);
	char *path = format_text("%s/model.safetensors", folder);
	char *bytes = read_file(path, 1 << 20, &length, &failure);
	assert_non_null(bytes);
	uint64_t header_length, longer;
	memcpy(&header_length, bytes, sizeof header_length);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	longer = header_length + 1;
	fwrite(&longer, sizeof longer, 1, file);
	fwrite(bytes + sizeof longer, 1, header_length, file);
	fputc(' ', file);
	fwrite(bytes + sizeof longer + header_length, 1, length - sizeof longer - header_length, file);
	assert_int_equal(fclose(file), 0);
	struct parameters *odd = map(folder);
	assert_same_values(odd, loaded);
	assert_int_equal(in_place(odd), 0);
	parameters_free(odd);
	parameters_free(loaded);
	free(bytes);
	free(path);
}

/* ---- initialization ------------------------------------------------------------------------------------ */

static void new_values(void **state) {
	(void)state;
	struct parameters *one = create(FIXTURES "bert/config.json"), *same = create(FIXTURES "bert/config.json");
	struct parameters *other = create(FIXTURES "bert/config.json");
	one->config.pad_token_id = same->config.pad_token_id = other->config.pad_token_id = 3;
	parameters_initialize(one, 5);
	parameters_initialize(same, 5);
	parameters_initialize(other, 6);
	assert_memory_equal(one->values, same->values, one->size * sizeof(float));
	double sum = 0, squares = 0;
	size_t count = 0;
	for (size_t i = 0; i < one->count; i++) {
		const struct parameter *parameter = &one->table[i];
		const float *values = one->values + parameter->offset;
		bool norm = strstr(parameter->name, "LayerNorm.weight") != NULL;
		bool differs = memcmp(values, other->values + parameter->offset, parameter->elements * sizeof *values) != 0;
		assert_true(parameter->initialized);
		assert_int_equal(differs, parameter->dimensions == 2);
		for (size_t k = 0; k < parameter->elements; k++)
			if (parameter->dimensions == 1)
				assert_float_equal(values[k], (norm ? 1.0f : 0.0f), 0);
			else if (parameter->role == ROLE_WORD_EMBEDDINGS && k / one->config.hidden_size == 3)
				assert_float_equal(values[k], 0, 0); /* the padding token's */
			else
				sum += values[k] / 0.02, squares += values[k] / 0.02 * (values[k] / 0.02), count++;
	}
	assert_true(fabs(sum / (double)count) < 5 / sqrt((double)count));
	assert_true(fabs(squares / (double)count - 1) < 5 * sqrt(2 / (double)count));
	const struct parameter *first = parameters_find(one, ROLE_OUTPUT_WEIGHT, 0);
	const struct parameter *second = parameters_find(one, ROLE_OUTPUT_WEIGHT, 1);
	/* no two tensors alike */
	assert_true(memcmp(parameter_values(one, first), parameter_values(one, second), sizeof(float)) != 0);
	parameters_free(one);
	parameters_free(same);
	parameters_free(other);
}

static void sinusoidal_positions(void **state) {
	(void)state;
	struct parameters *parameters = create(FIXTURES "distilbert/config.json");
	json_object_set_new(parameters->config.json, "sinusoidal_pos_embds", json_true());
	parameters_initialize(parameters, 1);
	const float *positions = parameter_values(parameters, parameters_find(parameters, ROLE_POSITION_EMBEDDINGS, 0));
	for (size_t c = 0; c < 8; c++)
		assert_float_equal(positions[c], (c % 2), 0);
	/* numpy: sin(3 / 10000 ** (4 / 8)), cos(3 / 10000 ** (4 / 8)) */
	assert_float_equal(positions[3 * 8 + 4], 0.029995500202495660, 1e-9);
	assert_float_equal(positions[3 * 8 + 5], 0.999550033748987500, 1e-7);
	parameters_free(parameters);
}

/* ---- checkpoints changed by hand ----------------------------------------------------------------------- */

/* Puts the BERT fixture into `folder`, under names that `rename` gives (NULL: left out). free() releases those. */
static void put_renamed(char *(*rename)(const char *name)) {
	struct parameters *parameters = load(FIXTURES "bert");
	struct tensor_source *sources = allocate(parameters->count, sizeof *sources);
	struct failure failure;
	size_t count = 0;
	for (size_t i = 0; i < parameters->count; i++) {
		const struct parameter *parameter = &parameters->table[i];
		char *name = rename(parameter->name);
		if (name != NULL)
			sources[count++] = (struct tensor_source){ name, parameter->dimensions,
				{ parameter->shape[0], parameter->shape[1] }, parameters->values + parameter->offset };
	}
	assert_int_equal(config_write(&parameters->config, "BertForMaskedLM", folder, &failure), 0);
	char *path = format_text("%s/model.safetensors", folder);
	assert_int_equal(safetensors_write(path, sources, count, NULL, &failure), 0);
	free(path);
	for (size_t i = 0; i < count; i++)
		free((char *)sources[i].name);
	free(sources);
	parameters_free(parameters);
}

static char *bare_and_old(const char *name) {
	const char *norm = strstr(name, "LayerNorm."), *bare = strncmp(name, "bert.", 5) == 0 ? name + 5 : name;
	if (norm == NULL)
		return copy_text(bare);
	return format_text("%.*sLayerNorm.%s", (int)(norm - bare), bare, strcmp(norm + 10, "weight") ? "beta" : "gamma");
}

static void old_names_without_prefix(void **state) {
	(void)state;
	put_renamed(bare_and_old);
	struct parameters *plain = load(FIXTURES "bert"), *renamed = load(folder);
	assert_memory_equal(renamed->values, plain->values, plain->size * sizeof(float));
	parameters_free(plain);
	parameters_free(renamed);
}

static char *decoder_names(const char *name) {
	return copy_text(strcmp(name, "bert.embeddings.word_embeddings.weight") == 0 ? "cls.predictions.decoder.weight"
		: strcmp(name, "cls.predictions.bias") == 0 ? "cls.predictions.decoder.bias" : name);
}

/* What is tied may be in the file under either name. */
static void tied_by_their_other_names(void **state) {
	(void)state;
	put_renamed(decoder_names);
	struct parameters *plain = load(FIXTURES "bert"), *renamed = load(folder);
	assert_memory_equal(renamed->values, plain->values, plain->size * sizeof(float));
	parameters_free(plain);
	parameters_free(renamed);
}

static char *encoder_only(const char *name) {
	return strncmp(name, "cls.", 4) == 0 ? NULL : copy_text(name);
}

static void missing_head(void **state) {
	(void)state;
	struct failure failure;
	char *notes, *notes_of_other;
	put_renamed(encoder_only);
	struct parameters *one = load_noting(folder, 7, &notes, &failure);
	struct parameters *other = load_noting(folder, 8, &notes_of_other, &failure);
	assert_non_null(one);
	assert_non_null(other);
	assert_non_null(strstr(notes, "seed 7: cls.predictions.transform.dense.weight, "
		"cls.predictions.transform.dense.bias, cls.predictions.transform.LayerNorm.weight, "
		"cls.predictions.transform.LayerNorm.bias, cls.predictions.bias\n"));
	assert_ptr_equal(strchr(notes, '\n') + 1, notes + strlen(notes)); /* one line */
	for (size_t i = 0; i < one->count; i++) {
		const struct parameter *parameter = &one->table[i];
		bool head = strncmp(parameter->name, "cls.", 4) == 0;
		bool differs = memcmp(one->values + parameter->offset, other->values + parameter->offset,
			parameter->elements * sizeof(float)) != 0;
		assert_int_equal(parameter->initialized, head);
		assert_int_equal(differs, parameter == parameters_find(one, ROLE_HEAD, TRANSFORM_WEIGHT));
	}
	struct parameters *file = parameters_map(folder, &masked_lm_head.layout, 7, NULL, &failure);
	assert_non_null(file);
	assert_same_values(file, one);
	parameters_free(file);
	free(notes);
	free(notes_of_other);
	parameters_free(one);
	parameters_free(other);
}

static char *with_strangers(const char *name) {
	static const char *const renamed[][2] = {
		{ "bert.embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.weight" },
		{ "cls.predictions.transform.dense.bias", "classifier.bias" },
		{ "cls.predictions.transform.dense.weight", "bert.pooler.dense.weight" },
		{ "cls.predictions.transform.LayerNorm.bias", "cls.seq_relationship.bias" },
		{ "cls.predictions.transform.LayerNorm.weight", "embeddings.position_ids" },
		{ "cls.predictions.bias", "aaa" },
	};
	for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
		if (strcmp(name, renamed[i][0]) == 0)
			return copy_text(renamed[i][1]);
	return copy_text(name);
}

static void strangers_are_named(void **state) {
	(void)state;
	struct failure failure;
	char *notes;
	put_renamed(with_strangers);
	struct parameters *parameters = load_noting(folder, 0, &notes, &failure);
	assert_non_null(parameters);
	assert_non_null(strstr(notes, "ignored 2 tensors that a masked language model does not have; the first is aaa\n"));
	free(notes);
	parameters_free(parameters);
}

static void assert_refused(const char *named) {
	struct failure failure = { 0 };
	char *notes;
	struct parameters *parameters = load_noting(folder, 0, &notes, &failure);
	if (parameters != NULL || failure.status != EX_DATAERR || strstr(failure.text, named) == NULL)
		fail_msg("expected %s, got status %d, %s", named, failure.status, failure.text);
	free(notes);
}

static char *without_key(const char *name) {
	return strcmp(name, "bert.encoder.layer.1.attention.self.key.weight") == 0 ? NULL : copy_text(name);
}

static char *twice(const char *name) {
	return copy_text(strcmp(name, "bert.encoder.layer.0.output.LayerNorm.bias") == 0
		? "encoder.layer.0.attention.output.LayerNorm.beta" : name);
}

static char *exchanged(const char *name) {
	static const char *const pair[2] = { "bert.encoder.layer.0.intermediate.dense.weight",
		"bert.encoder.layer.0.output.dense.weight" };
	return copy_text(strcmp(name, pair[0]) == 0 ? pair[1] : strcmp(name, pair[1]) == 0 ? pair[0] : name);
}

static void refused_by_name(void **state) {
	(void)state;
	put_renamed(without_key);
	assert_refused("bert.encoder.layer.1.attention.self.key.weight is missing (1 of the encoder's 37 are");
	put_renamed(twice);
	assert_refused("encoder.layer.0.attention.output.LayerNorm.beta are the same parameter");
	put_renamed(exchanged);
	assert_refused("tensor bert.encoder.layer.0.intermediate.dense.weight: has shape [8, 12], but config.json calls for "
		"[12, 8]");
	struct parameters *parameters = load(FIXTURES "distilbert");
	struct failure failure;
	head_values(parameters, TRANSFORM_BIAS)[3] = NAN;
	assert_int_equal(parameters_save(parameters, folder, &failure), 0);
	assert_refused("tensor vocab_transform.bias: element 3 is nan");
	struct parameters *file = parameters_map(folder, &masked_lm_head.layout, 0, NULL, &failure);
	assert_non_null(file);
	assert_int_equal(parameters_check(file, folder, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_non_null(strstr(failure.text, "tensor vocab_transform.bias: element 3 is nan"));
	parameters_free(file);
	head_values(parameters, TRANSFORM_BIAS)[3] = -INFINITY;
	assert_int_equal(parameters_save(parameters, folder, &failure), 0);
	assert_refused("tensor vocab_transform.bias: element 3 is -inf");
	parameters_free(parameters);
}

/* A model with an untied decoder is saved with both names of the bias, whatever the source's configuration said. */
static void untied(void **state) {
	(void)state;
	static const struct { const char *path; size_t second_bias; } families[] = {
		{ FIXTURES "bert/config.json", 24 }, { FIXTURES "distilbert/config.json", 0 },
	};
	for (size_t f = 0; f < 2; f++) {
		struct config config;
		struct failure failure;
		assert_int_equal(config_read(families[f].path, &config, &failure), 0);
		json_object_set_new(config.json, "tie_word_embeddings", json_false());
		config.tie_word_embeddings = false;
		struct parameters *parameters = parameters_create(&config, &masked_lm_head.layout);
		assert_non_null(parameters_find(parameters, ROLE_HEAD, DECODER_WEIGHT));
		parameters_initialize(parameters, 2);
		head_values(parameters, DECODER_BIAS)[0] = 5;
		assert_int_equal(parameters_save(parameters, folder, &failure), 0);
		struct safetensors *file = safetensors_open(folder, &failure);
		assert_non_null(file);
		assert_int_equal(safetensors_count(file), parameters->count + (families[f].second_bias > 0));
		safetensors_close(file);
		struct parameters *again = load(folder);
		assert_memory_equal(again->values, parameters->values, parameters->size * sizeof(float));
		size_t total = 0;
		for (size_t i = 0; i < again->count; i++)
			total += again->table[i].elements;
		assert_int_equal(parameters_total(again), total + families[f].second_bias);
		parameters_free(again);
		parameters_free(parameters);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout),
		cmocka_unit_test(groups_cover_the_table),
		cmocka_unit_test(another_head),
		cmocka_unit_test(roles_name_their_parameters),
		cmocka_unit_test(forms_of_one_model),
		cmocka_unit_test(saved_and_loaded),
		cmocka_unit_test(mapped),
		cmocka_unit_test(mapped_from_odd_addresses),
		cmocka_unit_test(new_values),
		cmocka_unit_test(sinusoidal_positions),
		cmocka_unit_test(old_names_without_prefix),
		cmocka_unit_test(tied_by_their_other_names),
		cmocka_unit_test(missing_head),
		cmocka_unit_test(strangers_are_named),
		cmocka_unit_test(refused_by_name),
		cmocka_unit_test(untied),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
