/* Sums in double precision, in the order of the batches. */
#include "train/evaluate.h"

#include "train/batches.h"

void evaluation_add(struct evaluation *evaluation, struct network *network, const struct network_input *input) {
	double sum = network_loss(network, input, NULL);
	evaluation->loss_sum += sum;
	evaluation->masked_tokens += (int64_t)input->M;
	evaluation->records += (int64_t)input->B;
	if (input->M > 0)
		evaluation->batch_loss_sum += sum / (double)input->M * (double)input->B;
}

int evaluation_add_stream(struct evaluation *evaluation, struct network *network, struct masked_reader *masked,
	size_t batch_size, struct failure *failure) {
	struct masked_batch batch;
	int got;
	while ((got = masked_reader_next(masked, batch_size, &batch, failure)) > 0) {
		struct network_input input = batch_input(&batch);
		evaluation_add(evaluation, network, &input);
	}
	return got;
}

double evaluation_loss(const struct evaluation *evaluation) {
	return evaluation->masked_tokens > 0 ? evaluation->loss_sum / (double)evaluation->masked_tokens : 0;
}

double evaluation_batch_mean_loss(const struct evaluation *evaluation) {
	return evaluation->records > 0 ? evaluation->batch_loss_sum / (double)evaluation->records : 0;
}
