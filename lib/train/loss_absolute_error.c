/* Losses that grow no faster than the error, so that outliers do not dominate. d = y - t:
 *   absolute error (torch.nn.L1Loss)        l = |d|                          dl/dy = sign d
 *   Huber (torch.nn.HuberLoss, delta)       l = d^2 / 2         |d| <= delta dl/dy = d
 *                                           l = delta (|d| - delta / 2)      dl/dy = delta sign d
 *   smooth L1 (torch.nn.SmoothL1Loss, beta) that of Huber, divided by beta
 * Huber 1964, "Robust Estimation of a Location Parameter". See loss_values.c. */
#include <math.h>

#include "base/check.h"
#include "loss.h"

static lrnn_status check_options(const lrnn_trainer_options *o, size_t outputs)
{
    (void)outputs;
    return check_not_negative("loss_transition", o->loss_transition);
}

static double transition(const loss_item *item)
{
    return item->options->loss_transition == 0 ? 1 : item->options->loss_transition;
}

static double sign(double d)
{
    return d > 0 ? 1 : d < 0 ? -1 : d; /* NaN stays */
}

/* The loss of one difference; *slope is its derivative. */
typedef double difference_loss(const loss_item *item, double d, double *slope);

static double absolute(const loss_item *item, double d, double *slope)
{
    (void)item;
    *slope = sign(d);
    return fabs(d);
}

static double huber(const loss_item *item, double d, double *slope)
{
    double delta = transition(item);
    if (fabs(d) <= delta) {
        *slope = d;
        return 0.5 * d * d;
    }
    *slope = delta * sign(d);
    return delta * (fabs(d) - 0.5 * delta);
}

static double smooth(const loss_item *item, double d, double *slope)
{
    double beta = transition(item), found = huber(item, d, slope);
    *slope /= beta;
    return found / beta;
}

/* The values become the weighted slopes. */
static void observe(const loss_item *item, const loss_slice *slice, difference_loss *of)
{
    double sum = 0;
    for (size_t o = 0; o < slice->count; o++) {
        double slope, steep, weight = loss_value_weight(item, slice->first + o);
        if (weight == 0) {
            slice->values[o] = 0;
            continue;
        }
        double d =
            loss_output(item, slice->values[o], &steep) - loss_target_value(item, slice->first + o);
        sum += weight * of(item, d, &slope);
        slice->values[o] = (real)(weight * slope * steep);
    }
    item->sum[slice->index] = sum;
}

static void observe_absolute(const loss_item *item, const loss_slice *slice)
{
    observe(item, slice, absolute);
}

static void observe_huber(const loss_item *item, const loss_slice *slice)
{
    observe(item, slice, huber);
}

static void observe_smooth(const loss_item *item, const loss_slice *slice)
{
    observe(item, slice, smooth);
}

static double judge(const loss_item *item, loss_tally *tally)
{
    *tally = (loss_tally){1, 0};
    return loss_mean_values(item);
}

static const row_loss absolute_row = {observe_absolute, judge, loss_prepare_values, NULL};
static const row_loss huber_row = {observe_huber, judge, loss_prepare_values, NULL};
static const row_loss smooth_row = {observe_smooth, judge, loss_prepare_values, NULL};

const loss_kind loss_absolute_error = {
    .kind = LRNN_LOSS_ABSOLUTE_ERROR,
    .name = "absolute error",
    .outputs = LOSS_VALUES,
    .reads_values = true,
    .check = loss_check_values,
    .share = loss_share_values,
    .row = &absolute_row,
};

const loss_kind loss_huber = {
    .kind = LRNN_LOSS_HUBER,
    .name = "Huber",
    .outputs = LOSS_VALUES,
    .reads_values = true,
    .reads = {.loss_transition = true},
    .check_options = check_options,
    .check = loss_check_values,
    .share = loss_share_values,
    .row = &huber_row,
};

const loss_kind loss_smooth_l1 = {
    .kind = LRNN_LOSS_SMOOTH_L1,
    .name = "smooth L1",
    .outputs = LOSS_VALUES,
    .reads_values = true,
    .reads = {.loss_transition = true},
    .check_options = check_options,
    .check = loss_check_values,
    .share = loss_share_values,
    .row = &smooth_row,
};
