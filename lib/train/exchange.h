/* The meetings of a training step with other workers; see exchange.c. */
#ifndef TRAIN_EXCHANGE_H
#define TRAIN_EXCHANGE_H

#include "trainer.h"

/* Reads and checks a caller's struct. */
lrnn_status exchange_read(lrnn_exchange *copy, const lrnn_exchange *given);

/* own: this worker's status so far; returns what all agree on. *weight and *rows, of this worker's
 * window, become those of all, as do the counts of trainer->regular. */
lrnn_status exchange_begin(lrnn_trainer *trainer, lrnn_status own, double *weight, double *rows);

/* loss_sum, items, right and the sums of trainer->regular become those of all. */
lrnn_status exchange_losses(lrnn_trainer *trainer, lrnn_status own, lrnn_train_result *all);

/* The gradients become those of all. */
lrnn_status exchange_gradients(lrnn_trainer *trainer);

#endif
