/* classifier: what the heads of classifiers share. Labels are few, so their softmax is computed in double precision. */
#include "model/classifier.h"

#include <math.h>
#include <string.h>

#include "model/logits.h"

struct classifier classifier_create(const struct compute *compute, const struct classifier_options *options) {
	return (struct classifier){ compute, compute->parameters->config.num_labels,
		options != NULL ? *options : (struct classifier_options){ 0 } };
}

int classifier_configure(const void *context, const char *folder, struct config *config, struct failure *failure) {
	const struct classifier_options none = { 0 }, *options = context != NULL ? context : &none;
	const char *problem = json_string_value(json_object_get(config->json, "problem_type"));
	if (options->labels != NULL)
		config_set_labels(config, options->labels);
	if (config->num_labels < 2)
		return fail(failure, EX_DATAERR, "%s: a classifier has two labels at least, not %zu (name all of them with "
			"--labels of classify-step)", folder, config->num_labels);
	if (problem != NULL && strcmp(problem, "single_label_classification") != 0)
		return fail(failure, EX_DATAERR, "%s: problem_type %s: cloze computes single_label_classification only", folder,
			problem);
	if (options->class_weights != NULL && options->weight_count != config->num_labels)
		return fail(failure, EX_USAGE, "--class-weights: %zu weights for %zu labels (give one for each)",
			options->weight_count, config->num_labels);
	return 0;
}

static double weight_of(const struct classifier *classifier, size_t label) {
	return classifier->options.class_weights != NULL ? (double)classifier->options.class_weights[label] : 1;
}

void classifier_count(const struct classifier *classifier, const struct examples *examples, struct totals *totals) {
	for (size_t b = 0; b < examples->B; b++)
		totals->of[0] += weight_of(classifier, (size_t)examples->classes[b]);
}

/* The a[c] of a record with that label. */
static double share_of(const struct classifier *classifier, size_t c, int32_t label) {
	double smoothing = classifier->options.label_smoothing;
	return weight_of(classifier, c) * ((c == (size_t)label ? 1 - smoothing : 0) + smoothing / (double)classifier->K);
}

/* With `scale` not 0, replaces the logits by their gradient times `scale`. */
static double record_loss(const struct classifier *classifier, float *z, int32_t label, double scale) {
	const struct softmax_sum sum = logits_sum(z, classifier->K);
	double log_of_sum = sum.largest + log(sum.sum), loss = 0, shares = 0;
	for (size_t c = 0; c < classifier->K; c++) {
		double share = share_of(classifier, c, label);
		shares += share;
		loss += share > 0 ? share * (log_of_sum - (double)z[c]) : 0;
	}
	for (size_t c = 0; c < classifier->K && scale > 0; c++)
		z[c] = (float)(scale * (shares * exp((double)z[c] - log_of_sum) - share_of(classifier, c, label)));
	return loss;
}

struct loss classifier_loss(const struct classifier *classifier, const struct head_pass *pass, float *logits) {
	const struct examples *examples = pass->examples;
	double total = pass->totals->of[0], sum = 0;
	/* A step of nothing but labels of weight 0 has no loss. */
	double share = total > 0 ? 1 / total : 0;
	bool backward = classifier->compute->gradients != NULL;
	for (size_t b = 0; b < examples->B; b++) {
		float *z = logits + b * classifier->K;
		int32_t label = examples->classes[b];
		if (pass->ranks != NULL)
			pass->ranks[b] = logits_rank(z, classifier->K, label);
		double loss = record_loss(classifier, z, label, backward ? share : 0);
		if (pass->losses != NULL)
			pass->losses[b] = (float)loss;
		sum += loss;
	}
	if (backward && share == 0)
		memset(logits, 0, examples->B * classifier->K * sizeof *logits);
	return (struct loss){ sum * share, { sum * share } };
}
