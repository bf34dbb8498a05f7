/* liblrnn, topic "train": batches, optimizers, schedules, the trainer, checkpoints.
 *
 * The short way: lrnn_batches_next and lrnn_trainer_step in a loop, lrnn_trainer_snapshot at the
 * end. The long way, for a loss or a net of one's own around ours: lrnn_trainer_zero_gradients,
 * _forward, _backward, lrnn_trainers_clip_norm, lrnn_trainer_update one by one. */
#ifndef LRNN_TRAIN_H
#define LRNN_TRAIN_H

#include "base.h"  /* lrnn_status, lrnn_allocator */
#include "model.h" /* lrnn_model, lrnn_sequences */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- batches --------------------------------------------------------------------------------- */

/* Windows of B rows and T steps for the trainer, cut from one long stream of tokens with the next
 * token of the stream as target, or put together from a list of examples. Holds a cursor that a
 * checkpoint saves. */
typedef struct lrnn_batches lrnn_batches;

enum {
    /* The stream is cut into B long pieces; row b walks along piece b, so each row of a window
     * continues the same row of the window before. What carried state is for. Default. */
    LRNN_BATCHES_STREAMS = 0,
    /* The stream is cut into rows of T tokens, and window w takes rows w*B .. w*B+B-1. A row does
     * not continue the same row of the window before. */
    LRNN_BATCHES_ROWS = 1
};

typedef struct lrnn_batches_options {
    size_t size;                     /* set by lrnn_batches_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    size_t batch;                    /* B; default 16, at least 1 */
    size_t steps;                    /* T; default 32, at least 1; not read for examples */
    int32_t order;                   /* LRNN_BATCHES_*; default LRNN_BATCHES_STREAMS; ditto */
    int32_t reserved;                /* 0 */
    /* ---- examples only ---- */
    uint64_t seed;   /* of shuffling; default 1 */
    int32_t shuffle; /* 1: another order in each pass; 0 (default): that of the list */
    /* 1: examples that do not fill a window at the end of a pass are left out of it; 0 (default):
     * they make a smaller one. */
    int32_t drop_last;
    /* Examples of similar length go together, so that less is padded: each run of so many windows'
     * worth of examples is sorted by length before it is cut into windows, and with shuffle the
     * windows are then shuffled. 0 (default): not done. */
    size_t bucket;
} lrnn_batches_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_batches_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_options_init(lrnn_batches_options *options, size_t struct_size);

/* Windows of a stream: copies `count` tokens. Whole windows only: count / (B*T) of them, the rest
 * of the stream is left out; the target of the last token that is used is the first token of the
 * stream. options: NULL means the defaults. LRNN_ERR_INVALID: a field out of range, or fewer than
 * B*T tokens; LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_create(lrnn_batches **batches, const int32_t *tokens,
                                         size_t count, const lrnn_batches_options *options);

/* A list of examples: sequences of unequal length, each with its targets. An array of steps has
 * those of the first example, then those of the second, and so on: S = sum of all lengths. */
typedef struct lrnn_examples {
    size_t size;                /* set by lrnn_examples_init */
    size_t count;               /* N, at least 1 */
    const int32_t *lengths;     /* [N] steps of each example, at least 1 */
    const int32_t *tokens;      /* [S]; NULL (default): none */
    const float *features;      /* [S,feature_size]; NULL (default): none */
    size_t feature_size;        /* needed with features */
    const int32_t *targets;     /* [S], or [N] with per_example; NULL (default): none */
    const float *target_values; /* [S,target_size], or [N,target_size]; NULL (default): none */
    size_t target_size;         /* needed with target_values: the model's output size */
    const float *weights;       /* [S], or [N] with per_example; NULL (default): all 1 */
    /* 1: an example has one target and weight, for LRNN_HEAD_LAST and LRNN_HEAD_FINAL; 0 (default):
     * it has one for each step. */
    int32_t per_example;
    int32_t reserved; /* 0 */
    /* For LRNN_LOSS_CTC: [N] labels of each example, at least 0. `targets` then has all labels,
     * those of the first example first, and `weights` is [N]. NULL (default): targets are as above.
     * Since 0.2. */
    const int32_t *target_lengths;
    /* [S,target_size], or [N,target_size] with per_example: weight of each value of target_values,
     * see lrnn_sequences.value_weights. NULL (default): all 1. Since 0.2. */
    const float *value_weights;
} lrnn_examples;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_examples).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_examples_init(lrnn_examples *examples, size_t struct_size);

/* Copies the examples. A window holds options->batch of them, each its own row, and has as many
 * steps as its longest; past an example's length are token 0, zeros and target -1. Each row is
 * a sequence of its own: the trainer's carry_state should be 0.
 * options: NULL means the defaults. LRNN_ERR_INVALID: a field out of range, an example without
 * steps, neither tokens nor features, fewer examples than a window with drop_last; the message says
 * which. LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_create_from_examples(lrnn_batches **batches,
                                                       const lrnn_examples *examples,
                                                       const lrnn_batches_options *options);

/* Most steps that a window has: what the trainer's `steps` must be at least. 0 for NULL.
 * Since 0.1. */
LRNN_API size_t lrnn_batches_steps(const lrnn_batches *batches);

/* Most labels that an example has, where examples have labels: what the trainer's `target_steps`
 * must be at least. 0 for others and for NULL. Since 0.2. */
LRNN_API size_t lrnn_batches_target_steps(const lrnn_batches *batches);

/* Accepts NULL. Since 0.1. */
LRNN_API void lrnn_batches_destroy(lrnn_batches *batches);

/* Windows in one pass, and the index of the next one. Since 0.1. */
LRNN_API size_t lrnn_batches_count(const lrnn_batches *batches);
LRNN_API size_t lrnn_batches_position(const lrnn_batches *batches);

/* Fills in the next window, lent until the next call: batch, steps, tokens and targets; from
 * examples every field but size. LRNN_END: the pass is over; the next call starts a new one (reset
 * the trainer's state then). LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_next(lrnn_batches *batches, lrnn_sequences *sequences);

/* Lends the places in the list, 0..N-1, of the examples in the rows of the window that was filled
 * in last; [batch] of that window. For what belongs to an example besides: the other half of a
 * pair, a picture, a name. LRNN_ERR_STATE: no window yet, or batches of a stream; LRNN_ERR_INVALID:
 * NULL argument. *rows is NULL on failure. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_get_rows(const int32_t **rows, const lrnn_batches *batches);

/* Fills in a window of the examples rows[0..count-1], in this order; the cursor stays. With the
 * rows of other batches, the other half of pairs: sources and their targets.
 * LRNN_ERR_INVALID: count is not 1..options.batch (of N, if that is less), a row is not in the
 * list, NULL argument; LRNN_ERR_UNSUPPORTED: batches of a stream. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_select(lrnn_batches *batches, const int32_t *rows, size_t count,
                                         lrnn_sequences *sequences);

/* Goes to window `position` of this pass, 0..count; count means that the pass is over.
 * LRNN_ERR_INVALID: out of range. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_seek(lrnn_batches *batches, size_t position);

/* ---- optimizer ------------------------------------------------------------------------------- */

/* The update rule and its moments for a flat array of parameters. With g the gradient (plus
 * weight_decay * p, except for AdamW), t the number of this update, PyTorch's rules:
 *   SGD      m = momentum*m + (1-dampening)*g (m = g the first time);
 *            p -= lr * m, or with nesterov p -= lr * (g + momentum*m); without momentum p -= lr*g
 *   RMSPROP  v = alpha*v + (1-alpha)*g^2;  u = g / (sqrt(v) + epsilon);  m = momentum*m + u;
 *            p -= lr * m, without momentum p -= lr * u
 *   ADAGRAD  v = v + g^2;  p -= lr * g / (sqrt(v) + epsilon)
 *   ADAM     m = beta1*m + (1-beta1)*g;  v = beta2*v + (1-beta2)*g^2;
 *            p -= lr * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + epsilon)   (Kingma & Ba 2015)
 *   ADAMW    p *= 1 - lr*weight_decay, then Adam without it          (Loshchilov & Hutter 2019) */
typedef struct lrnn_optimizer lrnn_optimizer;

enum {
    LRNN_OPTIMIZER_SGD = 0,
    LRNN_OPTIMIZER_RMSPROP = 1,
    LRNN_OPTIMIZER_ADAGRAD = 2,
    LRNN_OPTIMIZER_ADAM = 3,
    LRNN_OPTIMIZER_ADAMW = 4
};

typedef struct lrnn_optimizer_options {
    size_t size;                     /* set by lrnn_optimizer_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    double learning_rate;            /* default 0.001; finite, at least 0 */
    double weight_decay;             /* default 0; finite, at least 0 */
    double momentum;                 /* SGD, RMSPROP; default 0; finite, at least 0 */
    double dampening;                /* SGD; default 0 */
    double beta1;                    /* ADAM, ADAMW; default 0.9; 0 <= beta1 < 1 */
    double beta2;                    /* ADAM, ADAMW; default 0.999; 0 <= beta2 < 1 */
    double alpha;                    /* RMSPROP; default 0.99; 0 <= alpha < 1 */
    double epsilon;                  /* default 1e-8; finite, at least 0 */
    int32_t kind;                    /* LRNN_OPTIMIZER_*; default LRNN_OPTIMIZER_ADAM */
    int32_t nesterov;                /* SGD; needs momentum > 0 and dampening 0; default 0 */
} lrnn_optimizer_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_optimizer_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_optimizer_options_init(lrnn_optimizer_options *options,
                                                 size_t struct_size);

/* Makes an optimizer for `count` parameters: lrnn_model_parameter_count of the model that is
 * trained, or the length of an array of the caller's own. options: NULL means the defaults.
 * LRNN_ERR_INVALID: count is 0 or a field is out of range; LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_optimizer_create(lrnn_optimizer **optimizer, size_t count,
                                           const lrnn_optimizer_options *options);

/* Accepts NULL. Since 0.1. */
LRNN_API void lrnn_optimizer_destroy(lrnn_optimizer *optimizer);

/* The learning rate of the next update. Getting it from NULL gives NaN.
 * LRNN_ERR_INVALID: negative or not finite. Since 0.1. */
LRNN_API double lrnn_optimizer_learning_rate(const lrnn_optimizer *optimizer);
LRNN_API lrnn_status lrnn_optimizer_set_learning_rate(lrnn_optimizer *optimizer,
                                                      double learning_rate);

/* Number of updates made so far. Since 0.1. */
LRNN_API uint64_t lrnn_optimizer_updates(const lrnn_optimizer *optimizer);

/* One update of an array of the caller's own, of the length given at create. (A trainer's
 * parameters are updated by lrnn_trainer_update.) LRNN_ERR_NUMERIC: a gradient is NaN or infinite;
 * nothing has changed. LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_optimizer_update(lrnn_optimizer *optimizer, float *parameters,
                                           const float *gradients);

/* ---- learning-rate schedule ------------------------------------------------------------------ */

/* A rule that sets an optimizer's learning rate; the caller advances it once an update or once an
 * epoch. With lr0 the base rate and n the number of advances so far (0 before the first):
 *   CONSTANT     lr0
 *   STEP         lr0 * factor^floor(n / period)
 *   EXPONENTIAL  lr0 * factor^n
 *   COSINE       minimum + (lr0 - minimum) * (1 + cos(pi * min(n, period) / period)) / 2
 *   PLATEAU      multiplied by factor (not below minimum) when the reported metric has not fallen
 *                below best * (1 - threshold) for more than `patience` reports
 * These are PyTorch's StepLR, ExponentialLR, CosineAnnealingLR and ReduceLROnPlateau. With warm-up,
 * during the first `warmup` advances the rate is that of the rule times (n + 1) / (warmup + 1), and
 * the rule's own n starts to count after it. */
typedef struct lrnn_schedule lrnn_schedule;

enum {
    LRNN_SCHEDULE_CONSTANT = 0,
    LRNN_SCHEDULE_STEP = 1,
    LRNN_SCHEDULE_EXPONENTIAL = 2,
    LRNN_SCHEDULE_COSINE = 3,
    LRNN_SCHEDULE_PLATEAU = 4
};

typedef struct lrnn_schedule_options {
    size_t size;                     /* set by lrnn_schedule_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    double learning_rate;            /* lr0; default 0.001; finite, at least 0 */
    double factor;                   /* default 0.1; above 0 */
    double minimum;                  /* COSINE, PLATEAU; default 0; at least 0 */
    double threshold;                /* PLATEAU; default 1e-4; at least 0, below 1 */
    uint64_t warmup;                 /* advances; default 0 */
    uint64_t period;                 /* STEP, COSINE: advances; default 1, at least 1 */
    uint64_t patience;               /* PLATEAU: reports; default 10 */
    int32_t kind;                    /* LRNN_SCHEDULE_*; default LRNN_SCHEDULE_CONSTANT */
    int32_t reserved;                /* 0 */
} lrnn_schedule_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_schedule_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_schedule_options_init(lrnn_schedule_options *options, size_t struct_size);

/* options: NULL means the defaults. LRNN_ERR_INVALID: a field out of range; LRNN_ERR_MEMORY.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_schedule_create(lrnn_schedule **schedule,
                                          const lrnn_schedule_options *options);

/* Accepts NULL. Since 0.1. */
LRNN_API void lrnn_schedule_destroy(lrnn_schedule *schedule);

/* The rate that is due now. NaN for NULL. Since 0.1. */
LRNN_API double lrnn_schedule_learning_rate(const lrnn_schedule *schedule);

/* Counts one advance; then lrnn_schedule_learning_rate is that of the next update. Since 0.1. */
LRNN_API lrnn_status lrnn_schedule_advance(lrnn_schedule *schedule);

/* Reports a metric that should fall, for PLATEAU; the other kinds take no notice.
 * LRNN_ERR_NUMERIC: NaN. Since 0.1. */
LRNN_API lrnn_status lrnn_schedule_report(lrnn_schedule *schedule, double metric);

/* ---- trainer --------------------------------------------------------------------------------- */

/* Takes a model, owns a working copy of its parameters, their gradients, the activations of a
 * B x T window and the state that is carried from window to window. Allocates only at create. */
typedef struct lrnn_trainer lrnn_trainer;

enum {
    LRNN_LOSS_NONE = 0, /* the caller has a loss of their own */
    /* softmax cross-entropy over the outputs, in nats; reads targets (torch.nn.CrossEntropyLoss) */
    LRNN_LOSS_CROSS_ENTROPY = 1,
    /* These read target_values and are averaged over the O values of an item, d = output - target:
     * d^2 (torch.nn.MSELoss) */
    LRNN_LOSS_SQUARED_ERROR = 2,
    /* |d| (torch.nn.L1Loss). Since 0.2. */
    LRNN_LOSS_ABSOLUTE_ERROR = 3,
    /* d^2/2 up to |d| = delta, then delta (|d| - delta/2) (torch.nn.HuberLoss). Since 0.2. */
    LRNN_LOSS_HUBER = 4,
    /* Huber / beta with beta for delta (torch.nn.SmoothL1Loss). Since 0.2. */
    LRNN_LOSS_SMOOTH_L1 = 5,
    /* O independent outputs, each the logit of a probability (torch.nn.BCEWithLogitsLoss).
     * Since 0.2. */
    LRNN_LOSS_BINARY_CROSS_ENTROPY = 6,
    /* Connectionist temporal classification (torch.nn.CTCLoss): all alignments of a row's steps
     * with its labels, see lrnn_sequences.target_steps. Needs LRNN_HEAD_STEPS; an item is a row,
     * and with LRNN_REDUCTION_MEAN the loss of a row is divided by the number of its labels (at
     * least 1). Labels that do not fit into the steps of a row make the loss infinite:
     * LRNN_ERR_NUMERIC naming the row, unless zero_infinity is 1. Graves et al. 2006. Since 0.2. */
    LRNN_LOSS_CTC = 7
};

enum {
    LRNN_REDUCTION_MEAN = 0, /* gradients are those of loss sum / loss weight */
    LRNN_REDUCTION_SUM = 1   /* gradients are those of the loss sum */
};

/* Sums over all workers that train one model together: several processes, machines or threads, each
 * with a trainer made from the same model with the same options but rows of its own. The functions
 * are called by lrnn_trainer_step alone, the same number of times in the same order on every
 * worker; each replaces the values by their sum over all workers, which must have the same bits
 * everywhere, and returns 0; anything else fails the step with LRNN_ERR_CALLBACK. Any engine may
 * stand behind them. Since 0.2. */
typedef struct lrnn_exchange {
    size_t size; /* set by lrnn_exchange_init */
    void *user;  /* handed to both functions */
    int32_t (*sum_doubles)(void *user, double *values, size_t count); /* at most 8 values */
    /* the gradients, lrnn_model_parameter_count of them */
    int32_t (*sum_floats)(void *user, float *values, size_t count);
} lrnn_exchange;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_exchange).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.2. */
LRNN_API lrnn_status lrnn_exchange_init(lrnn_exchange *exchange, size_t struct_size);

typedef struct lrnn_trainer_options {
    size_t size;                     /* set by lrnn_trainer_options_init */
    const lrnn_allocator *allocator; /* NULL (default): the model's */
    size_t batch;                    /* most rows B of a window; default 16, at least 1 */
    size_t steps;                    /* most steps T of a window; default 32, at least 1 */
    size_t threads;                  /* that work on a window, the caller's included; default 1 */
    uint64_t seed;                   /* of dropout; default 1 */
    double
        clip_norm; /* lrnn_trainer_step clips the gradient to this norm; 0 (default): it does not */
    double clip_value; /* and before that each element to +-this; 0 (default): it does not */
    /* Cross-entropy: this share of the target distribution is spread evenly over all classes;
     * default 0, 0..1. */
    double label_smoothing;
    int32_t loss;      /* LRNN_LOSS_*; default LRNN_LOSS_CROSS_ENTROPY */
    int32_t reduction; /* LRNN_REDUCTION_*; default LRNN_REDUCTION_MEAN */
    /* 1 (default): each window starts from the state in which the one before ended (the gradient
     * stops at the border); 0: each starts at zero, or at what was imported for it. */
    int32_t carry_state;
    int32_t reserved; /* 0 */
    /* 0 (default): the activations of the whole window are kept for the backward pass. K: the
     * window is processed in segments of K steps; only h and c at their borders are kept, and
     * each segment but the last is run forward a second time before its backward. For T steps that
     * takes the memory of K of them and of T / K states, least with K near sqrt(T), and at
     * most a third more time; losses and gradients are the same up to rounding. Not for
     * bidirectional models (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). */
    size_t recompute_steps;
    /* Cross-entropy: [O] weight of each class, finite and at least 0, copied at create; an item
     * counts with that of its target in the loss weight. NULL (default): all 1. Since 0.2. */
    const float *class_weights;
    /* Binary cross-entropy: [O] weight of the positive side of each output (pos_weight), finite and
     * at least 0, copied at create. NULL (default): all 1. Since 0.2. */
    const float *positive_weights;
    /* Huber: delta; smooth L1: beta; above 0. 0 (default): 1. Since 0.2. */
    double loss_transition;
    /* CTC: most labels of a row, S of a window at most; 0 (default): as many as `steps`. Together
     * with steps it decides how much memory the loss takes: batch * steps * O floats, and for each
     * thread 16 * steps * (3 * target_steps + 2) bytes. Since 0.2. */
    size_t target_steps;
    int32_t blank;         /* CTC: the output that means "no label"; default 0. Since 0.2. */
    int32_t zero_infinity; /* CTC: 1: an infinite loss counts as 0, without gradient. Since 0.2. */
    /* With it lrnn_trainer_step is a step on the windows of all workers: it sums gradients, loss
     * and weight over them before it scales, clips and updates, so that all workers have the same
     * parameters, and its result is that of all. An error on one worker is an error on all, and
     * nothing has changed on any. The functions are copied at create. The parts of a step and
     * lrnn_trainer_evaluate stay each worker's own. NULL (default): one worker. Since 0.2. */
    const lrnn_exchange *exchange;
} lrnn_trainer_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_trainer_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_options_init(lrnn_trainer_options *options, size_t struct_size);

/* What a window gave. A loss is a sum and a weight, so that windows of different size can be put
 * together; the mean is sum / weight. Items with a negative target count in neither. An item is one
 * step, or one sequence where the head answers once a sequence; with CTC it is a row. */
typedef struct lrnn_train_result {
    size_t size; /* set by lrnn_train_result_init */
    double loss_sum;
    double loss_weight;
    double gradient_norm; /* global, before clipping by norm; 0 where no gradient was computed */
    double learning_rate; /* of this update; 0 where there was none */
    /* How many items had a weight above 0, and how many of them were right: cross-entropy: no
     * output is larger than the target's; binary cross-entropy: counts outputs instead of items,
     * right where the logit is above 0 and the target above 0.5, or neither; other losses: 0. Since
     * 0.2. */
    uint64_t items;
    uint64_t right;
} lrnn_train_result;

/* Sets every field to 0. struct_size: sizeof(lrnn_train_result). Since 0.1. */
LRNN_API lrnn_status lrnn_train_result_init(lrnn_train_result *result, size_t struct_size);

/* options: NULL means the defaults. The trainer keeps what it needs of the model.
 * LRNN_ERR_INVALID: a field out of range or one that the loss does not read, a loss without a head;
 * LRNN_ERR_MEMORY: also when a thread cannot be started. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_create(lrnn_trainer **trainer, const lrnn_model *model,
                                         const lrnn_trainer_options *options);

/* Accepts NULL. Since 0.1. */
LRNN_API void lrnn_trainer_destroy(lrnn_trainer *trainer);

/* One training step: gradients to zero, forward, loss, backward, clip by value, clip by norm,
 * update. B and T may be smaller than at create; the carried state follows the rows, so a window
 * that continues must have as many as the one before.
 * result: NULL if not wanted.
 * LRNN_ERR_INVALID: sizes, tokens, targets, lengths or weights out of range, the message says
 * where; LRNN_ERR_NUMERIC: a target value, the loss or the gradient is NaN or infinite, or all
 * weights are zero with LRNN_REDUCTION_MEAN; LRNN_ERR_UNSUPPORTED: the trainer has LRNN_LOSS_NONE;
 * LRNN_ERR_CALLBACK: the exchange failed, or another worker's window has an error. After any error
 * parameters, moments, carried state and random numbers are as they were. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_step(lrnn_trainer *trainer, lrnn_optimizer *optimizer,
                                       const lrnn_sequences *sequences, lrnn_train_result *result);

/* A window without dropout or gradients, and its loss if the trainer has one, on a state of its
 * own: the first call after lrnn_trainer_reset_evaluation starts at zero, the next ones carry on
 * (if carry_state is 1). Training state and random numbers stay as they are, but a forward that
 * waits for its backward is forgotten. Outputs and activations can be copied afterwards. Errors as
 * lrnn_trainer_step, without LRNN_ERR_UNSUPPORTED. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_evaluate(lrnn_trainer *trainer, const lrnn_sequences *sequences,
                                           lrnn_train_result *result);

LRNN_API lrnn_status lrnn_trainer_reset_evaluation(lrnn_trainer *trainer);

/* Sets the carried state of all rows to zero, as at the start of a stream. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_reset_state(lrnn_trainer *trainer);

/* Copies the carried state, h [L*D,B,R] and c [L*D,B,H] with the B of the last window (of
 * options.batch before the first), out and in; c as in lrnn_state_export. What is exported after a
 * window is the state in which it ended, with carry_state 0 too, although the next window does not
 * start there then: an encoder's final state, for a decoder to begin in. What is imported is the
 * initial state of the next window, of `batch` rows; what is left out of it is zero.
 * LRNN_ERR_INVALID: batch is 0 or above options.batch, or as lrnn_state_export. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_export_state(float *h, float *c, const lrnn_trainer *trainer);
LRNN_API lrnn_status lrnn_trainer_import_state(lrnn_trainer *trainer, const float *h,
                                               const float *c, size_t batch);

/* Publishes the parameters of this moment as an immutable model, with the architecture,
 * vocabularies and allocator of the one that the trainer was made from. LRNN_ERR_NUMERIC: an update
 * has made a parameter NaN, infinite or too large for the model's weight_type; LRNN_ERR_MEMORY.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_snapshot(lrnn_model **model, const lrnn_trainer *trainer);

/* Overwrites one parameter, or with name NULL all of them in the order of the flat array.
 * LRNN_ERR_NOT_FOUND; LRNN_ERR_INVALID: count is not the number of values; LRNN_ERR_NUMERIC: a
 * value is NaN or infinite. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_set_parameter(lrnn_trainer *trainer, const char *name,
                                                const float *values, size_t count);

/* A frozen parameter has a zero gradient and is never updated, decayed or counted in a norm.
 * frozen: 1 or 0. LRNN_ERR_NOT_FOUND. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_set_frozen(lrnn_trainer *trainer, const char *name,
                                             int32_t frozen);

/* ---- the parts of a step ---- */

/* All gradients zero. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_zero_gradients(lrnn_trainer *trainer);

/* Runs a window with dropout, keeps its activations for lrnn_trainer_backward, advances the carried
 * state, and computes the loss if the trainer has one and targets are given. `sequences` and what
 * it points to must stay until backward is done. result: NULL if not wanted. Errors as
 * lrnn_trainer_step. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_forward(lrnn_trainer *trainer, const lrnn_sequences *sequences,
                                          lrnn_train_result *result);

/* Copies the outputs of the last forward: [B,T,O] or [B,O] as the head says, without a head
 * [B,T,D*R]. Steps past a sequence's length are zero. capacity: room in floats.
 * LRNN_ERR_STATE: no forward yet, or its backward is done; LRNN_ERR_TOO_SMALL. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_copy_outputs(float *outputs, size_t capacity,
                                               lrnn_trainer *trainer);

/* Copies an activation of the last forward or evaluation (before its backward, which overwrites
 * them), to see what a net does. The names are those of the mathematics:
 *   every cell  hidden (h')
 *   LSTM        input_gate (i), forget_gate (f), candidate (g), output_gate (o), cell (c')
 *   GRU         reset_gate (r), update_gate (z), candidate (n)
 * values: [B,T,H], hidden [B,T,R], zero past a sequence's length. capacity: room in floats.
 * layer: 0 is the one that reads the input. direction: 0 forward, 1 reverse. LRNN_ERR_STATE:
 * nothing to copy; LRNN_ERR_NOT_FOUND: the cell has nothing of that name; LRNN_ERR_INVALID: no such
 * layer or direction; LRNN_ERR_TOO_SMALL. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_copy_activation(float *values, size_t capacity,
                                                  lrnn_trainer *trainer, const char *name,
                                                  size_t layer, size_t direction);

/* Gradients that go into a backward pass and come out of it. All pointers are optional. */
typedef struct lrnn_backward {
    size_t size; /* set by lrnn_backward_init */
    /* In: the trainer's own loss, times this; 0: leave it out. Default 1. */
    double loss_scale;
    /* In: gradient of the caller's loss with respect to the outputs, [B,T,O] or [B,O]. */
    const float *outputs;
    /* In: with respect to the final state, [L*D,B,R] and [L*D,B,H]. */
    const float *final_h;
    const float *final_c;
    /* Out: with respect to the features, [B,T,F], overwritten. */
    float *features;
    /* Out: with respect to the initial state, as the final one, overwritten. */
    float *initial_h;
    float *initial_c;
} lrnn_backward;

/* Sets every pointer to NULL and loss_scale to 1. struct_size: sizeof(lrnn_backward). Since 0.1. */
LRNN_API lrnn_status lrnn_backward_init(lrnn_backward *backward, size_t struct_size);

/* Back-propagates through the last forward and adds to the gradients. Once for each forward.
 * backward: NULL means the trainer's own loss and nothing else.
 * LRNN_ERR_STATE: no forward since the last backward, or loss_scale is not 0 and that forward had
 * no targets; LRNN_ERR_INVALID: a pointer for something the model does not have;
 * LRNN_ERR_NUMERIC: the loss, its weight or a gradient that was given is not finite. The gradients
 * are as they were then. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_backward(lrnn_trainer *trainer, const lrnn_backward *backward);

/* Lends the gradients, one flat array of lrnn_model_parameter_count values in the model's order, to
 * read and to write, until the trainer goes. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_get_gradients(float **gradients, size_t *count,
                                                lrnn_trainer *trainer);

/* Clips each gradient of the trainer to +-limit (torch.nn.utils.clip_grad_value_).
 * LRNN_ERR_INVALID: limit is not above 0. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_clip_value(lrnn_trainer *trainer, double limit);

/* Clips the gradients of several trainers together: where their common norm is above max_norm, all
 * are multiplied by max_norm / (norm + 1e-6) (torch.nn.utils.clip_grad_norm_). max_norm 0: only
 * measures. *norm: before clipping; may be NULL.
 * LRNN_ERR_NUMERIC: the norm is not finite; nothing has changed. LRNN_ERR_INVALID: max_norm
 * negative, a trainer is NULL or given twice. Since 0.1. */
LRNN_API lrnn_status lrnn_trainers_clip_norm(lrnn_trainer *const *trainers, size_t count,
                                             double max_norm, double *norm);

/* One update of the trainer's parameters by its gradients. The gradients stay.
 * LRNN_ERR_INVALID: the optimizer was made for another number of parameters; LRNN_ERR_NUMERIC: a
 * gradient is NaN or infinite; nothing has changed. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_update(lrnn_trainer *trainer, lrnn_optimizer *optimizer);

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* What a checkpoint holds. Each handle but the trainer may be NULL: left out on save, not touched
 * on load. */
typedef struct lrnn_checkpoint {
    size_t size; /* set by lrnn_checkpoint_init */
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    lrnn_batches *batches;
    /* A second model of the trainer's architecture, such as the best so far by validation, so that
     * the file is all that a run needs to go on. Saved only; lrnn_checkpoint_load_best reads it.
     * Default NULL. Since 0.2. */
    const lrnn_model *best;
} lrnn_checkpoint;

/* Sets every handle to NULL. struct_size: sizeof(lrnn_checkpoint). Since 0.1. */
LRNN_API lrnn_status lrnn_checkpoint_init(lrnn_checkpoint *checkpoint, size_t struct_size);

/* Writes parameters, carried state, random state, optimizer moments and learning rate, schedule and
 * batch cursor in one safetensors file, whole or not at all. The file is a model file too:
 * lrnn_model_load reads the model from it. Training that goes on from a checkpoint ends with the
 * same bits as training that was never stopped.
 * note: a UTF-8 string of the caller's that is kept with it, or NULL.
 * LRNN_ERR_IO, LRNN_ERR_MEMORY, LRNN_ERR_INVALID: no trainer, note not UTF-8, best of
 * another architecture. Since 0.1. */
LRNN_API lrnn_status lrnn_checkpoint_save(const lrnn_checkpoint *checkpoint, const char *path,
                                          const char *note);

/* Puts the objects, which were made with the same options, back to where they were saved.
 * LRNN_ERR_INVALID: an object does not fit what the file holds, the message says which and why;
 * LRNN_ERR_IO, LRNN_ERR_FORMAT, LRNN_ERR_UNSUPPORTED, LRNN_ERR_NUMERIC, LRNN_ERR_MEMORY as
 * lrnn_model_load. After any error all objects are as they were. Since 0.1. */
LRNN_API lrnn_status lrnn_checkpoint_load(const lrnn_checkpoint *checkpoint, const char *path);

/* Loads the second model of a checkpoint file, with the vocabularies of the first; destroy it.
 * allocator: NULL means malloc and free. *best is NULL on failure.
 * LRNN_ERR_NOT_FOUND: the file has none; other errors as lrnn_model_load. Since 0.2. */
LRNN_API lrnn_status lrnn_checkpoint_load_best(lrnn_model **best, const char *path,
                                               const lrnn_allocator *allocator);

/* Copies the note of a checkpoint file, NUL-terminated. note: room for `capacity` bytes, or NULL
 * with capacity 0 to ask for the length; *length: without the NUL. LRNN_ERR_TOO_SMALL;
 * LRNN_ERR_NOT_FOUND: it has none; LRNN_ERR_IO, LRNN_ERR_FORMAT, LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_checkpoint_read_note(char *note, size_t capacity, size_t *length,
                                               const char *path);

#ifdef __cplusplus
}
#endif

#endif
