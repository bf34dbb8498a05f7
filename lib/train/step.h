/* What the whole step (step.c) and its parts (parts.c) share. */
#ifndef TRAIN_STEP_H
#define TRAIN_STEP_H

#include "optimizer.h"
#include "trainer.h"

/* A result of the caller's: could it be given, and giving it. NULL: not wanted. */
lrnn_status step_check_result(const lrnn_train_result *result);
void step_give_result(lrnn_train_result *result, const lrnn_train_result *all);

/* Checks a window and takes it. With `need` there must be a loss, without it there may be one;
 * *weight is that of its items. What the last window left is gone. */
lrnn_status step_open_window(lrnn_trainer *trainer, const lrnn_sequences *given,
                             const carried *initial, bool need, double *weight);

/* LRNN_ERR_NUMERIC: a mean over nothing. */
lrnn_status step_check_weight(const lrnn_trainer *trainer, double weight);

/* What the loss sum is multiplied by, where it is that of so many rows. */
double step_reduction_scale(const lrnn_trainer *trainer, double weight, double rows);

/* Is the trainer's loss one of whole rows? */
bool step_is_sequence(const lrnn_trainer *trainer);

/* Gradients of the final states, from the caller or zero. */
void step_start_backward(lrnn_trainer *trainer, const lrnn_backward *backward);

/* Forward without gradients: the activations stay, and the loss is taken if wanted. */
lrnn_status step_look(lrnn_trainer *trainer, carried *state, pass_mode mode, bool want_loss,
                      lrnn_train_result *all);

lrnn_status step_check_optimizer(const lrnn_trainer *trainer, const lrnn_optimizer *optimizer);

/* One update; the gradients are multiplied by the factor first. */
void step_update(lrnn_trainer *trainer, lrnn_optimizer *optimizer, double factor);

#endif
