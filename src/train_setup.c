/* From settings to the objects of a run: texts, model, trainer, batches, optimizer, schedule. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "train.h"

/* ---- texts ---- */

double train_valid_fraction(const char *valid)
{
    char *end;
    double fraction = strtod(valid, &end);
    if (end == valid || *end != '\0') {
        return 0;
    }
    return fraction > 0 && fraction < 1 ? fraction : -1;
}

/* A vocabulary could not be made: the file that holds the bad byte is to blame. */
static int blame_document(lrnn_status status, const text *source, const lrnn_vocab_options *options)
{
    for (size_t i = 0; status == LRNN_ERR_FORMAT && i < source->count; i++) {
        const document *d = &source->documents[i];
        lrnn_vocab *vocab;
        if (lrnn_vocab_create_from_text(&vocab, source->bytes + d->start, d->length, options) ==
            LRNN_ERR_FORMAT) {
            return complain_text(LRNN_ERR_FORMAT, d->name);
        }
        lrnn_vocab_destroy(vocab);
    }
    return complain_status(status, "text");
}

static int make_vocab(lrnn_vocab **vocab, const train_settings *settings, const text *source)
{
    lrnn_vocab_options options;
    lrnn_status status = lrnn_vocab_options_init(&options, sizeof options);
    if (status == LRNN_OK) {
        options.level = settings->level;
        options.lowercase = settings->lowercase;
        options.strip_punctuation = settings->strip_punctuation;
        options.keep_empty = settings->keep_empty;
        options.unknown = settings->unknown;
        options.min_count = settings->min_count;
        options.max_size = settings->max_vocab == 0 ? LRNN_NO_LIMIT : settings->max_vocab;
        status = lrnn_vocab_create_from_text(vocab, source->bytes, source->length, &options);
    }
    return status == LRNN_OK ? 0 : blame_document(status, source, &options);
}

static int make_model(training *run, const lrnn_vocab *vocab)
{
    const train_settings *settings = run->settings;
    lrnn_model_options options;
    lrnn_status status = lrnn_model_options_init(&options, sizeof options);
    if (status == LRNN_OK) {
        options.input_vocab = vocab;
        options.output_vocab = vocab;
        options.embedding_size = settings->embedding;
        options.hidden_size = settings->hidden;
        options.layers = settings->layers;
        options.cell = settings->cell;
        options.dropout = settings->dropout;
        options.seed = settings->seed;
        train_check_model_memory(run, &options);
        status = lrnn_model_create(&run->model, &options);
    }
    return status == LRNN_OK ? 0 : options_fail_status(run->line, status, "model");
}

/* A new model with the vocabulary of the text, or the one that the checkpoint holds. */
static int get_model(training *run, const text *source)
{
    const char *path = run->settings->resume;
    if (path != NULL) {
        lrnn_status status = lrnn_model_load(&run->model, path, NULL);
        if (status != LRNN_OK) {
            return complain_status(status, NULL);
        }
        return lrnn_model_input_vocab(run->model) != NULL
                   ? 0
                   : complain("%s: not a checkpoint of lrnn train", path);
    }
    lrnn_vocab *vocab = NULL;
    int failed = make_vocab(&vocab, run->settings, source);
    if (!failed) {
        failed = make_model(run, vocab);
    }
    lrnn_vocab_destroy(vocab);
    return failed;
}

/* The last part of the text, or another one. */
static int take_valid(training *run)
{
    const char *valid = run->settings->valid;
    double fraction = train_valid_fraction(valid);
    if (fraction > 0) {
        size_t count = (size_t)((double)run->tokens.count * fraction);
        run->tokens.count -= count;
        run->valid.ids = run->tokens.ids + run->tokens.count;
        run->valid.count = count;
    } else {
        const lrnn_vocab *vocab = lrnn_model_input_vocab(run->model);
        text source = {.level = lrnn_vocab_level(vocab)};
        int failed = text_add_file(&source, valid) != 0 ||
                     tokens_encode_text(&run->valid, vocab, &source) != 0;
        text_free(&source);
        if (failed) {
            return 1;
        }
    }
    return run->valid.count >= 2 ? 0 : complain("--valid %s: fewer than 2 tokens", valid);
}

static int read_texts(training *run)
{
    const train_settings *settings = run->settings;
    text source = {.level = settings->level};
    int failed = 0;
    for (int i = 0; i < settings->text_count && !failed; i++) {
        failed = text_add_file(&source, settings->texts[i]);
    }
    if (!failed && source.length == 0) {
        failed = complain("%s: the text is empty", settings->texts[0]);
    }
    if (!failed) {
        failed = get_model(run, &source);
    }
    if (!failed) {
        failed = tokens_encode_text(&run->tokens, lrnn_model_input_vocab(run->model), &source);
    }
    text_free(&source);
    if (!failed && settings->valid != NULL) {
        failed = take_valid(run);
    }
    size_t window = settings->batch * settings->steps;
    if (!failed && run->tokens.count < window) {
        failed = complain("the text has %zu tokens to train on; --batch %zu and --steps %zu need "
                          "at least %zu",
                          run->tokens.count, settings->batch, settings->steps, window);
    }
    return failed;
}

/* ---- what trains ---- */

static lrnn_status make_trainer(training *run)
{
    const train_settings *settings = run->settings;
    lrnn_trainer_options options;
    CHECK(lrnn_trainer_options_init(&options, sizeof options));
    options.batch = settings->batch;
    options.steps = settings->steps;
    options.threads = settings->threads;
    options.seed = settings->seed;
    options.clip_norm = settings->clip_norm;
    options.clip_value = settings->clip_value;
    options.label_smoothing = settings->label_smoothing;
    train_check_memory(run, &options);
    return lrnn_trainer_create(&run->trainer, run->model, &options);
}

static lrnn_status make_batches(training *run)
{
    const train_settings *settings = run->settings;
    lrnn_batches_options options;
    CHECK(lrnn_batches_options_init(&options, sizeof options));
    options.batch = settings->batch;
    options.steps = settings->steps;
    options.order = settings->batches;
    return lrnn_batches_create(&run->batches, run->tokens.ids, run->tokens.count, &options);
}

static lrnn_status make_optimizer(training *run)
{
    const train_settings *settings = run->settings;
    lrnn_optimizer_options options;
    CHECK(lrnn_optimizer_options_init(&options, sizeof options));
    options.kind = settings->optimizer;
    options.learning_rate = settings->learning_rate;
    options.weight_decay = settings->weight_decay;
    options.momentum = settings->momentum;
    options.nesterov = settings->nesterov;
    return lrnn_optimizer_create(&run->optimizer, lrnn_model_parameter_count(run->model), &options);
}

/* The schedule is advanced once a step; the options count in epochs. */
static lrnn_status make_schedule(training *run)
{
    const train_settings *settings = run->settings;
    size_t windows = lrnn_batches_count(run->batches);
    size_t warmup = settings->warmup;
    lrnn_schedule_options options;
    CHECK(lrnn_schedule_options_init(&options, sizeof options));
    options.kind = settings->schedule;
    options.learning_rate = settings->learning_rate;
    options.factor = settings->schedule_factor;
    options.minimum = settings->schedule_minimum;
    options.warmup = warmup;
    options.patience = settings->schedule_patience;
    options.period = settings->schedule_period * windows;
    if (settings->schedule == LRNN_SCHEDULE_EXPONENTIAL) {
        options.factor = pow(settings->schedule_factor, 1.0 / (double)windows);
    }
    if (options.period == 0) {
        size_t all = settings->epochs * windows;
        bool cosine = settings->schedule == LRNN_SCHEDULE_COSINE;
        options.period = !cosine ? windows : all > warmup ? all - warmup : 1;
    }
    return lrnn_schedule_create(&run->schedule, &options);
}

static int make_parts(training *run)
{
    static const struct {
        const char *name;
        lrnn_status (*make)(training *run);
    } parts[] = {{"trainer", make_trainer},
                 {"batches", make_batches},
                 {"optimizer", make_optimizer},
                 {"schedule", make_schedule}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        lrnn_status status = parts[i].make(run);
        if (status != LRNN_OK) {
            return options_fail_status(run->line, status, parts[i].name);
        }
    }
    return 0;
}

int training_create(training *run)
{
    if (read_texts(run) != 0 || make_parts(run) != 0) {
        return 1;
    }
    if (run->settings->resume != NULL) {
        if (resume_restore(run) != 0) {
            return 1;
        }
    } else {
        run->at.text = tokens_fingerprint(run->tokens.ids, run->tokens.count);
    }
    run->at.planned_epochs = run->settings->epochs;
    return log_open(&run->log, run->settings->log, run->at.step);
}

void training_destroy(training *run)
{
    lrnn_batches_destroy(run->batches);
    lrnn_schedule_destroy(run->schedule);
    lrnn_optimizer_destroy(run->optimizer);
    lrnn_trainer_destroy(run->trainer);
    lrnn_model_destroy(run->model);
    lrnn_model_destroy(run->best);
    const char *valid = run->settings->valid;
    if (valid != NULL && train_valid_fraction(valid) > 0) {
        run->valid = (token_list){0}; /* the end of the other list */
    }
    tokens_free(&run->tokens);
    tokens_free(&run->valid);
    log_close(&run->log);
    free(run->checkpoint_path);
    free(run->note);
    free(run);
}
