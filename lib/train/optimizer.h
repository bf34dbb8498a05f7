/* The inside of lrnn_optimizer, for trainers and checkpoints. */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "base/memory.h"
#include "base/real.h"
#include "lrnn/train.h"
#include "section.h"

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

/* Its section of a checkpoint; see section.h. */
typedef struct optimizer_saved {
    uint64_t updates;
    double learning_rate;
    real *m, *v;
} optimizer_saved;

lrnn_status optimizer_save(const section_writer *to, const lrnn_optimizer *optimizer);
lrnn_status optimizer_read(optimizer_saved *saved, const section_reader *from,
                           const lrnn_optimizer *optimizer);
void optimizer_restore(lrnn_optimizer *optimizer, const optimizer_saved *saved);
void optimizer_saved_release(optimizer_saved *saved, const lrnn_optimizer *optimizer);

#endif
