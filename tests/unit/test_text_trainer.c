/* test_text_trainer: vocabularies equal those of the reference's trainer, for words that give it no ties. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/trainer.h"

static void add(struct trainer *trainer, const char *text, int times) {
	for (int i = 0; i < times; i++)
		trainer_add(trainer, text, strlen(text));
}

/* The tokens joined by spaces. */
static void expect(struct trainer *trainer, size_t size, int64_t frequency, const char *expected) {
	struct vocabulary *vocabulary = trainer_learn(trainer, size, frequency);
	char joined[1024] = "";
	for (size_t i = 0; i < vocabulary_size(vocabulary); i++) {
		strcat(joined, i ? " " : "");
		strcat(joined, vocabulary_token(vocabulary, (int32_t)i));
	}
	assert_string_equal(joined, expected);
	vocabulary_free(vocabulary);
}

#define SPECIAL "[PAD] [UNK] [CLS] [SEP] [MASK] "

static void merges_the_most_frequent(void **state) {
	(void)state;
	struct trainer *trainer = trainer_create(false);
	add(trainer, "HUG hug", 5); /* 10 times hug */
	add(trainer, "pug", 5);
	add(trainer, "p\xc3\xbbn", 12);
	add(trainer, "bun", 4);
	add(trainer, "hugs", 5);
	expect(trainer, 1000, 0, SPECIAL "b g h n p s u ##u ##n ##g ##s ##ug ##un hug pun pug hugs bun");
	expect(trainer, 1000, 5, SPECIAL "b g h n p s u ##u ##n ##g ##s ##ug ##un hug pun pug hugs");
	expect(trainer, 17, 0, SPECIAL "b g h n p s u ##u ##n ##g ##s ##ug");
	expect(trainer, 1, 0, SPECIAL "b g h n p s u ##u ##n ##g ##s"); /* characters are kept all the same */
	trainer_free(trainer);
}

static void repeats_within_a_word(void **state) {
	(void)state;
	struct trainer *trainer = trainer_create(true);
	add(trainer, "Aaaaaa", 3); /* A aa aa a, then Aaa aa a, and so on */
	expect(trainer, 100, 0, SPECIAL "A a ##a ##aa Aaa ##aaa Aaaaaa");
	trainer_free(trainer);
}

static void nothing_gives_the_special_tokens(void **state) {
	(void)state;
	struct trainer *trainer = trainer_create(false);
	expect(trainer, 100, 0, "[PAD] [UNK] [CLS] [SEP] [MASK]");
	add(trainer, " \n\x01", 3);
	expect(trainer, 100, 0, "[PAD] [UNK] [CLS] [SEP] [MASK]");
	trainer_free(trainer);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_the_most_frequent),
		cmocka_unit_test(repeats_within_a_word),
		cmocka_unit_test(nothing_gives_the_special_tokens),
	};
	return cmocka_run_group_tests_name("trainer", tests, NULL, NULL);
}
