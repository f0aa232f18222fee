/* The option table becomes getopt_long's, and the text of --help. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool verbose;

static const char *name = "cloze";
static char *const *arguments;

const char *program_name(void) {
	return name;
}

const char *program_version(void) {
	return CLOZE_VERSION;
}

char *const *program_arguments(void) {
	return arguments;
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

static void print_default(const struct option_entry *option) {
	switch (option->kind) {
	case OPTION_KIND_INTEGER: {
		int64_t value = *(int64_t *)option->value;
		if ((double)value >= option->minimum && (double)value <= option->maximum)
			printf(" (default %lld)", (long long)value);
		break;
	}
	case OPTION_KIND_NUMBER: {
		double value = *(double *)option->value;
		if (value >= option->minimum && value <= option->maximum)
			printf(" (default %g)", value);
		break;
	}
	case OPTION_KIND_TEXT: {
		const char *value = *(const char **)option->value;
		if (value != NULL)
			printf(" (default %s)", value);
		break;
	}
	case OPTION_KIND_CHOICE: {
		size_t length;
		const char *word = choice_word(option, &length);
		if (word != NULL)
			printf(" (default %.*s)", (int)length, word);
		break;
	}
	default:
		break;
	}
}

static void print_option(const char *option, const char *argument, const char *help) {
	char left[128];
	snprintf(left, sizeof left, "--%s%s%s", option, argument ? " " : "", argument ? argument : "");
	printf(strlen(left) < 28 ? "  %-28s" : "  %s\n                              ", left);
	fputs(help, stdout);
}

static _Noreturn void print_help(const struct usage *usage, const struct option_entry *options) {
	printf("usage: %s [OPTION]... %s\n\n%s\n\n", name, usage->operands, usage->summary);
	for (const struct option_entry *option = options; option->name != NULL; option++) {
		print_option(option->name, option->argument, option->help);
		print_default(option);
		putchar('\n');
	}
	print_option("verbose", NULL, "say more on standard error, threads in use among it\n");
	print_option("help", NULL, "print this and exit\n");
	print_option("version", NULL, "print the version and exit\n");
	printf("\nexample: %s\n", usage->example);
	exit(finish_output());
}

static void set_integer(const struct option_entry *option, const char *text) {
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (end == text || *end != '\0')
		die(EX_USAGE, "--%s: %s is not a whole number (see --help)", option->name, text);
	if (errno != 0 || (double)value < option->minimum || (double)value > option->maximum)
		die(EX_USAGE, "--%s: %s is out of range (from %.0f to %.0f)", option->name, text, option->minimum,
			option->maximum);
	*(int64_t *)option->value = value;
}

static void set_number(const struct option_entry *option, const char *text) {
	char *end;
	errno = 0;
	double value = strtod(text, &end);
	if (end == text || *end != '\0' || isnan(value))
		die(EX_USAGE, "--%s: %s is not a number (see --help)", option->name, text);
	if (value < option->minimum || value > option->maximum)
		die(EX_USAGE, "--%s: %s is out of range (from %g to %g)", option->name, text, option->minimum,
			option->maximum);
	*(double *)option->value = value;
}

static void set_choice(const struct option_entry *option, const char *text) {
	int index = 0;
	for (const char *word = option->argument; word != NULL; index++) {
		size_t length = strcspn(word, "|");
		if (strlen(text) == length && strncmp(text, word, length) == 0) {
			*(int *)option->value = index;
			return;
		}
		word = word[length] == '|' ? word + length + 1 : NULL;
	}
	die(EX_USAGE, "--%s: %s is none of %s (see --help)", option->name, text, option->argument);
}

static void set_option(const struct option_entry *option, const char *text) {
	switch (option->kind) {
	case OPTION_KIND_FLAG:
		*(bool *)option->value = true;
		break;
	case OPTION_KIND_INTEGER:
		set_integer(option, text);
		break;
	case OPTION_KIND_NUMBER:
		set_number(option, text);
		break;
	case OPTION_KIND_TEXT:
		*(const char **)option->value = text;
		break;
	case OPTION_KIND_CHOICE:
		set_choice(option, text);
		break;
	case OPTION_KIND_END:
		break;
	}
}

/* getopt_long() permutes argv; the lineage wants it as it was given. */
static void remember_arguments(int argc, char **argv) {
	const char *slash = strrchr(argv[0], '/');
	name = slash == NULL ? argv[0] : slash + 1;
	char **copy = allocate((size_t)argc, sizeof *copy);
	for (int i = 1; i < argc; i++)
		copy[i - 1] = argv[i];
	arguments = copy;
}

int parse_options(int argc, char **argv, const struct usage *usage, const struct option_entry *options) {
	enum { VERBOSE = 1 << 16, HELP, VERSION };
	remember_arguments(argc, argv);
	signal(SIGPIPE, SIG_DFL);

	size_t count = 0;
	while (options[count].name != NULL)
		count++;
	struct option *table = allocate(count + 4, sizeof *table);
	for (size_t i = 0; i < count; i++)
		table[i] = (struct option){ options[i].name,
			options[i].kind == OPTION_KIND_FLAG ? no_argument : required_argument, NULL, (int)i };
	table[count] = (struct option){ "verbose", no_argument, NULL, VERBOSE };
	table[count + 1] = (struct option){ "help", no_argument, NULL, HELP };
	table[count + 2] = (struct option){ "version", no_argument, NULL, VERSION };

	opterr = 0;
	for (int chosen; (chosen = getopt_long(argc, argv, ":", table, NULL)) != -1;) {
		if (chosen == HELP)
			print_help(usage, options);
		if (chosen == VERSION) {
			printf("%s (cloze) %s\n", name, CLOZE_VERSION);
			exit(finish_output());
		}
		if (chosen == '?')
			die(EX_USAGE, "%s: no such option, or not one of its kind (see --help)", argv[optind - 1]);
		if (chosen == ':')
			die(EX_USAGE, "%s: a value is missing (see --help)", argv[optind - 1]);
		if (chosen == VERBOSE)
			verbose = true;
		else
			set_option(&options[chosen], optarg);
	}
	free(table);
	return optind;
}

const char *parse_options_with_input(int argc, char **argv, const struct usage *usage,
	const struct option_entry *options) {
	int first = parse_options(argc, argv, usage, options);
	if (argc - first > 1)
		die(EX_USAGE, "%s: one input is enough (see --help)", argv[first + 1]);
	return first == argc || strcmp(argv[first], "-") == 0 ? NULL : argv[first];
}
