/* A loop over records; each is checked whole before the stage sees it. Messages count records from 1. */
#include "masking/masking.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "record/columns.h"
#include "record/stream.h"
#include "text/tokenizer.h"

static void read_model(const char *model, struct stream_info *info, const char *input) {
	struct failure failure;
	struct tokenizer *tokenizer = tokenizer_load(model, &failure);
	if (tokenizer == NULL)
		die_failure(&failure);
	const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
	char fingerprint[16];
	vocabulary_fingerprint(vocabulary, fingerprint);
	if (info->vocab_fingerprint[0] != '\0' && strcmp(info->vocab_fingerprint, fingerprint) != 0)
		die(EX_DATAERR, "%s: tokenized with another vocabulary, %s, than that of %s, %s (name the model it was tokenized"
			" for)", input, info->vocab_fingerprint, model, fingerprint);
	memcpy(info->vocab_fingerprint, fingerprint, sizeof fingerprint);
	info->vocab_size = (int64_t)vocabulary_size(vocabulary);
	struct special_ids ids = tokenizer_special_ids(tokenizer);
	info->pad_id = ids.pad;
	info->unk_id = ids.unk;
	info->cls_id = ids.cls;
	info->sep_id = ids.sep;
	info->mask_id = ids.mask;
	tokenizer_free(tokenizer);
	if (info->mask_id < 0)
		die(EX_DATAERR, "%s: its vocabulary has no [MASK]", model);
}

static void check_info(const struct stream_info *info, const char *input) {
	if (info->mask_id < 0 || info->vocab_size < 0)
		die(EX_DATAERR, "%s: the id of [MASK] and the vocabulary's size are not known (name the model's folder with"
			" --model)", input);
	if (info->vocab_size > INT32_MAX || info->mask_id >= info->vocab_size)
		die(EX_DATAERR, "%s: the id of [MASK], %d, is outside the vocabulary, of %lld tokens (name the model's folder"
			" with --model)", input, info->mask_id, (long long)info->vocab_size);
	if (info->type == RECORD_MASKED)
		die(EX_DATAERR, "%s: its records are masked already (mask the chunks that they were made of)", input);
}

static void read_list(const char *input, int64_t record, const struct column *column, int64_t row,
	struct int32_list *list) {
	struct failure failure;
	if (column_int32_list(column, row, -1, list, &failure) < 0)
		die(failure.status, "%s: record %lld: %s", input, (long long)record + 1, failure.text);
}

static void check_ids(const char *input, int64_t record, const struct int32_list *input_ids, int64_t vocab_size) {
	for (size_t i = 0; i < input_ids->count; i++)
		if (input_ids->values[i] < 0 || input_ids->values[i] >= vocab_size)
			die(EX_DATAERR, "%s: record %lld: input_ids[%zu] is %d, outside the vocabulary of %lld tokens", input,
				(long long)record + 1, i, input_ids->values[i], (long long)vocab_size);
}

static void check_word_ids(const char *input, int64_t record, const struct int32_list *word_ids, size_t count) {
	if (word_ids->count != count)
		die(EX_DATAERR, "%s: record %lld: %zu word_ids for %zu input_ids (give one a token, null where there is none)",
			input, (long long)record + 1, word_ids->count, count);
	for (size_t i = 0; i < count; i++)
		if (word_ids->values[i] < -1)
			die(EX_DATAERR, "%s: record %lld: word_ids[%zu] is %d (words count from 0)", input, (long long)record + 1,
				i, word_ids->values[i]);
}

/* word_column -1: the stage does without. */
static void mask_records(struct reader *in, int id_column, int word_column, const struct stream_info *info,
	mask_record *mask, const struct carried *carried, struct writer *out) {
	const char *name = reader_name(in);
	struct int32_list input_ids = { 0 }, word_ids = { 0 };
	int32_t *labels = NULL;
	struct batch *batch;
	struct failure failure;
	int64_t record = 0;
	while (check(reader_next(in, &batch, &failure), &failure) == 1) {
		for (int64_t row = 0; row < batch->rows; row++, record++) {
			read_list(name, record, &batch->columns[id_column], row, &input_ids);
			check_ids(name, record, &input_ids, info->vocab_size);
			if (word_column >= 0) {
				read_list(name, record, &batch->columns[word_column], row, &word_ids);
				check_word_ids(name, record, &word_ids, input_ids.count);
			}
			labels = grow(labels, input_ids.count, sizeof *labels);
			for (size_t i = 0; i < input_ids.count; i++)
				labels[i] = -100;
			mask(info, record, input_ids.values, word_column >= 0 ? word_ids.values : NULL, labels, input_ids.count);
			builder_append_int32_list(writer_column(out, 0), input_ids.values, input_ids.count);
			builder_append_int32_list(writer_column(out, 1), labels, input_ids.count);
			carried_append(carried, batch, row, out);
			check(writer_end_row(out, &failure), &failure);
		}
		batch_free(batch);
	}
	free(input_ids.values);
	free(word_ids.values);
	free(labels);
}

int mask_stream(const char *input, const char *model, int64_t seed, bool with_word_ids, mask_record *mask) {
	struct reader *in = open_input_stream(input);
	struct failure failure;
	int id_column = check(reader_find_int_list(in, "input_ids", &failure), &failure);
	int word_column = with_word_ids ? check(reader_find_int_list(in, "word_ids", &failure), &failure) : -1;
	struct stream_info info;
	stream_info_copy(&info, reader_info(in));
	if (model != NULL)
		read_model(model, &info, reader_name(in));
	check_info(&info, reader_name(in));
	info.type = RECORD_MASKED;

	struct schema schema = { 0 };
	schema_add_int32_list(&schema, "input_ids");
	schema_add_int32_list(&schema, "labels");
	struct carried *carried = carried_create(reader_schema(in),
		(const char *const[]){ "input_ids", "word_ids", "labels", NULL });
	carried_add_fields(carried, &schema);
	struct writer *out = open_output_stream(&schema, &info, seed);

	mask_records(in, id_column, word_column, &info, mask, carried, out);
	carried_destroy(carried);
	stream_info_clear(&info);
	schema_clear(&schema);
	reader_close(in);
	return close_output_stream(out);
}
