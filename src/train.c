/* lrnn train: its options, which ones fit together, and the run from beginning to end. */
#include "train.h"

#include <math.h>
#include <stdlib.h>

#include "commands.h"
#include "output.h"
#include "workers.h"

static const char *const cells[] = {"rnn", "rnn-relu", "lstm", "gru", NULL};
static const char *const activations[] = {"none", "tanh", "relu", NULL};
static const char *const orders[] = {"streams", "rows", NULL};
static const char *const reductions[] = {"mean", "sum", "rows", NULL};
static const char *const optimizers[] = {"sgd", "rmsprop", "adagrad", "adam", "adamw", NULL};
static const char *const schedules[] = {"constant", "step",       "exponential", "cosine",
                                        "plateau",  "milestones", NULL};

#define ROW(option_kind_, option_name, field, option_memory_)                                      \
    .kind = (option_kind_), .name = (option_name), .memory = (option_memory_),                     \
    AT(train_settings, field)
#define MATCH_COUNT(name, field)  ROW(OPTION_COUNT, name, field, OPTION_MATCH)
#define MATCH_NUMBER(name, field) ROW(OPTION_NUMBER, name, field, OPTION_MATCH)
#define MATCH_FLAG(name, field)   ROW(OPTION_FLAG, name, field, OPTION_MATCH)
#define MATCH_CHOICE(name, field) ROW(OPTION_CHOICE, name, field, OPTION_MATCH)
#define ADOPT_COUNT(name, field)  ROW(OPTION_COUNT, name, field, OPTION_ADOPT)
#define ADOPT_FILE(name, field)   ROW(OPTION_TEXT, name, field, OPTION_ADOPT), .argument = "FILE"

static const option_row rows[] = {
    HEADING("Text:"),
    VOCAB_ROWS(train_settings, vocab, OPTION_MATCH),
    {ROW(OPTION_TEXT, "valid", valid, OPTION_MATCH), .argument = "FRACTION|FILE",
     .help = "compute the loss on this last part of the text, or on another file, after each "
             "epoch, and keep the best model"},

    HEADING("Model:"),
    {MATCH_CHOICE("cell", cell), .choices = cells, .help = "recurrent cell"},
    {MATCH_COUNT("embedding", embedding), .field = "embedding_size",
     .help = "size of the vector that represents a token; 0: one-hot"},
    {ROW(OPTION_SIZES, "hidden", hidden, OPTION_MATCH), .argument = "N[,N...]",
     .field = "hidden_size", .other = "hidden_sizes", .minimum = 1,
     .help =
         "size of the hidden state; one for each layer, as in 1150,1150,400, sets --layers too"},
    {MATCH_COUNT("layers", layers),
     .help = "number of recurrent layers; 0: none, which is softmax regression"},
    {MATCH_COUNT("projection", projection), .field = "projection_size",
     .help = "with lstm: size of the projection of each layer's output; 0: none"},
    {MATCH_FLAG("tied", tied), .field = "tied_weights",
     .help = "the output layer's matrix is the embedding's; --embedding must be the last layer's "
             "--hidden, or --projection if there is one"},
    {ROW(OPTION_TEXT, "cutoffs", cutoffs, OPTION_MATCH), .argument = "IDS",
     .help = "adaptive softmax, much faster for many words: the tokens below the first id, which "
             "are the most frequent ones, are one shortlist, and from there on each id begins a "
             "tail of rarer ones, as in 2000,10000"},
    {MATCH_NUMBER("div-value", div_value), .argument = "D", .minimum = 1,
     .help = "with --cutoffs: each tail reads so many times fewer values than the one before"},
    {MATCH_FLAG("adaptive-bias", adaptive_bias),
     .help = "with --cutoffs: the shortlist and the choice of a tail have a bias"},
    {MATCH_FLAG("layer-norm", layer_norm), .help = "normalize what each layer reads"},
    {MATCH_FLAG("residual", residual),
     .help = "add what a layer reads to what it gives, where both are of one size"},
    {MATCH_FLAG("learned-state", learned_state),
     .help = "begin texts with a state that is trained, not with zero"},
    {MATCH_COUNT("input-layer", input_layer), .field = "input_layer_size",
     .help = "size of a linear layer before the first layer; 0: none"},
    {MATCH_CHOICE("input-activation", input_activation), .choices = activations,
     .help = "what it applies to its outputs"},
    {MATCH_COUNT("head-layer", head_layer), .field = "head_layer_size",
     .help = "size of a linear layer before the output layer; 0: none"},
    {MATCH_CHOICE("head-activation", head_activation), .choices = activations,
     .help = "what it applies to its outputs"},
    {MATCH_NUMBER("dropout", dropout), .argument = "P", .maximum = 1, .bounds = BELOW_MAXIMUM,
     .help = "probability of dropping an output between layers"},
    {MATCH_NUMBER("input-dropout", input_dropout), .argument = "P", .maximum = 1,
     .bounds = BELOW_MAXIMUM, .help = "the same of a value that the first layer reads"},
    {MATCH_NUMBER("output-dropout", output_dropout), .argument = "P", .maximum = 1,
     .bounds = BELOW_MAXIMUM, .help = "the same of a value that the output layer reads"},
    {MATCH_NUMBER("embedding-dropout", embedding_dropout), .argument = "P", .maximum = 1,
     .bounds = BELOW_MAXIMUM,
     .help = "probability of dropping a token's vector wherever it occurs in a window"},
    {MATCH_FLAG("locked-dropout", locked_dropout),
     .help = "drop the same places at all steps of a window"},
    {MATCH_NUMBER("weight-dropout", weight_dropout), .argument = "P", .maximum = 1,
     .bounds = BELOW_MAXIMUM, .help = "probability of dropping a recurrent weight from a window"},
    {MATCH_NUMBER("init-range", initial_range), .field = "initial_range", .argument = "R",
     .help = "draw all initial parameters uniformly from -R to R; 0: from PyTorch's distributions"},
    {MATCH_FLAG("init-orthogonal", orthogonal), .field = "orthogonal",
     .help = "draw the recurrent matrix of each gate as an orthogonal one"},
    {ROW(OPTION_NUMBER, "forget-bias", forget_bias, OPTION_MATCH), .argument = "B",
     .minimum = -1000, .maximum = 1000,
     .help = "initial bias of the forget gates of lstm; 0: drawn like the others"},

    HEADING("Training:"),
    {MATCH_COUNT("batch", batch), .minimum = 1, .help = "rows that are trained side by side"},
    {MATCH_COUNT("steps", steps), .minimum = 1,
     .help = "tokens per window, and how far back gradients reach"},
    {MATCH_CHOICE("batches", batches), .choices = orders,
     .help = "streams: each row continues where it ended in the previous window; rows: windows "
             "take the text's rows of --steps tokens in order"},
    {ADOPT_COUNT("epochs", epochs), .minimum = 1, .help = "passes over the text"},
    {ADOPT_COUNT("patience", patience),
     .help = "with --valid: stop after this many epochs without improvement; 0: never"},
    {MATCH_CHOICE("optimizer", optimizer), .choices = optimizers, .help = "update rule"},
    {MATCH_NUMBER("lr", learning_rate), .field = "learning_rate", .argument = "RATE",
     .bounds = ABOVE_MINIMUM, .help = "learning rate"},
    {MATCH_NUMBER("momentum", momentum), .argument = "M", .help = "momentum of sgd and rmsprop"},
    {MATCH_NUMBER("dampening", dampening), .argument = "D",
     .help = "with --momentum of sgd: share of the new gradient that is left out of it"},
    {MATCH_FLAG("nesterov", nesterov), .help = "use Nesterov momentum, with sgd"},
    {MATCH_NUMBER("alpha", alpha), .argument = "A", .maximum = 1, .bounds = BELOW_MAXIMUM,
     .help = "decay of the mean square of the gradient, with rmsprop"},
    {MATCH_NUMBER("beta1", beta1), .argument = "B", .maximum = 1, .bounds = BELOW_MAXIMUM,
     .help = "decay of the mean of the gradient, with adam and adamw"},
    {MATCH_NUMBER("beta2", beta2), .argument = "B", .maximum = 1, .bounds = BELOW_MAXIMUM,
     .help = "decay of its mean square, with adam and adamw"},
    {MATCH_NUMBER("epsilon", epsilon), .argument = "E",
     .help = "added to the divisor, with every optimizer but sgd"},
    {MATCH_NUMBER("weight-decay", weight_decay), .argument = "D",
     .help = "L2 penalty on the parameters; with adamw, decoupled weight decay"},
    {MATCH_NUMBER("clip-norm", clip_norm), .argument = "NORM",
     .help = "scale the gradient down to this norm where it is larger; 0: no clipping"},
    {MATCH_NUMBER("clip-value", clip_value), .argument = "LIMIT",
     .help = "before that, clip each element of the gradient to +-LIMIT; 0: no clipping"},
    {MATCH_CHOICE("reduction", reduction), .choices = reductions,
     .help = "what gradients are those of: the mean loss of a window's tokens, their sum, or the "
             "sum over steps, averaged over rows"},
    {MATCH_NUMBER("label-smoothing", label_smoothing), .argument = "S", .maximum = 1,
     .help = "share of the target probability that is spread over all tokens"},
    {MATCH_NUMBER("activation-l2", activation_l2), .field = "activation_l2", .argument = "A",
     .help = "add A times the mean square of the last layer's outputs to the loss"},
    {MATCH_NUMBER("temporal-l2", temporal_l2), .field = "temporal_l2", .argument = "B",
     .help = "add B times the mean square of their changes from step to step"},
    {MATCH_COUNT("average-start", average_start), .argument = "EPOCH",
     .help = "validate and write the average of the parameters over all steps from the beginning "
             "of this epoch on; 0: never"},
    {MATCH_COUNT("average-patience", average_patience), .argument = "EPOCHS",
     .help = "start that average when the validation loss is above the best of those more than "
             "this many epochs back (NT-ASGD); 0: never"},
    {MATCH_COUNT("shards", shards),
     .help = "parts of a batch whose gradients are added in one fixed order: results depend on it, "
             "but not on how many processes of lrnn-mpi share them; 0: one for each process"},
    {ADOPT_COUNT("threads", threads), .minimum = 1, .maximum = 1024,
     .help = "number of threads; results do not depend on it"},
    {ROW(OPTION_SEED, "seed", seed, OPTION_MATCH),
     .help = "seed of the initial parameters and of dropout"},

    HEADING("Learning-rate schedule:"),
    {MATCH_CHOICE("schedule", schedule), .choices = schedules,
     .help = "step: multiply the rate by the factor every period; exponential: the same, smoothly, "
             "every epoch; cosine: decay to the minimum over the period; plateau: multiply by the "
             "factor when the validation loss has stopped improving; milestones: multiply by the "
             "factor after each of the epochs listed"},
    {MATCH_COUNT("schedule-start", schedule_start), .argument = "EPOCH", .minimum = 1,
     .help = "the last epoch that begins at the full rate: from its beginning the schedule counts, "
             "and plateau listens from its end"},
    {ROW(OPTION_TEXT, "schedule-milestones", schedule_milestones, OPTION_MATCH),
     .argument = "EPOCHS",
     .help = "with milestones: the epochs after which the rate falls, as in 4,6,9"},
    {MATCH_COUNT("warmup", warmup), .help = "steps over which the rate first rises"},
    {MATCH_COUNT("schedule-period", schedule_period), .argument = "EPOCHS",
     .help = "period of step and cosine; 0: one epoch for step, the whole run for cosine"},
    {MATCH_NUMBER("schedule-factor", schedule_factor), .argument = "F", .bounds = ABOVE_MINIMUM,
     .help = "factor of step, exponential, plateau and milestones"},
    {MATCH_NUMBER("schedule-minimum", schedule_minimum), .argument = "RATE",
     .help = "lowest rate of cosine and plateau"},
    {MATCH_COUNT("schedule-patience", schedule_patience), .argument = "EPOCHS",
     .help = "with plateau: epochs without improvement before the rate is lowered"},
    {MATCH_NUMBER("schedule-threshold", schedule_threshold), .argument = "SHARE", .maximum = 1,
     .bounds = BELOW_MAXIMUM,
     .help = "with plateau: the share of the best loss by which one must be lower to count as "
             "improved"},

    HEADING("Files and output:"),
    {ADOPT_FILE("output", output), .letter = 'o', .file = FILE_MODEL,
     .help = "write the model here (a safetensors file); required"},
    {ADOPT_FILE("checkpoint", checkpoint), .file = FILE_CHECKPOINT,
     .help = "write checkpoints here, after each epoch unless --checkpoint-every is given; Ctrl-C "
             "writes one in any case, to MODEL.checkpoint by default"},
    {ADOPT_COUNT("checkpoint-every", checkpoint_every), .argument = "STEPS",
     .help = "write a checkpoint every this many steps; 0: see --checkpoint"},
    {ROW(OPTION_TEXT, "resume", resume, OPTION_FORGET), .argument = "FILE", .file = FILE_RESUMED,
     .help = "continue from a checkpoint; options that are not given are taken from it"},
    {ADOPT_FILE("log", log), .file = FILE_LOG,
     .help = "write a tab-separated log, one row per step"},
    {ADOPT_FILE("plot", plot), .file = FILE_SVG, .help = "draw the losses (an SVG picture)"},
    {ADOPT_COUNT("sample-every", sample_every), .argument = "STEPS",
     .help = "show what the model writes every this many steps; 0: never"},
    {ADOPT_COUNT("report-every", report_every), .argument = "STEPS", .minimum = 1,
     .help = "steps between lines of progress when the output is not a terminal"},
    {ROW(OPTION_FLAG, "quiet", quiet, OPTION_FORGET), .letter = 'q', .help = "show no progress"},
    FORCE(train_settings),
};

static const char summary[] =
    "Trains a language model, which predicts the next token, on text files (- is standard input), "
    "or on a token file that lrnn encode made, and writes it to MODEL.";

static const char closing[] =
    "Several texts are documents, read one after the other with nothing between them; no word "
    "spans two. Except with --level byte a byte order mark is left out. With --valid FRACTION the "
    "vocabulary is that of "
    "the "
    "whole text, with --valid FILE that of TEXT alone. The state is zero at the start of each "
    "epoch "
    "and carried from window to window. Every file except the log appears whole or not at all. "
    "Ctrl-C stops after the current step, with a checkpoint and exit status 130; pressed again, it "
    "stops at once.\n"
    "\n"
    "Example:\n  lrnn train -o model.lrnn --level word --valid 0.1 --plot loss.svg book.txt";

static train_settings default_settings(void)
{
    return (train_settings){
        .vocab = VOCAB_DEFAULTS,
        .cell = LRNN_CELL_LSTM,
        .embedding = 64,
        .hidden = {{128}, 1},
        .layers = 1,
        .batch = 16,
        .steps = 32,
        .batches = LRNN_BATCHES_STREAMS,
        .epochs = 10,
        .optimizer = LRNN_OPTIMIZER_ADAM,
        .learning_rate = 0.002,
        .div_value = 4,
        .alpha = 0.99,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .epsilon = 1e-8,
        .clip_norm = 5,
        .schedule = LRNN_SCHEDULE_CONSTANT,
        .schedule_start = 1,
        .schedule_factor = 0.5,
        .schedule_patience = 2,
        .schedule_threshold = 1e-4,
        .threads = 1,
        .seed = 1,
        .report_every = 100,
    };
}

/* Sizes for each layer say how many there are. */
static void count_layers(const command_line *line, train_settings *settings)
{
    size_t sizes = settings->hidden.count;
    if (sizes > 1 && !options_given(line, "layers") && settings->resume == NULL) {
        settings->layers = sizes;
    }
    if (sizes > 1 && settings->layers > 0 && sizes != settings->layers) {
        options_fail(line,
                     "--hidden: expected one size, or one for each of the %zu --layers, "
                     "found %zu",
                     settings->layers, sizes);
    }
}

/* Given, and yet without effect. */
static void check_swallowed(const command_line *line, const train_settings *settings)
{
    int32_t kind = settings->schedule;
    bool step = kind == LRNN_SCHEDULE_STEP, exponential = kind == LRNN_SCHEDULE_EXPONENTIAL;
    bool cosine = kind == LRNN_SCHEDULE_COSINE, plateau = kind == LRNN_SCHEDULE_PLATEAU;
    vocab_check_options(line, &settings->vocab);
    bool milestones = kind == LRNN_SCHEDULE_MILESTONES;
    int32_t rule = settings->optimizer;
    bool sgd = rule == LRNN_OPTIMIZER_SGD, rmsprop = rule == LRNN_OPTIMIZER_RMSPROP;
    bool adam = rule == LRNN_OPTIMIZER_ADAM || rule == LRNN_OPTIMIZER_ADAMW;
    bool validates = settings->valid != NULL;
    bool drops =
        settings->dropout > 0 || settings->input_dropout > 0 || settings->output_dropout > 0;
    const struct {
        const char *name;
        bool useful;
        const char *needs;
    } needs[] = {
        {"cell", settings->layers > 0, "--layers of at least 1"},
        {"hidden", settings->layers > 0, "--layers of at least 1"},
        {"init-orthogonal", settings->layers > 0, "--layers of at least 1"},
        {"forget-bias", settings->layers > 0 && settings->cell == LRNN_CELL_LSTM, "--cell lstm"},
        {"projection", settings->layers > 0 && settings->cell == LRNN_CELL_LSTM, "--cell lstm"},
        {"layer-norm", settings->layers > 0, "--layers of at least 1"},
        {"residual", settings->layers > 0, "--layers of at least 1"},
        {"learned-state", settings->layers > 0, "--layers of at least 1"},
        {"input-activation", settings->input_layer > 0, "--input-layer above 0"},
        {"head-activation", settings->head_layer > 0, "--head-layer above 0"},
        {"output-dropout", settings->layers > 0, "--layers of at least 1"},
        {"weight-dropout", settings->layers > 0, "--layers of at least 1"},
        {"embedding-dropout", settings->embedding > 0, "--embedding above 0"},
        {"locked-dropout", drops, "--dropout, --input-dropout or --output-dropout above 0"},
        {"div-value", settings->cutoffs != NULL, "--cutoffs"},
        {"adaptive-bias", settings->cutoffs != NULL, "--cutoffs"},
        {"momentum", sgd || rmsprop, "--optimizer sgd or rmsprop"},
        {"dampening", sgd && settings->momentum > 0, "--optimizer sgd and --momentum above 0"},
        {"alpha", rmsprop, "--optimizer rmsprop"},
        {"beta1", adam, "--optimizer adam or adamw"},
        {"beta2", adam, "--optimizer adam or adamw"},
        {"epsilon", !sgd, "--optimizer rmsprop, adagrad, adam or adamw"},
        {"patience", validates, "--valid"},
        {"average-patience", validates, "--valid"},
        {"activation-l2", settings->layers > 0, "--layers of at least 1"},
        {"temporal-l2", settings->layers > 0, "--layers of at least 1"},
        {"schedule-start", step || exponential || cosine || plateau,
         "--schedule step, exponential, cosine or plateau"},
        {"schedule-milestones", milestones, "--schedule milestones"},
        {"schedule-threshold", plateau, "--schedule plateau"},
        {"schedule-period", step || cosine, "--schedule step or cosine"},
        {"schedule-factor", step || exponential || plateau || milestones,
         "--schedule step, exponential, plateau or milestones"},
        {"schedule-minimum", cosine || plateau, "--schedule cosine or plateau"},
        {"schedule-patience", plateau, "--schedule plateau"},
        {"report-every", !settings->quiet, "progress to report, which --quiet leaves out"},
    };
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        options_need(line, needs[i].name, needs[i].useful, needs[i].needs);
    }
}

static void check_schedule(const command_line *line, const train_settings *settings)
{
    const char *milestones = settings->schedule_milestones;
    if (settings->valid == NULL && settings->schedule == LRNN_SCHEDULE_PLATEAU) {
        options_fail(line, "--schedule plateau: needs --valid");
    }
    if (settings->schedule_minimum > settings->learning_rate) {
        options_fail(line, "--schedule-minimum: must not be above --lr");
    }
    if (settings->schedule_start > settings->epochs) {
        options_fail(line, "--schedule-start: must not be above --epochs");
    }
    if (settings->schedule == LRNN_SCHEDULE_MILESTONES && milestones == NULL) {
        options_fail(line, "--schedule milestones: needs --schedule-milestones");
    }
    if (milestones != NULL && train_list(NULL, milestones) == 0) {
        options_fail(line,
                     "--schedule-milestones: expected epochs, whole numbers from 1 in rising order "
                     "as in 4,6,9, found '%s'",
                     milestones);
    }
}

static void check_cutoffs(const command_line *line, const train_settings *settings)
{
    if (settings->cutoffs == NULL) {
        return;
    }
    size_t count = train_list(NULL, settings->cutoffs);
    if (count == 0 || count > LRNN_MOST_CUTOFFS) {
        options_fail(line,
                     "--cutoffs: expected 1 to %d ids, whole numbers from 1 in rising order as in "
                     "2000,10000, found '%s'",
                     LRNN_MOST_CUTOFFS, settings->cutoffs);
    }
    if (settings->tied) {
        options_fail(line, "--tied: not with --cutoffs, which make the output layer several "
                           "matrices");
    }
    if (settings->label_smoothing > 0) {
        options_fail(line, "--label-smoothing: not with --cutoffs");
    }
}

/* Options that are right one by one but do not fit together: said here, where their names are
 * known, rather than ignored. */
static void check_together(const command_line *line, const train_settings *settings)
{
    check_swallowed(line, settings);
    bool sgd = settings->optimizer == LRNN_OPTIMIZER_SGD;
    if (settings->output == NULL) {
        options_fail(line, "-o MODEL is required");
    }
    if (settings->dropout > 0 && settings->layers < 2) {
        options_fail(line, "--dropout: works between layers, so --layers must be at least 2");
    }
    if (settings->nesterov && (!sgd || settings->momentum <= 0)) {
        options_fail(line, "--nesterov: needs --optimizer sgd and --momentum above 0");
    }
    if (settings->nesterov && settings->dampening > 0) {
        options_fail(line, "--nesterov: needs a --dampening of 0");
    }
    if (settings->valid != NULL && train_valid_fraction(settings->valid) < 0) {
        options_fail(line,
                     "--valid: expected a fraction above 0 and below 1, or a file, found '%s'",
                     settings->valid);
    }
    if (settings->average_start > 0 && settings->average_patience > 0) {
        options_fail(line, "--average-start: the average starts there or by --average-patience; "
                           "give one of them");
    }
    if (settings->average_start > settings->epochs) {
        options_fail(line, "--average-start: must not be above --epochs");
    }
    check_cutoffs(line, settings);
    check_schedule(line, settings);
}

int command_train(int argc, char **argv)
{
    train_settings settings = default_settings();
    command_line line = {
        .command = "train",
        .arguments = "-o MODEL [options] TEXT...",
        .summary = summary,
        .closing = closing,
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
        .operands_minimum = 1,
        .operands_maximum = argc,
        .operand = "TEXT",
        .operand_file = FILE_TEXT,
    };
    int first = options_parse(&line, &settings, argc, argv);
    settings.texts = argv + first;
    settings.text_count = argc - first;
    training *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return complain("out of memory");
    }
    run->settings = &settings;
    run->line = &line;
    run->log.descriptor = -1;
    run->at = (train_position){.epoch = 1, .best_valid_loss = INFINITY};
    int status = settings.resume != NULL ? resume_read(run) : 0;
    if (status == 0) {
        count_layers(&line, &settings);
        check_together(&line, &settings);
        status = workers_are_first() ? training_claim_files(run) : 0;
    }
    if (status == 0) {
        status = workers_meet(training_create(run));
    }
    if (status == 0) {
        status = training_run(run);
    }
    training_destroy(run);
    return status;
}
