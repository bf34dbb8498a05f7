/* The average of a trainer's parameters over its updates; see average.c. */
#ifndef TRAIN_AVERAGE_H
#define TRAIN_AVERAGE_H

#include "trainer.h"

/* Takes parameters first .. first+count-1, just updated, into the average, if there is one. Their
 * caller counts the update with average_count when all are in. */
void average_add(lrnn_trainer *trainer, size_t first, size_t count);
void average_count(lrnn_trainer *trainer);

/* What evaluation and snapshots take: the average, or the parameters while there is none. */
const real *average_read(const lrnn_trainer *trainer);

#endif
