/* The inside of lrnn_batches, for checkpoints. */
#ifndef TRAIN_BATCHES_H
#define TRAIN_BATCHES_H

#include "base/memory.h"
#include "lrnn/train.h"

struct lrnn_batches {
    lrnn_allocator allocator;
    lrnn_batches_options options;
    int32_t *tokens; /* the stream, as far as whole windows go */
    size_t used;
    size_t windows;
    size_t position;
    int32_t *inputs, *targets; /* [B,T] of the window that is lent */
};

#endif
