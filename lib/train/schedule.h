/* The inside of lrnn_schedule, for checkpoints. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "base/memory.h"
#include "lrnn/train.h"
#include "section.h"

struct lrnn_schedule {
    lrnn_allocator allocator;
    lrnn_schedule_options options; /* its milestones lie behind the struct */
    uint64_t advances;
    /* PLATEAU */
    double best;
    double rate;
    uint64_t bad_reports;
    uint64_t milestones[];
};

/* Its section of a checkpoint; see section.h. */
typedef struct schedule_saved {
    uint64_t advances, bad_reports;
    double rate, best;
} schedule_saved;

lrnn_status schedule_save(const section_writer *to, const lrnn_schedule *schedule);
lrnn_status schedule_read(schedule_saved *saved, const section_reader *from,
                          const lrnn_schedule *schedule);
void schedule_restore(lrnn_schedule *schedule, const schedule_saved *saved);

#endif
