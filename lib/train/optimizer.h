/* The inside of lrnn_optimizer, for trainers and checkpoints. */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "base/memory.h"
#include "base/real.h"
#include "lrnn/train.h"

struct lrnn_optimizer {
    lrnn_allocator allocator;
    lrnn_optimizer_options options; /* learning_rate is the current one */
    size_t count;
    uint64_t updates;
    real *m, *v; /* [count]; NULL where the rule has none */
};

/* Updates parameters first .. first+count-1 as part of update number updates + 1. The gradients are
 * finite. The caller counts the update when all parts are done. */
void optimizer_apply(lrnn_optimizer *optimizer, real *parameters, const real *gradients,
                     size_t first, size_t count);

#endif
