/* Losses as rows of a table; nothing outside a loss's own file asks which loss a trainer has.
 *
 * There are two kinds. A *row* loss looks at one item's outputs, slice by slice of the vocabulary
 * while a slice is in cache: `observe` sees the outputs of a slice and may overwrite them, `judge`
 * puts together what was kept of all slices, and for a gradient `prepare` and `gradient` follow. A
 * *sequence* loss sees all outputs of a row of the window at once and replaces them by its
 * gradient.
 *
 * Each loss lives in a file of its own, value and gradient side by side. Adding one is a file, a
 * name in LOSS_LIST and an enumerator in lrnn/train.h; see docs/extending.md. */
#ifndef TRAIN_LOSS_H
#define TRAIN_LOSS_H

#include <math.h>
#include <stdbool.h>

#include "base/real.h"
#include "kernels/kernels.h"
#include "lrnn/train.h"

/* loss_<name>, which is in loss_<name>.c or with its kin. */
#define LOSS_LIST(LOSS)                                                                            \
    LOSS(cross_entropy)                                                                            \
    LOSS(squared_error)                                                                            \
    LOSS(absolute_error)                                                                           \
    LOSS(huber)                                                                                    \
    LOSS(smooth_l1)                                                                                \
    LOSS(binary_cross_entropy)                                                                     \
    LOSS(ctc)

/* Fields of lrnn_trainer_options that some losses read. The default of each is 0 or NULL, and so it
 * must stay where the loss does not read it. */
#define LOSS_OPTIONS(OPTION)                                                                       \
    OPTION(label_smoothing)                                                                        \
    OPTION(class_weights)                                                                          \
    OPTION(positive_weights)                                                                       \
    OPTION(loss_transition)                                                                        \
    OPTION(target_steps)                                                                           \
    OPTION(blank)                                                                                  \
    OPTION(zero_infinity)

#define LOSS_KEPT 4

/* What cross-entropy leaves in `kept`: the target's logit, the greatest logit, and the sum over all
 * classes of exp(logit - greatest). */
enum { SOFTMAX_TARGET, SOFTMAX_TOTAL, SOFTMAX_GREATEST };

/* One item: the outputs of a step, or of a sequence, and what they are compared with. */
typedef struct loss_item {
    const lrnn_trainer_options *options;
    const lrnn_sequences *sequences;
    size_t index;       /* of the item in targets, target_values and weights */
    size_t outputs;     /* O */
    int32_t activation; /* LRNN_ACTIVATION_* between the values and what is compared */
    size_t slices;
    /* Numbers that a row loss may keep from `observe` on: of each slice, and LOSS_KEPT of the item.
     * factor: after `prepare` each slice is multiplied by its own. */
    real *factor;
    double *sum, *other;
    double *kept;
} loss_item;

/* Columns first .. first+count-1 of an item's outputs. */
typedef struct loss_slice {
    real *values;
    size_t index, first, count;
} loss_slice;

/* What was compared, and how much of it was predicted correctly. */
typedef struct loss_tally {
    uint64_t items, right;
} loss_tally;

typedef struct row_loss {
    void (*observe)(const loss_item *item, const loss_slice *slice);
    /* Returns the loss of the item, and what it counts for. */
    double (*judge)(const loss_item *item, loss_tally *tally);
    /* Fills in `factor`; the gradient is that of the loss times amount. */
    void (*prepare)(const loss_item *item, double amount);
    /* What a factor alone does not do; NULL: nothing. The values have been multiplied by it. */
    void (*gradient)(const loss_item *item, const loss_slice *slice, double amount);
} row_loss;

typedef struct sequence_loss {
    /* Bytes of scratch for a row of T steps and S targets; false: more than size_t holds. */
    bool (*scratch)(size_t *bytes, size_t T, size_t S);
    /* Loss of the row whose outputs are y [T,O]. amount not 0: y becomes the gradient of the loss
     * times amount; else it stays. An infinite loss is returned as it is. */
    double (*run)(const loss_item *item, real *y, size_t T, double amount, void *scratch);
    /* Sets the error text for a row of T steps whose loss is infinite; LRNN_ERR_NUMERIC. */
    lrnn_status (*infinite)(const loss_item *item, size_t T);
} sequence_loss;

/* What a loss takes the model's outputs for, and so which output activations go with it. */
typedef enum loss_outputs {
    LOSS_PLAIN,   /* none */
    LOSS_CLASSES, /* logits of a softmax: softmax and log-softmax */
    LOSS_CHANCES, /* logits of probabilities: sigmoid */
    LOSS_VALUES   /* numbers, for which loss_output is asked: sigmoid and tanh */
} loss_outputs;

#define LOSS_OPTION_FLAG(field) bool field;

typedef struct loss_kind {
    int32_t kind; /* LRNN_LOSS_* */
    const char *name;
    bool reads_values; /* target_values, else targets */
    loss_outputs outputs;
    struct {
        LOSS_OPTIONS(LOSS_OPTION_FLAG)
    } reads;
    /* Are those that it reads in range? NULL: it reads none. */
    lrnn_status (*check_options)(const lrnn_trainer_options *options, size_t outputs);
    /* Checks what the item is compared with. */
    lrnn_status (*check)(const loss_item *item);
    /* What the item's weight is multiplied by in the loss weight; below 0: the item is ignored. */
    double (*share)(const loss_item *item);
    const row_loss *row;           /* one of these */
    const sequence_loss *sequence; /*   is not NULL */
} loss_kind;

/* NULL: no such loss, or LRNN_LOSS_NONE. */
const loss_kind *loss_find(int32_t kind);

/* Fields of the options that the loss does not read, and those it reads out of range. */
lrnn_status loss_check_options(const lrnn_trainer_options *options, size_t outputs);

#define LOSS_DECLARATION(name) extern const loss_kind loss_##name;
LOSS_LIST(LOSS_DECLARATION)

/* A weight for each output; NULL is fine. */
lrnn_status loss_check_weights(const char *field, const real *weights, size_t outputs);

static inline int32_t loss_target(const loss_item *item)
{
    return item->sequences->targets[item->index];
}

/* For losses that compare each output by itself: the target and the weight of output o. */
static inline double loss_target_value(const loss_item *item, size_t o)
{
    return (double)item->sequences->target_values[item->index * item->outputs + o];
}

static inline double loss_value_weight(const loss_item *item, size_t o)
{
    const real *weights = item->sequences->value_weights;
    return weights == NULL ? 1 : (double)weights[item->index * item->outputs + o];
}

/* The output of value z, and its derivative by z. */
static inline double loss_output(const loss_item *item, real z, double *slope)
{
    double y = (double)z;
    *slope = 1;
    if (item->activation == LRNN_ACTIVATION_TANH) {
        y = tanh(y);
        *slope = 1 - y * y;
    } else if (item->activation == LRNN_ACTIVATION_SIGMOID) {
        y = 1 / (1 + exp(-y));
        *slope = y * (1 - y);
    }
    return y;
}

/* Does the output activation go with the loss? */
lrnn_status loss_check_activation(const loss_kind *of, int32_t activation);

/* loss_values.c: parts that such losses share. */
lrnn_status loss_check_values(const loss_item *item); /* weights, and targets that count */
lrnn_status loss_check_value_weight(const loss_item *item, size_t o);
double loss_share_values(const loss_item *item);
/* The sum over the slices, as a mean over O. */
double loss_mean_values(const loss_item *item);
/* factor = amount / O. */
void loss_prepare_values(const loss_item *item, double amount);

#endif
