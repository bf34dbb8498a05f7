/* liblrnn, topic "train": batches, optimizers, schedules, the trainer, checkpoints.
 *
 * The short way: lrnn_batches_next and lrnn_trainer_step in a loop, then lrnn_trainer_snapshot. The
 * long way, for a loss or further layers of the caller's own: the parts of a step one by one,
 * lrnn_trainer_zero_gradients, _forward, _backward, lrnn_trainers_clip_norm and
 * lrnn_trainer_update. */
#ifndef LRNN_TRAIN_H
#define LRNN_TRAIN_H

#include "base.h"  /* lrnn_status, lrnn_allocator */
#include "model.h" /* lrnn_model, lrnn_sequences */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- token files: texts larger than memory ----------------------------------------------------
 */

/* A token file holds a text as ids of 1, 2 or 4 bytes each, as the vocabulary needs, together with
 * that vocabulary. It is a safetensors file: Python reads the tensor "tokens".
 *
 * Writes a token file. Used by one thread at a time. Since 0.2. */
typedef struct lrnn_token_writer lrnn_token_writer;

/* Starts a file for texts of this vocabulary, which the writer shares. The file appears under its
 * name when lrnn_token_writer_finish is done, complete, and not before. allocator: NULL means
 * malloc and free. LRNN_ERR_IO: path and reason; LRNN_ERR_INVALID: NULL argument;
 * LRNN_ERR_UNSUPPORTED: a vocabulary too large for a file's header (about 100 MB); LRNN_ERR_MEMORY.
 * Since 0.2. */
LRNN_API lrnn_status lrnn_token_writer_create(lrnn_token_writer **writer, const char *path,
                                              const lrnn_vocab *vocab,
                                              const lrnn_allocator *allocator);

/* Accepts NULL. A file that is not finished is gone, and one that it would have replaced is as it
 * was. Since 0.2. */
LRNN_API void lrnn_token_writer_destroy(lrnn_token_writer *writer);

/* Encodes the next `length` bytes of a text; a piece may end anywhere, also within a character or
 * word. Memory is that of the longest word.
 * After an error the writer can only be destroyed: other calls return LRNN_ERR_STATE.
 * LRNN_ERR_NOT_FOUND, LRNN_ERR_FORMAT as for lrnn_vocab_encode, with offset, line and column in the
 * text; LRNN_ERR_IO; LRNN_ERR_MEMORY; LRNN_ERR_INVALID: NULL argument. Since 0.2. */
LRNN_API lrnn_status lrnn_token_writer_add(lrnn_token_writer *writer, const char *text,
                                           size_t length);

/* Ends a text: what is added next is another one, and no token spans the two. Nothing is written
 * between them. Errors as for lrnn_token_writer_add. Since 0.2. */
LRNN_API lrnn_status lrnn_token_writer_end(lrnn_token_writer *writer);

/* Ends a text as above and adds ids that are encoded already.
 * LRNN_ERR_INVALID: NULL argument, or an id out of range, in which case nothing has changed; other
 * errors as for lrnn_token_writer_add. Since 0.2. */
LRNN_API lrnn_status lrnn_token_writer_add_ids(lrnn_token_writer *writer, const int32_t *ids,
                                               size_t count);

/* Ends the last text and puts the file in its place. The writer can only be destroyed then. Errors
 * as for lrnn_token_writer_add. Since 0.2. */
LRNN_API lrnn_status lrnn_token_writer_finish(lrnn_token_writer *writer);

/* An open token file. Immutable: any number of threads may share one. Since 0.2. */
typedef struct lrnn_tokens lrnn_tokens;

/* Opens a token file; only its header is read. allocator: NULL means malloc and free.
 * LRNN_ERR_IO: the file cannot be read. LRNN_ERR_FORMAT: it is not a token file; the message names
 * the file and the key or tensor. LRNN_ERR_UNSUPPORTED: written by a later version of the format.
 * LRNN_ERR_MEMORY; LRNN_ERR_INVALID: NULL argument. Since 0.2. */
LRNN_API lrnn_status lrnn_tokens_open(lrnn_tokens **tokens, const char *path,
                                      const lrnn_allocator *allocator);

/* Releases the caller's reference; batches made from the file keep it open. Accepts NULL.
 * Since 0.2. */
LRNN_API void lrnn_tokens_destroy(lrnn_tokens *tokens);

/* Number of tokens. 0 for NULL. Since 0.2. */
LRNN_API size_t lrnn_tokens_count(const lrnn_tokens *tokens);

/* Number of characters (bytes, at byte level) of the texts that were encoded; 0 if the file does
 * not say, and for NULL. Since 0.2. */
LRNN_API uint64_t lrnn_tokens_characters(const lrnn_tokens *tokens);

/* The vocabulary, valid until the tokens are destroyed; NULL if the file has none. Since 0.2. */
LRNN_API const lrnn_vocab *lrnn_tokens_vocab(const lrnn_tokens *tokens);

/* Reads `count` ids from token `first` on. Allocates nothing.
 * LRNN_ERR_INVALID: there are not so many tokens, NULL argument. LRNN_ERR_IO: the file cannot be
 * read, or has become shorter. LRNN_ERR_FORMAT: an id is not in the vocabulary; the message gives
 * its position. Since 0.2. */
LRNN_API lrnn_status lrnn_tokens_read(int32_t *ids, const lrnn_tokens *tokens, size_t first,
                                      size_t count);

/* ---- batches --------------------------------------------------------------------------------- */

/* Windows of B rows and T steps for the trainer: cut from one long stream of tokens, where the
 * target is the next token, or assembled from a list of examples. Has a cursor, which a checkpoint
 * saves. */
typedef struct lrnn_batches lrnn_batches;

enum {
    /* The stream is cut into B long pieces, and row b moves along piece b, so that each row of a
     * window continues the same row of the window before. This is what carried state is for.
     * Default. */
    LRNN_BATCHES_STREAMS = 0,
    /* The stream is cut into rows of T tokens, and window w takes rows w*B .. w*B+B-1. A row does
     * not continue the same row of the window before. */
    LRNN_BATCHES_ROWS = 1
};

typedef struct lrnn_batches_options {
    size_t size;                     /* set by lrnn_batches_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    size_t batch;                    /* B; default 16, at least 1 */
    size_t steps;                    /* T; default 32, at least 1; not used for examples */
    int32_t order;                   /* LRNN_BATCHES_*; default LRNN_BATCHES_STREAMS; likewise */
    int32_t reserved;                /* 0 */
    /* ---- examples only ---- */
    uint64_t seed;   /* of shuffling; default 1 */
    int32_t shuffle; /* 1: a new order in each pass; 0 (default): that of the list */
    /* 1: examples that do not fill a window at the end of a pass are left out; 0 (default): they
     * form a smaller window. */
    int32_t drop_last;
    /* Groups examples of similar length, so that there is less padding: the examples of each
     * `bucket` windows are sorted by length before they are cut into windows; with shuffle the
     * windows are then shuffled. 0 (default): no grouping. */
    size_t bucket;
} lrnn_batches_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_batches_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_options_init(lrnn_batches_options *options, size_t struct_size);

/* Windows of a stream: copies `count` tokens. Only whole windows are used, count / (B*T) of them;
 * the rest of the stream is left out. The target of the last token used is the first token of the
 * stream. options: NULL means the defaults. LRNN_ERR_INVALID: a field out of range, or fewer than
 * B*T tokens; LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_create(lrnn_batches **batches, const int32_t *tokens,
                                         size_t count, const lrnn_batches_options *options);

/* The same windows of the tokens first..first+count-1 of a file, which is read as they are needed:
 * memory is that of a window and up to 4 MB, whatever the length of the file. lrnn_batches_next may
 * then also return LRNN_ERR_IO and LRNN_ERR_FORMAT, as lrnn_tokens_read; the cursor does not move.
 * LRNN_ERR_INVALID: a field out of range, fewer than B*T tokens, or not so many in the file;
 * LRNN_ERR_MEMORY. Since 0.2. */
LRNN_API lrnn_status lrnn_batches_create_from_tokens(lrnn_batches **batches,
                                                     const lrnn_tokens *tokens, size_t first,
                                                     size_t count,
                                                     const lrnn_batches_options *options);

/* A list of examples: sequences of unequal length, each with its targets. An array of steps holds
 * those of the first example, then those of the second, and so on: S = sum of all lengths. */
typedef struct lrnn_examples {
    size_t size;                /* set by lrnn_examples_init */
    size_t count;               /* N, at least 1 */
    const int32_t *lengths;     /* [N] steps of each example, at least 1 */
    const int32_t *tokens;      /* [S]; NULL (default): none */
    const float *features;      /* [S,feature_size]; NULL (default): none */
    size_t feature_size;        /* required with features */
    const int32_t *targets;     /* [S], or [N] with per_example; NULL (default): none */
    const float *target_values; /* [S,target_size], or [N,target_size]; NULL (default): none */
    size_t target_size;         /* required with target_values: the model's output size */
    const float *weights;       /* [S], or [N] with per_example; NULL (default): all 1 */
    /* 1: an example has one target and weight, for LRNN_HEAD_LAST and LRNN_HEAD_FINAL; 0 (default):
     * it has one for each step. */
    int32_t per_example;
    int32_t reserved; /* 0 */
    /* For LRNN_LOSS_CTC: [N] number of labels of each example, at least 0. `targets` then holds the
     * labels of the first example, then those of the second, and so on; `weights` is [N]. NULL
     * (default): targets are as above. Since 0.2. */
    const int32_t *target_lengths;
    /* [S,target_size], or [N,target_size] with per_example: weight of each value of target_values,
     * see lrnn_sequences.value_weights. NULL (default): all 1. Since 0.2. */
    const float *value_weights;
} lrnn_examples;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_examples).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_examples_init(lrnn_examples *examples, size_t struct_size);

/* Copies the examples. A window holds options->batch of them, one per row, and has as many steps as
 * the longest; past an example's length it is padded with token 0, zeros and target -1. Each row is
 * a sequence of its own: the trainer's carry_state should be 0.
 * options: NULL means the defaults. LRNN_ERR_INVALID: a field out of range, an example without
 * steps, neither tokens nor features, fewer examples than a window with drop_last; the message says
 * which. LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_create_from_examples(lrnn_batches **batches,
                                                       const lrnn_examples *examples,
                                                       const lrnn_batches_options *options);

/* Maximum number of steps in a window: the least value for the trainer's `steps`. 0 for NULL.
 * Since 0.1. */
LRNN_API size_t lrnn_batches_steps(const lrnn_batches *batches);

/* Maximum number of labels of an example, where examples have labels: the least value for the
 * trainer's `target_steps`. Otherwise, and for NULL, 0. Since 0.2. */
LRNN_API size_t lrnn_batches_target_steps(const lrnn_batches *batches);

/* Accepts NULL. Since 0.1. */
LRNN_API void lrnn_batches_destroy(lrnn_batches *batches);

/* Number of windows in a pass, and index of the next one. Since 0.1. */
LRNN_API size_t lrnn_batches_count(const lrnn_batches *batches);
LRNN_API size_t lrnn_batches_position(const lrnn_batches *batches);

/* Fills in the next window, whose arrays are valid until the next call: batch, steps, tokens and
 * targets; from examples every field but size. LRNN_END: the pass is over, and the next call starts
 * a new one (reset the trainer's state then). LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_next(lrnn_batches *batches, lrnn_sequences *sequences);

/* Points *rows at the positions in the list, 0..N-1, of the examples in the rows of the last
 * window; [batch] of that window. They lead to whatever else belongs to an example: the other half
 * of a pair, a picture, a name. LRNN_ERR_STATE: no window yet, or batches of a stream;
 * LRNN_ERR_INVALID: NULL argument. *rows is NULL on failure. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_get_rows(const int32_t **rows, const lrnn_batches *batches);

/* Fills in a window of the examples rows[0..count-1], in this order; the cursor does not move. With
 * the rows of other batches it gives the other half of pairs, such as sources and their
 * translations.
 * LRNN_ERR_INVALID: count is not 1..options.batch (or N, if that is less), a row is not in the
 * list, NULL argument; LRNN_ERR_UNSUPPORTED: batches of a stream. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_select(lrnn_batches *batches, const int32_t *rows, size_t count,
                                         lrnn_sequences *sequences);

/* Goes to window `position` of this pass, 0..count; count means that the pass is over.
 * LRNN_ERR_INVALID: out of range. Since 0.1. */
LRNN_API lrnn_status lrnn_batches_seek(lrnn_batches *batches, size_t position);

/* ---- optimizer ------------------------------------------------------------------------------- */

/* The update rule and its moments for a flat array of parameters. The rules are PyTorch's, with g
 * the gradient (plus weight_decay * p, except for AdamW) and t the number of this update:
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

/* One update of an array of the caller's, of the length given at create. (A trainer's parameters
 * are updated by lrnn_trainer_update.) LRNN_ERR_NUMERIC: a gradient is NaN or infinite; nothing has
 * changed. LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_optimizer_update(lrnn_optimizer *optimizer, float *parameters,
                                           const float *gradients);

/* ---- learning-rate schedule ------------------------------------------------------------------ */

/* A rule for an optimizer's learning rate; the caller advances it once per update or once per
 * epoch. With lr0 the base rate and n the number of advances so far (0 before the first):
 *   CONSTANT     lr0
 *   STEP         lr0 * factor^floor(n / period)
 *   EXPONENTIAL  lr0 * factor^n
 *   COSINE       minimum + (lr0 - minimum) * (1 + cos(pi * min(n, period) / period)) / 2
 *   PLATEAU      multiplied by factor (down to minimum) when the reported metric has not fallen
 *                below best * (1 - threshold) for more than `patience` reports
 *   MILESTONES   lr0 * factor^(number of milestones that are at most n)
 * These are PyTorch's StepLR, ExponentialLR, CosineAnnealingLR, ReduceLROnPlateau and MultiStepLR.
 * With warm-up, the rate during the first `warmup` advances is that of the rule times
 * (n + 1) / (warmup + 1), and the rule's own n starts to count afterwards. With `delay` it starts
 * to count so many advances later still, and until then the rate is that of n = 0. */
typedef struct lrnn_schedule lrnn_schedule;

enum {
    LRNN_SCHEDULE_CONSTANT = 0,
    LRNN_SCHEDULE_STEP = 1,
    LRNN_SCHEDULE_EXPONENTIAL = 2,
    LRNN_SCHEDULE_COSINE = 3,
    LRNN_SCHEDULE_PLATEAU = 4,
    LRNN_SCHEDULE_MILESTONES = 5 /* since 0.2 */
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
    /* Advances before the rule starts to count; of the reports to PLATEAU, those before or at that
     * advance count for nothing. Must be 0 for CONSTANT. Default 0. Since 0.2. */
    uint64_t delay;
    /* MILESTONES: [milestone_count] advances at which the rate is multiplied by factor, each larger
     * than the one before; at least one. Copied. NULL (default) for other kinds. Since 0.2. */
    const uint64_t *milestones;
    size_t milestone_count; /* since 0.2 */
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

/* The current rate. NaN for NULL. Since 0.1. */
LRNN_API double lrnn_schedule_learning_rate(const lrnn_schedule *schedule);

/* Advances the schedule by one; lrnn_schedule_learning_rate is then the rate of the next update.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_schedule_advance(lrnn_schedule *schedule);

/* Reports a metric that should fall, for PLATEAU; the other kinds ignore it. LRNN_ERR_NUMERIC: NaN.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_schedule_report(lrnn_schedule *schedule, double metric);

/* ---- trainer --------------------------------------------------------------------------------- */

/* Trains a model: owns a working copy of its parameters, their gradients, the activations of a
 * window of B x T and the state carried from window to window. Allocates only at create. */
typedef struct lrnn_trainer lrnn_trainer;

enum {
    LRNN_LOSS_NONE = 0, /* the caller computes the loss */
    /* softmax cross-entropy over the outputs, in nats; uses targets (torch.nn.CrossEntropyLoss) */
    LRNN_LOSS_CROSS_ENTROPY = 1,
    /* These use target_values and are averaged over the O values of an item, d = output - target:
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
    /* Connectionist temporal classification (torch.nn.CTCLoss): over all alignments of a row's
     * steps with its labels, see lrnn_sequences.target_steps. Needs LRNN_HEAD_STEPS; an item is a
     * row, and with LRNN_REDUCTION_MEAN the loss of a row is divided by the number of its labels
     * (at least 1). If a row has too few steps for its labels, the loss is infinite:
     * LRNN_ERR_NUMERIC, and the message names the row, unless zero_infinity is 1. Graves et al.
     * 2006. Since 0.2. */
    LRNN_LOSS_CTC = 7
};

enum {
    LRNN_REDUCTION_MEAN = 0, /* gradients are those of loss sum / loss weight */
    LRNN_REDUCTION_SUM = 1,  /* gradients are those of the loss sum */
    /* Gradients are those of loss sum / number of rows of the window, those of all workers: summed
     * over steps and averaged over rows. Since 0.2. */
    LRNN_REDUCTION_ROWS = 2
};

/* Sums over all the workers that train one model together: processes, machines or threads, each
 * with a trainer made from the same model and options, but with its own rows. Only
 * lrnn_trainer_step calls the functions, as often and in the same order on every worker. Each
 * replaces the values by their sum over all workers, which must have the same bits everywhere, and
 * returns 0; any other value fails the step with LRNN_ERR_CALLBACK. Any engine may implement them.
 * Since 0.2. */
typedef struct lrnn_exchange {
    size_t size; /* set by lrnn_exchange_init */
    void *user;  /* passed to both functions */
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
    size_t batch;                    /* maximum rows B of a window; default 16, at least 1 */
    size_t steps;                    /* maximum steps T of a window; default 32, at least 1 */
    size_t threads;                  /* working on a window, including the caller's; default 1 */
    uint64_t seed;                   /* of dropout; default 1 */
    double clip_norm;  /* of the gradient in lrnn_trainer_step; 0 (default): no limit */
    double clip_value; /* before that, of each element; 0 (default): no limit */
    /* Cross-entropy: this share of the target distribution is spread evenly over all classes;
     * default 0, 0..1. */
    double label_smoothing;
    int32_t loss;      /* LRNN_LOSS_*; default LRNN_LOSS_CROSS_ENTROPY */
    int32_t reduction; /* LRNN_REDUCTION_*; default LRNN_REDUCTION_MEAN */
    /* 1 (default): each window starts from the state at the end of the window before (the gradient
     * stops there); 0: each starts from zero, or from an imported state. */
    int32_t carry_state;
    int32_t reserved; /* 0 */
    /* 0 (default): the activations of the whole window are kept for the backward pass. K: the
     * window is processed in segments of K steps; only h and c between segments are kept, and each
     * segment but the last is run forward a second time before its backward pass. T steps then take
     * the memory of K steps and of T / K states, least with K near sqrt(T), and at most a third
     * more time; losses and gradients are the same up to rounding. Not for bidirectional models
     * (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). */
    size_t recompute_steps;
    /* Cross-entropy: [O] weight of each class, finite and at least 0, copied at create; it is a
     * factor of an item's loss and of its loss weight. NULL (default): all 1. Since 0.2. */
    const float *class_weights;
    /* Binary cross-entropy: [O] weight of the positive side of each output (pos_weight), finite and
     * at least 0, copied at create. NULL (default): all 1. Since 0.2. */
    const float *positive_weights;
    /* Huber: delta; smooth L1: beta; above 0. 0 (default): 1. Since 0.2. */
    double loss_transition;
    /* CTC: maximum number of labels in a row, that is of S; 0 (default): as many as `steps`.
     * Together with steps it determines the memory that the loss takes: batch * steps * O floats,
     * and for each thread 16 * steps * (3 * target_steps + 2) bytes. Since 0.2. */
    size_t target_steps;
    int32_t blank;         /* CTC: the output that means "no label"; default 0. Since 0.2. */
    int32_t zero_infinity; /* CTC: 1: an infinite loss counts as 0, without gradient. Since 0.2. */
    /* Makes lrnn_trainer_step a step on the windows of all workers: it sums gradients, loss and
     * weight over the workers before it scales, clips and updates, so that all have the same
     * parameters, and its result covers all of them. An error on one worker is an error on all, and
     * changes nothing anywhere. The struct is copied at create. The parts of a step remain local to
     * the worker, and so does lrnn_trainer_evaluate unless the workers share the shards of a window
     * (own_shards). NULL (default): one worker. Since 0.2. */
    const lrnn_exchange *exchange;
    /* Terms of the loss that are added to what the reduction gives, with h the output of the top
     * layer at a step and m its dropout mask (Merity, Keskar & Socher 2018; alpha and beta there).
     * Means are over all values of all steps, or of all pairs of adjacent steps, of the window's
     * rows; with an exchange those of all workers. Finite and at least 0; need layers and a loss.
     *   activation_l2 * mean((m*h)^2)        temporal_l2 * mean((h - h of the step before)^2)
     * Default 0. Since 0.2. */
    double activation_l2;
    double temporal_l2; /* since 0.2 */
    /* The rows of a window of lrnn_trainer_step and lrnn_trainer_evaluate are cut into this many
     * shards: shard s of S has rows s*B/S .. (s+1)*B/S - 1, rounded down. Each is run by itself,
     * and loss, weight and gradients are added in one fixed binary tree: shard 0 + 1, 2 + 3, ..,
     * then those pairs, and so on. Dropout is drawn for each shard. So results depend on the number
     * of shards, but not on who runs them: see own_shards. The parts of a step take a window as a
     * whole. After an evaluation in shards no outputs and activations can be copied. Takes the
     * memory of one more gradient for each doubling of the shards that are run here. 0 (default):
     * 1; at most batch and 65536. Since 0.2. */
    size_t shards;
    /* This worker runs shards first_shard .. first_shard + own_shards - 1, and other workers the
     * others: all are given the same whole window, and agree on its result through `exchange`,
     * which is then required. The bits are those of one worker with all shards if every worker has
     * 2^k of them, the first one a multiple of 2^k, and the exchange adds the workers' values in
     * that tree. own_shards 0 (default): all from first_shard (default 0) on. The carried state of
     * other workers' rows is zero here; see lrnn_trainer_state_rows. Since 0.2. */
    size_t first_shard;
    size_t own_shards; /* since 0.2 */
} lrnn_trainer_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_trainer_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_options_init(lrnn_trainer_options *options, size_t struct_size);

/* The result of a window. The loss is given as a sum and a weight, so that windows of different
 * sizes can be combined; the mean is sum / weight. Items with a negative target count in neither.
 * An item is a step, or a sequence where the head gives one output per sequence; with CTC it is a
 * row. */
typedef struct lrnn_train_result {
    size_t size; /* set by lrnn_train_result_init */
    double loss_sum;
    double loss_weight;
    double gradient_norm; /* global, before clipping by norm; 0 where no gradient was computed */
    double learning_rate; /* of this update; 0 if there was none */
    /* How many items had a weight above 0, and how many of them were right. Cross-entropy: no
     * output is larger than the target's. Binary cross-entropy: counts outputs, not items; right if
     * the logit is above 0 and the target above 0.5, or neither is. Other losses: 0. Since 0.2. */
    uint64_t items;
    uint64_t right;
    /* Value of the terms activation_l2 and temporal_l2, which loss_sum does not include; 0 without
     * them and in evaluation. Since 0.2. */
    double regularization;
} lrnn_train_result;

/* Sets every field to 0. struct_size: sizeof(lrnn_train_result). Since 0.1. */
LRNN_API lrnn_status lrnn_train_result_init(lrnn_train_result *result, size_t struct_size);

/* Makes a trainer, which keeps what it needs of the model. options: NULL means the defaults.
 * LRNN_ERR_INVALID: a field is out of range or not used by the loss, or a loss without a head;
 * LRNN_ERR_MEMORY: also when a thread cannot be started. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_create(lrnn_trainer **trainer, const lrnn_model *model,
                                         const lrnn_trainer_options *options);

/* Accepts NULL. Since 0.1. */
LRNN_API void lrnn_trainer_destroy(lrnn_trainer *trainer);

/* One training step: zero the gradients, forward, loss, backward, clip by value, clip by norm,
 * update. B and T may be smaller than at create; the carried state belongs to the rows, so a window
 * that continues another must have the same number of rows.
 * result: NULL if not wanted.
 * LRNN_ERR_INVALID: sizes, tokens, targets, lengths or weights are out of range; the message says
 * where; LRNN_ERR_NUMERIC: a target value, the loss or the gradient is NaN or infinite, or all
 * weights are zero with LRNN_REDUCTION_MEAN; LRNN_ERR_UNSUPPORTED: the trainer has LRNN_LOSS_NONE;
 * LRNN_ERR_CALLBACK: the exchange failed, or another worker's window has an error. After any error
 * parameters, moments, carried state and random numbers are unchanged. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_step(lrnn_trainer *trainer, lrnn_optimizer *optimizer,
                                       const lrnn_sequences *sequences, lrnn_train_result *result);

/* Runs a window without dropout and gradients, with the loss if the trainer has one. Evaluation has
 * a state of its own: the first call after lrnn_trainer_reset_evaluation starts from zero, and
 * later ones continue from there if carry_state is 1. Training state and random numbers are
 * unchanged, but a forward whose backward is still to come is forgotten. Outputs and activations
 * can be copied afterwards. Errors as for lrnn_trainer_step, without LRNN_ERR_UNSUPPORTED. Since
 * 0.1. */
LRNN_API lrnn_status lrnn_trainer_evaluate(lrnn_trainer *trainer, const lrnn_sequences *sequences,
                                           lrnn_train_result *result);

/* Sets the state of evaluation to zero: the next lrnn_trainer_evaluate starts there.
 * LRNN_ERR_INVALID: NULL. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_reset_evaluation(lrnn_trainer *trainer);

/* Sets the carried state of all rows to zero, for the start of a stream. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_reset_state(lrnn_trainer *trainer);

/* Copies the carried state out and in: h [L*D,B,R] and c [L*D,B,H], with the B of the last window
 * (options.batch before the first); c as for lrnn_state_export. What is exported after a window is
 * the state at its end, even if carry_state is 0 and the next window does not start from it; for
 * example the final state of an encoder, from which a decoder starts. What is imported is the
 * initial state of the next window, of `batch` rows; h or c that is NULL is zero. LRNN_ERR_INVALID:
 * batch is 0 or above options.batch, or as lrnn_state_export. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_export_state(float *h, float *c, const lrnn_trainer *trainer);
LRNN_API lrnn_status lrnn_trainer_import_state(lrnn_trainer *trainer, const float *h,
                                               const float *c, size_t batch);

/* 1: averages the parameters over all updates from the next one on, whatever the optimizer; 0: no
 * longer, and forgets the average. Once an update is in the average, lrnn_trainer_evaluate and
 * lrnn_trainer_snapshot take it instead of the parameters; training itself does not. Checkpoints
 * carry it. Called again it begins anew, as it does when a parameter is set. With plain SGD this is
 * torch.optim.ASGD with lambd 0 and t0 = the updates so far - 1; started when the validation loss
 * stops falling, NT-ASGD (Merity, Keskar & Socher 2018). Allocates the average at the first call.
 * LRNN_ERR_INVALID: average is neither; NULL. LRNN_ERR_MEMORY. Since 0.2. */
LRNN_API lrnn_status lrnn_trainer_set_average(lrnn_trainer *trainer, int32_t average);

/* Number of updates in the average; 0: there is none. Since 0.2. */
LRNN_API uint64_t lrnn_trainer_averaged(const lrnn_trainer *trainer);

/* Number of rows of the carried state from which the next window starts; 0: it starts from zero, or
 * NULL. Workers that share the shards of a window, each of which has its own rows only, collect the
 * others by lrnn_trainer_export_state and lrnn_trainer_import_state before one of them saves a
 * checkpoint. Since 0.2. */
LRNN_API size_t lrnn_trainer_state_rows(const lrnn_trainer *trainer);

/* Makes an immutable model of the current parameters, with the architecture, vocabularies and
 * allocator of the model from which the trainer was made. LRNN_ERR_NUMERIC: a parameter has become
 * NaN, infinite or too large for the model's weight_type; LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_snapshot(lrnn_model **model, const lrnn_trainer *trainer);

/* Overwrites one parameter or, if name is NULL, all of them in the order of the flat array.
 * LRNN_ERR_NOT_FOUND; LRNN_ERR_INVALID: count is not the number of values; LRNN_ERR_NUMERIC: a
 * value is NaN or infinite. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_set_parameter(lrnn_trainer *trainer, const char *name,
                                                const float *values, size_t count);

/* A frozen parameter has a zero gradient and is not updated, decayed or counted in a norm. frozen:
 * 1 or 0. LRNN_ERR_NOT_FOUND. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_set_frozen(lrnn_trainer *trainer, const char *name,
                                             int32_t frozen);

/* ---- the parts of a step ---- */

/* Sets all gradients to zero. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_zero_gradients(lrnn_trainer *trainer);

/* Runs a window with dropout, keeps its activations for lrnn_trainer_backward, advances the carried
 * state, and computes the loss if the trainer has one and targets are given. `sequences` and its
 * arrays must stay valid until the backward pass. result: NULL if not wanted. Errors as
 * lrnn_trainer_step. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_forward(lrnn_trainer *trainer, const lrnn_sequences *sequences,
                                          lrnn_train_result *result);

/* Copies the outputs of the last forward, before the model's output_activation: [B,T,O] or [B,O]
 * as the head says, without a head
 * [B,T,D*R]. Steps past a sequence's length are zero. capacity: room in floats.
 * LRNN_ERR_STATE: no forward yet, or its backward pass is done; LRNN_ERR_TOO_SMALL. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_copy_outputs(float *outputs, size_t capacity,
                                               lrnn_trainer *trainer);

/* Copies an activation of the last forward or evaluation (before its backward pass, which
 * overwrites them), to look inside a net. The names are those of the mathematics:
 *   every cell  hidden (h')
 *   LSTM        input_gate (i), forget_gate (f), candidate (g), output_gate (o), cell (c')
 *   GRU         reset_gate (r), update_gate (z), candidate (n)
 * values: [B,T,H], hidden [B,T,R], zero past a sequence's length. capacity: room in floats. layer:
 * 0 is the one that reads the input. direction: 0 forward, 1 reverse. LRNN_ERR_STATE: nothing to
 * copy; LRNN_ERR_NOT_FOUND: the cell has nothing of that name; LRNN_ERR_INVALID: no such layer or
 * direction; LRNN_ERR_TOO_SMALL. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_copy_activation(float *values, size_t capacity,
                                                  lrnn_trainer *trainer, const char *name,
                                                  size_t layer, size_t direction);

/* Gradients into and out of a backward pass. All pointers are optional. */
typedef struct lrnn_backward {
    size_t size; /* set by lrnn_backward_init */
    /* In: factor of the trainer's own loss, and of activation_l2 and temporal_l2; 0 leaves them
     * out. Default 1. */
    double loss_scale;
    /* In: gradient of the caller's loss with respect to the outputs, before the model's
     * output_activation, [B,T,O] or [B,O]. */
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

/* Back-propagates through the last forward and adds to the gradients. Once per forward. backward:
 * NULL means the trainer's own loss only.
 * LRNN_ERR_STATE: no forward since the last backward, or loss_scale is not 0 and that forward had
 * no targets; LRNN_ERR_INVALID: a pointer to something that the model does not have;
 * LRNN_ERR_NUMERIC: the loss, its weight or a gradient that was given is not finite. After an error
 * the gradients are unchanged. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_backward(lrnn_trainer *trainer, const lrnn_backward *backward);

/* Points *gradients at the gradients, to be read and written until the trainer is destroyed: one
 * flat array of lrnn_model_parameter_count values in the model's order. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_get_gradients(float **gradients, size_t *count,
                                                lrnn_trainer *trainer);

/* Clips each gradient of the trainer to +-limit (torch.nn.utils.clip_grad_value_).
 * LRNN_ERR_INVALID: limit is not above 0. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_clip_value(lrnn_trainer *trainer, double limit);

/* Clips the gradients of several trainers together: if their common norm is above max_norm, all are
 * multiplied by max_norm / (norm + 1e-6) (torch.nn.utils.clip_grad_norm_). max_norm 0 only
 * measures.
 * *norm: the norm before clipping; may be NULL.
 * LRNN_ERR_NUMERIC: the norm is not finite; nothing has changed. LRNN_ERR_INVALID: max_norm
 * negative, a trainer is NULL or given twice. Since 0.1. */
LRNN_API lrnn_status lrnn_trainers_clip_norm(lrnn_trainer *const *trainers, size_t count,
                                             double max_norm, double *norm);

/* Updates the trainer's parameters by its gradients, which are kept.
 * LRNN_ERR_INVALID: the optimizer was made for another number of parameters; LRNN_ERR_NUMERIC: a
 * gradient is NaN or infinite; nothing has changed. Since 0.1. */
LRNN_API lrnn_status lrnn_trainer_update(lrnn_trainer *trainer, lrnn_optimizer *optimizer);

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* The objects of a checkpoint. Each handle but the trainer may be NULL: it is left out on save and
 * not touched on load. */
typedef struct lrnn_checkpoint {
    size_t size; /* set by lrnn_checkpoint_init */
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    lrnn_batches *batches;
    /* A second model of the trainer's architecture, such as the best by validation so far, so that
     * the file is all that is needed to continue. Only saved; lrnn_checkpoint_load_best reads it.
     * Default NULL. Since 0.2. */
    const lrnn_model *best;
} lrnn_checkpoint;

/* Sets every handle to NULL. struct_size: sizeof(lrnn_checkpoint). Since 0.1. */
LRNN_API lrnn_status lrnn_checkpoint_init(lrnn_checkpoint *checkpoint, size_t struct_size);

/* Writes parameters, carried state, random state, optimizer moments and learning rate, schedule and
 * batch cursor to one safetensors file, which appears complete or not at all. It is a model file
 * too: lrnn_model_load reads the model from it. Training that resumes from a checkpoint ends with
 * the same bits as training that was never interrupted.
 * note: a UTF-8 string of the caller's to keep in the file, or NULL.
 * LRNN_ERR_IO, LRNN_ERR_MEMORY, LRNN_ERR_INVALID: no trainer, note not UTF-8, best of
 * another architecture. Since 0.1. */
LRNN_API lrnn_status lrnn_checkpoint_save(const lrnn_checkpoint *checkpoint, const char *path,
                                          const char *note);

/* Restores the objects, which must have been made with the same options, to where they were saved.
 * LRNN_ERR_INVALID: an object does not fit the file; the message says which and why; LRNN_ERR_IO,
 * LRNN_ERR_FORMAT, LRNN_ERR_UNSUPPORTED, LRNN_ERR_NUMERIC, LRNN_ERR_MEMORY as lrnn_model_load.
 * After any error all objects are unchanged. Since 0.1. */
LRNN_API lrnn_status lrnn_checkpoint_load(const lrnn_checkpoint *checkpoint, const char *path);

/* Loads the second model of a checkpoint file, with the vocabularies of the first. The caller
 * destroys it. allocator: NULL means malloc and free. *best is NULL on failure.
 * LRNN_ERR_NOT_FOUND: the file has none; other errors as lrnn_model_load. Since 0.2. */
LRNN_API lrnn_status lrnn_checkpoint_load_best(lrnn_model **best, const char *path,
                                               const lrnn_allocator *allocator);

/* Reads all of a checkpoint file and holds it against itself, without the objects that it was saved
 * from: both models load, digests agree, arrays have as many values as the model says, all finite.
 * What only the objects know, such as the length of the text, is checked by lrnn_checkpoint_load.
 * allocator: NULL means malloc and free. LRNN_ERR_FORMAT: not a checkpoint, or a damaged one;
 * LRNN_ERR_NUMERIC: a number is NaN or infinite, or a second moment negative; LRNN_ERR_IO,
 * LRNN_ERR_UNSUPPORTED, LRNN_ERR_MEMORY, LRNN_ERR_INVALID: path NULL. Since 0.2. */
LRNN_API lrnn_status lrnn_checkpoint_check(const char *path, const lrnn_allocator *allocator);

/* Copies the note of a checkpoint file, NUL-terminated. note: room for `capacity` bytes, or NULL
 * with capacity 0 to ask for the length; *length: without the NUL. LRNN_ERR_TOO_SMALL;
 * LRNN_ERR_NOT_FOUND: it has none; LRNN_ERR_IO, LRNN_ERR_FORMAT, LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_checkpoint_read_note(char *note, size_t capacity, size_t *length,
                                               const char *path);

#ifdef __cplusplus
}
#endif

#endif
