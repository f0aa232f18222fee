/* rec-dump: records as JSON lines, or as the text that their tokens stand for.
 *
 * Rows become text in a buffer, by type; a batch's text is written before the next batch is read, so that all that
 * arrived is shown even of a stream that was cut. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/bytes.h"
#include "base/clean.h"
#include "base/files.h"
#include "base/json_file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "record/stream.h"
#include "text/tokenizer.h"
#include "train/vocabulary_info.h"

static bool info_only, text_only;
static const char *model;
static int64_t limit = -1;
static bool on_terminal; /* standard output is one */

static const struct option_entry options[] = {
	OPTION_FLAG("info", &info_only, "print the columns and the metadata as one object, and no rows"),
	OPTION_FLAG("text", &text_only, "with --model: print each record's tokens as a line of text"),
	OPTION_TEXT("model", &model, "DIR", "with --text: the model folder whose tokenizer decodes the ids"),
	OPTION_INTEGER("limit", &limit, 0, 9007199254740992.0, "N", "stop after N rows, without a look at the rest"),
	OPTION_END
};

static const struct usage usage = {
	.operands = "[FILE]",
	.summary = "Prints a stream as JSON lines: one object a record, its keys the columns.",
	.example = "rec-dump --limit 3 train.arrows | jq '.input_ids | length'",
};

static void put_text(struct bytes *out, const char *text) {
	bytes_append(out, text, strlen(text));
}

/* ---- values -------------------------------------------------------------------------------------------- */

static void put_unsigned(struct bytes *out, uint64_t value) {
	char digits[20];
	size_t at = sizeof digits;
	do
		digits[--at] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	bytes_append(out, digits + at, sizeof digits - at);
}

static void put_integer(struct bytes *out, int64_t value) {
	if (value < 0)
		put_text(out, "-");
	put_unsigned(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* The fewest digits that read back as the same value of `width` bytes, with a point or exponent to tell it from an
 * integer. JSON has no infinity and no NaN. */
static void put_float(struct bytes *out, double value, size_t width) {
	char text[40];
	if (!isfinite(value)) {
		put_text(out, "null");
		return;
	}
	/* a number of 15 digits, or 6, is told from every other one, unless it is subnormal */
	bool subnormal = fabs(value) < (width == 8 ? DBL_MIN : (double)FLT_MIN);
	for (int digits = subnormal ? 1 : width == 8 ? 15 : 6;; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		if (digits == 17 || (width < 8 ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value))
			break;
	}
	put_text(out, text);
	if (strpbrk(text, ".e") == NULL)
		put_text(out, ".0");
}

/* The escape of a character that may not stand in a JSON string as it is, or must not reach a terminal. */
static void put_escape(struct bytes *out, uint32_t point) {
	static const char letters[] = "btn.fr"; /* of 8 to 13 */
	char escape[8];
	if (point == '"' || point == '\\')
		snprintf(escape, sizeof escape, "\\%c", (int)point);
	else if (point >= 8 && point <= 13 && point != 11)
		snprintf(escape, sizeof escape, "\\%c", letters[point - 8]);
	else
		snprintf(escape, sizeof escape, "\\u%04x", (unsigned)point);
	put_text(out, escape);
}

/* A string in quotes. On a terminal every control character is escaped (base/clean.h), which changes the bytes and
 * not the value. False: it is not UTF-8. */
static bool put_string(struct bytes *out, const char *text, size_t length) {
	size_t done = 0; /* all before is in `out` */
	put_text(out, "\"");
	for (size_t i = 0, taken; i < length; i += taken) {
		uint32_t point = (unsigned char)text[i];
		taken = 1;
		if (point >= 0x80)
			taken = utf8_decode(text + i, length - i, &point);
		if (point == UTF8_INVALID)
			return false;
		if (point >= ' ' && point != '"' && point != '\\' && !(on_terminal && is_control(point)))
			continue;
		bytes_append(out, text + done, i - done);
		done = i + taken;
		put_escape(out, point);
	}
	bytes_append(out, text + done, length - done);
	put_text(out, "\"");
	return true;
}

/* RFC 4648, section 4. */
static void put_base64(struct bytes *out, const uint8_t *bytes, size_t length) {
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	put_text(out, "\"");
	for (size_t i = 0; i < length; i += 3) {
		uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)(i + 1 < length ? bytes[i + 1] : 0) << 8
			| (i + 2 < length ? bytes[i + 2] : 0);
		char four[4] = { digits[group >> 18], digits[group >> 12 & 63], i + 1 < length ? digits[group >> 6 & 63] : '=',
			i + 2 < length ? digits[group & 63] : '=' };
		bytes_append(out, four, sizeof four);
	}
	put_text(out, "\"");
}

/* A two's-complement integer of up to 32 bytes, `scale` of whose decimal digits follow the point. */
static void put_decimal(struct bytes *out, const uint8_t *value, size_t width, int scale) {
	uint32_t limbs[8] = { 0 };
	char digits[96]; /* 2^256 has 78; the least significant first */
	size_t count = 0, words = width / 4;
	memcpy(limbs, value, width);
	bool negative = limbs[words - 1] >> 31;
	for (size_t i = 0, carry = 1; negative && i < words; i++) {
		uint64_t sum = (uint64_t)~limbs[i] + carry;
		limbs[i] = (uint32_t)sum;
		carry = (size_t)(sum >> 32);
	}
	for (bool more = true; more || (scale > 0 && count <= (size_t)scale && count < sizeof digits - 1);) {
		uint64_t rest = 0;
		more = false;
		for (size_t i = words; i-- > 0;) {
			rest = rest << 32 | limbs[i];
			limbs[i] = (uint32_t)(rest / 10);
			rest %= 10;
			more |= limbs[i] != 0;
		}
		digits[count++] = (char)('0' + rest);
	}
	put_text(out, negative ? "\"-" : "\"");
	while (count-- > 0) {
		bytes_append(out, &digits[count], 1);
		if (scale > 0 && count == (size_t)scale)
			put_text(out, ".");
	}
	for (int i = 0; i > scale; i--)
		put_text(out, "0");
	put_text(out, "\"");
}

/* Its parts as Arrow has them: months; [days, milliseconds]; or [months, days, nanoseconds]. */
static void put_interval(struct bytes *out, const uint8_t *value, size_t width) {
	int32_t parts[2] = { 0 };
	int64_t nanoseconds;
	memcpy(parts, value, width < 8 ? 4 : 8);
	if (width == 4) {
		put_integer(out, parts[0]);
		return;
	}
	put_text(out, "[");
	put_integer(out, parts[0]);
	put_text(out, ", ");
	put_integer(out, parts[1]);
	if (width == 16) {
		memcpy(&nanoseconds, value + 8, 8);
		put_text(out, ", ");
		put_integer(out, nanoseconds);
	}
	put_text(out, "]");
}

/* A value of fixed width that is no integer, date or time. */
static void put_fixed(struct bytes *out, const struct column *column, int64_t row) {
	const struct type *type = &column->field->type;
	size_t width = type->id == TYPE_FIXED_SIZE_BINARY ? (size_t)type->size : (size_t)type->bit_width / 8;
	const uint8_t *value = column->values + (size_t)row * width;
	if (type->id == TYPE_FIXED_SIZE_BINARY) {
		put_base64(out, value, width);
	} else if (type->id == TYPE_DECIMAL) {
		put_decimal(out, value, width, type->scale);
	} else if (type->id == TYPE_INTERVAL) {
		put_interval(out, value, width);
	} else {
		put_float(out, column_float(column, row), width);
	}
}

/* A date, time, timestamp or duration: a count of its units. */
static void put_time(struct bytes *out, const struct column *column, int64_t row) {
	int32_t narrow;
	int64_t wide;
	if (column->field->type.bit_width == 32) {
		memcpy(&narrow, column->values + 4 * row, 4);
		put_integer(out, narrow);
	} else {
		memcpy(&wide, column->values + 8 * row, 8);
		put_integer(out, wide);
	}
}

static bool put_value(struct bytes *out, const struct column *column, int64_t row);

/* A row of lists; integers, by far the most, without a call a type. */
static bool put_list(struct bytes *out, const struct column *column, int64_t row) {
	const struct column *child = &column->children[0];
	bool is_int = child->field->type.id == TYPE_INT && child->field->type.is_signed;
	int64_t first, count;
	column_range(column, row, &first, &count);
	put_text(out, "[");
	for (int64_t i = 0; i < count; i++) {
		if (i > 0)
			bytes_append(out, ", ", 2);
		if (is_int && !column_is_null(child, first + i))
			put_integer(out, column_integer(child, first + i, 0));
		else if (!put_value(out, child, first + i))
			return false;
	}
	put_text(out, "]");
	return true;
}

static bool put_struct(struct bytes *out, const struct column *column, int64_t row) {
	put_text(out, "{");
	for (size_t i = 0; i < column->field->child_count; i++) {
		const char *name = column->field->children[i].name;
		put_text(out, i > 0 ? ", " : "");
		if (!put_string(out, name, strlen(name)))
			return false;
		put_text(out, ": ");
		if (!put_value(out, &column->children[i], row))
			return false;
	}
	put_text(out, "}");
	return true;
}

/* False: a string in it is not UTF-8. */
static bool put_value(struct bytes *out, const struct column *column, int64_t row) {
	const struct type *type = &column->field->type;
	size_t length;
	const char *bytes;
	if (column_is_null(column, row)) {
		put_text(out, "null");
		return true;
	}
	switch (type->id) {
	case TYPE_UTF8:
	case TYPE_LARGE_UTF8:
		bytes = column_bytes(column, row, &length);
		return put_string(out, bytes, length);
	case TYPE_BINARY:
	case TYPE_LARGE_BINARY:
		bytes = column_bytes(column, row, &length);
		put_base64(out, (const uint8_t *)bytes, length);
		return true;
	case TYPE_LIST:
	case TYPE_LARGE_LIST:
	case TYPE_FIXED_SIZE_LIST:
	case TYPE_MAP:
		return put_list(out, column, row);
	case TYPE_STRUCT:
		return put_struct(out, column, row);
	case TYPE_BOOL:
		put_text(out, column_bool(column, row) ? "true" : "false");
		return true;
	case TYPE_INT:
		if (type->is_signed)
			put_integer(out, column_integer(column, row, 0));
		else
			put_unsigned(out, (uint64_t)column_integer(column, row, 0));
		return true;
	case TYPE_DATE:
	case TYPE_TIME:
	case TYPE_TIMESTAMP:
	case TYPE_DURATION:
		put_time(out, column, row);
		return true;
	default:
		put_fixed(out, column, row);
		return true;
	}
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

static void write_text(struct bytes *out) {
	struct failure failure;
	check(write_all(STDOUT_FILENO, out->data, out->size, "standard output", &failure), &failure);
	out->size = 0;
}

/* `"name": ` of each column. */
static struct bytes *column_keys(const struct reader *reader) {
	const struct schema *schema = reader_schema(reader);
	struct bytes *keys = allocate(schema->count, sizeof *keys);
	for (size_t i = 0; i < schema->count; i++) {
		const char *name = schema->fields[i].name;
		put_text(&keys[i], i > 0 ? ", " : "");
		if (!put_string(&keys[i], name, strlen(name)))
			die(EX_DATAERR, "%s: the name of column %zu is not UTF-8 (rename it)", reader_name(reader), i + 1);
		put_text(&keys[i], ": ");
	}
	return keys;
}

static void print_rows(struct reader *reader) {
	enum { WRITE_SIZE = 1 << 16 };
	const struct schema *schema = reader_schema(reader);
	struct bytes *keys = column_keys(reader), out = { 0 };
	struct batch *batch;
	struct failure failure;
	int64_t rows = 0;
	while (rows != limit && check(reader_next(reader, &batch, &failure), &failure) > 0) {
		for (int64_t row = 0; row < batch->rows && rows != limit; row++, rows++) {
			size_t line = out.size;
			put_text(&out, "{");
			for (size_t i = 0; i < schema->count; i++) {
				bytes_append(&out, keys[i].data, keys[i].size);
				if (put_value(&out, &batch->columns[i], row))
					continue;
				out.size = line;
				write_text(&out);
				die(EX_DATAERR, "%s: record %" PRId64 ": column %s is not UTF-8 (make it a binary column)",
					reader_name(reader), rows + 1, schema->fields[i].name);
			}
			put_text(&out, "}\n");
			if (out.size >= WRITE_SIZE)
				write_text(&out);
		}
		write_text(&out);
		batch_free(batch);
	}
	for (size_t i = 0; i < schema->count; i++)
		free(keys[i].data);
	free(keys);
	free(out.data);
}

/* ---- records as text ------------------------------------------------------------------------------------- */

/* What is needed to decode rows: the columns' indices, -1 for labels that are not there, and the lists of one row. */
struct decoder {
	struct tokenizer *tokenizer;
	struct reader *reader;
	int input_ids, labels;
	struct int32_list ids, before;
};

/* Reads the lists of a row; a null id or label, and a label that masks nothing, are negative. */
static void read_lists(struct decoder *decoder, const struct batch *batch, int64_t row, int64_t record) {
	struct failure failure;
	if (column_int32_list(&batch->columns[decoder->input_ids], row, -1, &decoder->ids, &failure) < 0
		|| (decoder->labels >= 0
			&& column_int32_list(&batch->columns[decoder->labels], row, -100, &decoder->before, &failure) < 0))
		die(failure.status, "%s: record %" PRId64 ": %s", reader_name(decoder->reader), record, failure.text);
	if (decoder->labels >= 0 && decoder->before.count != decoder->ids.count)
		die(EX_DATAERR, "%s: record %" PRId64 ": %zu input_ids and %zu labels (there must be as many)",
			reader_name(decoder->reader), record, decoder->ids.count, decoder->before.count);
}

static void print_text(struct decoder *decoder, const struct batch *batch, int64_t row, int64_t record) {
	read_lists(decoder, batch, row, record);
	const struct int32_list *ids = &decoder->ids;
	char *text = decoder->labels < 0 ? tokenizer_decode(decoder->tokenizer, ids->values, ids->count, false)
		: tokenizer_decode_masked(decoder->tokenizer, ids->values, decoder->before.values, ids->count);
	puts(clean(text));
	free(text);
}

static void print_texts(struct reader *reader) {
	struct failure failure;
	struct batch *batch;
	int64_t records = 0;
	struct decoder decoder = { .reader = reader, .tokenizer = must(tokenizer_load(model, &failure), &failure) };
	check(stream_info_check_vocabulary(reader_info(reader), decoder.tokenizer, reader_name(reader), &failure), &failure);
	decoder.input_ids = check(reader_find_int_list(reader, "input_ids", &failure), &failure);
	decoder.labels = reader_find_int_list(reader, "labels", &failure);
	if (reader_info(reader)->type == RECORD_CHUNKS)
		decoder.labels = -1; /* a copy of input_ids */
	while (records != limit && check(reader_next(reader, &batch, &failure), &failure) > 0) {
		for (int64_t row = 0; row < batch->rows && records != limit; row++)
			print_text(&decoder, batch, row, ++records);
		batch_free(batch);
	}
	free(decoder.ids.values);
	free(decoder.before.values);
	tokenizer_free(decoder.tokenizer);
}

/* ---- the stream ------------------------------------------------------------------------------------------ */

/* {"columns": [{"name": ..., "type": ...}, ...], "records": ..., "cloze": {...}, "metadata": {...}}; records is -1
 * where they were not counted. */
static void print_info(const struct reader *reader, int64_t records) {
	const struct schema *schema = reader_schema(reader);
	json_t *columns = json_array(), *metadata = json_object();
	for (size_t i = 0; i < schema->count; i++) {
		const char *name = schema->fields[i].name;
		char *type = type_text(&schema->fields[i]);
		json_array_append_new(columns, json_pack("{s:o, s:s*}", "name", json_text(name, strlen(name)), "type", type));
		free(type);
	}
	for (size_t i = 0; i < schema->metadata.count; i++) {
		const struct key_value *pair = &schema->metadata.pairs[i];
		json_t *key = json_text(pair->key, strlen(pair->key));
		json_object_set_new(metadata, json_string_value(key), json_text(pair->value, pair->value_length));
		json_decref(key);
	}
	char *cloze = stream_info_format(reader_info(reader));
	json_t *info = json_pack("{s:o, s:o*, s:o, s:o}", "columns", columns, "records",
		records >= 0 ? json_integer(records) : NULL, "cloze", json_loads(cloze, 0, NULL), "metadata", metadata);
	char *text = json_dumps(info, JSON_INDENT(2));
	puts(text);
	free(text);
	free(cloze);
	json_decref(info);
}

/* Only a regular file can be counted without being used up. -1: another input. */
static int64_t count_records(const char *path, struct reader *reader) {
	struct stat status;
	bool found = path != NULL ? stat(path, &status) == 0 : fstat(STDIN_FILENO, &status) == 0;
	return found && S_ISREG(status.st_mode) ? reader_total(reader) : -1;
}

int main(int argc, char **argv) {
	const char *path = parse_options_with_input(argc, argv, &usage, options);
	if (text_only != (model != NULL))
		die(EX_USAGE, "--text, --model: only one given (--text decodes ids with the tokenizer of the --model)");
	if (text_only && info_only)
		die(EX_USAGE, "--text, --info: both given (give one of the two)");
	struct reader *reader = open_input_stream(path);
	on_terminal = isatty(STDOUT_FILENO);
	if (info_only)
		print_info(reader, count_records(path, reader));
	else if (text_only)
		print_texts(reader);
	else
		print_rows(reader);
	reader_close(reader);
	return finish_output();
}
