/* options: walks the table of a program's options, and gives their values as text and JSON. */
#include "base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void options_visit(const struct option_entry *options, void (*visit)(void *context, const struct option_entry *option),
	void *context) {
	for (const struct option_entry *option = options; option->kind != OPTION_KIND_END; option++)
		if (option->kind == OPTION_KIND_TABLE)
			options_visit(option->value, visit, context);
		else
			visit(context, option);
}

const char *choice_word(const struct option_entry *option, size_t *length) {
	const char *word = option->argument;
	int left = *(int *)option->value;
	for (; left > 0 && word != NULL; left--)
		word = strchr(word, '|') == NULL ? NULL : strchr(word, '|') + 1;
	if (left < 0)
		word = NULL;
	*length = word != NULL ? strcspn(word, "|") : 0;
	return word;
}

static char *number_text(double value) {
	for (int digits = 6; ; digits++) {
		char *text = format_text("%.*g", digits, value);
		if (digits == 17 || strtod(text, NULL) == value)
			return text;
		free(text);
	}
}

char *option_text(const struct option_entry *option) {
	size_t length;
	const char *word;
	switch (option->kind) {
	case OPTION_KIND_FLAG:
		return *(bool *)option->value ? copy_text("") : NULL;
	case OPTION_KIND_INTEGER:
		return format_text("%lld", (long long)*(int64_t *)option->value);
	case OPTION_KIND_NUMBER:
		return number_text(*(double *)option->value);
	case OPTION_KIND_CHOICE:
		word = choice_word(option, &length);
		return word != NULL ? copy_bytes(word, length) : NULL;
	case OPTION_KIND_TEXT:
		word = *(const char **)option->value;
		return word != NULL ? copy_text(word) : NULL;
	default:
		return NULL;
	}
}

json_t *option_json(const struct option_entry *option) {
	switch (option->kind) {
	case OPTION_KIND_FLAG:
		return json_boolean(*(bool *)option->value);
	case OPTION_KIND_INTEGER:
		return json_integer(*(int64_t *)option->value);
	case OPTION_KIND_NUMBER:
		return json_real(*(double *)option->value);
	default: {
		char *text = option_text(option);
		json_t *json = text != NULL ? json_string(text) : json_null();
		free(text);
		return json;
	}
	}
}
