/* What a checkpoint's note says: the options of the run, where it stands, and the losses so far, as
 * lines "option NAME VALUE", "state NAME VALUE" and "history NAME ...". */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint.h"
#include "output.h"
#include "system.h"
#include "train.h"

static const char first_line[] = "lrnn train 1";

/* ---- writing ---- */

static void write_position(const train_position *at, FILE *stream)
{
    fprintf(stream, "state epoch %zu\n", at->epoch);
    fprintf(stream, "state step %zu\n", at->step);
    fprintf(stream, "state tokens %zu\n", at->tokens);
    fprintf(stream, "state epoch-loss-sum %.17g\n", at->epoch_loss_sum);
    fprintf(stream, "state epoch-loss-weight %.17g\n", at->epoch_loss_weight);
    fprintf(stream, "state best-valid-loss %.17g\n", at->best_valid_loss);
    fprintf(stream, "state best-epoch %zu\n", at->best_epoch);
    fprintf(stream, "state waited %zu\n", at->waited);
    fprintf(stream, "state planned-epochs %zu\n", at->planned_epochs);
    fprintf(stream, "state xxh3 %" PRIu64 "\n", at->text);
}

static char *write_note(const training *run)
{
    char *note = NULL;
    size_t length = 0;
    FILE *stream = system_text_open(&note, &length);
    if (stream == NULL) {
        return NULL;
    }
    fprintf(stream, "%s\n", first_line);
    options_remember(run->line, run->settings, stream);
    write_position(&run->at, stream);
    if (run->settings->plot != NULL) {
        history_write(&run->at.losses.training, "training", stream);
    }
    if (run->settings->plot != NULL || run->settings->average_patience > 0) {
        history_write(&run->at.losses.validation, "validation", stream);
    }
    if (system_text_close(stream, &note, &length) != 0) {
        free(note);
        return NULL;
    }
    return note;
}

static lrnn_status describe(lrnn_checkpoint *checkpoint, const training *run)
{
    CHECK(lrnn_checkpoint_init(checkpoint, sizeof *checkpoint));
    checkpoint->trainer = run->trainer;
    checkpoint->optimizer = run->optimizer;
    checkpoint->schedule = run->schedule;
    checkpoint->batches = run->batches;
    return LRNN_OK;
}

const char *resume_write(const training *run)
{
    char *note = write_note(run);
    if (note == NULL) {
        return "out of memory for a checkpoint";
    }
    lrnn_checkpoint checkpoint;
    lrnn_status status = describe(&checkpoint, run);
    if (status == LRNN_OK) {
        checkpoint.best = run->at.best_epoch > 0 ? run->best : NULL;
        status = lrnn_checkpoint_save(&checkpoint, run->checkpoint_path, note);
    }
    free(note);
    return status == LRNN_OK ? NULL : lrnn_last_error();
}

/* ---- reading ---- */

/* Digits, and no more of them than can be counted to. */
static bool read_number(uint64_t *number, const char *value, uint64_t most)
{
    char *end;
    errno = 0;
    *number = strtoull(value, &end, 10);
    return isdigit((unsigned char)value[0]) && *end == '\0' && errno == 0 && *number <= most;
}

static bool read_count(size_t *count, const char *value)
{
    uint64_t number;
    bool is = read_number(&number, value, SIZE_MAX / 2);
    *count = is ? (size_t)number : 0;
    return is;
}

/* The best loss is infinite before there is one. */
static bool read_loss(double *loss, const char *value)
{
    char *end;
    *loss = strtod(value, &end);
    return end != value && *end == '\0' && *loss > -INFINITY;
}

/* Sets the value of one "state" line; false if it is not one. */
static bool read_state(train_position *at, const char *name, const char *value)
{
    const struct {
        const char *name;
        size_t *count;
        double *number;
    } fields[] = {
        {"epoch", &at->epoch, NULL},
        {"step", &at->step, NULL},
        {"tokens", &at->tokens, NULL},
        {"epoch-loss-sum", NULL, &at->epoch_loss_sum},
        {"epoch-loss-weight", NULL, &at->epoch_loss_weight},
        {"best-valid-loss", NULL, &at->best_valid_loss},
        {"best-epoch", &at->best_epoch, NULL},
        {"waited", &at->waited, NULL},
        {"planned-epochs", &at->planned_epochs, NULL},
    };
    if (strcmp(name, "xxh3") == 0 || strcmp(name, "text") == 0) {
        at->former = strcmp(name, "text") == 0;
        return read_number(&at->text, value, UINT64_MAX);
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(name, fields[i].name) == 0) {
            return fields[i].count != NULL ? read_count(fields[i].count, value)
                                           : read_loss(fields[i].number, value);
        }
    }
    return false;
}

static int read_line(training *run, char *line)
{
    const char *kind = strtok(line, " ");
    const char *name = strtok(NULL, " ");
    char *value = strtok(NULL, "");
    static char nothing[1];
    value = value != NULL ? value : nothing;
    if (kind != NULL && name != NULL) {
        if (strcmp(kind, "option") == 0) {
            return options_recall(run->line, run->settings, name, value);
        }
        if (strcmp(kind, "state") == 0 && read_state(&run->at, name, value)) {
            return 0;
        }
        if (strcmp(kind, "history") == 0) {
            bool validation = strcmp(name, "validation") == 0;
            history_read(validation ? &run->at.losses.validation : &run->at.losses.training, value);
            return 0;
        }
    }
    return complain("%s: its note has a line that this version does not know: %.60s%s%.60s%s%.60s",
                    run->settings->resume, kind != NULL ? kind : "(empty)", name != NULL ? " " : "",
                    name != NULL ? name : "", value[0] != '\0' ? " " : "", value);
}

/* An epoch has a step, and what is best was before. */
static int check_position(const training *run)
{
    const train_position *at = &run->at;
    bool can_be = at->epoch >= 1 && at->epoch - 1 <= at->step && at->best_epoch <= at->epoch &&
                  at->waited <= at->epoch && isfinite(at->epoch_loss_sum) &&
                  isfinite(at->epoch_loss_weight) && at->epoch_loss_weight >= 0;
    return can_be ? 0
                  : complain("%s: no run stands where its note says: epoch %zu, step %zu, best "
                             "epoch %zu, %zu epochs waited, loss %g of %g tokens",
                             run->settings->resume, at->epoch, at->step, at->best_epoch, at->waited,
                             at->epoch_loss_sum, at->epoch_loss_weight);
}

static int load_note(char **note, const char *path)
{
    size_t length = 0;
    lrnn_status status = lrnn_checkpoint_read_note(NULL, 0, &length, path);
    if (status == LRNN_ERR_TOO_SMALL || status == LRNN_OK) {
        *note = malloc(length + 1);
        if (*note == NULL) {
            return complain("%s: out of memory", path);
        }
        status = lrnn_checkpoint_read_note(*note, length + 1, &length, path);
    }
    if (status == LRNN_ERR_NOT_FOUND) {
        return complain("%s: not a checkpoint of lrnn train", path);
    }
    return status == LRNN_OK ? 0 : complain_status(status, NULL);
}

/* The next line without its newline, which becomes a NUL; NULL after the last. */
static char *take_line(char **rest)
{
    char *line = *rest;
    if (line != NULL) {
        char *end = strchr(line, '\n');
        *rest = end != NULL ? end + 1 : NULL;
        line[strcspn(line, "\n")] = '\0';
    }
    return line;
}

int resume_read(training *run)
{
    const char *path = run->settings->resume;
    if (load_note(&run->note, path) != 0) {
        return 1;
    }
    char *rest = run->note;
    const char *first = take_line(&rest);
    if (strcmp(first, first_line) != 0) {
        return complain("%s: not a checkpoint of this version of lrnn train", path);
    }
    for (char *line; (line = take_line(&rest)) != NULL;) {
        if (line[0] != '\0' && read_line(run, line) != 0) {
            return 1;
        }
    }
    if (check_position(run) != 0) {
        return 1;
    }
    const train_settings *settings = run->settings;
    if (settings->schedule == LRNN_SCHEDULE_COSINE && settings->schedule_period == 0 &&
        settings->epochs != run->at.planned_epochs) {
        return complain("--epochs: the cosine schedule of the checkpoint was made for %zu",
                        run->at.planned_epochs);
    }
    return 0;
}

/* Checkpoints of 0.1 left the best model to its own file. */
static int load_best_file(training *run)
{
    const char *path = run->settings->output;
    lrnn_status status = lrnn_model_load(&run->best, path, NULL);
    if (status != LRNN_OK) {
        return complain("%s: contains no best model, and it cannot be loaded from -o: %s",
                        run->settings->resume, lrnn_last_error());
    }
    if (lrnn_model_parameter_count(run->best) != lrnn_model_parameter_count(run->model)) {
        return complain("%s: contains no best model, and %s is another network",
                        run->settings->resume, path);
    }
    return 0;
}

static int restore_best(training *run)
{
    if (run->at.best_epoch == 0) {
        return 0;
    }
    lrnn_status status = lrnn_checkpoint_load_best(&run->best, run->settings->resume, NULL);
    if (status == LRNN_ERR_NOT_FOUND) {
        return load_best_file(run);
    }
    run->model_waits = status == LRNN_OK;
    return status == LRNN_OK ? 0 : complain_status(status, NULL);
}

/* Whether it is that of the checkpoint; what is written from now on has today's fingerprint. */
static int check_text(training *run)
{
    uint64_t found, former = 0;
    if (fingerprint_of(&found, &run->tokens) != 0 ||
        (run->at.former && fingerprint_former(&former, &run->tokens) != 0)) {
        return 1;
    }
    if (run->at.text != (run->at.former ? former : found)) {
        return complain("%s: the checkpoint was made with another text", run->settings->resume);
    }
    run->at.text = found;
    run->at.former = false;
    return 0;
}

int resume_restore(training *run)
{
    const char *path = run->settings->resume;
    if (check_text(run) != 0) {
        return 1;
    }
    lrnn_checkpoint checkpoint;
    lrnn_status status = describe(&checkpoint, run);
    if (status == LRNN_OK) {
        status = lrnn_checkpoint_load(&checkpoint, path);
    }
    return status == LRNN_OK ? restore_best(run) : complain_status(status, NULL);
}
