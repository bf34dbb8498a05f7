/* Measuring and clipping gradients. Frozen parameters have zero gradients and so count nowhere. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/fpmode.h"
#include "trainer.h"

/* The sum is taken in pieces of fixed size, in order, so it does not depend on threads. */
#define NORM_PIECE ((size_t)1 << 14)

double gradient_square_sum(const lrnn_trainer *trainer)
{
    size_t count = trainer->net->parameter_count;
    double sum = 0;
    for (size_t first = 0; first < count; first += NORM_PIECE) {
        size_t n = count - first < NORM_PIECE ? count - first : NORM_PIECE;
        sum += kernels()->dot(trainer->gradients + first, trainer->gradients + first, n);
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
    gradient_clip_value(trainer, limit);
    return LRNN_OK;
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
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (trainers[i] == NULL) {
            return error_set(LRNN_ERR_INVALID, "trainers[%zu] is NULL", i);
        }
        fpmode mode = fpmode_enter();
        sum += gradient_square_sum(trainers[i]);
        fpmode_leave(mode);
    }
    if (!isfinite(sum)) {
        return error_set(LRNN_ERR_NUMERIC, "the gradient norm is not finite");
    }
    double factor = clip_factor(sqrt(sum), max_norm);
    for (size_t i = 0; factor < 1 && i < count; i++) {
        kernels()->scale(trainers[i]->gradients, (real)factor, trainers[i]->net->parameter_count);
    }
    if (norm != NULL) {
        *norm = sqrt(sum);
    }
    return LRNN_OK;
}
