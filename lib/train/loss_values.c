/* What losses that compare each output with a target value of its own have in common. With O
 * outputs, target values t, weights m of the values (1 where none are given) and l the loss of one
 * output:
 *   loss = sum_o m_o l(y_o, t_o) / O        weight = sum_o m_o / O
 * so that sum / weight is the mean over all values that count, as PyTorch's `mean` has it. A target
 * whose weight is 0 is not read: it may be NaN, as missing values are. */
#include <math.h>

#include "base/check.h"
#include "base/error.h"
#include "loss.h"

lrnn_status loss_check_value_weight(const loss_item *item, size_t o)
{
    double weight = loss_value_weight(item, o);
    if (!(weight >= 0 && isfinite(weight))) {
        return error_set(LRNN_ERR_INVALID,
                         "value_weights: item %zu, output %zu: expected a finite number of at "
                         "least 0, found %g",
                         item->index, o, weight);
    }
    return LRNN_OK;
}

lrnn_status loss_check_values(const loss_item *item)
{
    for (size_t o = 0; o < item->outputs; o++) {
        CHECK(loss_check_value_weight(item, o));
        double target = loss_target_value(item, o);
        if (!isfinite(target) && loss_value_weight(item, o) > 0) {
            return error_set(LRNN_ERR_NUMERIC,
                             "target_values: item %zu, output %zu: expected a finite number, or a "
                             "weight of 0 in value_weights, found %g",
                             item->index, o, target);
        }
    }
    return LRNN_OK;
}

double loss_share_values(const loss_item *item)
{
    if (item->sequences->value_weights == NULL) {
        return 1;
    }
    double sum = 0;
    for (size_t o = 0; o < item->outputs; o++) {
        sum += loss_value_weight(item, o);
    }
    return sum / (double)item->outputs;
}

double loss_mean_values(const loss_item *item)
{
    double O = (double)item->outputs, found = 0;
    for (size_t i = 0; i < item->slices; i++) {
        found += item->sum[i] / O;
    }
    return found;
}

void loss_prepare_values(const loss_item *item, double amount)
{
    for (size_t i = 0; i < item->slices; i++) {
        item->factor[i] = (real)(amount / (double)item->outputs);
    }
}
