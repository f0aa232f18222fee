/* run_ranks: a run of several processes. */
#include "train/run_ranks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/packed_examples.h"

/* What the leader broadcasts, always of this size. The processes run one program, so it is sent as it lies in memory. */
enum message_kind {
	MESSAGE_END,    /* there is no more to do */
	MESSAGE_MODEL,  /* the model follows */
	MESSAGE_STEP,   /* the records of a step follow */
	MESSAGE_SUM     /* the step is not given up: its gradients are added up */
};
struct message {
	enum message_kind kind;
	struct config config;   /* MESSAGE_MODEL; its JSON, of json_length bytes, follows */
	size_t json_length;
	int dtype;
	int64_t step;           /* MESSAGE_STEP: taken before it */
	int32_t epoch;
	double rate;
	struct packed_header header;
};

static int broadcast(const struct run *run, void *bytes, size_t length, struct failure *failure) {
	return ranks_broadcast(run->ranks, bytes, length, false, failure);
}

/* The leader's next message. Returns 1, 0 for MESSAGE_END, or -1. */
static int receive(const struct run *run, struct message *message, struct failure *failure) {
	if (ranks_broadcast(run->ranks, message, sizeof *message, true, failure) < 0)
		return -1;
	return message->kind != MESSAGE_END;
}

/* ---- joining and leaving ------------------------------------------------------------------------------- */

static int woken(void *context, struct failure *failure) {
	return run_check_stop(context, failure);
}

static struct ranks_wait wait_of(struct run *run) {
	return (struct ranks_wait){ woken, run };
}

int run_ranks_open(struct run *run, struct failure *failure) {
	if (ranks_open(&run->ranks, failure) < 0)
		return -1;
	ranks_set_wait(run->ranks, wait_of(run));
	int64_t count = ranks_count(run->ranks), parts = run->settings->gradient_accumulation_steps;
	bool leads = ranks_number(run->ranks) == 0;
	if (count > 1 && leads && run->job->task->couples_records)
		return fail(failure, EX_UNAVAILABLE, "%" PRId64 " processes, but a batch norm must see the batches of a step one "
			"after the other (start one process)", count);
	if (count > parts && leads)
		return fail(failure, EX_USAGE, "%" PRId64 " processes, but a step has %" PRId64 " batches to share out (give "
			"--gradient-accumulation-steps %" PRId64 " or more, with a smaller --batch-size, or start fewer processes)", count,
			parts, count);
	return 0;
}

void run_ranks_close(struct run *run) {
	struct message message = { .kind = MESSAGE_END };
	bool leads = ranks_number(run->ranks) == 0;
	ranks_close(run->ranks, leads ? &message : NULL, sizeof message);
	run->ranks = NULL;
}

/* ---- the model ----------------------------------------------------------------------------------------- */

/* The values, and what AdamW remembers of the groups that train already. */
static int broadcast_numbers(struct run *run, struct failure *failure) {
	struct parameters *parameters = run->saved.parameters;
	const struct optimizer_state *state = optimizer_state(run->saved.optimizer);
	size_t groups = parameters->group_count;
	parameters->version++;
	if (broadcast(run, parameters->values, parameters->size * sizeof *parameters->values, failure) < 0
			|| broadcast(run, state->steps, groups * sizeof *state->steps, failure) < 0)
		return -1;
	for (size_t g = 0; g < groups; g++) {
		if (state->steps[g] == 0)
			continue;
		optimizer_thaw(run->saved.optimizer, g);
		size_t bytes = state->exp_avg->sizes[g] * sizeof(float);
		if (broadcast(run, state->exp_avg->groups[g], bytes, failure) < 0
				|| broadcast(run, state->exp_avg_sq->groups[g], bytes, failure) < 0)
			return -1;
	}
	return 0;
}

int run_ranks_begin(struct run *run, struct failure *failure) {
	if (ranks_count(run->ranks) == 1)
		return 0;
	const struct config *config = &run->saved.parameters->config;
	char *json = json_dumps(config->json, JSON_COMPACT);
	struct message message = { .kind = MESSAGE_MODEL, .config = *config, .json_length = strlen(json),
		.dtype = run->settings->dtype };
	int result = broadcast(run, &message, sizeof message, failure);
	if (result == 0)
		result = broadcast(run, json, message.json_length, failure);
	free(json);
	return result < 0 ? -1 : broadcast_numbers(run, failure);
}

/* Makes the model that the message tells of. */
static int receive_model(struct run *run, struct message *message, struct failure *failure) {
	const struct task *task = run->job->task;
	char *json = allocate(message->json_length + 1, 1);
	int result = broadcast(run, json, message->json_length, failure);
	message->config.json = json_loads(json, 0, NULL);
	free(json);
	if (result < 0)
		return -1;
	run->job->settings->dtype = message->dtype;
	run_set_model(run, task->adopt(task->context, run->settings, &message->config, run->job->pool));
	return broadcast_numbers(run, failure);
}

/* ---- steps --------------------------------------------------------------------------------------------- */

int run_ranks_announce(struct run *run, const struct example_batch *batch, double rate, struct failure *failure) {
	if (ranks_count(run->ranks) == 1)
		return 0;
	struct message message = { .kind = MESSAGE_STEP, .step = run->state.step, .epoch = batch->epoch, .rate = rate };
	void *bytes = examples_pack(&batch->examples, &message.header);
	int result = broadcast(run, &message, sizeof message, failure);
	if (result == 0)
		result = broadcast(run, bytes, message.header.bytes, failure);
	free(bytes);
	return result;
}

/* The first record of a rank's micro-batches; of rank P, the end of the step. */
static size_t first_record(const struct run *run, const struct examples *step, int rank) {
	const struct run_settings *settings = run->settings;
	size_t first = (size_t)(settings->gradient_accumulation_steps * rank / ranks_count(run->ranks) * settings->batch_size);
	return first < step->B ? first : step->B;
}

void run_ranks_share(const struct run *run, const struct examples *step, size_t *first, size_t *end) {
	int number = ranks_number(run->ranks);
	*first = first_record(run, step, number);
	*end = first_record(run, step, number + 1);
}

/* The sum of the losses of the ranks, along the same tree as that of their gradients. */
static struct loss sum_losses(struct loss *losses, int count) {
	for (int stride = 1; stride < count; stride *= 2)
		for (int r = 0; r + stride < count; r += 2 * stride)
			loss_add(&losses[r], &losses[r + stride]);
	return losses[0];
}

/* How many ranks have a micro-batch of the step. */
static int count_present(const struct run *run, const struct examples *step) {
	int present = 1;
	while (present < ranks_count(run->ranks) && first_record(run, step, present) < step->B)
		present++;
	return present;
}

/* Lets parts travel up to the first `count`. */
static void complete_parts(struct run *run, size_t count) {
	for (; run->complete < count; run->complete++)
		sums_complete(run->sums, &run->parts.of[run->complete]);
	exchange_complete(run->exchange, count);
}

static void complete_group(void *context, size_t group) {
	struct run *run = context;
	complete_parts(run, parts_complete(&run->parts, group));
}

int run_ranks_begin_sum(struct run *run, const struct examples *step, struct group_listener *listener,
	struct failure *failure) {
	struct message message = { .kind = MESSAGE_SUM };
	const struct blocks *gradients = optimizer_gradients(run->saved.optimizer);
	int result = 1;
	if (ranks_count(run->ranks) == 1)
		return 1;
	if (ranks_number(run->ranks) > 0)
		result = receive(run, &message, failure);
	else if (broadcast(run, &message, sizeof message, failure) < 0)
		result = -1;
	if (result <= 0)
		return result;
	*listener = (struct group_listener){ complete_group, run };
	run->present = count_present(run, step);
	run->complete = 0;
	run->parts = parts_create(gradients, step);
	run->exchange = exchange_begin(run->ranks, &run->parts, gradients, run->present);
	return 1;
}

void run_ranks_complete(struct run *run) {
	if (run->exchange != NULL)
		complete_parts(run, run->parts.count);
}

int run_ranks_end_sum(struct run *run, struct loss *loss, struct failure *failure) {
	if (run->exchange == NULL)
		return 0;
	int count = ranks_count(run->ranks), result = exchange_end(run->exchange, wait_of(run), failure);
	struct loss *losses = allocate((size_t)count, sizeof *losses);
	run->exchange = NULL;
	parts_clear(&run->parts);
	if (result == 0)
		result = ranks_gather(run->ranks, loss, losses, sizeof *losses, failure);
	*loss = sum_losses(losses, run->present);
	free(losses);
	return result;
}

/* Takes the step that the message tells of. Returns 1, 0 where the leader has given it up and ends, or -1. */
static int follow_step(struct run *run, const struct message *step, struct failure *failure) {
	struct loss loss = { 0 };
	void *bytes = allocate(step->header.bytes, 1);
	int result = broadcast(run, bytes, step->header.bytes, failure) < 0 ? -1 : 1;
	struct examples examples = examples_unpack(&step->header, bytes);
	run->state.step = step->step;
	if (result > 0) {
		run_plan_groups(run, step->epoch, step->rate);
		result = run_compute_gradients(run, &examples, &loss, failure);
	}
	if (result > 0)
		run_update(run, &loss);
	free(bytes);
	return result;
}

/* From the model to the last step. */
static int follow(struct run *run, struct failure *failure) {
	struct message message;
	int result = receive(run, &message, failure);
	if (result > 0 && receive_model(run, &message, failure) < 0)
		result = -1;
	while (result > 0 && (result = receive(run, &message, failure)) > 0)
		result = follow_step(run, &message, failure);
	return result;
}

int run_follow(struct run *run, struct failure *failure) {
	const struct run_job *whole = run->job;
	struct run_job job = *whole;
	job.caller = (struct run_caller){ 0 };
	run->job = &job;
	/* What is wrong with the settings the leader finds too, and says. */
	run_settings_check(job.settings, NULL, failure);
	int result = follow(run, failure);
	run->job = whole;
	return result;
}
