/* Squared error (torch.nn.MSELoss): l = (y - t)^2, dl/dy = 2 (y - t). See loss_values.c. */
#include "loss.h"

/* The values become the weighted differences. */
static void observe(const loss_item *item, const loss_slice *slice)
{
    double sum = 0;
    for (size_t o = 0; o < slice->count; o++) {
        double slope, weight = loss_value_weight(item, slice->first + o);
        if (weight == 0) {
            slice->values[o] = 0;
            continue;
        }
        double difference =
            loss_output(item, slice->values[o], &slope) - loss_target_value(item, slice->first + o);
        sum += weight * (difference * difference);
        slice->values[o] = (real)(weight * difference * slope);
    }
    item->sum[slice->index] = sum;
}

static double judge(const loss_item *item, loss_tally *tally)
{
    *tally = (loss_tally){1, 0};
    return loss_mean_values(item);
}

static void prepare(const loss_item *item, double amount)
{
    loss_prepare_values(item, amount * 2);
}

static const row_loss row = {observe, judge, prepare, NULL};

const loss_kind loss_squared_error = {
    .kind = LRNN_LOSS_SQUARED_ERROR,
    .name = "squared error",
    .outputs = LOSS_VALUES,
    .reads_values = true,
    .check = loss_check_values,
    .share = loss_share_values,
    .row = &row,
};
