/* The inside of lrnn_schedule, for checkpoints. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "base/memory.h"
#include "lrnn/train.h"

struct lrnn_schedule {
    lrnn_allocator allocator;
    lrnn_schedule_options options;
    uint64_t advances;
    /* PLATEAU */
    double best;
    double rate;
    uint64_t bad_reports;
};

#endif
