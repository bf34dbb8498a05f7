/* From settings to the objects that train: trainer, batches, optimizer, schedule. */
#include <stdlib.h>

#include "fingerprint.h"
#include "output.h"
#include "system.h"
#include "train.h"
#include "workers.h"

/* ---- what trains ---- */

static lrnn_status make_trainer(training *run)
{
    train_settings *settings = run->settings;
    lrnn_trainer_options options;
    CHECK(lrnn_trainer_options_init(&options, sizeof options));
    options.batch = settings->batch;
    options.steps = settings->steps;
    options.threads = settings->threads;
    options.seed = settings->seed;
    options.clip_norm = settings->clip_norm;
    options.clip_value = settings->clip_value;
    options.reduction = settings->reduction;
    options.label_smoothing = settings->label_smoothing;
    options.activation_l2 = settings->activation_l2;
    options.temporal_l2 = settings->temporal_l2;
    CHECK(workers_join(&options, run->model, &settings->shards));
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
    return corpus_batches(&run->batches, &run->tokens, &options);
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
    options.dampening = settings->dampening;
    options.nesterov = settings->nesterov;
    options.alpha = settings->alpha;
    options.beta1 = settings->beta1;
    options.beta2 = settings->beta2;
    options.epsilon = settings->epsilon;
    return lrnn_optimizer_create(&run->optimizer, lrnn_model_parameter_count(run->model), &options);
}

static int make_parts(training *run)
{
    static const struct {
        const char *name;
        lrnn_status (*make)(training *run);
    } parts[] = {{"trainer", make_trainer},
                 {"batches", make_batches},
                 {"optimizer", make_optimizer},
                 {"schedule", train_make_schedule}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        lrnn_status status = parts[i].make(run);
        if (status != LRNN_OK) {
            const char *why = workers_error();
            return why != NULL ? complain("%s", why)
                               : options_fail_status(run->line, status, parts[i].name);
        }
    }
    return 0;
}

/* Do all processes have the same options? */
static int compare_options(const training *run)
{
    char *lines = NULL;
    size_t length = 0;
    FILE *stream = system_text_open(&lines, &length);
    if (stream != NULL) {
        options_remember(run->line, run->settings, stream);
    }
    if (stream == NULL || system_text_close(stream, &lines, &length) != 0) {
        free(lines);
        return complain("out of memory");
    }
    int failed = workers_compare_options(lines);
    free(lines);
    return failed;
}

int training_create(training *run)
{
    if (training_read_texts(run) != 0 || workers_meet(0) != 0 || compare_options(run) != 0 ||
        make_parts(run) != 0) {
        return 1;
    }
    if (run->settings->resume != NULL) {
        if (resume_restore(run) != 0) {
            return 1;
        }
    } else if (fingerprint_of(&run->at.text, &run->tokens) != 0) {
        return 1;
    }
    run->at.planned_epochs = run->settings->epochs;
    if (workers_compare("text", &run->at.text, sizeof run->at.text) != 0) {
        return 1;
    }
    return !workers_are_first() ? 0 : log_open(&run->log, run->settings->log, run->at.step);
}

void training_destroy(training *run)
{
    lrnn_batches_destroy(run->batches);
    lrnn_schedule_destroy(run->schedule);
    lrnn_optimizer_destroy(run->optimizer);
    lrnn_trainer_destroy(run->trainer);
    lrnn_model_destroy(run->model);
    lrnn_model_destroy(run->best);
    corpus_free(&run->valid);
    corpus_free(&run->tokens);
    log_close(&run->log);
    free(run->checkpoint_path);
    free(run->note);
    free(run);
}
