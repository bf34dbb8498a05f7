/* Binary cross-entropy of O independent outputs with logits z, targets t in 0..1 and weights p of
 * the positive side (torch.nn.BCEWithLogitsLoss with pos_weight), s the logistic sigmoid:
 *   l     = -p t log s(z) - (1 - t) log s(-z)
 *   dl/dz = s(z) (p t + 1 - t) - p t
 * log s(-z) is -z - log(1 + exp(-z)), taken from the side where exp does not overflow. A target
 * below 0 is ignored. See loss_values.c. */
#include <math.h>

#include "base/check.h"
#include "base/error.h"
#include "loss.h"

static lrnn_status check_options(const lrnn_trainer_options *o, size_t outputs)
{
    return loss_check_weights("positive_weights", o->positive_weights, outputs);
}

static double value_weight(const loss_item *item, size_t o)
{
    return loss_target_value(item, o) < 0 ? 0 : loss_value_weight(item, o);
}

static lrnn_status check(const loss_item *item)
{
    for (size_t o = 0; o < item->outputs; o++) {
        CHECK(loss_check_value_weight(item, o));
        double t = loss_target_value(item, o);
        if (!(t <= 1) && loss_value_weight(item, o) > 0) {
            return error_set(isfinite(t) ? LRNN_ERR_INVALID : LRNN_ERR_NUMERIC,
                             "target_values: item %zu, output %zu: expected 0..1, or below 0 to "
                             "ignore it, found %g",
                             item->index, o, t);
        }
    }
    return LRNN_OK;
}

static double share(const loss_item *item)
{
    double sum = 0;
    for (size_t o = 0; o < item->outputs; o++) {
        sum += value_weight(item, o);
    }
    return sum / (double)item->outputs;
}

static double positive_weight(const loss_item *item, size_t o)
{
    const real *weights = item->options->positive_weights;
    return weights == NULL ? 1 : (double)weights[o];
}

/* The values become the weighted derivatives. */
static void observe(const loss_item *item, const loss_slice *slice)
{
    double sum = 0;
    item->other[slice->index] = 0;
    for (size_t i = 0; i < slice->count; i++) {
        size_t o = slice->first + i;
        double weight = value_weight(item, o);
        if (weight == 0) {
            slice->values[i] = 0;
            continue;
        }
        double z = (double)slice->values[i], t = loss_target_value(item, o);
        double p = positive_weight(item, o), small = exp(-fabs(z)), softplus = log1p(small);
        double log_on = (z < 0 ? z : 0) - softplus, log_off = (z > 0 ? -z : 0) - softplus;
        double on = (z < 0 ? small : 1) / (1 + small);
        sum -= weight * (p * t * log_on + (1 - t) * log_off);
        slice->values[i] = (real)(weight * (on * (p * t + 1 - t) - p * t));
        item->other[slice->index] += (z > 0) == (t > 0.5);
    }
    item->sum[slice->index] = sum;
}

static double judge(const loss_item *item, loss_tally *tally)
{
    *tally = (loss_tally){0, 0};
    for (size_t o = 0; o < item->outputs; o++) {
        tally->items += value_weight(item, o) > 0;
    }
    for (size_t i = 0; i < item->slices; i++) {
        tally->right += (uint64_t)item->other[i];
    }
    return loss_mean_values(item);
}

static const row_loss row = {observe, judge, loss_prepare_values, NULL};

const loss_kind loss_binary_cross_entropy = {
    .kind = LRNN_LOSS_BINARY_CROSS_ENTROPY,
    .name = "binary cross-entropy",
    .outputs = LOSS_CHANCES,
    .reads_values = true,
    .reads = {.positive_weights = true},
    .check_options = check_options,
    .check = check,
    .share = share,
    .row = &row,
};
