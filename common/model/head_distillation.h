/* head_distillation: a masked language model, the student, that learns from another one's answers (Sanh et al. 2019).
 *
 * Over a step's M labelled and A attended tokens, with the student's logits z, the teacher's t, p = softmax(t / T), q =
 * softmax(z / T), and last hidden states h and g of the student and the teacher:
 *
 *     loss_ce   T^2 times the mean over M of the sum over the vocabulary of p (log p - log q)
 *     loss_mlm  the mean over M of the cross-entropy of softmax(z) at the label
 *     loss_cos  the mean over A of 1 - h g / (|h| |g|); 0 where the examples have no hidden states of the teacher
 *     loss      alpha_ce loss_ce + alpha_mlm loss_mlm + alpha_cos loss_cos
 *
 * Where the teacher gives K logits of each token and the sum of the rest, the vocabulary of that token is those K and
 * one for all others: loss_ce is then the divergence of K + 1 masses, which is 0 for a student equal to its teacher and
 * never more than that of whole rows.
 *
 * The tensors are those of masked_lm_head. An evaluation is that of masked_lm_head too, and reads no teacher. */
#ifndef CLOZE_MODEL_HEAD_DISTILLATION_H
#define CLOZE_MODEL_HEAD_DISTILLATION_H

#include <stdbool.h>
#include <stddef.h>

/* The head's options; `temperature` is above 0. */
struct distillation_options {
	double temperature, alpha_ce, alpha_mlm, alpha_cos;
	bool every_row;    /* of a teacher: an evaluation wants every row too (network_answer()) */
};

/* What a token's logits that are left out add up to at a temperature T: the logarithm of the sum of exp(z / T) over
 * `count` of them. The logarithms at T = 1, 2 and 4 are in `rest`, and that at 1 / T = 0 is log(count); between these
 * the logarithm, a smooth and convex function of 1 / T, is interpolated by a polynomial, and below T = 1 continued by a
 * straight line. */
double rest_at_temperature(const float *rest, size_t count, double temperature);

#endif
