/* The inside of lrnn_batches, for checkpoints. */
#ifndef TRAIN_BATCHES_H
#define TRAIN_BATCHES_H

#include "base/memory.h"
#include "examples.h"
#include "lrnn/train.h"
#include "section.h"
#include "token_source.h"

struct lrnn_batches {
    lrnn_allocator allocator;
    lrnn_batches_options options;
    void *tokens; /* [used] of a stream, of 1, 2 or 4 bytes each; NULL for others */
    size_t token_size;
    token_source source; /* of a stream in a file */
    size_t used;
    size_t windows;
    size_t position;
    uint64_t pass;
    int32_t *inputs, *targets; /* [B,T] of the window that is lent */
    example_list examples;     /* count 0: a stream */
};

/* Its section of a checkpoint; see section.h. */
typedef struct batches_saved {
    uint64_t position, pass, seed;
} batches_saved;

lrnn_status batches_save(const section_writer *to, const lrnn_batches *batches);
lrnn_status batches_read(batches_saved *saved, const section_reader *from,
                         const lrnn_batches *batches);
void batches_restore(lrnn_batches *batches, const batches_saved *saved);

#endif
