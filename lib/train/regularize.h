/* Two terms of a trainer's loss that keep the top layer's h small and slow; see regularize.c. */
#ifndef TRAIN_REGULARIZE_H
#define TRAIN_REGULARIZE_H

#include "trainer.h"

/* Where its part of a trainer lies; see arena. */
void regularize_lay_out(lrnn_trainer *trainer, arena *from);

/* Counts what the means of this window are taken over. */
void regularize_open(lrnn_trainer *trainer);

/* Adds this segment to the sums, in training. */
void regularize_observe(lrnn_trainer *trainer);

/* The value of both terms, from the sums. */
double regularize_value(const lrnn_trainer *trainer);

/* dy [T*B,D*R] += the gradient of `regular.scale` times the terms with respect to h of the top
 * layer in this segment. Segments come last first. */
void regularize_gradient(lrnn_trainer *trainer, real *dy);

#endif
