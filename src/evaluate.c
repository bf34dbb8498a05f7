/* The text is cut into pieces, which are the rows of a batch; a window of all pieces is evaluated
 * at a time, and the trainer carries their states along. */
#include "evaluate.h"

#include <stdlib.h>

#include "output.h"

/* One window of all pieces, with room for `batch` x `steps`. */
typedef struct window {
    const corpus *tokens;
    size_t pairs;  /* of a token and the one after it, in the text */
    size_t pieces; /* rows */
    size_t piece;  /* pairs in a piece; the last may have fewer */
    int32_t *inputs;
    int32_t *targets;
    int32_t *read; /* [steps + 1] of a row */
} window;

/* Steps at .. at+steps-1 of every piece. Where a piece is over, the target is ignored. */
static lrnn_status fill(const window *view, size_t at, size_t steps)
{
    for (size_t row = 0; row < view->pieces; row++) {
        size_t pair = row * view->piece + at;
        size_t left = pair < view->pairs ? view->pairs - pair : 0,
               there = left < steps ? left : steps;
        if (there > 0) {
            CHECK(corpus_read(view->read, view->tokens, pair, there + 1));
        }
        for (size_t step = 0; step < steps; step++) {
            view->inputs[row * steps + step] = step < there ? view->read[step] : 0;
            view->targets[row * steps + step] = step < there ? view->read[step + 1] : -1;
        }
    }
    return LRNN_OK;
}

static lrnn_status walk(double *loss_sum, double *count, double *right, lrnn_trainer *trainer,
                        const window *view, size_t steps)
{
    lrnn_sequences sequences;
    lrnn_train_result result;
    CHECK(lrnn_sequences_init(&sequences, sizeof sequences));
    CHECK(lrnn_train_result_init(&result, sizeof result));
    CHECK(lrnn_trainer_reset_evaluation(trainer));
    sequences.batch = view->pieces;
    sequences.tokens = view->inputs;
    sequences.targets = view->targets;
    for (size_t at = 0; at < view->piece; at += steps) {
        sequences.steps = view->piece - at < steps ? view->piece - at : steps;
        CHECK(fill(view, at, sequences.steps));
        CHECK(lrnn_trainer_evaluate(trainer, &sequences, &result));
        *loss_sum += result.loss_sum;
        *count += result.loss_weight;
        *right += (double)result.right;
    }
    return LRNN_OK;
}

int evaluate_tokens(double *loss_sum, double *count, double *right, lrnn_trainer *trainer,
                    const corpus *tokens, size_t batch, size_t steps)
{
    *loss_sum = 0;
    *count = 0;
    double found = 0;
    window view = {.tokens = tokens, .pairs = tokens->count - 1};
    view.piece = (view.pairs + batch - 1) / batch;
    view.pieces = (view.pairs + view.piece - 1) / view.piece;
    view.inputs = calloc(batch * steps, sizeof *view.inputs);
    view.targets = calloc(batch * steps, sizeof *view.targets);
    lrnn_status status = LRNN_OK;
    view.read = calloc(steps + 1, sizeof *view.read);
    bool short_of_memory = view.inputs == NULL || view.targets == NULL || view.read == NULL;
    int failed = short_of_memory ? complain("out of memory") : 0;
    if (!failed) {
        status = walk(loss_sum, count, &found, trainer, &view, steps);
    }
    if (right != NULL) {
        *right = found;
    }
    free(view.inputs);
    free(view.targets);
    free(view.read);
    return status != LRNN_OK ? complain_status(status, "evaluation") : failed;
}
