/* trainer: the reference's merging, step for step: a queue of pairs by count, entries whose count has changed put
 * back when they come up, each entry with the words it was queued for. The reference numbers the `##` characters as
 * it meets them, going over the words in the order of a hash table, which differs from run to run; here they go by
 * their bytes. */
#include "text/trainer.h"

#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/normalize.h"
#include "text/strings.h"

/* ---- counting words -------------------------------------------------------------------------------------- */

struct trainer {
	struct normalization normalization;
	struct strings words;
	int64_t *counts; /* of each word */
	size_t counts_capacity;
	struct code_points normalized;
	struct word word;
};

struct trainer *trainer_create(bool cased) {
	struct trainer *trainer = allocate(1, sizeof *trainer);
	trainer->normalization = bert_normalization(cased);
	return trainer;
}

void trainer_add(struct trainer *trainer, const char *text, size_t length) {
	size_t at = 0;
	normalize(&trainer->normalization, text, length, &trainer->normalized);
	while (next_word(&trainer->normalized, &at, &trainer->word)) {
		size_t seen = trainer->words.count;
		uint32_t word = strings_add(&trainer->words, trainer->word.bytes, trainer->word.length);
		if (word == trainer->counts_capacity)
			trainer->counts = grow(trainer->counts, trainer->counts_capacity = seen * 2 + 1024, sizeof *trainer->counts);
		if (word == seen)
			trainer->counts[word] = 0;
		trainer->counts[word]++;
	}
}

void trainer_free(struct trainer *trainer) {
	if (trainer == NULL)
		return;
	strings_clear(&trainer->words);
	free(trainer->counts);
	free(trainer->normalized.points);
	free(trainer->word.bytes);
	free(trainer);
}

/* ---- pairs ----------------------------------------------------------------------------------------------- */

/* Numbers of words. */
struct places { uint32_t *words; size_t count, capacity; };

/* Two tokens next to each other somewhere. */
struct pair {
	uint32_t left, right;
	int64_t count;           /* how often, in all words; of a pair that was merged, when it was */
	struct places places;    /* words to queue it for */
};

/* A pair in the queue, for the words where it was found when it was queued. */
struct entry { int64_t count; uint32_t pair; struct places places; };

struct learner {
	const struct trainer *trainer;
	struct strings tokens;
	uint32_t *symbols;       /* every word's tokens, word after word */
	size_t *start;           /* [words] where in symbols a word's begin */
	uint32_t *lengths;       /* [words] how many there are */
	struct pair *pairs;
	size_t pair_count, pair_capacity;
	uint32_t *slots;         /* open addressing; a pair's number + 1, 0: free */
	size_t slot_count;
	uint32_t *touched;       /* pairs that have places to queue */
	size_t touched_count, touched_capacity;
	struct entry *queue;     /* a heap */
	size_t queue_count, queue_capacity;
};

static uint32_t *find_pair(const struct learner *learner, uint32_t left, uint32_t right) {
	uint64_t hash = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
	for (size_t i = (size_t)(hash ^ hash >> 32);; i++) {
		uint32_t *slot = &learner->slots[i & (learner->slot_count - 1)];
		if (*slot == 0)
			return slot;
		const struct pair *pair = &learner->pairs[*slot - 1];
		if (pair->left == left && pair->right == right)
			return slot;
	}
}

static void widen_pairs(struct learner *learner) {
	learner->slot_count = learner->slot_count ? learner->slot_count * 2 : 4096;
	free(learner->slots);
	learner->slots = allocate(learner->slot_count, sizeof *learner->slots);
	for (size_t i = 0; i < learner->pair_count; i++)
		*find_pair(learner, learner->pairs[i].left, learner->pairs[i].right) = (uint32_t)i + 1;
}

/* The number of the pair, added with a count of 0 when it is new. */
static uint32_t pair_of(struct learner *learner, uint32_t left, uint32_t right) {
	if (learner->pair_count * 2 >= learner->slot_count)
		widen_pairs(learner);
	uint32_t *slot = find_pair(learner, left, right);
	if (*slot == 0) {
		if (learner->pair_count == learner->pair_capacity)
			learner->pairs = grow(learner->pairs, learner->pair_capacity = learner->pair_capacity * 2 + 1024,
				sizeof *learner->pairs);
		learner->pairs[learner->pair_count++] = (struct pair){ .left = left, .right = right };
		*slot = (uint32_t)learner->pair_count;
	}
	return *slot - 1;
}

/* Counts the pair in a word, `sign` times the word's count, and remembers a word that has gained it. */
static void count_pair(struct learner *learner, uint32_t left, uint32_t right, uint32_t word, int sign) {
	uint32_t index = pair_of(learner, left, right);
	struct pair *pair = &learner->pairs[index];
	struct places *places = &pair->places;
	pair->count += sign * learner->trainer->counts[word];
	if (sign < 0 || (places->count > 0 && places->words[places->count - 1] == word))
		return;
	if (places->count == 0) {
		if (learner->touched_count == learner->touched_capacity)
			learner->touched = grow(learner->touched, learner->touched_capacity = learner->touched_capacity * 2 + 1024,
				sizeof *learner->touched);
		learner->touched[learner->touched_count++] = index;
	}
	if (places->count == places->capacity)
		places->words = grow(places->words, places->capacity = places->capacity * 2 + 2, sizeof *places->words);
	places->words[places->count++] = word;
}

/* ---- the queue ------------------------------------------------------------------------------------------- */

/* The most frequent first; of equals, the one of the lower ids. */
static bool comes_before(const void *context, const void *left, const void *right) {
	const struct learner *learner = context;
	const struct entry *a = left, *b = right;
	const struct pair *p = &learner->pairs[a->pair], *q = &learner->pairs[b->pair];
	if (a->count != b->count)
		return a->count > b->count;
	return p->left != q->left ? p->left < q->left : p->right < q->right;
}

static void push(struct learner *learner, struct entry entry) {
	if (learner->queue_count == learner->queue_capacity)
		learner->queue = grow(learner->queue, learner->queue_capacity = learner->queue_capacity * 2 + 1024,
			sizeof *learner->queue);
	learner->queue[learner->queue_count++] = entry;
	heap_added(learner->queue, learner->queue_count, sizeof entry, comes_before, learner);
}

static struct entry pop(struct learner *learner) {
	struct entry top = learner->queue[0];
	learner->queue[0] = learner->queue[--learner->queue_count];
	heap_replaced(learner->queue, learner->queue_count, sizeof top, comes_before, learner);
	return top;
}

/* Queues every pair that has gained words, for those words. */
static void queue_touched(struct learner *learner) {
	for (size_t i = 0; i < learner->touched_count; i++) {
		struct pair *pair = &learner->pairs[learner->touched[i]];
		if (pair->count > 0)
			push(learner, (struct entry){ pair->count, learner->touched[i], pair->places });
		else
			free(pair->places.words);
		pair->places = (struct places){ 0 };
	}
	learner->touched_count = 0;
}

/* ---- learning -------------------------------------------------------------------------------------------- */

static int compare_points(const void *a, const void *b) {
	uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
	return (p > q) - (p < q);
}

/* The special tokens, then the characters, by code point. */
static void begin_tokens(struct learner *learner) {
	static const char *const special[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" };
	const struct strings *words = &learner->trainer->words;
	bool *seen = allocate(0x110000, sizeof *seen);
	uint32_t *points = grow(NULL, 0x110000, sizeof *points), point;
	size_t count = 0;
	for (size_t at = 0, taken; at < words->length; at += taken) { /* the NULs between words included */
		taken = utf8_decode(words->bytes + at, words->length - at, &point);
		if (point != 0 && !seen[point])
			points[count++] = point;
		seen[point] = true;
	}
	qsort(points, count, sizeof *points, compare_points);
	for (size_t i = 0; i < sizeof special / sizeof *special; i++)
		strings_add(&learner->tokens, special[i], strlen(special[i]));
	for (size_t i = 0; i < count; i++) {
		char character[UTF8_LONGEST];
		strings_add(&learner->tokens, character, utf8_encode(points[i], character));
	}
	free(points);
	free(seen);
}

static int compare_words(const void *a, const void *b, void *context) {
	return strcmp(strings_at(context, *(const uint32_t *)a), strings_at(context, *(const uint32_t *)b));
}

/* Cuts a word into characters and counts the pairs. */
static void begin_word(struct learner *learner, uint32_t index, size_t *used) {
	const struct strings *words = &learner->trainer->words;
	const char *word = strings_at(words, index);
	size_t length = strings_length(words, index), taken;
	char token[2 + UTF8_LONGEST] = "##";
	learner->start[index] = *used;
	for (size_t at = 0; at < length; at += taken) {
		uint32_t point;
		taken = utf8_decode(word + at, length - at, &point);
		memcpy(token + 2, word + at, taken);
		learner->symbols[(*used)++] = at == 0 ? strings_add(&learner->tokens, word, taken)
			: strings_add(&learner->tokens, token, taken + 2);
	}
	learner->lengths[index] = (uint32_t)(*used - learner->start[index]);
	for (size_t i = learner->start[index] + 1; i < *used; i++)
		count_pair(learner, learner->symbols[i - 1], learner->symbols[i], index, 1);
}

static void begin_words(struct learner *learner) {
	struct strings words = learner->trainer->words;
	uint32_t *order = grow(NULL, words.count, sizeof *order);
	size_t used = 0;
	for (size_t i = 0; i < words.count; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, words.count, sizeof *order, compare_words, &words);
	learner->symbols = grow(NULL, words.length, sizeof *learner->symbols); /* at most a symbol a byte */
	learner->start = grow(NULL, words.count, sizeof *learner->start);
	learner->lengths = grow(NULL, words.count, sizeof *learner->lengths);
	for (size_t i = 0; i < words.count; i++)
		begin_word(learner, order[i], &used);
	free(order);
	queue_touched(learner);
}

/* Makes the pair one token wherever it is in the word, from the left, and counts the pairs that this undoes and
 * makes. The count of the pair itself stays, as in the reference. */
static void merge_in_word(struct learner *learner, uint32_t word, uint32_t left, uint32_t right, uint32_t merged) {
	uint32_t *symbols = learner->symbols + learner->start[word], length = learner->lengths[word], to = 0;
	for (uint32_t from = 0; from < length; to++) {
		if (symbols[from] != left || from + 1 == length || symbols[from + 1] != right) {
			symbols[to] = symbols[from++];
			continue;
		}
		from += 2;
		symbols[to] = merged;
		if (to > 0) {
			count_pair(learner, symbols[to - 1], left, word, -1);
			count_pair(learner, symbols[to - 1], merged, word, 1);
		}
		if (from < length) {
			count_pair(learner, right, symbols[from], word, -1);
			count_pair(learner, merged, symbols[from], word, 1);
		}
	}
	learner->lengths[word] = to;
}

/* The token that two make together. */
static uint32_t join(struct strings *tokens, uint32_t left, uint32_t right) {
	const char *second = strings_at(tokens, right);
	if (strncmp(second, "##", 2) == 0)
		second += 2;
	char *token = format_text("%s%s", strings_at(tokens, left), second);
	uint32_t joined = strings_add(tokens, token, strlen(token));
	free(token);
	return joined;
}

static void merge_pairs(struct learner *learner, size_t vocab_size, int64_t min_frequency) {
	while (learner->tokens.count < vocab_size && learner->queue_count > 0) {
		struct entry top = pop(learner);
		const struct pair *pair = &learner->pairs[top.pair];
		if (top.count != pair->count) {
			top.count = pair->count;
			push(learner, top);
			continue;
		}
		if (top.count < 1 || top.count < min_frequency) {
			free(top.places.words);
			break;
		}
		uint32_t left = pair->left, right = pair->right, merged = join(&learner->tokens, left, right);
		for (size_t i = 0; i < top.places.count; i++)
			merge_in_word(learner, top.places.words[i], left, right, merged);
		free(top.places.words);
		queue_touched(learner);
	}
}

static void learner_clear(struct learner *learner) {
	for (size_t i = 0; i < learner->queue_count; i++)
		free(learner->queue[i].places.words);
	strings_clear(&learner->tokens);
	free(learner->symbols);
	free(learner->start);
	free(learner->lengths);
	free(learner->pairs);
	free(learner->slots);
	free(learner->touched);
	free(learner->queue);
}

struct vocabulary *trainer_learn(struct trainer *trainer, size_t vocab_size, int64_t min_frequency) {
	struct learner learner = { .trainer = trainer };
	begin_tokens(&learner);
	begin_words(&learner);
	merge_pairs(&learner, vocab_size, min_frequency);
	struct token_text *tokens = allocate(learner.tokens.count, sizeof *tokens);
	for (size_t i = 0; i < learner.tokens.count; i++)
		tokens[i] = (struct token_text){ strings_at(&learner.tokens, i), strings_length(&learner.tokens, i) };
	struct vocabulary *vocabulary = vocabulary_create(tokens, learner.tokens.count);
	free(tokens);
	learner_clear(&learner);
	return vocabulary;
}
