/* lrnn train: its options, which ones fit together, and the run from beginning to end. */
#include "train.h"

#include <math.h>
#include <stdlib.h>

#include "commands.h"
#include "output.h"

static const char *const cells[] = {"rnn", "rnn-relu", "lstm", "gru", NULL};
static const char *const orders[] = {"streams", "rows", NULL};
static const char *const optimizers[] = {"sgd", "rmsprop", "adagrad", "adam", "adamw", NULL};
static const char *const schedules[] = {"constant", "step",    "exponential",
                                        "cosine",   "plateau", NULL};

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
    {MATCH_COUNT("hidden", hidden), .field = "hidden_size", .minimum = 1,
     .help = "size of the hidden state"},
    {MATCH_COUNT("layers", layers),
     .help = "number of recurrent layers; 0: none, which is softmax regression"},
    {MATCH_NUMBER("dropout", dropout), .argument = "P", .maximum = 1, .bounds = BELOW_MAXIMUM,
     .help = "probability of dropping an output between layers"},

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
    {MATCH_FLAG("nesterov", nesterov), .help = "use Nesterov momentum, with sgd"},
    {MATCH_NUMBER("weight-decay", weight_decay), .argument = "D",
     .help = "L2 penalty on the parameters; with adamw, decoupled weight decay"},
    {MATCH_NUMBER("clip-norm", clip_norm), .argument = "NORM",
     .help = "scale the gradient down to this norm where it is larger; 0: no clipping"},
    {MATCH_NUMBER("clip-value", clip_value), .argument = "LIMIT",
     .help = "before that, clip each element of the gradient to +-LIMIT; 0: no clipping"},
    {MATCH_NUMBER("label-smoothing", label_smoothing), .argument = "S", .maximum = 1,
     .help = "share of the target probability that is spread over all tokens"},
    {ADOPT_COUNT("threads", threads), .minimum = 1, .maximum = 1024,
     .help = "number of threads; results do not depend on it"},
    {ROW(OPTION_SEED, "seed", seed, OPTION_MATCH),
     .help = "seed of the initial parameters and of dropout"},

    HEADING("Learning-rate schedule:"),
    {MATCH_CHOICE("schedule", schedule), .choices = schedules,
     .help = "step: multiply the rate by the factor every period; exponential: the same, smoothly, "
             "every epoch; cosine: decay to the minimum over the period; plateau: multiply by the "
             "factor when the validation loss has stopped improving"},
    {MATCH_COUNT("warmup", warmup), .help = "steps over which the rate first rises"},
    {MATCH_COUNT("schedule-period", schedule_period), .argument = "EPOCHS",
     .help = "period of step and cosine; 0: one epoch for step, the whole run for cosine"},
    {MATCH_NUMBER("schedule-factor", schedule_factor), .argument = "F", .bounds = ABOVE_MINIMUM,
     .help = "factor of step, exponential and plateau"},
    {MATCH_NUMBER("schedule-minimum", schedule_minimum), .argument = "RATE",
     .help = "lowest rate of cosine and plateau"},
    {MATCH_COUNT("schedule-patience", schedule_patience), .argument = "EPOCHS",
     .help = "with plateau: epochs without improvement before the rate is lowered"},

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
        .hidden = 128,
        .layers = 1,
        .batch = 16,
        .steps = 32,
        .batches = LRNN_BATCHES_STREAMS,
        .epochs = 10,
        .optimizer = LRNN_OPTIMIZER_ADAM,
        .learning_rate = 0.002,
        .clip_norm = 5,
        .schedule = LRNN_SCHEDULE_CONSTANT,
        .schedule_factor = 0.5,
        .schedule_patience = 2,
        .threads = 1,
        .seed = 1,
        .report_every = 100,
    };
}

/* Given, and yet without effect. */
static void check_swallowed(const command_line *line, const train_settings *settings)
{
    int32_t kind = settings->schedule;
    bool step = kind == LRNN_SCHEDULE_STEP, exponential = kind == LRNN_SCHEDULE_EXPONENTIAL;
    bool cosine = kind == LRNN_SCHEDULE_COSINE, plateau = kind == LRNN_SCHEDULE_PLATEAU;
    vocab_check_options(line, &settings->vocab);
    bool moves =
        settings->optimizer == LRNN_OPTIMIZER_SGD || settings->optimizer == LRNN_OPTIMIZER_RMSPROP;
    bool validates = settings->valid != NULL;
    const struct {
        const char *name;
        bool useful;
        const char *needs;
    } needs[] = {
        {"cell", settings->layers > 0, "--layers of at least 1"},
        {"hidden", settings->layers > 0, "--layers of at least 1"},
        {"momentum", moves, "--optimizer sgd or rmsprop"},
        {"patience", validates, "--valid"},
        {"schedule-period", step || cosine, "--schedule step or cosine"},
        {"schedule-factor", step || exponential || plateau,
         "--schedule step, exponential or plateau"},
        {"schedule-minimum", cosine || plateau, "--schedule cosine or plateau"},
        {"schedule-patience", plateau, "--schedule plateau"},
        {"report-every", !settings->quiet, "progress to report, which --quiet leaves out"},
    };
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        options_need(line, needs[i].name, needs[i].useful, needs[i].needs);
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
    if (settings->valid != NULL && train_valid_fraction(settings->valid) < 0) {
        options_fail(line,
                     "--valid: expected a fraction above 0 and below 1, or a file, found '%s'",
                     settings->valid);
    }
    if (settings->valid == NULL && settings->schedule == LRNN_SCHEDULE_PLATEAU) {
        options_fail(line, "--schedule plateau: needs --valid");
    }
    if (settings->schedule_minimum > settings->learning_rate) {
        options_fail(line, "--schedule-minimum: must not be above --lr");
    }
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
        check_together(&line, &settings);
        status = training_claim_files(run);
    }
    if (status == 0) {
        status = training_create(run);
    }
    if (status == 0) {
        status = training_run(run);
    }
    training_destroy(run);
    return status;
}
