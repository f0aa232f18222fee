/* test_cli_options: the arguments that a command line gives to a lineage. */
#include "test.h"

#include <getopt.h>
#include <stdlib.h>

#include "cli/options.h"

/* The arguments that decide what is written, however they were spelled. */
static void tells_the_arguments(void **state) {
	(void)state;
	static int64_t threads, count = 1;
	static double rate = 1;
	static bool flag, other_flag;
	static const char *memory, *test_out;
	static const struct option_entry inner[] = { OPTION_NUMBER("rate", &rate, 0, 1, "R", "a rate"), OPTION_END };
	static const struct option_entry options[] = { OPTION_THREADS(&threads),
		OPTION_TEXT("memory", &memory, "SIZE", "", .unrecorded = true), OPTION_TABLE(inner),
		OPTION_TEXT("test-out", &test_out, "FILE", ""), OPTION_INTEGER("count", &count, 0, 9, "N", ""),
		OPTION_FLAG("flag", &flag, ""), OPTION_FLAG("other-flag", &other_flag, ""), OPTION_END };
	static const struct usage usage = { .operands = "[FILE...]", .summary = "", .example = "" };
	char *one[] = { "tool", "--threads", "3", "--threads=4", "--mem", "1K", "--verbose", "--test-out", "a", "--cou=2",
		"--flag", "--rate", "0.10", "b", NULL };
	char *other[] = { "tool", "--rate=1e-1", "--test_out", "a", "--count", "7", "--count", "2", "b", "--fl", NULL };
	parse_options(14, one, &usage, options);
	json_t *first = program_arguments();
	char *text = json_dumps(first, JSON_COMPACT);
	assert_string_equal(text, "[\"--rate\",\"0.1\",\"--test-out\",\"a\",\"--count\",\"2\",\"--flag\",\"b\"]");
	free(text);
	optind = 0; /* getopt_long() begins anew */
	parse_options(10, other, &usage, options);
	json_t *second = program_arguments();
	assert_true(json_equal(first, second));
	json_decref(first);
	json_decref(second);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_arguments),
	};
	return cmocka_run_group_tests_name("cli/options", tests, NULL, NULL);
}
