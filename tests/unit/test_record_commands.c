/* test_record_commands: lineages become scripts: unusual ones, and hostile ones. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "record/commands.h"

/* The script of a lineage that is given as JSON, without its head. free() releases it. */
static char *script_of(const char *json) {
	struct failure failure;
	json_t *lineage = json_loads(json, 0, NULL);
	assert_non_null(lineage);
	char *script = lineage_commands(lineage, &failure);
	json_decref(lineage);
	assert_non_null(script);
	const char *body = strstr(script, "EXIT\n\n");
	assert_non_null(body);
	char *copy = strdup(body + strlen("EXIT\n\n"));
	free(script);
	return copy;
}

static void expect(const char *json, const char *script) {
	char *got = script_of(json);
	assert_string_equal(got, script);
	free(got);
}

static void refuses(const char *json, const char *reason) {
	struct failure failure;
	json_t *lineage = json_loads(json, 0, NULL);
	assert_non_null(lineage);
	assert_null(lineage_commands(lineage, &failure));
	assert_int_equal(failure.status, EX_DATAERR);
	if (strstr(failure.text, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", failure.text, reason);
	json_decref(lineage);
}

/* Later stages may have read files; what a flag is followed by is such a file, what an option is followed by is not. */
static void leaves_operands_to_the_first_stage(void **state) {
	(void)state;
	expect("[{\"tool\": \"imdb-read\", \"arguments\": [\"--limit\", \"3\", \"a b\", \"c\"]},"
		"{\"tool\": \"wordpiece\", \"arguments\": [\"--vocab\", \"v\", \"--cased\", \"text.arrows\"]},"
		"{\"tool\": \"train-step\", \"arguments\": [\"--model\", \"m\", \"--eval\", \"e\", \"--eval-steps\", \"2\", \"x\"]}]",
		"imdb-read --limit 3 'a b' c \\\n\t| wordpiece --vocab v --cased \\\n\t| train-step --model m --out \"$out\" > /dev/null\n");
	expect("[{\"tool\": \"train-step\", \"arguments\": [\"--model\", \"m\", \"masked.arrows\"]}]",
		"train-step --model m masked.arrows --out \"$out\" > /dev/null\n");
}

/* rec-load does not know how many records there will be, which a run has to know. */
static void puts_uncounted_records_into_a_file(void **state) {
	(void)state;
	expect("[{\"tool\": \"rec-load\", \"arguments\": [\"--type\", \"chunks\", \"x.jsonl\"]},"
		"{\"tool\": \"wwm-mask\", \"arguments\": []}, {\"tool\": \"train-step\", \"arguments\": [\"--model\", \"m\"]}]",
		"rec-load --type chunks x.jsonl \\\n\t| wwm-mask > \"$work/records-1\"\n"
		"train-step --model m < \"$work/records-1\" --out \"$out\" > /dev/null\n");
}

static void makes_the_inputs_of_a_stage(void **state) {
	(void)state;
	expect("[{\"tool\": \"rec-cat\", \"arguments\": [\"a\", \"b\"], \"inputs\": ["
		"[{\"tool\": \"imdb-read\", \"arguments\": [\"x\"]}], [{\"tool\": \"imdb-read\", \"arguments\": [\"y\"]}]]},"
		"{\"tool\": \"train-step\", \"arguments\": [\"--model\", \"m\"]}]",
		"imdb-read x > \"$work/input-1\"\nimdb-read y > \"$work/input-2\"\n"
		"rec-cat \"$work/input-1\" \"$work/input-2\" \\\n\t| train-step --model m --out \"$out\" > /dev/null\n");
}

/* The model of one part is what the next part starts from, by whatever name; other models stay what they are. */
static void goes_from_model_to_model(void **state) {
	(void)state;
	expect("[{\"tool\": \"model-init\", \"arguments\": [\"--config\", \"c\"]},"
		"{\"tool\": \"teach\", \"arguments\": [\"--model\", \"teacher\"]},"
		"{\"tool\": \"distill-step\", \"arguments\": [\"--model\", \"student\", \"--out\", \"/etc\"]}]",
		"model-init --config c --out \"$work/model-1\"\n"
		"teach --model teacher \\\n\t| distill-step --model \"$work/model-1\" --out \"$work/test-2\" --out \"$out\" > /dev/null\n");
}

static void evaluates_on_the_test_records(void **state) {
	(void)state;
	expect("[{\"tool\": \"split-records\", \"arguments\": [\"--test-out\", \"t\"]}, {\"tool\": \"train-step\","
		"\"arguments\": [\"--load-best-model-at-end\", \"--eval\", \"e\"],"
		"\"eval\": [{\"tool\": \"split-records\", \"arguments\": [\"--test-out\", \"t\"]}]}]",
		"split-records --test-out \"$work/test-3\" > \"$work/train-2\"\ncp \"$work/test-3\" \"$work/eval-1\"\n"
		"train-step --load-best-model-at-end --eval \"$work/eval-1\" < \"$work/train-2\" --out \"$out\" > /dev/null\n");
}

static void quotes(void **state) {
	(void)state;
	expect("[{\"tool\": \"model-init\", \"arguments\": [\"--config\", \"$(rm -rf ~); `x`\", \"--vocab\", \"it's\\n\\u001b[31m\"]}]",
		"model-init --config '$(rm -rf ~); `x`' --vocab $'it\\047s\\012\\033[31m' --out \"$out\"\n");
}

static void refuses_what_it_cannot_tell(void **state) {
	(void)state;
	refuses("[]", "empty");
	refuses("{}", "not an array");
	refuses("[{\"tool\": \"rm\", \"arguments\": [\"-rf\", \"/\"]}]", "\"rm\" is none of the tools");
	refuses("[{\"arguments\": []}]", "\"\" is none");
	refuses("[3]", "none of the tools");
	refuses("[{\"tool\": \"x-step\", \"arguments\": []}]", "\"x-step\" is none");
	refuses("[{\"tool\": \"model-init\", \"arguments\": {}}]", "not an array");
	refuses("[{\"tool\": \"model-init\", \"arguments\": [3]}]", "not a string");
	refuses("[{\"tool\": \"wordpiece\", \"arguments\": []}]", "its last stage writes no model");
	refuses("[{\"tool\": \"model-init\", \"arguments\": [], \"inputs\": [[{\"tool\": \"sh\", \"arguments\": []}]]}]", "\"sh\"");
	refuses("[{\"tool\": \"model-init\", \"arguments\": [], \"eval\": [{\"tool\": \"sh\", \"arguments\": []}]}]", "\"sh\"");
	refuses("[{\"tool\": \"split-records\", \"arguments\": [], \"shard\": 0, \"shards\": 2},"
		"{\"tool\": \"train-step\", \"arguments\": []}]", "one shard");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_operands_to_the_first_stage),
		cmocka_unit_test(puts_uncounted_records_into_a_file),
		cmocka_unit_test(makes_the_inputs_of_a_stage),
		cmocka_unit_test(goes_from_model_to_model),
		cmocka_unit_test(evaluates_on_the_test_records),
		cmocka_unit_test(quotes),
		cmocka_unit_test(refuses_what_it_cannot_tell),
	};
	return cmocka_run_group_tests_name("record/commands", tests, NULL, NULL);
}
