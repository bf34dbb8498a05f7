/* Training that has run away: what it would save predicts worse than a guess, so it is not saved.
 */
#include <math.h>
#include <stdlib.h>

#include "output.h"
#include "train.h"

/* A step may overshoot and come back, but not from here. */
static const double absurd_loss = 1e6;

/* Times the loss of a guess. */
static const double hopeless = 10, doubtful = 1.2;

/* The loss of giving all tokens the same probability. */
static double guess_loss(const training *run)
{
    size_t tokens = lrnn_vocab_size(lrnn_model_output_vocab(run->model));
    return fmax(log((double)tokens), 1);
}

int complain_diverged(const training *run, const char *what)
{
    const train_settings *settings = run->settings;
    return complain(
        "epoch %zu, step %zu: %s: training has diverged; try a lower --lr (it is %g)%s%s",
        run->at.epoch, run->at.step, what, settings->learning_rate,
        settings->clip_norm > 1 || settings->clip_norm <= 0 ? ", --clip-norm 1" : "",
        settings->warmup == 0 ? ", or --warmup" : "");
}

static int check_loss(const training *run, const char *name, double loss, double limit)
{
    if (loss <= limit) {
        return 0;
    }
    char *what = format_text("%s is %.4g, that of guessing %.4g", name, loss, guess_loss(run));
    int failed = complain_diverged(run, what != NULL ? what : name);
    free(what);
    return failed;
}

int check_step_loss(const training *run, double loss)
{
    return check_loss(run, "the loss", loss, absurd_loss);
}

int check_epoch_loss(const training *run, const char *name, double loss)
{
    return check_loss(run, name, loss, hopeless * guess_loss(run));
}

void warn_of_doubtful_loss(const training *run, double loss)
{
    double guess = guess_loss(run);
    if (loss > doubtful * guess) {
        complain("the loss is %.4g, that of guessing %.4g: %s is of little use; try a lower --lr "
                 "(it is %g)",
                 loss, guess, run->settings->output, run->settings->learning_rate);
    }
}
