/* A copied list of examples and the windows that are put together from it. */
#ifndef TRAIN_EXAMPLES_H
#define TRAIN_EXAMPLES_H

#include <stdbool.h>

#include "base/memory.h"
#include "base/real.h"
#include "lrnn/train.h"

/* What an example has of one kind of number: for each step, or once; `width` of them. */
typedef struct example_part {
    void *values; /* NULL: the examples have none */
    void *window; /* [B,T,width] or [B,width] of the window that is lent */
    size_t width;
    bool once;
} example_part;

/* Labels: a number of them for each example that is not its number of steps. */
typedef struct example_labels {
    int32_t *values;         /* NULL: the examples have none */
    int32_t *lengths;        /* [N] */
    size_t *starts;          /* [N] */
    size_t count, longest;   /* of all, and most of an example */
    int32_t *window;         /* [B,S] of the window that is lent */
    int32_t *window_lengths; /* [B] */
} example_labels;

typedef struct example_list {
    void *storage;
    size_t count, steps, longest; /* N, S, most steps of one */
    size_t windows;
    bool ordered;            /* `order` is that of the current pass */
    int32_t *lengths;        /* [N] */
    size_t *starts;          /* [N] of an example's first step */
    size_t *order;           /* [N] examples in the order of a pass */
    size_t *turns;           /* [windows] which window of that order comes when */
    size_t *scratch;         /* [N] */
    size_t *tally;           /* [longest+1] */
    int32_t *window_lengths; /* [B] */
    int32_t *window_rows;    /* [B] of the window that is lent, 0 rows before the first */
    size_t window_count;
    example_part tokens, features, targets, target_values, value_weights, weights;
    example_labels labels;
} example_list;

/* Checks and copies. list->storage is the list's only memory. */
lrnn_status example_list_create(example_list *list, const lrnn_examples *given,
                                const lrnn_batches_options *o, const lrnn_allocator *allocator);

/* Most rows that a window has. */
size_t example_list_rows(const example_list *list, const lrnn_batches_options *o);

/* The window of `count` given examples. */
void example_list_select(example_list *list, const int32_t *rows, size_t count,
                         lrnn_sequences *sequences);

/* Window `position` of a pass. */
void example_list_window(example_list *list, const lrnn_batches_options *o, uint64_t pass,
                         size_t position, lrnn_sequences *sequences);

#endif
