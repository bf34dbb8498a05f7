/* The inside of lrnn_batches, for checkpoints. */
#ifndef TRAIN_BATCHES_H
#define TRAIN_BATCHES_H

#include "base/memory.h"
#include "examples.h"
#include "lrnn/train.h"

struct lrnn_batches {
    lrnn_allocator allocator;
    lrnn_batches_options options;
    int32_t *tokens; /* the stream, as far as whole windows go */
    size_t used;
    size_t windows;
    size_t position;
    uint64_t pass;
    int32_t *inputs, *targets; /* [B,T] of the window that is lent */
    example_list examples;     /* count 0: a stream */
};

/* How the windows of examples are put together, as one number. */
static inline int64_t batches_mixing(const lrnn_batches *batches)
{
    const lrnn_batches_options *o = &batches->options;
    return (int64_t)(o->bucket * 4) + o->drop_last * 2 + o->shuffle;
}

#endif
