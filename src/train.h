/* `lrnn train`: its settings, and the run they describe. */
#ifndef TRAIN_H
#define TRAIN_H

#include <lrnn.h>
#include <stdbool.h>

#include "corpus.h"
#include "history.h"
#include "log.h"
#include "options.h"
#include "progress.h"
#include "vocab_options.h"

typedef struct train_settings {
    const char *output;
    vocab_settings vocab;
    const char *valid;
    /* model */
    int32_t cell;
    size_t embedding;
    option_sizes hidden; /* of all layers, or of each */
    size_t layers;
    size_t projection;
    bool tied;
    const char *cutoffs; /* "2000,10000", or NULL */
    double div_value;
    bool adaptive_bias;
    bool layer_norm;
    bool residual;
    bool learned_state;
    size_t input_layer;
    int32_t input_activation;
    size_t head_layer;
    int32_t head_activation;
    double dropout;
    double input_dropout;
    double output_dropout;
    double embedding_dropout;
    bool locked_dropout;
    double weight_dropout;
    double initial_range;
    bool orthogonal;
    double forget_bias;
    /* batches */
    size_t batch;
    size_t steps;
    int32_t batches;
    size_t epochs;
    size_t patience;
    /* optimizer and schedule */
    int32_t optimizer;
    double learning_rate;
    double momentum;
    double dampening;
    bool nesterov;
    double alpha;
    double beta1;
    double beta2;
    double epsilon;
    double weight_decay;
    double clip_norm;
    double clip_value;
    double label_smoothing;
    int32_t reduction;
    double activation_l2;
    double temporal_l2;
    size_t average_start;    /* epoch from whose beginning parameters are averaged; 0: none */
    size_t average_patience; /* or the interval of NT-ASGD; 0: none */
    int32_t schedule;
    size_t warmup;
    size_t schedule_start;  /* epoch at whose beginning the schedule starts to count, from 1 */
    size_t schedule_period; /* epochs; 0: chosen by the kind of schedule */
    const char *schedule_milestones; /* "4,6,9" */
    double schedule_factor;
    double schedule_minimum;
    size_t schedule_patience;
    double schedule_threshold;
    size_t shards;
    size_t threads;
    uint64_t seed;
    /* what is written and shown */
    const char *checkpoint;
    size_t checkpoint_every;
    const char *resume;
    const char *log;
    const char *plot;
    size_t sample_every;
    size_t report_every;
    bool quiet;
    bool force;
    /* operands */
    char *const *texts;
    int text_count;
} train_settings;

/* What a checkpoint keeps beside the library's objects. All but the history is what a run needs to
 * go on with the same bits. */
typedef struct train_position {
    size_t epoch;  /* that is running, from 1; above settings.epochs: training is over */
    size_t step;   /* steps done */
    size_t tokens; /* seen */
    double epoch_loss_sum;
    double epoch_loss_weight;
    double best_valid_loss; /* infinity before the first */
    size_t best_epoch;
    size_t waited; /* epochs since then */
    size_t planned_epochs;
    uint64_t text; /* fingerprint of the training tokens */
    bool former;   /* the text's is as 0.1 had it */
    history losses;
} train_position;

typedef struct training {
    train_settings *settings;
    const command_line *line;
    corpus tokens;
    corpus valid; /* count 0: no validation; the end of `tokens`, or its own */
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    lrnn_batches *batches;
    train_position at;
    char *note;            /* of the checkpoint that is resumed; settings point into it */
    char *checkpoint_path; /* where one is written */
    lrnn_model *best;      /* so far; without validation only while it waits */
    bool model_waits;      /* `best` is not in the output yet */
    bool model_kept;       /* by this process */
    bool checkpoint_waits;
    bool plot_is_up_to_date;
    log_file log;
    progress shown;
    double started; /* when this session's first step began */
    size_t started_step;
    double last_loss; /* of an epoch, without validation */
    double busy;      /* seconds of this session spent on training steps */
    size_t busy_tokens;
} training;

/* --valid as a fraction: 0 if it names a file, -1 if it is a number that is none. */
double train_valid_fraction(const char *valid);

/* How many numbers there are in a list such as "4,6,9", and the numbers unless that is NULL, which
 * has room for half as many as the list has characters, and one more. 0: not whole numbers from 1,
 * each above the one before. */
size_t train_list(uint64_t *numbers, const char *list);

/* The schedule of the settings, for the batches that are there. */
lrnn_status train_make_schedule(training *run);

/* Takes the options and the position of the run from the checkpoint that --resume names. */
int resume_read(training *run);

/* Puts trainer, optimizer, schedule and batches to where the checkpoint was written. */
int resume_restore(training *run);

/* Writes a checkpoint to run->checkpoint_path. Returns NULL, or why it could not. */
const char *resume_write(const training *run);

/* "epoch 1, step 34: WHAT: training has diverged", and what to try. Returns 1. */
int complain_diverged(const training *run, const char *what);

/* Return 1 after that if a loss is one from which there is no way back, or with which a model is
 * not worth saving. name: "the validation loss". */
int check_step_loss(const training *run, double loss);
int check_epoch_loss(const training *run, const char *name, double loss);

/* Says so if the last model predicts worse than a guess. */
void warn_of_doubtful_loss(const training *run, double loss);

/* Takes the trainer's model as the best so far and writes it. */
int keep_model(training *run);

/* Writes what could not be written before. */
void keep_waiting_model(training *run);

void keep_checkpoint(training *run);
void keep_plot(training *run);

/* Closes the files of a run that is over, or was stopped: with how to go on. */
int keep_last(training *run);
int keep_stopped(training *run);

/* Makes sure of the files of the run before any of them is opened for writing. */
int training_claim_files(training *run);

/* Reads the texts, in memory or as token files, and makes the model. */
int training_read_texts(training *run);

/* Reads the texts and makes everything a run needs. training_destroy afterwards in any case. */
int training_create(training *run);
void training_destroy(training *run);

/* End the program if there is not enough memory; the second says how much is taken if it is much.
 */
void train_check_model_memory(const training *run, const lrnn_model_options *options);
void train_check_memory(const training *run, const lrnn_trainer_options *options);

/* Trains to the end, or until a signal asks to stop. */
int training_run(training *run);

#endif
