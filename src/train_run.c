/* The training loop: a step, and what is due after it. A run that is stopped anywhere and resumed
 * goes through the same states, so nothing here may depend on time but what is shown. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "generation.h"
#include "output.h"
#include "system.h"
#include "train.h"
#include "workers.h"

/* ---- samples ---- */

static lrnn_status run_sampler(lrnn_decoder **decoder, const lrnn_model *model,
                               const token_list *prompt, uint64_t seed, token_writer *writer)
{
    lrnn_decoder_options options;
    lrnn_request request;
    CHECK(lrnn_decoder_options_init(&options, sizeof options));
    CHECK(lrnn_request_init(&request, sizeof request));
    options.method = LRNN_METHOD_SAMPLE;
    options.temperature = 0.8;
    options.max_length = writer->spaced ? 50 : 250;
    options.token = token_writer_stream;
    options.user = writer;
    CHECK(lrnn_decoder_create(decoder, model, &options));
    request.tokens = prompt->ids;
    request.count = prompt->count;
    request.seed = seed;
    return lrnn_decoder_run(*decoder, &request, 1);
}

static lrnn_status sample_from(const lrnn_model *model, const token_list *prompt, uint64_t seed)
{
    token_writer writer = token_writer_begin(lrnn_model_output_vocab(model));
    lrnn_decoder *decoder = NULL;
    lrnn_status status = run_sampler(&decoder, model, prompt, seed, &writer);
    token_writer_end(&writer);
    lrnn_decoder_destroy(decoder);
    return status;
}

static int show_sample(training *run)
{
    lrnn_model *model = NULL;
    token_list prompt;
    bool stands_in;
    if (prompt_encode(&prompt, &stands_in, lrnn_model_input_vocab(run->model), "") != 0) {
        return 1;
    }
    if (!workers_are_first()) {
        tokens_free(&prompt);
        return 0;
    }
    progress_clear(&run->shown);
    printf("---- sample after step %zu ----\n", run->at.step);
    lrnn_status status = lrnn_trainer_snapshot(&model, run->trainer);
    if (status == LRNN_OK) {
        status = sample_from(model, &prompt, run->settings->seed + run->at.step);
    }
    puts("----");
    lrnn_model_destroy(model);
    tokens_free(&prompt);
    if (status == LRNN_ERR_CALLBACK) {
        return output_flush(); /* only the writer fails, and stdout says why */
    }
    return status == LRNN_OK ? 0 : complain_status(status, "sample");
}

/* ---- epochs ---- */

/* Takes the validation loss, and keeps the model if it is the best so far; without validation the
 * last one. *loss is NaN then. */
static int validate(training *run, double *loss)
{
    const train_settings *settings = run->settings;
    train_position *at = &run->at;
    *loss = NAN;
    if (run->valid.count == 0) {
        run->last_loss = at->epoch_loss_sum / at->epoch_loss_weight;
        return check_epoch_loss(run, "the loss of the epoch", run->last_loss) != 0 ||
               keep_model(run) != 0;
    }
    double sum;
    double count;
    if (evaluate_tokens(&sum, &count, NULL, run->trainer, &run->valid, settings->batch,
                        settings->steps) != 0) {
        return 1;
    }
    *loss = sum / count;
    if (at->best_epoch == 0 && check_epoch_loss(run, "the validation loss", *loss) != 0) {
        return 1;
    }
    history_add(&at->losses.validation, (double)at->tokens, *loss);
    lrnn_status status = lrnn_schedule_report(run->schedule, *loss);
    if (status != LRNN_OK) {
        return complain_status(status, "schedule");
    }
    if (*loss < at->best_valid_loss) {
        at->best_valid_loss = *loss;
        at->best_epoch = at->epoch;
        at->waited = 0;
        return keep_model(run);
    }
    at->waited++;
    keep_waiting_model(run);
    return 0;
}

static double tokens_per_second(const training *run)
{
    return run->busy > 0 ? (double)run->busy_tokens / run->busy : 0;
}

static void report_epoch(training *run, double valid_loss)
{
    const train_position *at = &run->at;
    double loss = at->epoch_loss_sum / at->epoch_loss_weight;
    size_t epochs = run->settings->epochs;
    const char *best = at->best_epoch == at->epoch ? "  (best)" : "";
    char whole[256], brief[160], least[96], valid[96] = "", brief_valid[64] = "";
    if (!isnan(valid_loss)) {
        snprintf(valid, sizeof valid, "  valid loss %.4f  perplexity %.4g%s", valid_loss,
                 exp(valid_loss), best);
        snprintf(brief_valid, sizeof brief_valid, "  valid %.4f%s", valid_loss, best);
    }
    snprintf(whole, sizeof whole,
             "epoch %zu/%zu done  step %zu  loss %.4f  perplexity %.4g%s  %.0f tokens/s", at->epoch,
             epochs, at->step, loss, exp(loss), valid, tokens_per_second(run));
    snprintf(brief, sizeof brief, "epoch %zu/%zu done  loss %.4f%s  %.0f tokens/s", at->epoch,
             epochs, loss, brief_valid, tokens_per_second(run));
    snprintf(least, sizeof least, "%zu/%zu  loss %.4f%s", at->epoch, epochs, loss, brief_valid);
    const char *const ways[] = {whole, brief, least};
    progress_say_one(&run->shown, ways, sizeof ways / sizeof ways[0]);
}

/* Has the validation loss ceased to fall, as Merity, Keskar & Socher 2018 see it (Algorithm 1): is
 * the last one above one of those of more than `patience` epochs before? */
static bool no_longer_falls(const training *run)
{
    const history_points *losses = &run->at.losses.validation;
    size_t patience = run->settings->average_patience;
    for (size_t i = 0; patience > 0 && i + patience + 1 < losses->count; i++) {
        if (losses->loss[losses->count - 1] > losses->loss[i]) {
            return true;
        }
    }
    return false;
}

/* Before the first step of an epoch. */
static int start_average(training *run)
{
    bool due = run->at.epoch == run->settings->average_start || no_longer_falls(run);
    if (!due || lrnn_trainer_averaged(run->trainer) > 0) {
        return 0;
    }
    progress_say(&run->shown, "averaging the parameters from epoch %zu on", run->at.epoch);
    lrnn_status status = lrnn_trainer_set_average(run->trainer, 1);
    return status == LRNN_OK ? 0 : complain_status(status, "average");
}

/* Makes the end of an epoch the beginning of the next one. */
static int begin_epoch(training *run)
{
    run->at.epoch++;
    run->at.epoch_loss_sum = 0;
    run->at.epoch_loss_weight = 0;
    lrnn_status status = lrnn_batches_seek(run->batches, 0);
    if (status == LRNN_OK) {
        status = lrnn_trainer_reset_state(run->trainer);
    }
    return status == LRNN_OK ? start_average(run) : complain_status(status, "epoch");
}

static bool has_stalled(const training *run)
{
    size_t patience = run->settings->patience;
    return patience > 0 && run->at.waited >= patience;
}

/* ---- steps ---- */

static lrnn_status train_window(training *run, lrnn_train_result *result)
{
    lrnn_sequences sequences;
    CHECK(lrnn_sequences_init(&sequences, sizeof sequences));
    CHECK(lrnn_train_result_init(result, sizeof *result));
    CHECK(lrnn_batches_next(run->batches, &sequences));
    CHECK(lrnn_optimizer_set_learning_rate(run->optimizer,
                                           lrnn_schedule_learning_rate(run->schedule)));
    CHECK(lrnn_trainer_step(run->trainer, run->optimizer, &sequences, result));
    return lrnn_schedule_advance(run->schedule);
}

/* One window; fills in the row of the log. */
static int take_step(training *run, log_row *row)
{
    train_position *at = &run->at;
    lrnn_train_result result;
    double start = now();
    lrnn_status status = train_window(run, &result);
    double seconds = now() - start;
    at->step++;
    if (status == LRNN_ERR_NUMERIC) {
        return complain_diverged(run, lrnn_last_error());
    }
    if (status != LRNN_OK) {
        return complain_status(status, "training");
    }
    size_t tokens = (size_t)result.loss_weight;
    at->tokens += tokens;
    at->epoch_loss_sum += result.loss_sum;
    at->epoch_loss_weight += result.loss_weight;
    run->busy += seconds;
    run->busy_tokens += tokens;
    double loss = result.loss_sum / result.loss_weight;
    if (check_step_loss(run, loss) != 0) {
        return 1;
    }
    history_add(&at->losses.training, (double)at->tokens, loss);
    *row = (log_row){.epoch = at->epoch,
                     .step = at->step,
                     .tokens = at->tokens,
                     .loss = loss,
                     .valid_loss = NAN,
                     .learning_rate = result.learning_rate,
                     .gradient_norm = result.gradient_norm,
                     .tokens_per_second = (double)tokens / fmax(seconds, 1e-9)};
    return 0;
}

static void show_progress(training *run)
{
    const train_position *at = &run->at;
    size_t done = at->step - run->started_step;
    size_t left = run->shown.steps > at->step ? run->shown.steps - at->step : 0;
    progress_point point = {
        .epoch = at->epoch,
        .step = at->step,
        .loss = at->epoch_loss_sum / at->epoch_loss_weight,
        .tokens_per_second = tokens_per_second(run),
        .seconds_left = (now() - run->started) / (double)done * (double)left,
    };
    progress_step(&run->shown, &point);
}

static bool checkpoint_is_due(const training *run, bool epoch_ended)
{
    const train_settings *settings = run->settings;
    if (settings->checkpoint_every > 0) {
        return run->at.step % settings->checkpoint_every == 0;
    }
    return settings->checkpoint != NULL && epoch_ended;
}

/* A step and all that is due after it. The order makes a run that is killed anywhere and resumed
 * write the same files: the log has the row before a checkpoint counts the step. */
static int advance(training *run)
{
    log_row row;
    if (take_step(run, &row) != 0) {
        return 1;
    }
    show_progress(run);
    bool epoch_ended = lrnn_batches_position(run->batches) == lrnn_batches_count(run->batches);
    if (epoch_ended) {
        if (validate(run, &row.valid_loss) != 0) {
            return 1;
        }
        report_epoch(run, row.valid_loss);
    }
    size_t sample_every = run->settings->sample_every;
    if (log_write(&run->log, &row) != 0 ||
        (sample_every > 0 && run->at.step % sample_every == 0 && show_sample(run) != 0) ||
        (epoch_ended && begin_epoch(run) != 0)) {
        return 1;
    }
    bool checkpoint = checkpoint_is_due(run, epoch_ended);
    if (checkpoint && workers_gather(run->trainer) != 0) {
        return 1;
    }
    if (checkpoint) {
        keep_checkpoint(run);
    }
    if (checkpoint || epoch_ended) {
        keep_plot(run);
    }
    workers_speak();
    return 0;
}

static void introduce(training *run)
{
    const char *resume = run->settings->resume;
    if (resume != NULL) {
        progress_say(&run->shown, "resuming %s at epoch %zu, step %zu", resume, run->at.epoch,
                     run->at.step);
    }
    progress_say(&run->shown,
                 "%zu tokens, %zu distinct; %zu for validation; %zu parameters; %zu windows of %zu "
                 "x %zu per epoch",
                 run->tokens.count, lrnn_vocab_size(lrnn_model_input_vocab(run->model)),
                 run->valid.count, lrnn_model_parameter_count(run->model),
                 lrnn_batches_count(run->batches), run->settings->batch, run->settings->steps);
}

static int conclude(training *run)
{
    const train_position *at = &run->at;
    if (keep_last(run) != 0) {
        return 1;
    }
    warn_of_doubtful_loss(run, at->best_epoch > 0 ? at->best_valid_loss : run->last_loss);
    if (has_stalled(run)) {
        progress_say(&run->shown, "no better validation loss for %zu epochs", at->waited);
    }
    double seconds = now() - run->started;
    if (at->best_epoch > 0) {
        progress_say(&run->shown, "%s is the model of epoch %zu; %s", run->settings->output,
                     at->best_epoch, progress_duration(seconds));
    } else {
        progress_say(&run->shown, "%s is the model of the last epoch; %s", run->settings->output,
                     progress_duration(seconds));
    }
    return output_flush();
}

static int stop(training *run)
{
    return workers_gather(run->trainer) == 0 && keep_stopped(run) == 0 ? EXIT_INTERRUPTED : 1;
}

int training_run(training *run)
{
    const train_settings *settings = run->settings;
    size_t steps = settings->epochs * lrnn_batches_count(run->batches);
    progress_start(&run->shown, settings->quiet, settings->report_every, settings->epochs, steps);
    introduce(run);
    if (run->best != NULL) {
        keep_waiting_model(run);
    }
    if (run->at.step == 0 && start_average(run) != 0) {
        return 1;
    }
    system_catch_stop(workers_ask_to_stop); /* at the end of a step */
    run->started = now();
    run->started_step = run->at.step;
    while (run->at.epoch <= settings->epochs && !has_stalled(run)) {
        if (advance(run) != 0) {
            return 1;
        }
        if (workers_are_stopping() && run->at.epoch <= settings->epochs) {
            return stop(run);
        }
    }
    return conclude(run);
}
