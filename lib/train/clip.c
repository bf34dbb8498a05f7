/* Measuring and clipping gradients. Frozen parameters have zero gradients and so count nowhere. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/fpmode.h"
#include "trainer.h"

static void zero_piece(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    lrnn_trainer *trainer = argument;
    size_t first = piece * PARAMETER_PIECE;
    memset(trainer->gradients + first, 0, parameter_piece(trainer, first) * sizeof(real));
}

void gradient_zero(lrnn_trainer *trainer)
{
    pool_run(trainer->pool, zero_piece, trainer, parameter_pieces(trainer));
}

static void sum_piece(void *argument, size_t piece, size_t worker)
{
    (void)worker;
    lrnn_trainer *trainer = argument;
    size_t first = piece * PARAMETER_PIECE;
    const real *gradient = trainer->gradients + first;
    trainer->square_sums[piece] =
        kernels()->dot(gradient, gradient, parameter_piece(trainer, first));
}

double gradient_square_sum(lrnn_trainer *trainer)
{
    double sum = 0;
    pool_run(trainer->pool, sum_piece, trainer, parameter_pieces(trainer));
    for (size_t piece = 0; piece < parameter_pieces(trainer); piece++) {
        sum += trainer->square_sums[piece];
    }
    return sum;
}

void gradient_clip_value(lrnn_trainer *trainer, double limit)
{
    real bound = (real)limit;
    real *gradient = trainer->gradients;
    for (size_t i = 0; i < trainer->net->parameter_count; i++) {
        gradient[i] = gradient[i] > bound ? bound : gradient[i] < -bound ? -bound : gradient[i];
    }
}

void gradient_zero_frozen(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    for (size_t i = 0; i < net->tensor_count; i++) {
        if (trainer->frozen[i]) {
            memset(trainer->gradients + net->tensors[i].offset, 0,
                   net->tensors[i].count * sizeof(real));
        }
    }
}

double clip_factor(double norm, double max_norm)
{
    double factor = max_norm / (norm + 1e-6);
    return max_norm > 0 && factor < 1 ? factor : 1;
}

lrnn_status lrnn_trainer_clip_value(lrnn_trainer *trainer, double limit)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    if (!(limit > 0)) {
        return error_set(LRNN_ERR_INVALID, "limit: expected above 0, found %g", limit);
    }
    fpmode mode = fpmode_enter();
    gradient_clip_value(trainer, limit);
    fpmode_leave(mode);
    return LRNN_OK;
}

/* Returns the norm before; one that is not finite clips nothing. Not inline: see fpmode.h. */
__attribute__((noinline)) static double clip_together(lrnn_trainer *const *trainers, size_t count,
                                                      double max_norm)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        gradient_zero_frozen(trainers[i]); /* whatever the caller wrote there */
        sum += gradient_square_sum(trainers[i]);
    }
    double norm = sqrt(sum), factor = isfinite(norm) ? clip_factor(norm, max_norm) : 1;
    for (size_t i = 0; factor < 1 && i < count; i++) {
        kernels()->scale(trainers[i]->gradients, (real)factor, trainers[i]->net->parameter_count);
    }
    return norm;
}

lrnn_status lrnn_trainers_clip_norm(lrnn_trainer *const *trainers, size_t count, double max_norm,
                                    double *norm)
{
    if (trainers == NULL) {
        return error_null("trainers");
    }
    if (!(max_norm >= 0 && isfinite(max_norm))) {
        return error_set(LRNN_ERR_INVALID,
                         "max_norm: expected a finite number of at least 0, "
                         "found %g",
                         max_norm);
    }
    for (size_t i = 0; i < count; i++) {
        if (trainers[i] == NULL) {
            return error_set(LRNN_ERR_INVALID, "trainers[%zu] is NULL", i);
        }
        for (size_t k = 0; k < i; k++) {
            if (trainers[k] == trainers[i]) {
                return error_set(LRNN_ERR_INVALID, "trainers[%zu] is trainers[%zu] again", i, k);
            }
        }
    }
    fpmode mode = fpmode_enter();
    double found = clip_together(trainers, count, max_norm);
    fpmode_leave(mode);
    if (!isfinite(found)) {
        return error_set(LRNN_ERR_NUMERIC, "the gradient norm is not finite");
    }
    if (norm != NULL) {
        *norm = found;
    }
    return LRNN_OK;
}
