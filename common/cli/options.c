/* options: parses a command line by a table, which also makes the text of --help and the arguments of a lineage. */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_file.h"
#include "base/launcher.h"
#include "base/memory.h"
#include "base/staged.h"
#include "cli/cli.h"
#include "cli/signals.h"
#include "cli/foreign_options.h"

bool verbose;

/* The command line: the options of the table and of the tables in it, and which of them were given. */
struct command_line {
	const char *name;
	const struct option_entry **options;
	bool *given;
	size_t count;
	char **operands; /* in argv, ended by NULL */
};

static struct command_line command = { .name = "cloze" };

const char *program_name(void) {
	return command.name;
}

const char *program_version(void) {
	return CLOZE_VERSION;
}

json_t *program_arguments(void) {
	json_t *arguments = json_array();
	for (size_t i = 0; i < command.count; i++) {
		const struct option_entry *option = command.options[i];
		if (!command.given[i] || option->unrecorded)
			continue;
		char *name = format_text("--%s", option->name), *value = option_text(option);
		json_array_append_new(arguments, json_string(name));
		if (option->kind != OPTION_KIND_FLAG && value != NULL)
			json_array_append_new(arguments, json_text(value, strlen(value)));
		free(name);
		free(value);
	}
	for (char **operand = command.operands; operand != NULL && *operand != NULL; operand++)
		json_array_append_new(arguments, json_text(*operand, strlen(*operand)));
	return arguments;
}

/* Whether an option that is not given has a value that may be given. */
static bool has_default(const struct option_entry *option) {
	switch (option->kind) {
	case OPTION_KIND_FLAG:
		return false;
	case OPTION_KIND_INTEGER: {
		double value = (double)*(int64_t *)option->value;
		return value >= option->minimum && value <= option->maximum;
	}
	case OPTION_KIND_NUMBER: {
		double value = *(double *)option->value;
		return value >= option->minimum && value <= option->maximum;
	}
	default:
		return true;
	}
}

static void print_default(const struct option_entry *option) {
	char *value = has_default(option) ? option_text(option) : NULL;
	if (value != NULL)
		printf(" (default %s)", value);
	free(value);
}

static void print_option(const char *option, const char *argument, const char *help) {
	char left[128];
	snprintf(left, sizeof left, "--%s%s%s", option, argument ? " " : "", argument ? argument : "");
	printf(strlen(left) < 28 ? "  %-28s" : "  %s\n                              ", left);
	fputs(help, stdout);
}

static _Noreturn void print_help(const struct usage *usage) {
	printf("usage: %s [OPTION]... %s\n\n%s\n\n", command.name, usage->operands, usage->summary);
	for (size_t i = 0; i < command.count; i++) {
		const struct option_entry *option = command.options[i];
		print_option(option->name, option->argument, option->help);
		if (option->required != NULL)
			fputs("; required", stdout);
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
	default:
		break;
	}
}

static void add_option(void *context, const struct option_entry *option) {
	(void)context;
	command.options = grow(command.options, command.count + 1, sizeof *command.options);
	command.options[command.count++] = option;
}

static void die_exhausted(void) {
	die(EX_OSERR, "memory: exhausted (use less: a smaller batch, or fewer records where a stage holds them all)");
}

static int clean_up_at_signals(struct failure *failure) {
	return signals_take(remove_unfinished, failure);
}

static void begin_command(const char *path, const struct option_entry *options) {
	const char *slash = strrchr(path, '/');
	command.name = slash == NULL ? path : slash + 1;
	command.count = 0;
	memory_on_exhausted(die_exhausted);
	signals_begin(command.name);
	staged_on_first(clean_up_at_signals);
	options_visit(options, add_option, NULL);
	free(command.given);
	command.given = allocate(command.count, sizeof *command.given);
}

enum { VERBOSE = 1 << 16, HELP, VERSION };

/* Adds an option to getopt_long()'s table; an option with hyphens is added a second time, with underscores. */
static size_t add_names(struct option *table, size_t count, struct option option) {
	table[count++] = option;
	if (strchr(option.name, '-') == NULL)
		return count;
	char *name = copy_text(option.name);
	for (char *hyphen = name; (hyphen = strchr(hyphen, '-')) != NULL;)
		*hyphen = '_';
	option.name = name;
	table[count++] = option;
	return count;
}

/* The options in the form that getopt_long() takes, ended by zeros. free_table() releases it. */
static struct option *getopt_table(void) {
	struct option *table = allocate(2 * command.count + 4, sizeof *table);
	size_t count = 0;
	for (size_t i = 0; i < command.count; i++)
		count = add_names(table, count, (struct option){ command.options[i]->name,
			command.options[i]->kind == OPTION_KIND_FLAG ? no_argument : required_argument, NULL, (int)i });
	table[count++] = (struct option){ "verbose", no_argument, NULL, VERBOSE };
	table[count++] = (struct option){ "help", no_argument, NULL, HELP };
	table[count] = (struct option){ "version", no_argument, NULL, VERSION };
	return table;
}

static void free_table(struct option *table) {
	for (struct option *option = table; option->name != NULL; option++)
		if (strchr(option->name, '_') != NULL)
			free((char *)(uintptr_t)option->name); /* NOLINT(clang-analyzer-unix.Malloc): a copy has '_' */
	free(table);
}

/* How many options of the table begin with the name; *exact says whether one has exactly this name. */
static size_t count_matches(const char *name, const struct option *table, bool *exact) {
	size_t length = strlen(name), matches = 0;
	*exact = false;
	for (; table->name != NULL; table++)
		if (strncmp(table->name, name, length) == 0) {
			matches++;
			*exact |= table->name[length] == '\0';
		}
	return matches;
}

/* The option's name in an argument such as --batch_size=8, with hyphens for underscores. free() releases it. */
static char *name_in(const char *argument) {
	char *name = copy_bytes(argument + 2, strcspn(argument + 2, "="));
	for (char *underscore = name; (underscore = strchr(underscore, '_')) != NULL;)
		*underscore = '-';
	return name;
}

static bool has_option(const char *name, size_t length) {
	for (size_t i = 0; i < command.count; i++)
		if (strncmp(command.options[i]->name, name, length) == 0 && command.options[i]->name[length] == '\0')
			return true;
	return false;
}

static _Noreturn void die_unknown(const char *argument, const char *name) {
	const struct foreign_option *foreign = foreign_option_find(name);
	if (foreign == NULL)
		die(EX_USAGE, "%s: unknown option (see --help)", argument);
	if (has_option(foreign->option, strcspn(foreign->option, " ")))
		die(EX_USAGE, "%s: unknown option (here it is --%s; see --help)", argument, foreign->option);
	die(EX_USAGE, "%s: unknown option (%s has --%s)", argument, foreign->tool, foreign->option);
}

/* getopt_long() returns '?' for an unknown option, an ambiguous one, and a flag with a value: tells the three apart. */
static _Noreturn void die_refused(const char *argument, const struct option *table) {
	bool exact;
	if (strncmp(argument, "--", 2) != 0)
		die(EX_USAGE, "%s: unknown option (options are whole words after two hyphens; see --help)", argument);
	char *name = name_in(argument);
	size_t matches = count_matches(name, table, &exact);
	if (matches == 0)
		die_unknown(argument, name);
	if (exact || matches == 1)
		die(EX_USAGE, "%s: the option takes no value (leave out what follows the =)", argument);
	die(EX_USAGE, "%s: ambiguous, the beginning of %zu options (write the whole name; see --help)", argument,
		matches);
}

/* Whether the text has the form of a model's name on the hub: NAME or OWNER/NAME. */
static bool is_hub_name(const char *text) {
	size_t slashes = 0;
	for (const char *c = text; *c != '\0'; c++) {
		slashes += *c == '/';
		if (strchr("-_./", *c) == NULL && !isalnum((unsigned char)*c))
			return false;
	}
	return isalnum((unsigned char)text[0]) && slashes <= 1 && text[strlen(text) - 1] != '/';
}

void check_model_folder(const char *folder) {
	if (is_hub_name(folder) && access(folder, F_OK) < 0 && errno == ENOENT)
		die(EX_NOINPUT, "%s: no such folder (make fetch MODEL=%s, in the source tree, fetches that model of the "
			"Hugging Face hub into run/downloads/%s)", folder, folder, folder);
}

static void check_values(void) {
	for (size_t i = 0; i < command.count; i++) {
		const struct option_entry *option = command.options[i];
		if (option->required != NULL && *(const char **)option->value == NULL)
			die(EX_USAGE, "--%s is missing (give %s)", option->name, option->required);
		/* Of the processes that mpirun started only the first need have the files. */
		if (option->model && *(const char **)option->value != NULL && launched_number() == 0)
			check_model_folder(*(const char **)option->value);
	}
}

int parse_options(int argc, char **argv, const struct usage *usage, const struct option_entry *options) {
	begin_command(argv[0], options);
	struct option *table = getopt_table();
	opterr = 0;
	for (int chosen; (chosen = getopt_long(argc, argv, ":h", table, NULL)) != -1;) {
		if (chosen == HELP || chosen == 'h')
			print_help(usage);
		if (chosen == VERSION) {
			printf("%s (cloze) %s\n", command.name, CLOZE_VERSION);
			exit(finish_output());
		}
		if (chosen == '?')
			die_refused(argv[optind - 1], table);
		if (chosen == ':')
			die(EX_USAGE, "%s: a value is missing (see --help)", argv[optind - 1]);
		if (chosen == VERBOSE) {
			verbose = true;
			continue;
		}
		set_option(command.options[chosen], optarg);
		command.given[chosen] = true;
	}
	free_table(table);
	command.operands = argv + optind;
	check_values();
	return optind;
}

const char *parse_options_with_input(int argc, char **argv, const struct usage *usage,
	const struct option_entry *options) {
	int first = parse_options(argc, argv, usage, options);
	if (argc - first > 1)
		die(EX_USAGE, "%s: one input is enough (see --help)", argv[first + 1]);
	return first == argc || strcmp(argv[first], "-") == 0 ? NULL : argv[first];
}
