/* What a run writes. A model, checkpoint or picture that cannot be written does not end it: that is
 * said, and tried again with the next one. Only what is missing at the end is an error. */
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "output_file.h"
#include "train.h"
#include "workers.h"

/* ---- the model ---- */

/* Writes the model that is kept, if the file does not hold it yet. */
void keep_waiting_model(training *run)
{
    if (!run->model_waits || !workers_are_first()) {
        return;
    }
    lrnn_status status = lrnn_model_save(run->best, run->settings->output);
    if (status != LRNN_OK) {
        complain("%s; will try again after the next epoch", lrnn_last_error());
        return;
    }
    run->model_waits = false;
}

int keep_model(training *run)
{
    if (!workers_are_first()) {
        return 0;
    }
    lrnn_model *model = NULL;
    lrnn_status status = lrnn_trainer_snapshot(&model, run->trainer);
    if (status != LRNN_OK) {
        return complain_status(status, "model");
    }
    lrnn_model_destroy(run->best);
    run->best = model;
    run->model_waits = true;
    keep_waiting_model(run);
    if (run->valid.count == 0 && !run->model_waits) {
        lrnn_model_destroy(run->best);
        run->best = NULL;
    }
    run->model_kept = true;
    return 0;
}

/* ---- checkpoint and picture ---- */

/* A checkpoint that could be written where the log could not would leave a gap in it if the run
 * were resumed from there. */
void keep_checkpoint(training *run)
{
    if (!workers_are_first()) {
        return;
    }
    log_retry(&run->log);
    const char *reason = resume_write(run);
    run->checkpoint_waits = reason != NULL;
    if (reason != NULL) {
        complain("%s; will try again with the next checkpoint", reason);
    }
}

static int draw_plot(const training *run)
{
    const train_settings *settings = run->settings;
    if (settings->plot == NULL || run->at.losses.training.count == 0) {
        return 0;
    }
    char *title = format_text("Training of %s", path_name(settings->output));
    if (title == NULL) {
        return complain("out of memory");
    }
    int failed = history_plot(&run->at.losses, settings->plot, title);
    free(title);
    return failed;
}

void keep_plot(training *run)
{
    run->plot_is_up_to_date = !workers_are_first() || draw_plot(run) == 0;
}

/* ---- the end ---- */

/* What could not be written before has its last chance. */
int keep_last(training *run)
{
    int failed = 0;
    if (!workers_are_first()) {
        return 0;
    }
    if (!run->model_kept && run->best == NULL && keep_model(run) != 0) {
        return 1; /* a run that was over when it was resumed */
    }
    if (run->model_waits) {
        lrnn_status status = lrnn_model_save(run->best, run->settings->output);
        failed |= status != LRNN_OK ? complain_status(status, NULL) : 0;
    }
    if (run->checkpoint_waits) {
        const char *reason = resume_write(run);
        failed |= reason != NULL ? complain("%s", reason) : 0;
    }
    if (!run->plot_is_up_to_date) { /* nor is it if the run was killed after its last checkpoint */
        failed |= draw_plot(run);
    }
    return log_close(&run->log) != 0 ? 1 : failed;
}

/* A path that was forced is forced only where it is on the command line. */
static void print_resume_command(const training *run)
{
    const train_settings *settings = run->settings;
    const struct {
        const char *name, *path;
    } outputs[] = {{"output", settings->output}, {"log", settings->log}, {"plot", settings->plot}};
    printf("%s train --resume ", workers_program());
    print_quoted(run->checkpoint_path, stdout);
    if (settings->force) {
        fputs(" --force", stdout);
    }
    for (size_t i = 0; settings->force && i < sizeof outputs / sizeof outputs[0]; i++) {
        if (outputs[i].path != NULL) {
            printf(" --%s ", outputs[i].name);
            print_quoted(outputs[i].path, stdout);
        }
    }
    bool dashes = false;
    for (int i = 0; i < settings->text_count; i++) {
        const char *path = settings->texts[i];
        dashes = dashes || (path[0] == '-' && path[1] != '\0');
    }
    fputs(dashes ? " --" : "", stdout);
    for (int i = 0; i < settings->text_count; i++) {
        putchar(' ');
        print_quoted(settings->texts[i], stdout);
    }
    putchar('\n');
}

int keep_stopped(training *run)
{
    if (!workers_are_first()) {
        return 0;
    }
    keep_waiting_model(run);
    const char *reason = resume_write(run);
    if (reason != NULL) {
        return complain("%s", reason);
    }
    progress_clear(&run->shown);
    printf("stopped at epoch %zu, step %zu; to continue:\n  ", run->at.epoch, run->at.step);
    print_resume_command(run);
    fflush(stdout);
    return draw_plot(run) | log_close(&run->log);
}
