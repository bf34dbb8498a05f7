/* A window cut into shards of rows; see shards.c. */
#ifndef TRAIN_SHARDS_H
#define TRAIN_SHARDS_H

#include "trainer.h"

#define SHARDS_MOST 65536 /* each has random numbers of its own */

/* Of a trainer's options. */
lrnn_status shards_check(const lrnn_trainer_options *options);
void shards_read(lrnn_trainer *trainer);
void shards_lay_out(lrnn_trainer *trainer, arena *from);

/* What is done with a window or with a shard: forward from `initial` to trainer->pending, and what
 * else is wanted. `all` gets loss, items and right. */
typedef struct window_pass {
    lrnn_status (*run)(lrnn_trainer *trainer, const carried *initial,
                       const struct window_pass *pass, lrnn_train_result *all);
    bool gradients; /* made anew */
    bool loss;
    double scale; /* of the gradients */
    pass_mode mode;
} window_pass;

/* Of the open window, whose targets have been checked: what the shards of this worker weigh, and
 * their number of rows. Where the window is not cut nothing changes. */
lrnn_status shards_weigh(lrnn_trainer *trainer, double *weight, double *rows);

/* Runs the open window, or the shards of it that this worker has; the state after rows of other
 * workers is zero. */
lrnn_status shards_run(lrnn_trainer *trainer, const carried *initial, const window_pass *pass,
                       lrnn_train_result *all);

/* Do other workers have some of the shards? */
static inline bool shards_are_shared(const lrnn_trainer *trainer)
{
    return trainer->shards.own < trainer->shards.count;
}

#endif
